/** Parts of a route for tests of balancing: targets that nobody calls, a call, a book with a clock of the test's own. */
import assert from 'node:assert/strict';
import type { Call, Pricing } from '../../src/core/call.ts';
import type { ChatRequest, Message, Role } from '../../src/core/chat.ts';
import { GatewayError } from '../../src/core/error.ts';
import { createHealthBook, DEFAULT_BREAKER } from '../../src/gateway/health.ts';
import type { HealthBook, Ticket } from '../../src/gateway/health.ts';
import { DEFAULT_POLICY, DEFAULT_TIMEOUTS } from '../../src/gateway/route.ts';
import type { Route, RoutePolicy, RouteTarget } from '../../src/gateway/route.ts';

export interface TargetFacts {
  readonly weight?: number;
  readonly maxInFlight?: number;
  readonly pricing?: Pricing;
}

export function routeTarget(key: string, { weight = 1, maxInFlight, pricing }: TargetFacts = {}): RouteTarget {
  const card = { id: key, created: 0, ownedBy: 'x', endpoints: [], capabilities: {}, ...(pricing ? { pricing } : {}) };
  const backend = { chat: () => Promise.reject(new Error('nobody calls it here')) };
  return { key, target: { id: key, card, backend }, weight, maxInFlight, timeouts: DEFAULT_TIMEOUTS };
}

export const message = (role: Role, text: string): Message => ({ role, blocks: [{ type: 'text', text }] });

export function callOf(request: Partial<ChatRequest> = {}, principal = 'key-1'): Call {
  const whole: ChatRequest = {
    model: 'm',
    messages: [message('user', 'Hello.')],
    sampling: {},
    n: 1,
    stop: [],
    tools: [],
    toolChoice: { mode: 'auto' },
    parallelToolCalls: true,
    responseFormat: { type: 'text' },
    stream: true,
    includeUsage: false,
    legacyFunctions: false,
    extras: [],
    raw: {},
    ...request,
  };
  return {
    id: 'req_1',
    request: whole,
    principal: { id: principal, role: 'member' },
    strict: false,
    signal: new AbortController().signal,
    trace: { attempts: [] },
  };
}

export const bookAt = (now: () => number = () => 0): HealthBook => createHealthBook({ settings: DEFAULT_BREAKER, now });
export const routeOf = (targets: readonly RouteTarget[], policy: Partial<RoutePolicy>): Route => ({
  name: 'm',
  targets,
  policy: { ...DEFAULT_POLICY, ...policy },
});

export function enterTarget(health: HealthBook, to: RouteTarget, times = 1): readonly Ticket[] {
  return Array.from({ length: times }, () => {
    const entry = health.enter(to);
    return entry.ok ? entry.ticket : assert.fail(entry.why);
  });
}

export function breakTarget(health: HealthBook, to: RouteTarget): void {
  for (let at = 0; at < 5; at++) for (const ticket of enterTarget(health, to)) ticket.fail(new GatewayError('upstream', 'broken'));
}

/** How often each is first. */
export function firsts(count: number, of: () => readonly string[]): Record<string, number> {
  const found: Record<string, number> = {};
  for (let at = 0; at < count; at++) {
    const [first = ''] = of();
    found[first] = (found[first] ?? 0) + 1;
  }
  return found;
}

/** Pearson's, against these parts of the whole. */
export function chiSquare(found: Readonly<Record<string, number>>, parts: Readonly<Record<string, number>>): number {
  const count = Object.values(found).reduce((sum, one) => sum + one, 0);
  return Object.entries(parts).reduce((sum, [key, part]) => sum + ((found[key] ?? 0) - part * count) ** 2 / (part * count), 0);
}

/** With two degrees of freedom, one in a thousand fair draws is beyond this. */
export const CHI_SQUARE_2 = 13.8;

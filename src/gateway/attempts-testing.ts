/** Routes whose targets do what a test says. */
import type { TestContext } from 'node:test';
import type { Call, Reply } from '../core/call.ts';
import type { ChatResponse } from '../core/chat.ts';
import { GatewayError } from '../core/error.ts';
import type { Batch, ChatEvent } from '../core/event.ts';
import { fold } from '../core/event.ts';
import { accept } from '../../test/support/openai-chat.ts';
import { createAttempts } from './attempts.ts';
import { createHealthBook, DEFAULT_BREAKER } from './health.ts';
import { createLine } from './line.ts';
import { DEFAULT_POLICY, DEFAULT_TIMEOUTS } from './route.ts';
import type { RoutePolicy, RouteTarget } from './route.ts';

export const response = (text: string, reason: 'stop' | 'content_filter' = 'stop'): ChatResponse => ({
  id: 'chatcmpl-1',
  model: 'm',
  created: 1,
  choices: [{ blocks: text === '' ? [] : [{ type: 'text', text }], reason }],
  usage: { promptTokens: 1, completionTokens: 1, cachedTokens: 0, reasoningTokens: 0 },
});

/** A text: an answer; `never`: none. */
type Move = string | GatewayError | Reply | ((call: Call) => Promise<Reply>);

export const whole = (text: string): Reply => ({ kind: 'full', response: response(text), ignored: [] });

async function* streamOf(events: readonly ChatEvent[]): AsyncGenerator<Batch> {
  for (const event of events) yield { events: [event] };
}
export const streamed = (events: readonly ChatEvent[]): Reply => ({ kind: 'stream', batches: streamOf(events), ignored: [] });

interface Setting {
  readonly policy?: Partial<RoutePolicy>;
  readonly more?: Readonly<Record<string, Partial<Omit<RouteTarget, 'key' | 'target'>> & { window?: number }>>;
  readonly body?: Readonly<Record<string, unknown>>;
  readonly random?: () => number;
  /** Who may wait for a busy target. */
  readonly longestLine?: number;
}

/** Targets by name, each with what it does at its first, second … request; the last one for ever. */
export function world(targets: Readonly<Record<string, readonly Move[]>>, { policy = {}, more = {}, body = {}, ...rest }: Setting = {}) {
  const { random = () => 0, longestLine = 10 } = rest;
  const asked: string[] = [];
  const now = (): number => Date.now();
  const health = createHealthBook({ settings: DEFAULT_BREAKER, now });
  const attempts = createAttempts({ health, now, random, line: createLine(longestLine) });
  const list = Object.entries(targets).map(([key, moves]): RouteTarget => {
    let count = 0;
    const chat = async (call: Call): Promise<Reply> => {
      asked.push(key);
      const move = moves[Math.min(count++, moves.length - 1)] ?? 'nothing';
      if (move instanceof GatewayError) throw move;
      if (move === 'never') return new Promise<never>(() => undefined);
      if (typeof move === 'function') return move(call);
      return typeof move === 'string' ? whole(move) : move;
    };
    const { window, ...own } = more[key] ?? {};
    const card = {
      id: key,
      created: 0,
      ownedBy: 'x',
      provider: 'p',
      endpoints: [],
      capabilities: {},
      ...(window === undefined ? {} : { contextWindow: window }),
    };
    return { key, target: { id: key, card, backend: { chat } }, weight: 1, maxInFlight: undefined, timeouts: DEFAULT_TIMEOUTS, ...own };
  });
  const route = { name: 'r', targets: list, policy: { ...DEFAULT_POLICY, ...policy } };
  const leaving = new AbortController();
  const newCall = (): Call => ({
    id: 'req_1',
    request: accept(body),
    principal: { id: 'p', role: 'member' },
    strict: false,
    signal: leaving.signal,
    trace: { attempts: [] },
  });
  const call = newCall();
  const textOf = async (reply: Promise<Reply>): Promise<string> => {
    const got = await reply;
    const answer = got.kind === 'full' ? got.response : await fold(got.batches);
    return answer.choices[0]?.blocks.map((block) => ('text' in block ? block.text : '')).join('') ?? '';
  };
  return {
    asked,
    health,
    call,
    newCall,
    leaving,
    route,
    answer: (one = call) => attempts(route, one),
    textOf,
    outcomes: () => call.trace.attempts.map(({ outcome }) => outcome),
  };
}

export const failed = (kind: ConstructorParameters<typeof GatewayError>[0], retryAfterMs?: number): GatewayError =>
  new GatewayError(kind, `${kind} happened`, retryAfterMs === undefined ? {} : { retryAfterMs });
export const reported = (status: number, retryAfterMs?: number): GatewayError =>
  new GatewayError('reported', `status ${status}`, {
    reported: { status, type: 't', code: null },
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  });

/** Lets time pass until the promise settles; waits are virtual. */
export async function inTime<T>(t: TestContext, work: Promise<T>): Promise<T> {
  let over = false;
  const settled = work.finally(() => {
    over = true;
  });
  settled.catch(() => undefined);
  for (let step = 0; step < 100_000; step++) {
    await new Promise(setImmediate);
    if (over) break;
    t.mock.timers.tick(50);
  }
  return settled;
}

export const virtual = (t: TestContext): void => t.mock.timers.enable({ apis: ['setTimeout', 'Date'], now: 1_000_000 });

/** For tests: everything between a call and scripted targets, with counters in memory and clocks that stand still. */
import assert from 'node:assert/strict';
import type { Call, ModelCard, Pricing, Reply } from '../core/call.ts';
import { compose } from '../core/call.ts';
import type { Usage } from '../core/chat.ts';
import { GatewayError } from '../core/error.ts';
import { fold } from '../core/event.ts';
import type { Batch, ChatEvent } from '../core/event.ts';
import { accept } from '../../test/support/openai-chat.ts';
import type { EndUser, Limits, Project, UsageRecord, VirtualKey } from './accounts.ts';
import { createAttempts } from './attempts.ts';
import { createBooks } from './books.ts';
import { cached } from './cache.ts';
import { memoryCounters } from './counters.ts';
import { createHealthBook, DEFAULT_BREAKER } from './health.ts';
import { limited } from './limited.ts';
import type { LimitSettings } from './limited.ts';
import { createLine } from './line.ts';
import { metered } from './metered.ts';
import { estimatePrompt } from './money.ts';
import { DEFAULT_POLICY } from './route.ts';
import type { Route, RoutePolicy, RouteTarget } from './route.ts';

export const NOON = Date.UTC(2026, 10, 23, 12);
/** A dollar for a million tokens: a thousand nano-dollars each. */
export const PRICE: Pricing = { input: 1, output: 2 };

export const usageOf = (promptTokens: number, completionTokens: number): Usage => ({
  promptTokens,
  completionTokens,
  cachedTokens: 0,
  reasoningTokens: 0,
});

export const keyWith = (allowance: Partial<Pick<VirtualKey, 'limits' | 'budgets' | 'models'>> = {}): VirtualKey => ({
  id: 'key_1',
  projectId: 'proj_1',
  name: 'k',
  owner: undefined,
  role: 'member',
  hash: '',
  hint: '',
  addresses: [],
  createdAt: 0,
  expiresAt: undefined,
  revokedAt: undefined,
  rotatedTo: undefined,
  lastUsedAt: undefined,
  limits: {},
  budgets: [],
  models: [],
  ...allowance,
});

export const projectWith = (allowance: Partial<Pick<Project, 'limits' | 'budgets'>> = {}): Project => ({
  id: 'proj_1',
  name: 'p',
  createdAt: 0,
  disabledAt: undefined,
  limits: {},
  budgets: [],
  models: [],
  ...allowance,
});

export const endUserWith = (more: Partial<EndUser> = {}): EndUser => ({
  projectId: 'proj_1',
  id: 'ada',
  blockedAt: undefined,
  note: undefined,
  limits: {},
  budgets: [],
  models: [],
  ...more,
});

export type Chat = (call: Call) => Promise<Reply>;

export interface World {
  readonly key?: VirtualKey;
  readonly project?: Project;
  readonly endUser?: EndUser;
  readonly models?: Readonly<Record<string, Limits>>;
  /** What each target does; the route asks them in this order. */
  readonly targets?: Readonly<Record<string, Chat>>;
  readonly card?: Partial<ModelCard>;
  readonly policy?: Partial<RoutePolicy>;
  readonly settings?: Partial<LimitSettings>;
  /** Requests that a target makes of one with several choices. */
  readonly calls?: number;
  readonly share?: boolean;
  readonly cache?: boolean;
}

/** An answer that is not streamed. */
export const whole =
  (usage: Usage | undefined = usageOf(10, 20), text = 'hello'): Chat =>
  async () => ({
    kind: 'full',
    response: { id: 'chatcmpl-1', model: 'm', created: 1, choices: [{ blocks: [{ type: 'text', text }], reason: 'stop' }], usage },
    ignored: [],
  });

export const START: readonly ChatEvent[] = [
  { type: 'start', id: 'chatcmpl-1', model: 'm', created: 1 },
  { type: 'block_start', choice: 0, block: 0, of: { type: 'text' } },
];
export const said = (text: string): ChatEvent => ({ type: 'block_delta', choice: 0, block: 0, text });
export const END: readonly ChatEvent[] = [
  { type: 'block_end', choice: 0, block: 0 },
  { type: 'finish', choice: 0, reason: 'stop' },
];

/** A stream of these events, a batch each; a function is waited for. */
export const streamed =
  (...steps: readonly (ChatEvent | ((call: Call) => Promise<void>))[]): Chat =>
  async (call) => {
    call.reached?.();
    async function* batches(): AsyncGenerator<Batch> {
      for (const step of steps) {
        if (typeof step === 'function') await step(call);
        else yield { events: [step] };
      }
    }
    return { kind: 'stream', batches: batches(), ignored: [] };
  };

export const DEFAULT_SETTINGS: LimitSettings = { onTightBudget: 'refuse', answerTokens: 1000, maxWaitMs: 0, mostWaiting: 100 };

export function worldOf(world: World = {}) {
  const { targets = { a: whole() }, card = {}, policy = {}, settings = {} } = world;
  const { key = keyWith(), project = projectWith(), endUser } = world;
  /** What administrators say by now. */
  const told = { key };
  const clock = { wall: NOON };
  const records: UsageRecord[] = [];
  const problems: unknown[] = [];
  const seen: Call[] = [];
  const order: string[] = [];
  const now = (): number => clock.wall - NOON;
  const counters = memoryCounters({ now: () => clock.wall });
  const { settle } = counters;
  const books = createBooks({
    counters: {
      settle: async (id, takes) => {
        order.push('settle');
        await settle(id, takes);
      },
    },
    record: (record) => {
      order.push('record');
      records.push(record);
    },
    now,
    clock: () => clock.wall,
    failed: (cause) => problems.push(cause),
  });
  const list = Object.entries(targets).map(([id, chat]): RouteTarget => {
    const own: ModelCard = { id, created: 0, ownedBy: 'x', provider: 'up', endpoints: [], capabilities: {}, pricing: PRICE, ...card };
    const backend = {
      chat: (call: Call) => {
        seen.push(call);
        return chat(call);
      },
      ...(world.calls === undefined ? {} : { calls: () => world.calls ?? 1 }),
    };
    return { key: id, target: { id, card: own, backend }, weight: 1, maxInFlight: undefined, timeouts: { firstOutputMs: 0, idleMs: 0 } };
  });
  const route: Route = { name: 'm', targets: list, policy: { ...DEFAULT_POLICY, wholeMs: 0, ...policy } };
  const health = createHealthBook({ settings: DEFAULT_BREAKER, now });
  const attempts = createAttempts({ health, now, random: () => 0, line: createLine(10) });
  const limits = limited({
    counters,
    directory: {
      byKeyId: () => ({ key: told.key, project, presented: told.key }),
      project: () => project,
      endUser: (_, id) => (id === endUser?.id ? endUser : undefined),
      modelLimits: () => new Map(Object.entries(world.models ?? {})),
    },
    books,
    routeOf: async () => route,
    settings: { ...DEFAULT_SETTINGS, ...settings },
    line: createLine(Infinity),
    clock: () => clock.wall,
  });
  const cache = cached({
    settings: { enabled: world.cache ?? false, perRequest: true, maxBytes: 1e6, ttlMs: 0, models: [], share: world.share ?? false },
    now,
    failed: (cause) => problems.push(cause),
  });
  const handler = compose(limits, cache, metered(books))((call) => attempts(route, call));

  let made = 0;
  const callOf = (body: Readonly<Record<string, unknown>> = {}, signal: AbortSignal = new AbortController().signal): Call => ({
    id: `req_${++made}`,
    request: accept({ max_tokens: 100, ...body }),
    principal: { id: 'k', keyId: 'key_1', projectId: 'proj_1', role: 'member' },
    strict: false,
    signal,
    trace: { attempts: [] },
  });
  /** What is left of a counter, and what requests hold of it. */
  const left = async (kind: 'budget' | 'rate' | 'concurrent', counterKey: string, limit: number | bigint) => {
    const counter =
      kind === 'budget'
        ? ({ kind, key: counterKey, limit: BigInt(limit), since: 0, until: undefined } as const)
        : kind === 'rate'
          ? ({ kind, key: counterKey, limit: Number(limit), windowMs: 60_000 } as const)
          : ({ kind, key: counterKey, limit: Number(limit) } as const);
    const [state] = await counters.states([counter]);
    return { remaining: state?.remaining, held: state?.held };
  };
  return {
    clock,
    told,
    records,
    problems,
    seen,
    order,
    counters,
    handler,
    callOf,
    left,
    /** The whole answer of a request. */
    async ask(body?: Readonly<Record<string, unknown>>) {
      const call = callOf(body);
      const reply = await handler(call);
      const response = reply.kind === 'full' ? reply.response : await fold(reply.batches);
      return { call, response };
    },
    spent: () => records.reduce((sum, { costNanos }) => sum + costNanos, 0n),
  };
}

/** What the worst case of the standard request costs: its prompt at 1000 nano-dollars a token, and 100 tokens at 2000. */
export const worstOf = (made: ReturnType<typeof worldOf>, tokens = 100): bigint =>
  BigInt(estimatePrompt(made.callOf().request).tokens) * 1000n + BigInt(tokens) * 2000n;
export const WORST = worstOf(worldOf());
/** 10 tokens of the prompt and 20 of the answer. */
export const ACTUAL = 10n * 1000n + 20n * 2000n;

/** The error with which the work is refused; fails where it is not. */
export async function refusal(work: Promise<unknown>): Promise<GatewayError> {
  try {
    await work;
  } catch (error) {
    assert.ok(error instanceof GatewayError, String(error));
    return error;
  }
  return assert.fail('it was not refused');
}

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GatewayError } from '../core/error.ts';
import { fold } from '../core/event.ts';
import type { Chat } from './limited-testing.ts';
import {
  END,
  endUserWith,
  keyWith,
  projectWith,
  said,
  START,
  streamed,
  usageOf,
  whole,
  worldOf,
  ACTUAL,
  refusal,
  WORST,
  worstOf,
} from './limited-testing.ts';

/** Answers when it may. */
const after =
  (gate: Promise<void>): Chat =>
  async (call) => {
    await gate;
    return whole()(call);
  };
const total = (nanos: bigint) => [{ period: 'total' as const, nanos }];
const BUDGET = 'key/key_1/money/total';

test('limited: a budget holds the worst case while a request runs, and keeps what it used', async () => {
  const gate = Promise.withResolvers<void>();
  const world = worldOf({
    key: keyWith({ budgets: total(10n * WORST) }),
    targets: { a: after(gate.promise) },
  });
  const running = world.ask();
  await new Promise(setImmediate);
  assert.deepEqual(await world.left('budget', BUDGET, 10n * WORST), { remaining: 9n * WORST, held: WORST });
  gate.resolve();
  await running;
  assert.deepEqual(await world.left('budget', BUDGET, 10n * WORST), { remaining: 10n * WORST - ACTUAL, held: 0n });
  assert.equal(world.spent(), ACTUAL);
  assert.deepEqual(world.order, ['settle', 'record'], 'the counters know before the record does');
  assert.deepEqual(world.problems, []);
});

test('limited: for a dear class of service its worst case is held, and for a cheap one that of the usual one', async () => {
  const pricing = { input: 1, output: 2, serviceTiers: { flex: { input: 0.5, output: 1 }, priority: { input: 3, output: 6 } } };
  for (const [asked, times] of [
    ['priority', 3n],
    ['flex', 1n],
    ['auto', 1n],
  ] as const) {
    const gate = Promise.withResolvers<void>();
    const world = worldOf({ key: keyWith({ budgets: total(10n * WORST) }), targets: { a: after(gate.promise) }, card: { pricing } });
    const running = world.ask({ service_tier: asked });
    await new Promise(setImmediate);
    assert.equal((await world.left('budget', BUDGET, 10n * WORST)).held, times * WORST, asked);
    gate.resolve();
    await running;
  }
});

test('limited: of many at once, as many are let in as fit, and none over', async () => {
  const gate = Promise.withResolvers<void>();
  const world = worldOf({
    key: keyWith({ budgets: total(50n * WORST + WORST - 1n) }),
    targets: { a: after(gate.promise) },
  });
  const all = Array.from({ length: 200 }, () =>
    world.ask().then(
      () => 'served',
      (error: GatewayError) => error.type,
    ),
  );
  await new Promise(setImmediate);
  gate.resolve();
  const ends = await Promise.all(all);
  assert.equal(ends.filter((end) => end === 'served').length, 50);
  assert.equal(ends.filter((end) => end === 'concurrency').length, 150, 'they may come again when the others are done');
  assert.equal(world.spent(), 50n * ACTUAL);
});

test('limited: those for whom money is only held wait until it is given back', async () => {
  const budget = 4n * ACTUAL + WORST;
  const world = worldOf({ key: keyWith({ budgets: total(budget) }), settings: { maxWaitMs: 60_000 } });
  const all = Array.from({ length: 40 }, () =>
    world.ask().then(
      () => 'served',
      (error: GatewayError) => error.type,
    ),
  );
  const ends = await Promise.all(all);
  const served = ends.filter((end) => end === 'served').length;
  // as many as one after the other would be
  let fits = 0;
  for (let spent = 0n; spent + WORST <= budget; spent += ACTUAL) fits++;
  assert.equal(served, fits);
  assert.equal(ends.filter((end) => end === 'insufficient_quota').length, 40 - fits);
});

test('limited: a request whose worst case does not fit is refused with the numbers, and not to be sent again', async () => {
  const world = worldOf({ key: keyWith({ budgets: total(WORST - 20_000n) }) });
  const error = await refusal(world.ask());
  assert.deepEqual([error.status, error.type, error.code, error.retryable], [429, 'insufficient_quota', 'insufficient_quota', false]);
  assert.match(error.message, /budget of this key is \$0\.000\d+: \$0\.00 is spent/);
  assert.match(error.message, /would fit with max_tokens: 90\b/);
  const fits = await world.ask({ max_tokens: 90 });
  assert.equal(fits.call.trace.maxTokens, undefined);
  const over = await refusal(world.ask({ max_tokens: 101 }));
  assert.equal(over.type, 'insufficient_quota');
});

test('limited: where configured so, max_tokens is lowered to what fits', async () => {
  const world = worldOf({ key: keyWith({ budgets: total(WORST - 20_000n) }), settings: { onTightBudget: 'lower' } });
  const { call } = await world.ask();
  assert.equal(call.trace.maxTokens, 90);
  const [sent] = world.seen;
  assert.equal(sent?.request.maxTokens, 90);
  assert.equal(sent?.request.raw['max_tokens'], 90, 'the cache and the provider see the same');
  assert.equal(call.request.raw['max_tokens'], 100, 'what the client sent is left as it is');
});

test('limited: no guess at the length of an answer blocks a key that has spent little', async () => {
  const card = { maxOutputTokens: 1_000_000 };
  const world = worldOf({ key: keyWith({ budgets: total(3_000_000n) }), card });
  const { call } = await world.ask({ max_tokens: null });
  assert.equal(call.trace.maxTokens, 1000, 'as the settings say');
  const poor = worldOf({ key: keyWith({ budgets: total(worstOf(world, 40)) }), card });
  assert.equal((await poor.ask({ max_tokens: null })).call.trace.maxTokens, 40, 'all that there is');
  const rich = worldOf({ key: keyWith({ budgets: total(10n ** 15n) }), card });
  assert.equal((await rich.ask({ max_tokens: null })).call.trace.maxTokens, undefined);
  assert.equal(rich.seen[0]?.request.maxTokens, undefined, 'the request goes as it came');
});

test('limited: an answer without a known end is bounded where a budget applies', async () => {
  const world = worldOf({ key: keyWith({ budgets: total(10n ** 15n) }) });
  const { call } = await world.ask({ max_tokens: null });
  assert.equal(call.trace.maxTokens, 1000);
  const free = worldOf();
  assert.equal((await free.ask({ max_tokens: null })).call.trace.maxTokens, undefined);
});

test('limited: key, project and end user hold at once, and all or none are charged', async () => {
  const world = worldOf({
    key: keyWith({ budgets: total(10n ** 12n), limits: { requestsPerMinute: 10 } }),
    project: projectWith({ budgets: [{ period: 'day', nanos: 10n ** 12n }], limits: { requestsPerMinute: 10 } }),
    endUser: endUserWith({ limits: { requestsPerMinute: 1 } }),
  });
  await world.ask({ user: 'ada' });
  const error = await refusal(world.ask({ user: 'ada' }));
  assert.deepEqual([error.type, error.code], ['requests', 'rate_limit_exceeded']);
  assert.match(error.message, /^This end user may use 1 request a minute/);
  assert.equal((await world.left('rate', 'key/key_1/requests/minute', 10)).remaining, 9n, 'nothing was taken for what was refused');
  await world.ask({ user: 'grace' });
  await world.ask({ user: 'ada', safety_identifier: 'someone else' });
  const midnight = {
    kind: 'budget',
    key: 'project/proj_1/money/day',
    limit: 10n ** 12n,
    since: Date.UTC(2026, 10, 23),
    until: Date.UTC(2026, 10, 24),
  } as const;
  const [day] = await world.counters.states([midnight]);
  assert.equal(day?.remaining, 10n ** 12n - 3n * ACTUAL);
});

test('limited: rate limits to the request, and after waiting as told a request passes', async () => {
  const world = worldOf({ key: keyWith({ limits: { requestsPerMinute: 3 } }) });
  for (let at = 0; at < 3; at++) await world.ask();
  const { call } = await world.ask().catch(() => ({ call: world.callOf() }));
  assert.equal(call.trace.attempts.length, 0);
  const error = await refusal(world.ask());
  assert.ok(error.retryAfterMs !== undefined && error.retryAfterMs > 0 && error.retryAfterMs <= 60_000);
  world.clock.wall += error.retryAfterMs - 1;
  await refusal(world.ask());
  world.clock.wall += 1;
  await world.ask();
});

test('limited: tokens are held by estimate and corrected by what was used', async () => {
  const world = worldOf({ key: keyWith({ limits: { tokensPerMinute: 200 } }) });
  const { call } = await world.ask();
  assert.deepEqual(call.trace.limits?.tokens?.limit, 200);
  assert.equal((await world.left('rate', 'key/key_1/tokens/minute', 200)).remaining, 170n);
  const large = await refusal(worldOf({ key: keyWith({ limits: { tokensPerMinute: 5 } }) }).ask());
  assert.deepEqual([large.type, large.retryable], ['tokens', false], 'it would never fit');
});

test('limited: requests at once, given back however they end', async () => {
  const gate = Promise.withResolvers<void>();
  const world = worldOf({
    key: keyWith({ limits: { concurrent: 1 } }),
    targets: { a: after(gate.promise) },
  });
  const first = world.ask();
  await new Promise(setImmediate);
  const error = await refusal(world.ask());
  assert.deepEqual([error.type, error.code], ['concurrency', 'rate_limit_exceeded']);
  gate.resolve();
  await first;
  await world.ask();
  const failing = worldOf({
    key: keyWith({ limits: { concurrent: 1 }, budgets: total(10n * WORST) }),
    targets: { a: async () => Promise.reject(new GatewayError('bad_request', 'no')) },
  });
  await refusal(failing.ask());
  assert.equal((await refusal(failing.ask())).kind, 'bad_request', 'its place is free again');
  assert.deepEqual(await failing.left('budget', BUDGET, 10n * WORST), { remaining: 10n * WORST, held: 0n });
});

test('limited: the tightest limit is told, by requests and by tokens', async () => {
  const world = worldOf({
    key: keyWith({ limits: { requestsPerMinute: 10, requestsPerDay: 4, tokensPerMinute: 10_000 } }),
    models: { m: { requestsPerMinute: 3 }, other: { requestsPerMinute: 1 } },
  });
  const { call } = await world.ask();
  assert.deepEqual(call.trace.limits?.requests, { limit: 3, remaining: 2, resetMs: 60_000 });
  assert.equal(call.trace.limits?.tokens?.limit, 10_000);
  const free = await worldOf().ask();
  assert.equal(free.call.trace.limits, undefined);
});

test('limited: a blocked end user gets 403 and costs nothing', async () => {
  const world = worldOf({ endUser: endUserWith({ blockedAt: 1 }), key: keyWith({ limits: { requestsPerMinute: 1 } }) });
  const error = await refusal(world.ask({ safety_identifier: 'ada' }));
  assert.deepEqual([error.status, error.code, error.param], [403, 'user_blocked', 'safety_identifier']);
  await world.ask({ user: 'grace' });
  const picky = worldOf({ endUser: endUserWith({ models: ['gpt-*'] }) });
  assert.equal((await refusal(picky.ask({ user: 'ada' }))).kind, 'model_not_allowed');
});

test('limited: an answer of the cache costs nothing and gives its tokens back', async () => {
  const world = worldOf({ cache: true, key: keyWith({ budgets: total(10n * WORST), limits: { tokensPerMinute: 1000, concurrent: 1 } }) });
  await world.ask();
  const { call } = await world.ask();
  assert.equal(call.trace.cache, 'hit');
  assert.equal((await world.left('rate', 'key/key_1/tokens/minute', 1000)).remaining, 970n);
  assert.deepEqual(await world.left('budget', BUDGET, 10n * WORST), { remaining: 10n * WORST - ACTUAL, held: 0n });
  const [, hit] = world.records;
  assert.deepEqual([hit?.cache, hit?.costNanos, hit?.promptTokens, hit?.outcome], ['hit', 0n, 0, 'ok']);
});

test('limited: a shared call is charged to the one whose call it was, once', async () => {
  const gate = Promise.withResolvers<void>();
  const stream = streamed(
    ...START,
    said('hello'),
    async () => gate.promise,
    ...END,
    { type: 'usage', usage: usageOf(10, 20) },
    { type: 'end' },
  );
  const world = worldOf({ cache: true, share: true, key: keyWith({ budgets: total(10n * WORST) }), targets: { a: stream } });
  const asked = [world.callOf({ stream: true }), world.callOf({ stream: true })];
  const replies = await Promise.all(asked.map((call) => world.handler(call)));
  const read = replies.map(async (reply) => (reply.kind === 'stream' ? fold(reply.batches) : undefined));
  gate.resolve();
  await Promise.all(read);
  assert.deepEqual(world.records.map(({ cache, costNanos }) => [cache, costNanos]).toSorted(), [
    ['miss', ACTUAL],
    ['shared', 0n],
  ]);
  assert.deepEqual(await world.left('budget', BUDGET, 10n * WORST), { remaining: 10n * WORST - ACTUAL, held: 0n });
});

test('limited: a shared call whose first client leaves is charged to that one all the same, once, when it ends', async () => {
  const gate = Promise.withResolvers<void>();
  const world = worldOf({
    share: true,
    cache: true,
    key: keyWith({ budgets: total(10n * WORST), limits: { concurrent: 10 } }),
    targets: {
      a: async (call) => {
        await gate.promise;
        return whole()(call);
      },
    },
  });
  const leaving = new AbortController();
  const body = { temperature: 0, seed: 1 };
  const first = world.handler(world.callOf(body, leaving.signal));
  await new Promise(setImmediate);
  const others = Promise.all([world.ask(body), world.ask(body)]);
  await new Promise(setImmediate);
  leaving.abort(new GatewayError('cancelled', 'gone'));
  await assert.rejects(first);
  assert.deepEqual(world.records, [], 'it goes on for the others');
  gate.resolve();
  await others;
  await new Promise(setImmediate);
  assert.equal(world.seen.length, 1);
  assert.deepEqual(world.records.map(({ requestId, cache, costNanos, outcome }) => [requestId, cache, costNanos, outcome]).toSorted(), [
    ['req_1', 'miss', ACTUAL, 'ok'],
    ['req_2', 'shared', 0n, 'ok'],
    ['req_3', 'shared', 0n, 'ok'],
  ]);
  assert.deepEqual(await world.left('budget', BUDGET, 10n * WORST), { remaining: 10n * WORST - ACTUAL, held: 0n });
  assert.equal((await world.left('concurrent', 'key/key_1/concurrent', 10)).remaining, 10n);
});

test('limited: a second target beside a slow one is held for as well', async () => {
  const hedging = { policy: { hedge: true }, targets: { a: whole(), b: whole() } };
  const world = worldOf({ ...hedging, key: keyWith({ budgets: total(2n * WORST - 1n) }) });
  assert.equal((await refusal(world.ask())).type, 'insufficient_quota');
  await worldOf({ ...hedging, key: keyWith({ budgets: total(2n * WORST) }) }).ask();
  const retrying = worldOf({ targets: { a: whole(), b: whole() }, key: keyWith({ budgets: total(WORST) }) });
  await retrying.ask();
});

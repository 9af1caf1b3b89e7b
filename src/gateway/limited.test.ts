import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GatewayError } from '../core/error.ts';
import { fold } from '../core/event.ts';
import { estimatePrompt } from './money.ts';
import type { Chat } from './limited-testing.ts';
import { END, endUserWith, keyWith, NOON, PRICE, projectWith, said, START, streamed, usageOf, whole, worldOf } from './limited-testing.ts';

/** What the worst case of the standard request costs: its prompt at 1000 nano-dollars a token, and 100 tokens at 2000. */
const worstOf = (made: ReturnType<typeof worldOf>, tokens = 100): bigint =>
  BigInt(estimatePrompt(made.callOf().request).tokens) * 1000n + BigInt(tokens) * 2000n;
const WORST = worstOf(worldOf());
/** 10 tokens of the prompt and 20 of the answer. */
const ACTUAL = 10n * 1000n + 20n * 2000n;

async function refusal(work: Promise<unknown>): Promise<GatewayError> {
  try {
    await work;
  } catch (error) {
    assert.ok(error instanceof GatewayError, String(error));
    return error;
  }
  return assert.fail('it was not refused');
}

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

test('limited: what a request names may cost more than can be counted, and is refused all the same', async () => {
  const most = Number.MAX_SAFE_INTEGER;
  const world = worldOf({ key: keyWith({ budgets: total(5n * WORST), limits: { tokensPerMinute: most } }) });
  const error = await refusal(world.ask({ max_tokens: most }));
  assert.equal(error.kind, 'insufficient_quota');
  assert.match(error.message, /may cost \$18014398509\.\d+\. It would fit with max_tokens: \d{3}\./);
  const free = worldOf({ key: keyWith({ limits: { tokensPerMinute: most } }) });
  await free.ask({ max_tokens: most });
  assert.equal(free.records.length, 1);
});

test('limited: usage and prices beyond all measure are charged, recorded, and nothing stays held', async () => {
  for (const [usage, pricing] of [
    [usageOf(1e15, 9e15), PRICE],
    [usageOf(10, 1e12), { input: 1, output: 1_000_000 }],
  ] as const) {
    const world = worldOf({
      key: keyWith({ budgets: total(10n ** 18n), limits: { concurrent: 1, tokensPerMinute: 1e9 } }),
      targets: { a: whole(usage) },
      card: { pricing },
    });
    await world.ask();
    assert.deepEqual(world.problems, []);
    assert.equal(world.records.length, 1);
    assert.deepEqual(await world.left('budget', BUDGET, 10n ** 18n), { remaining: 10n ** 18n - world.spent(), held: 0n });
    assert.deepEqual(await world.left('concurrent', 'key/key_1/concurrent', 1), { remaining: 1n, held: undefined });
  }
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

test('limited: what was spent in a new period is charged to that one', async () => {
  const midnight = Date.UTC(2026, 10, 24);
  const day = (since: number) =>
    ({ kind: 'budget', key: 'key/key_1/money/day', limit: 10n * WORST, since, until: since + 86_400_000 }) as const;
  const world = worldOf({
    key: keyWith({ budgets: [{ period: 'day', nanos: 10n * WORST }] }),
    targets: {
      a: async (call) => {
        world.clock.wall = midnight + 1000;
        return whole()(call);
      },
    },
  });
  world.clock.wall = midnight - 1000;
  await world.ask();
  const states = await world.counters.states([day(midnight - 86_400_000), day(midnight)]);
  assert.deepEqual(
    states.map(({ remaining, held }) => [remaining, held]),
    [
      [10n * WORST, 0n],
      [10n * WORST - ACTUAL, 0n],
    ],
  );
  assert.equal(world.records[0]?.at, midnight + 1000);
});

test('limited: a budget that is set, changed or taken away while a request runs counts what it used', async () => {
  for (const limits of [{}, { concurrent: 5 }]) {
    for (const before of [[], total(5n * WORST)]) {
      for (const after of [[], total(10n * WORST)]) {
        const set = keyWith({ limits, budgets: after });
        const world = worldOf({
          key: keyWith({ limits, budgets: before }),
          targets: {
            a: async (call) => {
              world.told.key = set;
              return whole()(call);
            },
          },
        });
        await world.ask();
        const spent = before.length + after.length > 0 ? ACTUAL : 0n;
        assert.deepEqual(await world.left('budget', BUDGET, 10n * WORST), { remaining: 10n * WORST - spent, held: 0n });
        assert.equal(world.spent(), ACTUAL);
      }
    }
  }
});

test('limited: what a project sets for its end users holds for each of them, where nothing is set for one', async () => {
  const endUserDefaults = { limits: { requestsPerMinute: 2 }, budgets: total(2n * WORST) };
  const own = endUserWith({ id: 'own', limits: { requestsPerMinute: 1 } });
  const world = worldOf({ project: { ...projectWith(), endUserDefaults }, endUser: own });
  await world.ask();
  for (const user of ['ada', 'x'.repeat(1000), 'half of \ud83d a pair']) {
    await world.ask({ user });
    await world.ask({ user });
    assert.equal((await refusal(world.ask({ user }))).kind, 'rate_limited_requests');
  }
  await world.ask({ user: 'own' });
  const error = await refusal(world.ask({ user: 'own' }));
  assert.match(error.message, /1 request a minute/);
  assert.deepEqual(await world.left('budget', 'user/proj_1/own/money/total', 2n * WORST), { remaining: 2n * WORST - ACTUAL, held: 0n });
  assert.equal(world.records.length, 8);
});

test('limited: the time a budget begins anew is told', async () => {
  const world = worldOf({ key: keyWith({ budgets: [{ period: 'month', nanos: 1n }] }) });
  const { message } = await refusal(world.ask());
  assert.match(message, /begins anew in .*, at 2026-12-01T00:00:00\.000Z\./);
  assert.equal(world.clock.wall, NOON);
});

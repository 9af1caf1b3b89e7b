import assert from 'node:assert/strict';
import { test } from 'node:test';
import { withFormer } from './former-budgets.ts';
import { endUserWith, keyWith, NOON, PRICE, projectWith, usageOf, whole, worldOf, ACTUAL, refusal, WORST } from './limited-testing.ts';

const total = (nanos: bigint) => [{ period: 'total' as const, nanos }];
const BUDGET = 'key/key_1/money/total';

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
    assert.deepEqual(
      world.records.map(({ completionTokens, estimated }) => [completionTokens, estimated]),
      [usage.promptTokens > 10 ? [2, true] : [1e12, false]],
    );
    assert.deepEqual(await world.left('budget', BUDGET, 10n ** 18n), { remaining: 10n ** 18n - world.spent(), held: 0n });
    assert.deepEqual(await world.left('concurrent', 'key/key_1/concurrent', 1), { remaining: 1n, held: undefined });
  }
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

test('limited: a budget that was taken away counts on, and knows of everything when it is back', async () => {
  const world = worldOf({ key: keyWith({ budgets: total(10n * WORST) }) });
  await world.ask();
  world.told.key = withFormer(keyWith(), world.told.key);
  await world.ask();
  world.told.key = withFormer(keyWith({ budgets: [{ period: 'day', nanos: 10n * WORST }] }), world.told.key);
  await world.ask();
  world.told.key = withFormer(keyWith({ budgets: total(10n * WORST) }), world.told.key);
  assert.deepEqual(await world.left('budget', BUDGET, 10n * WORST), { remaining: 10n * WORST - 3n * ACTUAL, held: 0n });
  assert.equal(world.spent(), 3n * ACTUAL);
  assert.deepEqual(world.told.key.formerBudgets, ['day']);
});

test('limited: what an end user of their own budget spends counts for that of all, and the other way round', async () => {
  const project = { ...projectWith(), endUserDefaults: { limits: {}, budgets: total(10n * WORST) } };
  const month = 'user/proj_1/own/money/month';
  const world = worldOf({ project, endUser: endUserWith({ id: 'own', budgets: [{ period: 'month', nanos: 10n * WORST }] }) });
  await world.ask({ user: 'own' });
  assert.deepEqual(await world.left('budget', 'user/proj_1/own/money/total', 10n * WORST), { remaining: 10n * WORST - ACTUAL, held: 0n });
  const [state] = await world.counters.states([
    { kind: 'budget', key: month, limit: 10n * WORST, since: Date.UTC(2026, 10), until: Date.UTC(2026, 11) },
  ]);
  assert.equal(state?.remaining, 10n * WORST - ACTUAL);
});

test('limited: the time a budget begins anew is told', async () => {
  const world = worldOf({ key: keyWith({ budgets: [{ period: 'month', nanos: 1n }] }) });
  const { message } = await refusal(world.ask());
  assert.match(message, /begins anew in .*, at 2026-12-01T00:00:00\.000Z\./);
  assert.equal(world.clock.wall, NOON);
});

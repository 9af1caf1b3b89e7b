import assert from 'node:assert/strict';
import { test } from 'node:test';
import { counterSuite, places, rate, START, take } from './counters-testing.ts';
import { memoryCounters } from './counters.ts';

counterSuite({ name: 'counters in memory', open: async (now) => memoryCounters({ now }), runs: 100, skip: false });

test('counters in memory: counters that nobody uses are forgotten, those in use are not', async () => {
  let now = START;
  const store = memoryCounters({ now: () => now });
  await store.take('held', [take(places(1, 'in use'))]);
  for (let index = 0; index < 5000; index += 1) {
    now += 10;
    await store.take(`h${index}`, [take(rate(1, 1000, `key ${index}`))]);
  }
  assert.equal((await store.states([places(1, 'in use')]))[0]?.remaining, 0n);
  // the newest are still within their window
  assert.equal((await store.states([rate(1, 1000, 'key 4999')]))[0]?.remaining, 0n);
});

test('counters in memory: budgets that nobody uses are forgotten, and read from the records again', async () => {
  let now = START;
  const store = memoryCounters({ now: () => now });
  const recorded = new Map<string, bigint>();
  const reads: string[] = [];
  store.seed(async ({ key }) => {
    reads.push(key);
    return recorded.get(key) ?? 0n;
  });
  const moneyOf = (key: string) => ({ kind: 'budget', key, limit: 100n, since: 0, until: undefined }) as const;
  const spend = async (key: string, holdId: string): Promise<void> => {
    await store.take(holdId, [take(moneyOf(key), 10)]);
    await store.settle(holdId, [take(moneyOf(key), 7)]);
    recorded.set(key, (recorded.get(key) ?? 0n) + 7n);
  };
  await spend('early', 'a');
  await store.take('held', [take(moneyOf('under way'), 5)]);
  now += 3_600_001;
  for (let index = 0; index < 1000; index += 1) await spend(`user ${index}`, `h${index}`);
  assert.deepEqual(
    (await store.states([moneyOf('early'), moneyOf('user 7'), moneyOf('under way')])).map(({ remaining }) => remaining),
    [93n, 93n, 95n],
  );
  assert.deepEqual(
    ['early', 'user 7', 'under way'].map((key) => reads.filter((one) => one === key).length),
    [2, 1, 1],
  );
});

test('counters in memory: the clock of the machine counts', async () => {
  const store = memoryCounters();
  const first = await store.take('a', [take(rate(1))]);
  assert.equal(first.ok, true);
  const refused = await store.take('b', [take(rate(1))]);
  const wait = refused.ok ? 0 : (refused.refusals[0]?.retryAfterMs ?? 0);
  assert.ok(wait > 50_000 && wait <= 60_000, String(wait));
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { STEP, startRetention } from './retention.ts';

const DAY = 86_400_000;

/** Lets what has become due happen, and all that follows at once. */
async function pass(t: { mock: { timers: { tick(ms: number): void } } }, ms: number): Promise<void> {
  t.mock.timers.tick(ms);
  for (let turn = 0; turn < 10; turn++) await Promise.resolve();
}

test('retention: what is too old goes in short steps, and is looked for again after an hour', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  let old = 2 * STEP + 5;
  const asked: number[] = [];
  const prune = async (before: number, limit: number): Promise<number> => {
    asked.push(before);
    const gone = Math.min(old, limit);
    old -= gone;
    return gone;
  };
  const retention = startRetention({
    usage: { prune },
    keepMs: () => 400 * DAY,
    clock: () => 1000 * DAY,
    failed: (cause) => assert.fail(String(cause)),
  });
  await pass(t, 59_999);
  assert.equal(asked.length, 0);
  await pass(t, 1);
  await pass(t, 100);
  await pass(t, 100);
  assert.deepEqual([old, asked.length, asked[0]], [0, 3, 600 * DAY]);
  await pass(t, 3_599_999);
  assert.equal(asked.length, 3);
  await pass(t, 1);
  assert.equal(asked.length, 4);
  await retention.close();
});

test('retention: nothing goes where it is off, and a database that is away is tried again', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const settings: { keep?: number } = {};
  let tries = 0;
  const failures: unknown[] = [];
  const prune = async (): Promise<number> => {
    tries++;
    throw new Error('away');
  };
  const retention = startRetention({
    usage: { prune },
    keepMs: () => settings.keep,
    clock: () => 0,
    failed: (cause) => failures.push(cause),
  });
  await pass(t, 60_000);
  assert.equal(tries, 0);
  settings.keep = DAY;
  await pass(t, 3_600_000);
  await pass(t, 3_600_000);
  assert.deepEqual([tries, failures.length], [2, 2]);
  await retention.close();
  await pass(t, 3_600_000);
  assert.equal(tries, 2);
});

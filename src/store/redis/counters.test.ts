import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { createClient } from 'redis';
import { budget, counterSuite, places, rate, START, take, waitedFor } from '../../gateway/counters-testing.ts';
import type { WaitedFor } from '../../gateway/counters-testing.ts';
import type { GatewayError } from '../../core/error.ts';
import type { Counter, CounterStore } from '../../gateway/store-ports.ts';
import { redisIsMissing, startRedis } from '../../../test/support/redis.ts';
import { seeded } from '../../../test/support/random.ts';
import type { TestRedis } from '../../../test/support/redis.ts';
import { redisCounters } from './counters.ts';
import type { RedisCounterOptions } from './counters.ts';
import { eventually, PATIENT_MS, SILENT_MS } from './testing.ts';

const skip = redisIsMissing;
const quiet = { info: () => undefined, warn: () => undefined };
const WORKER = fileURLToPath(new URL('../../../test/support/counter-process.ts', import.meta.url));
let redis: TestRedis;
const opened: CounterStore[] = [];
let prefixes = 0;
const fresh = (): string => `test${(prefixes += 1)}:`;

before(async () => {
  if (!skip) redis = await startRedis();
});
after(async () => {
  await Promise.all(opened.map((store) => store.close()));
  if (!skip) await redis[Symbol.asyncDispose]();
});

function open(options: Partial<RedisCounterOptions> = {}): WaitedFor {
  const store = waitedFor(
    redisCounters({ url: redis.url, prefix: fresh(), log: quiet, whenDown: 'refuse', timeoutMs: PATIENT_MS, ...options }),
  );
  opened.push(store);
  return store;
}

counterSuite({ name: 'counters in Redis', open: async (now) => open({ now }), runs: 8, skip });

async function remaining(store: CounterStore, counter: Counter): Promise<bigint | undefined> {
  try {
    return (await store.states([counter]))[0]?.remaining;
  } catch {
    return undefined;
  }
}

const total = (limit: bigint, key = 'shared'): Counter => ({ kind: 'budget', key, limit, since: 0, until: undefined });

function startProcess(prefix: string, leaseMs: number) {
  const child = spawn(process.execPath, [WORKER, redis.url, prefix, String(leaseMs)], { stdio: ['pipe', 'pipe', 'inherit'] });
  const answers: ((line: string) => void)[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => answers.shift()?.(line));
  const ended = once(child, 'exit');
  return {
    ask: (line: string): Promise<number> => {
      const { promise, resolve, reject } = Promise.withResolvers<number>();
      answers.push((answer) => resolve(Number(answer)));
      ended.then(() => reject(new Error('the process ended')), reject);
      child.stdin.write(`${line}\n`);
      return promise;
    },
    end: async () => {
      child.stdin.end();
      await ended;
    },
    kill: async () => {
      child.kill('SIGKILL');
      await ended;
    },
  };
}

test('counters in Redis: three processes, 200 at once for a budget, a rate and places of 50: exactly 50', { skip }, async () => {
  const prefix = fresh();
  const all = [1, 2, 3].map(() => startProcess(prefix, 60_000));
  const passed = await Promise.all(all.map((one, index) => one.ask(`take 0 ${index === 0 ? 66 : 67} 50`)));
  assert.equal(
    passed.reduce((sum, one) => sum + one),
    50,
  );
  const settled = await Promise.all(all.map((one) => one.ask('settle 0 67 50')));
  assert.deepEqual(settled, passed);
  const store = open({ prefix });
  const states = await store.states([total(50n), rate(50, 60_000, 'shared'), places(50, 'shared')]);
  assert.deepEqual(
    states.map((state) => [state.remaining, state.held ?? 0n]),
    [
      [0n, 0n],
      [0n, 0n],
      [50n, 0n],
    ],
  );
  await store.close();
  await Promise.all(all.map((one) => one.end()));
});

test('counters in Redis: what a killed process held comes back when its lease ends, and not before', { skip }, async () => {
  const prefix = fresh();
  const leaseMs = 20_000;
  let ahead = 0;
  const store = open({ prefix, leaseMs, now: () => Date.now() + ahead });
  const doomed = startProcess(prefix, leaseMs);
  assert.equal(await doomed.ask('take 0 30 30'), 30);
  await doomed.kill();
  assert.equal((await store.take('too early', [take(total(30n))])).ok, false);
  ahead = leaseMs + 1;
  assert.equal(await remaining(store, total(30n)), 30n, 'when the lease ended');
  assert.equal(await remaining(store, places(30, 'shared')), 30n);
  // rates keep what was let through
  assert.equal(await remaining(store, rate(30, 60_000, 'shared')), 0n);
  await store.close();
});

test('counters in Redis: processes killed in the middle of settling: nothing stays held, nothing is charged twice', { skip }, async () => {
  const prefix = fresh();
  const leaseMs = 1000;
  const store = open({ prefix, leaseMs });
  let settled = 0;
  for (let round = 0; round < 4; round += 1) {
    const doomed = startProcess(prefix, leaseMs);
    assert.equal(await doomed.ask('take 0 40 1000'), 40);
    settled += await doomed.ask('settle 0 20');
    const cut = doomed.ask('settle 20 20').catch(() => 0);
    if (round % 2 === 1) await new Promise((resolve) => setImmediate(resolve));
    await doomed.kill();
    await cut;
  }
  await eventually('all places are free', async () => (await remaining(store, places(1000, 'shared'))) === 1000n);
  const [state] = await store.states([total(1000n)]);
  const spent = 1000n - (state?.remaining ?? 0n);
  assert.equal(state?.held, 0n);
  assert.ok(spent >= BigInt(settled) && spent <= 160n, String(spent));
  await store.close();
});

test('counters in Redis: on a cluster all keys are of one slot', { skip }, async () => {
  await using own = await startRedis(undefined, ['--cluster-enabled', 'yes']);
  const admin = createClient({ url: own.url });
  await admin.connect();
  await admin.sendCommand(['CLUSTER', 'ADDSLOTSRANGE', '0', '16383']);
  const store = open({ url: own.url });
  const takes = [take(budget(100n), 10), take(rate(5)), take(places(3))];
  await eventually('the cluster is up', async () => (await remaining(store, places(3))) === 3n);
  assert.equal((await store.take('a', takes)).ok, true);
  await store.settle('a', takes);
  assert.equal(await remaining(store, budget(100n)), 90n);
  const slots = await Promise.all((await admin.keys('*')).map((key) => admin.sendCommand(['CLUSTER', 'KEYSLOT', key])));
  assert.ok(slots.length >= 3 && new Set(slots).size === 1);
  await store.close();
  admin.destroy();
});

test('counters in Redis: a living process keeps what it holds for longer than its lease', { skip }, async (t) => {
  const prefix = fresh();
  const leaseMs = 300;
  const clock = { now: START };
  t.mock.timers.enable({ apis: ['setInterval'] });
  const holder = open({ prefix, leaseMs, now: () => clock.now });
  const other = open({ prefix, leaseMs, now: () => clock.now });
  await holder.take('long', [take(places(1))]);
  await other.states([places(1)]);
  const admin = createClient({ url: redis.url, RESP: 2 });
  await admin.connect();
  const leases = (): Promise<{ readonly score: number }[]> => admin.zRangeWithScores(`{${prefix}counters}:lease`, 0, -1);
  for (let third = 0; third < 10; third += 1) {
    clock.now += leaseMs / 3;
    // nobody asks for anything meanwhile: they say by themselves that they live, and one who still says so does not begin again
    await eventually('both have', async () => {
      t.mock.timers.tick(leaseMs / 3);
      return (await leases()).filter(({ score }) => score === clock.now + leaseMs).length === 2;
    });
    assert.equal(await remaining(other, places(1)), 0n);
  }
  admin.destroy();
  await holder.close();
  // one that ends in order gives back at once
  assert.equal(await remaining(other, places(1)), 1n);
  await other.close();
});

test('counters in Redis: a settlement after the lease ended is charged, once', { skip }, async () => {
  const prefix = fresh();
  const clock = { now: START };
  const options = { prefix, leaseMs: 10_000, now: () => clock.now };
  const [slow, other] = [open(options), open(options)];
  const counters = [budget(100n), places(2)] as const;
  await slow.take('slow', [take(counters[0], 60), take(counters[1])]);
  clock.now += 10_001;
  assert.deepEqual(
    (await other.states(counters)).map((state) => state.remaining),
    [100n, 2n],
  );
  await slow.settle('slow', [take(counters[0], 45), take(counters[1])]);
  await slow.settle('slow', [take(counters[0], 45), take(counters[1])]);
  await other.settle('slow', [take(counters[0], 45)]);
  assert.deepEqual(
    (await other.states(counters)).map((state) => state.remaining),
    [55n, 2n],
  );
  await Promise.all([slow.close(), other.close()]);
});

test('counters in Redis: several processes read the records once', { skip }, async () => {
  const prefix = fresh();
  let reads = 0;
  const all = [1, 2, 3, 4].map(() => open({ prefix }));
  for (const store of all) {
    store.seed(async () => {
      reads += 1;
      await new Promise((resolve) => setTimeout(resolve, 30));
      return 5n;
    });
  }
  await Promise.all(all.flatMap((store, index) => [1, 2, 3].map((one) => store.take(`${index} ${one}`, [take(budget(100n), 1)]))));
  assert.equal(reads, 1);
  assert.equal(await remaining(all[0] as CounterStore, budget(100n)), 83n);
  await Promise.all(all.map((store) => store.close()));
});

test('counters in Redis: away, and to be refused: says so at once when it is known, and works again by itself', { skip }, async () => {
  await using own = await startRedis();
  const store = open({ url: own.url, timeoutMs: SILENT_MS });
  await store.take('before', [take(budget(100n), 30)]);
  own.pause();
  await assert.rejects(store.take('during', [take(budget(100n), 1)]), { kind: 'overloaded', retryAfterMs: 1000 });
  // before anything could come from outside
  const waited = new Promise<string>((resolve) => setImmediate(resolve, 'waited'));
  const again = store.take('again', [take(budget(100n), 1)]).then(String, ({ kind }: GatewayError) => kind);
  assert.equal(await Promise.race([again, waited]), 'overloaded');
  await assert.rejects(store.states([budget(100n)]), { kind: 'overloaded' });
  await store.settle('before', [take(budget(100n), 20)]);
  own.resume();
  // what was taken without an answer is given back, what was settled meanwhile is charged
  await eventually('it is back', async () => (await remaining(store, budget(100n))) === 80n);
  assert.equal((await store.take('after', [take(budget(100n), 80)])).ok, true);
  await store.close();
});

test('counters in Redis: away, and an allowance: each process serves its part, charged when Redis is back', { skip }, async () => {
  await using own = await startRedis();
  const prefix = fresh();
  const options = { url: own.url, prefix, timeoutMs: SILENT_MS, leaseMs: 60_000, whenDown: { allow: 0.5 } };
  const other = open(options);
  const counters = [budget(100n), rate(40), places(8)] as const;
  await other.states(counters);
  // this one is told of the other when it starts
  const one = open(options);
  const takes = [take(counters[0], 2), take(counters[1]), take(counters[2])];
  await one.take('before', takes);
  own.pause();
  // the first take may be in Redis too; all of them are settled below
  const served: string[] = [];
  for (let index = 0; index < 30; index += 1) {
    const answer = await one.take(`local ${index}`, takes).catch((cause: unknown) => cause as Error);
    if (answer instanceof Error) {
      assert.match(answer.message, /cannot be checked at the moment/);
      break;
    }
    if (!answer.ok) {
      assert.deepEqual(
        answer.refusals.map(({ counter }) => counter),
        [counters[1]],
      );
      break;
    }
    served.push(answer.holdId);
    // half of the places, for two processes: 2
    if (index % 2 === 1) for (const holdId of served.slice(-2)) await one.settle(holdId, takes);
  }
  // half of the rate, for two processes
  assert.equal(served.length, 10);
  assert.deepEqual(
    (await one.states(counters)).map((state) => state.counter),
    counters,
  );
  await one.settle('before', takes);
  own.resume();
  await eventually('it is back', async () => (await remaining(one, counters[0])) === 100n - 11n * 2n);
  assert.equal((await other.states(counters))[0]?.held, 0n);
  assert.equal((await other.states(counters))[2]?.remaining, 8n);
  await Promise.all([one.close(), other.close()]);
});

test('counters in Redis: an allowance of a budget is never more than what was left of it', { skip }, async () => {
  await using own = await startRedis();
  const store = open({ url: own.url, timeoutMs: SILENT_MS, whenDown: { allow: 1 } });
  await store.take('most', [take(budget(100n), 95)]);
  await store.settle('most', [take(budget(100n), 95)]);
  await store.states([budget(100n)]);
  await own.stop();
  assert.equal((await store.take('fits', [take(budget(100n), 5)])).ok, true);
  const refused = await store.take('does not', [take(budget(100n), 6)]);
  assert.equal(refused.ok ? 0 : refused.refusals[0]?.retryAfterMs !== undefined, true);
  await store.close();
});

test('counters in Redis: one that starts anew and empty is filled from the records, and nothing is charged twice', { skip }, async () => {
  await using own = await startRedis();
  const store = open({ url: own.url, timeoutMs: SILENT_MS, whenDown: { allow: 1 } });
  let recorded = 0n;
  store.seed(async () => recorded);
  const use = async (holdId: string, amount: number): Promise<void> => {
    assert.equal((await store.take(holdId, [take(budget(1000n), amount)])).ok, true);
    await store.settle(holdId, [take(budget(1000n), amount)]);
    recorded += BigInt(amount);
  };
  await use('before', 100);
  await own.stop();
  await use('during', 30);
  await use('during too', 3);
  await own.start();
  await eventually('it is back', async () => {
    const [state] = await store.states([budget(1000n)]);
    return state?.remaining === 1000n - 133n;
  });
  await use('after', 7);
  await eventually('all is charged once', async () => (await remaining(store, budget(1000n))) === 1000n - 140n);
  await store.close();
});

test('counters in Redis: taken without it and settled as it falls silent again, a hold is charged once', { skip }, async () => {
  await using own = await startRedis();
  const prefix = fresh();
  const store = open({ url: own.url, prefix, timeoutMs: SILENT_MS, whenDown: { allow: 1 } });
  const counter = budget(1000n);
  await store.states([counter]);
  own.pause();
  // the first finds out that it is away
  for (const [holdId, amount] of [
    ['first', 10],
    ['second', 20],
  ] as const)
    assert.equal((await store.take(holdId, [take(counter, amount)])).ok, true);
  await store.settle('first', [take(counter, 10)]);
  own.resume();
  await eventually('it is back', async () => (await remaining(store, counter)) === 990n);
  own.pause();
  const told = Promise.withResolvers<void>();
  await store.settle('second', [take(counter, 20)], told.resolve);
  own.resume();
  await told.promise;
  await store.close();
  const other = open({ url: own.url, prefix });
  assert.equal(await remaining(other, counter), 970n);
  await other.close();
});

test('counters in Redis: without a Redis from the start, as when it is away', { skip }, async () => {
  await using own = await startRedis();
  await own.stop();
  const store = open({ url: own.url, timeoutMs: 150 });
  await assert.rejects(store.take('a', [take(places(1))]), { kind: 'overloaded' });
  await own.start();
  await eventually('it is there', async () => (await remaining(store, places(1))) === 1n);
  await store.close();
});

for (const whenDown of ['refuse', { allow: 0.5 }] as const) {
  const how = whenDown === 'refuse' ? 'refusing' : 'with an allowance';
  test(
    `counters in Redis: held up again and again, ${how}: all that was settled is charged, once, and nothing stays held`,
    { skip },
    async () => {
      await using own = await startRedis();
      const prefix = fresh();
      const stores = [1, 2].map(() => open({ url: own.url, prefix, whenDown, timeoutMs: 60 }));
      const random = seeded(7);
      const counters = [budget(10n ** 9n), places(10_000), rate(10 ** 9)] as const;
      let spent = 0n;
      const over = new AbortController();
      const work = async (name: number): Promise<void> => {
        for (let index = 0; !over.signal.aborted; index += 1) {
          const store = stores[index % 2] as WaitedFor;
          const holdId = `${name} ${index}`;
          const taken = await store.take(holdId, [take(counters[0], 100), take(counters[1]), take(counters[2], 10)]).catch(() => undefined);
          await new Promise((resolve) => setTimeout(resolve, random() * 20));
          if (!taken?.ok) continue;
          const actual = [take(counters[0], Math.floor(random() * 120)), take(counters[2], 7)];
          await store.settle(holdId, actual);
          if (random() < 0.2) await store.settle(holdId, actual);
          spent += actual[0]?.amount ?? 0n;
        }
      };
      const all = Array.from({ length: 20 }, (_, name) => work(name));
      for (let round = 0; round < 3; round += 1) {
        const before = spent;
        await eventually('something is settled', () => spent > before);
        await new Promise((resolve) => setTimeout(resolve, 100 + random() * 200));
        own.pause();
        await new Promise((resolve) => setTimeout(resolve, 30 + random() * 300));
        own.resume();
      }
      over.abort();
      await Promise.all(all);
      await eventually('all is told', async () => {
        const states = await stores[0]?.states(counters).catch(() => []);
        return states?.[0]?.held === 0n && states[1]?.remaining === 10_000n && 10n ** 9n - states[0].remaining === spent;
      });
      // nothing more comes
      await Promise.all(stores.map((store) => store.close()));
      const after = open({ url: own.url, prefix });
      assert.equal(await remaining(after, counters[0]), 10n ** 9n - spent);
    },
  );
}

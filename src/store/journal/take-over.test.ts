/** What counters in Redis and a journal say together, wherever the process that wrote it died. */
import assert from 'node:assert/strict';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { redisIsMissing, startRedis } from '../../../test/support/redis.ts';
import type { TestRedis } from '../../../test/support/redis.ts';
import type { UsageRecord } from '../../gateway/accounts.ts';
import { budget, places, START, take } from '../../gateway/counters-testing.ts';
import type { CounterStore } from '../../gateway/store-ports.ts';
import { redisCounters } from '../redis/counters.ts';
import type { RedisCounterOptions } from '../redis/counters.ts';
import { PATIENT_MS, SILENT_MS } from '../redis/testing.ts';
import { recordOfText } from './lines.ts';
import { recordLike } from './testing.ts';
import { createUsageWriter } from './usage-writer.ts';
import type { UsageWriter } from './usage-writer.ts';

const skip = redisIsMissing;
const quiet = { info: () => undefined, warn: () => undefined, error: () => undefined };
const LIMIT = 1000n;
const MONEY = budget(LIMIT);
const LEASE_MS = 10_000;

let redis: TestRedis;
let prefixes = 0;
before(async () => {
  if (!skip) redis = await startRedis();
});
after(async () => {
  if (!skip) await redis[Symbol.asyncDispose]();
});

interface Process {
  readonly counters: CounterStore;
  readonly writer: UsageWriter;
}

type World = ReturnType<typeof worldOf>;

function worldOf(options: Partial<RedisCounterOptions> = {}) {
  const home = mkdtempSync(join(tmpdir(), 'parlance-take-over-'));
  const clock = { now: START };
  const prefix = `over${(prefixes += 1)}:`;
  const database = new Map<string, UsageRecord>();
  const store = {
    async add(records: readonly UsageRecord[]): Promise<void> {
      for (const record of records) if (!database.has(record.id)) database.set(record.id, record);
    },
    addLines: (lines: readonly string[]): Promise<void> => store.add(lines.map(recordOfText)),
  };
  const recorded = (): bigint => [...database.values()].reduce((sum, { costNanos }) => sum + costNanos, 0n);
  const opened: Process[] = [];
  const start = (dir: string): Process => {
    const counters = redisCounters({
      url: redis.url,
      prefix,
      log: quiet,
      whenDown: 'refuse',
      timeoutMs: PATIENT_MS,
      leaseMs: LEASE_MS,
      // nothing here depends on how long settlements are remembered
      rememberMs: 1,
      now: () => clock.now,
      ...options,
    });
    const writer = createUsageWriter({ store, dir: join(home, dir), log: quiet, lasting: counters.lasting, everyMs: 1_000_000 });
    counters.seed(async () => {
      await writer.flush();
      return recorded();
    }, writer.recovered);
    const process = { counters, writer };
    opened.push(process);
    return process;
  };
  let heirs = 0;
  return {
    clock,
    database,
    recorded,
    start,
    journal: (dir: string): readonly string[] => readdirSync(join(home, dir, 'journal')).filter((name) => name.endsWith('.jsonl')),
    /** A process that finds what this one has in its journal now, as if it were dead. */
    async takeOver(dir: string): Promise<Process & { readonly dir: string }> {
      const into = `${dir} ${(heirs += 1)}`;
      mkdirSync(join(home, into, 'journal'), { recursive: true });
      for (const name of readdirSync(join(home, dir, 'journal'))) {
        if (name.endsWith('.jsonl')) cpSync(join(home, dir, 'journal', name), join(home, into, 'journal', name));
      }
      const process = start(into);
      await process.writer.recovered;
      return { ...process, dir: into };
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(opened.map(({ counters }) => counters.close()));
      await Promise.all(opened.map(({ writer }) => writer.close()));
      rmSync(home, { recursive: true, force: true });
    },
  };
}

const spend = ({ counters, writer }: Process, holdId: string, nanos: bigint) =>
  writer.spend({ holdId, ...(counters.lasting?.note(holdId) ?? assert.fail()), charges: [take(MONEY, nanos)] }, [
    recordLike({ id: `${holdId}-1`, costNanos: nanos }),
  ]);

async function stateOf({ counters }: Process): Promise<{ readonly spent: bigint; readonly held: bigint }> {
  const [state] = await counters.states([MONEY]);
  assert.ok(state?.held !== undefined);
  const { remaining, held } = state;
  return { spent: LIMIT - remaining - held, held };
}

/** One request of 40 that is killed at some point, after one of 5 that was not. */
async function killed(world: World, upTo: 'spent' | 'settled' | 'written' | 'flushed'): Promise<Process> {
  const process = world.start('a');
  await request(process, 'first', 5n);
  await process.writer.flush();
  assert.ok((await process.counters.take('second', [take(MONEY, 100), take(places(3))])).ok);
  const spending = spend(process, 'second', 40n);
  if (upTo === 'spent') return process;
  await process.counters.settle('second', [take(MONEY, 40n)], spending.told);
  if (upTo === 'settled') return process;
  spending.write();
  if (upTo === 'flushed') await process.writer.flush();
  return process;
}

async function request(process: Process, holdId: string, nanos: bigint): Promise<void> {
  assert.ok((await process.counters.take(holdId, [take(MONEY, 100), take(places(3))])).ok);
  const spending = spend(process, holdId, nanos);
  await process.counters.settle(holdId, [take(MONEY, nanos)], spending.told);
  spending.write();
}

for (const upTo of ['spent', 'settled', 'written', 'flushed'] as const) {
  for (const lease of ['under way', 'over']) {
    test(`take-over: killed when a request is ${upTo}, its lease ${lease}: charged and recorded, once`, { skip }, async () => {
      await using world = worldOf();
      await killed(world, upTo);
      if (lease === 'over') world.clock.now += 86_400_000;
      const other = world.start('other');
      if (lease === 'over') assert.deepEqual((await stateOf(other)).held, 0n);
      // the second time as if the first heir had been killed before it was done
      for (let heirs = 0; heirs < 2; heirs += 1) {
        const heir = await world.takeOver('a');
        assert.deepEqual([...world.database.keys()], ['first-1', 'second-1']);
        assert.deepEqual(await stateOf(heir), { spent: 45n, held: 0n });
        assert.equal((await heir.counters.states([places(3)]))[0]?.remaining, 3n);
      }
    });
  }
}

test('take-over: what is charged to a budget that no counter knows yet is not read from the records as well', { skip }, async () => {
  await using world = worldOf();
  const process = world.start('a');
  // its period began while it ran: nobody has asked for this budget so far
  assert.ok((await process.counters.take('over midnight', [take(places(3))])).ok);
  await process.counters.take('other money', [take(budget(9n, 'other'), 1)]);
  const spending = spend(process, 'other money', 7n);
  await world.takeOver('a');
  const other = world.start('other');
  assert.deepEqual(await stateOf(other), { spent: 7n, held: 0n });
  assert.equal(world.recorded(), 7n);
  spending.told();
});

test('take-over: a budget that was read from the records before is charged what they did not have', { skip }, async () => {
  await using world = worldOf();
  const process = world.start('a');
  await process.counters.take('r', [take(budget(9n, 'other'), 1)]);
  spend(process, 'r', 7n);
  const other = world.start('other');
  assert.deepEqual(await stateOf(other), { spent: 0n, held: 0n });
  await world.takeOver('a');
  assert.deepEqual(await stateOf(other), { spent: 7n, held: 0n });
});

test('take-over: nothing is recorded as long as it cannot be charged', { skip }, async () => {
  await using own = await startRedis();
  await using world = worldOf({ url: own.url, timeoutMs: SILENT_MS });
  await killed(world, 'spent');
  own.pause();
  const heir = await world.takeOver('a');
  assert.deepEqual([...world.database.keys()], ['first-1']);
  assert.ok(world.journal(heir.dir).some((name) => name.startsWith('usage-')));
  own.resume();
  const next = await world.takeOver(heir.dir);
  assert.deepEqual([...world.database.keys()], ['first-1', 'second-1']);
  assert.deepEqual(await stateOf(next), { spent: 45n, held: 0n });
});

for (const taken of ['before', 'during']) {
  for (const told of [false, true]) {
    const name = `taken ${taken} Redis was away, settled meanwhile, killed ${told ? 'after' : 'before'} Redis was told`;
    test(`take-over: ${name}: charged and recorded, once`, { skip }, async () => {
      await using own = await startRedis();
      await using world = worldOf({ url: own.url, timeoutMs: SILENT_MS, whenDown: { allow: 1 } });
      const process = world.start('a');
      const other = world.start('other');
      assert.deepEqual(await stateOf(process), { spent: 0n, held: 0n });
      await other.counters.states([MONEY]);
      if (taken === 'before') await process.counters.take('r', [take(MONEY, 100)]);
      own.pause();
      // it finds out
      await process.counters.take('x', [take(budget(1n, 'x'), 0)]);
      await process.counters.settle('x', []);
      if (taken === 'during') assert.ok((await process.counters.take('r', [take(MONEY, 100)])).ok);
      const spending = spend(process, 'r', 40n);
      const heard = Promise.withResolvers<void>();
      await process.counters.settle('r', [take(MONEY, 40n)], () => {
        spending.told();
        heard.resolve();
      });
      spending.write();
      await process.writer.flush();
      assert.equal(world.recorded(), 40n);
      if (told) {
        own.resume();
        await heard.promise;
        assert.deepEqual(await stateOf(other), { spent: 40n, held: 0n });
      } else {
        // killed: nobody hears of it from this process any more
        await process.counters.close();
        own.resume();
      }
      const heir = await world.takeOver('a');
      assert.deepEqual(await stateOf(heir), { spent: 40n, held: 0n });
      const again = await world.takeOver('a');
      assert.deepEqual(await stateOf(again), { spent: 40n, held: 0n });
      assert.equal(world.recorded(), 40n);
    });
  }
}

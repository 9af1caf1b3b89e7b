import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import type { UsageRecord } from '../../gateway/accounts.ts';
import type { LastingCounters } from '../../gateway/store-ports.ts';
import type { StoreLog } from '../database.ts';
import { lineOf, recordOfText, spentText, textOf, toldText } from './lines.ts';
import { recordLike } from './testing.ts';
import { createUsageWriter } from './usage-writer.ts';
import type { UsageWriter, UsageWriterOptions } from './usage-writer.ts';

const spentLine = (...of: Parameters<typeof spentText>): string => `${spentText(...of)}\n`;
const toldLine = (holdId: string): string => `${toldText(holdId)}\n`;

const record = (id: string, rest: Partial<UsageRecord> = {}): UsageRecord => recordLike({ id, ...rest });

/** A store that keeps each id once, and does what it is told to do first. */
function fakeStore() {
  const kept = new Map<string, UsageRecord>();
  const batches: number[] = [];
  const store = {
    kept,
    batches,
    before: (_records: readonly UsageRecord[]): Promise<void> => Promise.resolve(),
    async add(records: readonly UsageRecord[]): Promise<void> {
      await store.before(records);
      batches.push(records.length);
      for (const one of records) if (!kept.has(one.id)) kept.set(one.id, one);
    },
    addLines: (lines: readonly string[]): Promise<void> => store.add(lines.map(recordOfText)),
  };
  return store;
}

function heard(): StoreLog & { readonly lines: (readonly [level: string, message: string])[] } {
  const lines: (readonly [string, string])[] = [];
  const level = (name: string) => (_about: object, message: string) => void lines.push([name, message]);
  return { lines, info: level('info'), warn: level('warn'), error: level('error') };
}

const away = (): Promise<void> => Promise.reject(new Error('connection refused'));
const soon = (): Promise<void> => Promise.resolve();

let dir = '';
let open: UsageWriter[] = [];
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'parlance-journal-'));
  open = [];
});
afterEach(async () => {
  for (const writer of open) await writer.close();
  rmSync(dir, { recursive: true, force: true });
});

/** Writes only when it is told to, unless the options say otherwise. */
function writerOf(options: Pick<UsageWriterOptions, 'store'> & Partial<UsageWriterOptions>): UsageWriter {
  const writer = createUsageWriter({ dir, log: heard(), everyMs: 1_000_000, ...options });
  open.push(writer);
  return writer;
}

const journal = (): string => join(dir, 'journal');
const journalled = (): string =>
  readdirSync(journal())
    .filter((name) => name.startsWith('usage-') && name.endsWith('.jsonl'))
    .map((name) => readFileSync(join(journal(), name), 'utf8'))
    .join('');
const idsOf = (store: { readonly kept: ReadonlyMap<string, unknown> }): readonly string[] => [...store.kept.keys()].toSorted();

test('usage writer: a record is in the journal when add returns, and in the database as it was after a flush', async () => {
  const store = fakeStore();
  const writer = writerOf({ store });
  writer.add(record('a'));
  assert.equal(journalled(), lineOf(record('a')));
  assert.deepEqual([writer.pending(), store.kept.size], [1, 0]);
  await writer.flush();
  assert.deepEqual([...store.kept.values()].map(lineOf), [lineOf(record('a'))]);
  assert.deepEqual([writer.pending(), journalled()], [0, '']);
});

test('usage writer: as many records as a batch has go at once, without waiting for the time', async () => {
  const store = fakeStore();
  const came = Promise.withResolvers<void>();
  store.before = () => Promise.resolve(came.resolve());
  const writer = writerOf({ store, batch: 10 });
  for (let at = 0; at < 10; at++) writer.add(record(`r${at}`));
  await came.promise;
  await writer.flush();
  assert.deepEqual(store.batches, [10]);
});

test('usage writer: few records go when the time is over, all of them together', async () => {
  const store = fakeStore();
  const came = Promise.withResolvers<void>();
  store.before = () => Promise.resolve(came.resolve());
  const writer = writerOf({ store, everyMs: 5 });
  for (let at = 0; at < 3; at++) writer.add(record(`r${at}`));
  await came.promise;
  await writer.flush();
  assert.deepEqual(store.batches, [3]);
});

test('usage writer: what is added while a batch is on its way is neither lost nor forgotten', async () => {
  const store = fakeStore();
  const writer = writerOf({ store, batch: 4 });
  let more = 0;
  store.before = () => {
    if (more < 20) for (let at = 0; at < 5; at++) writer.add(record(`more${more++}`));
    return Promise.resolve();
  };
  writer.add(record('first'));
  await writer.flush();
  while (writer.pending() > 0) await writer.flush();
  assert.equal(store.kept.size, 21);
  assert.equal(journalled(), '');
});

test('usage writer: while the database is away records stay in the journal, the log says it once, and once that it is back', async () => {
  const store = fakeStore();
  const log = heard();
  const writer = writerOf({ store, log });
  store.before = away;
  for (let at = 0; at < 5; at++) {
    writer.add(record(`r${at}`));
    await assert.rejects(writer.flush(), /connection refused/);
  }
  assert.equal(writer.pending(), 5);
  assert.equal(journalled().split('\n').length, 6);
  store.before = soon;
  await writer.flush();
  assert.deepEqual(idsOf(store), ['r0', 'r1', 'r2', 'r3', 'r4']);
  assert.deepEqual(
    log.lines.map(([level]) => level),
    ['error', 'info'],
  );
});

test('usage writer: it tries again by itself', async () => {
  const store = fakeStore();
  const back = Promise.withResolvers<void>();
  let tries = 0;
  store.before = () => {
    tries++;
    if (tries < 3) return away();
    back.resolve();
    return soon();
  };
  const writer = writerOf({ store, everyMs: 1, retryMs: 1 });
  writer.add(record('a'));
  await back.promise;
  await writer.flush();
  assert.deepEqual(idsOf(store), ['a']);
});

test('usage writer: memory is bounded while the database is away; what is beyond comes from the journal', async () => {
  const store = fakeStore();
  store.before = away;
  const writer = writerOf({ store, batch: 10, mostInMemory: 20 });
  for (let at = 0; at < 15; at++) writer.add(record(`r${at}`));
  await assert.rejects(writer.flush());
  for (let at = 15; at < 100; at++) writer.add(record(`r${at}`));
  assert.equal(writer.pending(), 100);
  store.before = soon;
  await writer.flush();
  await writer.flush();
  assert.equal(store.kept.size, 100);
  assert.equal(store.kept.get('r99')?.costNanos, record('r99').costNanos);
  assert.ok(store.batches.every((size) => size <= 10));
  assert.deepEqual([writer.pending(), journalled()], [0, '']);
});

test('usage writer: a record that the database refuses goes aside, and keeps no other back', async () => {
  const store = fakeStore();
  const log = heard();
  store.before = (records) => (records.some(({ id }) => id === 'r7') ? Promise.reject(new RangeError('does not fit')) : soon());
  const writer = writerOf({ store, log });
  for (let at = 0; at < 20; at++) writer.add(record(`r${at}`));
  await writer.flush();
  assert.equal(store.kept.size, 19);
  assert.equal(writer.pending(), 0);
  assert.equal(readFileSync(join(journal(), 'refused.jsonl'), 'utf8'), lineOf(record('r7')));
  assert.deepEqual(log.lines, [['error', 'The database refuses a record of usage; it is in journal/refused.jsonl.']]);
});

const bequest = (holdId: string) => ({ holdId, by: 'me', how: 'here', charges: [] });

test('usage writer: what is spent stays in the journal until it is charged, however often others are written', async () => {
  const store = fakeStore();
  const writer = writerOf({ store });
  const spending = writer.spend(bequest('s'), [record('s-1'), record('s-2')]);
  for (const id of ['a', 'b', 'c']) {
    writer.add(record(id));
    await writer.flush();
    assert.equal(journalled(), spentLine(bequest('s'), [record('s-1'), record('s-2')].map(textOf)));
  }
  assert.deepEqual(idsOf(store), ['a', 'b', 'c']);
  spending.told();
  assert.equal(journalled().split('\n').length, 2, 'no word of it where the counters were told in time');
  spending.write();
  await writer.flush();
  assert.deepEqual(idsOf(store), ['a', 'b', 'c', 's-1', 's-2']);
  assert.equal(journalled(), '');
});

test('usage writer: what the counters are told later is in the journal until then, its records are not', async () => {
  const store = fakeStore();
  const writer = writerOf({ store });
  const all = ['s', 't'].map((id) => writer.spend(bequest(id), [record(id)]));
  for (const spending of all) spending.write();
  await writer.flush();
  assert.deepEqual(idsOf(store), ['s', 't']);
  assert.equal(journalled(), spentLine(bequest('s'), []) + spentLine(bequest('t'), []));
  all[0]?.told();
  assert.equal(journalled(), spentLine(bequest('s'), []) + spentLine(bequest('t'), []) + toldLine('s'));
  all[1]?.told();
  assert.equal(journalled(), '');
});

test('usage writer: what is spent waits even where the journal is read because memory is full', async () => {
  const store = fakeStore();
  store.before = away;
  const writer = writerOf({ store, mostInMemory: 1 });
  writer.add(record('a'));
  await assert.rejects(writer.flush());
  const [first, second] = ['s', 't'].map((id) => writer.spend(bequest(id), [record(id)]));
  writer.add(record('b'));
  first?.told();
  first?.write();
  store.before = soon;
  while (writer.pending() > 0) await writer.flush();
  assert.deepEqual(idsOf(store), ['a', 'b', 's']);
  second?.told();
  second?.write();
  await writer.flush();
  assert.deepEqual(idsOf(store), ['a', 'b', 's', 't']);
});

test('usage writer: what was spent and not settled at the end is settled by the next one, which then forgets who spent it', async () => {
  const store = fakeStore();
  const first = createUsageWriter({ store, dir, log: heard() });
  first.spend(bequest('s'), [record('s')]);
  first.spend(bequest('t'), [record('t')]).write();
  await first.close();
  assert.deepEqual(idsOf(store), ['t']);
  const inherited: (readonly [string, boolean])[] = [];
  const forgotten: string[] = [];
  const lasting: LastingCounters = {
    note: () => ({ by: 'other', how: '' }),
    async inherit({ holdId }, isWritten) {
      if (!isWritten) assert.equal(store.kept.has(holdId), false, 'before its records');
      inherited.push([holdId, isWritten]);
    },
    forget: async (by) => void forgotten.push(by),
  };
  await writerOf({ store, lasting }).recovered;
  assert.deepEqual(idsOf(store), ['s', 't']);
  assert.deepEqual(inherited.toSorted(), [['s', false], ['t', true]]); // prettier-ignore
  assert.deepEqual(forgotten, ['me']);
});

test('usage writer: what the database did not take until the end is there at the next start', async () => {
  const store = fakeStore();
  store.before = away;
  const first = createUsageWriter({ store, dir, log: heard() });
  for (let at = 0; at < 3; at++) first.add(record(`r${at}`));
  await first.close();
  assert.equal(store.kept.size, 0);
  store.before = soon;
  await writerOf({ store }).recovered;
  assert.deepEqual(idsOf(store), ['r0', 'r1', 'r2']);
});

test('usage writer: an end with nothing left leaves no files', async () => {
  const writer = createUsageWriter({ store: fakeStore(), dir, log: heard() });
  writer.add(record('a'));
  await writer.close();
  await writer.close();
  assert.deepEqual(readdirSync(journal()), []);
});

test('usage writer: a line that was not written to its end is skipped, one in the middle that is none is reported', async () => {
  const store = fakeStore();
  const log = heard();
  mkdirSync(journal());
  const whole = lineOf(record('whole'));
  writeFileSync(
    join(journal(), 'usage-dead-a.jsonl'),
    `${whole}not json\n\n{"id":1}\n${lineOf(record('after'))}${lineOf(record('half')).slice(0, -20)}`,
  );
  writeFileSync(join(journal(), 'usage-dead-b.jsonl'), whole);
  await writerOf({ store, log }).recovered;
  assert.deepEqual(idsOf(store), ['after', 'whole']);
  assert.deepEqual(log.lines.map(([level]) => level), ['error', 'info']); // prettier-ignore
  assert.ok(!readdirSync(journal()).some((name) => name.startsWith('usage-dead')));
});

test('usage writer: the journal of one that lives is left alone, even in the same process', async () => {
  const [one, other] = [fakeStore(), fakeStore()];
  const first = writerOf({ store: one });
  first.add(record('a'));
  const second = writerOf({ store: other });
  await second.recovered;
  const third = writerOf({ store: other });
  await third.recovered;
  assert.equal(other.kept.size, 0);
  await first.flush();
  assert.deepEqual(idsOf(one), ['a']);
});

test('usage writer: a journal stays while the database is away, and is taken over later', async () => {
  const store = fakeStore();
  mkdirSync(journal());
  writeFileSync(join(journal(), 'usage-dead-a.jsonl'), lineOf(record('a')));
  store.before = away;
  const log = heard();
  const writer = writerOf({ store, log });
  await writer.recovered;
  assert.deepEqual([store.kept.size, journalled()], [0, lineOf(record('a'))]);
  assert.deepEqual(log.lines.map(([level]) => level), ['error']); // prettier-ignore
  store.before = soon;
  await writerOf({ store }).recovered;
  assert.deepEqual(idsOf(store), ['a']);
});

test('usage writer: journals are for their owner only', () => {
  writerOf({ store: fakeStore() });
  assert.equal(statSync(journal()).mode & 0o777, 0o700);
  for (const name of readdirSync(journal())) if (name.endsWith('.jsonl')) assert.equal(statSync(join(journal(), name)).mode & 0o777, 0o600);
});

test(
  'usage writer: nothing that was added is lost when the process is killed, and a live one is not robbed',
  { timeout: 300_000 },
  async () => {
    const program = `
    const { createUsageWriter } = await import(${JSON.stringify(new URL('./usage-writer.ts', import.meta.url).href)});
    import { writeSync } from 'node:fs';
    const log = { info() {}, warn() {}, error() {} };
    // takes the first batch, and never answers to the second
    let batches = 0;
    const store = { addLines: () => (batches++ === 0 ? Promise.resolve() : new Promise(() => {})) };
    const writer = createUsageWriter({ store, dir: ${JSON.stringify(dir)}, log, everyMs: 1, batch: 50 });
    const one = ${JSON.stringify(record('x'), (_name, value: unknown) => (typeof value === 'bigint' ? String(value) : value))};
    for (let at = 0; ; at++) {
      writer.add({ ...one, id: process.argv[1] + '-' + at, costNanos: BigInt(one.costNanos) });
      writeSync(1, at + '\\n');
      if (at % 10 === 0) await new Promise(setImmediate);
    }`;
    const start = (name: string) => {
      const child = spawn(process.execPath, ['--input-type=module', '--eval', program, name], { stdio: ['ignore', 'pipe', 'inherit'] });
      let said = '';
      const many = Promise.withResolvers<void>();
      child.stdout.setEncoding('utf8').on('data', (text: string) => {
        said += text;
        if (said.length > 20_000) many.resolve();
      });
      return { child, said: () => said, many: many.promise, ended: once(child, 'close') };
    };
    for (const name of ['one', 'two', 'three']) {
      const process = start(name);
      await process.many;
      const store = fakeStore();
      await writerOf({ store }).recovered;
      assert.equal(store.kept.size, 0, 'it lives');
      process.child.kill('SIGKILL');
      await process.ended;
      await writerOf({ store }).recovered;
      // the last line may be written and not said; the first batch was taken before
      const said = process.said().trimEnd().split('\n').length;
      const kept = [...store.kept.keys()].map((id) => Number(id.slice(name.length + 1))).toSorted((a, b) => a - b);
      const first = kept[0] ?? Number.NaN;
      assert.ok(first <= 60, `the first one kept is ${first}`);
      assert.deepEqual(
        kept,
        Array.from({ length: kept.length }, (_, at) => first + at),
      );
      assert.ok(first + kept.length >= said, `${first} + ${kept.length} of ${said}`);
      assert.ok(first + kept.length <= said + 1);
    }
  },
);

test('usage writer: a record that comes after the end is reported, not thrown', async () => {
  const log = heard();
  const writer = createUsageWriter({ store: fakeStore(), dir, log });
  await writer.close();
  writer.add(record('late'));
  assert.deepEqual(log.lines, [['error', 'A record of usage is lost: it came after the end.']]);
});

/** bench/store: reports and pages of ten million records of usage in SQLite, and what it costs to write one. */
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { PageOptions, UsageFilter } from '../../src/gateway/store-ports.ts';
import { createUsageWriter } from '../../src/store/journal/usage-writer.ts';
import { openStore } from '../../src/store/open.ts';
import { SQLITE_FILE } from '../../src/store/sqlite/open.ts';
import { machine, readOptions, writeResults } from '../lib/report.ts';
import { figure, markdown, shown, spread } from '../lib/stats.ts';
import type { Spread } from '../lib/stats.ts';
import { DAY_MS, keyName, projectName, recordsOf, UNTIL, userName } from './records.ts';

const options = readOptions(process.argv.slice(2));
const count = options.quick ? 100_000 : 10_000_000;
const rounds = options.rounds ?? 9;
const log = { info: () => undefined, warn: console.warn, error: console.error };
const facts = machine();
const dir = mkdtempSync(join(tmpdir(), 'parlance-bench-store-'));
const store = await openStore({ dir, log });

interface Measured {
  readonly what: string;
  readonly ms: Spread;
  readonly aimMs?: number;
}
const measured: Measured[] = [];

/** The first time counts too: it is the one that finds the least of the file in memory. */
async function measure(what: string, run: () => Promise<unknown>, aimMs?: number): Promise<void> {
  const values: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const start = performance.now();
    await run();
    values.push(performance.now() - start);
  }
  measured.push({ what, ms: spread(values), ...(aimMs !== undefined && { aimMs }) });
  console.log(`${what}: ${shown(spread(values))} ms`);
}

try {
  const start = performance.now();
  let done = 0;
  for (const batch of recordsOf(count, 5_000)) {
    await store.usage.add(batch);
    done += batch.length;
    if (done % 1_000_000 === 0) console.log(`${done.toLocaleString('en-US')} records in ${figure((performance.now() - start) / 1_000)} s`);
  }
  const fillSeconds = (performance.now() - start) / 1_000;
  const bytes = statSync(join(dir, SQLITE_FILE)).size;
  console.log(`${count.toLocaleString('en-US')} records in ${figure(fillSeconds)} s, ${figure(bytes / 1024 ** 3)} GiB.`);

  const { usage } = store;
  const month: UsageFilter = { from: UNTIL - 30 * DAY_MS, to: UNTIL };
  await measure('a month by key and model', () => usage.sums(month, ['key', 'model']), 1_000);
  await measure('a month by day', () => usage.sums(month, ['day']), 1_000);
  await measure('a month by project, provider and outcome', () => usage.sums(month, ['project', 'provider', 'outcome']), 1_000);
  await measure('a month of one key by model', () => usage.sums({ ...month, keyId: keyName(3) }, ['model']));
  await measure('a month of one project by end user', () => usage.sums({ ...month, projectId: projectName(3) }, ['endUser']));
  await measure('a month by end user', () => usage.sums(month, ['endUser']));
  const within = { from: UNTIL - 30 * DAY_MS + 3_600_000, to: UNTIL - 3_600_000 };
  await measure('a month that begins and ends within a day, by key', () => usage.sums(within, ['key']));
  await measure('spent by a key this month', () => usage.spent({ keyId: keyName(3) }, UNTIL - 30 * DAY_MS));
  await measure('spent by a key in all', () => usage.spent({ keyId: keyName(3) }, 0));
  await measure('spent by an end user in all', () => usage.spent({ projectId: projectName(3), endUser: userName(3) }, 0));

  const page = (filter: UsageFilter, more: Partial<PageOptions> = {}) => usage.records(filter, { limit: 100, ...more });
  await measure('a page of 100 records', () => page({}), 50);
  await measure('of a key', () => page({ keyId: keyName(3) }), 50);
  await measure('of a key that does little', () => page({ keyId: keyName(299) }), 50);
  await measure('of an end user', () => page({ projectId: projectName(3), endUser: userName(17) }), 50);
  await measure('of failures', () => page({ outcome: 'error' }), 50);
  await measure('of failures of a key and a model', () => page({ keyId: keyName(3), model: 'provider-3/model-3', outcome: 'error' }), 50);
  await measure('of a provider on a day', () => page({ provider: 'provider-5', from: UNTIL - 9 * DAY_MS, to: UNTIL - 8 * DAY_MS }), 50);
  const middle = await page({ to: UNTIL - 45 * DAY_MS });
  if (middle.next === undefined) throw new Error('there is no page in the middle');
  const cursor = middle.next;
  await measure('in the middle, by its cursor', () => page({}, { cursor }), 50);

  const fresh = [...recordsOf(500 * rounds, 500)].map((batch, at) =>
    batch.map((record) => ({ ...record, id: `fresh_${at}_${record.id}`, at: UNTIL + at })),
  );
  await measure('500 records more, in one transaction', () => usage.add(fresh.pop() ?? []));
  await measure('the oldest 1,000 deleted', () => usage.prune(UNTIL - 60 * DAY_MS, 1_000));

  const writer = createUsageWriter({ store: { add: () => Promise.resolve() }, dir, log });
  const [some = []] = recordsOf(500, 500);
  const adds: number[] = [];
  for (let round = 0; round < (options.quick ? 20 : 200); round++) {
    const begin = performance.now();
    for (const record of some) writer.add(record);
    adds.push(((performance.now() - begin) * 1_000) / some.length);
    await writer.flush();
  }
  await writer.close();
  const add = spread(adds);
  console.log(`a record into the journal: ${shown(add)} µs`);

  const table = {
    title: `Milliseconds with ${count.toLocaleString('en-US')} records in SQLite: the median of ${rounds} times (lowest–highest)`,
    columns: ['', 'ms', 'aim'],
    rows: measured.map(({ what, ms, aimMs }) => [what, shown(ms), aimMs === undefined ? '' : `< ${figure(aimMs)}`]),
  };
  console.log(`\n${markdown(table)}`);
  for (const { what, ms, aimMs } of measured)
    if (aimMs !== undefined && !(ms.median < aimMs)) console.log(`Above the aim: ${what}, ${figure(ms.median)} ms.`);
  console.log(`Load of the last minute ${figure(facts.load)} before, ${figure(loadavg()[0] ?? Number.NaN)} after.`);
  const results = { machine: facts, count, fillSeconds, bytes, rounds, measured, journalMicros: add };
  console.log(writeResults(options.quick ? 'store-quick' : 'store', results));
} finally {
  await store.close();
  rmSync(dir, { recursive: true, force: true });
}

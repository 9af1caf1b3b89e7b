/** bench/store: reports and pages of ten million records of usage in SQLite, and what it costs to write one. */
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createUsageWriter } from '../../src/store/journal/usage-writer.ts';
import { openStore } from '../../src/store/open.ts';
import { SQLITE_FILE } from '../../src/store/sqlite/open.ts';
import { machine, readOptions, writeResults } from '../lib/report.ts';
import { figure, markdown, shown, spread } from '../lib/stats.ts';
import { measureAll } from './measure.ts';
import { recordsOf } from './records.ts';

const options = readOptions(process.argv.slice(2));
const count = options.quick ? 100_000 : 10_000_000;
const rounds = options.rounds ?? 9;
const log = { info: () => undefined, warn: console.warn, error: console.error };
const facts = machine();
const dir = mkdtempSync(join(tmpdir(), 'parlance-bench-store-'));
const store = await openStore({ dir, log });

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

  const measured = await measureAll(store.usage, rounds);

  const writer = createUsageWriter({ store: { add: () => Promise.resolve(), addLines: () => Promise.resolve() }, dir, log });
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

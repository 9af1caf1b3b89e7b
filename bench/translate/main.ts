/** bench/translate: what each wire costs between a provider's bytes and the client's, beside a bare JSON.parse of the same. */
import { availableParallelism, loadavg } from 'node:os';
import { hasCommand, outputOf } from '../lib/process.ts';
import { undisturbed } from '../lib/proc.ts';
import { machine, readOptions, versionOf, writeResults } from '../lib/report.ts';
import { figure, markdown } from '../lib/stats.ts';
import { checkPair } from './check.ts';
import { pairsOf } from './jobs.ts';
import { inTurns } from './measure.ts';
import type { Timing } from './measure.ts';
import { middle, tablesOf } from './tables.ts';
import type { Result } from './tables.ts';
import { CANDIDATES } from './wires.ts';

const options = readOptions(process.argv.slice(2));
const timing: Timing = options.quick
  ? { ms: 2, lead: 2, rounds: options.rounds ?? 1, warm: 1 }
  : { ms: 40, lead: 200, rounds: options.rounds ?? 9, warm: 2 };

/** All threads of this process on one core, so that those that collect garbage do not come for nothing. */
function pin(): string | undefined {
  if (!hasCommand('taskset') || availableParallelism() < 2) return undefined;
  const core = '1';
  const said = outputOf('taskset', ['-a', '-c', '-p', core, String(process.pid)]);
  return said?.includes('new affinity list') ? core : undefined;
}

const facts = machine();
const core = pin();
if (core === undefined) console.log('There is no taskset, or one core only: the process is not pinned.');
const pairs = CANDIDATES.flatMap(pairsOf);
for (const pair of pairs) await checkPair(pair);

const jobs = pairs.flatMap(({ ours, bare }) => [ours, bare]);
const { value: costs, others } = await undisturbed(() => inTurns(jobs, timing), { pids: [], patient: false });
const results = pairs.map(({ table, wire, what, aim, ours: { bytes, units } }, at): Result => {
  return { table, wire, what, aim, bytes, units, ours: costs[2 * at] ?? [], bare: costs[2 * at + 1] ?? [] };
});
const tables = tablesOf(results, timing.rounds);
for (const table of tables) console.log(markdown(table));

const missed = results.filter((result) => result.aim !== undefined && !(middle(result) < result.aim));
for (const result of missed) {
  console.log(`Above the aim: ${result.wire}, ${result.what}: ${figure(middle(result))} µs, not < ${result.aim ?? ''}.`);
}
if (missed.length === 0) console.log('All streams are within their aims.');
console.log(
  `Others took ${figure(others)} cores meanwhile. Load of the last minute ${figure(facts.load)} before, ${figure(loadavg()[0] ?? Number.NaN)} after.`,
);
const versions = { '@smithy/eventstream-codec': versionOf('@smithy/eventstream-codec'), typebox: versionOf('typebox') };
const name = options.quick ? 'translate-quick' : 'translate';
console.log(`\n${writeResults(name, { machine: facts, versions, core, timing, others, tables, results })}`);

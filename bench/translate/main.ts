/** bench/translate: what each wire costs between a provider's bytes and the client's, beside a bare JSON.parse of the same. */
import { availableParallelism, loadavg } from 'node:os';
import { hasCommand, outputOf } from '../lib/process.ts';
import { undisturbed } from '../lib/proc.ts';
import { machine, readOptions, versionOf, writeResults } from '../lib/report.ts';
import { figure, markdown, median, shown, spread } from '../lib/stats.ts';
import type { Table } from '../lib/stats.ts';
import { checkPair } from './check.ts';
import { BODIES, KINDS, pairsOf, READS } from './jobs.ts';
import type { Pair } from './jobs.ts';
import { inTurns } from './measure.ts';
import type { Cost, Timing } from './measure.ts';
import { CANDIDATES } from './wires.ts';

const options = readOptions(process.argv.slice(2));
const timing: Timing = options.quick ? { ms: 2, rounds: options.rounds ?? 1, warm: 1 } : { ms: 50, rounds: options.rounds ?? 11, warm: 4 };

/** All threads of this process on one core, so that those that collect garbage do not come for nothing. */
function pin(): string | undefined {
  if (!hasCommand('taskset') || availableParallelism() < 2) return undefined;
  const core = '1';
  const said = outputOf('taskset', ['-a', '-c', '-p', core, String(process.pid)]);
  return said?.includes('new affinity list') ? core : undefined;
}

interface Result {
  readonly pair: Pair;
  readonly ours: readonly Cost[];
  readonly bare: readonly Cost[];
}

const cpu = (costs: readonly Cost[]): readonly number[] => costs.map(({ cpuMicroseconds }) => cpuMicroseconds);

/** Ours by the bare parse of the same round: what slows a round down slows both. */
const ratio = ({ ours, bare }: Result): string =>
  median(cpu(ours).map((value, round) => value / (cpu(bare)[round] ?? Number.NaN))).toFixed(2);

/** Rows are wires; the cells of each of `whats` stand side by side. */
function tableOf(title: string, of: readonly Result[], [unit, bare]: readonly [unit: string, bare: string]): Table {
  const wires = [...new Set(of.map(({ pair }) => pair.wire))];
  const aimed = of.some(({ pair }) => pair.aim !== undefined);
  return {
    title,
    columns: ['wire', unit, 'CPU µs', ...(aimed ? ['aim'] : []), bare, 'ratio'],
    rows: wires.flatMap((wire) =>
      of
        .filter(({ pair }) => pair.wire === wire)
        .map((result) => [
          wire,
          figure(result.pair.ours.bytes / result.pair.ours.units),
          shown(spread(cpu(result.ours))),
          ...(aimed ? [`< ${result.pair.aim ?? ''}`] : []),
          figure(median(cpu(result.bare))),
          ratio(result),
        ]),
    ),
  };
}

function tablesOf(results: readonly Result[]): readonly Table[] {
  const those = (table: Pair['table'], what: string): readonly Result[] =>
    results.filter(({ pair }) => pair.table === table && pair.what === what);
  const rounds = timing.rounds === 1 ? 'one round' : `the median of ${timing.rounds} rounds (lowest–highest)`;
  return [
    ...KINDS.flatMap(([, kind]) =>
      READS.map(([read]) => {
        const what = `${kind}, reads of ${read}`;
        return tableOf(`An event of a stream (${what}): ${rounds}`, those('stream', what), ['bytes an event', 'JSON.parse µs']);
      }),
    ),
    ...KINDS.map(([, what]) => tableOf(`A whole answer (${what}): ${rounds}`, those('whole', what), ['bytes', 'JSON.parse µs'])),
    ...BODIES.map(([what]) => tableOf(`A ${what} request: ${rounds}`, those('request', what), ['bytes', 'JSON.parse + stringify µs'])),
  ];
}

const core = pin();
if (core === undefined) console.log('There is no taskset, or one core only: the process is not pinned.');
const facts = machine();
const pairs = CANDIDATES.flatMap(pairsOf);
for (const pair of pairs) await checkPair(pair);

const jobs = pairs.flatMap(({ ours, bare }) => [ours, bare]);
const { value: costs, others } = await undisturbed(() => inTurns(jobs, timing), { pids: [], patient: false });
const results = pairs.map((pair, at): Result => ({ pair, ours: costs[2 * at] ?? [], bare: costs[2 * at + 1] ?? [] }));
const tables = tablesOf(results);
for (const table of tables) console.log(markdown(table));

const missed = results.filter(({ pair, ours }) => pair.aim !== undefined && !(median(cpu(ours)) < pair.aim));
for (const { pair, ours } of missed)
  console.log(`Above the aim: ${pair.wire}, ${pair.what}: ${figure(median(cpu(ours)))} µs, not < ${pair.aim ?? ''}.`);
if (missed.length === 0) console.log('All streams are within their aims.');
console.log(
  `Others took ${figure(others)} cores meanwhile. Load of the last minute ${figure(facts.load)} before, ${figure(loadavg()[0] ?? Number.NaN)} after.`,
);
const rows = results.map(({ pair: { table, wire, what, aim, ours: job }, ours, bare }) => {
  return { table, wire, what, aim, bytes: job.bytes, units: job.units, ours, bare };
});
const versions = { '@smithy/eventstream-codec': versionOf('@smithy/eventstream-codec'), typebox: versionOf('typebox') };
const name = options.quick ? 'translate-quick' : 'translate';
console.log(`\n${writeResults(name, { machine: facts, versions, core, timing, others, tables, results: rows })}`);

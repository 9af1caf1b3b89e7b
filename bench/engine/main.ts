/**
 * bench/engine: our server over HTTP, a bare loop on the native context, and llama-server; same file, same run, in turns.
 * BENCH_CASES and BENCH_WITHOUT choose cases by their names, BENCH_THREADS is two without it, BENCH_TOKENS are generated
 * at most by each stream, and BENCH_BUSY=1 measures at once, whoever else uses the machine.
 */
import { writeFileSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { undisturbed } from '../lib/proc.ts';
import type { Undisturbed } from '../lib/proc.ts';
import { machine, readOptions, versionOf, writeResults } from '../lib/report.ts';
import { figure, markdown, median } from '../lib/stats.ts';
import type { Table } from '../lib/stats.ts';
import { arrival } from './arrival.ts';
import type { Arrival } from './arrival.ts';
import { MODEL, MODEL_FILE, SIZES, startBare, startLlamaServer, startParlance } from './candidates.ts';
import type { Bare, Candidate, Measured } from './candidates.ts';
import { bodiesOf, CASES } from './cases.ts';
import type { Case } from './cases.ts';
import { coldStart } from './cold.ts';
import type { ColdStart } from './cold.ts';
import { tablesOf } from './tables.ts';
import type { Result } from './tables.ts';

const options = readOptions(process.argv.slice(2));
const rounds = options.rounds ?? (options.quick ? 1 : 5);
const coldStarts = options.quick ? 1 : 5;
const most = options.quick ? 12 : Number(process.env['BENCH_TOKENS'] ?? 1024);
const patient = !options.quick && process.env['BENCH_BUSY'] === undefined;
/** Only cases whose names match; the results of such a run are kept apart. */
const some = process.env['BENCH_CASES'];
/** All but those. */
const without = new RegExp(process.env['BENCH_WITHOUT'] ?? '(?!)');
/** A short run only sees that the bench works. */
const shortEnough = ({ streams, long, mayEnd }: Case): boolean => !options.quick || !(long || (mayEnd && streams > 1));
const cases = CASES.filter((of) => new RegExp(some ?? '').test(of.name) && !without.test(of.name) && shortEnough(of));

async function startAll(): Promise<readonly [Bare, ...Candidate[]]> {
  const candidates: [Bare, ...Candidate[]] = [await startBare(), await startParlance()];
  const binary = process.env['LLAMA_SERVER'];
  if (binary === undefined) console.log('LLAMA_SERVER names no llama-server: it is left out.\n');
  else candidates.push(await startLlamaServer(binary));
  return candidates;
}

/** By server, an arrival for each round. */
async function arrivals(candidates: readonly [Bare, ...Candidate[]]): Promise<Readonly<Record<string, readonly Arrival[]>>> {
  const [{ endTokens }, ...others] = candidates;
  const pids = candidates.flatMap((candidate) => candidate.pids());
  const all: Record<string, Arrival[]> = {};
  if (options.quick || some !== undefined || !patient) return all;
  for (let round = 0; round < rounds; round++) {
    for (const { name, served } of round % 2 === 0 ? others : others.toReversed()) {
      if (!served) continue;
      const run = (): Promise<Arrival> => arrival(served.base, { model: MODEL, most, endTokens }, served.change);
      all[name] = [...(all[name] ?? []), (await undisturbed(run, { pids, patient })).value];
    }
  }
  return all;
}

async function measureAll(candidates: readonly [Bare, ...Candidate[]]): Promise<readonly Result[]> {
  const [{ endTokens }] = candidates;
  const pids = (): readonly number[] => candidates.flatMap((candidate) => candidate.pids());
  const measure = (one: Candidate, of: Case, length: number): Promise<Undisturbed<Measured>> =>
    undisturbed(() => one.run(bodiesOf(of, { model: MODEL, most: length, endTokens })), { pids: pids(), patient });

  // what is done once (loading, first use of a path) is no part of the comparison
  for (const one of candidates)
    for (const of of cases.filter(({ streams, long }) => streams > 1 && !long)) await measure(one, of, Math.min(16, most));

  const results = cases.map((of) => ({
    case: of,
    measured: Object.fromEntries(candidates.map(({ name }) => [name, [] as Undisturbed<Measured>[]])),
  }));
  for (let round = 0; round < rounds; round++) {
    for (const result of results) {
      // each is first as often as last
      const turn = [...candidates.slice(round % candidates.length), ...candidates.slice(0, round % candidates.length)];
      for (const one of turn) result.measured[one.name]?.push(await measure(one, result.case, most));
    }
    writeFileSync(join(tmpdir(), 'parlance-bench-engine.json'), JSON.stringify(results));
    process.stderr.write(`round ${round + 1} of ${rounds}\n`);
  }
  return results;
}

const facts = machine();
const cold: ColdStart[] = [];
for (let at = 0; at < (some === undefined && (patient || options.quick) ? coldStarts : 0); at++) cold.push(await coldStart());
const candidates = await startAll();
const results = await measureAll(candidates);
const came = await arrivals(candidates);
const memory = Object.assign({}, ...candidates.map((candidate) => candidate.memory())) as Record<string, number>;
for (const candidate of candidates) await candidate.stop();

const names = candidates.map(({ name }) => name);
const others = results.flatMap(({ measured }) => Object.values(measured).flatMap((all) => all.map((one) => one.others)));
const tables: readonly Table[] = tablesOf({ results, names, cold, memory, came, rounds });
for (const table of tables) console.log(markdown(table));
console.log(
  `Others took ${figure(median(others))} cores in the median measurement, ${figure(Math.max(...others))} in the most disturbed one of ${others.length}. ` +
    `Load of the last minute ${figure(facts.load)} before, ${figure(loadavg()[0] ?? Number.NaN)} after.`,
);
const versions = {
  'node-llama-cpp': versionOf('node-llama-cpp'),
  ...Object.fromEntries(candidates.flatMap(({ name, version }) => (version === '' ? [] : [[name, version] as const]))),
};
const file = MODEL_FILE.slice(MODEL_FILE.lastIndexOf('/') + 1);
const name = options.quick ? 'engine-quick' : some === undefined ? 'engine' : 'engine-some';
console.log(
  `\n${writeResults(name, { machine: facts, versions, model: file, sizes: SIZES, rounds, cold, memory, tables, results, came })}`,
);

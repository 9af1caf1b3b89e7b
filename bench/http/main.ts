/** bench/http: what our HTTP path costs, beside a bare proxy and Portkey; in turns, the server on one core and all else on another. */
import { availableParallelism, loadavg } from 'node:os';
import { fileURLToPath } from 'node:url';
import { hasCommand, outputOf } from '../lib/process.ts';
import { undisturbed } from '../lib/proc.ts';
import type { Undisturbed } from '../lib/proc.ts';
import { machine, readOptions, versionOf, writeResults } from '../lib/report.ts';
import { figure, markdown, median, quantile, shown, spread } from '../lib/stats.ts';
import type { Table } from '../lib/stats.ts';
import { HTTP_CASES, PACED_CASE } from './bodies.ts';
import type { HttpCase } from './bodies.ts';
import { check, NAMES, startCandidates, startNginx, startNodeUpstream } from './candidates.ts';
import type { Candidate, Cores, Upstream } from './candidates.ts';
import { withReaders, withWrk } from './load.ts';
import type { Loaded, Paced } from './load.ts';

const options = readOptions(process.argv.slice(2));
const rounds = options.rounds ?? (options.quick ? 1 : 11);
const seconds = options.quick ? { warm: 1, busy: 1, alone: 1 } : { warm: 4, busy: 2, alone: 1 };
const patient = !options.quick;
const BUSY = 32;
/** Milliseconds between the words of a paced stream, and how many streams run at once, one after the other each. */
const PACE = { ms: 5, connections: 32, streamsEach: options.quick ? 1 : 4 };

const wrk = hasCommand('wrk');
const nginx = hasCommand('nginx');
const canPin = hasCommand('taskset') && availableParallelism() >= 2;
const cores: Cores | undefined = canPin ? { server: '0', load: '1' } : undefined;
if (!wrk) console.log('There is no wrk (Debian: apt-get install wrk): only the paced streams are measured.');
if (!nginx) console.log('There is no nginx (Debian: apt-get install nginx): the upstream is a small Node server, which is slower.');
if (!canPin) console.log('There is no taskset, or one core only: server and load share what there is.');

interface Round {
  /** With 32 connections, the server's core full. */
  readonly busy: Undisturbed<Loaded>;
  /** With one connection: what a request takes when nobody is before it. */
  readonly alone: Undisturbed<Loaded>;
}

interface Result<T> {
  readonly case: string;
  readonly rounds: Readonly<Record<string, readonly T[]>>;
}

/** Measures all candidates in turns; the order moves on with every round. */
async function inTurns<T>(
  of: HttpCase,
  { upstream, pace, count }: { upstream: Upstream; pace: number; count: number },
  measure: (one: Candidate, pids: readonly number[]) => Promise<T>,
): Promise<Result<T>> {
  const candidates = await startCandidates(upstream, of, { cores, pace });
  const pids = [upstream.pid, ...candidates.flatMap(({ pid }) => pid ?? [])];
  const results: Record<string, T[]> = {};
  try {
    for (const one of candidates) await check(one, of);
    for (let round = 0; round < count; round++) {
      for (let turn = 0; turn < candidates.length; turn++) {
        const one = candidates[(round + turn) % candidates.length];
        if (one) (results[one.name] ??= []).push(await measure(one, pids));
      }
    }
  } finally {
    for (const one of candidates) await one.stop();
  }
  process.stderr.write(`${of.name}: done\n`);
  return { case: of.name, rounds: results };
}

async function runWrk(of: HttpCase, upstream: Upstream): Promise<Result<Round>> {
  const warm = new Set<string>();
  return inTurns(of, { upstream, pace: 0, count: rounds }, async (one, pids) => {
    if (!warm.has(one.name)) await withWrk(one, of, { connections: BUSY, seconds: seconds.warm, cores });
    warm.add(one.name);
    const load = (connections: number, length: number): Promise<Undisturbed<Loaded>> =>
      undisturbed(() => withWrk(one, of, { connections, seconds: length, cores }), { pids, patient });
    return { busy: await load(BUSY, seconds.busy), alone: await load(1, seconds.alone) };
  });
}

async function runPaced(): Promise<Result<Undisturbed<Paced>>> {
  const upstream = await startNodeUpstream(PACE.ms, cores);
  const warm = new Set<string>();
  try {
    return await inTurns(PACED_CASE, { upstream, pace: PACE.ms, count: Math.min(rounds, 7) }, async (one, pids) => {
      if (!warm.has(one.name)) await withReaders(one, PACED_CASE, { connections: PACE.connections, streamsEach: 1 });
      warm.add(one.name);
      return undisturbed(() => withReaders(one, PACED_CASE, PACE), { pids, patient });
    });
  } finally {
    await upstream.stop();
  }
}

const MEASURED = [NAMES.memory, NAMES.upstream, NAMES.bare, NAMES.portkey];

/** By the bare proxy's of the same round: what slows a round down slows both. */
const ratio = (ours: readonly number[], bare: readonly number[]): string =>
  median(ours.map((value, round) => value / (bare[round] ?? Number.NaN))).toFixed(2);

function loadTable({ case: title, rounds: measured }: Result<Round>): Table {
  const all = (name: string, what: (round: Round) => number): readonly number[] => (measured[name] ?? []).map(what);
  const cpu = (name: string): readonly number[] => all(name, ({ busy }) => busy.value.cpuMicroseconds);
  const added = (name: string, what: (round: Round) => number): string => figure(median(all(name, what)) - median(all(NAMES.direct, what)));
  return {
    title: `${title}: the median of ${rounds} rounds (lowest–highest)`,
    columns: ['', 'CPU µs a request', 'CPU, bare proxy = 1', 'requests/s', 'added p50 ms', 'added p99 ms'],
    rows: [
      ...MEASURED.map((name) => [
        name,
        shown(spread(cpu(name))),
        ratio(cpu(name), cpu(NAMES.bare)),
        shown(spread(all(name, ({ busy }) => busy.value.requestsPerSecond))),
        added(name, ({ alone }) => alone.value.p50Ms),
        added(name, ({ alone }) => alone.value.p99Ms),
      ]),
      [
        NAMES.direct,
        '',
        '',
        shown(spread(all(NAMES.direct, ({ busy }) => busy.value.requestsPerSecond))),
        `(${figure(median(all(NAMES.direct, ({ alone }) => alone.value.p50Ms)))})`,
        `(${figure(median(all(NAMES.direct, ({ alone }) => alone.value.p99Ms)))})`,
      ],
    ],
  };
}

function pacedTable({ case: title, rounds: measured }: Result<Undisturbed<Paced>>): Table {
  const cpu = (name: string): readonly number[] => (measured[name] ?? []).map(({ value }) => value.cpuMicroseconds);
  const times = (name: string, what: (paced: Paced) => readonly number[]): readonly number[] =>
    (measured[name] ?? []).flatMap(({ value }) => what(value));
  const cells = (name: string): string[] => [
    figure(median(times(name, ({ firstWordMs }) => firstWordMs))),
    figure(
      quantile(
        times(name, ({ firstWordMs }) => firstWordMs),
        0.99,
      ),
    ),
    figure(median(times(name, ({ wordDelayMs }) => wordDelayMs))),
    figure(
      quantile(
        times(name, ({ wordDelayMs }) => wordDelayMs),
        0.99,
      ),
    ),
  ];
  return {
    title: `${title}: a word every ${PACE.ms} ms, ${PACE.connections} streams at once`,
    columns: ['', 'CPU µs a stream', 'CPU, bare proxy = 1', 'first word p50 ms', 'p99', 'delay of a word p50 ms', 'p99'],
    rows: [
      ...MEASURED.map((name) => [name, shown(spread(cpu(name))), ratio(cpu(name), cpu(NAMES.bare)), ...cells(name)]),
      [NAMES.direct, '', '', ...cells(NAMES.direct)],
    ],
  };
}

const facts = machine();
const loaded: Result<Round>[] = [];
if (wrk) {
  for (const of of HTTP_CASES) {
    const says = of.stream ? 'stream' : 'short';
    const upstream = await (nginx ? startNginx : startNodeUpstream)(says, cores);
    loaded.push(await runWrk(of, upstream));
    await upstream.stop();
  }
}
const paced = await runPaced();

const others = [
  ...loaded.flatMap((result) =>
    Object.values(result.rounds).flatMap((all) => all.flatMap(({ busy, alone }) => [busy.others, alone.others])),
  ),
  ...Object.values(paced.rounds).flatMap((all) => all.map((one) => one.others)),
];
const tables: readonly Table[] = [...loaded.map(loadTable), pacedTable(paced)];
for (const table of tables) console.log(markdown(table));
console.log(
  `Others took ${figure(median(others))} cores in the median measurement, ${figure(Math.max(...others))} in the most disturbed one of ${others.length}. ` +
    `Load of the last minute ${figure(facts.load)} before, ${figure(loadavg()[0] ?? Number.NaN)} after.`,
);
const peers = fileURLToPath(new URL('..', import.meta.url));
const versions = {
  fastify: versionOf('fastify', peers),
  undici: versionOf('undici', peers),
  '@portkey-ai/gateway': versionOf('@portkey-ai/gateway', peers),
  ...(wrk ? { wrk: /wrk (\S+)/.exec(outputOf('wrk', ['-v']) ?? '')?.[1] } : {}),
  ...(nginx ? { nginx: /nginx\/(\S+)/.exec(outputOf('nginx', ['-v']) ?? '')?.[1] } : {}),
};
const pacedRounds = Object.values(paced.rounds).map((all) =>
  all.map(({ value, others: busy }) => ({ cpuMicroseconds: value.cpuMicroseconds, others: busy })),
);
const name = options.quick ? 'http-quick' : 'http';
console.log(
  `\n${writeResults(name, { machine: facts, versions, cores, rounds, seconds, pace: PACE, tables, loaded, paced: pacedRounds })}`,
);

/** The tables of a run. */
import type { Undisturbed } from '../lib/proc.ts';
import { figure, median, quantile, shown, spread } from '../lib/stats.ts';
import type { Spread, Table } from '../lib/stats.ts';
import type { Arrival } from './arrival.ts';
import type { Measured } from './candidates.ts';
import type { Case } from './cases.ts';
import type { ColdStart } from './cold.ts';

export interface Result {
  readonly case: Case;
  /** By candidate, a measurement for each round. */
  readonly measured: Readonly<Record<string, readonly Undisturbed<Measured>[]>>;
}

interface Run {
  readonly results: readonly Result[];
  readonly names: readonly string[];
  readonly cold: readonly ColdStart[];
  /** MiB, by process. */
  readonly memory: Readonly<Record<string, number>>;
  readonly came: Readonly<Record<string, readonly Arrival[]>>;
  readonly rounds: number;
}

const rates = (measured: readonly Undisturbed<Measured>[]): Spread => spread(measured.map(({ value }) => value.tokensPerSecond));

/** One of our figures by another's, round by round: what slows a round down slows both. */
function ratio({ measured }: Result, other: string, figureOf: (value: Measured) => number): number {
  const theirs = measured[other] ?? [];
  const ours = measured['Parlance'] ?? [];
  return median(
    ours.flatMap(({ value }, round) => {
      const their = theirs[round];
      return their ? [figureOf(value) / figureOf(their.value)] : [];
    }),
  );
}

function speedTable({ results, names, rounds }: Run): Table {
  const others = names.filter((name) => name !== 'Parlance');
  return {
    title: `Tokens per second, all streams together, prompts included: the median of ${rounds} rounds (lowest–highest)`,
    columns: ['case', ...names, ...others.map((name) => `Parlance / ${name}`)],
    rows: results.map((result) => [
      result.case.name,
      ...names.map((name) => shown(rates(result.measured[name] ?? []))),
      ...others.map((name) => ratio(result, name, (value) => value.tokensPerSecond).toFixed(2)),
    ]),
  };
}

function firstTokenTable({ results, names }: Run): Table {
  const others = names.filter((name) => name === 'llama-server');
  return {
    title: 'Milliseconds to the first token: the median, and the slowest tenth begins at',
    columns: ['case', ...names, ...others.map((name) => `${name} / Parlance`)],
    rows: results.map((result) => [
      result.case.name,
      ...names.map((one) => {
        const times = (result.measured[one] ?? []).flatMap(({ value }) => value.firstTokenMs);
        return `${figure(median(times))} / ${figure(quantile(times, 0.9))}`;
      }),
      ...others.map((name) => (1 / ratio(result, name, (value) => median(value.firstTokenMs))).toFixed(2)),
    ]),
  };
}

function gapTable({ results, names }: Run): Table {
  return {
    title: 'Milliseconds between tokens of a stream: the median, and one in a hundred takes',
    columns: ['case', ...names],
    rows: results.map(({ case: { name }, measured }) => [
      name,
      ...names.map((one) => {
        const gaps = (measured[one] ?? []).flatMap(({ value }) => value.gaps);
        return `${figure(median(gaps))} / ${figure(quantile(gaps, 0.99))}`;
      }),
    ]),
  };
}

function cpuTable({ results, names, rounds }: Run): Table {
  return {
    title: `Milliseconds of CPU time by generated token, prompts included, of all a candidate's processes: the median of ${rounds} rounds (lowest–highest)`,
    columns: ['case', ...names],
    rows: results.map(({ case: { name }, measured }) => [
      name,
      ...names.map((one) => shown(spread((measured[one] ?? []).map(({ value }) => value.cpuMsPerToken)))),
    ]),
  };
}

function promptTable({ results, names }: Run): Table {
  return {
    title: 'Prompt tokens, and generated tokens of each stream',
    columns: ['case', ...names],
    rows: results.map(({ case: { name, streams }, measured }) => [
      name,
      ...names.map((one) => {
        const all = measured[one] ?? [];
        return `${figure(median(all.map(({ value }) => value.promptTokens)))} + ${figure(median(all.map(({ value }) => value.tokens / streams)))}`;
      }),
    ]),
  };
}

function arrivalTable({ came }: Run): Table {
  return {
    title: 'Four streams, and somebody comes with a long prompt, milliseconds',
    columns: ['', 'between tokens, median', 'p99', 'longest', 'his first token'],
    rows: Object.entries(came).map(([name, all]) => {
      const gaps = all.flatMap((one) => one.gaps);
      return [
        name,
        figure(median(gaps)),
        figure(quantile(gaps, 0.99)),
        figure(Math.max(...gaps)),
        shown(spread(all.map((one) => one.firstTokenMs))),
      ];
    }),
  };
}

function startTable({ cold }: Run): Table {
  return {
    title: `From the start of the process, milliseconds: the median of ${cold.length} starts (lowest–highest)`,
    columns: ['until', 'ms'],
    rows: [
      ['it listens', shown(spread(cold.map(({ listeningMs }) => listeningMs)))],
      ['the first token of the first request', shown(spread(cold.map(({ firstTokenMs }) => firstTokenMs)))],
    ],
  };
}

export function tablesOf(run: Run): readonly Table[] {
  return [
    speedTable(run),
    firstTokenTable(run),
    gapTable(run),
    ...(Object.keys(run.came).length > 0 ? [arrivalTable(run)] : []),
    cpuTable(run),
    promptTable(run),
    ...(run.cold.length > 0 ? [startTable(run)] : []),
    {
      title: 'Peak memory (VmHWM), MiB',
      columns: ['process', 'MiB'],
      rows: Object.entries(run.memory).map(([name, mebibytes]) => [name, figure(mebibytes)]),
    },
  ];
}

/** The tables of a run, in Markdown: the same in the terminal and in docs/performance.md. */
import { figure, markdown, median, shown, spread } from '../lib/stats.ts';
import { WORDS } from './answers.ts';
import { aimsTable } from './aims.ts';
import { BUSY, OTHER_CONNECTIONS } from './plan.ts';
import type { CaseResult, Results, Run } from './results.ts';

const titleOf = ({ plan }: Results, words: string): string => `${words}: the median of ${plan.rounds} rounds (lowest–highest)`;
const named = ({ candidates }: Results): readonly { readonly id: string; readonly name: string }[] =>
  candidates.map(({ id, name, version }) => ({ id, name: version === undefined ? name : `${name} ${version}` }));

const all = (
  run: Run | undefined,
  connections: number,
  what: 'cpuMicroseconds' | 'requestsPerSecond' | 'p50Ms' | 'p99Ms',
): readonly number[] => (run?.busy[connections] ?? []).map(({ value }) => value[what]);

/** `98.4 (96.0–101)`, or a dash where nothing was measured. */
const cell = (values: readonly number[], divisor = 1): string =>
  values.length === 0 ? '–' : shown(spread(values.map((value) => value / divisor)));
const middle = (values: readonly number[]): string => (values.length === 0 ? '–' : figure(median(values)));

/** By the bare proxy's of the same round: what slows a round down slows both. */
export function ratios(ours: readonly number[], theirs: readonly number[]): readonly number[] {
  return ours.flatMap((value, round) => (theirs[round] === undefined ? [] : value / theirs[round]));
}

const ratio = (ours: readonly number[], theirs: readonly number[]): string => {
  const found = ratios(ours, theirs);
  return found.length === 0 ? '–' : median(found).toFixed(2);
};

function shortTable(results: Results, { name, runs }: CaseResult): string {
  const bare = all(runs['bare'], BUSY, 'cpuMicroseconds');
  return markdown({
    title: titleOf(results, `${name}, ${BUSY} connections`),
    columns: [
      '',
      'CPU µs a request',
      'bare = 1',
      'requests/s',
      'added p50 ms at half load',
      'added p99 ms',
      'memory at rest, MiB',
      'after',
    ],
    rows: results.candidates.map(({ rest, after }, at) => {
      const { id, name: who } = named(results)[at] ?? { id: '', name: '' };
      const run = runs[id];
      const cpu = all(run, BUSY, 'cpuMicroseconds');
      const half = (run?.half ?? []).map(({ value }) => value.whole);
      return [
        who,
        cell(cpu),
        ratio(cpu, bare),
        cell(all(run, BUSY, 'requestsPerSecond')),
        middle(half.map(({ p50 }) => p50)),
        middle(half.map(({ p99 }) => p99)),
        figure(rest),
        figure(after),
      ];
    }),
  });
}

/** A row for each candidate, a column for each case. */
function acrossTable(
  results: Results,
  cases: readonly CaseResult[],
  { title, value, upstream = false }: { title: string; value: (run: Run | undefined, of: CaseResult) => string; upstream?: boolean },
): string {
  const rows = [...named(results), ...(upstream ? [{ id: 'upstream', name: 'the upstream itself' }] : [])];
  return markdown({
    title,
    columns: ['', ...cases.map(({ name }) => name)],
    rows: rows.map(({ id, name }) => [name, ...cases.map((of) => value(of.runs[id], of))]),
  });
}

function streamTable(results: Results, { name, runs }: CaseResult): string {
  return markdown({
    title: titleOf(results, `${name}, ${BUSY} connections`),
    columns: [
      '',
      'CPU µs an event',
      'streams/s',
      'added to the first word at half load: p50 ms',
      'p99',
      'added to the whole: p50 ms',
      'p99',
    ],
    rows: named(results).map(({ id, name: who }) => {
      const run = runs[id];
      const half = (run?.half ?? []).map(({ value }) => value);
      return [
        who,
        cell(all(run, BUSY, 'cpuMicroseconds'), WORDS),
        cell(all(run, BUSY, 'requestsPerSecond')),
        middle(half.map(({ firstWord }) => firstWord.p50)),
        middle(half.map(({ firstWord }) => firstWord.p99)),
        middle(half.map(({ whole }) => whole.p50)),
        middle(half.map(({ whole }) => whole.p99)),
      ];
    }),
  });
}

function pacedTable(results: Results, { name, runs }: CaseResult, connections: number): string {
  const rows = [...named(results), { id: 'upstream', name: 'the upstream itself' }];
  return markdown({
    title: titleOf(results, `${name}, ${connections} ${connections === 1 ? 'stream' : 'streams at once'}; milliseconds`),
    columns: ['', 'CPU µs an event', 'first word p50', 'p99', 'gap p50', 'p99', 'a word later by p50', 'p99'],
    rows: rows.map(({ id, name: who }) => {
      const found = (runs[id]?.paced[connections] ?? []).map(({ value }) => value);
      return [
        who,
        id === 'upstream' ? '' : cell(found.map(({ cpuMicroseconds }) => cpuMicroseconds)),
        ...(['firstWord', 'gap', 'delay'] as const).flatMap((what) => [
          middle(found.map((one) => one[what].p50)),
          middle(found.map((one) => one[what].p99)),
        ]),
      ];
    }),
  });
}

function heldTable(results: Results, { runs }: CaseResult): string {
  const count = Object.values(runs).find(({ held }) => held)?.held?.count ?? 0;
  return markdown({
    title: `Memory with ${count.toLocaleString('en-US')} open streams, each of which has had its first word`,
    columns: ['', 'before, MiB', 'open, MiB', 'KiB a stream'],
    rows: named(results).flatMap(({ id, name }) => {
      const held = runs[id]?.held;
      return held ? [[name, figure(held.before), figure(held.open), figure(((held.open - held.before) * 1024) / held.count)]] : [];
    }),
  });
}

function connectionsTable(results: Results, { name, runs, id }: CaseResult): string {
  const divisor = id === 'stream' ? WORDS : 1;
  const counts = [1, BUSY, 1000].filter((count) => Object.values(runs).some(({ busy }) => busy[count]));
  return markdown({
    title: titleOf(results, `${name}, by the number of connections`),
    columns: [
      '',
      ...counts.flatMap((count) => [`${count}: CPU µs ${divisor === 1 ? 'a request' : 'an event'}`, 'requests/s', 'p50 ms', 'p99']),
    ],
    rows: [...named(results), { id: 'upstream', name: 'the upstream itself' }].map(({ id: who, name: called }) => [
      called,
      ...counts.flatMap((count) => [
        who === 'upstream' ? '' : middle(all(runs[who], count, 'cpuMicroseconds').map((value) => value / divisor)),
        middle(all(runs[who], count, 'requestsPerSecond')),
        middle(all(runs[who], count, 'p50Ms')),
        middle(all(runs[who], count, 'p99Ms')),
      ]),
    ]),
  });
}

/** Those for which there is something to show. */
export function tablesOf(results: Results): readonly string[] {
  const { cases } = results;
  const find = (id: string): CaseResult | undefined => cases.find((one) => one.id === id);
  const tables: string[] = [];
  const short = find('short');
  const stream = find('stream');
  const held = find('held');
  if (short) tables.push(shortTable(results, short));
  const whole = cases.filter(({ id, runs }) => !/^(?:stream|paced|held)/.test(id) && Object.values(runs).some(({ busy }) => busy[BUSY]));
  if (whole.length > 1) {
    tables.push(
      acrossTable(results, whole, {
        title: titleOf(results, `CPU µs a request, ${BUSY} connections`),
        value: (run) => cell(all(run, BUSY, 'cpuMicroseconds')),
      }),
      acrossTable(results, whole, {
        title: `Requests a second, ${BUSY} connections: the median`,
        value: (run) => middle(all(run, BUSY, 'requestsPerSecond')),
        upstream: true,
      }),
    );
  }
  if (stream) tables.push(streamTable(results, stream));
  const streams = cases.filter(({ id }) => id.startsWith('stream'));
  if (streams.length > 1) {
    tables.push(
      acrossTable(results, streams, {
        title: titleOf(results, `CPU µs an event, as fast as they come, ${BUSY} connections`),
        value: (run) => cell(all(run, BUSY, 'cpuMicroseconds'), WORDS),
      }),
    );
  }
  for (const of of cases.filter(({ id }) => id.startsWith('paced'))) {
    const counts = new Set(Object.values(of.runs).flatMap(({ paced }) => Object.keys(paced).map(Number)));
    for (const count of counts) tables.push(pacedTable(results, of, count));
  }
  for (const one of [short, stream]) {
    if (one && OTHER_CONNECTIONS.some((count) => Object.values(one.runs).some(({ busy }) => busy[count])))
      tables.push(connectionsTable(results, one));
  }
  if (held && Object.values(held.runs).some((run) => run.held)) tables.push(heldTable(results, held));
  const aims = aimsTable(results);
  if (aims !== undefined) tables.push(aims);
  return tables;
}

/** What was measured, side by side: a row for each wire. */
import { figure, median, shown, spread } from '../lib/stats.ts';
import type { Table } from '../lib/stats.ts';
import { BODIES, KINDS, READS } from './jobs.ts';
import type { Pair } from './jobs.ts';
import type { Cost } from './measure.ts';

export interface Result extends Pick<Pair, 'table' | 'wire' | 'what' | 'aim'> {
  /** Of one run. */
  readonly bytes: number;
  readonly units: number;
  /** Of each round. */
  readonly ours: readonly Cost[];
  readonly bare: readonly Cost[];
}

const cpu = (costs: readonly Cost[]): readonly number[] => costs.map(({ cpuMicroseconds }) => cpuMicroseconds);

/** CPU time of a unit, the median of all rounds. */
export const middle = ({ ours }: Result): number => median(cpu(ours));

/** Ours by the bare parse of the same round: what slows a round down slows both. */
const ratio = ({ ours, bare }: Result): string =>
  median(cpu(ours).map((value, round) => value / (cpu(bare)[round] ?? Number.NaN))).toFixed(2);

const HEADS = ['CPU µs', 'bare', 'ratio'];

function cells(result: Result): readonly string[] {
  return [shown(spread(cpu(result.ours))), figure(median(cpu(result.bare))), ratio(result)];
}

interface Wanted {
  readonly title: string;
  readonly table: Pair['table'];
  /** What stands side by side, and its name in the heads. */
  readonly whats: readonly (readonly [what: string, head: string])[];
  readonly bytes: string;
}

function tableOf(results: readonly Result[], { title, table, whats, bytes }: Wanted): Table {
  const those = results.filter((result) => result.table === table && whats.some(([what]) => what === result.what));
  const aimed = those.some(({ aim }) => aim !== undefined);
  const rows = [...new Set(those.map(({ wire }) => wire))].map((wire) => {
    const own = whats.flatMap(([what]) => those.filter((result) => result.wire === wire && result.what === what));
    const sizes = [...new Set(own.map((result) => figure(result.bytes / result.units)))].join(', ');
    return [wire, sizes, ...own.flatMap(cells), ...(aimed ? [`< ${own[0]?.aim ?? ''}`] : [])];
  });
  const heads = whats.flatMap(([, head]) => HEADS.map((name) => `${head}: ${name}`));
  return { title, columns: ['', bytes, ...heads, ...(aimed ? ['aim'] : [])], rows };
}

export function tablesOf(results: readonly Result[], rounds: number): readonly Table[] {
  const of = rounds === 1 ? 'one round' : `the median of ${rounds} rounds (lowest–highest)`;
  return [
    ...KINDS.map(([, kind]) =>
      tableOf(results, {
        title: `An event of a stream (${kind}), read in pieces of ${READS.map(([name]) => name).join(' and of ')}: ${of}`,
        table: 'stream',
        whats: READS.map(([read]) => [`${kind}, reads of ${read}`, read] as const),
        bytes: 'bytes an event',
      }),
    ),
    tableOf(results, {
      title: `A whole answer: ${of}`,
      table: 'whole',
      whats: KINDS.map(([kind, name]) => [name, kind] as const),
      bytes: 'bytes',
    }),
    tableOf(results, {
      title: `A request, bare: JSON.parse and JSON.stringify: ${of}`,
      table: 'request',
      whats: BODIES.map(([name]) => [name, name] as const),
      bytes: 'bytes',
    }),
  ];
}

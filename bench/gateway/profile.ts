/** The summary of a CPU profile: where the time of a process went, by function and by file. */
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { markdown } from '../lib/stats.ts';

/** What V8 writes. */
interface Profile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
  }[];
  readonly samples: readonly number[];
  /** Microseconds between samples. */
  readonly timeDeltas: readonly number[];
}

const TOP = 40;
/** A process's start is left out. */
const START_US = 2_000_000;

/** Where it is: a file of ours from `src/` on, a package by its name, or what V8 and Node call it. */
function placeOf(url: string): string {
  const ours = /\/(?:src|dist)\/(.+)$/.exec(url)?.[1];
  const pack = /node_modules\/((?:@[^/]+\/)?[^/]+)\/(.+)$/.exec(url);
  if (pack) return `${pack[1] ?? ''}: ${basename(pack[2] ?? '')}`;
  return ours ?? (url || 'native');
}

/** The own time of functions, the most expensive first, as a part of the time that was not idle. */
export function summaryOf(file: string): string {
  const { nodes, samples, timeDeltas } = JSON.parse(readFileSync(file, 'utf8')) as Profile;
  const frames = new Map(nodes.map(({ id, callFrame }) => [id, callFrame]));
  const functions = new Map<string, number>();
  const places = new Map<string, number>();
  let at = 0;
  let busy = 0;
  for (const [index, id] of samples.entries()) {
    const time = timeDeltas[index] ?? 0;
    at += time;
    const frame = frames.get(id);
    if (at < START_US || !frame || frame.functionName === '(idle)') continue;
    busy += time;
    const place = placeOf(frame.url);
    const name = `${frame.functionName || '(anonymous)'} — ${place}${frame.url ? `:${frame.lineNumber + 1}` : ''}`;
    functions.set(name, (functions.get(name) ?? 0) + time);
    places.set(place, (places.get(place) ?? 0) + time);
  }
  const table = (title: string, of: ReadonlyMap<string, number>): string =>
    markdown({
      title,
      columns: ['where', 'own time %'],
      rows: [...of]
        .toSorted(([, a], [, b]) => b - a)
        .slice(0, TOP)
        .map(([name, time]) => [name, ((time / busy) * 100).toFixed(1)]),
    });
  return `${file}, ${(busy / 1e6).toFixed(1)} s busy\n\n${table('functions', functions)}\n${table('files', places)}`;
}

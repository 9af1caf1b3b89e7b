/** What was aimed at, and what this run found. */
import { figure, markdown, median } from '../lib/stats.ts';
import { WORDS } from './answers.ts';
import { BUSY } from './plan.ts';
import type { Results, Run } from './results.ts';

interface Aim {
  readonly what: string;
  readonly aim: string;
  /** Undefined where this run did not measure it. */
  readonly found: number | undefined;
  met(found: number): boolean;
}

const busyOf = (run: Run | undefined, what: 'cpuMicroseconds' | 'requestsPerSecond'): readonly number[] =>
  (run?.busy[BUSY] ?? []).map(({ value }) => value[what]);

/** The median of ratios within the same round. */
function beside(ours: readonly number[], theirs: readonly number[]): number | undefined {
  const found = ours.flatMap((value, round) => (theirs[round] === undefined ? [] : value / theirs[round]));
  return found.length === 0 ? undefined : median(found);
}

const middle = (values: readonly number[]): number | undefined => (values.length === 0 ? undefined : median(values));
const atMost =
  (most: number) =>
  (found: number): boolean =>
    found <= most;
const atLeast =
  (least: number) =>
  (found: number): boolean =>
    found >= least;

function aimsOf({ cases, candidates }: Results): readonly Aim[] {
  const runs = (id: string): Readonly<Record<string, Run>> => cases.find((one) => one.id === id)?.runs ?? {};
  const short = runs('short');
  const stream = runs('stream');
  const cpu = (id: string): readonly number[] => busyOf(short[id], 'cpuMicroseconds');
  const rate = (id: string): readonly number[] => busyOf(short[id], 'requestsPerSecond');
  const event = (of: Readonly<Record<string, Run>>, id: string): number | undefined => {
    const found = middle(busyOf(of[id], 'cpuMicroseconds'));
    return found === undefined ? undefined : found / WORDS;
  };
  const ratio = (what: string, id: string, least: number): Aim => ({
    what: `requests per second, all on, beside ${what}`,
    aim: `≥ ${least}`,
    found: beside(rate('on'), rate(id)),
    met: atLeast(least),
  });
  const on = candidates.find(({ id }) => id === 'on');
  const encoded = [runs('stream-anthropic'), runs('stream-gemini')].flatMap((of) => event(of, 'on') ?? []);
  return [
    { what: 'CPU of a request, all on, beside the bare proxy', aim: '≤ 1.5', found: beside(cpu('on'), cpu('bare')), met: atMost(1.5) },
    { what: 'CPU of a request, all off, beside the bare proxy', aim: '≤ 1.2', found: beside(cpu('off'), cpu('bare')), met: atMost(1.2) },
    ratio('Portkey', 'portkey', 8),
    ratio('LiteLLM', 'litellm', 100),
    ratio('the Rust gateway', 'rust', 0.6),
    { what: 'memory at rest, all on, MiB', aim: '≤ 120', found: on?.rest, met: atMost(120) },
    {
      what: 'added p99 at half load, all on, ms',
      aim: '< 1',
      found: middle((short['on']?.half ?? []).map(({ value }) => value.whole.p99)),
      met: atMost(1),
    },
    {
      what: 'added to the first word at half load, p99, all on, ms',
      aim: '< 1',
      found: middle((stream['on']?.half ?? []).map(({ value }) => value.firstWord.p99)),
      met: atMost(1),
    },
    { what: 'CPU µs of an event that passes, all off', aim: '≤ 3', found: event(stream, 'off'), met: atMost(3) },
    { what: 'CPU µs of an event that passes, all on', aim: '≤ 3', found: event(stream, 'on'), met: atMost(3) },
    {
      what: 'CPU µs of an event that is written anew, all on, the dearer format',
      aim: '≤ 8',
      found: encoded.length === 0 ? undefined : Math.max(...encoded),
      met: atMost(8),
    },
    { what: 'memory with 5,000 open streams, all on, MiB', aim: '< 500', found: runs('held')['on']?.held?.open, met: atMost(500) },
  ];
}

/** Undefined for a run that measured none of it, and for a short one, which judges no time. */
export function aimsTable(results: Results): string | undefined {
  const aims = aimsOf(results).flatMap(({ found, ...aim }) => (found === undefined || Number.isNaN(found) ? [] : { ...aim, found }));
  if (aims.length === 0 || results.plan.quick) return undefined;
  return markdown({
    title: 'What was aimed at',
    columns: ['', 'aim', 'found', 'met'],
    rows: aims.map(({ what, aim, found, met }) => [what, aim, figure(found), met(found) ? 'yes' : 'no']),
  });
}

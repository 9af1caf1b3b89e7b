/** What is measured of one candidate in one round. */
import { familyMemory, familySeconds, undisturbed } from '../lib/proc.ts';
import type { Undisturbed } from '../lib/proc.ts';
import { hasCommand, pause } from '../lib/process.ts';
import type { Asked } from './asked.ts';
import { PACE_MS } from './cases.ts';
import type { Case } from './cases.ts';
import type { Times } from './load/client.ts';
import { hold, load } from './load/run.ts';
import type { Cores } from './upstreams.ts';
import { withWrk } from './wrk.ts';
import type { Loaded } from './wrk.ts';

export interface Conditions {
  readonly cores: Cores | undefined;
  /** All processes of the bench, to tell others' work from its own. */
  readonly pids: readonly number[];
  /** Waits for others to leave the machine alone, and measures again where they did not. */
  readonly patient: boolean;
}

const wrk = hasCommand('wrk');

/** Answers on each connection that a measurement needs, so that those it begins and ends with count little. */
const ANSWERS_EACH = 4;
const LONGEST_S = 16;
/** How long slow ones take to give so many. */
const lengths = new Map<string, number>();

/** As fast as answers come, on so many connections; longer than asked for where an answer takes long. */
export async function busy(
  asked: Asked,
  { connections, seconds }: { readonly connections: number; readonly seconds: number },
  conditions: Conditions,
): Promise<Undisturbed<Loaded>> {
  const key = `${asked.url} ${asked.name} ${connections} ${asked.body.length}`;
  const length = lengths.get(key) ?? seconds;
  const found = await busyFor(asked, { connections, seconds: length }, conditions);
  const { requests } = found.value;
  if (requests >= connections * ANSWERS_EACH || length >= LONGEST_S) {
    if (requests === 0) throw new Error(`no answer within ${length} s on ${connections} connections`);
    return found;
  }
  lengths.set(key, Math.min(LONGEST_S, length * 2));
  return busy(asked, { connections, seconds }, conditions);
}

function busyFor(
  asked: Asked,
  { connections, seconds }: { readonly connections: number; readonly seconds: number },
  { cores, ...patience }: Conditions,
): Promise<Undisturbed<Loaded>> {
  return undisturbed(async () => {
    if (wrk) return withWrk(asked, { connections, seconds, cores });
    const before = secondsOf(asked);
    const { answered, seconds: took, whole } = await load(asked, { kind: 'closed', connections, seconds }, cores);
    return {
      requests: answered,
      requestsPerSecond: answered / took,
      cpuMicroseconds: ((secondsOf(asked) - before) / answered) * 1e6,
      p50Ms: whole?.p50 ?? Number.NaN,
      p99Ms: whole?.p99 ?? Number.NaN,
    };
  }, patience);
}

const secondsOf = ({ pid }: Asked): number => (pid === undefined ? Number.NaN : familySeconds(pid));

/** Half a percentile with a candidate between, less the same without. */
export interface Added {
  readonly p50: number;
  readonly p99: number;
}

export interface Half {
  /** Requests a second. */
  readonly rate: number;
  /** Until the end of an answer, and until its first word. */
  readonly whole: Added;
  readonly firstWord: Added;
}

const added = (through: Times | undefined, without: Times | undefined): Added => ({
  p50: (through?.p50 ?? Number.NaN) - (without?.p50 ?? Number.NaN),
  p99: (through?.p99 ?? Number.NaN) - (without?.p99 ?? Number.NaN),
});

/** So many requests a second, at random moments; and the same at once without anybody between. */
export function halfLoad(
  { asked, direct }: { readonly asked: Asked; readonly direct: Asked },
  { rate, seconds }: { readonly rate: number; readonly seconds: number },
  { cores, ...patience }: Conditions,
): Promise<Undisturbed<Half>> {
  return undisturbed(async () => {
    const through = await load(asked, { kind: 'open', rate, seconds }, cores);
    const without = await load(direct, { kind: 'open', rate, seconds }, cores);
    return { rate, whole: added(through.whole, without.whole), firstWord: added(through.firstWord, without.firstWord) };
  }, patience);
}

export interface Paced {
  /** Of the server, an event; NaN for the upstream itself. */
  readonly cpuMicroseconds: number;
  readonly firstWord: Times;
  /** Between two words, as they were read. */
  readonly gap: Times;
  /** From a word's sending until it was read. */
  readonly delay: Times;
}

const NONE: Times = { p50: Number.NaN, p99: Number.NaN, worst: Number.NaN };

/** So many streams at once, of words that come at their own pace. */
export function paced(asked: Asked, { connections, of }: { readonly connections: number; readonly of: Case }, conditions: Conditions) {
  const { cores, ...patience } = conditions;
  return undisturbed(async (): Promise<Paced> => {
    const before = secondsOf(asked);
    // streams begin at different moments, as they do in life
    const within = PACE_MS * Math.max(1, Math.ceil(connections / 50));
    const {
      answered,
      firstWord = NONE,
      gap = NONE,
      delay = NONE,
    } = await load(asked, { kind: 'timed', connections, each: 1, within }, cores);
    return { cpuMicroseconds: ((secondsOf(asked) - before) / (answered * of.events)) * 1e6, firstWord, gap, delay };
  }, patience);
}

export interface HeldMemory {
  readonly count: number;
  /** MiB before, and with all of them open. */
  readonly before: number;
  readonly open: number;
}

/** What a server needs for so many open streams, each of which has had its first word. */
export async function heldMemory(asked: Asked, count: number, cores: Cores | undefined): Promise<HeldMemory> {
  const before = familyMemory(asked.pid ?? 0);
  const { result, release } = await hold(asked, count, cores);
  await pause(SETTLE_MS);
  const open = familyMemory(asked.pid ?? 0);
  await release();
  if (result.answered < count) throw new Error(`${count - result.answered} of ${count} streams failed: ${result.failure ?? ''}`);
  return { count, before, open };
}

/** Until a process's memory is looked at, so that what only begins or ends is not counted. */
export const SETTLE_MS = 4000;

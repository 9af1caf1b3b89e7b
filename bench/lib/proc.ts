/** What Linux tells of processes: CPU time, peak memory, and how busy the machine is with others. Elsewhere all of it is unknown. */
import { readFileSync } from 'node:fs';
import { pause } from './process.ts';

/** The kernel counts in these, whatever its own timer does. */
const TICKS_PER_SECOND = 100;

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    // the process has ended, or this is no Linux
    if (cause instanceof Error && 'code' in cause && (cause.code === 'ENOENT' || cause.code === 'ESRCH')) return undefined;
    throw cause;
  }
}

/** Fields of /proc/PID/stat from the third on; the second is a name that may have blanks in it. */
function statFields(pid: number | 'self'): readonly number[] {
  const text = read(`/proc/${pid}/stat`);
  return text === undefined
    ? []
    : text
        .slice(text.lastIndexOf(')') + 4)
        .split(' ')
        .map(Number);
}

/** Seconds of CPU that a process took so far, all its threads, user and system. NaN where that is not known. */
export function cpuSeconds(pid: number): number {
  const fields = statFields(pid);
  return ((fields[10] ?? Number.NaN) + (fields[11] ?? Number.NaN)) / TICKS_PER_SECOND;
}

/** A process and all that descend from it. */
export function familyOf(pid: number): readonly number[] {
  const children = (read(`/proc/${pid}/task/${pid}/children`) ?? '').split(' ').flatMap((id) => (id === '' ? [] : Number(id)));
  return [pid, ...children.flatMap(familyOf)];
}

/** Seconds of CPU of a process and of all that descend from it; of those that have ended meanwhile too. */
export function familySeconds(pid: number): number {
  return familyOf(pid).reduce((sum, one) => {
    const ticks = statFields(one).slice(10, 14);
    return ticks.length === 0 ? sum : sum + ticks.reduce((all, some) => all + some, 0) / TICKS_PER_SECOND;
  }, 0);
}

/** The memory that they have now, in MiB: what is shared counts in each. NaN where that is not known. */
export function familyMemory(pid: number): number {
  return familyOf(pid).reduce((sum, one) => sum + statusOf(one, 'VmRSS'), 0);
}

/** The same of this process and of those of its children that have ended. */
function ownSeconds(): number {
  return (
    statFields('self')
      .slice(10, 14)
      .reduce((sum, ticks) => sum + ticks, 0) / TICKS_PER_SECOND
  );
}

/** The most memory that a process had at any time, in MiB. NaN where that is not known. */
export function peakMemory(pid: number): number {
  return statusOf(pid, 'VmHWM');
}

function statusOf(pid: number, field: 'VmHWM' | 'VmRSS'): number {
  const kibibytes = new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(read(`/proc/${pid}/status`) ?? '')?.[1];
  return kibibytes === undefined ? Number.NaN : Number(kibibytes) / 1024;
}

/** Seconds that all cores together were busy, since the machine started. */
export function busySeconds(): number {
  const fields =
    /^cpu +(.+)$/m
      .exec(read('/proc/stat') ?? '')?.[1]
      ?.split(' ')
      .map(Number) ?? [];
  // user, nice, system; then irq, softirq and steal after idle and iowait
  return [0, 1, 2, 5, 6, 7].reduce((sum, at) => sum + (fields[at] ?? Number.NaN), 0) / TICKS_PER_SECOND;
}

export interface Undisturbed<T> {
  readonly value: T;
  /** Cores that others than this bench kept busy meanwhile, on average. NaN where that is not known. */
  readonly others: number;
}

/** Others may take so much of one core before a measurement counts as disturbed. */
const TOLERATED_CORES = 0.1;
/** How long a whole run waits for others, and measures again because of them. */
let patienceMs = 300_000;

/** Waits until others leave the cores alone for half a second. */
async function quiet(ours: () => number): Promise<void> {
  while (patienceMs > 0) {
    const before = busySeconds() - ours();
    await pause(500);
    if (!((busySeconds() - ours() - before) / 0.5 > TOLERATED_CORES)) return;
    patienceMs -= 500;
  }
}

export interface Patience {
  /** The processes of the bench itself that run meanwhile. */
  readonly pids: readonly number[];
  /** False: measures once, whoever else is there. */
  readonly patient: boolean;
}

/**
 * Measures when nobody else is there, and again where somebody came, three times at most; the least disturbed one
 * counts. A machine that is never quiet uses up the run's patience, and from then on everything is measured once.
 */
export async function undisturbed<T>(run: () => Promise<T>, { pids, patient }: Patience): Promise<Undisturbed<T>> {
  const ours = (): number => ownSeconds() + pids.reduce((sum, pid) => sum + cpuSeconds(pid), 0);
  let best: Undisturbed<T> | undefined;
  for (let tried = 0; ; tried++) {
    if (patient) await quiet(ours);
    const before = { busy: busySeconds(), ours: ours(), at: performance.now() };
    const value = await run();
    const ms = performance.now() - before.at;
    const others = Math.max(0, (busySeconds() - before.busy - (ours() - before.ours)) / (ms / 1000));
    if (!best || others < best.others) best = { value, others };
    if (!patient || !(others > TOLERATED_CORES) || tried === 2 || patienceMs <= 0) return best;
    patienceMs -= ms;
  }
}

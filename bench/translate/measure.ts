/** Jobs run in turns, many rounds of short times: what disturbs the machine for a while disturbs all of them alike. */
import type { Job } from './jobs.ts';

export interface Cost {
  /** CPU time of this process, collecting of garbage and compiling included. */
  readonly cpuMicroseconds: number;
  readonly wallMicroseconds: number;
}

async function repeat({ run }: Job, times: number): Promise<void> {
  for (let at = 0; at < times; at++) {
    const running = run();
    if (running) await running;
  }
}

/** What one unit costs, over so many runs. */
async function measure(job: Job, times: number): Promise<Cost> {
  const began = performance.now();
  const before = process.cpuUsage();
  await repeat(job, times);
  const { user, system } = process.cpuUsage(before);
  const units = times * job.units;
  return { cpuMicroseconds: (user + system) / units, wallMicroseconds: ((performance.now() - began) * 1000) / units };
}

/** Runs that fill so many milliseconds of CPU time. */
async function timesFor(job: Job, ms: number): Promise<number> {
  for (let times = 1; ; times *= 2) {
    const { cpuMicroseconds } = await measure(job, times);
    const spent = (cpuMicroseconds * job.units * times) / 1000;
    if (spent >= ms / 4) return Math.max(1, Math.round((times * ms) / spent));
  }
}

export interface Timing {
  /** CPU time of one measurement, milliseconds. */
  readonly ms: number;
  /** The same of what runs before each measurement and does not count. */
  readonly lead: number;
  readonly rounds: number;
  /** Rounds before those that count. */
  readonly warm: number;
}

/** For each job what it cost in each round. The order of a round begins elsewhere each time. */
export async function inTurns(jobs: readonly Job[], { ms, lead, rounds, warm }: Timing): Promise<readonly (readonly Cost[])[]> {
  const costs = jobs.map((): Cost[] => []);
  const times: number[] = [];
  for (let round = -warm; round < rounds; round++) {
    for (let turn = 0; turn < jobs.length; turn++) {
      // another one begins each time, and the two of a pair stay neighbours
      const at = (turn + (round + warm) * 7) % jobs.length;
      const job = jobs[at];
      if (!job) continue;
      // the last round before those that count says how long a run takes by now
      if (round <= -1 || times[at] === undefined) times[at] = await timesFor(job, ms);
      // hot, as in a server at work: what V8 knew of a way is partly gone once a hundred others have run
      await repeat(job, Math.ceil((times[at] * lead) / ms));
      const cost = await measure(job, times[at]);
      if (round >= 0) costs[at]?.push(cost);
    }
    process.stderr.write(round < 0 ? `warm-up ${round + warm + 1} of ${warm}\n` : `round ${round + 1} of ${rounds}\n`);
  }
  return costs;
}

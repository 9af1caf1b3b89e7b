/**
 * bench workers: requests a second with one worker and with two, everything on.
 *   npm run bench -- workers [--rounds=5] [--seconds=3] [--quick]
 *
 * With four cores or more the server has all but one or two of them, the load and the upstream the rest. With two, all share them,
 * and the load takes its part of what a second worker would have; so the CPU time of a request is told as well, in all processes:
 * where it is the same with two workers as with one, a second core gives what it has.
 */
import { availableParallelism, loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { familyOf } from '../lib/proc.ts';
import { hasCommand } from '../lib/process.ts';
import { machine, writeResults } from '../lib/report.ts';
import { figure, markdown, median, shown, spread } from '../lib/stats.ts';
import { headersOf, wrongness } from './asked.ts';
import type { Asked } from './asked.ts';
import { built } from './candidates/all.ts';
import { startParlance } from './candidates/parlance.ts';
import { PACE_MS } from './cases.ts';
import { busy } from './measure.ts';
import { bodyOf } from './requests.ts';
import { startUpstreams } from './upstreams.ts';
import type { Cores } from './upstreams.ts';
import type { Loaded } from './wrk.ts';

const { values } = parseArgs({
  options: { rounds: { type: 'string' }, seconds: { type: 'string' }, quick: { type: 'boolean', default: false } },
});
const { quick } = values;
const rounds = Number(values.rounds ?? (quick ? 1 : 5));
const seconds = Number(values.seconds ?? (quick ? 1 : 3));
const COUNTS = [1, 2];
const CONNECTIONS = 64;

const count = availableParallelism();
/** With enough of them nobody shares a core. */
function placing(): Cores | undefined {
  if (!hasCommand('taskset') || count < 4) return undefined;
  return { server: `0-${count - 3}`, load: `${count - 2}-${count - 1}` };
}

interface Entrant {
  readonly workers: number;
  readonly asked: Asked;
  readonly found: Loaded[];
  stop(): Promise<void>;
}

const facts = machine();
const cores = placing();
const upstreams = await startUpstreams(cores);
const entrants: Entrant[] = [];
try {
  for (const workers of COUNTS) {
    const server = await startParlance({
      upstreams,
      cores,
      on: true,
      paceMs: PACE_MS,
      program: quick ? 'src/main.ts' : built(),
      env: { PARLANCE_WORKERS: String(workers) },
    });
    const asked = {
      name: `${workers} ${workers === 1 ? 'worker' : 'workers'}`,
      url: `${server.url}/v1/chat/completions`,
      headers: headersOf(server.key, false),
      body: bodyOf('short', 'short-openai/bench'),
      stream: false,
      pid: server.pid,
    };
    entrants.push({ workers, asked, found: [], stop: server.stop });
    const wrong = await wrongness(asked);
    if (wrong !== undefined) throw new Error(`${asked.name} ${wrong}`);
  }
  const pids = [...upstreams.pids, ...entrants.flatMap(({ asked }) => familyOf(asked.pid ?? 0))];
  const conditions = { cores, pids, patient: !quick };
  for (const { asked } of entrants) await busy(asked, { connections: CONNECTIONS, seconds }, { ...conditions, patient: false });
  for (let round = 0; round < rounds; round++) {
    for (let turn = 0; turn < entrants.length; turn++) {
      const one = entrants[(round + turn) % entrants.length];
      if (one) one.found.push((await busy(one.asked, { connections: CONNECTIONS, seconds }, conditions)).value);
    }
  }
} finally {
  for (const { stop } of entrants) await stop();
  await upstreams.stop();
}

const [single, ...more] = entrants;
console.log(
  markdown({
    title: `Short completions, all on, ${CONNECTIONS} connections: the median of ${rounds} rounds (lowest–highest)`,
    columns: ['', 'requests/s', 'beside one', 'CPU µs a request, all processes', 'beside one'],
    rows: entrants.map(({ asked, found }) => {
      const gain = (what: (one: Loaded) => number): string =>
        median(found.flatMap((one, round) => (single?.found[round] ? what(one) / what(single.found[round]) : []))).toFixed(2);
      return [
        asked.name,
        shown(spread(found.map((one) => one.requestsPerSecond))),
        gain((one) => one.requestsPerSecond),
        shown(spread(found.map((one) => one.cpuMicroseconds))),
        gain((one) => one.cpuMicroseconds),
      ];
    }),
  }),
);
if (cores === undefined && more.length > 0) {
  console.log(`With ${count} cores, the workers, the upstream and the load share them: requests per second are bounded by all of that.`);
}
console.log(`Load of the last minute ${figure(facts.load)} before, ${figure(loadavg()[0] ?? Number.NaN)} after.`);
const results = entrants.map(({ workers, found }) => ({ workers, found }));
console.log(
  writeResults(quick ? 'workers-quick' : 'workers', { machine: facts, cores, rounds, seconds, connections: CONNECTIONS, results }),
);

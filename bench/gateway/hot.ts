/**
 * bench hot: what a request and an event of a stream cost on our way, beside a bare proxy; a short run, for whoever works on it.
 *   node bench/run.mjs hot [--rounds 5] [--seconds 3] [--cases short,stream] [--only on,off] [--cpu-prof FOLDER]
 */
import { mkdirSync } from 'node:fs';
import { loadavg } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { cpuSeconds } from '../lib/proc.ts';
import { accepting, freePort, hasCommand, start } from '../lib/process.ts';
import { machine, writeResults } from '../lib/report.ts';
import { figure, markdown, median, shown, spread } from '../lib/stats.ts';
import { headersOf, wrongness } from './asked.ts';
import type { Asked } from './asked.ts';
import { WORDS } from './answers.ts';
import { startParlance } from './candidates/parlance.ts';
import { coresOf } from './cores.ts';
import { load } from './load/run.ts';
import { bodyOf } from './requests.ts';
import type { Content } from './requests.ts';
import { summaryOf } from './profile.ts';
import { startUpstreams } from './upstreams.ts';
import type { Upstreams } from './upstreams.ts';
import { withWrk } from './wrk.ts';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '3' },
    cases: { type: 'string' },
    only: { type: 'string' },
    'cpu-prof': { type: 'string' },
  },
});
const rounds = Number(values.rounds);
const seconds = Number(values.seconds);
const BUSY = 32;
const PACE_MS = 20;

interface HotCase {
  readonly id: string;
  readonly name: string;
  readonly content: Content;
  /** The provider of Parlance that is asked, and the path where a bare proxy finds the same answer. */
  readonly provider: string;
  readonly path: string;
  /** Events of an answer; 1 for what is not streamed. */
  readonly events: number;
  /** Words come every 20 ms, in so many streams at once. */
  readonly streams?: number;
}

const ALL: readonly HotCase[] = [
  { id: 'short', name: 'short completion, a request', content: 'short', provider: 'short-openai', path: 'short', events: 1 },
  { id: 'long', name: '100 kB, a request', content: 'long', provider: 'short-openai', path: 'short', events: 1 },
  { id: 'stream', name: 'stream passed through, an event', content: 'stream', provider: 'stream-openai', path: 'stream', events: WORDS },
  { id: 'encoded', name: 'stream written anew, an event', content: 'stream', provider: 'stream-encoded', path: 'stream', events: WORDS },
  {
    id: 'paced',
    name: 'a word every 20 ms, passed through, an event',
    content: 'stream',
    provider: 'paced-openai',
    path: `paced-${PACE_MS}`,
    events: WORDS,
    streams: 100,
  },
];
const wanted = (values.cases ?? 'short,stream,encoded,paced').split(',');
const cases = ALL.filter(({ id }) => wanted.includes(id));
const only = (values.only ?? 'bare,off,on').split(',');

const cores = coresOf();

interface Runner {
  readonly id: string;
  readonly name: string;
  readonly asked: Asked;
  stop(): Promise<void>;
}

async function startBare(of: HotCase, upstreams: Upstreams): Promise<Runner> {
  const port = await freePort();
  const script = fileURLToPath(new URL('./bare-node.mjs', import.meta.url));
  const program = start({
    command: process.execPath,
    args: [script, String(port), upstreams.constant, upstreams.timed],
    cores: cores?.server,
  });
  await accepting(port, { withinMs: 120_000, program });
  const url = `http://127.0.0.1:${port}/${of.path}/v1/chat/completions`;
  const stream = of.content === 'stream';
  const name = 'bare node:http + undici';
  const asked = { name, url, headers: headersOf('sk-bench', stream), body: bodyOf(of.content, 'bench'), stream, pid: program.pid };
  return { id: 'bare', name, asked, stop: () => program.stop() };
}

async function startOurs(of: HotCase, upstreams: Upstreams, on: boolean): Promise<Runner> {
  const folder = values['cpu-prof'];
  const id = on ? 'on' : 'off';
  const profile = `${of.id}-${id}.cpuprofile`;
  const nodeFlags = folder === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${resolve(folder)}`, `--cpu-prof-name=${profile}`];
  const server = await startParlance({ upstreams, cores, on, paceMs: PACE_MS, nodeFlags });
  const stream = of.content === 'stream';
  const name = `Parlance, all ${id}`;
  const asked = {
    name,
    url: `${server.url}/v1/chat/completions`,
    headers: headersOf(server.key, stream),
    body: bodyOf(of.content, `${of.provider}/bench`),
    stream,
    pid: server.pid,
  };
  return {
    id,
    name,
    asked,
    async stop() {
      await server.stop();
      if (folder !== undefined) console.log(`\n${summaryOf(join(folder, profile))}`);
    },
  };
}

/** CPU microseconds of an event, or of a request. */
async function cost({ asked }: Runner, of: HotCase, length: number): Promise<number> {
  if (of.streams === undefined) return (await withWrk(asked, { connections: BUSY, seconds: length, cores })).cpuMicroseconds / of.events;
  const before = cpuSeconds(asked.pid ?? 0);
  await load(asked, { kind: 'timed', connections: of.streams, each: 1, within: PACE_MS }, cores);
  return ((cpuSeconds(asked.pid ?? 0) - before) * 1e6) / (of.streams * of.events);
}

interface HotResult {
  readonly id: string;
  readonly name: string;
  readonly costs: Readonly<Record<string, readonly number[]>>;
}

async function measure(of: HotCase, upstreams: Upstreams): Promise<HotResult> {
  const runners: Runner[] = [];
  if (only.includes('bare')) runners.push(await startBare(of, upstreams));
  if (only.includes('off')) runners.push(await startOurs(of, upstreams, false));
  if (only.includes('on')) runners.push(await startOurs(of, upstreams, true));
  const costs: Record<string, number[]> = {};
  try {
    for (const { name, asked } of runners) {
      const wrong = await wrongness(asked);
      if (wrong !== undefined) throw new Error(`${name} ${wrong}`);
    }
    for (const runner of runners) await cost(runner, of, Math.min(seconds, 3));
    for (let round = 0; round < rounds; round++) {
      for (let turn = 0; turn < runners.length; turn++) {
        const runner = runners[(round + turn) % runners.length];
        if (runner) (costs[runner.name] ??= []).push(await cost(runner, of, seconds));
      }
    }
  } finally {
    for (const runner of runners) await runner.stop();
  }
  return { id: of.id, name: of.name, costs };
}

function tableOf({ name, costs }: HotResult): string {
  const [bare] = Object.values(costs);
  return markdown({
    title: `${name}: CPU µs, the median of ${rounds} rounds (lowest–highest)`,
    columns: ['', 'CPU µs', 'beside the first'],
    rows: Object.entries(costs).map(([who, all]) => [
      who,
      shown(spread(all)),
      median(all.map((value, round) => value / (bare?.[round] ?? Number.NaN))).toFixed(2),
    ]),
  });
}

if (!hasCommand('wrk')) {
  console.error('There is no wrk (Debian: apt-get install wrk).');
  process.exit(1);
}
if (values['cpu-prof'] !== undefined) mkdirSync(values['cpu-prof'], { recursive: true });
const facts = machine();
const upstreams = await startUpstreams(cores);
const results: HotResult[] = [];
try {
  for (const of of cases) {
    const result = await measure(of, upstreams);
    results.push(result);
    console.log(tableOf(result));
  }
} finally {
  await upstreams.stop();
}
console.log(`Load of the last minute ${figure(facts.load)} before, ${figure(loadavg()[0] ?? Number.NaN)} after; commit ${facts.commit}.`);
console.log(writeResults('hot', { machine: facts, rounds, seconds, results }));

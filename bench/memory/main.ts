/**
 * bench memory: a million requests and a hundred thousand streams through one Parlance with everything on; its memory meanwhile.
 *   npm run bench -- memory [--requests=1000000] [--streams=100000] [--parts=20] [--off] [--quick]
 */
import { connect } from 'node:net';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { headersOf, wrongness } from '../gateway/asked.ts';
import type { Asked } from '../gateway/asked.ts';
import { built } from '../gateway/candidates/all.ts';
import { startParlance } from '../gateway/candidates/parlance.ts';
import { PACE_MS } from '../gateway/cases.ts';
import { coresOf } from '../gateway/cores.ts';
import { load } from '../gateway/load/run.ts';
import { bodyOf } from '../gateway/requests.ts';
import { startUpstreams } from '../gateway/upstreams.ts';
import { machine, writeResults } from '../lib/report.ts';
import { figure, markdown, median } from '../lib/stats.ts';

const { values } = parseArgs({
  options: {
    requests: { type: 'string' },
    streams: { type: 'string' },
    parts: { type: 'string' },
    off: { type: 'boolean', default: false },
    quick: { type: 'boolean', default: false },
  },
});
const { quick, off } = values;
const requests = Number(values.requests ?? (quick ? 2000 : 1_000_000));
const streams = Number(values.streams ?? (quick ? 200 : 100_000));
const parts = Number(values.parts ?? (quick ? 4 : 20));
const CONNECTIONS = 32;
const MIB = 2 ** 20;

interface Usage {
  readonly rss: number;
  readonly heapUsed: number;
  readonly external: number;
  readonly arrayBuffers: number;
}

interface Sample {
  readonly requests: number;
  readonly streams: number;
  readonly seconds: number;
  /** Bytes, before and after garbage was collected. */
  readonly before: Usage;
  readonly after: Usage;
}

const socketPath = join(tmpdir(), `parlance-bench-memory-${process.pid}.sock`);

async function memory(): Promise<{ readonly before: Usage; readonly after: Usage }> {
  return JSON.parse(await text(connect(socketPath))) as { before: Usage; after: Usage };
}

const facts = machine();
const cores = coresOf();
const upstreams = await startUpstreams(cores);
const preload = fileURLToPath(new URL('./report.mjs', import.meta.url));
const server = await startParlance({
  upstreams,
  cores,
  on: !off,
  paceMs: PACE_MS,
  program: quick ? 'src/main.ts' : built(),
  nodeFlags: ['--expose-gc', '--import', preload],
  env: { BENCH_MEMORY_SOCKET: socketPath },
});
const askedFor = (content: 'short' | 'stream', name: string): Asked => ({
  name,
  url: `${server.url}/v1/chat/completions`,
  headers: headersOf(server.key, content === 'stream'),
  body: bodyOf(content, `${content}-openai/bench`),
  stream: content === 'stream',
  pid: server.pid,
});
const short = askedFor('short', 'requests');
const stream = askedFor('stream', 'streams');

const samples: Sample[] = [];
try {
  for (const asked of [short, stream]) {
    const wrong = await wrongness(asked);
    if (wrong !== undefined) throw new Error(`Parlance ${wrong}`);
  }
  const rest = await memory();
  samples.push({ requests: 0, streams: 0, seconds: 0, ...rest });
  for (let part = 1; part <= parts; part++) {
    const startedAt = performance.now();
    await load(short, { kind: 'counted', connections: CONNECTIONS, count: Math.round(requests / parts) }, cores);
    await load(stream, { kind: 'counted', connections: CONNECTIONS, count: Math.round(streams / parts) }, cores);
    const seconds = (performance.now() - startedAt) / 1000;
    const sample = {
      requests: Math.round((requests * part) / parts),
      streams: Math.round((streams * part) / parts),
      seconds,
      ...(await memory()),
    };
    samples.push(sample);
    process.stderr.write(
      `${part} of ${parts}: ${figure(seconds)} s, heap ${figure(sample.after.heapUsed / MIB)} MiB, resident ${figure(sample.after.rss / MIB)} MiB\n`,
    );
  }
} finally {
  await server.stop();
  await upstreams.stop();
}

const mib = (bytes: number): string => figure(bytes / MIB);
console.log(
  markdown({
    title: `Memory of one Parlance, all ${off ? 'off' : 'on'}, MiB`,
    columns: ['requests', 'streams', 'resident', 'resident, garbage collected', 'heap', 'external'],
    rows: samples.map(({ requests: done, streams: ended, before, after }) => [
      done.toLocaleString('en-US'),
      ended.toLocaleString('en-US'),
      mib(before.rss),
      mib(after.rss),
      mib(after.heapUsed),
      mib(after.external + after.arrayBuffers),
    ]),
  }),
);

/** The last quarter of the run beside the second: the first is when caches fill and code is compiled. */
function growth(what: (sample: Sample) => number): number {
  const at = (from: number): readonly number[] =>
    samples.slice(Math.floor(samples.length * from), Math.floor(samples.length * (from + 0.25))).map(what);
  return (median(at(0.75)) / median(at(0.25)) - 1) * 100;
}
const growths = { heap: growth(({ after }) => after.heapUsed), resident: growth(({ after }) => after.rss) };
console.log(
  `From the second quarter to the last the heap grew by ${growths.heap.toFixed(1)} %, what is resident by ${growths.resident.toFixed(1)} %. ` +
    `Load of the last minute ${figure(facts.load)} before, ${figure(loadavg()[0] ?? Number.NaN)} after.`,
);
console.log(writeResults(quick ? 'memory-quick' : 'memory', { machine: facts, requests, streams, on: !off, samples, growths }));

/**
 * bench/soak: 20,000 requests with random faults on one in twenty, all of which have to be answered, once; then 1,000 clients
 * that leave at random moments, and how soon the provider sees it. The server is a process of its own.
 */
import assert from 'node:assert/strict';
import { leaveOnce, planOf, spreadOf } from '../../test/support/disconnects.ts';
import type { Departure } from '../../test/support/disconnects.ts';
import { providerAt, routedEnv } from '../../test/support/faulty-route.ts';
import { startFaultyUpstream } from '../../test/support/faulty-upstream.ts';
import { loadOf, restful } from '../../test/support/gauges.ts';
import { seeded } from '../../test/support/random.ts';
import { startServe } from '../../test/support/serve-process.ts';
import type { ServeProcess } from '../../test/support/serve-process.ts';
import { startSoak } from '../../test/support/soak.ts';
import { machine, readOptions, writeResults } from '../lib/report.ts';

const options = readOptions(process.argv.slice(2));
const REQUESTS = options.quick ? 1000 : 20_000;
const PARTS = 4;
const AT_ONCE = 24;
const LEAVING = options.quick ? 50 : 1000;
const LEAVING_AT_ONCE = 4;
const SEED = Math.floor(Math.random() * 2 ** 32);

const withMemory = { NODE_OPTIONS: `--import=${new URL('../../test/support/report-memory.ts', import.meta.url).href}` };

/** Megabytes after a collection. */
async function memoryOf(server: ServeProcess): Promise<{ readonly heap: number; readonly rss: number }> {
  const from = server.log.length;
  server.kill('SIGUSR2');
  const { heapUsed, rss } = await server.logged(({ msg }) => msg === 'memory', from);
  const megabytes = (bytes: unknown): number => Math.round((Number(bytes) / 2 ** 20) * 10) / 10;
  return { heap: megabytes(heapUsed), rss: megabytes(rss) };
}

async function soak() {
  await using load = await startSoak(SEED);
  await using server = await startServe({ ...routedEnv(load.routed), ...withMemory, PARLANCE_LOG_LEVEL: 'info' });
  const parts = [];
  for (let part = 1; part <= PARTS; part++) {
    const round = await load.run(server.url, { requests: REQUESTS / PARTS, atOnce: AT_ONCE });
    await restful(server.url);
    const memory = await memoryOf(server);
    parts.push({ ...round, ...memory });
    console.log(
      `${part} of ${PARTS}: ${round.requests} answered in ${round.seconds.toFixed(1)} s, ${round.faults} faults, ${round.moved} took more than one attempt; heap ${memory.heap} MB, resident ${memory.rss} MB`,
    );
  }
  const { running, waiting, targets } = await loadOf(server.url);
  const states = Object.fromEntries(Object.entries(targets).map(([name, { inFlight, state }]) => [name, { inFlight, state }]));
  console.log(`All ${REQUESTS} were answered, none twice. At the end ${JSON.stringify({ running, waiting, targets: states })}`);
  return { requests: REQUESTS, atOnce: AT_ONCE, parts };
}

async function disconnects() {
  await using upstream = await startFaultyUpstream('up', planOf);
  const env = routedEnv({ providers: { up: providerAt(upstream.url) }, routes: {} });
  await using server = await startServe({ ...env, ...withMemory, PARLANCE_LOG_LEVEL: 'info' });
  const random = seeded(SEED);
  const departures: Departure[] = [];
  let next = 0;
  const leave = async (): Promise<void> => {
    while (next < LEAVING) departures.push(await leaveOnce({ url: server.url, upstream, random, patience: 30 }, `d${next++}`));
  };
  await Promise.all(Array.from({ length: LEAVING_AT_ONCE }, leave));
  await restful(server.url);
  const { count, median, p99, worst } = spreadOf(departures);
  const waits = departures.length - count;
  console.log(
    `${departures.length} left: the upstream saw ${count} of them after ${median.toFixed(1)} ms (median), ${p99.toFixed(1)} ms (99 of 100), ${worst.toFixed(1)} ms (worst); ${waits} left in a wait, when there was nothing to see`,
  );
  assert.ok(worst < 100, `the worst took ${worst} ms`);
  return { departures: departures.length, seen: count, median, p99, worst };
}

console.log(`seed ${SEED}`);
const results = { machine: machine(), seed: SEED, soak: await soak(), disconnects: await disconnects() };
console.log(writeResults(options.quick ? 'soak-quick' : 'soak', results));

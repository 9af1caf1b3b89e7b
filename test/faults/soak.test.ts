/** Thousands of requests, one in twenty with a fault on its way: all are answered, none twice, and nothing piles up. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { startRouted } from '../support/faulty-route.ts';
import { restful } from '../support/gauges.ts';
import { startSoak } from '../support/soak.ts';

const REQUESTS = 4000;
const AT_ONCE = 24;
const SEED = 5;
/** What buffers and caches of Node itself may add between a quarter of the way and the end. */
const GROWTH = 4 * 1024 * 1024;

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** Timers that keep the process alive. */
const timers = (): number => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;

function heapUsed(): number {
  collect();
  collect();
  return process.memoryUsage().heapUsed;
}

test(`soak: ${REQUESTS} requests with random faults on one in twenty are all answered, once`, async (t) => {
  await using soak = await startSoak(SEED);
  await using server = await startRouted(soak.routed);
  const timersBefore = timers();
  const first = await soak.run(server.url, { requests: REQUESTS / 4, atOnce: AT_ONCE });
  const early = heapUsed();
  const rest = await soak.run(server.url, { requests: (REQUESTS * 3) / 4, atOnce: AT_ONCE });
  const late = heapUsed();
  t.diagnostic(JSON.stringify({ first, rest, heapMiB: [early, late].map((bytes) => Math.round(bytes / 2 ** 20)), seed: SEED }));
  assert.ok(late - early < GROWTH, `the heap grew by ${late - early} bytes`);
  assert.ok(rest.faults > (REQUESTS * 3) / 4 / 40, 'there were faults');
  for (const { name } of soak.upstreams) {
    const share = (rest.byProvider[name] ?? 0) / rest.requests;
    assert.ok(share > 0.2, `upstream ${name} answered ${share} of them`);
  }
  await restful(server.url);
  assert.ok(timers() - timersBefore < 10, `${timersBefore} timers before, ${timers()} after`);
});

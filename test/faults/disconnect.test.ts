/** A client that leaves is gone for the provider as well, at once, wherever its answer stands. */
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { after, before, test } from 'node:test';
import { RETRY_AFTER_MS, STAGES, leaveOnce, planOf, spreadOf, startRunningClock } from '../support/disconnects.ts';
import type { Departure } from '../support/disconnects.ts';
import { providerAt, startRouted } from '../support/faulty-route.ts';
import { send, stall, startFaultyUpstream } from '../support/faulty-upstream.ts';
import type { FaultyUpstream, Plan } from '../support/faulty-upstream.ts';
import { restful } from '../support/gauges.ts';
import type { LiveServer } from '../support/live-server.ts';
import { seeded } from '../support/random.ts';
import { chunked, framesFor, partsOf } from '../support/upstream-answers.ts';
import type { Asked } from '../support/upstream-answers.ts';

const TIMES = 160;
const AT_ONCE = 4;
const SEED = 20_261_123;

let upstream: FaultyUpstream;
let server: LiveServer;

/** More than any buffer on the way holds. */
const FLOOD = 24 * 1024 * 1024;
const flood = (asked: Asked): Plan => {
  const piece = framesFor({ ...asked, words: 1000 })
    .words.map(chunked)
    .join('');
  const times = Math.ceil(FLOOD / piece.length);
  return [send(partsOf(asked).head, partsOf(asked).opening), ...Array.from({ length: times }, () => send(piece)), stall];
};

before(async () => {
  upstream = await startFaultyUpstream('up', (asked) => (asked.model === 'flood' ? flood(asked) : planOf(asked)));
  server = await startRouted({ providers: { up: providerAt(upstream.url) }, routes: {} });
});

after(async () => {
  await server.close();
  await upstream.close();
});

test(`disconnect: at ${TIMES} random moments the upstream sees it within 100 ms`, async (t) => {
  const random = seeded(SEED);
  // all three share this process: how long it stood still, on a machine with other work, is no part of the way
  const clock = startRunningClock();
  const departures: Departure[] = [];
  let next = 0;
  const leave = async (): Promise<void> => {
    while (next < TIMES)
      departures.push(await leaveOnce({ url: server.url, upstream, random, patience: 20, clock: clock.now }, `d${next++}`));
  };
  await Promise.all(Array.from({ length: AT_ONCE }, leave));
  clock.stop();
  const { median, worst, count } = spreadOf(departures, 'ranMs');
  const figures = Object.entries({ median, worst, 'by the wall': spreadOf(departures).worst }).map(
    ([name, ms]) => `${name} ${ms.toFixed(1)} ms`,
  );
  t.diagnostic(`${count} seen by the upstream: ${figures.join(', ')} (seed ${SEED})`);
  assert.ok(median < 20, `${median} ms`);
  assert.ok(worst < 100, JSON.stringify(departures.filter(({ ranMs }) => (ranMs ?? 0) >= 100)));
  for (const stage of Object.keys(STAGES))
    assert.ok(
      departures.some((one) => one.stage === stage),
      `nobody left ${stage}`,
    );

  // the log tells of all of them, also of those that only waited, before any of the waits was over
  const lines = await Promise.all(
    Array.from({ length: TIMES }, (_, at) =>
      server.logged(({ clientRequestId, msg }) => msg === 'request' && clientRequestId === `d${at}`),
    ),
  );
  for (const line of lines) {
    assert.equal(line['outcome'], 'cancelled');
    assert.ok(Number(line['ms']) < RETRY_AFTER_MS, JSON.stringify(line));
  }
  await restful(server.url);
});

test('disconnect: who left in the wait before another attempt is not asked for again', async () => {
  const random = seeded(SEED + 1);
  const leave = (at: number) => leaveOnce({ url: server.url, upstream, random, patience: 20, stage: 'in-wait' }, `w${at}`);
  await Promise.all(Array.from({ length: 20 }, (_, at) => leave(at)));
  // this one waits as long as they would have, and began after them
  const leaving = new AbortController();
  const messages = [{ role: 'user', content: '#stays' }];
  const stays = server.post({ model: 'up/in-wait.stays', messages }, { signal: leaving.signal }).catch((cause: unknown) => cause);
  await upstream.until(() => upstream.of('stays').length === 2);
  const again = upstream.visits.filter(({ asked }) => asked.token.startsWith('w') && asked.nth > 0);
  assert.deepEqual(again, []);
  leaving.abort();
  assert.equal(await stays, leaving.signal.reason);
  await upstream.quiet();
  await restful(server.url);
});

test('disconnect: a client that reads nothing holds its provider back, and is cut off after a while', async () => {
  // by itself: where the machine is busy, nobody else reads anything for so long
  const env = { PARLANCE_SERVER_WRITE_TIMEOUT: '500ms' };
  await using impatient = await startRouted({ providers: { up: providerAt(upstream.url) }, routes: {}, env });
  const client = connect(impatient.port, '127.0.0.1');
  const body = JSON.stringify({ model: 'up/flood', stream: true, messages: [{ role: 'user', content: '#deaf' }] });
  const head = `POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n`;
  client.pause().write(head + body);
  await upstream.until(() => upstream.of('deaf')[0]?.leftAt !== undefined);
  const [visit] = upstream.of('deaf');
  assert.ok((visit?.bytes ?? 0) < FLOOD, `${visit?.bytes} bytes were taken for nobody`);
  await restful(impatient.url);
  client.destroy();
});

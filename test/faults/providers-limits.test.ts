/** Providers that want fewer requests, and the times that a request may take: waits, attempts, deadlines, and who rests. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { providerAt, startRouted, wayOf } from '../support/faulty-route.ts';
import { send, stall, startFaultyUpstream, trickle, well } from '../support/faulty-upstream.ts';
import type { FaultyUpstream, Plan } from '../support/faulty-upstream.ts';
import { restful } from '../support/gauges.ts';
import { byHand } from '../support/heard.ts';
import type { Heard } from '../support/heard.ts';
import type { LiveServer } from '../support/live-server.ts';
import { answerWith, framesFor, partsOf, chunked, textOf } from '../support/upstream-answers.ts';
import type { Asked } from '../support/upstream-answers.ts';

const limited = (headers: Readonly<Record<string, string>>): Plan => [
  send(answerWith(429, '{"error":{"message":"Slow down.","type":"requests","code":"rate_limit_exceeded"}}', headers)),
];
const failed = (status: number): Plan => [send(answerWith(status, `{"error":{"message":"Failed with ${status}."}}`))];

/** Longer than a busy machine takes to answer. */
const LATER_S = 120;

/** What a model's upstream does, by the model's name. */
const MODELS: Readonly<Record<string, (asked: Asked) => Plan>> = {
  storm: (asked) => (asked.nth < 3 ? limited({ 'retry-after-ms': '40' }) : well(asked)),
  'storm-unsaid': (asked) => (asked.nth < 2 ? limited({}) : well(asked)),
  later: () => limited({ 'retry-after': String(LATER_S) }),
  'later-by-date': () => limited({ 'retry-after': new Date(Date.now() + LATER_S * 1000).toUTCString() }),
  down: () => failed(500),
  recovers: (asked) => (asked.token.startsWith('down') ? failed(500) : well(asked)),
  endless: (asked) => [
    send(partsOf(asked).head, partsOf(asked).opening),
    trickle(
      framesFor({ ...asked, words: 20_000 })
        .words.map(chunked)
        .join(''),
      60,
    ),
    stall,
  ],
  silent: () => [stall],
};

const only = (model: string, more: object = {}) => ({ targets: [`up/${model}`], attempts: 4, maxWait: '500ms', ...more });

const ROUTES = {
  storm: only('storm'),
  'storm-unsaid': only('storm-unsaid'),
  'storm-once': only('storm', { attempts: 1 }),
  later: only('later'),
  'later-by-date': only('later-by-date'),
  'later-or-other': { ...only('later'), targets: ['up/later', 'other/m'] },
  'down-four': only('down', { attempts: 4 }),
  'down-two': only('down-b', { attempts: 2 }),
  recovers: { ...only('recovers', { attempts: 2 }), targets: ['up/recovers', 'other/m'] },
  // long enough to begin in, on a busy machine too
  'whole-stream': only('endless', { timeouts: { whole: '4s' } }),
  'whole-wait': only('silent', { timeouts: { whole: '300ms' } }),
  'first-output': only('silent-b', { attempts: 1, timeouts: { firstOutput: '250ms' } }),
};

let up: FaultyUpstream;
let other: FaultyUpstream;
let server: LiveServer;

before(async () => {
  up = await startFaultyUpstream('up', (asked) => MODELS[asked.model.replace(/-b$/, '')]?.(asked) ?? []);
  other = await startFaultyUpstream('other');
  server = await startRouted({
    providers: { up: providerAt(up.url), other: providerAt(other.url) },
    routes: ROUTES,
    // what rests is still resting when it is looked at
    env: { PARLANCE_ROUTING_BREAKER_COOLDOWN: '5m' },
  });
});

after(async () => {
  await server.close();
  await Promise.all([up.close(), other.close()]);
});

const ask = (model: string, token: string, stream = false): Promise<Heard> => byHand({ url: server.url, model, token, stream });

function assertAnswered(heard: Heard, upstream: string, token: string): void {
  assert.deepEqual([heard.status, heard.error?.message, heard.ended], [200, undefined, true]);
  assert.equal(heard.text, textOf(upstream, token));
}

test('limits: a storm of 429 is waited out, each time as long as the provider says', async () => {
  for (const stream of [false, true]) {
    const heard = await ask('storm', `storm-${stream}`, stream);
    assertAnswered(heard, 'up', `storm-${stream}`);
    assert.deepEqual(wayOf(heard.headers), { attempts: 4, provider: 'up' });
    const visits = up.of(`storm-${stream}`);
    for (const [at, visit] of visits.slice(1).entries()) {
      const waited = visit.startedAt - (visits[at]?.endedAt ?? 0);
      assert.ok(waited >= 39, `${waited} ms after attempt ${at + 1}`);
    }
  }
});

test('limits: a 429 that names no time is tried again after a wait of our own', async () => {
  const heard = await ask('storm-unsaid', 'unsaid');
  assertAnswered(heard, 'up', 'unsaid');
  assert.equal(wayOf(heard.headers).attempts, 3);
});

test('limits: a Retry-After beyond the longest wait goes back at once, as the provider said it', async () => {
  for (const [model, least, most] of [
    ['later', LATER_S, LATER_S],
    ['later-by-date', LATER_S / 2, LATER_S],
  ] as const) {
    const heard = await ask(model, model);
    assert.deepEqual([heard.status, heard.error?.code, wayOf(heard.headers).attempts], [429, 'rate_limit_exceeded', 1]);
    const seconds = Number(heard.headers.get('retry-after'));
    assert.ok(seconds >= least && seconds <= most, `retry-after: ${seconds}`);
    assert.ok(Number(heard.headers.get('retry-after-ms')) > 0);
    assert.ok(heard.ms < (LATER_S / 2) * 1000, `${heard.ms} ms`);
  }
});

test('limits: with another target nobody waits', async () => {
  for (const stream of [false, true]) {
    const heard = await ask('later-or-other', `elsewhere-${stream}`, stream);
    assertAnswered(heard, 'other', `elsewhere-${stream}`);
    assert.ok(heard.ms < (LATER_S / 2) * 1000, `${heard.ms} ms`);
  }
});

test('limits: `attempts` bounds them all', async () => {
  for (const [model, attempts] of [
    ['down-four', 4],
    ['down-two', 2],
    ['storm-once', 1],
  ] as const) {
    const heard = await ask(model, `bounded-${model}`);
    assert.deepEqual([wayOf(heard.headers).attempts, up.of(`bounded-${model}`).length], [attempts, attempts]);
    assert.equal(heard.status, model === 'storm-once' ? 429 : 502);
  }
});

test('limits: a target that keeps failing rests, and the one behind it answers at the first attempt', async () => {
  for (let at = 0; at < 5; at++) assertAnswered(await ask('recovers', `down${at}`), 'other', `down${at}`);
  const heard = await ask('recovers', 'resting');
  assertAnswered(heard, 'other', 'resting');
  assert.deepEqual(wayOf(heard.headers), { attempts: 1, provider: 'other' });
  assert.equal(up.of('resting').length, 0);
});

test('limits: the time for the whole request ends a stream that is running, a wait, and says so', async () => {
  const cut = await ask('whole-stream', 'whole', true);
  assert.deepEqual([cut.status, cut.ended, cut.error?.code], [200, false, 'timeout']);
  assert.match(cut.error?.message ?? '', /4 s.*whole request/);
  assert.ok(textOf('up', 'whole', 20_000).startsWith(cut.text));
  const late = await ask('whole-wait', 'wait');
  assert.deepEqual([late.status, late.error?.code], [504, 'timeout']);
  assert.match(late.error?.message ?? '', /300 ms.*whole request/);
  await up.quiet();
});

test('limits: the time for the first output is told by its name and length', async () => {
  for (const stream of [false, true]) {
    const late = await ask('first-output', `first-${stream}`, stream);
    assert.deepEqual([late.status, late.error?.code], [504, 'timeout']);
    assert.match(late.error?.message ?? '', /250 ms.*first output/);
  }
  await up.quiet();
  await restful(server.url);
});

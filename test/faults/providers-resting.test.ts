/** Targets that rest because their provider asked for it: short rests are waited for, and over when they are over. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { providerAt, startRouted } from '../support/faulty-route.ts';
import { send, stall, startFaultyUpstream, well } from '../support/faulty-upstream.ts';
import type { FaultyUpstream, Plan } from '../support/faulty-upstream.ts';
import { byHand } from '../support/heard.ts';
import type { Heard } from '../support/heard.ts';
import type { LiveServer } from '../support/live-server.ts';
import { answerWith, textOf } from '../support/upstream-answers.ts';
import type { Asked } from '../support/upstream-answers.ts';

const limited = (headers: Readonly<Record<string, string>>): Plan => [
  send(answerWith(429, '{"error":{"message":"Slow down.","type":"requests","code":"rate_limit_exceeded"}}', headers)),
];
const failed = (status: number): Plan => [send(answerWith(status, `{"error":{"message":"Failed with ${status}."}}`))];

/** What a model's upstream does, by the model's name. */
const MODELS: Readonly<Record<string, (asked: Asked) => Plan>> = {
  'storm-for-all': (asked) => (asked.nth < 1 ? limited({ 'retry-after-ms': '50' }) : well(asked)),
  locked: () => failed(401),
  'rests-a-moment': (asked) => (asked.token === 'first' ? limited({ 'retry-after-ms': '150' }) : well(asked)),
  'works-then-slow': (asked) => (asked.token === 'comes-back' && asked.nth === 0 ? limited({ 'retry-after-ms': '50' }) : slowly(asked)),
};
const slowly = (asked: Asked): Plan => (asked.token === 'quick' ? well(asked) : [stall, ...well(asked)]);

const only = (model: string, more: object = {}) => ({ targets: [`up/${model}`], attempts: 4, maxWait: '500ms', ...more });

const ROUTES = {
  'storm-for-all': only('storm-for-all'),
  'rests-a-moment': only('rests-a-moment', { attempts: 1 }),
  'locked-or-resting': { ...only('locked'), targets: ['up/locked', 'up/rests-a-moment'] },
  'works-then-slow': only('works-then-slow'),
};

let up: FaultyUpstream;
let server: LiveServer;

before(async () => {
  up = await startFaultyUpstream('up', (asked) => MODELS[asked.model]?.(asked) ?? []);
  server = await startRouted({ providers: { up: providerAt(up.url) }, routes: ROUTES });
});

after(async () => {
  await server.close();
  await up.close();
});

const ask = (model: string, token: string, stream = false): Promise<Heard> => byHand({ url: server.url, model, token, stream });

function assertAnswered(heard: Heard, upstream: string, token: string): void {
  assert.deepEqual([heard.status, heard.error?.message, heard.ended], [200, undefined, true]);
  assert.equal(heard.text, textOf(upstream, token));
}

test('resting: many requests that are limited at the same time are all answered', async () => {
  const tokens = Array.from({ length: 20 }, (_, at) => `many${at}`);
  const all = await Promise.all(tokens.map((token, at) => ask('storm-for-all', token, at % 2 === 0)));
  for (const [at, heard] of all.entries()) assertAnswered(heard, 'up', tokens[at] ?? '');
});

test('resting: where one target refuses us and the other rests for a moment, that moment is waited for', async () => {
  const first = await ask('rests-a-moment', 'first');
  assert.equal(first.status, 429);
  const heard = await ask('locked-or-resting', 'second');
  assertAnswered(heard, 'up', 'second');
});

test('resting: a limit whose time is over holds nobody back, however long the next answer takes', async () => {
  const first = ask('works-then-slow', 'comes-back');
  await up.until(() => up.of('comes-back').length === 2);
  // the one that came back is still waiting for its answer
  const heard = await ask('works-then-slow', 'quick');
  assertAnswered(heard, 'up', 'quick');
  up.release();
  assertAnswered(await first, 'up', 'comes-back');
});

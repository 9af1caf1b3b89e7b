/** Answers that processes share by a Redis: found by each, of each tenant alone, and no harm where Redis is away. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createClient } from 'redis';
import { chat, eventually, startLedger } from '../support/ledger.ts';
import type { Heard } from '../support/ledger.ts';
import { postgresMissing, startPostgres } from '../support/postgres.ts';
import { redisIsMissing, startRedis } from '../support/redis.ts';
import { askFor } from '../support/upstream-answers.ts';
import { authorized, toEach, workersMissing } from '../support/worker-processes.ts';

const skip = redisIsMissing;
const ON = { PARLANCE_CACHE_ENABLED: 'true' };

/** What stands in a Redis under names of answers. */
async function answersIn(url: string): Promise<readonly string[]> {
  const client = createClient({ url, RESP: 2 });
  await client.connect();
  try {
    const names = await client.keys('*answers*');
    return names.filter((name) => !name.endsWith(':index'));
  } finally {
    client.destroy();
  }
}

const wayOf = ({ status, headers }: Heard) => [status, headers.get('x-parlance-cache')];

test(
  'shared cache: what one process answered another repeats, to the same key alone, also after a restart',
  { skip: skip || postgresMissing },
  async () => {
    await using postgres = await startPostgres();
    await using redis = await startRedis();
    await using ledger = await startLedger({ database: await postgres.createDatabase(), redis: redis.url, env: ON });
    const [one, other] = await Promise.all([ledger.serve('one'), ledger.serve('other')]);
    const [mine, theirs] = [await ledger.key(), await ledger.key()];
    const ask = (url: string, secret: string, more: object = {}, headers: Readonly<Record<string, string>> = {}) =>
      chat({ url, secret, token: 'question', more: { ...more }, headers });

    const first = await ask(one.url, mine.secret);
    assert.deepEqual(wayOf(first), [200, 'miss']);
    await eventually(
      () => answersIn(redis.url),
      ({ length }) => length === 1,
    );
    const again = await ask(other.url, mine.secret);
    assert.deepEqual(wayOf(again), [200, 'hit']);
    assert.equal(again.text, first.text);
    const streamed = await ask(other.url, mine.secret, { stream: true });
    assert.deepEqual([...wayOf(streamed), streamed.complete], [200, 'hit', true]);
    assert.equal(ledger.upstream.visits.length, 1);

    assert.deepEqual(wayOf(await ask(other.url, theirs.secret)), [200, 'miss']);
    await eventually(
      () => answersIn(redis.url),
      ({ length }) => length === 2,
    );
    const names = (await answersIn(redis.url)).join('\n');
    for (const known of [mine.secret, mine.id, theirs.id, 'question', 'priced']) assert.ok(!names.includes(known), names);

    const refreshed = await ask(other.url, mine.secret, {}, { 'x-parlance-cache': 'refresh' });
    assert.deepEqual(wayOf(refreshed), [200, 'miss']);
    const idOf = ({ text }: Heard): unknown => (JSON.parse(text) as { id: unknown }).id;
    const seen = await eventually(
      () => ask(one.url, mine.secret),
      (heard) => idOf(heard) === idOf(refreshed),
    );
    assert.deepEqual(wayOf(seen), [200, 'hit']);

    one.kill('SIGTERM');
    await one.ended;
    const visits = ledger.upstream.visits.length;
    const restarted = await ledger.serve('one');
    assert.deepEqual(wayOf(await ask(restarted.url, mine.secret)), [200, 'hit']);
    assert.deepEqual(wayOf(await ask(restarted.url, theirs.secret)), [200, 'hit']);
    assert.equal(ledger.upstream.visits.length, visits);
  },
);

test('shared cache: it can be kept out of Redis, and off it asks Redis for nothing', { skip }, async () => {
  await using redis = await startRedis();
  await using ledger = await startLedger({ redis: redis.url });
  const [off, own] = await Promise.all([ledger.serve('off'), ledger.serve('own', { ...ON, PARLANCE_CACHE_IN_REDIS: 'false' })]);
  const { secret } = await ledger.key();
  assert.deepEqual(wayOf(await chat({ url: off.url, secret, token: 't' })), [200, null]);
  assert.deepEqual(wayOf(await chat({ url: own.url, secret, token: 't' })), [200, 'miss']);
  assert.deepEqual(wayOf(await chat({ url: own.url, secret, token: 't' })), [200, 'hit']);
  assert.deepEqual(await answersIn(redis.url), []);
  // by its own request it is on, and for all
  assert.deepEqual(wayOf(await chat({ url: off.url, secret, token: 't', headers: { 'x-parlance-cache': 'use' } })), [200, 'miss']);
  await eventually(
    () => answersIn(redis.url),
    ({ length }) => length === 1,
  );
});

test('shared cache: Redis ends, hangs and comes back while requests run, and each of them is answered', { skip }, async (t) => {
  await using redis = await startRedis();
  await using ledger = await startLedger({ redis: redis.url, env: ON });
  const server = await ledger.serve();
  const { secret } = await ledger.key();
  const ask = (token: string) => chat({ url: server.url, secret, token });
  /** Ten at a time, each token twice, until told to stop. */
  const state = { stop: false, asked: 0, slowest: 0 };
  const bad: Heard[] = [];
  const client = async (name: number): Promise<void> => {
    for (let at = 0; !state.stop; at += 1) {
      const from = performance.now();
      const heard = await ask(`c${name}-${at >> 1}`);
      state.slowest = Math.max(state.slowest, performance.now() - from);
      state.asked += 1;
      if (heard.status !== 200 || !heard.complete) bad.push(heard);
    }
  };
  const clients = Promise.all(Array.from({ length: 10 }, (_, at) => client(at)));
  /** So many more requests are over. */
  const more = async (count: number): Promise<void> => {
    const goal = state.asked + count;
    await eventually(
      async () => state.asked,
      (asked) => asked >= goal,
      30_000,
    );
  };
  await more(100);
  redis.pause();
  await more(100);
  redis.resume();
  await more(100);
  await redis.stop();
  await more(100);
  assert.deepEqual(wayOf(await ask('alone')), [200, 'miss']);
  assert.deepEqual(wayOf(await ask('alone')), [200, 'miss']);
  await redis.start();
  await more(100);
  state.stop = true;
  await clients;
  t.diagnostic(`${state.asked} requests, the slowest took ${Math.round(state.slowest)} ms`);
  assert.deepEqual(
    bad.map(({ status, text }) => `${status} ${text}`),
    [],
  );
  await eventually(
    () => ask('back'),
    (heard) => heard.headers.get('x-parlance-cache') === 'hit',
  );
  const said = server.log.filter(({ msg }) => msg?.includes('the cache of answers has nothing')).length;
  assert.ok(said >= 1 && said <= 3, `said ${said} times`);
});

test('shared cache: workers of one server share it too', { skip: skip || workersMissing }, async () => {
  await using redis = await startRedis();
  await using ledger = await startLedger({ redis: redis.url, env: { ...ON, PARLANCE_WORKERS: '2' } });
  const server = await ledger.serve();
  const { secret } = await ledger.key();
  const connections = await toEach(server, 2, secret);
  const ask = async (connection: (typeof connections)[number]): Promise<unknown> => {
    const body = { model: 'p/priced', messages: [{ role: 'user', content: askFor('token') }] };
    const { status, headers } = await connection.ask('/v1/chat/completions', { method: 'POST', headers: authorized(secret), body });
    return [status, headers['x-parlance-cache']];
  };
  const [one, other] = connections;
  assert.ok(one && other);
  assert.deepEqual(await ask(one), [200, 'miss']);
  await eventually(
    () => answersIn(redis.url),
    ({ length }) => length === 1,
  );
  assert.deepEqual(await ask(other), [200, 'hit']);
  for (const connection of connections) connection.close();
});

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
const isHit = ({ headers }: Heard): boolean => headers.get('x-parlance-cache') === 'hit';
const idOf = ({ text }: Heard): unknown => (JSON.parse(text) as { id: unknown }).id;

/**
 * Resolves when this one finds in Redis what it put there itself: it is connected. On a busy machine Redis may be too slow for the cache,
 * which has nothing then: so what is asked for once is asked for after this, and more than one such question may be needed.
 */
const connected = (ask: (token: string) => Promise<Heard>): Promise<Heard> => eventually(() => ask('connected'), isHit);

const TRIES = Array.from({ length: 10 }, (_, at) => `question-${at}`);

test(
  'shared cache: what one process answered another repeats, to the same key alone, also after a restart',
  { skip: skip || postgresMissing },
  async () => {
    await using postgres = await startPostgres();
    await using redis = await startRedis();
    await using ledger = await startLedger({ database: await postgres.createDatabase(), redis: redis.url, env: ON });
    const [one, other] = await Promise.all([ledger.serve('one'), ledger.serve('other')]);
    const [mine, theirs] = [await ledger.key(), await ledger.key()];
    let misses = 0;
    const heard = async (answer: Promise<Heard>): Promise<Heard> => {
      if (!isHit(await answer)) misses += 1;
      assert.equal(ledger.upstream.visits.length, misses, 'nobody is asked for a hit');
      return answer;
    };
    const at =
      (url: string, secret = mine.secret) =>
      (token: string, more: object = {}, headers: Readonly<Record<string, string>> = {}): Promise<Heard> =>
        heard(chat({ url, secret, token, more: { ...more }, headers }));
    const isRepeated = async (token: string): Promise<boolean> => {
      await connected(at(one.url));
      await connected(at(other.url));
      const before = (await answersIn(redis.url)).length;
      const first = await at(one.url)(token);
      assert.deepEqual(wayOf(first), [200, 'miss']);
      for (const until = performance.now() + 2000; (await answersIn(redis.url)).length === before;)
        if (performance.now() > until) return false;
      const again = await at(other.url)(token);
      if (isHit(again)) assert.equal(again.text, first.text);
      return isHit(again);
    };
    let question = '';
    for (const token of TRIES) {
      if (!(await isRepeated(token))) continue;
      question = token;
      break;
    }
    assert.ok(question !== '', 'what one answered the other never repeated');
    const streamed = await eventually(() => at(other.url)(question, { stream: true }), isHit);
    assert.deepEqual([...wayOf(streamed), streamed.complete], [200, 'hit', true]);

    // the first question of another tenant is a miss, whoever has asked the same
    const ofMine = (await answersIn(redis.url)).length;
    assert.deepEqual(wayOf(await at(other.url, theirs.secret)(question)), [200, 'miss']);
    await eventually(
      async () => {
        // put there again, should Redis have been too slow
        await at(other.url, theirs.secret)(question);
        return answersIn(redis.url);
      },
      ({ length }) => length === ofMine + 1,
    );
    const names = (await answersIn(redis.url)).join('\n');
    for (const known of [mine.secret, mine.id, theirs.id, 'question', 'priced']) assert.ok(!names.includes(known), names);

    await eventually(
      async () => {
        const refreshed = await at(other.url)(question, {}, { 'x-parlance-cache': 'refresh' });
        assert.deepEqual(wayOf(refreshed), [200, 'miss']);
        await connected(at(one.url));
        return { refreshed, seen: await at(one.url)(question) };
      },
      ({ refreshed, seen }) => isHit(seen) && idOf(seen) === idOf(refreshed),
    );

    // each of these is there before, and asked for once after
    const kept: { readonly ask: (url: string) => Promise<Heard>; readonly id: unknown }[] = [];
    for (const token of TRIES)
      for (const { secret } of [mine, theirs]) {
        const ask = (url: string): Promise<Heard> => at(url, secret)(`kept-${token}`);
        kept.push({ ask, id: idOf(await eventually(() => ask(one.url), isHit)) });
      }
    one.kill('SIGTERM');
    await one.ended;
    const restarted = await ledger.serve('one');
    let found = 0;
    for (const { ask, id } of kept) {
      await connected(at(restarted.url));
      const answer = await ask(restarted.url);
      if (!isHit(answer)) continue;
      assert.equal(idOf(answer), id);
      found += 1;
    }
    assert.ok(found > 0, 'nothing was found after the restart');
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
    async () => {
      // put there again, should Redis have been too slow
      await chat({ url: off.url, secret, token: 't', headers: { 'x-parlance-cache': 'use' } });
      return answersIn(redis.url);
    },
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
      120_000,
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
  const said = server.log.flatMap(({ msg = '' }) => /the cache of answers (has nothing|is shared)/.exec(msg)?.[1] ?? []);
  assert.ok(said.length > 0);
  for (const [nth, one] of said.entries()) assert.equal(one, nth % 2 === 0 ? 'has nothing' : 'is shared', `said ${said.join(', ')}`);
});

test('shared cache: workers of one server share it too', { skip: skip || workersMissing }, async () => {
  await using redis = await startRedis();
  await using ledger = await startLedger({ redis: redis.url, env: { ...ON, PARLANCE_WORKERS: '2' } });
  const server = await ledger.serve();
  const { secret } = await ledger.key();
  const connections = await toEach(server, 2, secret);
  const ask = async (connection: (typeof connections)[number], token: string): Promise<unknown> => {
    const body = { model: 'p/priced', messages: [{ role: 'user', content: askFor(token) }] };
    const { status, headers, text } = await connection.ask('/v1/chat/completions', { method: 'POST', headers: authorized(secret), body });
    assert.equal(status, 200, text);
    return headers['x-parlance-cache'];
  };
  const [one, other] = connections;
  assert.ok(one && other);
  let found = 0;
  for (const token of TRIES) {
    for (const connection of connections)
      await eventually(
        () => ask(connection, 'connected'),
        (way) => way === 'hit',
      );
    assert.equal(await ask(one, token), 'miss');
    // what it finds itself is there
    await eventually(
      () => ask(one, token),
      (way) => way === 'hit',
    );
    if ((await ask(other, token)) === 'hit') found += 1;
  }
  assert.ok(found > 0, 'what one answered the other never repeated');
  for (const connection of connections) connection.close();
});

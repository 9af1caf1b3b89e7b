import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { createClient } from 'redis';
import type { CacheStore, SharedCache } from '../../gateway/ports.ts';
import { redisIsMissing, startRedis } from '../../../test/support/redis.ts';
import type { TestRedis } from '../../../test/support/redis.ts';
import { redisCache } from './cache.ts';
import { eventually, PATIENT_MS, SILENT_MS } from './testing.ts';

const skip = redisIsMissing;
const ROOM = 1024 ** 2;
let redis: TestRedis;
let admin: ReturnType<typeof createClient>;
let prefixes = 0;
const opened: SharedCache[] = [];

before(async () => {
  if (skip) return;
  redis = await startRedis();
  admin = createClient({ url: redis.url, RESP: 2 });
  await admin.connect();
});
after(async () => {
  for (const cache of opened) cache.close();
  if (skip) return;
  admin.destroy();
  await redis[Symbol.asyncDispose]();
});

/** A process's cache, and what it has logged. */
function process(options: { readonly url?: string; readonly prefix: string; readonly timeoutMs?: number }) {
  const log: string[] = [];
  const write = (_: object, message: string): void => void log.push(message);
  const cache = redisCache({ url: redis.url, timeoutMs: PATIENT_MS, ...options, log: { info: write, warn: write } });
  opened.push(cache);
  const of = (more: { readonly scope?: string; readonly ttlMs?: number; readonly room?: number } = {}): CacheStore =>
    cache.of({ scope: 's', ttlMs: 60_000, room: ROOM, ...more });
  return { of, log, close: cache.close };
}

const fresh = (): string => `test${(prefixes += 1)}:`;

async function keeps(cache: CacheStore, name: string): Promise<boolean> {
  await cache.set(name, 'x');
  return (await cache.get(name)) === 'x';
}

test('cache in Redis: what one process keeps another has, and one that starts later', { skip }, async () => {
  const prefix = fresh();
  const [one, other] = [process({ prefix }).of(), process({ prefix }).of()];
  assert.equal(await one.get('a'), undefined);
  const text = JSON.stringify({ said: 'café \u0000 😀' });
  await one.set('a', text);
  assert.equal(await other.get('a'), text);
  assert.equal(await process({ prefix }).of().get('a'), text);
  await other.set('a', 'refreshed');
  assert.equal(await one.get('a'), 'refreshed');
});

test('cache in Redis: a process finds what it has set, without waiting for it', { skip }, async () => {
  const cache = process({ prefix: fresh() }).of();
  await admin.scriptFlush();
  await cache.get('none');
  const large = 'x'.repeat(900_000);
  void cache.set('a', large);
  assert.equal((await cache.get('a'))?.length, large.length);
});

test('cache in Redis: another scope or prefix is another cache', { skip }, async () => {
  const prefix = fresh();
  const { of } = process({ prefix });
  await of({ scope: 'x' }).set('a', 'mine');
  assert.equal(await of({ scope: 'y' }).get('a'), undefined);
  assert.equal(await process({ prefix: fresh() }).of({ scope: 'x' }).get('a'), undefined);
  assert.equal(await of({ scope: 'x' }).get('a'), 'mine');
});

test('cache in Redis: an answer has its end there; without one, it stays a week at most', { skip }, async () => {
  const prefix = fresh();
  const { of } = process({ prefix });
  await of({ ttlMs: 60_000 }).set('minute', 'x');
  await of({ ttlMs: 0 }).set('week', 'x');
  const key = (name: string): string => `{${prefix}answers}:1:s:${name}`;
  const minute = await admin.pTTL(key('minute'));
  assert.ok(minute > 30_000 && minute <= 60_000, String(minute));
  const week = await admin.pTTL(key('week'));
  assert.ok(week > 6 * 86_400_000 && week <= 7 * 86_400_000, String(week));
  for (const one of await admin.keys(`*${prefix}*`)) assert.ok((await admin.pTTL(one)) > 0, `${one} stays for ever`);
  const short = of({ ttlMs: 20 });
  await short.set('short', 'x');
  await eventually('it is gone', async () => (await short.get('short')) === undefined);
});

test('cache in Redis: all of them together keep within their room, and what ends first goes first', { skip }, async () => {
  const prefix = fresh();
  const room = 20_000;
  const caches = [process({ prefix }).of({ room }), process({ prefix }).of({ room })];
  const text = 'x'.repeat(1000);
  for (let at = 0; at < 60; at += 1) await caches[at % 2]?.set(`n${at}`, text);
  const there = await Promise.all(Array.from({ length: 60 }, async (_, at) => (await caches[0]?.get(`n${at}`)) !== undefined));
  const kept = there.filter(Boolean).length;
  assert.equal(kept, Math.floor(room / (1000 + 512)));
  assert.ok(there.slice(-5).every(Boolean), 'the last are there');
  assert.equal((await admin.keys(`{${prefix}answers}:1:s:*`)).length, kept);
  // the same again and again takes no more room
  for (let at = 0; at < 30; at += 1) await caches[at % 2]?.set('n59', text.slice(at));
  const after = await Promise.all(Array.from({ length: 60 }, async (_, at) => (await caches[1]?.get(`n${at}`)) !== undefined));
  assert.equal(after.filter(Boolean).length, kept);
  // what does not fit at all is not kept, and what it was to replace is old
  await caches[0]?.set('n59', 'x'.repeat(room));
  assert.equal(await caches[0]?.get('n59'), undefined);
});

test('cache in Redis: the room of those whose time is over is free again', { skip }, async () => {
  const prefix = fresh();
  const short = process({ prefix }).of({ room: 5000, ttlMs: 20 });
  await short.set('a', 'x'.repeat(3000));
  await eventually('it is gone', async () => (await short.get('a')) === undefined);
  const long = process({ prefix }).of({ room: 5000, ttlMs: 60_000 });
  await long.set('b', 'x'.repeat(2000));
  await long.set('c', 'x'.repeat(1000));
  assert.equal((await long.get('b'))?.length, 2000);
  assert.equal((await long.get('c'))?.length, 1000);
});

test('cache in Redis: what somebody else put there is none of ours, and is replaced', { skip }, async () => {
  const prefix = fresh();
  const cache = process({ prefix });
  await admin.lPush(`{${prefix}answers}:1:s:a`, 'a list');
  assert.equal(await cache.of().get('a'), undefined);
  await cache.of().set('a', 'ours');
  assert.equal(await cache.of().get('a'), 'ours');
  assert.deepEqual(cache.log, []);
});

test('cache in Redis: a Redis that is full keeps nothing more, which is said once, and what is there is read', { skip }, async () => {
  await using full = await startRedis();
  const cache = process({ prefix: fresh(), url: full.url });
  await cache.of().set('a', 'before');
  await cache.of().set('old', 'before');
  const own = createClient({ url: full.url, RESP: 2 });
  await own.connect();
  await own.configSet('maxmemory', '1');
  await cache.of().set('b', 'x');
  await cache.of().set('old', 'refreshed');
  assert.equal(await cache.of().get('a'), 'before');
  assert.equal(await cache.of().get('old'), undefined);
  assert.equal(await cache.of().get('b'), undefined);
  assert.deepEqual(cache.log, ['Redis takes no answers into the cache']);
  await own.configSet('maxmemory', '0');
  await cache.of().set('b', 'x');
  assert.equal(await cache.of().get('b'), 'x');
  own.destroy();
});

test('cache in Redis: one that hangs is a miss after a moment, then at once, until it answers', { skip }, async () => {
  await using hanging = await startRedis();
  const { of, log, close } = process({ prefix: fresh(), url: hanging.url, timeoutMs: SILENT_MS });
  const cache = of();
  // the first connection may take longer than a request waits
  await eventually('it is connected', () => keeps(cache, 'a'));
  hanging.pause();
  assert.equal(await cache.get('a'), undefined);
  // not even asked
  assert.equal(cache.get('a'), undefined);
  assert.equal(cache.set('b', 'x'), undefined);
  const said = log.length;
  assert.equal(log[said - 1], 'Redis cannot be reached: the cache of answers has nothing until it can');
  hanging.resume();
  await eventually('it is asked again', async () => (await cache.get('a')) === 'x');
  assert.equal(log.length, said + 1, 'each is said once');
  close();
});

test('cache in Redis: without one there is nothing in it, which is said once, and it is there when Redis is', { skip }, async () => {
  await using missing = await startRedis();
  await missing.stop();
  const { of, log, close } = process({ prefix: fresh(), url: missing.url });
  const cache = of();
  assert.deepEqual(log, [], 'nobody has asked: it is not even connected');
  for (let at = 0; at < 5; at += 1) {
    assert.equal(await cache.get('a'), undefined);
    await cache.set('a', 'x');
  }
  await missing.start();
  await eventually('it is used', () => keeps(cache, 'a'));
  assert.deepEqual(log, [
    'Redis cannot be reached: the cache of answers has nothing until it can',
    'Redis is there again: the cache of answers is shared',
  ]);
  close();
  assert.equal(await cache.get('a'), undefined, 'after its end it has nothing');
});

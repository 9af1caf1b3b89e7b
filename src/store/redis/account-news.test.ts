import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { after, before, test } from 'node:test';
import { createClient } from 'redis';
import { redisIsMissing, startRedis } from '../../../test/support/redis.ts';
import type { TestRedis } from '../../../test/support/redis.ts';
import { createRedisAccountNews, tellOnce } from './account-news.ts';
import { openTalk } from './talk.ts';

const skip = redisIsMissing;
const quiet = { info: () => undefined, warn: () => undefined };
let redis: TestRedis;

before(async () => {
  if (!skip) redis = await startRedis();
});
after(async () => {
  if (!skip) await redis[Symbol.asyncDispose]();
});

/** A process that counts what it hears. Resolves when it can. */
async function listening(prefix: string) {
  const talk = openTalk({ url: redis.url, prefix, log: quiet });
  const news = createRedisAccountNews(talk);
  const all = new EventEmitter();
  let heard = 0;
  news.subscribe(() => {
    heard++;
    all.emit('heard');
  });
  const until = async (least: number): Promise<void> => {
    for (;;) {
      if (heard >= least) return;
      await once(all, 'heard');
    }
  };
  // when it begins to listen it counts as told: what was told before, it has not heard
  await until(1);
  return { ...news, heard: () => heard, until, [Symbol.dispose]: talk.close };
}

test('account news: what one tells the others hear, not itself, and no other prefix', { skip }, async () => {
  using one = await listening('a:');
  using other = await listening('a:');
  using third = await listening('a:');
  using elsewhere = await listening('b:');
  one.tell();
  await other.until(2);
  await third.until(2);
  elsewhere.tell();
  other.tell();
  await one.until(2);
  assert.deepEqual([one.heard(), other.heard(), elsewhere.heard()], [2, 2, 1]);
});

test('account news: many changes are few messages, the last one of which comes after them all', { skip }, async () => {
  using one = await listening('many:');
  using other = await listening('many:');
  for (let at = 0; at < 1000; at += 1) one.tell();
  await other.until(3);
  assert.equal(other.heard(), 3, 'one at once, one for all others');
});

test('account news: a message says who tells it, and nothing else', { skip }, async () => {
  const spy = createClient({ url: redis.url, RESP: 2 });
  await spy.connect();
  const said = Promise.withResolvers<string>();
  await spy.subscribe('said:accounts', said.resolve);
  using one = await listening('said:');
  one.tell();
  assert.match(await said.promise, /^[0-9a-f-]{36}$/);
  spy.destroy();
});

test('account news: a process that ends tells its change before', { skip }, async () => {
  using one = await listening('once:');
  await tellOnce({ url: redis.url, prefix: 'once:' }, 5000);
  await one.until(2);
});

test('account news: who could not hear counts as told when it can again', { skip }, async () => {
  await using own = await startRedis();
  const talk = openTalk({ url: own.url, prefix: 'gone:', log: quiet });
  const news = createRedisAccountNews(talk);
  let told = Promise.withResolvers<void>();
  news.subscribe(() => told.resolve());
  await told.promise;
  told = Promise.withResolvers();
  await own.stop();
  // told to nobody, and no error to whoever made the change
  news.tell();
  await assert.rejects(tellOnce({ url: own.url, prefix: 'gone:' }, 50));
  await own.start();
  await told.promise;
  talk.close();
});

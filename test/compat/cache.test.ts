/** The cache of answers as clients see it, with the built-in model. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { loadOracle, framesOf } from '../support/openai-chat.ts';
import { ask, startLiveServer } from '../support/live-server.ts';
import type { LiveServer } from '../support/live-server.ts';
import type { Completion } from '../support/chat-client.ts';
import { textIn } from '../support/chat-client.ts';

const oracle = await loadOracle();
const server = await startLiveServer({
  PARLANCE_CACHE_ENABLED: 'true',
  PARLANCE_CACHE_SHARE: 'true',
  PARLANCE_API_KEYS: 'key-of-a,key-of-b',
});
after(() => server.close());

interface Got {
  readonly cache: string | null;
  readonly provider: string | null;
  readonly id: string | undefined;
  readonly text: string;
}

interface Asking {
  readonly body?: Readonly<Record<string, unknown>>;
  readonly headers?: Record<string, string>;
  readonly from?: LiveServer;
}

/** One request, checked from outside too, where the judge is there. */
async function get({ body = {}, headers = {}, from = server }: Asking): Promise<Got> {
  const response = await from.post(ask(body), { headers: { authorization: 'Bearer key-of-a', ...headers } });
  const written = await response.text();
  assert.equal(response.status, 200, written);
  const facts = { cache: response.headers.get('x-parlance-cache'), provider: response.headers.get('x-parlance-provider') };
  if (body['stream'] !== true) {
    const completion = JSON.parse(written) as Completion;
    assert.deepEqual(oracle?.checkCompletion(completion) ?? [], []);
    return { ...facts, id: completion.id, text: completion.choices[0]?.message.content ?? '' };
  }
  const { chunks, done } = framesOf(written);
  assert.ok(done);
  assert.deepEqual(oracle?.checkStream(written, { includeUsage: 'stream_options' in body }) ?? [], []);
  return { ...facts, id: chunks[0]?.id, text: textIn(chunks) };
}

const streamed = { stream: true, stream_options: { include_usage: true } };

test('cache: the second identical request is a hit and says the same, streamed or whole', async () => {
  const first = await get({ body: { seed: 1 } });
  assert.deepEqual([first.cache, first.provider], ['miss', 'local']);
  const again = { ...first, cache: 'hit', provider: null };
  assert.deepEqual(await get({ body: { seed: 1 } }), again);
  assert.deepEqual(await get({ body: { seed: 1, ...streamed } }), again);
  const line = await server.logged((one) => one['cache'] === 'hit');
  assert.equal(line['attempts'], undefined);
});

test('cache: a streamed answer is a hit for who wants it whole', async () => {
  const body = { seed: 2, ...streamed };
  const first = await get({ body });
  assert.equal(first.cache, 'miss');
  const again = { ...first, cache: 'hit', provider: null };
  assert.deepEqual(await get({ body }), again);
  assert.deepEqual(await get({ body: { seed: 2 } }), again);
  assert.deepEqual(await get({ body: { seed: 2, stream: true } }), again);
});

test('cache: another seed is another request, and so is another key’s', async () => {
  await get({ body: { seed: 3 } });
  assert.equal((await get({ body: { seed: 4 } })).cache, 'miss');
  const other = { authorization: 'Bearer key-of-b' };
  assert.equal((await get({ body: { seed: 3 }, headers: other })).cache, 'miss');
  assert.equal((await get({ body: { seed: 3 }, headers: other })).cache, 'hit');
});

test('cache: skip leaves what is there alone, refresh puts a new answer there', async () => {
  const body = { seed: 5, temperature: 1 };
  const first = await get({ body });
  const skipped = await get({ body, headers: { 'x-parlance-cache': 'skip' } });
  assert.equal(skipped.cache, null);
  assert.notEqual(skipped.id, first.id);
  assert.deepEqual((await get({ body })).id, first.id);
  const renewed = await get({ body, headers: { 'x-parlance-cache': 'refresh' } });
  assert.equal(renewed.cache, 'miss');
  assert.notEqual(renewed.id, first.id);
  assert.deepEqual((await get({ body })).id, renewed.id);
});

test('cache: identical requests at the same time share one call', async () => {
  // whoever comes when the answer is there already has it from the cache: then they did not come at the same time
  for (let seed = 60; ; seed++) {
    const bodies = [{ seed, ...streamed }, { seed }, { seed, stream: true }, { seed, ...streamed }];
    const got = await Promise.all(bodies.map((body) => get({ body: { max_tokens: 48, ...body } })));
    assert.equal(new Set(got.map(({ id }) => id)).size, 1);
    assert.equal(new Set(got.map(({ text }) => text)).size, 1);
    const ways = got.map(({ cache }) => cache).toSorted();
    if (ways.includes('hit') && seed < 70) continue;
    assert.deepEqual(ways, ['miss', 'shared', 'shared', 'shared']);
    return;
  }
});

test('cache: errors are told again and again', async () => {
  const body = { model: 'no-such-model' };
  for (let time = 0; time < 2; time++) {
    const response = await server.post(ask(body), { headers: { authorization: 'Bearer key-of-a' } });
    assert.deepEqual([response.status, response.headers.get('x-parlance-cache')], [404, 'miss']);
  }
});

test('cache: without any setting it is off, and a request may ask for it', async () => {
  await using plain = await startLiveServer();
  const body = { seed: 7 };
  const [first, second] = [await get({ body, from: plain }), await get({ body, from: plain })];
  assert.deepEqual([first.cache, second.cache], [null, null]);
  assert.notEqual(first.id, second.id);
  const headers = { 'x-parlance-cache': 'use' };
  assert.equal((await get({ body, headers, from: plain })).cache, 'miss');
  assert.equal((await get({ body, headers, from: plain })).cache, 'hit');
});

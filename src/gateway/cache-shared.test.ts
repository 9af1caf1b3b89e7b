/** The cache over a place that other processes share: slow, away, or with something else in it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Call, Reply } from '../core/call.ts';
import type { ChatResponse } from '../core/chat.ts';
import { GatewayError } from '../core/error.ts';
import { accept } from '../../test/support/openai-chat.ts';
import { cached } from './cache.ts';
import type { CacheSettings } from './cache.ts';
import type { CacheStore } from './ports.ts';

const SETTINGS: CacheSettings = { enabled: true, perRequest: true, maxBytes: 1024 ** 2, ttlMs: 60_000, models: [], share: false };

const response = (text: string): ChatResponse => ({
  id: 'chatcmpl-1',
  model: 'm',
  created: 1,
  choices: [{ blocks: [{ type: 'text', text }], reason: 'stop' }],
  usage: undefined,
});

/** What is shared, and what was asked of it. */
function place() {
  const texts = new Map<string, string>();
  const asked: string[] = [];
  const store: CacheStore = {
    async get(name) {
      asked.push('get');
      return texts.get(name);
    },
    async set(name, text) {
      asked.push('set');
      texts.set(name, text);
    },
  };
  return { texts, asked, store };
}

interface Asking {
  readonly tenant?: string;
  readonly cache?: Call['cache'];
  readonly body?: Readonly<Record<string, unknown>>;
  readonly signal?: AbortSignal;
}

/** A process before that place; its model counts its answers. */
function before(shared: CacheStore, settings: Partial<CacheSettings> = {}, said = 'answer') {
  const failures: unknown[] = [];
  let made = 0;
  const layer = cached({ settings: { ...SETTINGS, ...settings }, now: () => 0, failed: (cause) => failures.push(cause), shared });
  const handler = layer(async (): Promise<Reply> => ({ kind: 'full', response: response(`${said} ${++made}`), ignored: ['store'] }));
  const ask = async ({ tenant = 'a', cache, body = {}, signal = new AbortController().signal }: Asking = {}) => {
    const call: Call = {
      id: 'req_1',
      request: accept(body),
      principal: { id: tenant, role: 'member' },
      strict: false,
      signal,
      trace: { attempts: [] },
      ...(cache ? { cache } : {}),
    };
    const reply = await handler(call);
    assert.ok(reply.kind === 'full');
    const [block] = reply.response.choices[0]?.blocks ?? [];
    return [block?.type === 'text' ? block.text : '', call.trace.cache, ...reply.ignored];
  };
  return { ask, failures, made: () => made };
}

test('shared cache: what one process keeps another repeats; what one refreshes another has at once', async () => {
  const { store } = place();
  const [one, other] = [before(store, {}, 'one'), before(store, {}, 'other')];
  assert.deepEqual(await one.ask(), ['one 1', 'miss', 'store']);
  assert.deepEqual(await other.ask(), ['one 1', 'hit', 'store']);
  assert.deepEqual(await other.ask({ cache: 'refresh' }), ['other 1', 'miss', 'store']);
  assert.deepEqual(await one.ask(), ['other 1', 'hit', 'store']);
});

test('shared cache: tenants never get each other’s answers, and names say nothing of key or request', async () => {
  const { store, texts } = place();
  const { ask } = before(store);
  const body = { messages: [{ role: 'user', content: 'a question of weight' }] };
  assert.equal((await ask({ tenant: 'tenant-a', body }))[1], 'miss');
  assert.equal((await ask({ tenant: 'tenant-b', body }))[1], 'miss');
  assert.equal(texts.size, 2);
  for (const name of texts.keys()) assert.match(name, /^[\w-]{43}$/);
});

test('shared cache: off, skipped, or for another model, it is not asked at all', async () => {
  const { store, asked } = place();
  await before(store, { enabled: false }).ask();
  await before(store, { enabled: false, perRequest: false }).ask({ cache: 'use' });
  await before(store, { models: ['other'] }).ask();
  await before(store).ask({ cache: 'skip' });
  assert.deepEqual(asked, []);
  await before(store).ask({ cache: 'refresh' });
  assert.deepEqual(asked, ['set']);
});

test('shared cache: what is no answer of ours is a miss, and is replaced', async () => {
  const { store, texts } = place();
  const { ask, failures } = before(store);
  await ask();
  const [[name, good] = ['', '']] = texts;
  const entry = JSON.parse(good) as { response: ChatResponse; ignored: unknown };
  const [choice] = entry.response.choices;
  const odd: readonly unknown[] = [
    null,
    1,
    [],
    {},
    { ...entry, ignored: 'store' },
    { ...entry, response: undefined },
    { ...entry, response: { ...entry.response, id: 7 } },
    { ...entry, response: { ...entry.response, choices: [] } },
    { ...entry, response: { ...entry.response, choices: [null] } },
    { ...entry, response: { ...entry.response, usage: { promptTokens: '1' } } },
    { ...entry, response: { ...entry.response, choices: [{ ...choice, reason: 'constructor' }] } },
    { ...entry, response: { ...entry.response, choices: [{ ...choice, blocks: 'text' }] } },
    { ...entry, response: { ...entry.response, choices: [{ ...choice, blocks: [{ type: 'toString' }] }] } },
    { ...entry, response: { ...entry.response, choices: [{ ...choice, blocks: [{ type: 'text' }] }] } },
    { ...entry, response: { ...entry.response, choices: [{ ...choice, logprobs: [{ token: 1 }] }] } },
    { ...entry, response: { ...entry.response, choices: [{ ...choice, annotations: [{}] }] } },
  ];
  for (const text of ['', 'no JSON', good.slice(0, -5), ...odd.map((one) => JSON.stringify(one))]) {
    texts.set(name, text);
    assert.equal((await ask())[1], 'miss', text);
    assert.equal((await ask())[1], 'hit', text);
  }
  assert.deepEqual(failures, []);
});

test('shared cache: who leaves while it is asked makes no attempt', async () => {
  const asked = Promise.withResolvers<string | undefined>();
  const { ask, made } = before({ get: () => asked.promise, set: () => undefined });
  const client = new AbortController();
  const answer = ask({ signal: client.signal });
  client.abort(new GatewayError('cancelled', 'gone'));
  asked.resolve(undefined);
  await assert.rejects(answer, /gone/);
  assert.equal(made(), 0);
});

test('shared cache: with sharing, those who ask at once make one call', async () => {
  const { store } = place();
  const { ask, made } = before(store, { share: true });
  const answers = await Promise.all([ask(), ask(), ask()]);
  assert.deepEqual(
    answers.map(([text]) => text),
    ['answer 1', 'answer 1', 'answer 1'],
  );
  assert.equal(made(), 1);
});

test('shared cache: what is too large is not sent, nor more at once than there is memory for', async () => {
  const sent: { readonly name: string; readonly done: () => void }[] = [];
  const store: CacheStore = {
    get: async () => undefined,
    set: (name) => new Promise((done) => sent.push({ name, done })),
  };
  const { ask } = before(store, { maxBytes: 8000 }, 'x'.repeat(700));
  for (let at = 0; at < 10; at += 1) await ask({ body: { seed: at } });
  const first = sent.length;
  assert.ok(first > 0 && first < 8, `${first} were sent`);
  for (const { done } of sent) done();
  await new Promise((resolve) => setImmediate(resolve));
  await ask({ body: { seed: 99 } });
  assert.equal(sent.length, first + 1);
  await before(store, { maxBytes: 8000 }, 'x'.repeat(1001)).ask();
  assert.equal(sent.length, first + 1);
});

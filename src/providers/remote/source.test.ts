import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pricing } from '../../core/call.ts';
import { GatewayError, withMessage } from '../../core/error.ts';
import type { Http, HttpAnswer } from '../http.ts';
import type { Provider } from '../provider.ts';
import type { ListTimes } from './listed.ts';
import { createRemoteSource } from './source.ts';

const TIMES: ListTimes = { freshMs: 1000, pauseMs: 100, patienceMs: 50 };

const PROVIDER: Provider = {
  id: 'p',
  name: 'P',
  speaks: { wire: 'openai-chat' },
  baseUrl: 'https://p.example/v1',
  auth: { scheme: 'bearer' },
  headers: { 'x-team': 'a' },
  rules: [],
  listing: { as: 'openai', path: '/models', complete: true },
  row: undefined,
  models: [],
  onlyDeclared: false,
  local: false,
  timeouts: { connectMs: 0, headersMs: 0, idleMs: 0 },
  authorize: async () => ({ authorization: 'Bearer k' }),
};

/** A provider's list as `lists` says it at each time it is asked, the last one for ever. */
function world(lists: readonly (readonly string[] | Error | 'silence')[], provider: Partial<Provider> = {}) {
  const asked: { url: string; headers: Readonly<Record<string, string>> }[] = [];
  const failed: string[] = [];
  let clock = 0;
  const http: Http = {
    async send(call) {
      asked.push({ url: call.url, headers: call.headers });
      const list = lists[Math.min(asked.length, lists.length) - 1];
      if (list === 'silence') return new Promise<never>(() => undefined);
      if (list instanceof Error) throw list;
      const text = JSON.stringify({
        object: 'list',
        data: (list ?? []).map((id) => ({ id, object: 'model', created: 7, owned_by: 'maker' })),
      });
      return { status: 200, headers: {}, text: async () => text, cancel: () => undefined } as unknown as HttpAnswer;
    },
    close: async () => undefined,
  };
  const source = createRemoteSource(
    { ...PROVIDER, ...provider },
    {
      http,
      inlineImages: async (request) => request,
      scrub: (error) => withMessage(error, error.message.replaceAll('s3cret', '[key]')),
      times: TIMES,
      now: () => clock,
      failed: (id, error) => failed.push(`${id}: ${error.message}`),
      signal: new AbortController().signal,
    },
  );
  const ids = async (): Promise<string[]> => (await source.list()).map(({ card }) => card.id);
  const pass = (ms: number): void => {
    clock += ms;
  };
  return { source, ids, asked, failed, pass };
}

test('source: what a provider lists is offered under its name, and asked for with its key', async () => {
  const { ids, asked, source } = world([['a', 'org/b']]);
  assert.deepEqual(await ids(), ['p/a', 'p/org/b']);
  assert.deepEqual(asked, [
    { url: 'https://p.example/v1/models', headers: { accept: 'application/json', 'x-team': 'a', authorization: 'Bearer k' } },
  ]);
  const card = (await source.find('p/org/b'))?.card;
  assert.deepEqual([card?.provider, card?.ownedBy, card?.created], ['p', 'maker', 7]);
  assert.equal(await source.find('q/a'), undefined);
  assert.equal(await source.find('p/'), undefined);
});

test('source: a list is kept while it is fresh, and then fetched again behind the old one', async () => {
  const { ids, asked, pass } = world([['a'], ['a', 'b']]);
  await ids();
  pass(999);
  await ids();
  assert.equal(asked.length, 1);
  pass(2);
  assert.deepEqual(await ids(), ['p/a']);
  await new Promise(setImmediate);
  assert.deepEqual(await ids(), ['p/a', 'p/b']);
});

test('source: a provider that is down does not break the list, and is not asked again at once', async () => {
  const { ids, asked, failed, pass } = world([new Error('down'), ['a']], { models: [{ id: 'mine', upstream: 'mine' }] });
  assert.deepEqual(await ids(), ['p/mine']);
  assert.equal(failed.length, 1);
  assert.deepEqual(await ids(), ['p/mine']);
  assert.equal(asked.length, 1);
  pass(100);
  assert.deepEqual(await ids(), ['p/mine', 'p/a']);
});

test('source: what a provider says of our key where it refuses the list is not told', async () => {
  const { ids, failed } = world([new GatewayError('upstream', 'Wrong key: s3cret')]);
  await ids();
  assert.deepEqual(failed, ['p: Wrong key: [key]']);
});

test('source: a provider that does not answer is not waited for longer than patience lasts', async () => {
  const { ids, source } = world(['silence']);
  assert.deepEqual(await ids(), []);
  assert.ok(await source.find('p/any'), 'while there is no list, the provider has the last word');
});

test('source: a name that a complete list lacks is looked for once more, and is then unknown', async () => {
  const { source, asked, pass } = world([['a'], ['a', 'new']]);
  assert.ok(await source.find('p/a'));
  pass(100);
  assert.ok(await source.find('p/new'));
  assert.equal(await source.find('p/none'), undefined);
  assert.equal(asked.length, 2);
});

test('source: a name that an incomplete list lacks goes to the provider', async () => {
  const { source } = world([['a']], { listing: { as: 'openai', path: '/models', complete: false } });
  assert.equal((await source.find('p/ft:other'))?.card.id, 'p/ft:other');
});

test('source: declared models come first, with what the administrator says of them; nothing is fetched where only they count', async () => {
  const models = [{ id: 'fast', upstream: 'org/fast-1', contextWindow: 99, pricing: { input: 1 } }];
  const { ids, asked, source } = world([['a']], { models, onlyDeclared: true });
  assert.deepEqual(await ids(), ['p/fast']);
  assert.equal(await source.find('p/a'), undefined);
  assert.equal(asked.length, 0);
  const card = (await source.find('p/fast'))?.card;
  assert.deepEqual([card?.contextWindow, card?.pricing], [99, { input: 1, binding: true }]);
});

test('source: prices for long prompts go with the price of the prompt', async () => {
  const priced = async (pricing: Pricing) => {
    const { source } = world([[]], { row: 'openai', models: [{ id: 'gpt-5.4', upstream: 'gpt-5.4', pricing }] });
    return (await source.find('p/gpt-5.4'))?.card.pricing;
  };
  const { tools, ...prices } = (await priced({ input: 1 })) ?? {};
  assert.deepEqual(prices, { input: 1, output: 15, cachedInput: 0.25, binding: true });
  assert.equal(tools?.['web_search'], 10);
  const known = await priced({ output: 14 });
  assert.deepEqual([known?.input, known?.output, known?.tiers?.length], [2.5, 14, 1]);
});

test('source: without a list, the models that the tables know of the provider are offered', async () => {
  const { ids } = world([], { id: 'anthropic', row: 'anthropic', listing: undefined });
  assert.ok((await ids()).some((id) => id.startsWith('anthropic/claude-')));
});

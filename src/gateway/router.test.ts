import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Target } from '../core/call.ts';
import { GatewayError } from '../core/error.ts';
import { ALL_MODELS } from './model-names.ts';
import type { ModelNames } from './model-names.ts';
import type { TargetSource } from './ports.ts';
import { createCatalog } from './router.ts';

function target(id: string): Target {
  const provider = id.includes('/') ? id.slice(0, id.indexOf('/')) : undefined;
  const card = { id, created: 0, ownedBy: 'x', endpoints: [], capabilities: {}, ...(provider === undefined ? {} : { provider }) };
  return { id, card, backend: { chat: () => Promise.reject(new Error(id)) } };
}

/** A source that lists some models, and finds any of its provider. */
function source(listed: readonly string[], open?: string): TargetSource {
  const known = new Map(listed.map((id) => [id, target(id)]));
  return {
    list: async () => [...known.values()],
    find: async (id) => known.get(id) ?? (open !== undefined && id.startsWith(`${open}/`) ? target(id) : undefined),
  };
}

const SOURCES = [
  source(['smol']),
  source(['openai/gpt-5', 'openai/gpt-4o'], 'openai'),
  source(['router/openai/gpt-5', 'router/meta/llama', 'azure/gpt-4o']),
];

const catalogOf = (names: Partial<ModelNames> = {}) => createCatalog(SOURCES, { names: { ...ALL_MODELS, ...names } });
const ids = async (names: Partial<ModelNames> = {}) => (await catalogOf(names).list()).map(({ id }) => id);
const idOf = async (name: string, names: Partial<ModelNames> = {}) => (await catalogOf(names).route(name)).targets[0]?.target.card.id;

async function refusal(name: string, names: Partial<ModelNames> = {}): Promise<string> {
  try {
    const found = await catalogOf(names).route(name);
    return assert.fail(`found ${found.targets[0]?.target.card.id}`);
  } catch (error) {
    assert.ok(error instanceof GatewayError);
    assert.deepEqual([error.kind, error.status, error.param], ['model_not_found', 404, 'model']);
    return error.message;
  }
}

test('router: a model is found by its id, and by a plain name that only one has', async () => {
  assert.equal(await idOf('openai/gpt-5'), 'openai/gpt-5');
  assert.equal(await idOf('smol'), 'smol');
  assert.equal(await idOf('llama'), 'router/meta/llama');
  assert.equal(await idOf('meta/llama'), 'router/meta/llama');
});

test('router: a plain name that a provider has comes before the same name deeper in an id', async () => {
  assert.equal(await idOf('gpt-5'), 'openai/gpt-5');
});

test('router: a plain name that two providers have is refused with both', async () => {
  assert.match(await refusal('gpt-4o'), /Several models are called 'gpt-4o': say which, 'openai\/gpt-4o', 'azure\/gpt-4o'\./);
});

test('router: a name that no list has goes to the provider it names', async () => {
  assert.equal(await idOf('openai/ft:mine'), 'openai/ft:mine');
});

test('router: an unknown name is a 404 with the names that come near', async () => {
  assert.match(await refusal('smoll'), /does not exist\. Did you mean 'smol'/);
  assert.match(await refusal('router/meta/lama'), /'router\/meta\/llama'/);
});

test('router: an alias stands for a model, a list of them for the first that there is', async () => {
  const aliases = { fast: ['nobody/has', 'azure/gpt-4o'], small: ['smol'], lost: ['nobody/has'] };
  assert.equal(await idOf('fast', { aliases }), 'azure/gpt-4o');
  assert.equal(await idOf('small', { aliases }), 'smol');
  assert.deepEqual((await ids({ aliases })).slice(0, 2), ['fast', 'small']);
  await refusal('lost', { aliases });
});

test('router: what is denied or not allowed does not exist, under any name', async () => {
  assert.deepEqual(await ids({ allow: ['openai/*'], deny: ['*4o'] }), ['openai/gpt-5']);
  await refusal('smol', { allow: ['openai/*'] });
  await refusal('openai/gpt-4o', { deny: ['*4o'] });
  await refusal('gpt-4o', { deny: ['*4o'] });
  await refusal('small', { deny: ['smol'], aliases: { small: ['smol'] } });
});

test('router: a hidden model is not listed and answers', async () => {
  assert.ok(!(await ids({ hide: ['smol'] })).includes('smol'));
  assert.equal(await idOf('smol', { hide: ['smol'] }), 'smol');
});

test('router: a renamed model is known by its new name alone', async () => {
  const rename = { house: 'openai/gpt-5' };
  const listed = await ids({ rename });
  assert.ok(listed.includes('house') && !listed.includes('openai/gpt-5'));
  assert.equal(await idOf('house', { rename }), 'house');
  await refusal('openai/gpt-5', { rename });
  assert.equal(await idOf('h', { rename, aliases: { h: ['house'] } }), 'house');
});

test('router: a route has its targets in order, those that are there, with what it says of each', async () => {
  const routes = {
    pair: {
      targets: [{ model: 'openai/gpt-5', weight: 3, maxInFlight: 7, timeouts: { idleMs: 9 } }, { model: 'nobody/has' }, { model: 'smol' }],
      policy: { attempts: 5 },
      timeouts: { firstOutputMs: 8 },
    },
    empty: { targets: [{ model: 'nobody/has' }], policy: {}, timeouts: {} },
  };
  const catalog = createCatalog(SOURCES, { routes });
  const { name, targets, policy } = await catalog.route('pair');
  assert.deepEqual(
    targets.map(({ key, weight, maxInFlight, timeouts }) => [key, weight, maxInFlight, timeouts.firstOutputMs, timeouts.idleMs]),
    [
      ['openai/gpt-5', 3, 7, 8, 9],
      ['smol', 1, undefined, 8, 300_000],
    ],
  );
  assert.deepEqual([name, policy.attempts, policy.strategy], ['pair', 5, 'ordered']);
  assert.deepEqual((await catalog.list())[0]?.id, 'pair');
  assert.equal((await catalog.card('pair')).id, 'pair');
  await assert.rejects(catalog.route('empty'), { kind: 'model_not_found' });
});

test('router: an alias for several models is a route through all of them', async () => {
  const { targets } = await catalogOf({ aliases: { fast: ['azure/gpt-4o', 'smol'] } }).route('fast');
  assert.deepEqual(
    targets.map(({ key }) => key),
    ['azure/gpt-4o', 'smol'],
  );
});

test('router: a renamed model keeps the id that its source knows, and is answered under the new name', async () => {
  const [only] = (await catalogOf({ rename: { house: 'openai/gpt-5' } }).route('house')).targets;
  assert.deepEqual([only?.key, only?.target.id, only?.target.card.id], ['openai/gpt-5', 'openai/gpt-5', 'house']);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { answerScope } from './answer-scope.ts';
import { loadConfig } from './config.ts';
import { partOf } from './workers/part.ts';

const PROVIDER = { wire: 'openai-chat', baseUrl: 'http://127.0.0.1:9/v1', key: 'sk-hush', models: ['m'] };
const ENV = {
  XDG_CONFIG_HOME: '/nonexistent',
  PARLANCE_PROVIDERS: JSON.stringify({ p: PROVIDER }),
  PARLANCE_MODELS_ROUTES: JSON.stringify({ r: { targets: [{ model: 'p/m', maxInFlight: 8 }] } }),
  PARLANCE_KEYS: 'one-key',
};
const scope = (env: Readonly<Record<string, string>> = {}, version = '1.0.0') =>
  answerScope(loadConfig({ env: { ...ENV, ...env }, flags: {} }), version);

test('answer scope: the same configuration has the same one, in whatever order it was written', () => {
  const aliases = (names: object) => scope({ PARLANCE_MODELS_ALIASES: JSON.stringify(names) });
  assert.match(scope(), /^[\w-]{22}$/);
  assert.equal(scope(), scope());
  assert.equal(aliases({ a: ['p/m'], b: ['p/m'] }), aliases({ b: ['p/m'], a: ['p/m'] }));
});

test('answer scope: where a name may lead elsewhere, or a tenant may be another one, it is another', () => {
  const all = [
    scope(),
    scope({}, '1.0.1'),
    scope({ PARLANCE_MODELS_ALIASES: '{"fast":["p/m"]}' }),
    scope({ PARLANCE_MODELS_ROUTES: '{"r":{"targets":["p/m","p/other"]}}' }),
    scope({ PARLANCE_MODELS_BUILT_IN: 'false' }),
    scope({ PARLANCE_PROVIDERS: JSON.stringify({ p: { ...PROVIDER, baseUrl: 'http://127.0.0.1:10/v1' } }) }),
    // the key without a name is `key-1` of both
    scope({ PARLANCE_KEYS: 'another-key' }),
  ];
  assert.equal(new Set(all).size, all.length);
});

test('answer scope: a provider’s new key, what else a server is set to, and how many workers it has change nothing', () => {
  assert.equal(scope({ PARLANCE_PROVIDERS: JSON.stringify({ p: { ...PROVIDER, key: 'sk-new' } }) }), scope());
  assert.equal(scope({ PARLANCE_PORT: '1234', PARLANCE_CACHE_TTL: '1h', PARLANCE_LOG_LEVEL: 'debug' }), scope());
  const config = loadConfig({ env: ENV, flags: {} });
  for (const workers of [1, 2, 3]) assert.equal(answerScope(partOf(config, workers), '1.0.0'), scope());
});

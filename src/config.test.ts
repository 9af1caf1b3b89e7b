import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { hashKey } from './config/keys.ts';
import { isLoopback } from './config/loopback.ts';
import { configJsonSchema, settingsTable } from './config/schema.ts';
import { configFolder, load, problems } from './config/testing.ts';
import { loadConfig } from './config.ts';

test('config: an empty file gives the defaults', () => {
  const { server, keys, engine, log, hub, models, providers } = load('', { XDG_DATA_HOME: '/data' });
  assert.equal(server.host, '127.0.0.1');
  assert.equal(server.port, 11435);
  assert.equal(server.bodyLimit, 32 * 1024 * 1024);
  assert.equal(server.bodyTimeoutMs, 60_000);
  assert.equal(server.pingMs, 0);
  assert.deepEqual(server.corsOrigins, ['local'], 'without keys, no page of the web may call');
  assert.deepEqual(keys, []);
  assert.deepEqual(engine, {
    contextSize: 'auto',
    sequences: 'auto',
    threads: 'auto',
    gpu: 'auto',
    queue: 64,
    maxLoaded: 2,
    idleUnloadMs: 900_000,
    loadTimeoutMs: 120_000,
  });
  assert.deepEqual(log, { level: 'info', format: 'auto' });
  assert.equal(hub.token, undefined);
  const names = { aliases: {}, rename: {}, allow: [], deny: [], hide: [] };
  assert.deepEqual(models, { dir: '/data/parlance/models', builtIn: true, names, routes: {} });
  assert.deepEqual(providers, []);
});

test('config: flags win over the environment, that over the file', () => {
  const text = 'server:\n  port: 1\n  jsonDepth: 50\nlog:\n  level: warn\n';
  const { server, log } = load(
    text,
    { PARLANCE_PORT: '2', PARLANCE_LOG_LEVEL: 'debug', PARLANCE_SERVER_BODY_LIMIT: '1KiB' },
    { port: '3', host: undefined },
  );
  assert.deepEqual([server.port, server.jsonDepth, server.bodyLimit, log.level], [3, 50, 1024, 'debug']);
});

test('config: text from the environment becomes numbers, booleans and lists', () => {
  const { server, engine, models } = load('', {
    PARLANCE_SERVER_STRICT: 'yes',
    PARLANCE_MODELS_BUILT_IN: 'false',
    PARLANCE_ENGINE_CONTEXT_SIZE: '4096',
    PARLANCE_ENGINE_THREADS: 'auto',
    PARLANCE_SERVER_CORS_ORIGINS: 'https://a.example, https://b.example',
    PARLANCE_SERVER_PING: '1.5s',
  });
  assert.deepEqual([server.strict, models.builtIn, engine.contextSize, engine.threads, server.pingMs], [true, false, 4096, 'auto', 1500]);
  assert.deepEqual(server.corsOrigins, ['https://a.example', 'https://b.example']);
});

test('config: every problem is named with its line, all of them at once', () => {
  const text = [
    'server:',
    '  prot: 99',
    '  port: 99999',
    '  bodyLimit: 32mb',
    '  cors:',
    '    origins:',
    '      - https://ok.example',
    '      - 3',
    'port: 3',
    'log: loud',
    'engine:',
    '  idleUnload: 40000h',
    '  gpu: maybe',
  ].join('\n');
  assert.deepEqual(problems(text), [
    'parlance.yaml:2: server.prot: unknown setting, did you mean "port"?',
    'parlance.yaml:9: port: unknown setting, did you mean "server.port"?',
    'parlance.yaml:10: log: must be a section with settings of its own',
    'parlance.yaml:3: server.port: must be an integer from 0 to 65535, not 99999',
    'parlance.yaml:4: server.bodyLimit: must be a size such as 512KiB or 32MiB, or a number of bytes, not "32mb"',
    'parlance.yaml:8: server.cors.origins[1]: must be a text, not 3',
    'parlance.yaml:12: engine.idleUnload: must be at most 24 days, not "40000h"',
    'parlance.yaml:13: engine.gpu: must be one of auto, off, not "maybe"',
  ]);
});

test('config: broken YAML and double settings are named with their line', () => {
  assert.match(problems('server:\n  port: 1\n  port: 2\n').join(), /^parlance\.yaml:3: /);
  assert.match(problems('server:\n\tport: 1\n').join(), /^parlance\.yaml:2: /);
  assert.match(problems('- 1\n').join(), /^parlance\.yaml:1: the file: must be a section/);
});

test('config: unknown variables and flags are problems too, with a guess at what was meant', () => {
  assert.deepEqual(problems('', { PARLANCE_POTR: '1', OTHER: '2', PARLANCE_PORT: '' }), [
    'PARLANCE_POTR: unknown environment variable, did you mean "PARLANCE_PORT"?',
  ]);
  assert.deepEqual(problems('', { PARLANCE_PORT: 'x' }), ['PARLANCE_PORT: server.port: must be an integer from 0 to 65535, not "x"']);
  assert.deepEqual(problems('', {}, { prot: '1' }), ['--prot: unknown flag, did you mean "--port"?']);
  assert.deepEqual(problems('', {}, { port: '-1' }), ['--port: server.port: must be an integer from 0 to 65535, not -1']);
});

test('config: a file that was named must be there', () => {
  assert.throws(() => loadConfig({ file: '/nowhere/parlance.yaml', env: {}, flags: {} }), /\/nowhere\/parlance\.yaml: cannot be read/);
  assert.throws(() => loadConfig({ env: { PARLANCE_CONFIG: '/nowhere/p.yaml' }, flags: {} }), /\/nowhere\/p\.yaml: cannot be read/);
});

test("config: without a name the user's own file is read", () => {
  using place = configFolder('');
  mkdirSync(join(place.path, 'parlance'));
  writeFileSync(join(place.path, 'parlance', 'parlance.yaml'), 'server: {port: 7}');
  const config = loadConfig({ env: { XDG_CONFIG_HOME: place.path }, flags: {} });
  assert.equal(config.server.port, 7);
  assert.equal(config.file, join(place.path, 'parlance', 'parlance.yaml'));
});

test('keys: only hashes are kept, whatever form a key has', () => {
  const text = `keys:\n  - plain-key\n  - env:MY_KEY\n  - sha256:${hashKey('hashed').toUpperCase()}\n  - { name: ci, key: named-key }\n`;
  const config = load(text, { MY_KEY: 'from-env' });
  assert.deepEqual(config.keys, [
    { name: 'key-1', sha256: hashKey('plain-key') },
    { name: 'key-2', sha256: hashKey('from-env') },
    { name: 'key-3', sha256: hashKey('hashed') },
    { name: 'ci', sha256: hashKey('named-key') },
  ]);
  assert.doesNotMatch(JSON.stringify(config), /plain-key|from-env|named-key/);
  const { keys } = load(text, { MY_KEY: 'x', PARLANCE_API_KEYS: 'a, b' });
  assert.deepEqual(
    keys.map((key) => key.sha256),
    [hashKey('a'), hashKey('b')],
  );
});

test('keys: a wrong key is named by its place and never shown', () => {
  const text = 'keys:\n  - env:NOT_SET\n  - sha256:abc\n  - "two words"\n  - { name: a, key: x }\n  - { name: a, key: y }\n';
  assert.deepEqual(problems(text), [
    'parlance.yaml:2: keys[0]: the environment variable NOT_SET is not set',
    'parlance.yaml:3: keys[1]: sha256: must be followed by 64 hex digits',
    'parlance.yaml:4: keys[2]: a key is made of printable ASCII characters without spaces',
    'parlance.yaml:6: keys[4]: the name "a" is taken by another key',
  ]);
  assert.deepEqual(problems('keys:\n  - { name: a, kye: secret }\n'), ['parlance.yaml:2: keys[0]: must be a key, or a name and a key']);
  assert.deepEqual(problems('keys: 7\n'), ['parlance.yaml:1: keys: must be a list']);
});

test('config: an address that others can reach needs a key', () => {
  const [problem = ''] = problems('server:\n  host: 0.0.0.0\n  requireKey: false\n');
  assert.match(problem, /^parlance\.yaml:3: server\.requireKey: must be true, because "0\.0\.0\.0" can be reached from other machines/);
  assert.deepEqual(
    ['', 'keys: [a]\n', 'server: {host: 0.0.0.0}\n', 'server: {requireKey: true}\n', 'keys: [a]\nserver: {requireKey: false}\n'].map(
      (text) => load(text).server.requireKey,
    ),
    [false, true, true, true, false],
  );
  assert.deepEqual(load('server: {requireKey: true}\n').server.corsOrigins, ['*']);
  const [none = ''] = problems('server:\n  host: 0.0.0.0\ndata:\n  enabled: false\n');
  assert.match(none, /^parlance\.yaml:4: data\.enabled: every request needs a key here, and there can be none.*PARLANCE_API_KEYS/);
  assert.equal(load('server:\n  host: 0.0.0.0\n', { PARLANCE_API_KEYS: 'k' }).server.host, '0.0.0.0');
  for (const host of ['127.0.0.1', '127.9.9.9', 'localhost', 'LOCALHOST.', '::1', '[::1]', 'a.localhost', '::ffff:127.0.0.1'])
    assert.ok(isLoopback(host), host);
  for (const host of ['0.0.0.0', '::', '10.0.0.1', 'localhost.evil.example', '127.0.0.1.evil.example', ''])
    assert.ok(!isLoopback(host), host);
});

test('config: the database is SQLite in a folder, or the Postgres that a setting or DATABASE_URL names', () => {
  assert.equal(load('', { XDG_DATA_HOME: '/data' }).data?.dir, '/data/parlance');
  assert.equal(load('data: {dir: /d}\n').data?.dir, '/d');
  assert.equal(load('data: {enabled: false}\n').data, undefined);
  const url = (text: string, env: Record<string, string>) => load(text, env).data?.url?.reveal();
  assert.equal(url('', { DATABASE_URL: 'postgres://a/b' }), 'postgres://a/b');
  assert.equal(url('', { DATABASE_URL: 'postgres://a/b', PARLANCE_DATA_URL: 'postgresql://c/d' }), 'postgresql://c/d');
  assert.equal(url('data: {url: env:DB}\n', { DB: 'postgres://e/f', DATABASE_URL: 'postgres://a/b' }), 'postgres://e/f');
  assert.equal(url('', { DATABASE_URL: 'mysql://u:opensesame@a/b' }), undefined, 'another program has another database');
  const wrong = problems('data:\n  url: mysql://u:opensesame@a/b\n');
  assert.match(wrong.join(), /^parlance\.yaml:2: data\.url: must be an address that begins with postgres:/);
  assert.doesNotMatch(wrong.join(), /sesame/);
  assert.deepEqual(problems('data: {url: env:NONE}\n'), ['parlance.yaml:1: data.url: the environment variable NONE is not set']);
  const hidden = load('', { DATABASE_URL: 'postgres://u:opensesame@a/b' });
  assert.doesNotMatch(JSON.stringify(hidden) + inspect(hidden, { depth: 9 }), /sesame/);
});

test('config: Redis is where redis.url says, or REDIS_URL', () => {
  assert.equal(load('', { REDIS_URL: 'redis://r' }).redis?.url.reveal(), 'redis://r');
  assert.equal(load('redis: {url: "redis://s"}\n', { REDIS_URL: 'redis://r' }).redis?.url.reveal(), 'redis://s');
  assert.equal(load('', { REDIS_URL: 'unix:/tmp/r' }).redis, undefined);
});

test('config: trusted proxies are addresses or ranges', () => {
  const text = 'server: {trustedProxies: [10.0.0.0/8, "::1", 192.0.2.7]}\n';
  assert.deepEqual(load(text).server.trustedProxies, ['10.0.0.0/8', '::1', '192.0.2.7']);
  assert.deepEqual(
    problems('server:\n  trustedProxies:\n    - nginx\n    - 10.0.0.0/33\n').map((line) => line.slice(0, 36)),
    ['parlance.yaml:3: server.trustedProxi', 'parlance.yaml:4: server.trustedProxi'],
  );
});

test('config: the hub token comes from HF_TOKEN or a variable of another name, and is not shown', () => {
  assert.equal(load('', { HF_TOKEN: 'hf_1' }).hub.token?.reveal(), 'hf_1');
  const config = load('hub:\n  token: env:OTHER\n  url: http://127.0.0.1:9/\n', { HF_TOKEN: 'hf_1', OTHER: 'hf_2' });
  assert.equal(config.hub.token?.reveal(), 'hf_2');
  assert.equal(config.hub.url, 'http://127.0.0.1:9');
  assert.doesNotMatch(JSON.stringify(config) + inspect(config, { depth: 9 }), /hf_/);
  assert.deepEqual(problems('hub:\n  token: env:NONE\n'), ['parlance.yaml:2: hub.token: the environment variable NONE is not set']);
});

test('config: it is frozen all the way down', () => {
  const config = load('keys: [abc]\n');
  for (const part of [config, config.server, config.server.corsOrigins, config.keys, config.keys[0], config.engine])
    assert.ok(Object.isFrozen(part));
});

const root = new URL('../', import.meta.url);

test('config: parlance.schema.json is what `node scripts/config-schema.mjs` writes', () => {
  assert.deepEqual(JSON.parse(readFileSync(new URL('parlance.schema.json', root), 'utf8')), configJsonSchema());
});

test('config: the table in docs/configuration.md is what `node scripts/config-schema.mjs` writes', () => {
  const words = (text: string): string => text.replace(/\s+/g, ' ');
  assert.ok(words(readFileSync(new URL('docs/configuration.md', root), 'utf8')).includes(words(settingsTable())));
});

const PROVIDERS = `providers:
  groq:
    key: gsk_x
  mine:
    wire: openai-chat
    baseUrl: http://10.0.0.5:8000/v1/
    models:
      - small
      - id: big
        upstream: org/big
        contextWindow: 8192
        pricing: { input: 1, output: 2.5 }
    timeouts: { idle: 30s }
  openai:
    enabled: false
`;

test('config: providers are those of the file and those whose key is in the environment', () => {
  const { providers } = load(PROVIDERS, { OPENAI_API_KEY: 'sk-1', ANTHROPIC_API_KEY: ' sk-ant-2\n' });
  assert.deepEqual(
    providers.map(({ id, key }) => [id, key?.reveal()]),
    [
      ['groq', 'gsk_x'],
      ['mine', undefined],
      ['anthropic', 'sk-ant-2'],
    ],
  );
  const mine = providers.find(({ id }) => id === 'mine');
  assert.equal(mine?.baseUrl, 'http://10.0.0.5:8000/v1');
  assert.equal(mine?.timeouts.idleMs, 30_000);
  assert.equal(mine?.onlyDeclared, true);
  assert.deepEqual(mine?.models, [
    { id: 'small', upstream: 'small' },
    { id: 'big', upstream: 'org/big', contextWindow: 8192, pricing: { input: 1, output: 2.5 } },
  ]);
  assert.ok(!JSON.stringify(providers).includes('gsk_x'));
});

test('config: what is wrong with a provider is told with its line, and no secret', () => {
  const text = [
    'providers:',
    '  grok:',
    '    key: secret-1',
    '  azure:',
    '    key: secret-2',
    '  mine:',
    '    wire: openai-chat',
    '    key: env:NOT_THERE',
    '    baseUrl: http://localhost:1/v1',
    '  Bad Name: {}',
    '  other:',
    '    type: ollama',
    '    baseURL: http://x',
    '    models:',
    '      - id: a',
    '        contextWindow: many',
    '    key: 7',
  ].join('\n');
  const found = problems(text);
  assert.ok(!found.join('\n').includes('secret-'));
  assert.deepEqual(found.toSorted(), [
    'parlance.yaml:10: providers.Bad Name: its name must match ^[a-z0-9][a-z0-9_-]{0,63}$',
    'parlance.yaml:13: providers.other.baseURL: unknown setting, did you mean "baseUrl"?',
    'parlance.yaml:16: providers.other.models[0].contextWindow: must be an integer from 1 to any',
    'parlance.yaml:17: providers.other.key: must be a text',
  ]);
  const later = problems(text.split('\n').slice(0, 9).join('\n'));
  assert.equal(later.length, 3);
  assert.match(later[0] ?? '', /^parlance\.yaml:2: providers\.grok: there is no provider "grok" in the catalog, did you mean "groq"\?/);
  assert.match(
    later[1] ?? '',
    /^parlance\.yaml:4: providers\.azure.*: it needs a value for "resource": set variables\.resource, or the environment/,
  );
  assert.match(later[2] ?? '', /^parlance\.yaml:8: providers\.mine\.key: the environment variable NOT_THERE is not set$/);
});

test('config: a route says only what is its own, the rest is as routing has it', () => {
  const text = [
    'routing: { attempts: 4, breaker: { rate: 0.25 } }',
    'models:',
    '  routes:',
    '    fast:',
    '      targets:',
    '        - groq/a',
    '        - { model: together/b, weight: 2.5, timeouts: { idle: 3s } }',
    '      strategy: weighted',
    '      maxWait: 500ms',
    '      timeouts: { whole: 5s, firstOutput: 1s }',
  ].join('\n');
  const { models, routing } = load(text);
  assert.deepEqual(models.routes, {
    fast: {
      targets: [{ model: 'groq/a' }, { model: 'together/b', weight: 2.5, timeouts: { idleMs: 3000 } }],
      policy: { strategy: 'weighted', maxWaitMs: 500, wholeMs: 5000 },
      timeouts: { firstOutputMs: 1000 },
    },
  });
  assert.deepEqual([routing.attempts, routing.breaker.rate, routing.maxWaitMs], [4, 0.25, 10_000]);
  const found = problems(
    'models:\n  routes:\n    a: {}\n    b:\n      targets:\n        - model: x\n          weigth: 2\n      strategy: best\n',
  );
  assert.deepEqual(found, [
    'parlance.yaml:3: models.routes.a: must have "targets"',
    'parlance.yaml:7: models.routes.b.targets[0].weigth: unknown setting, did you mean "weight"?',
    'parlance.yaml:8: models.routes.b.strategy: must be one of ordered, weighted, least-busy, lowest-latency, cheapest',
  ]);
});

test('config: misspelt quirks and variables of a provider are refused, secret headers come from the environment', () => {
  const mine = (more: string): string => `providers:\n  mine:\n    wire: openai-chat\n    baseUrl: http://localhost:1/v1\n${more}`;
  assert.deepEqual(problems(mine('    quirks: { stopStrngs: 1 }\n')), [
    'parlance.yaml:5: providers.mine.quirks.stopStrngs: the wire openai-chat has no such quirk, did you mean "stopStrings"?',
  ]);
  assert.match(
    problems('providers:\n  bedrock:\n    variables: { regoin: x }\n')[0] ?? '',
    /variables\.regoin: .* did you mean "region"\?/,
  );
  const { providers } = load(mine('    headers: { x-token: env:TOKEN }\n'), { TOKEN: 't' });
  assert.deepEqual(providers[0]?.headers, { 'x-token': 't' });
  assert.match(
    problems(mine('    headers: { x-token: env:TOKEN }\n'))[0] ?? '',
    /headers\.x-token: the environment variable TOKEN is not set/,
  );
});

test('config: no key may have the name of those who come without one', () => {
  assert.deepEqual(problems('keys:\n  - { name: local, key: sk-12345678 }\n'), [
    'parlance.yaml:2: keys[0]: the name "local" is that of requests without a key',
  ]);
});

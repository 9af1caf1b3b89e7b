import assert from 'node:assert/strict';
import type { RequestListener } from 'node:http';
import { test, type TestContext } from 'node:test';
import { loadConfig } from '../config.ts';
import { main } from '../main.ts';
import { serving } from '../providers/http-testing.ts';
import type { Finding } from './doctor-machine.ts';
import { checkProviders } from './doctor-providers.ts';
import { checkModels } from './doctor-setup.ts';
import { fakeIo } from './output-testing.ts';

const ENV = { HOME: '/does/not/exist', XDG_CONFIG_HOME: '/does/not/exist' };
const KEY = 'sk-0123456789abcdef';

function configOf(providers: object, env: Readonly<Record<string, string>> = {}) {
  return loadConfig({ env: { ...ENV, ...env, PARLANCE_PROVIDERS: JSON.stringify(providers) }, flags: {} });
}

async function upstream(context: TestContext, listener: RequestListener) {
  const server = await serving(listener);
  context.after(() => server.stop());
  return server;
}

const answering =
  (status: number, body: unknown): RequestListener =>
  (_request, response) =>
    void response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));

const listing = (...ids: readonly string[]): RequestListener => answering(200, { object: 'list', data: ids.map((id) => ({ id })) });

const own = (url: string, more: object = {}) => ({ wire: 'openai-chat', baseUrl: `${url}/v1`, key: KEY, ...more });

const check = (providers: object, more: object = {}): Promise<readonly Finding[]> =>
  checkProviders(configOf(providers), { env: ENV, offline: false, ...more });

test('doctor: each provider is asked for its models, with its key', async (context) => {
  const keys: unknown[] = [];
  const one = await upstream(context, (request, response) => {
    keys.push(request.headers.authorization);
    listing('large', 'small')(request, response);
  });
  const other = await upstream(context, listing('only'));
  const findings = await check({ acme: own(one.url), house: own(other.url, { models: ['a', 'b'], listModels: true }) });
  assert.deepEqual(
    findings.map(({ check: name, status, message }) => [name, status, message]),
    [
      ['provider acme', 'ok', `127.0.0.1:${one.port} lists 2 models`],
      ['provider house', 'ok', `127.0.0.1:${other.port} lists 1 model; the configuration names 2`],
    ],
  );
  assert.deepEqual(keys, [`Bearer ${KEY}`]);
});

test('doctor: a provider that refuses the key is to mend, in its own words and without the key', async (context) => {
  const refusing = await upstream(context, answering(401, { error: { message: `Incorrect API key provided: ${KEY}` } }));
  const [finding] = await check({ acme: own(refusing.url) });
  assert.equal(finding?.status, 'fail');
  assert.match(finding.message, /^127\.0\.0\.1:\d+ refuses: .*status 401: Incorrect API key provided: \[key\]$/);
  assert.match(finding.advice ?? '', /key/);
});

test('doctor: a provider that is not there, fails or has no list is warned of', async (context) => {
  const gone = await upstream(context, listing());
  await gone.stop();
  const failing = await upstream(context, answering(500, { error: 'out of order' }));
  const without = await upstream(context, answering(404, { detail: 'Not Found' }));
  const empty = await upstream(context, listing());
  const findings = await check({
    gone: own(gone.url),
    ollama: { baseUrl: `${gone.url}/v1` },
    failing: own(failing.url),
    without: own(without.url),
    empty: own(empty.url),
  });
  assert.deepEqual(
    findings.map(({ status }) => status),
    ['warn', 'warn', 'warn', 'warn', 'warn'],
  );
  const [first, local, second, third, last] = findings.map(({ message, advice }) => `${message} ${advice ?? ''}`);
  assert.match(first ?? '', /^127\.0\.0\.1:\d+ refused the connection\. Check the network/);
  assert.match(local ?? '', /refused the connection\. Start it/);
  assert.match(second ?? '', /status 500: out of order/);
  assert.match(third ?? '', /status 404: Not Found listModels: false/);
  assert.match(last ?? '', /lists 0 models/);
});

test('doctor: a provider that does not answer holds nobody up', { timeout: 300_000 }, async (context) => {
  const silent = await upstream(context, () => undefined);
  const quick = await upstream(context, listing('small'));
  const findings = await check({ silent: own(silent.url), quick: own(quick.url) }, { patienceMs: 3000 });
  assert.deepEqual(
    findings.map(({ status }) => status),
    ['warn', 'ok'],
  );
  assert.match(findings[0]?.message ?? '', /^127\.0\.0\.1:\d+: no answer within 3 s$/);
});

test('doctor: credentials that are missing are to mend, and say what to set', async () => {
  const [finding] = await check({ acme: { wire: 'openai-chat', baseUrl: 'http://127.0.0.1:9/v1', key: 'not a key' } });
  assert.equal(finding?.status, 'fail');
  assert.match(finding.message, /The provider 'acme' has an API key with characters that no key has/);
});

test('doctor: where no list is asked for, the credentials alone are looked at', async () => {
  const findings = await check({
    acme: { wire: 'anthropic-messages', baseUrl: 'http://llm.acme.example/v1', key: KEY },
    house: own('http://llm.house.example', { listModels: false, models: ['a'] }),
    wrong: { wire: 'anthropic-messages', baseUrl: 'http://llm.acme.example/v1', key: 'not a key' },
  });
  assert.deepEqual(
    findings.map(({ status, message }) => [status, message.slice(0, 70)]),
    [
      ['ok', 'llm.acme.example is not asked for a list of models'],
      ['ok', 'llm.house.example is not asked for a list of models; the configuration'],
      ['fail', "The provider 'wrong' has an API key with characters that no key has: o"],
    ],
  );
});

test('doctor: a provider that offers no model is warned of', async () => {
  const [finding] = await check({ acme: own('http://llm.acme.example', { listModels: false }) });
  assert.deepEqual([finding?.status, finding?.message], ['warn', 'it offers no model']);
});

test('doctor: --offline asks nobody', async (context) => {
  let asked = 0;
  const server = await upstream(context, () => void asked++);
  const findings = await check({ acme: own(server.url) }, { offline: true });
  assert.deepEqual(
    findings.map(({ check: name, status, message }) => [name, status, message]),
    [['provider acme', 'ok', `at 127.0.0.1:${server.port}, not asked`]],
  );
  assert.equal(asked, 0);
});

test('doctor: a key in the environment whose provider lacks something else is warned of', async () => {
  const config = configOf({}, { AZURE_OPENAI_API_KEY: KEY });
  const [finding, ...more] = await checkProviders(config, { env: ENV, offline: false });
  assert.equal(finding?.status, 'warn');
  assert.match(finding.message, /^AZURE_OPENAI_API_KEY is set, but Azure OpenAI is not offered: /);
  assert.deepEqual(more, []);
});

test('doctor: without local models, providers are enough', async (context) => {
  const server = await upstream(context, listing('large'));
  const env = { PARLANCE_MODELS_BUILT_IN: 'false', PARLANCE_MODELS_DIR: '/does/not/exist' };
  const failed = async (providers: object): Promise<boolean> =>
    (await checkModels(configOf(providers, env))).some(({ message }) => /no model to answer with/.test(message));
  assert.deepEqual([await failed({ acme: own(server.url) }), await failed({})], [false, true]);
});

test('doctor: the report has a line for each provider', { timeout: 300_000 }, async (context) => {
  const server = await upstream(context, listing('large', 'small'));
  const io = fakeIo({ env: { PARLANCE_PROVIDERS: JSON.stringify({ acme: own(server.url) }) } });
  await main(['doctor', '--port', '0'], io);
  assert.match(io.out(), /^ok +provider acme +127\.0\.0\.1:\d+ lists 2 models$/m);
  const offline = fakeIo({ env: { PARLANCE_PROVIDERS: JSON.stringify({ acme: own(server.url) }) } });
  await main(['doctor', '--port', '0', '--offline'], offline);
  assert.match(offline.out(), /^ok +provider acme +at 127\.0\.0\.1:\d+, not asked$/m);
});

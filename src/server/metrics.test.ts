import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pino } from 'pino';
import { hashKey } from '../config/keys.ts';
import type { MetricsSettings } from '../config/settings.ts';
import { compose } from '../core/call.ts';
import type { Handler, Reply, Target } from '../core/call.ts';
import { GatewayError } from '../core/error.ts';
import { createAdmission } from '../gateway/admission.ts';
import { createAttempts } from '../gateway/attempts.ts';
import { createHealthBook, DEFAULT_BREAKER } from '../gateway/health.ts';
import { createLine } from '../gateway/line.ts';
import { createCatalog, createRouteOf, routed } from '../gateway/router.ts';
import { labelValues, readExposition, total } from '../telemetry/exposition-testing.ts';
import type { Exposition } from '../telemetry/exposition-testing.ts';
import { createMetrics } from '../telemetry/metrics.ts';
import { createMetricsServer } from './metrics-server.ts';
import { CHAT, connectRaw, delta, END, OPEN, START, startTestServer, streaming, wire } from './testing.ts';
import type { TestServer } from './testing.ts';

const OPEN_HERE: MetricsSettings = { enabled: true, host: '127.0.0.1', port: undefined, keySha256: undefined };
const KEYED: MetricsSettings = { ...OPEN_HERE, keySha256: hashKey('mk-secret') };
const FIGURES = { text: async () => 'figures 1\n', contentType: 'text/plain; version=0.0.4; charset=utf-8' };

const isEnvelope = (body: unknown): boolean =>
  typeof (body as { error?: { message?: unknown; type?: unknown } }).error?.message === 'string';

/** A target that does what the first word of the prompt says. */
function targetOf(id: string): Target {
  const doing: Record<string, Handler> = {
    answer: streaming(async function* () {
      yield [START, OPEN, delta('Hello')];
      yield [delta(' world')];
      yield [delta('!'), ...END];
    }),
    fail: () => Promise.reject(new GatewayError('upstream', 'broken')),
    refuse: () => Promise.reject(new GatewayError('invalid_value', 'no')),
    cut: streaming(async function* () {
      yield [START, OPEN, delta('Hel')];
      yield [{ type: 'error', error: new GatewayError('upstream', 'cut') }];
    }),
    hang: streaming(async function* ({ signal }) {
      yield [START, OPEN, delta('Hel')];
      await new Promise<void>((resolve) => signal.addEventListener('abort', resolve));
      throw signal.reason;
    }),
  };
  return {
    id,
    card: { id, created: 0, ownedBy: 'acme', provider: 'acme', endpoints: [], capabilities: {} },
    backend: {
      chat: (call): Promise<Reply> => {
        const [block] = call.request.messages.at(-1)?.blocks ?? [];
        const word = block?.type === 'text' ? block.text : '';
        return (doing[word] ?? doing['answer'] ?? assert.fail())(call);
      },
    },
  };
}

/** A server with the gateway and its metrics, and how they read over HTTP. */
async function counted() {
  const now = (): number => performance.now();
  const health = createHealthBook({ settings: DEFAULT_BREAKER, now });
  const admission = createAdmission({ maxInFlight: 4, queue: 2, maxWaitMs: 1000 });
  const targets = [targetOf('acme/large')];
  const source = { list: async () => targets, find: async (id: string) => targets.find((target) => target.id === id) };
  const attempts = createAttempts({ health, now, random: () => 0, line: createLine(2) });
  const metrics = createMetrics({
    version: '1.2.3',
    admission: () => ({ running: admission.running(), waiting: admission.waiting() }),
    targets: () => health.snapshot(),
    engines: () => [],
  });
  const server = await startTestServer({
    handler: compose(admission.layer)(routed(createRouteOf(createCatalog([source]), { pricedOnly: false }), attempts)),
    observe: metrics.observe,
    metrics: { ...metrics, settings: OPEN_HERE },
  });
  const scrape = async (): Promise<Exposition> => readExposition(await (await fetch(`${server.base}/metrics`)).text());
  return { server, scrape, [Symbol.asyncDispose]: () => server.close(0) };
}

const body = (word: string, over: object = {}): object => ({
  ...CHAT,
  model: 'acme/large',
  messages: [{ role: 'user', content: word }],
  ...over,
});

async function ask(server: TestServer, word: string, over: object = {}): Promise<number> {
  const response = await server.post(body(word, over));
  await response.text();
  return response.status;
}

const requests = (read: Exposition, labels: Record<string, string>): number =>
  total(read, 'parlance_requests_total', { route: '/v1/chat/completions', ...labels });

test('metrics: after requests good, bad, streamed, cut and cancelled, the numbers are right and the gauges at zero', async () => {
  await using place = await counted();
  const { server, scrape } = place;
  for (let i = 0; i < 3; i++) assert.equal(await ask(server, 'answer'), 200);
  for (let i = 0; i < 2; i++) assert.equal(await ask(server, 'answer', { stream: true }), 200);
  assert.equal(await ask(server, 'cut', { stream: true }), 200);
  assert.equal(await ask(server, 'refuse'), 400);
  assert.equal(await ask(server, 'answer', { temperature: 'hot' }), 400);
  assert.equal(await ask(server, 'answer', { model: 'acme/larg' }), 404);
  const hung = await connectRaw(server.port, wire(JSON.stringify(body('hang', { stream: true }))));
  await hung.until('Hel');
  const during = await scrape();
  assert.equal(total(during, 'parlance_completions_running'), 1);
  assert.equal(total(during, 'parlance_target_requests_in_flight', { target: 'acme/large' }), 1);
  hung.socket.destroy();
  // nine before it, and the scrape: what is logged is counted
  await server.logged(11);

  const read = await scrape();
  const large = { gen_ai_request_model: 'acme/large', gen_ai_provider_name: 'acme' };
  assert.equal(requests(read, { ...large, outcome: 'ok' }), 5);
  assert.equal(requests(read, { ...large, outcome: 'upstream_error' }), 1);
  assert.equal(requests(read, { ...large, outcome: 'client_error' }), 1);
  assert.equal(requests(read, { ...large, outcome: 'cancelled' }), 1);
  assert.equal(requests(read, { gen_ai_request_model: 'unknown', gen_ai_provider_name: '', outcome: 'client_error' }), 1);
  assert.equal(requests(read, { gen_ai_request_model: '', outcome: 'client_error' }), 1, 'the one that could not be read');
  assert.equal(requests(read, {}), 10);
  assert.equal(total(read, 'gen_ai_server_request_duration_seconds_count', { ...large, error_type: '' }), 5);
  assert.equal(total(read, 'gen_ai_server_request_duration_seconds_count', { error_type: 'cancelled' }), 1);
  assert.equal(total(read, 'gen_ai_server_time_to_first_token_seconds_count', large), 7, 'the one that was cut and the cancelled one too');
  assert.equal(total(read, 'gen_ai_client_operation_time_per_output_chunk_seconds_count', large), 10, 'two of each answer');
  assert.equal(total(read, 'gen_ai_client_inference_usage_input_tokens_total', large), 35);
  assert.equal(total(read, 'gen_ai_client_inference_usage_output_tokens_total', large), 10);
  assert.equal(total(read, 'gen_ai_client_inference_usage_cache_read_input_tokens_total', large), 15);
  assert.equal(total(read, 'parlance_attempts_total', { target: 'acme/large' }), 8);
  assert.equal(total(read, 'parlance_attempts_total', { outcome: 'cancelled' }), 1);
  assert.equal(total(read, 'parlance_requests_total', { route: '/metrics', outcome: 'ok' }), 1);
  assert.equal(total(read, 'parlance_completions_running'), 0);
  assert.equal(total(read, 'parlance_completions_waiting'), 0);
  assert.equal(total(read, 'parlance_target_requests_in_flight'), 0);
});

test('metrics: a target that fails is retried, and its breaker shows', async () => {
  await using place = await counted();
  const { server, scrape } = place;
  assert.equal(await ask(server, 'answer'), 200);
  assert.equal(total(await scrape(), 'parlance_target_breaker_state', { target: 'acme/large' }), 0);
  for (let i = 0; i < 2; i++) assert.equal(await ask(server, 'fail'), 502);
  await server.logged(4);
  const read = await scrape();
  assert.equal(total(read, 'parlance_target_breaker_state', { target: 'acme/large' }), 2);
  assert.equal(total(read, 'parlance_attempts_total', { target: 'acme/large', outcome: 'upstream_error' }), 5);
  assert.equal(total(read, 'parlance_attempts_total', { reason: 'retry' }), 3, 'two of the first request, one until the breaker opened');
  assert.equal(requests(read, { gen_ai_request_model: 'acme/large', outcome: 'upstream_error' }), 2);
});

test('metrics: invented models make one label', async () => {
  await using place = await counted();
  const { server, scrape } = place;
  for (let round = 0; round < 4; round++) {
    const names = Array.from({ length: 100 }, (_, i) => `invented-${round}-${i}`);
    const statuses = await Promise.all(names.map((model) => ask(server, 'answer', { model })));
    assert.ok(statuses.every((status) => status === 404 || status === 503));
  }
  await server.logged(400);
  const read = await scrape();
  assert.deepEqual(labelValues(read, 'parlance_requests_total', 'gen_ai_request_model'), ['unknown']);
  assert.equal(requests(read, { gen_ai_request_model: 'unknown' }), 400);
});

test('metrics: neither a path nor a model in a path becomes a label', async () => {
  await using place = await counted();
  const { server, scrape } = place;
  for (const path of ['/v1/models/acme/large', '/v1/models/nobody', '/nowhere/1', '/nowhere/2', '/v1/chat/completions']) {
    await (await fetch(server.base + path)).text();
  }
  await server.logged(5);
  const read = await scrape();
  assert.deepEqual(labelValues(read, 'parlance_requests_total', 'route'), ['(none)', '/v1/models/*']);
  assert.deepEqual(labelValues(read, 'parlance_requests_total', 'gen_ai_request_model'), ['']);
});

test('metrics: what fails in counting is logged, and does no harm', async () => {
  const observe = (): never => {
    throw new Error('miscounted');
  };
  await using server = await startTestServer({ observe });
  assert.equal(await ask(server, 'answer'), 200);
  const lines = await server.logged(2);
  assert.match(JSON.stringify(lines[1]), /could not be counted.*|miscounted/);
  assert.equal(await ask(server, 'answer'), 200);
});

test('metrics: on loopback they are open, under the names of this machine alone', async () => {
  await using server = await startTestServer({
    metrics: { ...FIGURES, settings: OPEN_HERE },
    keys: ['sk-1'],
    settings: { allowedHosts: ['me.test'] },
  });
  const response = await fetch(`${server.base}/metrics`);
  assert.deepEqual([response.status, await response.text()], [200, 'figures 1\n']);
  assert.equal(response.headers.get('content-type'), FIGURES.contentType);
  assert.equal(response.headers.get('cache-control'), 'no-store');
  const head = await fetch(`${server.base}/metrics`, { method: 'HEAD' });
  assert.deepEqual([head.status, await head.text()], [200, '']);
  assert.equal((await fetch(`${server.base}/metrics`, { method: 'POST' })).status, 405);

  const asked = async (headers: readonly string[]): Promise<string> => {
    const client = await connectRaw(server.port, ['GET /metrics HTTP/1.1', ...headers, 'Connection: close', '', ''].join('\r\n'));
    return (await client.whole()).slice(9, 12);
  };
  assert.equal(await asked(['Host: localhost:9']), '200');
  assert.equal(await asked(['Host: [::1]:9']), '200');
  assert.equal(await asked(['Host: me.test']), '200');
  assert.equal(await asked(['Host: evil.test']), '400');
  assert.equal(await asked(['Host: localhost', 'Origin: https://evil.test']), '403', 'a page may not read them');
  assert.equal(await asked(['Host: localhost', 'Origin: http://localhost:3000']), '200');
});

test('metrics: where others can reach the server, they need their own key, and no other will do', async () => {
  const shown = { ...FIGURES, settings: KEYED };
  await using server = await startTestServer({ metrics: shown, keys: ['sk-1'], settings: { host: '0.0.0.0' } });
  const get = (headers: Record<string, string>): Promise<Response> => fetch(`${server.base}/metrics`, { headers });
  for (const [headers, code] of [
    [{}, null],
    [{ authorization: 'Bearer wrong' }, 'invalid_api_key'],
    [{ authorization: 'Bearer sk-1' }, 'invalid_api_key'],
    [{ authorization: 'mk-secret' }, null],
  ] as const) {
    const response = await get(headers);
    assert.equal(response.status, 401);
    assert.equal(response.headers.get('www-authenticate'), 'Bearer');
    const { error } = (await response.json()) as { error: { code: string | null; message: string } };
    assert.equal(error.code, code);
    assert.match(error.message, /metrics\.key/);
  }
  const response = await get({ authorization: 'Bearer mk-secret' });
  assert.deepEqual([response.status, await response.text()], [200, 'figures 1\n']);
  assert.equal((await server.post(CHAT, { authorization: 'Bearer mk-secret' })).status, 401, 'nor does it open the API');
});

test('metrics: a key that is set is needed on loopback too; without one, a server that others reach shows nothing', async () => {
  await using local = await startTestServer({ metrics: { ...FIGURES, settings: KEYED } });
  assert.equal((await fetch(`${local.base}/metrics`)).status, 401);
  await using wide = await startTestServer({ metrics: { ...FIGURES, settings: OPEN_HERE }, keys: ['sk-1'], settings: { host: '0.0.0.0' } });
  const refused = await fetch(`${wide.base}/metrics`, { headers: { authorization: 'Bearer sk-1' } });
  assert.equal(refused.status, 401);
  assert.match(await refused.text(), /Set metrics\.key, or metrics\.port/);
});

test('metrics: there are none where they are off, or have a port of their own', async () => {
  await using off = await startTestServer();
  assert.equal((await fetch(`${off.base}/metrics`)).status, 404);
  await using aside = await startTestServer({ metrics: { ...FIGURES, settings: { ...OPEN_HERE, port: 9464 } } });
  assert.equal((await fetch(`${aside.base}/metrics`)).status, 404);
});

test('metrics: their own port answers them and nothing else, by the same rules', async () => {
  const log = pino({ level: 'silent' });
  const open = createMetricsServer({ ...FIGURES, settings: OPEN_HERE }, log);
  const keyed = createMetricsServer({ ...FIGURES, settings: { ...KEYED, host: '0.0.0.0' } }, log);
  const broken = createMetricsServer({ ...FIGURES, text: () => Promise.reject(new Error('no figures')), settings: OPEN_HERE }, log);
  try {
    const [at, keyedAt, brokenAt] = await Promise.all(
      [open, keyed, broken].map(async (server) => `http://127.0.0.1:${(await server.listen(0)).port}`),
    );
    const response = await fetch(`${at}/metrics?x=1`);
    assert.deepEqual([response.status, await response.text()], [200, 'figures 1\n']);
    assert.equal(response.headers.get('content-type'), FIGURES.contentType);
    assert.equal((await fetch(`${at}/metrics`, { method: 'HEAD' })).headers.get('content-length'), '10');
    for (const [url, init, status] of [
      [`${at}/`, {}, 404],
      [`${at}/v1/models`, {}, 404],
      [`${at}/metrics`, { method: 'POST', body: '{}' }, 405],
      [`${at}/metrics`, { headers: { origin: 'https://evil.test' } }, 403],
      [`${keyedAt}/metrics`, {}, 401],
      [`${keyedAt}/`, {}, 401],
      [`${brokenAt}/metrics`, {}, 500],
    ] as const) {
      const refused = await fetch(url, init);
      assert.equal(refused.status, status, url);
      assert.ok(isEnvelope(await refused.json()));
      assert.match(refused.headers.get('x-request-id') ?? '', /^req_/);
    }
    const welcome = await fetch(`${keyedAt}/metrics`, { headers: { authorization: 'Bearer mk-secret' } });
    assert.equal(welcome.status, 200);
  } finally {
    await Promise.all([open.close(), keyed.close(), broken.close()]);
  }
});

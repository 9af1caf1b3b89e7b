import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GatewayError } from '../core/error.ts';
import { CHAT, END, OPEN, START, bodyOf, connectRaw, delta, startTestServer, streaming } from './testing.ts';

interface Envelope {
  readonly error: { readonly message: string; readonly type: string; readonly param: string | null; readonly code: string | null };
}

async function refusal(response: Response): Promise<Envelope['error'] & { readonly status: number }> {
  assert.equal(response.headers.get('content-type'), 'application/json');
  assert.match(response.headers.get('x-request-id') ?? '', /^req_[0-9a-f]{32}$/);
  assert.match(response.headers.get('openai-processing-ms') ?? '', /^\d+$/);
  const { error } = (await response.json()) as Envelope;
  assert.deepEqual(Object.keys(error), ['message', 'type', 'param', 'code']);
  return { status: response.status, ...error };
}

test('server: a completion is one JSON body with request id and processing time', async () => {
  await using server = await startTestServer();
  for (const path of ['/v1/chat/completions', '/chat/completions', '/v1/chat/completions/', '/v1//chat/completions']) {
    const response = await server.post(CHAT, {}, path);
    assert.equal(response.status, 200, path);
    assert.equal(response.headers.get('content-type'), 'application/json');
    assert.match(response.headers.get('x-request-id') ?? '', /^req_/);
    assert.match(response.headers.get('openai-processing-ms') ?? '', /^\d+$/);
    const body = (await response.json()) as { choices: { message: { content: string } }[]; usage: { total_tokens: number } };
    assert.equal(body.choices[0]?.message.content, 'Hello world');
    assert.equal(body.usage.total_tokens, 9);
  }
});

test('server: the key is checked before the media type, that before the JSON, that before the fields', async () => {
  await using server = await startTestServer({ keys: ['right'] });
  const key = { authorization: 'Bearer right' };
  const broken = '{"model":';
  assert.equal((await refusal(await server.post(broken, { 'content-type': 'text/plain' }))).status, 401);
  assert.equal((await refusal(await server.post(broken, { ...key, 'content-type': 'text/plain' }))).status, 415);
  assert.equal((await refusal(await server.post(broken, key))).code, 'invalid_json');
  assert.equal((await refusal(await server.post({ messages: 7, temperature: 9 }, key))).param, 'model');
  assert.equal((await refusal(await server.post({ model: 'm', temperature: 9 }, key))).param, 'messages');
});

test('auth: no key is 401 without a code, an unknown one is invalid_api_key, a known one passes', async () => {
  await using server = await startTestServer({ keys: ['one', 'two'] });
  const none = await server.post(CHAT);
  assert.equal(none.headers.get('www-authenticate'), 'Bearer');
  const { status, type, code, param } = await refusal(none);
  assert.deepEqual({ status, type, code, param }, { status: 401, type: 'invalid_request_error', code: null, param: null });
  assert.equal((await refusal(await server.post(CHAT, { authorization: 'Bearer three' }))).code, 'invalid_api_key');
  assert.equal((await refusal(await server.post(CHAT, { authorization: 'Basic b25l' }))).code, null);
  assert.equal((await refusal(await server.post(CHAT, { authorization: 'Bearer ' }))).code, null);
  for (const headers of [{ authorization: 'Bearer one' }, { authorization: 'bearer two' }, { 'x-api-key': 'two' }]) {
    assert.equal((await server.post(CHAT, headers)).status, 200);
  }
  assert.equal((await fetch(`${server.base}/v1/models`)).status, 401);
  for (const path of ['/health', '/ready', '/', '/openapi.json']) assert.equal((await fetch(server.base + path)).status, 200, path);
});

test('auth: without configured keys any key is accepted and the principal is local', async () => {
  let principal: string | undefined;
  await using server = await startTestServer({
    handler: async (call) => {
      principal = call.principal.id;
      throw new GatewayError('insufficient_quota', 'Used up.');
    },
  });
  await server.post(CHAT, { authorization: 'Bearer whatever' });
  assert.equal(principal, 'local');
});

test('auth: the key in use is named in the log, and no key is', async () => {
  await using server = await startTestServer({ keys: ['secret-one', 'secret-two'] });
  await server.post(CHAT, { authorization: 'Bearer secret-two' });
  await server.post(CHAT, { authorization: 'Bearer secret-three' });
  const lines = await server.logged(2);
  assert.equal(lines[0]?.['key'], 'key-2');
  assert.doesNotMatch(JSON.stringify(lines), /secret/);
});

test('host: a server without keys answers to loopback names and allowed ones only', async () => {
  await using server = await startTestServer({ settings: { allowedHosts: ['models.lan'] } });
  const ask = async (host: string) =>
    (await connectRaw(server.port, `GET /v1/models HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`)).whole();
  for (const host of ['localhost', 'localhost:1', '127.0.0.1:11435', '[::1]:11435', 'app.localhost', 'Models.LAN:80']) {
    assert.match(await ask(host), /^HTTP\/1.1 200 /, host);
  }
  for (const host of ['evil.example', 'localhost.evil.example', '10.0.0.1', '127.0.0.1.evil.example', '']) {
    const received = await ask(host);
    assert.match(received, /^HTTP\/1.1 400 /, host);
    assert.equal((bodyOf(received) as Envelope).error.code, 'bad_request');
  }
});

test('host: with keys any host name will do, and HTTP/1.1 needs one', async () => {
  await using server = await startTestServer({ keys: ['k'] });
  const ask = async (head: string) => (await connectRaw(server.port, `${head}\r\nConnection: close\r\n\r\n`)).whole();
  assert.match(await ask('GET /health HTTP/1.1\r\nHost: api.example'), /^HTTP\/1.1 200 /);
  assert.match(await ask('GET /health HTTP/1.0'), /^HTTP\/1.1 200 /);
  const bare = await ask('GET /health HTTP/1.1');
  assert.match(bare, /^HTTP\/1.1 400 /);
  assert.match((bodyOf(bare) as Envelope).error.message, /Host header/);
});

test('errors: unknown paths are 404 unknown_url, wrong methods 405 with Allow', async () => {
  await using server = await startTestServer();
  const unknown = await refusal(await server.post(CHAT, {}, '/v1/nowhere'));
  assert.deepEqual([unknown.status, unknown.code, unknown.type], [404, 'unknown_url', 'invalid_request_error']);
  for (const [method, path, allow] of [
    ['GET', '/v1/chat/completions', 'POST, OPTIONS'],
    ['DELETE', '/models/a/b', 'GET, HEAD, OPTIONS'],
    ['PUT', '/health', 'GET, HEAD, OPTIONS'],
    ['PROPFIND', '/chat/completions/', 'POST, OPTIONS'],
  ] as const) {
    const response = await fetch(server.base + path, { method });
    assert.equal(response.headers.get('allow'), allow);
    const error = await refusal(response);
    assert.deepEqual([error.status, error.code], [405, 'method_not_allowed'], `${method} ${path}`);
  }
  const bad = await refusal(await fetch(`${server.base}/v1/models/%ff`));
  assert.deepEqual([bad.status, bad.code], [400, 'bad_request']);
});

test('errors: a wrong media type, charset or content encoding is 415', async () => {
  await using server = await startTestServer();
  for (const type of [
    'text/plain',
    'application/json; charset=latin1',
    'multipart/form-data; boundary=x',
    'application/jsonp',
    'nonsense',
    'application/xml',
  ]) {
    const error = await refusal(await server.post(CHAT, { 'content-type': type }));
    assert.deepEqual([error.status, error.code, error.param], [415, 'unsupported_media_type', null], type);
  }
  const packed = await refusal(await server.post(CHAT, { 'content-encoding': 'gzip' }));
  assert.equal(packed.status, 415);
  for (const type of ['application/json; charset=utf-8', 'Application/JSON;charset="UTF-8"', 'application/vnd.api+json; version=1']) {
    assert.equal((await server.post(CHAT, { 'content-type': type })).status, 200, type);
  }
  const untyped = await fetch(`${server.base}/v1/chat/completions`, {
    method: 'POST',
    body: new Uint8Array(Buffer.from(JSON.stringify(CHAT))),
  });
  assert.equal(untyped.status, 200);
});

test('errors: a body that is no JSON, no UTF-8, empty or too deep is 400 invalid_json and says which', async () => {
  await using server = await startTestServer({ settings: { jsonDepth: 20 } });
  for (const [body, words] of [
    ['{"model": ', /not valid JSON/],
    ['', /empty/],
    [Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x7d]), /UTF-8/],
    ['['.repeat(500_000), /20 levels/],
    [`{"a":${'['.repeat(20)}${']'.repeat(20)}}`, /20 levels/],
  ] as const) {
    const error = await refusal(await server.post(body));
    assert.deepEqual([error.status, error.code, error.param], [400, 'invalid_json', null]);
    assert.match(error.message, words);
  }
  const array = await refusal(await server.post('[1]'));
  assert.equal(array.status, 400);
});

test('errors: __proto__ in a body changes nothing but is reported', async () => {
  await using server = await startTestServer();
  const response = await server.post(
    '{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}},"model":"test","messages":[{"role":"user","content":"x"}]}',
  );
  assert.equal(response.status, 200);
  assert.equal(({} as Record<string, unknown>)['polluted'], undefined);
  assert.match(response.headers.get('x-parlance-ignored-params') ?? '', /__proto__/);
});

test('errors: a body beyond the limit is 413, announced or not, and the answer arrives while the client still sends', async () => {
  await using server = await startTestServer({ settings: { bodyLimit: 10_000 } });
  const announced = await refusal(await server.post('x'.repeat(4_000_000)));
  assert.deepEqual([announced.status, announced.code], [413, 'request_too_large']);
  const chunk = `3e8\r\n${'x'.repeat(1000)}\r\n`;
  const client = await connectRaw(
    server.port,
    `POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n${chunk.repeat(2000)}0\r\n\r\n`,
  );
  assert.match(await client.until('request_too_large'), /^HTTP\/1.1 413 /);
  client.socket.destroy();
});

test('errors: what fails before the first output has the status of its kind, streamed or not', async () => {
  const cases = [
    [new GatewayError('model_not_found', 'No such model.', { param: 'model' }), 404, 'model_not_found'],
    [new GatewayError('upstream', 'Nonsense.'), 502, 'upstream_error'],
    [new Error('a secret inside'), 500, 'internal_error'],
  ] as const;
  for (const [thrown, status, code] of cases) {
    await using server = await startTestServer({ handler: () => Promise.reject(thrown) });
    for (const stream of [false, true]) {
      const error = await refusal(await server.post({ ...CHAT, stream }));
      assert.deepEqual([error.status, error.code], [status, code]);
      assert.doesNotMatch(error.message, /secret/);
    }
  }
  await using server = await startTestServer({
    handler: streaming(async function* () {
      yield [{ type: 'error', error: new GatewayError('overloaded', 'Full.') }];
    }),
  });
  assert.equal((await refusal(await server.post({ ...CHAT, stream: true }))).status, 503);
});

test('errors: 503 and 429 say when to come again, a used-up quota that it does not help', async () => {
  const ask = async (error: GatewayError) => {
    await using server = await startTestServer({ handler: () => Promise.reject(error) });
    const { headers } = await server.post(CHAT);
    return ['retry-after', 'retry-after-ms', 'x-should-retry'].map((name) => headers.get(name));
  };
  assert.deepEqual(await ask(new GatewayError('overloaded', 'Full.')), ['1', '1000', null]);
  assert.deepEqual(await ask(new GatewayError('overloaded', 'Full.', { retryAfterMs: 120 })), ['1', '120', null]);
  assert.deepEqual(await ask(new GatewayError('rate_limited_requests', 'Slow.', { retryAfterMs: 2100 })), ['3', '2100', null]);
  assert.deepEqual(await ask(new GatewayError('insufficient_quota', 'Used up.')), [null, null, 'false']);
  assert.deepEqual(await ask(new GatewayError('upstream', 'Broken.')), [null, null, null]);
});

test('cors: any origin may call, send the SDKs headers and read ours', async () => {
  await using server = await startTestServer({ keys: ['k'] });
  const preflight = await fetch(`${server.base}/v1/chat/completions`, {
    method: 'OPTIONS',
    headers: {
      origin: 'https://app.example',
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'authorization, content-type, x-stainless-os, X-Stainless-Retry-Count, x-evil, x-stainless-<b>',
    },
  });
  assert.equal(preflight.status, 204);
  assert.equal(preflight.headers.get('access-control-allow-origin'), '*');
  assert.match(preflight.headers.get('access-control-allow-methods') ?? '', /POST/);
  assert.ok(Number(preflight.headers.get('access-control-max-age')) > 0);
  const allowed = (preflight.headers.get('access-control-allow-headers') ?? '').split(', ');
  for (const name of ['authorization', 'content-type', 'x-stainless-os', 'x-stainless-retry-count'])
    assert.ok(allowed.includes(name), name);
  assert.ok(!allowed.some((name) => name.includes('evil') || name.includes('<')));
  const denied = await server.post(CHAT, { origin: 'https://app.example' });
  assert.equal(denied.status, 401);
  assert.equal(denied.headers.get('access-control-allow-origin'), '*');
  const exposed = (denied.headers.get('access-control-expose-headers') ?? '').split(', ');
  for (const name of ['x-request-id', 'x-ratelimit-remaining-tokens', 'retry-after', 'x-parlance-ignored-params'])
    assert.ok(exposed.includes(name), name);
});

test('cors: with origins named, only those are let in', async () => {
  await using server = await startTestServer({ settings: { corsOrigins: ['https://a.example'] } });
  const origins = async (origin: string) => {
    const { headers } = await server.post(CHAT, { origin });
    return [headers.get('access-control-allow-origin'), headers.get('vary')];
  };
  assert.deepEqual(await origins('https://a.example'), ['https://a.example', 'Origin']);
  assert.deepEqual(await origins('https://b.example'), [null, 'Origin']);
});

test('cors: without keys only pages of this machine and installed apps may ask at all', async () => {
  await using server = await startTestServer({ settings: { corsOrigins: ['local'] } });
  const ask = async (origin: string) => {
    const response = await server.post(CHAT, { origin });
    return [response.status, response.headers.get('access-control-allow-origin')];
  };
  for (const origin of ['http://localhost:3000', 'http://127.0.0.1', 'https://[::1]:8443', 'app://obsidian.md']) {
    assert.deepEqual(await ask(origin), [200, origin]);
  }
  for (const origin of ['https://evil.example', 'null', 'http://localhost.evil.example', 'http://127.0.0.1.evil.example']) {
    assert.deepEqual(await ask(origin), [403, null], origin);
  }
  assert.equal((await server.post(CHAT)).status, 200, 'who sends no origin is no browser');
});

test('server: ignored fields are named in a header that stays within bounds; strict mode refuses them', async () => {
  await using server = await startTestServer({
    handler: async (call) => ({
      kind: 'stream',
      ignored: ['store', 'wörld, x', ...Array.from({ length: 500 }, (_, index) => `field_${index}`)],
      batches: (async function* () {
        assert.equal(call.strict, false);
        yield { events: [START, OPEN, delta('x'), ...END] };
      })(),
    }),
  });
  for (const stream of [false, true]) {
    const value = (await server.post({ ...CHAT, stream })).headers.get('x-parlance-ignored-params') ?? '';
    assert.match(value, /^store, w%C3%B6rld%2C%20x, field_0, /);
    assert.match(value, /, \.\.\.\+\d+$/);
    assert.ok(value.length < 2100);
  }
  await using strict = await startTestServer({ settings: { strict: true } });
  const error = await refusal(await strict.post({ ...CHAT, flavour: 1 }));
  assert.deepEqual([error.code, error.param], ['unknown_parameter', 'flavour']);
});

test('models: list and one, with an id that has slashes in it either way', async () => {
  const card = {
    id: 'org/model:Q4',
    created: 5,
    ownedBy: 'org',
    endpoints: ['/v1/chat/completions'],
    contextWindow: 2048,
    capabilities: {
      tools: true,
      structuredOutput: true,
      logprobs: true,
      reasoning: false,
      inputModalities: ['text'],
      outputModalities: ['text'],
    },
  };
  await using server = await startTestServer({ models: [card] });
  const list = (await (await fetch(`${server.base}/v1/models`)).json()) as { object: string; data: { id: string }[] };
  assert.deepEqual([list.object, list.data.map(({ id }) => id)], ['list', ['org/model:Q4']]);
  for (const path of ['/v1/models/org/model:Q4', '/v1/models/org%2Fmodel%3AQ4', '/models/org%2Fmodel:Q4']) {
    const one = (await (await fetch(server.base + path)).json()) as { id: string; object: string };
    assert.deepEqual([one.id, one.object], ['org/model:Q4', 'model'], path);
  }
  const missing = await refusal(await fetch(`${server.base}/v1/models/nope`));
  assert.deepEqual([missing.status, missing.code, missing.param], [404, 'model_not_found', 'model']);
});

test('health: alive is always 200; ready is 503 while nothing can answer', async () => {
  let ready = false;
  await using server = await startTestServer({ ready: async () => ({ ready, detail: { models: 0 } }) });
  assert.equal((await fetch(`${server.base}/health`)).status, 200);
  const not = await fetch(`${server.base}/ready`);
  assert.deepEqual([not.status, await not.json()], [503, { status: 'not_ready', models: 0 }]);
  ready = true;
  assert.equal((await fetch(`${server.base}/ready`)).status, 200);
});

test('openapi: the description is JSON and names the chat route', async () => {
  await using server = await startTestServer();
  const document = (await (await fetch(`${server.base}/openapi.json`)).json()) as { openapi: string; paths: Record<string, unknown> };
  assert.match(document.openapi, /^3\.1/);
  const paths = Object.keys(document.paths);
  assert.ok(paths.includes('/v1/chat/completions'));
  // this server keeps nothing
  assert.deepEqual(
    paths.filter((path) => path.startsWith('/admin/') || path === '/v1/me'),
    [],
  );
});

test('docs: the page and its script come from this server and name no other', async () => {
  await using server = await startTestServer();
  const page = await fetch(`${server.base}/docs`);
  assert.equal(page.url, `${server.base}/docs/`);
  assert.match(page.headers.get('content-type') ?? '', /^text\/html/);
  assert.match(page.headers.get('content-security-policy') ?? '', /default-src 'self'/);
  const html = await page.text();
  assert.doesNotMatch(html, /https?:\/\//);
  const [, src = ''] = /<script src="([^"]+)"/.exec(html) ?? [];
  const script = await fetch(new URL(src, page.url));
  assert.match(script.headers.get('content-type') ?? '', /javascript/);
  assert.ok((await script.text()).length > 1_000_000);
  const again = await fetch(script.url, { headers: { 'if-none-match': script.headers.get('etag') ?? '' } });
  assert.equal(again.status, 304);
});

test('log: one line a request, with tokens, times and outcome, without contents', async () => {
  await using server = await startTestServer();
  await (await server.post({ ...CHAT, messages: [{ role: 'user', content: 'confidential' }], user: 'u'.repeat(100) })).text();
  await (await server.post({ model: 'test', messages: [{ role: 'confidential', content: 'x' }] })).text();
  const lines = await server.logged(2);
  const { time, firstTokenMs, ms, id, ...line } = lines[0] ?? {};
  assert.ok(time !== undefined);
  assert.ok(typeof firstTokenMs === 'number' && typeof ms === 'number' && firstTokenMs <= ms);
  assert.match(String(id), /^req_/);
  assert.deepEqual(line, {
    level: 30,
    method: 'POST',
    route: '/v1/chat/completions',
    status: 200,
    outcome: 'ok',
    key: 'local',
    user: `${'u'.repeat(64)}…`,
    model: 'test',
    stream: false,
    finish: 'stop',
    promptTokens: 7,
    completionTokens: 2,
    cachedTokens: 3,
    msg: 'request',
  });
  const { status, outcome, error, param } = lines[1] ?? {};
  assert.deepEqual(
    { status, outcome, error, param },
    { status: 400, outcome: 'client_error', error: 'invalid_value', param: 'messages[0].role' },
  );
  assert.doesNotMatch(JSON.stringify(lines), /confidential/);
});

test('log: what a client names cannot speak to the terminal of who reads it', async () => {
  await using server = await startTestServer();
  await (await server.post({ ...CHAT, user: 'a\u001b[2J\u009b2J\u007f' })).text();
  assert.equal((await server.logged(1))[0]?.['user'], 'a\u001b[2J\\u009b2J\\u007f');
});

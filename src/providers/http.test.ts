import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { connect, createServer as createNetServer } from 'node:net';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { gzipSync } from 'node:zlib';
import { GatewayError } from '../core/error.ts';
import { LONG, running, selfSigned, serving } from './http-testing.ts';
import type { Running } from './http-testing.ts';
import { createHttp } from './http.ts';
import type { Http, HttpAnswer, HttpOptions } from './http.ts';
import type { OutgoingCall, Timeouts } from './provider.ts';
import { notReached } from './unreached.ts';

interface Given {
  readonly timeouts?: Partial<Timeouts>;
  readonly signal?: AbortSignal;
  readonly call?: Partial<OutgoingCall>;
}

function client(t: TestContext, options: Partial<HttpOptions> = {}): Http {
  const http = createHttp({ userAgent: 'parlance/0', ...options });
  t.after(() => http.close());
  return http;
}

type Listener = (request: IncomingMessage, response: ServerResponse) => unknown;

async function server(t: TestContext, listener: Listener): Promise<Running> {
  const upstream = await serving((request, response) => void listener(request, response));
  t.after(() => upstream.stop());
  return upstream;
}

/** A server that says these bytes to whoever sends a request. */
async function saying(t: TestContext, speak: (socket: Socket) => void): Promise<Running> {
  const upstream = await running(createNetServer((socket) => socket.once('data', () => speak(socket))));
  t.after(() => upstream.stop());
  return upstream;
}

function send(http: Http, url: string, { timeouts = {}, signal = new AbortController().signal, call = {} }: Given = {}) {
  return http.send(
    { url, method: 'POST', headers: { 'content-type': 'application/json' }, body: '{}', ...call },
    { timeouts: { ...LONG, ...timeouts }, signal },
  );
}

const fails = (promise: Promise<unknown>, kind: string, message: RegExp): Promise<void> =>
  assert.rejects(promise, (error: unknown) => {
    assert.ok(error instanceof GatewayError, String(error));
    assert.equal(error.kind, kind);
    assert.match(error.message, message);
    assert.equal(error.retryable, true);
    return true;
  });

async function bodyOf(request: IncomingMessage): Promise<string> {
  request.setEncoding('utf8');
  let body = '';
  for await (const text of request) body += String(text);
  return body;
}

async function pieces(answer: HttpAnswer): Promise<string[]> {
  const texts: string[] = [];
  for await (const chunk of answer.read()) texts.push(Buffer.from(chunk).toString());
  return texts;
}

/** The connections that a server has come down to `count`; the test's own time-out says when they do not. */
async function openConnections(upstream: Running, count: number): Promise<void> {
  while (upstream.sockets.size > count) {
    const [socket] = upstream.sockets;
    // not events.once, which takes a reset for a failure
    if (socket) await new Promise((resolve) => void socket.once('close', resolve));
  }
}

test('http: what is sent arrives as it is, with a user agent and no wish for compression', async (t) => {
  let seen: unknown;
  const upstream = await server(t, async (request, response) => {
    const { method, url, headers } = request;
    seen = { method, url, agent: headers['user-agent'], encoding: headers['accept-encoding'], key: headers['x-api-key'] };
    response.end(await bodyOf(request));
  });
  const answer = await send(client(t), `${upstream.url}/v1/a%3Ab/chat?x=1`, { call: { headers: { 'x-api-key': 'k' }, body: '{"a":"ü"}' } });
  assert.equal(await answer.text(), '{"a":"ü"}');
  assert.deepEqual(seen, { method: 'POST', url: '/v1/a%3Ab/chat?x=1', agent: 'parlance/0', encoding: 'identity', key: 'k' });
});

test('http: a GET has no body', async (t) => {
  const upstream = await server(t, async (request, response) => {
    response.end(`${request.method} ${request.headers['content-length'] ?? 'none'} ${await bodyOf(request)}`);
  });
  const answer = await send(client(t), upstream.url, { call: { method: 'GET', body: '' } });
  assert.equal(await answer.text(), 'GET none ');
});

test('http: any status but a redirect is an answer, header names are in lower case', async (t) => {
  const upstream = await server(t, (_request, response) => {
    response.writeHead(429, { 'Retry-After': '3', 'X-Twice': ['a', 'b'] }).end('slow down');
  });
  const answer = await send(client(t), upstream.url);
  assert.equal(answer.status, 429);
  assert.equal(answer.headers['retry-after'], '3');
  assert.equal(answer.headers['x-twice'], 'a, b');
  assert.equal(await answer.text(), 'slow down');
});

test('http: a redirect is refused, and where it leads is not asked', async (t) => {
  const upstream = await server(t, (request, response) => {
    assert.equal(request.url, '/a');
    response.writeHead(307, { location: 'http://elsewhere.test/b?key=secret' }).end();
  });
  await fails(
    send(client(t), `${upstream.url}/a`),
    'upstream',
    /^127\.0\.0\.1:\d+ answers with a redirect to http:\/\/elsewhere\.test \(307\)/,
  );
});

test('http: an answer that is compressed all the same is refused by name', async (t) => {
  const upstream = await server(t, (_request, response) => {
    response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync('{}'));
  });
  await fails(send(client(t), upstream.url), 'upstream', /compressed its answer \(gzip\)/);
});

test('http: connections are kept and used again, one request on each at a time', async (t) => {
  const upstream = await server(t, (_request, response) => response.end('ok'));
  const http = client(t);
  for (let request = 0; request < 3; request += 1) {
    assert.equal(await (await send(http, upstream.url)).text(), 'ok');
  }
  assert.equal(upstream.connections(), 1);
  await Promise.all(Array.from({ length: 8 }, async () => (await send(http, upstream.url)).text()));
  assert.equal(upstream.connections(), 8);
});

test('http: pieces are read as they come', async (t) => {
  let response: ServerResponse | undefined;
  const upstream = await server(t, (_request, own) => {
    response = own;
    own.write('one');
  });
  const reader = (await send(client(t), upstream.url)).read()[Symbol.asyncIterator]();
  for (const word of ['one', 'two', 'three']) {
    if (word !== 'one') response?.write(word);
    const { value } = await reader.next();
    assert.equal(Buffer.from(value as Uint8Array).toString(), word);
  }
  response?.end();
  assert.deepEqual(await reader.next(), { done: true, value: undefined });
});

test('http: a reader that does not read holds the provider back', async (t) => {
  const total = 64 * 1024 * 1024;
  let response: ServerResponse | undefined;
  const upstream = await server(t, (_request, own) => {
    response = own;
    own.write(Buffer.alloc(total));
  });
  const answer = await send(client(t), upstream.url);
  const reader = answer.read()[Symbol.asyncIterator]();
  await reader.next();
  const socket = response?.socket;
  assert.ok(socket);
  // as long as what is on its way grows smaller, the buffers of both ends are still filling
  for (let before = -1; before !== socket.bytesWritten - socket.writableLength;) {
    before = socket.bytesWritten - socket.writableLength;
    for (let turn = 0; turn < 50; turn += 1) await new Promise(setImmediate);
  }
  assert.ok(socket.writableLength > total / 2, `${socket.writableLength} bytes wait at the sender`);
  let length = 0;
  response?.end();
  for (let next = await reader.next(); !next.done; next = await reader.next()) length += next.value.length;
  assert.ok(length > total - 1024 * 1024, `${length} bytes arrived`);
});

test('http: the signal ends a request that waits for its answer', async (t) => {
  const controller = new AbortController();
  const reason = new Error('the client went away');
  const upstream = await server(t, () => controller.abort(reason));
  await assert.rejects(send(client(t), upstream.url, { signal: controller.signal }), (error) => error === reason);
  await openConnections(upstream, 0);
});

test('http: a signal that fired before sends nothing', async (t) => {
  const upstream = await server(t, () => assert.fail('a request arrived'));
  const reason = new Error('gone');
  await assert.rejects(send(client(t), upstream.url, { signal: AbortSignal.abort(reason) }), (error) => error === reason);
  assert.equal(upstream.connections(), 0);
});

test('http: a signal that fires while the connection is made rejects at once, and the request is never sent', async (t) => {
  let arrived = 0;
  const upstream = await server(t, (_request, response) => {
    arrived += 1;
    response.end('ok');
  });
  const http = client(t);
  const controller = new AbortController();
  const reason = new Error('gone');
  const sent = send(http, upstream.url, { signal: controller.signal });
  controller.abort(reason);
  await assert.rejects(sent, (error) => error === reason);
  assert.equal(await (await send(http, upstream.url)).text(), 'ok');
  assert.equal(arrived, 1);
});

test('http: the signal ends a body that is being read, and drops what waits', async (t) => {
  const upstream = await server(t, (_request, response) => void response.write('one'));
  const controller = new AbortController();
  const answer = await send(client(t), upstream.url, { signal: controller.signal });
  const reader = answer.read()[Symbol.asyncIterator]();
  await reader.next();
  const reason = new Error('gone');
  const pending = reader.next();
  controller.abort(reason);
  await assert.rejects(pending, (error) => error === reason);
  await assert.rejects(reader.next(), (error) => error === reason);
  await openConnections(upstream, 0);
});

test('http: a body that nobody reads is let go by cancel, by the signal, and by leaving the loop', async (t) => {
  const upstream = await server(t, (_request, response) => void response.write('x'.repeat(200_000)));
  const http = client(t);
  (await send(http, upstream.url)).cancel();
  const controller = new AbortController();
  await send(http, upstream.url, { signal: controller.signal });
  controller.abort();
  for await (const chunk of (await send(http, upstream.url)).read()) {
    assert.ok(chunk.length > 0);
    break;
  }
  await openConnections(upstream, 0);
  assert.ok(upstream.connections() >= 3);
});

test('http: cancelled after its end, an answer leaves its connection to the next', async (t) => {
  const upstream = await server(t, (_request, response) => response.end('ok'));
  const http = client(t);
  for (let request = 0; request < 2; request += 1) {
    const answer = await send(http, upstream.url);
    await answer.text();
    answer.cancel();
    await new Promise(setImmediate);
  }
  assert.equal(upstream.connections(), 1);
});

/** Reads one piece, which is all that is wanted. */
async function readOne(answer: HttpAnswer): Promise<void> {
  const bytes = answer.read();
  for await (const chunk of bytes) {
    assert.ok(chunk.length > 0);
    bytes.finish?.();
    break;
  }
}

test('http: a reader who has all that is wanted leaves the connection to the next, though the body ends later', async (t) => {
  // it is not too late for the end, however long this test is held up
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const open: ServerResponse[] = [];
  const upstream = await server(t, (_request, response) => {
    response.write('all');
    open.push(response);
  });
  const http = client(t);
  const controller = new AbortController();
  for (let request = 0; request < 3; request += 1) {
    await readOne(await send(http, upstream.url, { signal: controller.signal }));
    const response = open.at(-1);
    await new Promise<void>((resolve) => void response?.end('a little more', () => resolve()));
    // until the client has seen that end: a request before it would open another connection
    while (getEventListeners(controller.signal, 'abort').length > 0) await new Promise(setImmediate);
    await new Promise(setImmediate);
  }
  assert.equal(upstream.connections(), 1);
});

test('http: a body that goes on after all that was wanted is cut, and so is one whose request is given up then', async (t) => {
  const upstream = await server(t, (_request, response) => {
    response.write('all');
    response.write('x'.repeat(200_000));
  });
  const http = client(t);
  await readOne(await send(http, upstream.url));
  await openConnections(upstream, 0);
  const silent = await server(t, (_request, response) => void response.write('all'));
  const controller = new AbortController();
  await readOne(await send(http, silent.url, { signal: controller.signal }));
  controller.abort();
  await openConnections(silent, 0);
  // nobody gives it up: it is not waited for without end
  await readOne(await send(http, silent.url));
  await openConnections(silent, 0);
});

test('http: no listener stays on a signal that outlives its request', async (t) => {
  const upstream = await server(t, (_request, response) => response.end('ok'));
  const { signal } = new AbortController();
  let listeners = 0;
  const watched = Object.assign(signal, {
    addEventListener: (...given: Parameters<AbortSignal['addEventListener']>) => {
      listeners += 1;
      EventTarget.prototype.addEventListener.apply(signal, given);
    },
    removeEventListener: (...given: Parameters<AbortSignal['removeEventListener']>) => {
      listeners -= 1;
      EventTarget.prototype.removeEventListener.apply(signal, given);
    },
  });
  await (await send(client(t), upstream.url, { signal: watched })).text();
  assert.equal(listeners, 0);
});

test('http: no head in time is a time-out that names the host', async (t) => {
  const upstream = await server(t, () => undefined);
  const sent = send(client(t), upstream.url, { timeouts: { headersMs: 20 } });
  await fails(sent, 'upstream_timeout', /^127\.0\.0\.1:\d+ did not begin to answer within 20 ms/);
  await openConnections(upstream, 0);
});

test('http: a body that stands still is a time-out, after what came before', async (t) => {
  const upstream = await server(t, (_request, response) => void response.write('one'));
  const answer = await send(client(t), upstream.url, { timeouts: { idleMs: 20 } });
  const reader = answer.read()[Symbol.asyncIterator]();
  assert.equal((await reader.next()).done, false);
  await fails(reader.next(), 'upstream_timeout', /sent nothing for 20 ms/);
});

test('http: nobody at the port', async (t) => {
  const gone = await serving(() => undefined);
  await gone.stop();
  await fails(send(client(t), gone.url), 'upstream', /^127\.0\.0\.1:\d+ refused the connection/);
});

test('http: a name without an address, and several addresses that all refuse', () => {
  const place = { host: 'api.provider.test', connectMs: 2000, headersMs: 1, idleMs: 1 };
  const coded = (code: string): Error => Object.assign(new Error(`getaddrinfo ${code} api.provider.test`), { code });
  assert.match(notReached(coded('ENOTFOUND'), place).message, /^api\.provider\.test could not be found/);
  assert.match(notReached(new AggregateError([coded('ECONNREFUSED'), coded('ENETUNREACH')]), place).message, /refused/);
  assert.equal(notReached(coded('ETIMEDOUT'), place).kind, 'upstream_timeout');
  assert.match(notReached(coded('ETIMEDOUT'), place).message, /connected to within 2 s/);
  assert.equal(notReached(coded('EWHATEVER'), place).message, 'api.provider.test could not be reached (EWHATEVER).');
});

test('http: a connection that is cut before the head, in it, and in the body', async (t) => {
  const head = 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n';
  const cut = async (said: string): Promise<string> => (await saying(t, (socket) => socket.end(said))).url;
  const http = client(t);
  await fails(send(http, await cut('')), 'upstream', /closed the connection/);
  await fails(send(http, await cut('HTTP/1.1 200 O')), 'upstream', /closed the connection/);
  const chunked = await send(http, await cut(`${head}5\r\nhello\r\n5\r\nwo`));
  await fails(pieces(chunked), 'upstream', /closed the connection/);
  const counted = await send(http, await cut('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello'));
  await fails(counted.text(), 'upstream', /closed the connection/);
  const reset = await saying(t, (socket) => socket.resetAndDestroy());
  await fails(send(http, reset.url), 'upstream', /closed the connection/);
});

test('http: what came before the cut is read first', async (t) => {
  const upstream = await saying(t, (socket) => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello'));
  const answer = await send(client(t), upstream.url);
  const reader = answer.read()[Symbol.asyncIterator]();
  assert.equal(Buffer.from((await reader.next()).value as Uint8Array).toString(), 'hello');
  await fails(reader.next(), 'upstream', /closed the connection/);
});

test('http: something that is not HTTP, and a head without end', async (t) => {
  const ssh = await saying(t, (socket) => socket.end('SSH-2.0-OpenSSH_9.6\r\n'));
  await fails(send(client(t), ssh.url), 'upstream', /not HTTP/);
  const endless = await saying(t, (socket) => {
    socket.write('HTTP/1.1 200 OK\r\n');
    for (let line = 0; line < 100; line += 1) socket.write(`x-${line}: ${'v'.repeat(2000)}\r\n`);
  });
  await fails(send(client(t), endless.url), 'upstream', /head that is too long/);
});

test('http: interim answers are passed over, a change to another protocol is refused', async (t) => {
  const interim = ['100 Continue\r\n', '103 Early Hints\r\nlink: </a>\r\n', '100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n'];
  for (const head of interim) {
    const hints = await saying(t, (socket) => socket.end(`HTTP/1.1 ${head}\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nOK`));
    assert.equal(await (await send(client(t), hints.url)).text(), 'OK');
  }
  const other = await saying(t, (socket) =>
    socket.end('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: other\r\n\r\n'),
  );
  await fails(send(client(t), other.url), 'upstream', /another protocol \(101\)/);
});

test('http: a body beyond the limit fails, of an error it is cut', async (t) => {
  const upstream = await server(t, (request, response) => {
    response.writeHead(request.url === '/bad' ? 500 : 200).end('x'.repeat(3000));
  });
  const http = client(t);
  await fails((await send(http, upstream.url)).text(1000), 'upstream', /more than 1000 bytes/);
  assert.equal((await (await send(http, `${upstream.url}/bad`)).text(1000)).length, 1000);
  assert.equal((await (await send(http, upstream.url)).text(3000)).length, 3000);
});

test('http: a byte order mark is no part of the text, characters may be split', async (t) => {
  const upstream = await server(t, (_request, response) => {
    const bytes = Buffer.from('\ufeff{"a":"€"}');
    response.write(bytes.subarray(0, 10));
    setImmediate(() => response.end(bytes.subarray(10)));
  });
  assert.equal(await (await send(client(t), upstream.url)).text(), '{"a":"€"}');
});

test('http: a certificate that nobody vouches for is refused, one of the given authority is taken', async (t) => {
  const tls = selfSigned();
  const upstream = await running(createTlsServer(tls, (_request, response) => response.end('safe')));
  t.after(() => upstream.stop());
  const url = `https://localhost:${upstream.port}`;
  await fails(send(client(t), url), 'upstream', /^localhost:\d+ could not be reached over TLS \(DEPTH_ZERO_SELF_SIGNED_CERT\)/);
  assert.equal(await (await send(client(t, { ca: tls.cert }), url)).text(), 'safe');
  const plain = await server(t, (_request, response) => response.end());
  await fails(send(client(t), `https://localhost:${plain.port}`), 'upstream', /over TLS/);
});

interface Proxy extends Running {
  readonly asked: string[];
}

/** A proxy that leads every tunnel to `port`, or refuses it with a status. */
async function proxy(t: TestContext, answer: { readonly port: number } | { readonly status: number }): Promise<Proxy> {
  const asked: string[] = [];
  const started = await serving((request, response) => {
    asked.push(`${request.method} ${request.url} ${request.headers['proxy-authorization'] ?? ''}`.trim());
    response.end('by proxy');
  });
  t.after(() => started.stop());
  started.server.on('connect', (request: IncomingMessage, socket: Socket) => {
    asked.push(`CONNECT ${request.url} ${request.headers['proxy-authorization'] ?? ''}`.trim());
    if ('status' in answer) {
      socket.end(`HTTP/1.1 ${answer.status} No\r\n\r\n`);
      return;
    }
    const upstream = connect(answer.port, '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 Connection Established\r\n\r\n');
      socket.pipe(upstream).pipe(socket);
    });
    upstream.on('error', () => socket.destroy());
    socket.on('close', () => upstream.destroy());
  });
  return Object.assign(started, { asked });
}

test('http: a tunnel through the proxy that the environment names, with its password', async (t) => {
  const tls = selfSigned();
  const upstream = await running(createTlsServer(tls, (_request, response) => response.end('safe')));
  t.after(() => upstream.stop());
  const via = await proxy(t, upstream);
  const env = { HTTPS_PROXY: `http://ann:pa%20ss@127.0.0.1:${via.port}` };
  // the name exists for the proxy alone, so that the certificate of `localhost` does not fit it
  await fails(send(client(t, { env, ca: tls.cert }), 'https://api.provider.test/v1'), 'upstream', /ERR_TLS_CERT_ALTNAME_INVALID/);
  assert.deepEqual(via.asked, [`CONNECT api.provider.test:443 Basic ${Buffer.from('ann:pa ss').toString('base64')}`]);
});

test('http: http goes to the proxy by its whole address; NO_PROXY and this machine go without', async (t) => {
  const upstream = await server(t, (_request, response) => response.end('direct'));
  const via = await proxy(t, upstream);
  const http = client(t, { env: { http_proxy: `127.0.0.1:${via.port}`, no_proxy: '.example, 192.0.2.1' } });
  assert.equal(await (await send(http, 'http://api.provider.test/v1?a=1')).text(), 'by proxy');
  assert.equal(await (await send(http, upstream.url)).text(), 'direct');
  assert.equal(await (await send(http, `http://localhost:${upstream.port}`)).text(), 'direct');
  assert.equal(await (await send(http, `http://0.0.0.0:${upstream.port}`)).text(), 'direct');
  // an address of nobody (RFC 5737), which the proxy would answer for
  await assert.rejects(send(http, 'http://192.0.2.1/', { timeouts: { connectMs: 1 } }), GatewayError);
  assert.deepEqual(via.asked, ['POST http://api.provider.test/v1?a=1']);
});

test('http: a proxy that refuses is named as such', async (t) => {
  for (const status of [403, 407, 502]) {
    const via = await proxy(t, { status });
    const http = client(t, { env: { HTTPS_PROXY: via.url } });
    await fails(send(http, 'https://api.provider.test/'), 'upstream', /^api\.provider\.test could not be reached.* proxy/);
  }
});

test('http: a proxy that says nothing is a time-out', async (t) => {
  const silent = await running(createNetServer());
  t.after(() => silent.stop());
  const http = client(t, { env: { HTTPS_PROXY: silent.url } });
  await fails(send(http, 'https://api.provider.test/', { timeouts: { connectMs: 20 } }), 'upstream_timeout', /^api\.provider\.test/);
});

test('http: a proxy that is no URL stops the start, without its password in the message', () => {
  assert.throws(() => createHttp({ userAgent: 'x', env: { HTTPS_PROXY: 'ftp://ann:secret@proxy' } }), /^Error: HTTPS_PROXY must be/);
  assert.throws(
    () => createHttp({ userAgent: 'x', env: { http_proxy: 'http://ann:secret@pro xy' } }),
    (error: Error) => {
      return !error.message.includes('secret');
    },
  );
});

test('http: closing fails what is under way', async (t) => {
  const http = createHttp({ userAgent: 'x' });
  const upstream = await server(t, () => void http.close());
  await fails(send(http, upstream.url), 'overloaded', /shutting down/);
});

test('http: a header that cannot be sent is our own fault, and its value is not told', async (t) => {
  const sent = send(client(t), 'http://127.0.0.1:9', { call: { headers: { 'x-api-key': 'a\nsecret' } } });
  await assert.rejects(sent, (error: GatewayError) => error.kind === 'internal' && !error.message.includes('secret'));
});

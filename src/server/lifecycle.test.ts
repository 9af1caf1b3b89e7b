import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { test } from 'node:test';
import { CHAT, END, OPEN, START, answering, bodyOf, connectRaw, delta, startTestServer, streaming, wire } from './testing.ts';

const STREAM = JSON.stringify({ ...CHAT, stream: true });
const moment = () => Promise.withResolvers<void>();

function errorIn(received: string): { readonly code: string | null; readonly type: string } {
  return (bodyOf(received) as { error: { code: string | null; type: string } }).error;
}

test('broken requests: what is not HTTP gets a 400 in the envelope and a closed connection', async () => {
  await using server = await startTestServer();
  for (const text of [
    'nonsense\r\n\r\n',
    'GET / HTTP/9.9\r\n\r\n',
    '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03',
    'POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n',
    'POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n',
    'POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n',
  ]) {
    const received = await (await connectRaw(server.port, text)).whole();
    assert.match(received, /^HTTP\/1.1 400 /, JSON.stringify(text));
    assert.match(received, /x-request-id: req_[0-9a-f]{32}\r\n/);
    assert.deepEqual([errorIn(received).code, errorIn(received).type], ['bad_request', 'invalid_request_error']);
  }
  assert.equal((await server.post(CHAT)).status, 200);
});

test('broken requests: a head beyond headerLimit is 431', async () => {
  await using server = await startTestServer({ settings: { headerLimit: 8192 } });
  const client = await connectRaw(server.port, `GET /health HTTP/1.1\r\nHost: localhost\r\nX-Long: ${'x'.repeat(100_000)}\r\n\r\n`);
  const received = await client.whole();
  assert.match(received, /^HTTP\/1.1 431 /);
  assert.equal(errorIn(received).code, 'headers_too_large');
});

test('broken requests: an unknown expectation is ignored, CONNECT is refused', async () => {
  await using server = await startTestServer();
  const client = await connectRaw(server.port, 'GET /health HTTP/1.1\r\nHost: localhost\r\nExpect: miracles\r\nConnection: close\r\n\r\n');
  assert.match(await client.whole(), /^HTTP\/1.1 200 /);
  const refused = await (await connectRaw(server.port, 'CONNECT evil.example:443 HTTP/1.1\r\nHost: localhost\r\n\r\n')).whole();
  assert.match(refused, /^HTTP\/1.1 405 /);
  assert.equal(errorIn(refused).code, 'method_not_allowed');
  assert.equal((await server.post(CHAT)).status, 200);
});

test('slow senders: a head or a body that does not arrive in time is 408 and the connection closes', async () => {
  await using server = await startTestServer({ settings: { headersTimeoutMs: 100, bodyTimeoutMs: 200 } });
  const parts = ['GET /health HTTP/1.1\r\nHost: loc', wire(STREAM, { headers: ['X: y'] }).slice(0, -5)];
  for (const part of parts) {
    const received = await (await connectRaw(server.port, part)).whole();
    assert.match(received, /^HTTP\/1.1 408 /);
    assert.equal(errorIn(received).code, 'request_timeout');
  }
  const lines = await server.logged(2);
  assert.deepEqual(
    lines.map((line) => [line['status'], line['outcome']]),
    [
      [408, 'client_error'],
      [408, 'client_error'],
    ],
  );
});

test('slow senders: an answer may take longer than the request was allowed to', async () => {
  const patience = moment();
  await using server = await startTestServer({
    handler: streaming(async function* () {
      yield [START, OPEN, delta('x')];
      await patience.promise;
      yield END;
    }),
  });
  const client = await connectRaw(server.port, wire(STREAM));
  await client.until('"x"');
  // only now, so that the request itself came in time on any machine
  server.change({ headersTimeoutMs: 50, bodyTimeoutMs: 50 });
  // a second connection, opened later, runs into the limit: by then the first one is past it
  await (await connectRaw(server.port, 'GET')).whole();
  patience.resolve();
  await client.until('[DONE]');
  client.socket.destroy();
});

test('pipelining: requests sent at once are answered in their order', async () => {
  await using server = await startTestServer({ handler: (call) => answering(call.request.model)(call) });
  const models = ['first', 'second', 'third', 'fourth'];
  const send = models.map((model, index) => wire(JSON.stringify({ ...CHAT, model, stream: index % 2 === 1 }))).join('');
  const client = await connectRaw(server.port, `${send}GET /nowhere HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`);
  const received = await client.whole();
  assert.equal(received.match(/HTTP\/1\.1 200 OK/g)?.length, 4);
  const places = [...models.map((model) => received.indexOf(`"content":"${model}"`)), received.indexOf('unknown_url')];
  assert.deepEqual(
    places,
    places.toSorted((a, b) => a - b),
  );
  assert.ok(places.every((place) => place > 0));
});

test('pipelining: a connection that closes fires the signal of every request on it', async () => {
  const begun = moment();
  const gone = moment();
  let running = 0;
  await using server = await startTestServer({
    handler: (call) => {
      running++;
      if (running === 3) begun.resolve();
      return new Promise(() => {
        call.signal.addEventListener('abort', () => {
          running--;
          if (running === 0) gone.resolve();
        });
      });
    },
  });
  const client = await connectRaw(server.port, wire(STREAM).repeat(3));
  await begun.promise;
  client.socket.destroy();
  await gone.promise;
});

test('limits: connections beyond maxConnections are dropped', async () => {
  await using server = await startTestServer({ settings: { maxConnections: 1 } });
  const first = await connectRaw(server.port, 'GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n');
  await first.until('"ok"');
  const second = await connectRaw(server.port, 'GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n');
  assert.equal(await second.whole(), '');
  first.socket.destroy();
});

test('shutdown: running answers end within the deadline, new connections are refused', async () => {
  const patience = moment();
  const server = await startTestServer({
    handler: streaming(async function* () {
      yield [START, OPEN, delta('x')];
      await patience.promise;
      yield END;
    }),
  });
  const idle = await connectRaw(server.port, 'GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n');
  await idle.until('"ok"');
  const client = await connectRaw(server.port, wire(STREAM));
  await client.until('"x"');
  const closed = server.close(60_000);
  await idle.whole();
  await new Promise<void>((resolve, reject) => {
    const late = connect({ port: server.port, host: '127.0.0.1' }, () => reject(new Error('a new connection was accepted')));
    late.once('error', () => resolve());
  });
  patience.resolve();
  assert.match(await client.whole(), /\[DONE\]/);
  await closed;
});

test('shutdown: on a connection still in use, completions and ready are 503, health is 200, and the connection closes', async () => {
  const patience = moment();
  const server = await startTestServer({
    handler: streaming(async function* () {
      yield [START, OPEN, delta('x')];
      await patience.promise;
      yield END;
    }),
  });
  const get = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`;
  const late = [get('/ready'), get('/health'), wire(STREAM)];
  const arrived = moment();
  let waitedFor = late.length * 2;
  server.app.server.on('connection', (socket) => {
    socket.on('data', () => {
      waitedFor--;
      if (waitedFor === 0) arrived.resolve();
    });
  });
  const clients = await Promise.all(late.map(() => connectRaw(server.port, wire(STREAM))));
  await Promise.all(clients.map((client) => client.until('"x"')));
  const closed = server.close(60_000);
  for (const [index, client] of clients.entries()) client.socket.write(late[index] ?? '');
  await arrived.promise;
  patience.resolve();
  const seconds = await Promise.all(clients.map(async (client) => (await client.whole()).split(/(?=HTTP\/1\.1)/)[1] ?? ''));
  assert.deepEqual(
    seconds.map((response) => response.slice(9, 12)),
    ['503', '200', '503'],
  );
  for (const response of seconds) assert.match(response, /connection: close\r\n/i);
  assert.equal(errorIn(seconds[2] ?? '').code, 'server_is_overloaded');
  await closed;
});

test('shutdown: at the deadline streams end with an error frame, waiting requests with 503', async () => {
  const begun = moment();
  const server = await startTestServer({
    handler: (call) => {
      if (!call.request.stream) {
        begun.resolve();
        return new Promise(() => undefined);
      }
      return streaming(async function* () {
        yield [START, OPEN, delta('x')];
        await new Promise(() => undefined);
      })(call);
    },
  });
  const stream = await connectRaw(server.port, wire(STREAM));
  await stream.until('"x"');
  const waiting = await connectRaw(server.port, wire(JSON.stringify(CHAT)));
  await begun.promise;
  await Promise.all([server.close(0), server.close(0)]);
  const received = await stream.whole();
  assert.match(received, /data: \{"error":\{[^}]*"code":"server_is_overloaded"/);
  assert.doesNotMatch(received, /DONE/);
  const refused = await waiting.whole();
  assert.match(refused, /^HTTP\/1.1 503 /);
  assert.match(refused, /retry-after: 1\r\n/i);
  assert.match(refused, /connection: close\r\n/i);
  const lines = await server.logged(2);
  assert.deepEqual(
    lines.map((line) => line['outcome']),
    ['error', 'error'],
  );
});

test('shutdown: connections that never sent anything do not hold it up', async () => {
  const server = await startTestServer();
  const silent = await connectRaw(server.port);
  const half = await connectRaw(server.port, wire(STREAM).slice(0, 30));
  await server.close(0);
  await Promise.all([silent.whole(), half.whole()]);
});

import assert from 'node:assert/strict';
import { request as nodeRequest } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { createServer } from 'node:net';
import type { Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import type { TLSSocket } from 'node:tls';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { pick, seeded } from '../../../test/support/random.ts';
import { running, selfSigned } from '../http-testing.ts';
import type { Running } from '../http-testing.ts';
import { createClient } from './client.ts';
import type { Receiver, Transfer, TransferRequest, Transport } from './transfer.ts';

interface Told {
  readonly status: number | undefined;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** `end`, or the code of a failure. */
  readonly how: string;
}

interface Asking {
  readonly told: Promise<Told>;
  /** Resolves once the request goes out. */
  readonly started: Promise<Transfer>;
  readonly giveUp: () => void;
}

function ask(client: Transport, url: string, more: Partial<TransferRequest> = {}): Asking {
  let isOver = false;
  let status: number | undefined;
  let headers: Readonly<Record<string, string>> = {};
  let body = '';
  const { promise: told, resolve } = Promise.withResolvers<Told>();
  const { promise: started, resolve: begin } = Promise.withResolvers<Transfer>();
  const over = (how: string): void => {
    assert.equal(isOver, false, `told ${how} after the end`);
    isOver = true;
    resolve({ status, headers, body, how });
  };
  const receiver: Receiver = {
    get isOver() {
      return isOver;
    },
    started: begin,
    head(given, all) {
      assert.equal(status, undefined, 'two heads');
      status = given;
      headers = all;
    },
    piece(bytes) {
      assert.ok(bytes.length > 0 && !isOver);
      body += Buffer.from(bytes).toString('latin1');
    },
    end: () => over('end'),
    fail: (cause) => over((cause as NodeJS.ErrnoException).code ?? String(cause)),
  };
  const request: TransferRequest = {
    url: new URL(url),
    method: 'POST',
    headers: {},
    body: '{}',
    connectMs: 5000,
    headersMs: 0,
    idleMs: 0,
    ...more,
  };
  client.send(request, receiver);
  return { told, started, giveUp: () => void (isOver = true) };
}

function clientOf(t: TestContext, options?: Parameters<typeof createClient>[0]): Transport {
  const client = createClient(options);
  t.after(() => client.close());
  return client;
}

/** A server that is told of each request's bytes, with the number of requests on its connection before. */
async function speaking(t: TestContext, speak: (socket: Socket, before: number) => unknown): Promise<Running> {
  const server = createServer((socket) => {
    let requests = 0;
    socket.setNoDelay(true);
    socket.on('data', () => speak(socket, requests++));
  });
  const started = await running(server);
  t.after(() => started.stop());
  return started;
}

const answer = (body: string, ...lines: string[]): string =>
  ['HTTP/1.1 200 OK', ...lines, `content-length: ${body.length}`, '', body].join('\r\n');

/** What `node:http` has of the same answer. */
async function heard(url: string): Promise<Told> {
  const { promise, resolve } = Promise.withResolvers<Told>();
  const sent = nodeRequest(url, { method: 'POST', agent: false }, (response: IncomingMessage) => {
    let body = '';
    response.setEncoding('latin1');
    response.on('data', (text: string) => (body += text));
    const headers = Object.fromEntries(Object.entries(response.headersDistinct).map(([name, values]) => [name, (values ?? []).join(', ')]));
    const told = (how: string) => () => resolve({ status: response.statusCode, headers, body, how });
    response.on('end', told('end')).on('error', told('failure'));
  });
  sent.on('error', () => resolve({ status: undefined, headers: {}, body: '', how: 'failure' }));
  sent.end('{}');
  return promise;
}

const WHOLE = [
  answer('hello', 'Content-Type: text/plain', 'X-A: a', 'x-a: b'),
  answer('', 'keep-alive: timeout=5'),
  'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n6;x=y\r\n world\r\n0\r\nx: y\r\n\r\n',
  'HTTP/1.1 200 OK\r\n\r\nuntil the end',
  'HTTP/1.0 200\r\nconnection: keep-alive\r\ncontent-length: 2\r\n\r\nok',
  'HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 429 Too Many Requests\r\nretry-after: 1\r\ncontent-length: 2\r\n\r\nno',
  'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok',
  'HTTP/1.1 204 No Content\r\nx-a: b\r\n\r\n',
  `HTTP/1.1 200 OK\r\n${'x-long: y\r\n'.repeat(300)}content-length: 3\r\n\r\nend`,
];

/** One byte is another, gone, or there twice. */
function damaged(text: string, random: () => number): string {
  const at = Math.floor(random() * text.length);
  const byte = pick(['\r', '\n', ' ', ':', '0', '5', 'f', ',', '\0', 'x', '\t'], random);
  return pick(
    [text.slice(0, at) + byte + text.slice(at + 1), text.slice(0, at) + text.slice(at + 1), text.slice(0, at) + byte + text.slice(at)],
    random,
  );
}

function cutUp(text: string, random: () => number): readonly string[] {
  const places = Array.from({ length: Math.floor(random() * 5) }, () => Math.floor(random() * text.length)).sort(
    (one, other) => one - other,
  );
  return [0, ...places].map((from, at) => text.slice(from, places[at])).filter((piece) => piece !== '');
}

test('client: any answer, whole or damaged, in any pieces, is what node:http has of it, or it fails', async (t) => {
  const random = seeded(31);
  let saying: readonly string[] = [];
  const server = await speaking(t, async (socket) => {
    for (const piece of saying) {
      socket.write(piece, 'latin1');
      await turn();
      await turn();
    }
    socket.end();
  });
  const client = clientOf(t);
  let same = 0;
  for (let round = 0; round < 500; round++) {
    const whole = WHOLE[round % WHOLE.length] ?? '';
    const isWhole = round < 2 * WHOLE.length;
    const text = isWhole ? whole : damaged(whole, random);
    saying = cutUp(text, random);
    const mine = await ask(client, server.url).told;
    if (isWhole) assert.equal(mine.how, 'end', text);
    if (mine.how !== 'end') continue;
    same++;
    // what follows an answer makes node:http fail with it, and us with the connection
    let nodes = await heard(server.url);
    for (let end = text.length - 1; nodes.how !== 'end' && end > 0; end--) {
      saying = [text.slice(0, end)];
      nodes = await heard(server.url);
    }
    assert.deepEqual(mine, nodes, JSON.stringify(text));
  }
  assert.ok(same > 150, `${same} answers`);
});

test('client: a connection is used again where its answer was whole and nothing forbids it', async (t) => {
  const kept: Readonly<Record<string, string>> = {
    counted: answer('ok'),
    chunked: 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n',
    'without a body': 'HTTP/1.1 204 No Content\r\n\r\n',
  };
  const closed: Readonly<Record<string, string>> = {
    'closed by its head': answer('ok', 'connection: close'),
    'of an older version': answer('ok').replace('/1.1', '/1.0'),
    'with bytes behind it': `${answer('ok')}HTTP/1.1 200 OK\r\n`,
    'closed too soon to be of use': answer('ok', 'keep-alive: timeout=2'),
  };
  for (const [name, text] of Object.entries({ ...kept, ...closed })) {
    const server = await speaking(t, (socket) => void socket.write(text));
    const client = clientOf(t);
    for (let request = 0; request < 3; request++) assert.equal((await ask(client, server.url).told).how, 'end', name);
    assert.equal(server.connections(), name in kept ? 1 : 3, name);
  }
});

test('client: bytes that nobody asked for make a waiting connection useless', async (t) => {
  const server = await speaking(t, (socket) => void socket.write(answer('ok')));
  const client = clientOf(t);
  assert.equal((await ask(client, server.url).told).body, 'ok');
  const [socket] = server.sockets;
  socket?.write(answer('bad'));
  while (server.sockets.size > 0) await turn();
  assert.equal((await ask(client, server.url).told).body, 'ok');
  assert.equal(server.connections(), 2);
});

test('client: a connection that the server closes between two requests is not used', async (t) => {
  const server = await speaking(t, (socket) => void socket.write(answer('ok')));
  const client = clientOf(t);
  for (let request = 0; request < 3; request++) {
    assert.equal((await ask(client, server.url).told).body, 'ok');
    for (const socket of server.sockets) socket.end();
    while (server.sockets.size > 0) await turn();
  }
  assert.equal(server.connections(), 3);
});

test('client: an answer that comes before its request is out whole is told, and the connection is not used again', async (t) => {
  const server = await running(
    createServer((socket) => {
      socket.once('data', () => {
        socket.pause();
        socket.write(answer('too long'));
      });
    }),
  );
  t.after(() => server.stop());
  const client = clientOf(t);
  const { told } = ask(client, server.url, { body: 'x'.repeat(32 * 1024 * 1024) });
  assert.equal((await told).body, 'too long');
  assert.equal((await ask(client, server.url).told).body, 'too long');
  assert.equal(server.connections(), 2);
});

test('client: who waits for a connection gets the first that is free, and who has given up gets none', async (t) => {
  const { promise: first, resolve } = Promise.withResolvers<Socket>();
  let requests = 0;
  const server = await speaking(t, (socket) => {
    requests++;
    if (requests === 1) resolve(socket);
    else socket.write(answer('late'));
  });
  const client = clientOf(t);
  const early = ask(client, server.url);
  const socket = await first;
  // they begin connections of their own while the first is under way
  const gone = ask(client, server.url);
  const second = ask(client, server.url);
  gone.giveUp();
  socket.write(answer('first'));
  assert.equal((await early.told).body, 'first');
  assert.equal((await second.told).body, 'late');
  assert.equal(requests, 2);
});

test('client: a connection that nobody needs any more when it is there does not stay', async (t) => {
  const server = await speaking(t, () => assert.fail('a request arrived'));
  const client = clientOf(t, { mostKeptMs: 15 });
  ask(client, server.url).giveUp();
  while (server.connections() === 0) await turn();
  while (server.sockets.size > 0) await turn();
});

test('client: a connection that fails to be made fails nobody who has another one to wait for', async (t) => {
  const { key, cert } = selfSigned();
  const asked: TLSSocket[] = [];
  const tls = createTlsServer({ key, cert }, (socket: TLSSocket) => {
    socket.on('data', () => asked.push(socket)).on('error', () => undefined);
  });
  const raw: Socket[] = [];
  // only the first is answered its handshake at once
  const server = await running(createServer((socket) => raw.push(socket) === 1 && tls.emit('connection', socket)));
  t.after(() => server.stop());
  const until = async (condition: () => boolean): Promise<void> => {
    while (!condition()) await turn();
  };
  const client = clientOf(t, { ca: cert });
  const url = `https://localhost:${server.port}`;
  const first = ask(client, url);
  await until(() => asked.length === 1);
  const second = ask(client, url);
  await until(() => raw.length === 2);
  asked[0]?.write(answer('first'));
  assert.equal((await first.told).body, 'first');
  // it has got the connection of the first
  await until(() => asked.length === 2);
  const third = ask(client, url);
  await until(() => raw.length === 3);
  raw[1]?.resetAndDestroy();
  // time for the client to notice
  const another = await speaking(t, (socket) => void socket.write(answer('another')));
  assert.equal((await ask(client, another.url).told).body, 'another');
  tls.emit('connection', raw[2]);
  await until(() => asked.length === 3);
  asked[1]?.write(answer('second'));
  asked[2]?.write(answer('third'));
  assert.deepEqual([(await second.told).body, (await third.told).body], ['second', 'third']);
});

test('client: requests without an answer are cut when it closes, and none is sent afterwards', async (t) => {
  const server = await speaking(t, () => undefined);
  const client = createClient();
  const asked = [ask(client, server.url), ask(client, server.url)];
  await asked[0]?.started;
  const connecting = ask(client, server.url);
  await client.close();
  for (const { told } of [...asked, connecting, ask(client, server.url)]) assert.equal((await told).how, 'CLOSED');
  while (server.sockets.size > 0) await turn();
});

test('client: no head, and no more of a body, in time; held back by ourselves it is not late', async (t) => {
  const silent = await speaking(t, () => undefined);
  const client = clientOf(t);
  assert.equal((await ask(client, silent.url, { headersMs: 15 }).told).how, 'LATE_HEAD');
  const stuck = await speaking(t, (socket) => void socket.write('HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nsome'));
  const { how, body } = await ask(client, stuck.url, { idleMs: 15 }).told;
  assert.deepEqual([how, body], ['LATE_BODY', 'some']);
  const paused = ask(client, stuck.url, { idleMs: 15 });
  const transfer = await paused.started;
  transfer.pause();
  const other = ask(client, silent.url, { headersMs: 60 });
  // later than the first would have been
  assert.equal((await other.told).how, 'LATE_HEAD');
  transfer.resume();
  assert.deepEqual({ how: (await paused.told).how, body: (await paused.told).body }, { how: 'LATE_BODY', body: 'some' });
});

test('client: a connection that is not made in time', async (t) => {
  // takes the connection, and never says a word of TLS
  const server = await speaking(t, () => undefined);
  assert.equal((await ask(clientOf(t), `https://127.0.0.1:${server.port}`, { connectMs: 15 }).told).how, 'LATE_CONNECTION');
});

test('client: over TLS, by name, and without a whole handshake the second time', async (t) => {
  const { key, cert } = selfSigned();
  const seen: { readonly name: unknown; readonly protocol: unknown; readonly reused: boolean }[] = [];
  const server = await running(
    createTlsServer({ key, cert, ALPNProtocols: ['h2', 'http/1.1'] }, (socket: TLSSocket) => {
      seen.push({ name: socket.servername, protocol: socket.alpnProtocol, reused: socket.isSessionReused() });
      socket.on('data', () => void socket.end(answer('safe', 'connection: close')));
      socket.on('error', () => undefined);
    }),
  );
  t.after(() => server.stop());
  const client = clientOf(t, { ca: cert });
  for (const host of ['localhost', 'localhost', '127.0.0.1'])
    assert.equal((await ask(client, `https://${host}:${server.port}`).told).body, 'safe');
  assert.deepEqual(seen, [
    { name: 'localhost', protocol: 'http/1.1', reused: false },
    { name: 'localhost', protocol: 'http/1.1', reused: true },
    { name: false, protocol: 'http/1.1', reused: false },
  ]);
});

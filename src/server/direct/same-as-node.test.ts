/** What is read straight from its socket is answered as `node:http` has it answered: a line break before a request hands it over. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { pick, seeded } from '../../../test/support/random.ts';
import type { Call } from '../../core/call.ts';
import { CHAT, answering, connectRaw, startTestServer, streaming, START, OPEN, delta, wire } from '../testing.ts';
import type { RawClient, TestOptions, TestServer } from '../testing.ts';

const VIA_NODE = '\r\n';
const KEY = 'sk-test';
const AUTH = `Authorization: Bearer ${KEY}`;

/** How many requests `node:http` has seen. */
function counted(server: TestServer): () => number {
  let count = 0;
  server.app.server.on('request', () => count++);
  return () => count;
}

/** Sends the pieces, each in a turn of its own. */
async function talk(server: TestServer, pieces: readonly (string | Buffer)[]): Promise<RawClient> {
  const client = await connectRaw(server.port);
  client.socket.setNoDelay(true);
  for (const piece of pieces) {
    client.socket.write(piece);
    await turn();
    await turn();
  }
  return client;
}

/** What is received until the server closes. */
async function exchange(server: TestServer, pieces: readonly (string | Buffer)[]): Promise<string> {
  return (await talk(server, pieces)).whole();
}

/** Our sides of its connections, by the ports of the clients. */
function sidesOf(server: TestServer): ReadonlyMap<number, Socket> {
  const sides = new Map<number, Socket>();
  server.app.server.on('connection', (socket: Socket) => sides.set(socket.remotePort ?? 0, socket));
  return sides;
}

/** Is nothing under way between the two any more? */
function isQuiet(socket: Socket, side: Socket | undefined): boolean {
  return socket.closed || (side?.bytesRead === socket.bytesWritten && side.bytesWritten === socket.bytesRead);
}

/** What each has received when nothing comes any more, whether or not its server has closed. */
async function heard(clients: readonly RawClient[], sides: readonly (Socket | undefined)[]): Promise<readonly string[]> {
  let bytes = -1;
  for (let quiet = 0; quiet < 100; quiet++) {
    const now = clients.reduce((sum, { socket }) => sum + socket.bytesRead, 0);
    if (now !== bytes || !clients.every(({ socket }, at) => isQuiet(socket, sides[at]))) quiet = 0;
    bytes = now;
    await turn();
  }
  return Promise.all(clients.map((client) => client.until('')));
}

/** Responses without what differs each time: ids, dates and durations. */
function comparable(received: string): string {
  return received
    .replaceAll(/^(date|x-request-id|openai-processing-ms): .*\r\n/gim, '')
    .replaceAll(/(HTTP\/1\.1 \d+ .*\r\n)((?:[\w-]+: .*\r\n)+)/gm, (_all, status: string, headers: string) => {
      const lines = headers.split('\r\n').map((line) => line.replace(/^[^:]+/, (name) => name.toLowerCase()));
      return status + lines.sort().join('\n');
    });
}

/** At random places, as often as it happens. */
function cut(bytes: Buffer, random: () => number, from = 0): Buffer[] {
  const places = Array.from({ length: Math.floor(random() * 6) }, () => from + Math.floor(random() * (bytes.length - from)));
  const sorted = [0, ...places.toSorted((one, other) => one - other), bytes.length];
  return sorted.slice(1).map((place, index) => bytes.subarray(sorted[index], place));
}

const LAST = 'GET /nowhere HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n';
const chat = (more: object = {}): string => JSON.stringify({ ...CHAT, ...more });

/** By name; each is one plain request. */
const REQUESTS: Readonly<Record<string, { readonly body: string; readonly headers?: readonly string[] }>> = {
  whole: { body: chat(), headers: [AUTH] },
  stream: { body: chat({ stream: true, stream_options: { include_usage: true } }), headers: [AUTH] },
  'letters of all kinds': { body: chat({ messages: [{ role: 'user', content: 'äöü 東京 😀' }], user: 'ä' }), headers: [AUTH] },
  'an ignored field': { body: chat({ nonsense: 1, ünsinn: 2 }), headers: [AUTH] },
  'no key': { body: chat() },
  'a wrong key': { body: chat(), headers: ['Authorization: Bearer sk-wrong'] },
  'a key elsewhere': { body: chat(), headers: [`X-Api-Key:\t${KEY} `] },
  'no JSON': { body: '{"model":', headers: [AUTH] },
  'an empty body': { body: '', headers: [AUTH] },
  'too deep': { body: '['.repeat(500), headers: [AUTH] },
  'a missing field': { body: '{"model":"test"}', headers: [AUTH] },
  compressed: { body: chat(), headers: [AUTH, 'Content-Encoding: gzip'] },
  'an origin': { body: chat(), headers: [AUTH, 'Origin: https://example.com'] },
  'an origin of old letters': { body: chat(), headers: [AUTH, 'Origin: https://ä.example'] },
  'a kept connection': { body: chat(), headers: [AUTH, 'Connection: Keep-Alive'] },
  'names of objects': { body: chat(), headers: [AUTH, 'constructor: x', 'toString: y'] },
  large: { body: chat({ messages: [{ role: 'user', content: 'x'.repeat(100_000) }] }), headers: [AUTH] },
};

const options: TestOptions = { keys: [KEY], settings: { corsOrigins: ['https://example.com', 'https://\xc3\xa4.example'] } };

test('same as node:http: each plain request is taken straight, its answer is the same, and the connection goes on', async () => {
  await using server = await startTestServer(options);
  const seen = counted(server);
  for (const [name, { body, headers = [] }] of Object.entries(REQUESTS)) {
    const request = wire(body, { headers });
    // what is on its way when the answer begins comes after it
    const ask = async (prefix: string): Promise<string> => {
      const client = await connectRaw(server.port, prefix + request);
      await client.until('\r\n\r\n');
      client.socket.write(LAST);
      return comparable(await client.whole());
    };
    const before = seen();
    const direct = await ask('');
    assert.equal(seen() - before, 1, `${name}: only the request after it is for node:http`);
    assert.equal(direct, await ask(VIA_NODE), name);
    assert.equal(seen() - before, 3, name);
    assert.match(direct, /"unknown_url"/, name);
  }
});

test('same as node:http: the last request of a connection', async () => {
  await using server = await startTestServer(options);
  for (const headers of [[AUTH, 'Connection: close'], ['connection:CLOSE']]) {
    const request = wire(chat(), { headers });
    const seen = counted(server);
    const direct = await exchange(server, [request]);
    assert.equal(seen(), 0);
    assert.equal(comparable(direct), comparable(await exchange(server, [VIA_NODE, request])));
    assert.match(direct, /connection: close/);
  }
});

test('same as node:http: other requests are for node:http, and answered', async () => {
  await using server = await startTestServer();
  const body = chat();
  const lines = (first: string, ...more: string[]): string =>
    [first, 'Host: localhost', 'Connection: close', ...more, '', body].join('\r\n');
  const length = `Content-Length: ${Buffer.byteLength(body)}`;
  for (const [status, request] of [
    [200, lines('POST /v1/chat/completions?a=b HTTP/1.1', length)],
    [200, lines('POST /v1/chat/completions/ HTTP/1.1', length)],
    [200, lines('POST /chat/completions HTTP/1.1', length)],
    [200, lines('POST /v1/chat/completions HTTP/1.0', length)],
    [200, lines('POST /v1/chat/completions HTTP/1.1', length, 'TE: trailers')],
    [200, lines('POST /v1/chat/completions HTTP/1.1', length, 'X-A: 1', 'X-A: 2')],
    [404, lines('POST /v1/completions HTTP/1.1', length)],
    [405, lines('PUT /v1/chat/completions HTTP/1.1', length)],
    [400, lines('post /v1/chat/completions HTTP/1.1', length)],
    [400, lines('POST /v1/chat/completions HTTP/1.1', length, length)],
    [400, lines('POST /v1/chat/completions HTTP/1.1', length, 'Content-Length: 5')],
    [400, lines('POST /v1/chat/completions HTTP/1.1', length, 'Transfer-Encoding: chunked')],
    [400, lines('POST /v1/chat/completions HTTP/1.1', 'Content-Length: +5')],
    [400, lines('POST /v1/chat/completions HTTP/1.1', 'Content-Length: 0x5')],
    [400, lines('POST /v1/chat/completions HTTP/1.1', 'Content-Length:')],
    [400, lines('POST /v1/chat/completions HTTP/1.1', `Content-Length: ${'9'.repeat(30)}`)],
    [400, lines('POST /v1/chat/completions HTTP/1.1', length, 'X-A : 1')],
    [400, lines('POST /v1/chat/completions HTTP/1.1', length, 'X-A: 1\n')],
    [400, lines('POST /v1/chat/completions HTTP/1.1', length, 'X-A: 1\r2')],
    [400, lines('POST /v1/chat/completions HTTP/1.1', length, 'X-A: 1\0')],
    [413, lines('POST /v1/chat/completions HTTP/1.1', 'Content-Length: 999999999')],
    [431, lines('POST /v1/chat/completions HTTP/1.1', length, `X: ${'x'.repeat(17_000)}`)],
  ] as const) {
    const received = await exchange(server, [request]);
    assert.match(received, new RegExp(`^HTTP/1\\.1 ${status} `), request.slice(0, 200));
    assert.equal(received.match(/HTTP\/1\.1 /g)?.length, 1, request.slice(0, 200));
  }
});

test('same as node:http: a head cut at any byte, a body cut at any byte', async () => {
  await using server = await startTestServer();
  const request = wire(chat(), { headers: ['Connection: close'] });
  const expected = comparable(await exchange(server, [request]));
  const places = Array.from({ length: request.length - 1 }, (_, index) => index + 1);
  for (let from = 0; from < places.length; from += 25) {
    const some = places.slice(from, from + 25);
    const all = await Promise.all(some.map((place) => exchange(server, [request.slice(0, place), request.slice(place)])));
    for (const [index, received] of all.entries()) assert.equal(comparable(received), expected, `cut at ${some[index]}`);
  }
  assert.equal(comparable(await exchange(server, request.split(''))), expected);
});

test('same as node:http: a body that does not become whole is 400 or 408, and nobody is asked', async () => {
  let calls = 0;
  const handler = async (call: Call) => {
    calls++;
    return answering('x')(call);
  };
  await using hasty = await startTestServer({ handler, settings: { bodyTimeoutMs: 60, headersTimeoutMs: 60 } });
  await using server = await startTestServer({ handler });
  const half = wire(chat()).slice(0, -5);
  for (const prefix of ['', VIA_NODE]) {
    assert.match(await exchange(hasty, [prefix, half]), /^HTTP\/1\.1 408 /);
    const client = await connectRaw(server.port, prefix + half);
    client.socket.end();
    assert.match(await client.whole(), /^HTTP\/1\.1 400 /);
  }
  assert.equal(calls, 0);
});

test('same as node:http: a slow reader holds the generator up, and one that leaves ends it', async () => {
  for (const prefix of ['', VIA_NODE]) {
    const ended = Promise.withResolvers<number>();
    await using server = await startTestServer({
      handler: streaming(async function* (call) {
        let count = 0;
        try {
          yield [START, OPEN];
          for (; count < 1000 && !call.signal.aborted; count++) yield [delta('x'.repeat(100_000))];
        } finally {
          ended.resolve(count);
        }
      }),
    });
    const client = await connectRaw(server.port, prefix + wire(chat({ stream: true })));
    await client.until('xxx');
    client.socket.pause();
    // as long as others need for a request
    for (let count = 0; count < 5; count++) await (await server.post(CHAT, {}, '/v1/nowhere')).text();
    client.socket.destroy();
    assert.ok((await ended.promise) < 500);
    const line = (await server.logged(6)).find(({ route }) => route === '/v1/chat/completions');
    assert.equal(line?.['outcome'], 'cancelled');
  }
});

test('the end: half a request is answered with 503, and the connection closes', async () => {
  const server = await startTestServer();
  const arrived = Promise.withResolvers<void>();
  server.app.server.on('connection', (socket) => socket.once('data', () => arrived.resolve()));
  const client = await connectRaw(server.port, wire(chat()).slice(0, -5));
  await arrived.promise;
  const closed = server.close(10_000);
  const received = await client.whole();
  assert.match(received, /^HTTP\/1\.1 503 [^]*"server_is_overloaded"/);
  assert.match(received, /connection: close\r\n/i);
  await closed;
});

test('the end: while others accept already, half a request may become whole, and its connection closes after the answer', async () => {
  const server = await startTestServer();
  const arrived = Promise.withResolvers<void>();
  server.app.server.on('connection', (socket) => socket.once('data', () => arrived.resolve()));
  const request = wire(chat());
  const client = await connectRaw(server.port, request.slice(0, -5));
  await arrived.promise;
  const closed = server.close(10_000, true);
  client.socket.write(request.slice(-5));
  assert.match(await client.whole(), /^HTTP\/1\.1 200 [^]*\r\nconnection: close\r\n/);
  await closed;
});

/** Several requests, as a client might send them without waiting, and the status of each answer. */
function conversation(random: () => number): {
  readonly bytes: Buffer;
  readonly statuses: readonly string[];
  readonly asked: readonly string[];
} {
  const texts: string[] = [];
  const statuses: string[] = [];
  const asked: string[] = [];
  for (let count = 1 + Math.floor(random() * 4); count > 0; count--) {
    const kind = pick(['plain', 'plain', 'plain', 'stream', 'bad', 'health', 'chunked'] as const, random);
    const content = `${kind}-${Math.floor(random() * 1e9)}-${'ä'.repeat(Math.floor(random() * 40))}`;
    const body = chat({ messages: [{ role: 'user', content }], ...(kind === 'stream' ? { stream: true } : {}) });
    if (kind === 'health') texts.push('GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n');
    else if (kind === 'bad') texts.push(wire(body.slice(1)));
    else if (kind === 'chunked') {
      const size = Buffer.byteLength(body).toString(16);
      texts.push(
        `POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n${size}\r\n${body}\r\n0\r\n\r\n`,
      );
    } else texts.push(wire(body));
    statuses.push(kind === 'bad' ? '400' : '200');
    if (kind !== 'bad' && kind !== 'health') asked.push(content);
  }
  return { bytes: Buffer.from(texts.join('') + LAST), statuses: [...statuses, '404'], asked };
}

/** Answers with what it was asked, and notes it. */
function echoing(): { readonly handler: NonNullable<TestOptions['handler']>; readonly asked: string[] } {
  const asked: string[] = [];
  return {
    asked,
    async handler(call) {
      const text = JSON.stringify(call.request.messages.at(-1));
      asked.push(text);
      await turn();
      return answering(createHash('sha1').update(text).digest('hex'))(call);
    },
  };
}

test('fuzz: several requests in pieces of any size are answered one by one, in their order, and nothing else is', async () => {
  const { handler, asked } = echoing();
  await using server = await startTestServer({ handler });
  const random = seeded(7);
  for (let round = 0; round < 150; round++) {
    const { bytes, statuses, asked: expected } = conversation(random);
    asked.length = 0;
    const received = await exchange(server, cut(bytes, random));
    const got = [...received.matchAll(/HTTP\/1\.1 (\d+) /g)].map(([, status]) => status);
    assert.deepEqual(got, statuses, `round ${round}`);
    assert.equal(asked.length, expected.length);
    for (const [index, text] of expected.entries()) assert.ok(asked[index]?.includes(text), `round ${round}`);
    // whatever took them, the answers stand in the order of the questions
    const places = asked.map((text) => received.indexOf(createHash('sha1').update(text).digest('hex')));
    assert.ok(
      places.every((place, index) => place > (places[index - 1] ?? 0)),
      `round ${round}`,
    );
  }
});

const ODD = [
  'a',
  'B',
  '-',
  '\r',
  '\n',
  '\r\n',
  '\0',
  ' ',
  '\t',
  ':',
  '\x80',
  '0',
  '9',
  '\r\n\r\n',
  'Content-Length: 9\r\n',
  'Transfer-Encoding: chunked\r\n',
  '{',
  '"',
];

function broken(bytes: Buffer, random: () => number): Buffer {
  let text = bytes.toString('latin1');
  for (let count = 1 + Math.floor(random() * 2); count > 0; count--) {
    const at = Math.floor(random() * text.length);
    const odd = pick(ODD, random);
    // mostly of the same length, or nothing would be right after it
    text = text.slice(0, at) + odd + text.slice(at + (random() < 0.8 ? odd.length : Math.floor(random() * 3)));
  }
  return Buffer.from(text, 'latin1');
}

test('fuzz: of broken bytes the same requests are made as node:http makes', async () => {
  const [mine, theirs] = [echoing(), echoing()];
  await using direct = await startTestServer({ handler: mine.handler });
  await using viaNode = await startTestServer({ handler: theirs.handler });
  const sides = [direct, viaNode].map(sidesOf);
  const random = seeded(11);
  const rounds = Array.from({ length: 250 }, (_, round) => {
    const content = `round ${round}`;
    const bytes = broken(Buffer.from(wire(chat({ messages: [{ role: 'user', content }] }))), random);
    const after = Buffer.from(
      wire(chat({ messages: [{ role: 'user', content: `${content}, after` }] }), { headers: ['Connection: close'] }),
    );
    return cut(Buffer.concat([bytes, after]), random);
  });
  const clients = await Promise.all([
    ...rounds.map((pieces) => talk(direct, pieces)),
    ...rounds.map((pieces) => talk(viaNode, [VIA_NODE, ...pieces])),
  ]);
  const sideOf = ({ socket }: RawClient, at: number): Socket | undefined =>
    sides[Math.floor(at / rounds.length)]?.get(socket.localPort ?? 0);
  const texts = await heard(clients, clients.map(sideOf));
  // a broken request may come before the answer to a good one, or after it
  const last = (text = ''): string | undefined => text.match(/HTTP\/1\.1 \d+ /g)?.at(-1);
  for (const [round, pieces] of rounds.entries()) {
    assert.equal(last(texts[round]), last(texts[round + rounds.length]), `round ${round}: ${JSON.stringify(pieces.map(String))}`);
  }
  assert.deepEqual(mine.asked.toSorted(), theirs.asked.toSorted());
  assert.ok(mine.asked.length > 60, `${mine.asked.length}`);
  for (const { socket } of clients) socket.destroy();
});

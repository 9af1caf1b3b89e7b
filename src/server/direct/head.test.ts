import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { duplexPair } from 'node:stream';
import type { Duplex } from 'node:stream';
import { test } from 'node:test';
import { pick, seeded } from '../../../test/support/random.ts';
import { readHead } from './head.ts';
import type { Head } from './head.ts';

const START = 'POST /v1/chat/completions HTTP/1.1';
const LIMITS = { head: 16 * 1024, body: 1000 };

/** The head with these lines, read; those every request has are there unless they are among them. */
function read(...lines: readonly string[]): Head | undefined {
  return readHead([START, 'Host: localhost', 'Content-Length: 5', ...lines].join('\r\n'), START, LIMITS);
}

/** One whose only line this is. */
const readLine = (line: string): Head | undefined => readHead(`${START}\r\n${line}`, START, LIMITS);

test('head: names are in lower case, values without the spaces and tabs around them', () => {
  const head = read('Authorization: \t Bearer  x\t ', 'X-Empty:', 'x-CLIENT-request-ID:1');
  assert.deepEqual(head, {
    headers: {
      host: 'localhost',
      'content-length': '5',
      authorization: 'Bearer  x',
      'x-empty': '',
      'x-client-request-id': '1',
    },
    length: 5,
    keepAlive: true,
  });
});

test('head: the request line is this one to the letter', () => {
  for (const line of [
    'POST /v1/chat/completions HTTP/1.0',
    'POST /v1/chat/completions HTTP/1.11',
    'POST /v1/chat/completions  HTTP/1.1',
    'POST /v1/chat/completions HTTP/1.1 ',
    'POST /v1/chat/completions?a=b HTTP/1.1',
    'POST /v1/chat/completions/ HTTP/1.1',
    'POST //v1/chat/completions HTTP/1.1',
    'POST /v1/chat/%63ompletions HTTP/1.1',
    'POST http://localhost/v1/chat/completions HTTP/1.1',
    'post /v1/chat/completions HTTP/1.1',
    'GET /v1/chat/completions HTTP/1.1',
    '\r\nPOST /v1/chat/completions HTTP/1.1',
    ' POST /v1/chat/completions HTTP/1.1',
    'POST\t/v1/chat/completions HTTP/1.1',
    '',
  ]) {
    assert.equal(readHead(`${line}\r\nContent-Length: 5`, START, LIMITS), undefined, JSON.stringify(line));
  }
  assert.equal(readHead(START, START, LIMITS), undefined);
});

test('head: a length is plain digits, and there once', () => {
  assert.equal(readLine('Content-Length: 5')?.length, 5);
  assert.equal(readLine('Content-Length:\t5 ')?.length, 5);
  assert.equal(readLine('content-length:0')?.length, 0);
  for (const value of ['+5', '-5', '0x5', '5 5', '5,5', '5, 5', '5.0', '5e0', '', '٥', '\xb2', '5\x00', '9'.repeat(10), '9'.repeat(400)]) {
    assert.equal(readLine(`Content-Length: ${value}`), undefined, JSON.stringify(value));
  }
  assert.equal(readLine('Host: localhost'), undefined);
  assert.equal(read('Content-Length: 5'), undefined);
  assert.equal(read('content-length: 6'), undefined);
});

test('head: the limits are those of the head and of the body', () => {
  assert.equal(readLine('Content-Length: 1000')?.length, 1000);
  assert.equal(readLine('Content-Length: 1001'), undefined);
  const text = `${START}\r\nContent-Length: 5\r\nX: y`;
  assert.ok(readHead(text, START, { head: text.length, body: 5 }));
  assert.equal(readHead(text, START, { head: text.length - 1, body: 5 }), undefined);
  const lines = (count: number): string[] => Array.from({ length: count }, (_, index) => `X-${index}: y`);
  assert.ok(read(...lines(98)));
  assert.equal(read(...lines(99)), undefined);
});

test('head: what changes how a request is read is none of ours', () => {
  for (const line of [
    'Transfer-Encoding: chunked',
    'transfer-encoding: identity',
    'Expect: 100-continue',
    'Upgrade: h2c',
    'TE: trailers',
    'Trailer: X',
    'Proxy-Connection: keep-alive',
    'Set-Cookie: a=b',
  ]) {
    assert.equal(read(line), undefined, line);
  }
});

test('head: a connection is kept, or closed; other wishes are none of ours', () => {
  assert.equal(read()?.keepAlive, true);
  assert.equal(read('Connection: Keep-Alive')?.keepAlive, true);
  assert.equal(read('connection:\tclose')?.keepAlive, false);
  for (const wish of ['', 'keep-alive, close', 'close, TE', 'Upgrade', 'content-length', 'closed', 'x']) {
    assert.equal(read(`Connection: ${wish}`), undefined, JSON.stringify(wish));
  }
});

test('head: a name is a token, and there once, however it is spelled', () => {
  for (const line of [
    'X : y',
    ' X: y',
    '\tX: y',
    'X\t: y',
    ': y',
    'X',
    'X\r: y',
    'X\0: y',
    'X(: y',
    'X\x80: y',
    'X\xe4: y',
    'HOST: localhost',
    'host: other',
    'Content\xadLength: 5',
  ]) {
    assert.equal(read(line), undefined, JSON.stringify(line));
  }
  assert.equal(read('X: 1', 'x: 1'), undefined);
});

test('head: a value has no control characters; letters of older texts stay as they came', () => {
  for (let code = 0; code < 256; code++) {
    const head = read(`X: a${String.fromCharCode(code)}b`);
    const isAllowed = code === 0x09 || (code >= 0x20 && code !== 0x7f);
    assert.equal(head?.headers['x'], isAllowed ? `a${String.fromCharCode(code)}b` : undefined, `${code}`);
  }
  for (const value of ['a\r\n b', 'a\r\n\tb', 'a\nContent-Length: 6', 'a\rContent-Length: 6', 'a\r\r', '\n', '\r']) {
    assert.equal(read(`X: ${value}`), undefined, JSON.stringify(value));
  }
});

test('head: names that objects have by themselves are headers like others', () => {
  const head = read('constructor: a', 'toString: b', 'hasOwnProperty: c', 'valueOf: d');
  assert.deepEqual(Object.keys(head?.headers ?? {}).slice(2), ['constructor', 'tostring', 'hasownproperty', 'valueof']);
  assert.equal(read('__proto__: x'), undefined);
  assert.equal(read('constructor: a', 'Constructor: b'), undefined);
});

test('head: who shares it cannot change it', () => {
  const head = read();
  assert.ok(head);
  assert.throws(() => (head.headers['host'] = 'other'), TypeError);
});

interface Seen {
  readonly method: string | undefined;
  readonly url: string | undefined;
  readonly version: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** How `node:http` reads bytes: each request as it was seen, then what follows is refused or waited for. */
function createReader(): (bytes: Buffer, count: number) => Promise<readonly (Seen | string)[]> {
  let tell: (seen: Seen | string) => void = () => undefined;
  const server = createServer({ requireHostHeader: false, maxHeaderSize: LIMITS.head }, (request, response) => {
    void seen(request).then((one) => {
      response.end();
      tell(one);
    });
  });
  server.on('clientError', ({ code = '' }: NodeJS.ErrnoException) => tell(code));
  return async (bytes, count) => {
    const [mine, theirs] = duplexPair();
    const requests: (Seen | string)[] = [];
    const { promise, resolve } = Promise.withResolvers<void>();
    tell = (one) => {
      requests.push(one);
      if (requests.length === count || typeof one === 'string') resolve();
    };
    server.emit('connection', theirs satisfies Duplex);
    mine.resume();
    mine.write(bytes);
    await promise;
    mine.destroy();
    theirs.destroy();
    return requests;
  };
}

async function seen(request: IncomingMessage): Promise<Seen> {
  let body = '';
  for await (const piece of request.setEncoding('latin1')) body += String(piece);
  const { method, url, headers, httpVersion } = request;
  return { method, url, headers, body, version: httpVersion };
}

const NAMES = [
  'Host',
  'Authorization',
  'content-length',
  'Content-Length',
  'Connection',
  'X-A',
  'x-a',
  'constructor',
  '__proto__',
  'Cookie',
];
const MORE_NAMES = [
  'Expect',
  'TE',
  'transfer-encoding',
  'Date',
  'From',
  'Set-Cookie',
  'User-Agent',
  'Content-Type',
  'Transfer_Encoding',
  '',
  'X ',
];
const VALUES = ['5', '05', '0', '6', '5 ', '+5', 'keep-alive', 'close', 'Close\t', 'chunked', 'a, b', '', '\t', 'ä\xff', '"q\\"', 'x:y'];
const ODD = ['\r', '\n', '\r\n', '\0', ' ', '\t', ':', '\x7f', '\x80', 'A', '5', '\r\n\r\n', '\v', ',', ';'];

/** A head that is plain but for some spots. */
function someHead(random: () => number): string {
  const lines = ['Host: localhost', 'Content-Length: 5'];
  for (let count = Math.floor(random() * 5); count > 0; count--) {
    const separator = pick([':', ': ', ':\t ', ' :'], random);
    const line = `${pick(random() < 0.5 ? NAMES : MORE_NAMES, random)}${separator}${pick(VALUES, random)}`;
    lines.splice(Math.floor(random() * (lines.length + 1)), 0, line);
  }
  if (random() < 0.2) lines.splice(Math.floor(random() * lines.length), 1);
  let text = [START, ...lines].join('\r\n');
  for (let count = Math.floor(random() * 3) - 1; count > 0; count--) {
    const at = Math.floor(random() * text.length);
    text = text.slice(0, at) + pick(ODD, random) + text.slice(at + Math.floor(random() * 2));
  }
  return text;
}

test('head: the longest that is taken is not too long for node:http', async () => {
  const start = `${START}\r\nContent-Length: 5\r\n`;
  const short = Array.from({ length: 98 }, (_, index) => `X-${index}: y`).join('\r\n');
  const room = LIMITS.head - start.length;
  for (const rest of [`X: ${'y'.repeat(room - 3)}`, `${'x'.repeat(room - 1)}:`, `${short}\r\nX: ${'y'.repeat(room - short.length - 5)}`]) {
    const text = start + rest;
    const head = readHead(text, START, LIMITS);
    assert.ok(head && text.length === LIMITS.head);
    const [one] = await createReader()(Buffer.from(`${text}\r\n\r\nxxxxx`, 'latin1'), 1);
    assert.deepEqual(typeof one === 'string' ? one : one?.headers, head.headers);
  }
});

test('head: whatever is taken, node:http reads it as the same request, of the same length', async () => {
  const reader = createReader();
  const random = seeded(31);
  let taken = 0;
  for (let round = 0; round < 6000; round++) {
    const text = someHead(random);
    // as a connection cuts it
    const head = text.includes('\r\n\r\n') ? undefined : readHead(text, START, LIMITS);
    if (!head) continue;
    taken++;
    const body = 'x'.repeat(head.length);
    const bytes = Buffer.from(`${text}\r\n\r\n${body}`, 'latin1');
    // whoever closes may say no more; otherwise a second request shows where the first one ends
    const whole = head.keepAlive ? Buffer.concat([bytes, bytes]) : bytes;
    const expected = { method: 'POST', url: '/v1/chat/completions', version: '1.1', headers: head.headers, body };
    const count = head.keepAlive ? 2 : 1;
    assert.deepEqual(
      await reader(whole, count),
      Array.from({ length: count }, () => expected),
      JSON.stringify(text),
    );
  }
  assert.ok(taken > 600, `${taken} heads were taken`);
});

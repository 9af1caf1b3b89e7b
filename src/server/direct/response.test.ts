import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { duplexPair } from 'node:stream';
import type { Duplex } from 'node:stream';
import { test } from 'node:test';
import { DirectResponse } from './response.ts';

interface Answered {
  readonly response: DirectResponse;
  /** The client's side: it has read nothing until somebody calls `text`. */
  readonly client: Duplex;
  /** What was told, in its order. */
  readonly told: string[];
  /** All that was written, once the server's side has ended. */
  text(): Promise<string>;
}

/** A response on a connection of memory, which takes only what the client reads. */
function answered({ keepAlive = true } = {}): Answered {
  const [client, server] = duplexPair();
  const told: string[] = [];
  const response = new DirectResponse(server as Socket, { keepAlive, keepAliveMs: 65_000, over: () => told.push('over') });
  server.once('close', () => response.closed());
  server.on('error', () => undefined);
  client.on('error', () => undefined);
  for (const event of ['finish', 'close'] as const) response.once(event, () => told.push(event));
  return {
    response,
    client,
    told,
    async text() {
      server.end();
      return Buffer.concat(await client.toArray()).toString('latin1');
    },
  };
}

const bytes = (text: string): string => Buffer.from(text).toString('latin1');

test('response: a whole answer is its head, its length in bytes, and its body in UTF-8', async () => {
  const { response, text } = answered();
  response.writeHead(200, { 'content-length': Buffer.byteLength('{"ä":"😀"}'), 'x-a': 1 });
  response.end('{"ä":"😀"}');
  assert.match(
    await text(),
    new RegExp(
      `^HTTP/1\\.1 200 OK\\r\\ncontent-length: 13\\r\\nx-a: 1\\r\\ndate: [^\\r]+ GMT\\r\\nconnection: keep-alive\\r\\nkeep-alive: timeout=65\\r\\n\\r\\n${bytes('\\{"ä":"😀"\\}')}$`,
    ),
  );
});

test('response: bytes go out as they are, whole or in a chunk', async () => {
  const body = Buffer.from([0xff, 0xfe, 0x80, 0x0a, 0x00]);
  for (const headers of [{ 'content-length': body.length }, {}]) {
    const { response, text } = answered();
    response.writeHead(200, headers);
    response.end(body);
    const [, sent] = (await text()).split('\r\n\r\n');
    const latin1 = body.toString('latin1');
    assert.equal(`${sent}`, 'content-length' in headers ? latin1 : `5\r\n${latin1}\r\n0`);
  }
});

test('response: without a length it is chunked, by bytes, and a chunk is never empty', async () => {
  const { response, text } = answered();
  response.writeHead(200, {});
  response.write('äöü😀');
  response.write('');
  response.write('\ud800x'.repeat(10));
  response.end('end');
  const received = await text();
  assert.match(received, /\r\ntransfer-encoding: chunked\r\n/);
  assert.equal(
    received.slice(received.indexOf('\r\n\r\n') + 4),
    `a\r\n${bytes('äöü😀')}\r\n28\r\n${bytes('\ufffdx'.repeat(10))}\r\n3\r\nend\r\n0\r\n\r\n`,
  );
});

test('response: nothing is sent before the body begins, and a body may be empty', async () => {
  const { response, client, text } = answered();
  response.writeHead(200, { 'content-length': 0 });
  assert.equal(client.readableLength, 0);
  response.end();
  assert.match(await text(), /^HTTP\/1\.1 200 OK\r\n[^]*\r\n\r\n$/);
});

test('response: a header that would end its line is refused, and another answer is possible', async () => {
  for (const value of ['a\r\nx: y', 'a\nb', 'a\rb', 'a\0b', '\x7f', '東京']) {
    const { response, text } = answered();
    assert.throws(() => response.writeHead(200, { 'x-a': value }), TypeError);
    assert.equal(response.headersSent, false);
    response.writeHead(500, { 'content-length': 0 });
    response.end();
    assert.match(await text(), /^HTTP\/1\.1 500 /);
  }
  const { response, text } = answered();
  response.writeHead(200, { 'x-a': 'a\tb', 'x-b': '\xe4', 'content-length': 0 });
  response.end();
  assert.match(await text(), /x-a: a\tb\r\n/);
});

test('response: what comes after its end, or a second head, is refused and does not go out', async () => {
  const { response, text } = answered();
  response.writeHead(200, { 'content-length': 2 });
  assert.throws(() => response.writeHead(200, {}), /before/);
  response.end('ok');
  assert.throws(() => response.write('more'), /ended/);
  response.end('more');
  assert.match(await text(), /\r\n\r\nok$/);
});

test('response: the last one of a connection says so, as late as its head', async () => {
  const { response, text } = answered();
  response.shouldKeepAlive = false;
  response.writeHead(200, { 'content-length': 0 });
  response.end();
  assert.match(await text(), /\r\nconnection: close\r\n\r\n$/);
  const other = answered({ keepAlive: false });
  other.response.writeHead(200, { 'content-length': 0 });
  other.response.end();
  assert.match(await other.text(), /\r\nconnection: close\r\n\r\n$/);
});

test('response: it is over when all has gone out, and says so once', async () => {
  const { response, client, told } = answered();
  response.writeHead(200, { 'content-length': 2 });
  response.end('ok');
  assert.deepEqual(told, []);
  client.resume();
  await once(client, 'data');
  // told with the write that follows the last
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(told, ['over', 'finish', 'close']);
  client.destroy();
  response.socket.destroy();
  await once(response.socket, 'close');
  assert.deepEqual(told, ['over', 'finish', 'close']);
});

test('response: a client that leaves before all has gone out leaves it closed, not finished', async () => {
  for (const when of ['begun', 'ended'] as const) {
    const { response, told } = answered();
    response.writeHead(200, { 'content-length': 2 });
    if (when === 'ended') response.end('ok');
    else response.write('o');
    response.socket.destroy();
    await once(response.socket, 'close');
    assert.deepEqual(told, ['over', 'close'], when);
    // whoever has not heard yet writes on, to nobody
    if (when === 'begun') {
      assert.equal(response.write('k'), true);
      response.end();
    }
    assert.deepEqual(told, ['over', 'close'], when);
  }
});

test('response: where our side has ended, what is written is for nobody and the answer is not finished', () => {
  const { response, told } = answered();
  response.writeHead(200, {});
  response.socket.end();
  assert.equal(response.write('x'), true);
  response.end('y');
  assert.deepEqual(told, ['over', 'close']);
});

test('response: a reader who is behind is waited for, and there is room again once', async () => {
  const { response, client } = answered();
  response.writeHead(200, {});
  assert.equal(response.write('x'.repeat(1_000_000)), false);
  let drained = 0;
  response.once('drain', () => drained++);
  const withdrawn = (): void => assert.fail('told though it was withdrawn');
  response.once('drain', withdrawn);
  response.off('drain', withdrawn);
  client.resume();
  await once(response.socket, 'drain');
  assert.equal(drained, 1);
  assert.equal(response.write('y'.repeat(1_000_000)), false);
  await once(response.socket, 'drain');
  assert.equal(drained, 1);
});

test('response: who withdraws hears nothing', async () => {
  const { response, told } = answered();
  const withdrawn = (): void => void told.push('withdrawn');
  const kept = (): void => void told.push('kept');
  response.once('close', withdrawn);
  response.once('finish', withdrawn);
  response.once('close', kept);
  response.off('close', withdrawn);
  response.off('finish', withdrawn);
  response.destroy();
  await once(response.socket, 'close');
  assert.deepEqual(told, ['over', 'close', 'kept']);
});

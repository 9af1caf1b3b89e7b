import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import type { ClientResponse } from '../exchange.ts';
import { wire } from '../testing.ts';
import { KEEP_ALIVE_MS, LIMITS, TIMES, later, reply, start, until, untilRead } from './testing.ts';

/** `performance.now()` is what the test says. */
function stoppedClock(context: TestContext): { now: number } {
  const clock = { now: 1000 };
  context.mock.method(performance, 'now', () => clock.now);
  return clock;
}

test('connections: a plain request is served, whatever the pieces of its body, and the next one after it', async () => {
  await using fixture = await start();
  const client = await fixture.connect(wire('{"a":1}', { headers: ['X-A: b'] }));
  await client.until('{"a":1}');
  const body = 'ä'.repeat(600);
  const rest = Buffer.from(body);
  client.socket.write(wire(body).slice(0, -body.length));
  for (let at = 0; at < rest.length; at++) {
    client.socket.write(rest.subarray(at, at + 1));
    await turn();
  }
  await client.until(Buffer.from(body).toString('latin1'));
  assert.deepEqual(
    fixture.served.map(({ request: { method, url, httpVersion, headers } }) => [method, url, httpVersion, headers['x-a']]),
    [
      ['POST', '/v1/chat/completions', '1.1', 'b'],
      ['POST', '/v1/chat/completions', '1.1', undefined],
    ],
  );
  assert.equal(fixture.handed(), '');
});

test('connections: what is not plain is handed over with every byte, on a new connection or a used one', async () => {
  const plain = wire('{}');
  for (const bytes of [
    'GET / HTTP/1.1\r\n\r\n',
    'POST /v1/chat/completions HTTP/1.1\r\nHost: a',
    'P',
    '\r\n',
    plain + plain,
    `${plain}G`,
    wire('{}', { headers: ['Transfer-Encoding: chunked'] }),
    `POST /v1/chat/completions HTTP/1.1\r\nContent-Length: ${256 * 1024 + 1}\r\n\r\n{`,
    '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03',
  ]) {
    for (const before of ['', wire('{"before":1}')]) {
      await using fixture = await start();
      const client = await fixture.connect(before);
      if (before !== '') await client.until('"before"');
      client.socket.write(bytes, 'latin1');
      await until(() => fixture.handed().length >= bytes.length);
      assert.equal(fixture.handed(), bytes);
      assert.equal(fixture.served.length, before === '' ? 0 : 1);
      // and so is all that follows
      client.socket.write(plain);
      await until(() => fixture.handed() === bytes + plain);
    }
  }
});

test('connections: a request that comes while an answer runs is served after it, whole or in pieces', async () => {
  const second = wire('{"second":2}');
  for (const size of [1, 7, second.length - 1, second.length]) {
    await using fixture = await start({ serve: later });
    const { served, sockets } = fixture;
    const client = await fixture.connect(wire('{"first":1}'));
    await until(() => served.length === 1);
    for (let at = 0; at < second.length; at += size) {
      client.socket.write(second.slice(at, at + size));
      await turn();
    }
    await untilRead(sockets[0], wire('{"first":1}').length + second.length);
    assert.equal(served.length, 1);
    reply(served[0]?.response as ClientResponse, 'one');
    await until(() => served.length === 2);
    reply(served[1]?.response as ClientResponse, 'two');
    assert.match(await client.until('two'), /one[^]*two/);
    assert.equal(served[1]?.body, '{"second":2}');
  }
});

test('connections: half a request that came while an answer ran is handed over after it, or waited for', async () => {
  const second = wire('{"second":2}');
  for (const length of [30, second.length - 3]) {
    await using fixture = await start({ serve: later });
    const { served, sockets } = fixture;
    const client = await fixture.connect(wire('{}'));
    await until(() => served.length === 1);
    client.socket.write(second.slice(0, length));
    await untilRead(sockets[0], wire('{}').length + length);
    assert.equal(fixture.handed(), '');
    reply(served[0]?.response as ClientResponse, 'one');
    client.socket.write(second.slice(length));
    await until(() => served.length === 2 || fixture.handed() === second);
    assert.equal(served.length, length === 30 ? 1 : 2);
  }
});

test('connections: a client that sends on while an answer runs is not read without end, and nothing is lost', async () => {
  await using fixture = await start({ serve: later });
  const { served, sockets } = fixture;
  const first = wire('{}');
  const client = await fixture.connect(first);
  await until(() => served.length === 1);
  const socket = sockets[0] as Socket;
  const body = 'x'.repeat(200_000);
  const paused = once(socket, 'pause');
  client.socket.write(wire(body));
  await paused;
  reply(served[0]?.response as ClientResponse, 'one');
  await until(() => served.length === 2);
  assert.equal(served[1]?.body, body);
  assert.equal(socket.isPaused(), false);
});

test('connections: of answers that are there at once, the next request may be in the piece that ends the one before', async () => {
  await using fixture = await start();
  const client = await fixture.connect();
  const whole = wire('{"n":1}');
  for (let count = 1; count <= 20; count++) {
    const cut = whole.length - (count % 7) - 1;
    client.socket.write(whole.slice(0, cut));
    await untilRead(fixture.sockets[0], (count - 1) * 2 * whole.length + cut);
    client.socket.write(whole.slice(cut) + whole);
    await until(() => fixture.served.length === count * 2);
  }
  assert.equal(fixture.handed(), '');
});

test('connections: after the last answer of a connection nothing is served on it any more', async () => {
  const plain = wire('{}');
  const last = wire('{"last":1}', { headers: ['Connection: close'] });
  for (const when of ['meanwhile', 'afterwards'] as const) {
    await using fixture = await start({ serve: later });
    const { served, sockets } = fixture;
    const client = await fixture.connect(last);
    client.socket.removeAllListeners('end');
    client.socket.allowHalfOpen = true;
    await until(() => served.length === 1);
    if (when === 'meanwhile') client.socket.write(plain);
    if (when === 'meanwhile') await untilRead(sockets[0], last.length + plain.length);
    reply(served[0]?.response as ClientResponse, 'bye');
    await once(client.socket, 'end');
    assert.match(await client.until('bye'), /connection: close\r\n/);
    client.socket.write(plain);
    await untilRead(sockets[0], last.length + plain.length * (when === 'meanwhile' ? 2 : 1));
    assert.equal(served.length, 1);
    assert.equal(fixture.handed(), '');
  }
});

test('connections: where our side was ended meanwhile, the rest of a request is not served', async () => {
  await using fixture = await start();
  const client = await fixture.connect(wire('{}').slice(0, -1));
  client.socket.removeAllListeners('end');
  client.socket.allowHalfOpen = true;
  await untilRead(fixture.sockets[0], wire('{}').length - 1);
  fixture.sockets[0]?.end();
  await once(client.socket, 'end');
  client.socket.write('}');
  await untilRead(fixture.sockets[0], wire('{}').length);
  assert.equal(fixture.served.length, 0);
});

test('time: a connection that is silent, or a body that does not come, is broken at its limit and not before', async (context) => {
  const clock = stoppedClock(context);
  for (const [send, limit] of [
    ['', TIMES.headersTimeout],
    [wire('{}').slice(0, -1), TIMES.requestTimeout],
  ] as const) {
    await using fixture = await start();
    const client = await fixture.connect(send);
    await untilRead(fixture.sockets[0], send.length);
    clock.now += limit - 1;
    fixture.direct.sweep();
    assert.deepEqual(fixture.broken, []);
    clock.now += 1;
    fixture.direct.sweep();
    assert.deepEqual(fixture.broken, ['ERR_HTTP_REQUEST_TIMEOUT']);
    fixture.direct.sweep();
    assert.equal(fixture.broken.length, 1);
    await client.whole();
  }
});

test('time: a limit of 0 is none', async (context) => {
  const clock = stoppedClock(context);
  await using fixture = await start({ times: () => ({ headersTimeout: 0, requestTimeout: 0 }) });
  await fixture.connect();
  await fixture.connect(wire('{}').slice(0, -1));
  await untilRead(fixture.sockets[1], wire('{}').length - 1);
  clock.now += 1e9;
  fixture.direct.sweep();
  assert.deepEqual(fixture.broken, []);
});

test('time: an idle connection is closed later than was promised, one whose answer runs is not', async (context) => {
  const clock = stoppedClock(context);
  await using fixture = await start({ serve: later });
  const { served, direct } = fixture;
  const client = await fixture.connect(wire('{}'));
  await until(() => served.length === 1);
  clock.now += 1e9;
  direct.sweep();
  reply(served[0]?.response as ClientResponse, 'ok');
  assert.match(await client.until('ok'), /keep-alive: timeout=65\r\n/);
  clock.now += KEEP_ALIVE_MS;
  direct.sweep();
  assert.equal(fixture.sockets[0]?.destroyed, false);
  clock.now += 2000;
  direct.sweep();
  await client.whole();
  assert.deepEqual(fixture.broken, []);
});

test('time: a client that does not close its side after the last answer is not waited for', async (context) => {
  const clock = stoppedClock(context);
  await using fixture = await start();
  const client = await fixture.connect(wire('{"a":1}', { headers: ['Connection: close'] }));
  client.socket.removeAllListeners('end');
  client.socket.allowHalfOpen = true;
  await once(client.socket, 'end');
  fixture.direct.sweep();
  assert.equal(fixture.sockets[0]?.destroyed, false);
  clock.now += 1000;
  fixture.direct.sweep();
  assert.equal(fixture.sockets[0]?.destroyed, true);
  assert.deepEqual(fixture.broken, []);
});

test('limits: those that changed count at once, for heads that were seen before too', async () => {
  let limits = LIMITS;
  await using fixture = await start({ limits: () => limits });
  const send = wire('{"a":1}');
  const client = await fixture.connect(send);
  await client.until('{"a":1}');
  client.socket.write(send);
  await until(() => fixture.served.length === 2);
  limits = { ...LIMITS, bodyLimit: 6 };
  client.socket.write(send);
  await until(() => fixture.handed() === send);
  assert.equal(fixture.served.length, 2);
});

test('limits: beyond 64 MiB of bodies that are to come, requests go where keys are checked first', async () => {
  await using fixture = await start();
  const head = 'POST /v1/chat/completions HTTP/1.1\r\nContent-Length: 262144\r\n\r\n';
  const clients = await Promise.all(Array.from({ length: 256 }, () => fixture.connect(head)));
  await until(() => fixture.sockets.every((socket) => socket.bytesRead === head.length) && fixture.sockets.length === 256);
  assert.equal(fixture.handed(), '');
  const another = await fixture.connect(head);
  await until(() => fixture.handed() === head);
  // what needs not be waited for is served all the same, and whoever leaves makes room
  const third = await fixture.connect(wire('{"a":1}'));
  await third.until('{"a":1}');
  clients[0]?.socket.destroy();
  await until(() => fixture.sockets.some(({ destroyed }) => destroyed));
  const fourth = await fixture.connect(head);
  await untilRead(fixture.sockets.at(-1), head.length);
  assert.equal(fixture.handed(), head);
  for (const { socket } of [...clients, another, third, fourth]) socket.destroy();
});

test('leaving: a client that ends its side is broken within a request, and done with otherwise', async () => {
  await using fixture = await start({ serve: later });
  const { served, broken } = fixture;
  for (const send of ['', wire('{}')]) {
    const client = await fixture.connect(send);
    if (send !== '') await until(() => served.length === 1);
    const closed = Promise.withResolvers<void>();
    served[0]?.response.once('close', closed.resolve);
    client.socket.end();
    await client.whole();
    if (send !== '') await closed.promise;
  }
  assert.deepEqual(broken, []);
  const client = await fixture.connect(wire('{}').slice(0, -1));
  client.socket.end();
  await client.whole();
  assert.deepEqual(broken, ['HPE_INVALID_EOF_STATE']);
});

test('leaving: a reset is no more than a closed connection, whenever it comes', async () => {
  for (const send of ['', wire('{}').slice(0, -1), wire('{}')]) {
    await using fixture = await start({ serve: later });
    const { served, sockets } = fixture;
    const client = await fixture.connect(send);
    await untilRead(sockets[0], send.length);
    const told: string[] = [];
    served[0]?.response.once('finish', () => told.push('finish'));
    served[0]?.response.once('close', () => told.push('close'));
    client.socket.resetAndDestroy();
    await until(() => sockets[0]?.closed === true);
    // it says so in the turn after
    await turn();
    assert.deepEqual(told, send === wire('{}') ? ['close'] : []);
    for (const code of fixture.broken) assert.equal(code, 'ECONNRESET');
    if (served[0]) reply(served[0].response, 'too late');
    fixture.direct.sweep();
    fixture.direct.closeIdle();
  }
});

test('leaving: a connection that is destroyed while its request is served takes the next one with it', async () => {
  await using fixture = await start({ serve: (_request, response) => void response.destroy() });
  const client = await fixture.connect(wire('{}').slice(0, -1));
  await untilRead(fixture.sockets[0], wire('{}').length - 1);
  client.socket.write(`}${wire('{}')}`);
  assert.equal(await client.whole(), '');
  assert.equal(fixture.served.length, 1);
});

test('the end: idle connections close, half a request is handed over, and so is what comes after a running answer', async () => {
  await using fixture = await start({ serve: later });
  const { served, direct, sockets } = fixture;
  const silent = await fixture.connect();
  const running = await fixture.connect(wire('{"running":1}'));
  await until(() => served.length === 1);
  const half = wire('{"half":1}');
  await fixture.connect(half.slice(0, -4));
  await untilRead(sockets[2], half.length - 4);
  direct.closeIdle();
  assert.equal(await silent.whole(), '');
  assert.equal(fixture.handed(), half.slice(0, -4));
  reply(served[0]?.response as ClientResponse, 'ok');
  await running.until('ok');
  running.socket.write(wire('{"next":1}'));
  await until(() => fixture.handed().endsWith('{"next":1}'));
  assert.equal(served.length, 1);
});

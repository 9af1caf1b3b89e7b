import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { test } from 'node:test';
import type { Signal } from '../core/abort.ts';
import type { ChatResponse } from '../core/chat.ts';
import { GatewayError } from '../core/error.ts';
import { CHAT, END, OPEN, START, answering, bodyOf, connectRaw, delta, startTestServer, streaming, wire } from './testing.ts';

const STREAM = { ...CHAT, stream: true };
const asked = wire(JSON.stringify(STREAM));

interface Chunk {
  readonly choices: readonly { readonly delta: { readonly content?: string }; readonly finish_reason: string | null }[];
  readonly error?: { readonly code: string; readonly type: string };
}

function frames(text: string): string[] {
  return text
    .split('\n\n')
    .filter((frame) => frame.startsWith('data: '))
    .map((frame) => frame.slice('data: '.length));
}

const chunks = (text: string): Chunk[] => frames(text).flatMap((data) => (data === '[DONE]' ? [] : [JSON.parse(data) as Chunk]));

/** A promise and its resolver, under names that say what waits. */
const moment = () => Promise.withResolvers<void>();

test("stream: frames with the contract's headers, ended by [DONE]", async () => {
  await using server = await startTestServer({ handler: answering('Hel', 'lo') });
  const response = await server.post(STREAM);
  assert.equal(response.status, 200);
  const { headers } = response;
  assert.equal(headers.get('content-type'), 'text/event-stream; charset=utf-8');
  assert.equal(headers.get('cache-control'), 'no-cache, no-transform');
  assert.equal(headers.get('x-accel-buffering'), 'no');
  assert.equal(headers.get('content-encoding'), null);
  assert.match(headers.get('x-request-id') ?? '', /^req_/);
  assert.match(headers.get('openai-processing-ms') ?? '', /^\d+$/);
  const text = await response.text();
  assert.equal(
    chunks(text)
      .flatMap(({ choices }) => choices.map((choice) => choice.delta.content ?? ''))
      .join(''),
    'Hello',
  );
  assert.equal(frames(text).at(-1), '[DONE]');
});

test('stream: each batch is on the wire before the next one is made', async () => {
  const first = moment();
  const second = moment();
  await using server = await startTestServer({
    handler: streaming(async function* () {
      yield [START, OPEN, delta('one')];
      await first.promise;
      yield [delta('two')];
      await second.promise;
      yield END;
    }),
  });
  const client = await connectRaw(server.port, asked);
  assert.doesNotMatch(await client.until('"one"'), /two/);
  first.resolve();
  assert.doesNotMatch(await client.until('"two"'), /DONE/);
  second.resolve();
  await client.until('[DONE]');
  client.socket.destroy();
});

test('stream: a failure after the first frame is an error frame and the end, without [DONE]', async () => {
  const failure = new GatewayError('overloaded', 'The engine died.');
  const ways = [
    streaming(async function* () {
      yield [START, OPEN, delta('x')];
      yield [{ type: 'error', error: failure }];
    }),
    streaming(async function* () {
      yield [START, OPEN, delta('x')];
      throw failure;
    }),
  ];
  for (const handler of ways) {
    await using server = await startTestServer({ handler });
    const text = await (await server.post(STREAM)).text();
    assert.equal(chunks(text).at(-1)?.error?.code, 'server_is_overloaded');
    assert.doesNotMatch(text, /DONE/);
    const [line] = await server.logged(1);
    assert.deepEqual([line?.['status'], line?.['outcome'], line?.['error']], [200, 'error', 'overloaded']);
  }
});

test('stream: events that stop without an end are a failure, streamed or not', async () => {
  const handler = streaming(async function* () {
    yield [START, OPEN, delta('half')];
  });
  await using server = await startTestServer({ handler });
  const text = await (await server.post(STREAM)).text();
  assert.equal(chunks(text).at(-1)?.error?.type, 'upstream_error');
  assert.doesNotMatch(text, /DONE/);
  assert.equal((await server.post(CHAT)).status, 502);
});

test("stream: a handler's whole answer is streamed to a client that wants a stream", async () => {
  const response: ChatResponse = {
    id: 'chatcmpl-1',
    model: 'test',
    created: 1,
    choices: [
      { blocks: [{ type: 'text', text: 'Sunny' }], reason: 'stop', logprobs: [{ token: 'Sunny', logprob: -1, bytes: null, top: [] }] },
      { blocks: [{ type: 'tool_call', id: 'call_1', kind: 'function', name: 'f', input: '{"a":1}' }], reason: 'tool_calls' },
    ],
    usage: { promptTokens: 1, completionTokens: 2, cachedTokens: 0, reasoningTokens: 0 },
  };
  await using server = await startTestServer({ handler: async () => ({ kind: 'full', response, ignored: ['store'] }) });
  const streamed = await server.post({ ...STREAM, n: 2, logprobs: true, stream_options: { include_usage: true } });
  assert.equal(streamed.headers.get('x-parlance-ignored-params'), 'store');
  const text = await streamed.text();
  for (const part of [
    '"content":"Sunny"',
    '"logprob":-1',
    '"name":"f"',
    '"finish_reason":"tool_calls"',
    '"total_tokens":3',
    'data: [DONE]',
  ]) {
    assert.ok(text.includes(part), part);
  }
  const whole = (await (await server.post({ ...CHAT, n: 2 })).json()) as { choices: unknown[] };
  assert.equal(whole.choices.length, 2);
});

test('disconnect: a client that goes away during a stream fires the signal and ends the generator', async () => {
  const aborted = moment();
  const ended = moment();
  await using server = await startTestServer({
    handler: streaming(async function* (call) {
      call.signal.addEventListener('abort', () => aborted.resolve());
      try {
        yield [START, OPEN, delta('x')];
        await aborted.promise;
        yield [delta('y')];
      } finally {
        ended.resolve();
      }
    }),
  });
  const client = await connectRaw(server.port, asked);
  await client.until('"x"');
  client.socket.destroy();
  await aborted.promise;
  await ended.promise;
  const [line] = await server.logged(1);
  assert.equal(line?.['outcome'], 'cancelled');
});

test('disconnect: a client that goes away while the handler still works fires the signal, streamed or not, half-closed or reset', async () => {
  for (const body of [CHAT, STREAM]) {
    for (const leave of ['end', 'destroy', 'resetAndDestroy'] as const) {
      const begun = moment();
      const aborted = moment();
      await using server = await startTestServer({
        handler: (call) => {
          begun.resolve();
          return new Promise((_, reject) => {
            call.signal.addEventListener('abort', () => {
              aborted.resolve();
              reject(new GatewayError('cancelled', 'Gone.'));
            });
          });
        },
      });
      const client = await connectRaw(server.port, wire(JSON.stringify(body)));
      await begun.promise;
      client.socket[leave]();
      await aborted.promise;
      const [line] = await server.logged(1);
      assert.deepEqual([line?.['outcome'], line?.['status']], ['cancelled', 499]);
    }
  }
});

test('disconnect: the signal stays quiet when the answer was sent whole', async () => {
  let signal: Signal | undefined;
  await using server = await startTestServer({
    handler: (call) => {
      signal = call.signal;
      return answering('x')(call);
    },
  });
  const client = await connectRaw(server.port, asked);
  await client.until('0\r\n\r\n');
  await server.logged(1);
  client.socket.destroy();
  await client.whole();
  assert.equal((await fetch(`${server.base}/health`)).status, 200);
  assert.equal(signal?.aborted, false);
});

const BIG = 'x'.repeat(64 * 1024);

test('backpressure: a client that does not read stops the generator, and reading lets it go on', async () => {
  let made = 0;
  const total = 300;
  await using server = await startTestServer({
    handler: streaming(async function* () {
      yield [START, OPEN];
      for (; made < total; made++) yield [delta(BIG)];
      yield END;
    }),
  });
  const client = connect({ port: server.port, host: '127.0.0.1' });
  client.write(asked);
  // it stands still once the buffers on both sides are full: nothing is made over several rounds of the event loop
  let before = -1;
  let quiet = 0;
  while (quiet < 500) {
    await new Promise((resolve) => setImmediate(resolve));
    quiet = made === before && made > 0 ? quiet + 1 : 0;
    before = made;
  }
  assert.ok(made < total / 2, `${made} of ${total} pieces were made for nobody`);
  let tail = '';
  for await (const chunk of client) {
    tail = (tail + String(chunk)).slice(-40);
    if (tail.includes('[DONE]')) break;
  }
  assert.equal(made, total);
});

test('backpressure: a client that reads nothing for writeTimeout is cut off', async () => {
  const ended = moment();
  await using server = await startTestServer({
    settings: { writeTimeoutMs: 100 },
    handler: streaming(async function* () {
      try {
        yield [START, OPEN];
        for (;;) yield [delta(BIG)];
      } finally {
        ended.resolve();
      }
    }),
  });
  const client = await connectRaw(server.port);
  client.socket.pause();
  client.socket.write(asked);
  await ended.promise;
  const [line] = await server.logged(1);
  assert.equal(line?.['outcome'], 'cancelled');
  client.socket.destroy();
});

test('ping: comment lines while nothing comes, also before the first output', async () => {
  const patience = moment();
  await using server = await startTestServer({
    settings: { pingMs: 20 },
    handler: async (call) => {
      await patience.promise;
      return answering('late')(call);
    },
  });
  const client = await connectRaw(server.port, wire(JSON.stringify({ ...STREAM, flavour: 1 })));
  assert.match(await client.until(': ping\n\n'), /^HTTP\/1.1 200 /);
  patience.resolve();
  assert.match(await client.until('[DONE]'), /: x-parlance-ignored-params: flavour\n\n/);
  client.socket.destroy();
});

test('ping: a failure after the first comment line is an error frame', async () => {
  const patience = moment();
  await using server = await startTestServer({
    settings: { pingMs: 10 },
    handler: async () => {
      await patience.promise;
      throw new GatewayError('overloaded', 'Full.');
    },
  });
  const client = await connectRaw(server.port, asked);
  await client.until(': ping\n\n');
  patience.resolve();
  const received = await client.until('0\r\n\r\n');
  assert.match(received, /data: \{"error":\{[^}]*"code":"server_is_overloaded"/);
  assert.doesNotMatch(received, /DONE/);
  client.socket.destroy();
});

test('ping: without it the head waits for the first output', async () => {
  const patience = moment();
  await using server = await startTestServer({
    handler: async () => {
      await patience.promise;
      throw new GatewayError('overloaded', 'Full.');
    },
  });
  const client = await connectRaw(server.port, asked);
  patience.resolve();
  const received = await client.until('}}');
  assert.match(received, /^HTTP\/1.1 503 /);
  assert.equal((bodyOf(received) as { error: { code: string } }).error.code, 'server_is_overloaded');
  client.socket.destroy();
});

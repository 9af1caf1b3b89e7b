import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EventStreamCodec } from '@smithy/eventstream-codec';
import fc from 'fast-check';
import { GatewayError } from '../../core/error.ts';
import type { Frame } from '../wire.ts';
import { createAwsEventStreamReader } from './aws-eventstream.ts';

const utf8 = new TextEncoder();
const codec = new EventStreamCodec(
  (bytes) => Buffer.from(bytes as Uint8Array).toString('utf8'),
  (text) => utf8.encode(text),
);

function message(headers: Readonly<Record<string, string>>, body: string): Uint8Array {
  const entries = Object.entries(headers).map(([name, value]) => [name, { type: 'string' as const, value }]);
  return codec.encode({ headers: Object.fromEntries(entries), body: utf8.encode(body) });
}

const event = (type: string, body: string) => message({ ':message-type': 'event', ':event-type': type }, body);

function read(bytes: Uint8Array, size: number): Frame[] {
  const reader = createAwsEventStreamReader();
  const frames: Frame[] = [];
  for (let at = 0; at < bytes.length; at += size) frames.push(...reader.push(bytes.subarray(at, at + size)));
  return [...frames, ...reader.end()];
}

const upstream = (says: RegExp) => (error: unknown) =>
  error instanceof GatewayError && error.kind === 'upstream' && says.test(error.message);

test('event stream: messages are frames, whatever the bytes are split by', () => {
  const bodies = ['{"a":"ü🙂"}', '', '{"b":"' + 'x'.repeat(5000) + '"}', '{}'];
  const bytes = Buffer.concat(bodies.map((body, index) => event(`type${index}`, body)));
  const wanted = bodies.map((data, index) => ({ event: `type${index}`, data }));
  for (const size of [1, 2, 7, 13, 1000, bytes.length]) assert.deepEqual(read(bytes, size), wanted, `reads of ${size}`);
});

test('event stream: any messages at any split come out as they went in', () => {
  const one = fc.record({ type: fc.string({ minLength: 1, maxLength: 20, unit: 'grapheme' }), body: fc.string({ unit: 'grapheme' }) });
  fc.assert(
    fc.property(fc.array(one, { maxLength: 6 }), fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1 }), (list, sizes) => {
      const bytes = Buffer.concat(list.map(({ type, body }) => event(type, body)));
      const reader = createAwsEventStreamReader();
      const frames: Frame[] = [];
      for (let at = 0, turn = 0; at < bytes.length; turn++) {
        const size = sizes[turn % sizes.length] ?? 1;
        frames.push(...reader.push(bytes.subarray(at, at + size)));
        at += size;
      }
      frames.push(...reader.end());
      assert.deepEqual(
        frames,
        list.map(({ type, body }) => ({ event: type, data: body })),
      );
    }),
    { numRuns: 300 },
  );
});

test('event stream: exceptions and errors are told from events', () => {
  const bytes = Buffer.concat([
    message({ ':message-type': 'exception', ':exception-type': 'throttlingException' }, '{"message":"slow down"}'),
    message({ ':message-type': 'error', ':error-code': 'InternalError', ':error-message': 'broken "inside"' }, ''),
  ]);
  assert.deepEqual(read(bytes, 3), [
    { event: 'throttlingException', data: '{"message":"slow down"}', exception: true },
    { event: 'InternalError', data: '{"message":"broken \\"inside\\""}', exception: true },
  ]);
});

test('event stream: a damaged byte anywhere in a message is found', () => {
  const bytes = event('contentBlockDelta', '{"delta":{"text":"hello"}}');
  for (let at = 0; at < bytes.length; at++) {
    const damaged = Uint8Array.from(bytes);
    damaged[at] = (damaged[at] ?? 0) ^ 1;
    // a wrong length may make the message wait for bytes that never come: then the end says so
    assert.throws(() => read(damaged, damaged.length), upstream(/damaged|middle|length|more than/), `byte ${at}`);
  }
});

test('event stream: bytes left at the end are an error', () => {
  const bytes = event('messageStop', '{}');
  for (const length of [1, 11, 12, bytes.length - 1]) {
    assert.throws(() => read(bytes.subarray(0, length), 5), upstream(/in the middle/), `${length} bytes`);
  }
});

test('event stream: a message beyond the limit is refused by its first bytes', () => {
  const bytes = event('contentBlockDelta', 'x'.repeat(500));
  assert.throws(() => createAwsEventStreamReader(300).push(bytes.subarray(0, 12)), upstream(/more than 300 bytes/));
  assert.equal(createAwsEventStreamReader(bytes.length).push(bytes).length, 1);
});

test('event stream: frames outlive the bytes they were read from', () => {
  const reader = createAwsEventStreamReader();
  const bytes = Uint8Array.from(Buffer.concat([event('a', '{"n":1}'), event('b', '{"n":2}')]));
  const frames = [...reader.push(bytes.subarray(0, 30)), ...reader.push(bytes.subarray(30))];
  bytes.fill(0);
  assert.deepEqual(
    frames.map(({ data }) => data),
    ['{"n":1}', '{"n":2}'],
  );
});

test('event stream: an empty stream is no frames', () => {
  const reader = createAwsEventStreamReader();
  assert.deepEqual(reader.push(new Uint8Array()), []);
  assert.deepEqual(reader.end(), []);
});

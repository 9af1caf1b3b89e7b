import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Frame } from '../wire.ts';
import { createSseReader } from './sse.ts';

function framesOf(bytes: Uint8Array, size: number): Frame[] {
  const reader = createSseReader();
  const frames: Frame[] = [];
  for (let at = 0; at < bytes.length; at += size) frames.push(...reader.push(bytes.subarray(at, at + size)));
  return [...frames, ...reader.end()];
}

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

test('sse: a frame is its data lines joined, with its event name', () => {
  const text = 'event: one\ndata: a\ndata:b\n\n: a comment\n\ndata\n\nid: 7\nretry: 10\ndata: {"x": 1}\n\n';
  assert.deepEqual(framesOf(utf8(text), 1000), [
    { event: 'one', data: 'a\nb' },
    { event: '', data: '' },
    { event: '', data: '{"x": 1}' },
  ]);
});

test('sse: a last frame without its empty line counts, a byte order mark does not', () => {
  assert.deepEqual(framesOf(utf8('\uFEFFdata: [DONE]'), 1), [{ event: '', data: '[DONE]' }]);
});

test('sse: an event without data is no frame, and its name is not kept for the next', () => {
  assert.deepEqual(framesOf(utf8('event: ping\n\ndata: x\n\n'), 3), [{ event: '', data: 'x' }]);
});

test('sse: any frames, any line ends, any split of the bytes give the same frames', () => {
  const line = fc.string({ unit: 'binary' }).map((text) => text.toWellFormed().replace(/[\r\n\0\uFEFF]/g, 'é🙂'));
  const frame = fc.record({ event: line, data: fc.array(line, { minLength: 1, maxLength: 3 }) });
  fc.assert(
    fc.property(
      fc.array(frame, { maxLength: 6 }),
      fc.constantFrom('\n', '\r', '\r\n'),
      fc.integer({ min: 1, max: 40 }),
      (wanted, end, size) => {
        const text = wanted.map(({ event, data }) => [`event: ${event}`, ...data.map((one) => `data: ${one}`), '', ''].join(end)).join('');
        const expected = wanted.map(({ event, data }) => ({ event, data: data.join('\n') }));
        assert.deepEqual(framesOf(utf8(text), size), expected);
      },
    ),
  );
});

test('sse: a frame beyond the limit is refused, one below it is not', () => {
  const reader = createSseReader(100);
  assert.equal(reader.push(utf8(`data: ${'x'.repeat(80)}\n\n`)).length, 1);
  assert.throws(() => reader.push(utf8(`data: ${'x'.repeat(200)}`)), { kind: 'upstream' });
  const lines = createSseReader(100);
  assert.throws(() => lines.push(utf8('data: 0123456789\n'.repeat(20))), { kind: 'upstream' });
});

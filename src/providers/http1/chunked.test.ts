import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createChunked } from './chunked.ts';

interface Read {
  readonly body: string;
  /** What was left behind the body. */
  readonly rest: string | undefined;
  readonly isBroken: boolean;
}

function read(text: string, size = text.length): Read {
  const chunked = createChunked();
  const bytes = Buffer.from(text, 'latin1');
  let body = '';
  for (let at = 0; at < bytes.length; at += size) {
    const given = bytes.subarray(at, at + size);
    const { piece, end, isBroken } = chunked.take(given, 0);
    if (piece) body += Buffer.from(piece).toString('latin1');
    if (isBroken) return { body, rest: undefined, isBroken };
    if (end !== undefined) return { body, rest: bytes.toString('latin1', at + end), isBroken };
  }
  return { body, rest: undefined, isBroken: false };
}

test('chunked: any chunks, with extensions and trailers, in any pieces give the body and what follows it', () => {
  const chunk = fc.record({
    data: fc.string({ unit: 'binary-ascii', minLength: 1, maxLength: 40 }),
    extension: fc.constantFrom('', ';a=b', ' ; a="b;c"', '\t'),
    isUpper: fc.boolean(),
    zeros: fc.integer({ min: 0, max: 3 }),
  });
  const trailers = fc.array(fc.constantFrom('x: y', 'server-timing: a;dur=1', 'a:'), { maxLength: 3 });
  fc.assert(
    fc.property(
      fc.array(chunk, { maxLength: 6 }),
      trailers,
      fc.string({ unit: 'binary-ascii', maxLength: 5 }),
      fc.nat(30),
      (all, last, rest, size) => {
        const lines = all.map(({ data, extension, isUpper, zeros }) => {
          const length = data.length.toString(16);
          return `${'0'.repeat(zeros)}${isUpper ? length.toUpperCase() : length}${extension}\r\n${data}\r\n`;
        });
        const text = `${lines.join('')}0\r\n${last.map((line) => `${line}\r\n`).join('')}\r\n${rest}`;
        assert.deepEqual(read(text, size + 1), { body: all.map(({ data }) => data).join(''), rest, isBroken: false });
      },
    ),
  );
});

test('chunked: any number of chunks may be padded', () => {
  const count = 5000;
  assert.equal(read(`${'1      \r\nx\r\n'.repeat(count)}0\r\n\r\n`, 1000).body, 'x'.repeat(count));
});

test('chunked: what is no chunk is seen where it begins, and what came before it is given', () => {
  const broken = {
    'no size': '\r\nabc',
    'a size that is no number': 'xyz\r\nabc',
    'a sign': '+3\r\nabc\r\n0\r\n\r\n',
    'a size beyond all that is': '0ffffffffffff\r\n',
    'a size that ends with a line feed alone': '3\nabc\r\n0\r\n\r\n',
    'data that goes on': '3\r\nabcd\r\n0\r\n\r\n',
    'data that ends with a line feed alone': '3\r\nabc\n0\r\n\r\n',
    'a trailer that ends with a line feed alone': '0\r\nx: y\n\r\n',
    'an end with a line feed alone': '0\r\n\n',
    'an endless extension': `3;${'x'.repeat(20_000)}`,
    'endless trailers': `0\r\n${'x: y\r\n'.repeat(5000)}`,
  };
  for (const [name, text] of Object.entries(broken)) {
    assert.equal(read(text).isBroken, true, name);
    assert.equal(read(text, 1).isBroken, true, name);
    assert.deepEqual(read(`2\r\nok\r\n${text}`, 3), { body: read(`2\r\nok\r\n${text}`).body, rest: undefined, isBroken: true }, name);
    assert.ok(read(`2\r\nok\r\n${text}`).body.startsWith('ok'), name);
  }
});

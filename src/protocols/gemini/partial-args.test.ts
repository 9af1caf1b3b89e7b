import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { createArgsWriter, pathOf } from './partial-args.ts';

interface Piece {
  readonly jsonPath: string;
  readonly [value: string]: unknown;
}

/** All that the writer says of these pieces, one push each. */
function written(...pieces: readonly Piece[]): string {
  const writer = createArgsWriter();
  return pieces.map((piece) => writer.push([piece])).join('') + writer.end();
}

const string = (jsonPath: string, stringValue: string, willContinue?: boolean): Piece => ({
  jsonPath,
  stringValue,
  ...(willContinue ? { willContinue } : {}),
});

/** A value as pieces in the order of its text; strings in two, with an empty end. Empty objects and arrays have no pieces. */
function piecesOf(value: unknown, jsonPath = '$'): Piece[] {
  if (typeof value === 'string') {
    const half = value.length >> 1;
    return [string(jsonPath, value.slice(0, half), true), string(jsonPath, value.slice(half), true), string(jsonPath, '')];
  }
  if (typeof value === 'number') return [{ jsonPath, numberValue: value }];
  if (typeof value === 'boolean') return [{ jsonPath, boolValue: value }];
  if (value === null) return [{ jsonPath, nullValue: 'NULL_VALUE' }];
  if (Array.isArray(value)) return value.flatMap((item, at) => piecesOf(item, `${jsonPath}[${at}]`));
  return Object.entries(value as object).flatMap(([key, item]) => piecesOf(item, `${jsonPath}[${JSON.stringify(key)}]`));
}

describe('gemini: arguments in pieces', () => {
  test('grow as text, with strings that go on', () => {
    const writer = createArgsWriter();
    assert.equal(writer.push([string('$.city', 'San ', true)]), '{"city":"San ');
    assert.equal(writer.push([string('$.city', 'Fran"', true)]), 'Fran\\"');
    assert.equal(writer.push([string('$.city', '')]), '');
    assert.equal(writer.push([{ jsonPath: '$.days', numberValue: 2 }]), '","days":2');
    assert.equal(writer.end(), '}');
  });

  test('nest, in objects and arrays', () => {
    const text = written(
      string('$.recipe.steps[0].text', 'Mix'),
      { jsonPath: '$.recipe.steps[0].hot', boolValue: false },
      string('$.recipe.steps[1].text', 'Bake'),
      { jsonPath: '$.recipe.note', nullValue: 'NULL_VALUE' },
      { jsonPath: '$.grid[0][0]', numberValue: 1 },
      { jsonPath: '$.grid[0][1]', numberValue: 2 },
      { jsonPath: '$.grid[1][0]', numberValue: 3 },
    );
    assert.deepEqual(JSON.parse(text), {
      recipe: { steps: [{ text: 'Mix', hot: false }, { text: 'Bake' }], note: null },
      grid: [[1, 2], [3]],
    });
  });

  test('without any are an empty object', () => {
    assert.equal(written(), '{}');
    assert.equal(written({ jsonPath: '$.a' }), '{}');
    assert.equal(written({ jsonPath: '', stringValue: 'x' }, { jsonPath: '$[0]', numberValue: 1 }), '{}');
    assert.equal(createArgsWriter().push('no list'), '');
  });

  test('that come back to what is closed are true at the end', () => {
    const pieces = [
      string('$.a.x', 'one'),
      string('$.b', 'two'),
      string('$.a.y', 'thr', true),
      string('$.a.y', 'ee'),
      { jsonPath: '$.c', numberValue: 4 },
      { jsonPath: '$.list[1]', numberValue: 1 },
      { jsonPath: '$.list[0]', numberValue: 0 },
    ];
    assert.deepEqual(JSON.parse(written(...pieces)), { a: { x: 'one', y: 'three' }, b: 'two', c: 4, list: [0, 1] });
    assert.deepEqual(JSON.parse(written({ jsonPath: '$.l[2]', numberValue: 2 })), { l: [null, null, 2] });
    assert.deepEqual(JSON.parse(written({ jsonPath: '$.a', numberValue: 1 }, { jsonPath: '$.a', numberValue: 2 })), { a: 2 });
  });

  test('beside whole ones add what is not known', () => {
    const writer = createArgsWriter();
    const text = writer.push([string('$.a', 'x')]) + writer.whole({ a: 'x', b: [1] }) + writer.end();
    assert.deepEqual(JSON.parse(text), { a: 'x', b: [1] });
  });

  test('stand at paths of every spelling', () => {
    assert.deepEqual(pathOf('$.a.b_c[0].d-e'), ['a', 'b_c', 0, 'd-e']);
    assert.deepEqual(pathOf(`$['a.b']["c\\"d"][3]['it\\'s "so"']`), ['a.b', 'c"d', 3, `it's "so"`]);
    assert.deepEqual(pathOf('plain'), ['plain']);
    assert.deepEqual(pathOf('$'), []);
    assert.deepEqual(pathOf('$.a[*]'), []);
  });

  test('a name that objects have by themselves is a name like any other', () => {
    const text = written(string('$.__proto__.x', 'y'), string('$.constructor', 'z'));
    assert.equal(text, '{"__proto__":{"x":"y"},"constructor":"z"}');
  });

  test('make the object they were taken from', () => {
    const leaf = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.double({ noNaN: true, noDefaultInfinity: true }),
      fc.boolean(),
      fc.constant(null),
    );
    const { value } = fc.letrec<{ value: unknown }>((tie) => ({
      value: fc.oneof(
        { maxDepth: 3 },
        leaf,
        fc.array(tie('value'), { minLength: 1, maxLength: 3 }),
        fc.dictionary(fc.string(), tie('value'), { minKeys: 1, maxKeys: 3 }),
      ),
    }));
    fc.assert(
      fc.property(fc.dictionary(fc.string(), value, { maxKeys: 4 }), (args) => {
        assert.deepEqual(JSON.parse(written(...piecesOf(args))), JSON.parse(JSON.stringify(args)));
      }),
      { numRuns: 150 },
    );
  });

  test('make the same object in whatever order they come', () => {
    const args = {
      a: {
        b: [
          { c: 'x', d: 1 },
          { c: 'y', d: 2 },
        ],
        e: true,
      },
      f: ['p', 'q'],
      g: null,
    };
    const pieces = piecesOf(args).filter(({ stringValue }) => stringValue !== '');
    fc.assert(
      fc.property(fc.shuffledSubarray(pieces, { minLength: pieces.length }), (shuffled) => {
        assert.deepEqual(JSON.parse(written(...shuffled)), args);
      }),
      { numRuns: 150 },
    );
  });
});

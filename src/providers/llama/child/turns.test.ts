import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { nextPiece, nextReader, pieceOf } from './turns.ts';

test('prompt pieces: never a single token, and never one left over, whatever the room', () => {
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 300 }), fc.array(fc.integer({ min: 1, max: 70 }), { minLength: 1 }), (length, rooms) => {
      let left = length;
      for (let i = 0; left > 0; i++) {
        const room = i < rooms.length ? (rooms[i] ?? 32) : 32;
        const part = pieceOf(left, room);
        assert.ok(part <= room);
        assert.notEqual(part, 1);
        assert.ok(part <= left);
        left -= part;
        assert.notEqual(left, 1);
      }
    }),
  );
});

test('prompt pieces: a prompt of one token is one piece', () => {
  assert.equal(pieceOf(1, 1), 1);
});

test('prompt pieces: as long as the time allows, a little longer where the prompt ends with it, never more than a batch', () => {
  const pace = { ms: 150, msPerToken: 3, batchSize: 512 };
  assert.equal(nextPiece(400, pace), 50);
  assert.equal(nextPiece(70, pace), 70);
  assert.equal(nextPiece(51, pace), 51);
  assert.equal(nextPiece(400, { ...pace, msPerToken: 100 }), 16, 'a slow model reads some all the same');
  assert.equal(nextPiece(600, { ...pace, msPerToken: 0.01 }), 512);
  assert.equal(nextPiece(600, { ms: 500, msPerToken: 1, batchSize: 512 }), 500);
});

/** The order in which prompts end, each piece ten tokens. */
function order(lengths: readonly number[]): number[] {
  let readers = lengths.map((left, id) => ({ id, left }));
  const ended: number[] = [];
  for (let turn = 0; readers.length > 0; turn++) {
    const next = nextReader(readers, turn);
    readers = readers.map((reader) => (reader === next ? { ...reader, left: reader.left - 10 } : reader));
    for (const { id } of readers.filter(({ left }) => left <= 0)) ended.push(id);
    readers = readers.filter(({ left }) => left > 0);
  }
  return ended;
}

test('prompts: as long as each other, they are read one after the other', () => {
  const pieces: number[] = [];
  let readers = [0, 1, 2].map((id) => ({ id, left: 40 }));
  for (let turn = 0; readers.length > 0; turn++) {
    const next = nextReader(readers, turn);
    pieces.push(next?.id ?? -1);
    readers = readers.map((reader) => (reader === next ? { ...reader, left: reader.left - 10 } : reader)).filter(({ left }) => left > 0);
  }
  assert.deepEqual(pieces, [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2]);
});

test('prompts: short ones do not wait for a long one, nor the long one for ever for short ones', () => {
  assert.deepEqual(order([500, 20, 30]), [1, 2, 0]);
  const long = { id: 'long', left: 1000 };
  let pieces = 0;
  for (let turn = 0; turn < 100; turn++) if (nextReader([long, { id: 'short', left: 10 }], turn) === long) pieces++;
  assert.equal(pieces, 50);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createByteLru, ENTRY_OVERHEAD } from './byte-lru.ts';

const of = (length: number): Uint8Array => new Uint8Array(length);
/** Room for so many entries of 100 bytes. */
const room = (entries: number): number => entries * (100 + ENTRY_OVERHEAD);
const still = { ttlMs: 0, now: () => 0 };

test('cache memory: what was not used for longest goes first', () => {
  const lru = createByteLru({ maxBytes: room(3), ...still });
  for (const key of ['a', 'b', 'c']) lru.set(key, of(100));
  assert.ok(lru.get('a'));
  lru.set('d', of(100));
  assert.deepEqual(
    ['a', 'b', 'c', 'd'].map((key) => lru.get(key) !== undefined),
    [true, false, true, true],
  );
});

test('cache memory: an entry in the place of another frees what that one had', () => {
  const lru = createByteLru({ maxBytes: room(10), ...still });
  lru.set('a', of(500));
  lru.set('a', of(10));
  assert.deepEqual([lru.bytes(), lru.size()], [10 + ENTRY_OVERHEAD, 1]);
});

test('cache memory: an entry lives as long as it was given, by the clock alone', () => {
  let time = 0;
  const lru = createByteLru({ maxBytes: room(10), ttlMs: 1000, now: () => time });
  lru.set('a', of(100));
  time = 999;
  assert.ok(lru.get('a'), 'being asked for does not make it live longer');
  time = 1000;
  assert.equal(lru.get('a'), undefined);
  assert.equal(lru.bytes(), 0);
});

test('cache memory: what is too large alone is not kept, and pushes nothing out', () => {
  const lru = createByteLru({ maxBytes: room(2), ...still });
  lru.set('a', of(100));
  lru.set('b', of(10_000));
  assert.ok(lru.get('a'));
  assert.equal(lru.get('b'), undefined);
});

test('cache memory: holds take room from entries, at most half of it', () => {
  const lru = createByteLru({ maxBytes: room(4), ...still });
  for (const key of ['a', 'b', 'c', 'd']) lru.set(key, of(100));
  assert.equal(lru.hold(room(2)), true);
  assert.equal(lru.size(), 2);
  assert.equal(lru.hold(1), false);
  assert.equal(lru.hold(-room(2)), true);
  lru.set('e', of(100));
  assert.deepEqual([lru.size(), lru.bytes()], [3, room(3)]);
});

test('cache memory: the bound holds whatever is done', () => {
  const deed = fc.record({
    key: fc.constantFrom('a', 'b', 'c', 'd', 'e'),
    size: fc.nat(3000),
    what: fc.constantFrom('set', 'get', 'hold', 'free'),
  });
  fc.assert(
    fc.property(fc.array(deed, { maxLength: 60 }), (deeds) => {
      const maxBytes = 8000;
      const lru = createByteLru({ maxBytes, ...still });
      const held: number[] = [];
      for (const { key, size, what } of deeds) {
        if (what === 'set') lru.set(key, of(size));
        if (what === 'get') lru.get(key);
        if (what === 'hold' && lru.hold(size)) held.push(size);
        if (what === 'free') lru.hold(-(held.pop() ?? 0));
        assert.ok(lru.bytes() <= maxBytes, `${lru.bytes()} bytes`);
      }
    }),
  );
});

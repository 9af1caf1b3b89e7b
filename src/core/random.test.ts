import assert from 'node:assert/strict';
import { test } from 'node:test';
import { randomText } from './random.ts';

test('random: many ids are all different, and as long as they should be', () => {
  const ids = Array.from({ length: 5000 }, () => randomText(15, 'base64url'));
  assert.equal(new Set(ids).size, 5000);
  assert.ok(ids.every((id) => /^[\w-]{20}$/.test(id)));
  assert.match(randomText(16, 'hex'), /^[0-9a-f]{32}$/);
});

test('random: an id of more bytes than the generator keeps for one is refused', () => {
  assert.throws(() => randomText(65, 'hex'), RangeError);
});

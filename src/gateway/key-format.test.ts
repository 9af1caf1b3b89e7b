import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hashOf, hintOf, looksLikeKey, newKey } from './key-format.ts';

test('keys: each is new, of one form, with letters and digits only', () => {
  const keys = Array.from({ length: 2000 }, newKey);
  assert.equal(new Set(keys).size, keys.length);
  for (const key of keys) {
    assert.match(key, /^pk-[0-9A-Za-z]{42}$/);
    assert.ok(looksLikeKey(key));
  }
});

test('keys: no letter is likelier than another', () => {
  const counts = new Map<string, number>();
  for (let index = 0; index < 3000; index += 1) {
    for (const letter of newKey().slice(3, 39)) counts.set(letter, (counts.get(letter) ?? 0) + 1);
  }
  const expected = (3000 * 36) / 62;
  assert.equal(counts.size, 62);
  for (const [letter, count] of counts) assert.ok(Math.abs(count - expected) < expected * 0.2, `${letter}: ${count}`);
});

test('keys: one mistyped letter, two exchanged ones and a cut-off end are told without asking anybody', () => {
  const key = newKey();
  for (let place = 3; place < key.length; place += 1) {
    for (const letter of 'aZ07') {
      if (key[place] !== letter)
        assert.equal(looksLikeKey(key.slice(0, place) + letter + key.slice(place + 1)), false, `${place} ${letter}`);
    }
    const [one = '', next = ''] = key.slice(place, place + 2);
    if (next !== '' && one !== next) assert.equal(looksLikeKey(key.slice(0, place) + next + one + key.slice(place + 2)), false);
    assert.equal(looksLikeKey(key.slice(0, place)), false);
  }
});

test('keys: what is none of ours does not look like one', () => {
  const key = newKey();
  for (const text of [
    '',
    'pk-',
    'sk-proj-abc',
    key.toUpperCase(),
    ` ${key}`,
    `${key}\n`,
    `${key}0`,
    key.slice(3),
    `pk_${key.slice(3)}`,
    'pk-' + 'a'.repeat(42),
  ]) {
    assert.equal(looksLikeKey(text), false, JSON.stringify(text));
  }
});

test('keys: a given key has its checksum, hash and hint for ever', () => {
  const key = 'pk-abcdefghijklmnopqrstuvwxyz0123456789';
  const whole = 'pk-abcdefghijklmnopqrstuvwxyz0123456789ud9HTl';
  assert.ok(looksLikeKey(whole));
  assert.equal(hashOf(whole), 'b0069f2c4d84e67deb0a76b87818037065df8b0f80224b57f00bb3ff93d51420');
  assert.equal(hintOf(whole), 'pk-abcde…');
  assert.ok(whole.startsWith(key));
});

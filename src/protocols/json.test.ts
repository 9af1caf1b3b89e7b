import assert from 'node:assert/strict';
import { test } from 'node:test';
import { count, entry, fields, flag, list, text } from './json.ts';

test('json: fields of anything but an object are none', () => {
  assert.deepEqual(fields({ a: 1 }), { a: 1 });
  for (const value of [null, undefined, 'text', 3, [1, 2], true]) assert.deepEqual(fields(value), {});
});

test('json: a value of another type than the one asked for is not there', () => {
  assert.equal(text(''), '');
  assert.equal(text(5), undefined);
  assert.equal(flag(false), false);
  assert.equal(flag('true'), undefined);
  assert.deepEqual(list([1]), [1]);
  assert.deepEqual(list({ 0: 1 }), []);
});

test('json: a count can be added up and is not negative', () => {
  assert.equal(count(0), 0);
  assert.equal(count(2.5), 2.5);
  for (const value of [-1, Number.NaN, Number.POSITIVE_INFINITY, 1e308, '3', null]) assert.equal(count(value), undefined);
});

test('json: what every object has by itself is in no table', () => {
  const table = { a: 1 };
  assert.equal(entry(table, 'a'), 1);
  for (const name of ['b', 'constructor', 'toString', '__proto__', undefined, null]) assert.equal(entry(table, name), undefined);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { plainMessage, reportedError, retryAfterOf, withoutKeys } from './failure.ts';

test('failure: the wait is read in milliseconds, seconds or as a date, and is a day at most', () => {
  const at = Date.parse('2026-11-23T00:00:00Z');
  const wait = (headers: Readonly<Record<string, string>>): number | undefined => retryAfterOf(headers, at);
  assert.equal(wait({ 'retry-after-ms': '1500', 'retry-after': '9' }), 1500);
  assert.equal(wait({ 'retry-after': '7' }), 7000);
  assert.equal(wait({ 'retry-after': 'Mon, 23 Nov 2026 00:00:30 GMT' }), 30_000);
  assert.equal(wait({ 'retry-after': 'Sun, 22 Nov 2026 00:00:00 GMT' }), 0);
  assert.equal(wait({ 'retry-after': '1e30' }), 86_400_000);
  for (const nonsense of ['soon', '', 'Infinity']) assert.equal(wait({ 'retry-after': nonsense }), undefined, nonsense);
  assert.equal(wait({}), undefined);
});

test('failure: a status keeps its meaning in our envelope', () => {
  const told = (status: number, more: object = {}) => {
    const { kind, status: ours, type, code } = reportedError({ status, message: 'x', ...more });
    return [kind, ours, type, code];
  };
  assert.deepEqual(told(400, { type: 'invalid_request_error', code: 'bad' }), ['reported', 400, 'invalid_request_error', 'bad']);
  assert.deepEqual(told(429), ['reported', 429, 'requests', 'rate_limit_exceeded']);
  assert.deepEqual(told(429, { code: 'insufficient_quota' }), ['insufficient_quota', 429, 'insufficient_quota', 'insufficient_quota']);
  assert.deepEqual(told(500)[0], 'upstream');
  assert.deepEqual(told(529).slice(0, 2), ['overloaded', 503]);
  assert.deepEqual(told(504).slice(0, 2), ['upstream_timeout', 504]);
  assert.deepEqual(told(302)[0], 'upstream');
});

test('failure: keys of known kinds are blotted out of a message, other words are not', () => {
  const keys = ['sk-proj-abcdefghijklmnop', 'gsk_abcdefghijklmnopqrst', 'AIzaSyA1234567890abcdefghijk', 'xai-abcdefghijklmnopqrst'];
  for (const key of keys) assert.equal(withoutKeys(`Incorrect key ${key}.`), 'Incorrect key [key].', key);
  assert.equal(withoutKeys('The task-management tool failed.'), 'The task-management tool failed.');
});

test('failure: a page says its title, or its text without tags', () => {
  assert.equal(plainMessage('<html><head><title>502 Bad\n Gateway</title></head><body>x</body></html>'), '502 Bad Gateway');
  assert.equal(plainMessage('<p>No <b>way</b></p><script>alert(1)</script>'), 'No way');
});

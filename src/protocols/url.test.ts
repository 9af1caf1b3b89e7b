import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addressOf } from './url.ts';

test('url: a path goes before the query of its base, whose parameters give way to those of the call', () => {
  assert.equal(addressOf('https://h/v1', '/chat'), 'https://h/v1/chat');
  assert.equal(addressOf('https://h/v1/', '/chat', { a: 'b c' }), 'https://h/v1/chat?a=b+c');
  assert.equal(addressOf('https://h?v=1&w=2', '/r', { v: '3' }), 'https://h/r?v=3&w=2');
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readAnswerHead } from './answer-head.ts';
import type { AnswerHead } from './answer-head.ts';

function head(lines: readonly string[], method = 'POST'): AnswerHead {
  const read = readAnswerHead(lines.join('\r\n'), method);
  if (read instanceof Error) throw read;
  return read;
}

const OK = 'HTTP/1.1 200 OK';

test('answer head: names in lower case, values without blanks around them, several of one name joined', () => {
  const { status, headers } = head([
    'HTTP/1.1 418 ',
    'Content-Length:\t7 ',
    'X-A: a',
    'x-a:b',
    'Empty:',
    'Old: \xe4',
    'constructor: c',
    '__proto__: p',
  ]);
  assert.equal(status, 418);
  assert.deepEqual(headers, { 'content-length': '7', 'x-a': 'a, b', empty: '', old: '\xe4', constructor: 'c' });
});

test('answer head: where the body ends', () => {
  const body = (...lines: string[]): AnswerHead['body'] => head([OK, ...lines]).body;
  assert.equal(body('content-length: 12'), 12);
  assert.equal(body('content-length: 0'), 0);
  assert.equal(body('content-length: 5', 'Content-Length: 5'), 5);
  assert.equal(body('transfer-encoding: Chunked'), 'chunked');
  assert.equal(body(), 'until-close');
  for (const status of ['204 No Content', '304 Not Modified', '103 Early Hints', '101 Switching Protocols'])
    assert.equal(head([`HTTP/1.1 ${status}`, 'content-length: 5']).body, 0, status);
  assert.equal(head([OK, 'content-length: 5'], 'HEAD').body, 0);
});

test('answer head: whether the connection may be used again', () => {
  const kept = (...lines: string[]): boolean => head(lines).keepAlive;
  assert.equal(kept(OK, 'content-length: 1'), true);
  assert.equal(kept(OK, 'content-length: 1', 'Connection: Close'), false);
  assert.equal(kept(OK, 'content-length: 1', 'connection: x-a, close'), false);
  assert.equal(kept(OK, 'content-length: 1', 'connection: closest'), true);
  assert.equal(kept(OK), false);
  assert.equal(kept('HTTP/1.0 200 OK', 'content-length: 1'), false);
  assert.equal(kept('HTTP/1.0 200 OK', 'content-length: 1', 'connection: Keep-Alive'), true);
});

test('answer head: what breaks a rule is refused, above all two ways to say where the body ends', () => {
  const broken = {
    'another protocol': ['ICY 200 OK'],
    'another version': ['HTTP/2 200'],
    'no status': ['HTTP/1.1 OK'],
    'a status of two digits': ['HTTP/1.1 20 OK'],
    'no colon': [OK, 'content-length 5'],
    'a blank before the colon': [OK, 'content-length : 5'],
    'a line that goes on': [OK, 'x-a: a', ' b: c'],
    'no name': [OK, ': a'],
    'a line feed alone': [OK, 'x-a: a\ncontent-length: 5'],
    'a carriage return alone': [OK, 'x-a: a\rcontent-length: 5'],
    'a null': [OK, 'x-a: \0'],
    'two lengths': [OK, 'content-length: 5', 'content-length: 6'],
    'a length that is no number': [OK, 'content-length: 5x'],
    'a negative length': [OK, 'content-length: -5'],
    'an empty length': [OK, 'content-length:'],
    'a length and chunks': [OK, 'content-length: 5', 'transfer-encoding: chunked'],
    'chunks of something else': [OK, 'transfer-encoding: gzip, chunked'],
    'chunks twice': [OK, 'transfer-encoding: chunked', 'transfer-encoding: chunked'],
    'chunks of an older version': ['HTTP/1.0 200 OK', 'transfer-encoding: chunked'],
  };
  for (const [name, lines] of Object.entries(broken)) {
    const read = readAnswerHead(lines.join('\r\n'), 'POST');
    assert.ok(read instanceof Error && read.code === 'NOT_HTTP', name);
  }
});

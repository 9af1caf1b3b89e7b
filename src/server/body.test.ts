import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GatewayError } from '../core/error.ts';
import { checkMedia, parseJson } from './body.ts';

const parse = (text: string, depth = 4): unknown => parseJson(Buffer.from(text), depth);
const refused = (text: string, depth = 4): string => {
  try {
    parse(text, depth);
  } catch (error) {
    assert.ok(error instanceof GatewayError && error.kind === 'invalid_json');
    return error.message;
  }
  return 'accepted';
};

test('body: depth counts brackets outside of strings only', () => {
  assert.deepEqual(parse('[[[["[[[[[["]]]]'), [[[['[[[[[[']]]]);
  assert.deepEqual(parse('{"a\\\\":{"b\\"[[[[[":[{}]}}'), { 'a\\': { 'b"[[[[[': [{}] } });
  assert.match(refused('[[[[[]]]]]'), /more than 4 levels/);
  assert.match(refused('{"a\\\\":[[[[1]]]]}'), /more than 4 levels/);
  assert.deepEqual(parse('[[],[],{},{},[[]],"]]]]]",[[[]]]]'), [[], [], {}, {}, [[]], ']]]]]', [[[]]]]);
});

test('body: a string without an end, or brackets that do not match, are left to the parser', () => {
  for (const text of ['["abc', '["abc\\"', ']]]]', '{"a":"\\', '"', '[}']) assert.match(refused(text), /not valid JSON/, text);
});

test('body: a byte order mark is skipped, half a character is refused', () => {
  assert.deepEqual(parse('\uFEFF{"a":"é"}'), { a: 'é' });
  assert.throws(() => parseJson(Buffer.from('{"a":"é"}').subarray(0, -3), 4), /UTF-8/);
  assert.throws(() => parseJson(undefined, 4), /empty/);
});

test('body: a header of many parameters is judged in no time', () => {
  const before = process.cpuUsage();
  assert.ok(checkMedia({ 'content-type': `application/json${';a=b'.repeat(400_000)};charset=latin1` }));
  const { user, system } = process.cpuUsage(before);
  assert.ok(user + system < 5_000_000, `${user + system} µs of processor time`);
});

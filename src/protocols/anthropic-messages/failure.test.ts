import assert from 'node:assert/strict';
import { test } from 'node:test';
import { anthropicMessagesWire } from './call.ts';

const said = (status: number, body: unknown, headers: Record<string, string> = {}) =>
  anthropicMessagesWire.error({ status, headers, body: typeof body === 'string' ? body : JSON.stringify(body) });
const error = (type: string, message: string) => ({ type: 'error', error: { type, message }, request_id: 'req_1' });

test('anthropic: a refusal keeps the provider’s status, type and words', () => {
  const { status, type, code, message, retryable } = said(400, error('invalid_request_error', 'max_tokens: too large'));
  assert.deepEqual([status, type, code, message, retryable], [400, 'invalid_request_error', null, 'max_tokens: too large', false]);
  assert.equal(said(401, error('authentication_error', 'invalid x-api-key')).type, 'authentication_error');
});

test('anthropic: limits say when to come again', () => {
  const { status, code, retryAfterMs, retryable } = said(429, error('rate_limit_error', 'Slow down'), { 'retry-after': '12' });
  assert.deepEqual([status, code, retryAfterMs, retryable], [429, 'rate_limit_exceeded', 12_000, true]);
});

test('anthropic: 529 is overload, 504 a time-out, other failures are upstream’s', () => {
  assert.deepEqual(
    [said(529, error('overloaded_error', 'Overloaded')).kind, said(504, error('timeout_error', 'x')).kind],
    ['overloaded', 'upstream_timeout'],
  );
  assert.deepEqual([said(500, error('api_error', 'Oops')).kind, said(500, '').kind], ['upstream', 'upstream']);
});

test('anthropic: what the contract has codes for gets them', () => {
  const long = said(400, error('invalid_request_error', 'prompt is too long: 213462 tokens > 200000 maximum'));
  assert.deepEqual([long.code, long.param], ['context_length_exceeded', 'messages']);
  const unknown = said(404, error('not_found_error', 'model: claude-none'));
  assert.deepEqual([unknown.code, unknown.param], ['model_not_found', 'model']);
  assert.equal(said(413, error('request_too_large', 'Request exceeds the maximum size')).code, 'request_too_large');
});

test('anthropic: the clouds have words of their own, and proxies have pages', () => {
  const amazon = said(400, { message: 'The model ID is wrong' }, { 'x-amzn-errortype': 'ValidationException:http://x' });
  assert.deepEqual([amazon.message, amazon.type], ['The model ID is wrong', 'ValidationException']);
  const google = said(403, [{ error: { code: 403, message: 'Permission denied', status: 'PERMISSION_DENIED' } }]);
  assert.deepEqual([google.message, google.type], ['Permission denied', 'PERMISSION_DENIED']);
  const page = said(413, '<html><head><title>413 Request Entity Too Large</title></head><body>cloudflare</body></html>');
  assert.deepEqual([page.status, page.message], [413, '413 Request Entity Too Large']);
});

test('anthropic: keys are blotted out', () => {
  assert.ok(!said(401, error('authentication_error', 'bad key sk-ant-api03-abcdefghijklmnop')).message.includes('abcdef'));
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GatewayError } from '../core/error.ts';
import { durationText, errorAnswer } from './answer.ts';

test('answer: durations as OpenAI writes them', () => {
  const texts = [0, 0.2, 120, 999, 1500, 59_999, 60_000, 360_000, 3_600_000, 86_399_001].map(durationText);
  assert.deepEqual(texts, ['0ms', '1ms', '120ms', '999ms', '1.5s', '59.999s', '1m0s', '6m0s', '1h0m0s', '24h0m0s']);
});

test('answer: who is told to wait longer than the SDKs do is told not to try again by itself', () => {
  const headersOf = (retryAfterMs: number) => errorAnswer(new GatewayError('rate_limited_requests', 'no', { retryAfterMs })).headers;
  assert.deepEqual(headersOf(60_000), { 'retry-after': '60', 'retry-after-ms': '60000' });
  assert.deepEqual(headersOf(60_001), { 'retry-after': '61', 'retry-after-ms': '60001', 'x-should-retry': 'false' });
  const never = errorAnswer(new GatewayError('rate_limited_tokens', 'no', { retryable: false }));
  assert.deepEqual(never.headers, { 'x-should-retry': 'false' });
});

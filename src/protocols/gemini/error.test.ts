import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { geminiWire } from './call.ts';
import { delayMs } from './error.ts';

const GOOGLE = 'type.googleapis.com/google.rpc.';

function errorOf(status: number, error: object | string, headers: Record<string, string> = {}) {
  return geminiWire.error({ status, headers, body: typeof error === 'string' ? error : JSON.stringify({ error }) });
}

describe('gemini: errors', () => {
  test('keep their status and words, with the status of Google as the code', () => {
    const error = errorOf(404, { code: 404, message: 'models/x is not found.', status: 'NOT_FOUND' });
    assert.deepEqual(
      [error.status, error.type, error.code, error.message],
      [404, 'invalid_request_error', 'NOT_FOUND', 'models/x is not found.'],
    );
  });

  test('a wrong key is a 400 and stays one', () => {
    const details = [{ '@type': `${GOOGLE}ErrorInfo`, reason: 'API_KEY_INVALID', domain: 'googleapis.com' }];
    const error = errorOf(400, {
      code: 400,
      message: 'API key not valid. Please pass a valid API key.',
      status: 'INVALID_ARGUMENT',
      details,
    });
    assert.deepEqual([error.status, error.code, error.retryable], [400, 'API_KEY_INVALID', false]);
  });

  test('are read in an array, as a page, as a bare text and as nothing', () => {
    const body = JSON.stringify([{ error: { code: 403, message: 'No.', status: 'PERMISSION_DENIED' } }]);
    assert.deepEqual([errorOf(403, body).status, errorOf(403, body).message], [403, 'No.']);
    assert.equal(errorOf(404, '<html><title>Error 404 (Not Found)!!1</title></html>').message, 'Error 404 (Not Found)!!1');
    assert.equal(errorOf(500, '').status, 502);
    assert.equal(errorOf(400, { message: 17 }).status, 400);
  });

  test('a limit by the minute is tried again when RetryInfo says so', () => {
    const limited = (quotaId: string, message = 'Quota exceeded.') => {
      const details = [
        { '@type': `${GOOGLE}QuotaFailure`, violations: [{ quotaId, quotaMetric: 'm' }] },
        { '@type': `${GOOGLE}RetryInfo`, retryDelay: '34.07s' },
      ];
      return errorOf(429, { code: 429, message, status: 'RESOURCE_EXHAUSTED', details });
    };
    const requests = limited('GenerateRequestsPerMinutePerProjectPerModel');
    assert.deepEqual(
      [requests.type, requests.code, requests.retryAfterMs, requests.retryable],
      ['requests', 'rate_limit_exceeded', 34_070, true],
    );
    assert.equal(limited('GenerateContentInputTokensPerModelPerMinute').type, 'tokens');
    for (const spent of [
      limited('GenerateRequestsPerDayPerProjectPerModel-FreeTier'),
      limited('x', 'Your prepayment credits are depleted.'),
    ]) {
      assert.deepEqual([spent.status, spent.code, spent.retryAfterMs, spent.retryable], [429, 'insufficient_quota', undefined, false]);
    }
  });

  test('a header tells when to try again where the body does not', () => {
    assert.equal(
      errorOf(429, { code: 429, message: 'Slow down.', status: 'RESOURCE_EXHAUSTED' }, { 'retry-after': '7' }).retryAfterMs,
      7000,
    );
    assert.equal(errorOf(503, { code: 503, message: 'Overloaded.', status: 'UNAVAILABLE' }, { 'retry-after': '2' }).retryAfterMs, 2000);
  });

  test('a prompt that is too long says so in the words of the contract', () => {
    const message = 'The input token count (1048577) exceeds the maximum number of tokens allowed (1048576).';
    const error = errorOf(400, { code: 400, message, status: 'INVALID_ARGUMENT' });
    assert.deepEqual([error.status, error.code, error.param], [400, 'context_length_exceeded', 'messages']);
  });

  test('failures of the provider are its failures', () => {
    assert.equal(errorOf(500, { code: 500, message: 'Internal.', status: 'INTERNAL' }).kind, 'upstream');
    assert.equal(errorOf(503, { code: 503, message: 'Busy.', status: 'UNAVAILABLE' }).kind, 'overloaded');
    assert.equal(errorOf(504, { code: 504, message: 'Late.', status: 'DEADLINE_EXCEEDED' }).kind, 'upstream_timeout');
  });

  test('keys are not echoed', () => {
    const error = errorOf(400, { code: 400, message: `Key AIza${'x'.repeat(35)} is wrong.`, status: 'INVALID_ARGUMENT' });
    assert.equal(error.message, 'Key [key] is wrong.');
  });

  test('durations are read as protobuf writes them', () => {
    assert.deepEqual(['34.07s', '5s', '0.0001s', '1m', 5, ''].map(delayMs), [34_070, 5000, 1, undefined, undefined, undefined]);
  });
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { errorOf, errorWithin } from './answer-errors.ts';
import { openaiChatWire } from './call.ts';

const failed = (status: number, body: unknown, headers: Readonly<Record<string, string>> = {}) =>
  errorOf({ status, headers, body: typeof body === 'string' ? body : JSON.stringify(body) });

test("openai-chat: OpenAI's envelope is kept: status, message, type, code, parameter", () => {
  const error = failed(400, { error: { message: 'Bad value.', type: 'invalid_request_error', param: 'top_p', code: 'invalid_value' } });
  const { status, message, type, param, code } = error;
  assert.deepEqual([status, message, type, param, code], [400, 'Bad value.', 'invalid_request_error', 'top_p', 'invalid_value']);
});

/** Bodies of a 422 in the words of several servers, and what is made of them. */
const WORDED: readonly (readonly [string, unknown, string])[] = [
  ['a text in detail', { detail: 'Not found.' }, 'Not found.'],
  [
    "FastAPI's list",
    { detail: [{ loc: ['body', 'messages', 0, 'role'], msg: 'field required', type: 'missing' }, { msg: 'bad' }] },
    'messages.0.role: field required; bad',
  ],
  ['a text in message', { message: 'Unauthorized', request_id: 'x' }, 'Unauthorized'],
  ['a text in error, with a code beside it', { code: 'Client specified an invalid argument', error: 'Bad model.' }, 'Bad model.'],
  [
    "Mistral's nested list",
    {
      object: 'error',
      message: { detail: [{ loc: ['body', 'x'], msg: 'Extra inputs are not permitted' }] },
      type: 'invalid_request_error',
      code: null,
    },
    'x: Extra inputs are not permitted',
  ],
  ["vLLM's flat error", { object: 'error', message: 'Too long.', type: 'BadRequestError', param: null, code: 400 }, 'Too long.'],
  [
    'what stood behind OpenRouter',
    {
      error: { message: 'Provider returned error', code: 422, metadata: { raw: '{"error":{"message":"No image."}}', provider_name: 'X' } },
    },
    'Provider returned error: No image.',
  ],
  ['a list of errors', { errors: [{ message: 'One.' }, { message: 'Two.' }] }, 'One.; Two.'],
  ['an array around it', [{ error: { message: 'In a list.', code: 422 } }], 'In a list.'],
  ['a problem document', { title: 'Bad request', status: 422 }, 'Bad request'],
  ['code and msg', { code: 1261, msg: 'Prompt too long' }, 'Prompt too long'],
  ['a JSON text', '"Just a text"', 'Just a text'],
  ['plain text', 'upstream connect error', 'upstream connect error'],
  ['a page', '<html><head><title>502 Bad Gateway</title></head><body><h1>x</h1></body></html>', '502 Bad Gateway'],
  ['nothing', '', 'The provider answered with status 422.'],
];

for (const [name, body, message] of WORDED) {
  test(`openai-chat: an error in other words: ${name}`, () => {
    const error = failed(422, body);
    assert.deepEqual([error.status, error.message], [422, message]);
    assert.equal(typeof error.type, 'string');
    assert.ok(error.code === null || typeof error.code === 'string');
  });
}

test('openai-chat: a code that is a number is a text, and none where it is the status', () => {
  assert.equal(failed(400, { error: { message: 'x', code: 1261 } }).code, '1261');
  assert.equal(failed(400, { error: { message: 'x', code: 400 } }).code, null);
  assert.equal(failed(400, { error: { message: 'x', code: '400' } }).code, null);
});

test('openai-chat: how long to wait is kept', () => {
  assert.equal(failed(429, { error: { message: 'x' } }, { 'retry-after': '7' }).retryAfterMs, 7000);
});

test('openai-chat: a used-up quota is not a limit that passes', () => {
  const error = failed(429, {
    error: { message: 'You exceeded your current quota.', type: 'insufficient_quota', code: 'insufficient_quota' },
  });
  assert.deepEqual([error.kind, error.retryable], ['insufficient_quota', false]);
});

test('openai-chat: failures of the server are ours to answer for', () => {
  assert.deepEqual([failed(500, 'x').status, failed(503, 'x').status, failed(504, 'x').status], [502, 503, 504]);
});

test('openai-chat: keys in an error are not shown', () => {
  const error = openaiChatWire.error({
    status: 401,
    headers: {},
    body: '{"error":{"message":"Incorrect API key provided: sk-abcdefghijklmnop1234."}}',
  });
  assert.doesNotMatch(error.message, /sk-abc/);
});

test('openai-chat: a code by the name of what every object has is a code like others', () => {
  const error = errorWithin({ error: { message: 'm', code: 'constructor', type: 'toString' } });
  assert.deepEqual([error?.status, error?.message], [502, 'm']);
});

test('openai-chat: codes beside the choices have the status that they mean', () => {
  const statusOf = (status_code: number) => errorWithin({ choices: [], base_resp: { status_code, status_msg: 'x' } });
  assert.deepEqual(
    [1002, 1004, 1008, 2013, 9999].map((code) => statusOf(code)?.status),
    [429, 401, 402, 400, 502],
  );
  assert.equal(statusOf(0), undefined);
});

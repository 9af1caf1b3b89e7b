import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ChatResponse } from '../../core/chat.ts';
import { GatewayError } from '../../core/error.ts';
import { accept } from '../../../test/support/openai-chat.ts';
import { bedrockConverseWire } from './call.ts';

const target = { provider: 'bedrock', upstreamModel: 'm', model: 'bedrock/m', baseUrl: 'https://b.test', quirks: {}, facts: {} };

const read = (body: unknown): ChatResponse =>
  bedrockConverseWire.prepare(accept(), target, { id: 'chatcmpl-1', created: 7 }).response(body).response;

const usage = { inputTokens: 3, outputTokens: 4, totalTokens: 7 };
const answered = (content: readonly unknown[], more: Readonly<Record<string, unknown>> = {}): ChatResponse =>
  read({ output: { message: { role: 'assistant', content } }, stopReason: 'end_turn', usage, ...more });

function failure(body: unknown): GatewayError {
  try {
    read(body);
  } catch (error) {
    assert.ok(error instanceof GatewayError, String(error));
    return error;
  }
  return assert.fail('it was read');
}

test('bedrock: a whole answer', () => {
  assert.deepEqual(answered([{ text: 'Hi' }], { serviceTier: { type: 'reserved' } }), {
    id: 'chatcmpl-1',
    created: 7,
    model: 'bedrock/m',
    serviceTier: 'scale',
    choices: [{ blocks: [{ type: 'text', text: 'Hi' }], reason: 'stop' }],
    usage: { promptTokens: 3, completionTokens: 4, cachedTokens: 0, reasoningTokens: 0 },
  });
});

test('bedrock: thoughts, calls and the provider’s own tools of a whole answer', () => {
  const search = { toolUse: { toolUseId: 's', name: 'nova_grounding', input: {}, type: 'server_tool_use' } };
  const found = { toolResult: { toolUseId: 's', content: [{ text: 'x' }], type: 'nova_grounding_result' } };
  const signed = { reasoningContent: { reasoningText: { text: 'hm', signature: 'sig' } } };
  const { choices, usage: counted } = answered(
    [
      signed,
      { reasoningContent: { redactedContent: 'AAEC' } },
      { reasoningContent: { reasoningText: { text: 'unsigned' } } },
      { text: '' },
      search,
      found,
      { toolUse: { toolUseId: 'a', name: 'f', input: { n: 1 }, type: 'tool_use' } },
      { toolUse: { name: 'g', input: '{"s":1}' } },
      { image: { format: 'png', source: { bytes: 'AA==' } } },
      'odd',
    ],
    { stopReason: 'tool_use' },
  );
  const owner = 'bedrock';
  assert.deepEqual(choices[0], {
    blocks: [
      { type: 'reasoning', text: 'hm', state: { owner, data: signed } },
      { type: 'reasoning', text: '', state: { owner, data: { reasoningContent: { redactedContent: 'AAEC' } } } },
      { type: 'reasoning', text: 'unsigned' },
      { type: 'opaque', state: { owner, data: search } },
      { type: 'opaque', state: { owner, data: found } },
      { type: 'tool_call', id: 'a', kind: 'function', name: 'f', input: '{"n":1}' },
      { type: 'tool_call', id: 'call_chatcmpl-1_6', kind: 'function', name: 'g', input: '{"s":1}' },
    ],
    reason: 'tool_calls',
  });
  assert.deepEqual(counted?.providerTools, { nova_grounding: 1 });
});

test('bedrock: citations of the web are annotations, those of documents leave their text', () => {
  const web = (url: string) => ({ location: { web: { url, domain: 'x.test' } } });
  const { choices } = answered([
    { text: 'One. ' },
    { citationsContent: { content: [{ text: 'Two.' }], citations: [{ title: 'd', location: { documentPage: { start: 1 } } }] } },
    { citationsContent: { content: [{ text: ' Three.' }], citations: [web('https://x.test/3')] } },
    { citationsContent: { citations: [web('https://x.test/4'), { source: 'https://x.test/s', title: 'S', location: {} }] } },
  ]);
  assert.deepEqual(choices[0], {
    blocks: ['One. ', 'Two.', ' Three.'].map((text) => ({ type: 'text', text })),
    annotations: [
      { type: 'url_citation', url: 'https://x.test/3', title: 'x.test', start: 9, end: 16 },
      { type: 'url_citation', url: 'https://x.test/4', title: 'x.test', start: 9, end: 16 },
      { type: 'url_citation', url: 'https://x.test/s', title: 'S', start: 9, end: 16 },
    ],
    reason: 'stop',
  });
});

test('bedrock: a guardrail’s words are the answer, and the filter is told', () => {
  const { choices } = answered([{ text: 'Sorry.' }], { stopReason: 'guardrail_intervened' });
  assert.deepEqual(choices[0], { blocks: [{ type: 'text', text: 'Sorry.' }], reason: 'content_filter' });
});

test('bedrock: usage that nobody counted is absent', () => {
  assert.equal(answered([{ text: 'a' }], { usage: undefined }).usage, undefined);
  assert.equal(answered([{ text: 'a' }], { usage: { inputTokens: 1 } }).usage, undefined);
});

test('bedrock: a body that is no answer is an error', () => {
  for (const body of [null, 'x', [], {}, { output: {} }, { output: { message: { content: 'x' } } }]) {
    assert.equal(failure(body).kind, 'upstream', JSON.stringify(body));
  }
  const unknown = failure({ Output: { __type: 'com.amazon.coral.service#UnknownOperationException' }, Version: '1.0' });
  assert.deepEqual([unknown.status, unknown.message], [404, 'The provider answered with UnknownOperationException.']);
  assert.equal(failure({ message: 'Too many requests', __type: 'ThrottlingException' }).status, 429);
  assert.equal(failure({ output: { message: { content: [] } }, stopReason: 'malformed_model_output' }).status, 502);
});

const error = (status: number, body: unknown, type?: string) =>
  bedrockConverseWire.error({
    status,
    headers: type === undefined ? {} : { 'x-amzn-errortype': type },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });

test('bedrock: refusals over HTTP keep the provider’s words and status', () => {
  const validation = error(400, { message: 'Bad field.' }, 'ValidationException:http://internal.amazon.com/coral/com.amazon.bedrock/');
  assert.deepEqual([validation.status, validation.message, validation.type], [400, 'Bad field.', 'invalid_request_error']);
  const throttled = error(429, { message: 'Slow down.' }, 'ThrottlingException');
  assert.deepEqual([throttled.status, throttled.type, throttled.code, throttled.retryable], [429, 'requests', 'rate_limit_exceeded', true]);
  const token = error(403, { message: 'The security token included in the request is invalid.' }, 'UnrecognizedClientException');
  assert.deepEqual([token.status, token.type], [403, 'authentication_error']);
  const denied = error(403, { Message: 'You may not.' }, 'AccessDeniedException');
  assert.deepEqual([denied.status, denied.type, denied.message], [403, 'permission_error', 'You may not.']);
  assert.equal(error(404, { message: 'No such model.' }, 'ResourceNotFoundException').status, 404);
  assert.equal(error(408, { message: 'Too slow.' }, 'ModelTimeoutException').kind, 'upstream_timeout');
  assert.equal(error(429, { message: 'Not yet.' }, 'ModelNotReadyException').kind, 'overloaded');
  assert.equal(error(503, { message: 'Busy.' }, 'ServiceUnavailableException').kind, 'overloaded');
  assert.equal(error(500, { message: 'Oops.' }, 'InternalServerException').status, 502);
  assert.equal(error(424, { message: 'x', originalStatusCode: 400 }, 'ModelErrorException').status, 400);
  assert.equal(error(424, { message: 'x' }, 'ModelErrorException').status, 502);
  assert.equal(error(400, { __type: 'com.amazonaws.bedrock#ThrottlingException', message: 'x' }).status, 429);
});

test('bedrock: a prompt beyond the context has the contract’s code', () => {
  for (const message of [
    'Input is too long for requested model.',
    'The model returned the following errors: prompt is too long: 210000 tokens > 200000 maximum',
  ]) {
    const { status, code, param } = error(400, { message }, 'ValidationException');
    assert.deepEqual([status, code, param], [400, 'context_length_exceeded', 'messages']);
  }
});

test('bedrock: servers in front of the runtime may put the error in an envelope', () => {
  const { status, message } = error(429, { type: 'error', error: { type: 'rate_limit_error', message: 'Slow down.' } });
  assert.deepEqual([status, message], [429, 'Slow down.']);
});

test('bedrock: errors that are pages or nothing at all are errors in words', () => {
  assert.equal(error(502, '<html><head><title>502 Bad Gateway</title></head></html>').message, '502 Bad Gateway');
  assert.equal(error(400, '').message, 'The provider answered with status 400.');
  assert.equal(error(403, '', 'AccessDeniedException').message, 'The provider answered with AccessDeniedException.');
});

test('bedrock: a tier and an ending by the name of what every object has are unknown ones', () => {
  assert.equal(answered([{ text: 'a' }], { serviceTier: { type: 'constructor' } }).serviceTier, undefined);
  const file = { type: 'file', file: { filename: 'a.constructor', file_data: 'aGVsbG8=' } };
  const ask = (): unknown =>
    bedrockConverseWire.prepare(accept({ messages: [{ role: 'user', content: [file] }] }), target, { id: 'chatcmpl-1', created: 7 });
  assert.throws(ask, (error) => error instanceof GatewayError && error.kind === 'unsupported_value');
});

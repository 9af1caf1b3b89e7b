import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Block, ChatResponse, Choice } from '../../core/chat.ts';
import { GatewayError } from '../../core/error.ts';
import { encodeError } from './error.ts';
import { encodeModel, encodeModels, encodeResponse } from './response.ts';
import { accept, loadOracle, weather } from '../../../test/support/openai-chat.ts';

const usage = { promptTokens: 10, completionTokens: 5, cachedTokens: 4, reasoningTokens: 2 };
const answer = (...choices: Choice[]): ChatResponse => ({ id: 'chatcmpl-1', model: 'm', created: 7, choices, usage });
const text = (value: string): Block => ({ type: 'text', text: value });
const call = (input: string, name = 'get_weather'): Block => ({ type: 'tool_call', id: 'call_1', kind: 'function', name, input });
const oracle = await loadOracle();

interface Completion {
  choices: { message: Record<string, unknown>; finish_reason: string; logprobs: unknown }[];
}

function encode(response: ChatResponse, request = accept()): Completion {
  const body = JSON.parse(JSON.stringify(encodeResponse(response, request)));
  if (oracle && response.usage) assert.deepEqual(oracle.checkCompletion(body, { n: response.choices.length }), []);
  return body;
}

test('completion: judged by the oracle too', (context) => {
  if (!oracle) context.skip('no ../shared/oracle on this machine');
});

test('completion: a text, exactly', () => {
  assert.deepEqual(encode(answer({ blocks: [text('Hel'), text('lo')], reason: 'stop' })), {
    id: 'chatcmpl-1',
    object: 'chat.completion',
    created: 7,
    model: 'm',
    choices: [{ index: 0, message: { role: 'assistant', content: 'Hello', refusal: null }, logprobs: null, finish_reason: 'stop' }],
    usage: {
      prompt_tokens: 10,
      completion_tokens: 5,
      total_tokens: 15,
      prompt_tokens_details: { cached_tokens: 4 },
      completion_tokens_details: { reasoning_tokens: 2 },
    },
    system_fingerprint: null,
  });
});

test('completion: usage that nobody measured is left out, a known fingerprint is told', () => {
  const body = encode({ ...answer({ blocks: [], reason: 'length' }), usage: undefined, fingerprint: 'fp_1' });
  assert.ok(!('usage' in body));
  assert.equal((body as unknown as { system_fingerprint: string }).system_fingerprint, 'fp_1');
  assert.deepEqual(body.choices[0]?.message, { role: 'assistant', content: '', refusal: null });
});

test('completion: reasoning, refusal and calls each have their place', () => {
  const thought: Block = { type: 'reasoning', text: 'hm' };
  const [first, second] = encode(
    answer(
      { blocks: [thought, call('{"city":"Oslo"}')], reason: 'tool_calls' },
      { blocks: [{ type: 'refusal', text: 'no' }], reason: 'stop' },
    ),
    accept({ tools: [weather], n: 2 }),
  ).choices;
  assert.deepEqual(first?.message, {
    role: 'assistant',
    content: null,
    refusal: null,
    reasoning_content: 'hm',
    tool_calls: [{ id: 'call_1', type: 'function', function: { name: 'get_weather', arguments: '{"city":"Oslo"}' } }],
  });
  assert.deepEqual(second?.message, { role: 'assistant', content: null, refusal: 'no' });
});

test('completion: finish_reason is tool_calls exactly where the model chose to call', () => {
  const called: Choice = { blocks: [call('{}')], reason: 'tool_calls' };
  const finish = (choice: Choice, more: Record<string, unknown>) => encode(answer(choice), accept(more)).choices[0]?.finish_reason;
  const tools = [weather];
  const named = { type: 'function', function: { name: 'get_weather' } };
  assert.equal(finish(called, { tools }), 'tool_calls');
  assert.equal(finish({ ...called, reason: 'stop' }, { tools, tool_choice: 'required' }), 'tool_calls');
  assert.equal(finish(called, { tools, tool_choice: named }), 'stop');
  assert.equal(finish({ ...called, reason: 'length' }, { tools, tool_choice: named }), 'length');
  assert.equal(finish({ blocks: [text('x')], reason: 'tool_calls' }, { tools }), 'stop');
  assert.equal(finish({ blocks: [text('x')], reason: 'content_filter' }, {}), 'content_filter');
  assert.equal(finish(called, { functions: [{ name: 'get_weather' }] }), 'function_call');
});

test('completion: the deprecated form answers with function_call', () => {
  const [choice] = encode(answer({ blocks: [call('')], reason: 'tool_calls' }), accept({ functions: [{ name: 'get_weather' }] })).choices;
  assert.deepEqual(choice?.message, {
    role: 'assistant',
    content: null,
    refusal: null,
    function_call: { name: 'get_weather', arguments: '{}' },
  });
});

test('completion: a call without arguments has an empty object, a call cut off at once has none', () => {
  const args = (reason: Choice['reason']) => {
    const [choice] = encodedChoices(reason);
    const calls = choice?.message['tool_calls'] as { function: { arguments: string } }[];
    return calls.map((one) => one.function.arguments);
  };
  const encodedChoices = (reason: Choice['reason']): Completion['choices'] => {
    const body = encodeResponse(answer({ blocks: [call(''), call('')], reason }), accept({ tools: [weather] })) as Completion;
    return body.choices;
  };
  assert.deepEqual(args('tool_calls'), ['{}', '{}']);
  assert.deepEqual(args('length'), ['{}', '']);
});

test('completion: custom calls carry their input as it is', () => {
  const [choice] = encode(
    answer({ blocks: [{ type: 'tool_call', id: 'c', kind: 'custom', name: 'sql', input: '' }], reason: 'tool_calls' }),
  ).choices;
  assert.deepEqual(choice?.message['tool_calls'], [{ id: 'c', type: 'custom', custom: { name: 'sql', input: '' } }]);
});

test('completion: log probabilities, and none that JSON cannot say', () => {
  const token = { token: 'Hi', logprob: -0.5, bytes: [72, 105], top: [{ token: 'Hi', logprob: -0.5, bytes: [72, 105] }] };
  const never = { token: 'x', logprob: -Infinity, bytes: null, top: [] };
  const [choice] = encode(answer({ blocks: [text('Hix')], reason: 'stop', logprobs: [token, never] })).choices;
  assert.deepEqual(choice?.logprobs, {
    content: [
      { token: 'Hi', logprob: -0.5, bytes: [72, 105], top_logprobs: [{ token: 'Hi', logprob: -0.5, bytes: [72, 105] }] },
      { token: 'x', logprob: -9999, bytes: null, top_logprobs: [] },
    ],
    refusal: null,
  });
  const refused = encode(answer({ blocks: [{ type: 'refusal', text: 'Hi' }], reason: 'stop', logprobs: [token] })).choices[0]?.logprobs;
  assert.ok(refused && typeof refused === 'object' && 'content' in refused && refused.content === null);
});

test('completion: half a surrogate pair becomes the replacement character', () => {
  const [choice] = encode(answer({ blocks: [text('a\ud83d')], reason: 'stop' })).choices;
  assert.equal(choice?.message['content'], 'a\ufffd');
});

test('error: all four keys, always', () => {
  assert.deepEqual(encodeError(new GatewayError('no_key', 'No key.')), {
    error: { message: 'No key.', type: 'invalid_request_error', param: null, code: null },
  });
  assert.deepEqual(encodeError(new GatewayError('invalid_value', 'Bad.', { param: 'n' })), {
    error: { message: 'Bad.', type: 'invalid_request_error', param: 'n', code: 'invalid_value' },
  });
});

test('model: what OpenAI says of one, and what it can do', () => {
  const card = {
    id: 'org/m',
    created: 5,
    ownedBy: 'org',
    endpoints: ['/v1/chat/completions'],
    contextWindow: 8192,
    capabilities: {
      tools: true,
      structuredOutput: true,
      logprobs: false,
      reasoning: false,
      inputModalities: ['text'],
      outputModalities: ['text'],
    },
    details: { license: 'MIT' },
  };
  const body = encodeModel(card);
  assert.deepEqual(body, {
    id: 'org/m',
    object: 'model',
    created: 5,
    owned_by: 'org',
    endpoints: ['/v1/chat/completions'],
    context_window: 8192,
    capabilities: {
      tools: true,
      structured_output: true,
      logprobs: false,
      reasoning: false,
      input_modalities: ['text'],
      output_modalities: ['text'],
    },
    details: { license: 'MIT' },
  });
  assert.deepEqual(oracle?.violations('ListModelsResponse', encodeModels([card])) ?? [], []);
});

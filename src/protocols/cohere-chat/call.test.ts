import assert from 'node:assert/strict';
import { test } from 'node:test';
import { wholeText } from '../../core/json-pieces.ts';
import { GatewayError } from '../../core/error.ts';
import type { Message } from '../../core/chat.ts';
import { cohereChatWire } from './call.ts';
import { HEAD, asked, sent, target, whole } from './testing.ts';

const parameters = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] };
const fn = (name: string, more: Record<string, unknown> = {}) => ({ type: 'function', function: { name, parameters, ...more } });
const declared = (name: string) => ({ type: 'function', function: { name, parameters } });
const messages = (list: readonly unknown[]) => sent({ messages: list }).body['messages'];

function refusal(run: () => unknown): GatewayError {
  try {
    run();
  } catch (error) {
    assert.ok(error instanceof GatewayError);
    return error;
  }
  return assert.fail('it was taken');
}

test('cohere: a plain request says the model, the messages and whether to stream', () => {
  const { prepared, body, ignored } = sent({ stream: true });
  assert.equal(prepared.call.url, 'https://api.example/v2/chat');
  assert.deepEqual(body, { model: 'command-x', messages: [{ role: 'user', content: 'Hi' }], stream: true });
  assert.deepEqual(ignored, []);
});

test('cohere: instructions stay in place, parts stay parts, names are reported', () => {
  const list = [
    { role: 'developer', content: 'Be brief.' },
    {
      role: 'user',
      name: 'ada',
      content: [
        { type: 'text', text: 'a' },
        { type: 'text', text: 'b' },
      ],
    },
    { role: 'system', content: [{ type: 'text', text: 'Now long.' }] },
    { role: 'assistant', content: 'c' },
    { role: 'user', content: '' },
    {
      role: 'user',
      content: [
        { type: 'text', text: '' },
        { type: 'image_url', image_url: { url: 'https://a.example/x.png', detail: 'low' } },
      ],
    },
  ];
  const { body, ignored } = sent({ messages: list });
  assert.deepEqual(body['messages'], [
    { role: 'system', content: 'Be brief.' },
    {
      role: 'user',
      content: [
        { type: 'text', text: 'a' },
        { type: 'text', text: 'b' },
      ],
    },
    { role: 'system', content: 'Now long.' },
    { role: 'assistant', content: 'c' },
    { role: 'user', content: [{ type: 'image_url', image_url: { url: 'https://a.example/x.png', detail: 'low' } }] },
  ]);
  assert.deepEqual(ignored, ['messages[1].name']);
});

test('cohere: audio and files are refused by their place', () => {
  const audio = { type: 'input_audio', input_audio: { data: 'AA==', format: 'wav' } };
  const file = { type: 'file', file: { file_id: 'f' } };
  for (const part of [audio, file]) {
    const { code, param, status } = refusal(() => messages([{ role: 'user', content: [{ type: 'text', text: 'a' }, part] }]));
    assert.deepEqual({ code, param, status }, { code: 'unsupported_value', param: 'messages[0].content[1]', status: 400 });
  }
});

test('cohere: calls and results, the words before calls as their plan', () => {
  const call = { id: 'c1', type: 'function', function: { name: 'now', arguments: '' } };
  const list = [
    { role: 'assistant', content: 'Let me see.', tool_calls: [call] },
    {
      role: 'tool',
      tool_call_id: 'c1',
      content: [
        { type: 'text', text: 'no' },
        { type: 'text', text: 'on' },
      ],
    },
    { role: 'assistant', tool_calls: [{ ...call, id: 'c2' }] },
    { role: 'tool', tool_call_id: 'c2', content: '' },
  ];
  const written = { ...call, function: { name: 'now', arguments: '{}' } };
  assert.deepEqual(messages(list), [
    { role: 'assistant', tool_plan: 'Let me see.', tool_calls: [written] },
    { role: 'tool', tool_call_id: 'c1', content: 'noon' },
    { role: 'assistant', tool_calls: [{ ...written, id: 'c2' }] },
    { role: 'tool', tool_call_id: 'c2', content: '{}' },
  ]);
});

test('cohere: its own thinking and plans go back to it, those of others do not', () => {
  const turn = (owner: string): Message => ({
    role: 'assistant',
    blocks: [
      { type: 'reasoning', text: 'changed', state: { owner, data: { thinking: 'hm' } } },
      { type: 'reasoning', text: '', state: { owner, data: { tool_plan: 'first this' } } },
      { type: 'reasoning', text: 'plain' },
      { type: 'opaque', state: { owner, data: {} } },
      { type: 'text', text: 'So.' },
      { type: 'tool_call', id: 'c', kind: 'custom', name: 'sh', input: 'ls "x"' },
    ],
  });
  const written = (message: Message): unknown => {
    const { call } = cohereChatWire.prepare({ ...asked(), messages: [message] }, target(), HEAD);
    return (JSON.parse(wholeText(call.body)) as { messages: unknown[] }).messages[0];
  };
  const calls = [{ id: 'c', type: 'function', function: { name: 'sh', arguments: '{"input":"ls \\"x\\""}' } }];
  const thinking = { type: 'thinking', thinking: 'hm' };
  assert.deepEqual(written(turn('cohere')), {
    role: 'assistant',
    content: [thinking, { type: 'text', text: 'So.' }],
    tool_plan: 'first this',
    tool_calls: calls,
  });
  assert.deepEqual(written(turn('other')), { role: 'assistant', tool_plan: 'So.', tool_calls: calls });
});

test('cohere: sampling within its ranges, with what was moved reported', () => {
  const { body, ignored } = sent({
    temperature: 1.5,
    top_p: 1,
    frequency_penalty: 2,
    presence_penalty: -1,
    seed: -7,
    max_tokens: 9,
    stop: ['a', 'b'],
    logit_bias: { 5: 1 },
  });
  assert.partialDeepStrictEqual(body, {
    temperature: 1,
    p: 0.99,
    frequency_penalty: 1,
    seed: 7,
    max_tokens: 9,
    stop_sequences: ['a', 'b'],
  });
  assert.equal('presence_penalty' in body || 'logit_bias' in body, false);
  assert.deepEqual(ignored, ['frequency_penalty', 'presence_penalty', 'logit_bias', 'temperature']);
  assert.deepEqual(sent({ temperature: 1, top_p: 0.5, frequency_penalty: 0, n: 1, logprobs: false }).ignored, []);
});

test('cohere: more stop strings than it takes are stopped by us', () => {
  const request = { ...asked(), stop: ['1', '2', '3', '4', '5', '6'] };
  const prepared = cohereChatWire.prepare(request, target(), HEAD);
  assert.deepEqual((JSON.parse(wholeText(prepared.call.body)) as { stop_sequences: unknown }).stop_sequences, ['1', '2', '3', '4', '5']);
  const answer = { message: { content: [{ type: 'text', text: 'ab6c' }] }, finish_reason: 'COMPLETE' };
  assert.deepEqual(whole(answer, prepared).choices[0]?.blocks, [{ type: 'text', text: 'ab' }]);
});

test('cohere: effort becomes thinking and a budget for it', () => {
  const thinking = (effort: string, to = target()) => {
    const { body, ignored } = sent({ reasoning_effort: effort }, to);
    return [body['thinking'], ignored];
  };
  assert.deepEqual(thinking('none'), [{ type: 'disabled' }, []]);
  assert.deepEqual(thinking('low'), [{ type: 'enabled', token_budget: 2048 }, []]);
  assert.deepEqual(thinking('high'), [{ type: 'enabled' }, []]);
  assert.deepEqual(thinking('high', target({}, { reasoning: false })), [undefined, ['reasoning_effort']]);
  assert.deepEqual(thinking('none', target({ thinking: false })), [undefined, []]);
});

test('cohere: fields without a counterpart are reported, its own pass', () => {
  const { body, ignored } = sent({
    verbosity: 'low',
    user: 'u',
    safety_identifier: 's',
    store: true,
    metadata: { a: 'b' },
    service_tier: 'flex',
    safety_mode: 'STRICT',
    top_k: 5,
    logprobs: true,
    top_logprobs: 3,
    unknown: 1,
    messages: [{ role: 'user', content: [{ type: 'text', text: 'Hi', cache_control: { type: 'ephemeral' } }] }],
  });
  assert.equal(body['safety_mode'], 'STRICT');
  assert.equal(body['k'], 5);
  assert.equal(body['logprobs'], true);
  assert.deepEqual(
    ignored.toSorted(),
    ['messages[0].content[0].cache_control', 'metadata', 'service_tier', 'store', 'top_logprobs', 'unknown', 'verbosity'].toSorted(),
  );
});

test('cohere: choices among tools by what is sent', () => {
  const tools = [fn('a'), fn('b')];
  const both = [declared('a'), declared('b')];
  const chosen = (tool_choice: unknown) => {
    const { body } = sent({ tools, tool_choice });
    return [body['tools'], body['tool_choice']];
  };
  assert.deepEqual(chosen('auto'), [both, undefined]);
  assert.deepEqual(chosen('required'), [both, 'REQUIRED']);
  assert.deepEqual(chosen('none'), [undefined, undefined]);
  assert.deepEqual(chosen({ type: 'function', function: { name: 'b' } }), [[declared('b')], 'REQUIRED']);
  const allowed = { type: 'allowed_tools', allowed_tools: { mode: 'required', tools: [{ type: 'function', function: { name: 'a' } }] } };
  assert.deepEqual(chosen(allowed), [[declared('a')], 'REQUIRED']);
  assert.deepEqual(sent({ tools, parallel_tool_calls: false }).ignored, ['parallel_tool_calls']);
  assert.deepEqual(sent({ tools, tool_choice: 'required' }, target({ toolChoice: false })).ignored, ['tool_choice']);
});

test('cohere: tools that may not be called are declared where earlier turns called them', () => {
  const list = [
    { role: 'assistant', tool_calls: [{ id: 'c', type: 'function', function: { name: 'a', arguments: '{}' } }] },
    { role: 'tool', tool_call_id: 'c', content: 'x' },
  ];
  const { body } = sent({ tools: [fn('a')], tool_choice: 'none', messages: list });
  assert.deepEqual([body['tools'], body['tool_choice']], [[declared('a')], 'NONE']);
});

test('cohere: strict tools, where all of them can be', () => {
  const loose = fn('b', { parameters: { type: 'object', properties: { a: { type: 'string' } } } });
  assert.equal(sent({ tools: [fn('a', { strict: true }), { type: 'function', function: { name: 'now' } }] }).body['strict_tools'], true);
  const { body, ignored } = sent({ tools: [fn('a', { strict: true }), loose] });
  assert.equal('strict_tools' in body, false);
  assert.deepEqual(ignored, ['tools[0].function.strict']);
});

test('cohere: only schemas that are enforced are put into its dialect', () => {
  const closed = { ...parameters, additionalProperties: false };
  const written = (strict: boolean) => {
    const { body } = sent({ tools: [fn('a', { strict, parameters: closed })] });
    return (body['tools'] as { function: { parameters: unknown } }[])[0]?.function.parameters;
  };
  assert.deepEqual(written(true), parameters);
  assert.deepEqual(written(false), closed);
});

test('cohere: custom tools are functions with one text, their calls custom calls', () => {
  const grammar = { type: 'grammar', grammar: { syntax: 'regex', definition: 'a+' } };
  const { body, ignored, prepared } = sent({ tools: [{ type: 'custom', custom: { name: 'sh', format: grammar } }] });
  assert.deepEqual((body['tools'] as { function: { name: string } }[])[0]?.function.name, 'sh');
  assert.deepEqual(ignored, ['tools[0].custom.format']);
  const message = { tool_calls: [{ id: 'c', type: 'function', function: { name: 'sh', arguments: '{"input":"aa"}' } }] };
  assert.deepEqual(whole({ message, finish_reason: 'TOOL_CALL' }, prepared).choices[0]?.blocks, [
    { type: 'tool_call', id: 'c', kind: 'custom', name: 'sh', input: 'aa' },
  ]);
});

const format = (schema: unknown, more: Record<string, unknown> = {}) => ({
  response_format: { type: 'json_schema', json_schema: { name: 'city', schema, description: 'A city.', ...more } },
});

test('cohere: a format alone is the provider\u2019s own', () => {
  const { body, prepared } = sent(format(parameters));
  assert.deepEqual(body['response_format'], { type: 'json_object', json_schema: { description: 'A city.', ...parameters } });
  assert.equal(prepared.reshape.length, 0);
  assert.deepEqual(sent({ response_format: { type: 'json_object' } }).body['response_format'], { type: 'json_object' });
});

test('cohere: a format beside tools is a tool itself, whose call is the answer', () => {
  const { body, prepared, ignored } = sent({ ...format(parameters), tools: [fn('answer')] });
  assert.equal('response_format' in body, false);
  assert.deepEqual(
    (body['tools'] as { function: { name: string } }[]).map((tool) => tool.function.name),
    ['answer', 'answer_'],
  );
  assert.equal(body['tool_choice'], 'REQUIRED');
  assert.deepEqual(ignored, []);
  const message = {
    tool_plan: 'I will answer.',
    tool_calls: [{ id: 'c', type: 'function', function: { name: 'answer_', arguments: '{"city":"Oslo"}' } }],
  };
  const [choice] = whole({ message, finish_reason: 'TOOL_CALL' }, prepared).choices;
  assert.equal(choice?.reason, 'stop');
  assert.deepEqual(choice.blocks.at(-1), { type: 'text', text: '{"city":"Oslo"}' });
});

test('cohere: a format is not asked for where a tool must be called, and alone where none may be', () => {
  const must = sent({ ...format(parameters), tools: [fn('a')], tool_choice: 'required' }).body;
  assert.deepEqual([must['tools'], 'response_format' in must], [[declared('a')], false]);
  const none = sent({ ...format(parameters), tools: [fn('a')], tool_choice: 'none' }).body;
  assert.deepEqual(['tools' in none, 'response_format' in none], [false, true]);
});

test('cohere: a schema that structured outputs cannot say goes by a tool, as it is', () => {
  const schema = { type: 'object', properties: { a: { oneOf: [{ type: 'string' }] } } };
  const { body } = sent(format(schema, { strict: true }));
  assert.equal('strict_tools' in body, false);
  assert.deepEqual((body['tools'] as { function: { parameters: unknown } }[])[0]?.function.parameters, schema);
  assert.equal(body['tool_choice'], 'REQUIRED');
  assert.deepEqual(sent(format(schema), target({ toolChoice: false })).body['response_format'], { type: 'json_object' });
});

test('cohere: one choice at a time, images by URL unless the row says otherwise', () => {
  assert.equal(cohereChatWire.severalChoices(target()), false);
  assert.equal(cohereChatWire.imageUrls(target()), true);
  assert.equal(cohereChatWire.imageUrls(target({ imageUrls: false })), false);
});

test('cohere: refusals keep their status and words', () => {
  const error = (status: number, body: string, headers = {}) => {
    const { status: answered, code, param, message, retryAfterMs } = cohereChatWire.error({ status, headers, body });
    return { answered, code, param, message, retryAfterMs };
  };
  const none = { param: null, retryAfterMs: undefined };
  assert.deepEqual(error(400, '{"message":"invalid request: no"}'), { answered: 400, code: null, message: 'invalid request: no', ...none });
  assert.deepEqual(error(401, '{"id":"x","message":"invalid api token"}').code, 'invalid_api_key');
  assert.deepEqual(error(404, '{"message":"model \'x\' not found"}').code, 'model_not_found');
  assert.deepEqual(error(400, '{"message":"too many tokens: size limit exceeded by 3 tokens."}').code, 'context_length_exceeded');
  assert.deepEqual(error(400, '{"message":"too many tokens: max tokens must be less than 5"}').param, 'max_tokens');
  assert.deepEqual(error(429, '{"message":"slow down"}', { 'retry-after': '2' }).retryAfterMs, 2000);
  assert.equal(error(429, '{"message":"Trial keys are limited to 1000 API calls / month."}').code, 'insufficient_quota');
  assert.equal(error(500, '{"error":{"message":"boom"}}').message, 'boom');
  assert.equal(error(502, '<html><title>Bad gateway</title></html>').message, 'Bad gateway');
});

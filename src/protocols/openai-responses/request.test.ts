import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { Ajv2020 } from 'ajv/dist/2020.js';
import fc from 'fast-check';
import type OpenAI from 'openai';
import { wholeText } from '../../core/json-pieces.ts';
import type { ChatRequest } from '../../core/chat.ts';
import { GatewayError } from '../../core/error.ts';
import type { ModelFacts } from '../wire.ts';
import { openaiResponsesWire } from './call.ts';
import type { OpenAIResponsesQuirks } from './quirks.ts';
import { reachingRequests } from '../../../test/support/generated-requests.ts';
import { accept, outside, weather } from '../../../test/support/openai-chat.ts';

interface Around {
  readonly quirks?: OpenAIResponsesQuirks;
  readonly facts?: ModelFacts;
}

function prepare(request: ChatRequest, { quirks = {}, facts = {} }: Around = {}) {
  const target = { provider: 'p', upstreamModel: 'up', model: 'p/m', baseUrl: 'https://host/v1', quirks, facts };
  return openaiResponsesWire.prepare(request, target, { id: 'chatcmpl-1', created: 1 });
}

type Body = Record<string, unknown>;

const written = (more: Body, around?: Around): Body => JSON.parse(wholeText(prepare(accept(more), around).call.body)) as Body;
const inputOf = (messages: readonly unknown[], around?: Around) => written({ messages }, around).input as Body[];
const ignoredOf = (more: Body, around?: Around) => prepare(accept(more), around).ignored;

const call = (id: string, name = 'get_weather', input = '{"city":"Oslo"}') => ({
  id,
  type: 'function',
  function: { name, arguments: input },
});

const ask = { role: 'user', content: 'Hi' };
const answer = (id: string) => ({ role: 'tool', tool_call_id: id, content: 'Rain' });

/** The published schema; where two forms of an item overlap, both may fit. */
function createResponseSchema() {
  const place = outside('oracle/openai-subset.json');
  if (place === undefined) return undefined;
  const spec = JSON.parse(readFileSync(place, 'utf8').replaceAll('"oneOf"', '"anyOf"')) as Body;
  const ajv = new Ajv2020({ strict: false, allErrors: true, validateFormats: false, logger: false });
  ajv.addSchema({ $id: 'openai', components: spec.components });
  return ajv.compile({ $ref: 'openai#/components/schemas/CreateResponse' });
}

test('responses: a plain question, as types of the openai package have it', () => {
  const wanted = {
    model: 'up',
    input: [{ type: 'message', role: 'user', content: 'Say hello.' }],
    store: false,
    include: ['reasoning.encrypted_content'],
  } satisfies OpenAI.Responses.ResponseCreateParamsNonStreaming;
  assert.deepEqual(written({}), wanted);
  const { call: http } = prepare(accept({}));
  assert.equal(http.url, 'https://host/v1/responses');
  assert.equal(http.headers['content-type'], 'application/json');
});

test('responses: a stream is asked for without padding', () => {
  const { stream, stream_options } = written({ stream: true });
  assert.deepEqual({ stream, stream_options }, { stream: true, stream_options: { include_obfuscation: false } });
});

test('responses: instructions stay messages in their places, with the role they had', () => {
  const input = inputOf([{ role: 'system', content: 'A' }, ask, { role: 'developer', content: [{ type: 'text', text: 'B' }] }]);
  assert.deepEqual(
    input.map(({ role, content }) => [role, content]),
    [
      ['system', 'A'],
      ['user', 'Hi'],
      ['developer', 'B'],
    ],
  );
  const [older] = inputOf([{ role: 'developer', content: 'B' }], { quirks: { developerRole: false } });
  assert.equal(older?.role, 'system');
});

test('responses: images, files and texts become parts', () => {
  const content = [
    { type: 'text', text: 'What is this?' },
    { type: 'image_url', image_url: { url: 'https://x.test/a.png', detail: 'high' } },
    { type: 'image_url', image_url: { url: 'data:image/png;base64,AA' } },
    { type: 'file', file: { filename: 'a.csv', file_data: 'AA==' } },
    { type: 'file', file: { file_data: 'data:application/pdf;base64,AA' } },
    { type: 'file', file: { file_id: 'file-1' } },
  ];
  const wanted = [
    { type: 'input_text', text: 'What is this?' },
    { type: 'input_image', image_url: 'https://x.test/a.png', detail: 'high' },
    { type: 'input_image', image_url: 'data:image/png;base64,AA', detail: 'auto' },
    { type: 'input_file', filename: 'a.csv', file_data: 'data:text/csv;base64,AA==' },
    { type: 'input_file', filename: 'file.pdf', file_data: 'data:application/pdf;base64,AA' },
    { type: 'input_file', file_id: 'file-1' },
  ] satisfies OpenAI.Responses.ResponseInputContent[];
  assert.deepEqual(inputOf([{ role: 'user', content }])[0]?.content, wanted);
});

const refusalOf = (content: readonly unknown[], around?: Around): GatewayError => {
  try {
    inputOf([{ role: 'user', content }], around);
  } catch (error) {
    assert.ok(error instanceof GatewayError);
    return error;
  }
  return assert.fail('taken');
};

test('responses: audio has no form: 400 that names the part', () => {
  const sound = { type: 'input_audio', input_audio: { data: 'AA', format: 'mp3' } };
  const { status, code, param } = refusalOf([{ type: 'text', text: 'x' }, sound]);
  assert.deepEqual({ status, code, param }, { status: 400, code: 'unsupported_value', param: 'messages[0].content[1]' });
});

test('responses: a host that takes no files says so with the place of the file', () => {
  const { param } = refusalOf([{ type: 'file', file: { file_id: 'f' } }], { quirks: { parts: ['image'] } });
  assert.equal(param, 'messages[0].content[0]');
});

test('responses: calls and results, with the kind of tool that was called', () => {
  const custom = { id: 'c2', type: 'custom', custom: { name: 'sql', input: 'SELECT 1' } };
  const results = [
    answer('c1'),
    {
      ...answer('c2'),
      content: [
        { type: 'text', text: 'a' },
        { type: 'text', text: 'b' },
      ],
    },
  ];
  const messages = [ask, { role: 'assistant', content: 'Let me see.', tool_calls: [call('c1'), custom] }, ...results];
  const wanted = [
    { type: 'message', role: 'user', content: 'Hi' },
    { type: 'message', role: 'assistant', content: 'Let me see.' },
    { type: 'function_call', call_id: 'c1', name: 'get_weather', arguments: '{"city":"Oslo"}' },
    { type: 'custom_tool_call', call_id: 'c2', name: 'sql', input: 'SELECT 1' },
    { type: 'function_call_output', call_id: 'c1', output: 'Rain' },
    { type: 'custom_tool_call_output', call_id: 'c2', output: 'ab' },
  ] satisfies OpenAI.Responses.ResponseInput;
  assert.deepEqual(inputOf(messages), wanted);
});

test('responses: a call without arguments has an empty object of them', () => {
  const input = inputOf([{ role: 'assistant', tool_calls: [call('c1', 'now', '')] }, answer('c1')]);
  assert.equal(input[0]?.arguments, '{}');
});

test('responses: ids that are too long or come again are made anew, and results find their calls', () => {
  const long = `call_${'x'.repeat(80)}`;
  const turn = { role: 'assistant', tool_calls: [call('c'), call('c', 'other'), call(long)] };
  const input = inputOf([turn, answer('c'), answer('c'), answer(long), turn, answer('c'), answer('c'), answer(long)]);
  const calls = input.filter(({ type }) => type === 'function_call').map(({ call_id: id }) => String(id));
  assert.equal(new Set(calls).size, 6);
  assert.ok(calls.every((id) => id.length <= 64));
  assert.equal(calls[0], 'c');
  const results = input.filter(({ type }) => type === 'function_call_output').map(({ call_id: id }) => id);
  assert.deepEqual(results, calls);
  assert.deepEqual(
    inputOf([turn, answer('c'), answer('c'), answer(long)])
      .map(({ call_id: id }) => id)
      .slice(0, 3),
    calls.slice(0, 3),
    'the same ids each time',
  );
});

test('responses: the deprecated functions go over as tools with ids', () => {
  const messages = [
    ask,
    { role: 'assistant', function_call: { name: 'f', arguments: '{}' } },
    { role: 'function', name: 'f', content: 'x' },
  ];
  const [, made, result] = inputOf(messages);
  assert.equal(made?.type, 'function_call');
  assert.equal(made?.call_id, result?.call_id);
});

test('responses: a refusal is a part of a finished message', () => {
  const wanted = {
    type: 'message',
    role: 'assistant',
    id: 'msg_0_0',
    status: 'completed',
    content: [{ type: 'refusal', refusal: 'No.' }],
  } satisfies OpenAI.Responses.ResponseOutputMessage;
  assert.deepEqual(inputOf([{ role: 'assistant', refusal: 'No.' }, ask])[0], wanted);
});

const item = { type: 'reasoning', id: 'rs_1', summary: [{ type: 'summary_text', text: 'Hm' }], encrypted_content: 'ENC' };

const withState = (owner: string, blocks: readonly unknown[], more: Body = {}) => ({
  role: 'assistant',
  content: 'So.',
  reasoning_content: 'changed by the client',
  provider_state: { owner, blocks },
  ...more,
});

test('responses: encrypted reasoning goes back word for word, before what it led to, and to its owner only', () => {
  const blocks = [
    { type: 'reasoning', data: item },
    { type: 'text', length: 3 },
  ];
  assert.deepEqual(inputOf([ask, withState('p', blocks), ask]).slice(1, 3), [item, { type: 'message', role: 'assistant', content: 'So.' }]);
  const others = inputOf([ask, withState('q', blocks), ask]);
  assert.deepEqual(
    others.map(({ type }) => type),
    ['message', 'message', 'message'],
  );
});

test('responses: reasoning that led to nothing is left out, because it is refused by itself', () => {
  const turn = { role: 'assistant', content: '', provider_state: { owner: 'p', blocks: [{ type: 'reasoning', data: item }] } };
  assert.deepEqual(
    inputOf([ask, turn, ask]).map(({ type }) => type),
    ['message', 'message'],
  );
});

test('responses: reasoning in plain text goes back only where the row says so', () => {
  const turn = { role: 'assistant', content: 'So.', reasoning_content: 'Hm' };
  assert.equal(inputOf([turn, ask]).length, 2);
  const [first] = inputOf([turn, ask], { quirks: { plainReasoning: true } });
  assert.deepEqual(first, { type: 'reasoning', id: 'rs_0_0', summary: [], content: [{ type: 'reasoning_text', text: 'Hm' }] });
});

test('responses: ids that the host changes all the time are not sent back', () => {
  const turn = withState('p', [
    { type: 'reasoning', data: item },
    { type: 'text', length: 3 },
  ]);
  const [first] = inputOf([turn, ask], { quirks: { unstableItemIds: true } });
  assert.equal(first?.id, undefined);
  assert.equal(first?.encrypted_content, 'ENC');
});

test('responses: runs of the provider’s tools go back in their places', () => {
  const search = { type: 'web_search_call', id: 'ws_1', status: 'completed', action: { type: 'search', query: 'x' } };
  const turn = withState('p', [
    { type: 'opaque', data: search },
    { type: 'text', length: 3 },
  ]);
  assert.deepEqual(inputOf([turn, ask])[0], search);
});

test('responses: what waits for an answer that nobody can have given is left out, with an answer it goes back', () => {
  const pending = ['local_shell_call', 'shell_call', 'apply_patch_call', 'computer_call', 'tool_search_call'];
  for (const type of pending) {
    const turn = withState('p', [
      { type: 'opaque', data: { type, id: 'i', call_id: 'c', execution: 'client' } },
      { type: 'text', length: 3 },
    ]);
    assert.deepEqual(
      inputOf([turn, ask]).map((one) => one.type),
      ['message', 'message'],
      type,
    );
  }
  const approval = withState('p', [
    { type: 'opaque', data: { type: 'mcp_approval_request', id: 'i' } },
    { type: 'text', length: 3 },
  ]);
  assert.equal(inputOf([approval, ask]).length, 2);
  const ran = [
    { type: 'opaque', data: { type: 'shell_call', id: 'i', call_id: 'c' } },
    { type: 'opaque', data: { type: 'shell_call_output', id: 'o', call_id: 'c' } },
    { type: 'text', length: 3 },
  ];
  assert.deepEqual(
    inputOf([withState('p', ran), ask]).map((one) => one.type),
    ['shell_call', 'shell_call_output', 'message', 'message'],
  );
});

test('responses: texts of different phases are messages of their own, and say which', () => {
  const blocks = [
    { type: 'text', length: 2, data: { phase: 'commentary' } },
    { type: 'text', length: 1, data: { phase: 'final_answer' } },
  ];
  const said = inputOf([withState('p', blocks), ask]).slice(0, 2);
  assert.deepEqual(
    said.map(({ content, phase }) => [content, phase]),
    [
      ['So', 'commentary'],
      ['.', 'final_answer'],
    ],
  );
});

test('responses: a call that a program made goes back with its caller, and so does its result', () => {
  const caller = { type: 'program', caller_id: 'prog' };
  const turn = withState('p', [{ type: 'tool_call', id: 'c1', data: { caller } }], { content: null, tool_calls: [call('c1')] });
  const [made, result] = inputOf([turn, answer('c1')]);
  assert.deepEqual([made?.caller, result?.caller], [caller, caller]);
});

test('responses: state that the client has broken does no harm', () => {
  for (const data of [null, 7, 'x', [], {}, { type: 7 }, { type: 'reasoning' }, { type: 'reasoning', encrypted_content: 7 }]) {
    const blocks = [
      { type: 'reasoning', data },
      { type: 'opaque', data },
      { type: 'text', length: 3, data },
    ];
    const said = inputOf([withState('p', blocks), ask]).filter(({ role }) => role === 'assistant');
    assert.deepEqual(said, [{ type: 'message', role: 'assistant', content: 'So.' }], JSON.stringify(data));
  }
});

test('responses: functions say whether they are strict, since here silence means yes', () => {
  const bare = { type: 'function', function: { name: 'now', description: 'd', strict: true } };
  const wanted = [
    { type: 'function', name: 'get_weather', parameters: weather.function.parameters, strict: false },
    {
      type: 'function',
      name: 'now',
      description: 'd',
      parameters: { type: 'object', properties: {}, required: [], additionalProperties: false },
      strict: true,
    },
  ] satisfies OpenAI.Responses.FunctionTool[];
  const { tools, tool_choice: choice } = written({ tools: [weather, bare] });
  assert.deepEqual(tools, wanted);
  assert.equal(choice, undefined);
});

const grammar = {
  type: 'custom',
  custom: { name: 'sql', description: 'd', format: { type: 'grammar', grammar: { syntax: 'regex', definition: 'S+' } } },
};

test('responses: custom tools keep their grammar, and are functions for hosts without such tools', () => {
  const wanted = { type: 'custom', name: 'sql', description: 'd', format: { type: 'grammar', syntax: 'regex', definition: 'S+' } };
  assert.deepEqual(written({ tools: [grammar] }).tools, [wanted]);
  const around = { quirks: { customTools: false } };
  const turn = { role: 'assistant', tool_calls: [{ id: 'c', type: 'custom', custom: { name: 'sql', input: 'S' } }] };
  const request = accept({ tools: [grammar], tool_choice: { type: 'custom', custom: { name: 'sql' } }, messages: [turn, answer('c')] });
  const prepared = prepare(request, around);
  const body = JSON.parse(wholeText(prepared.call.body)) as { tools: Body[]; tool_choice: Body; input: Body[] };
  assert.equal(body.tools[0]?.type, 'function');
  assert.deepEqual(body.tool_choice, { type: 'function', name: 'sql' });
  assert.deepEqual(
    body.input.map(({ type, arguments: input }) => [type, input]),
    [
      ['function_call', '{"input":"S"}'],
      ['function_call_output', undefined],
    ],
  );
  assert.equal(prepared.reshape.length, 1);
});

test('responses: tool_choice in all its forms', () => {
  const tools = [weather, grammar];
  const choose = (choice: unknown, around?: Around) => written({ tools, tool_choice: choice }, around).tool_choice;
  const allowed = (mode: string) => ({
    type: 'allowed_tools',
    allowed_tools: {
      mode,
      tools: [
        { type: 'function', function: { name: 'get_weather' } },
        { type: 'custom', custom: { name: 'sql' } },
      ],
    },
  });
  assert.equal(choose('none'), 'none');
  assert.equal(choose('required'), 'required');
  assert.deepEqual(choose({ type: 'function', function: { name: 'get_weather' } }), { type: 'function', name: 'get_weather' });
  assert.deepEqual(choose({ type: 'custom', custom: { name: 'sql' } }), { type: 'custom', name: 'sql' });
  assert.deepEqual(choose(allowed('required')), {
    type: 'allowed_tools',
    mode: 'required',
    tools: [
      { type: 'function', name: 'get_weather' },
      { type: 'custom', name: 'sql' },
    ],
  });
  const one = {
    type: 'allowed_tools',
    allowed_tools: { mode: 'required', tools: [{ type: 'function', function: { name: 'get_weather' } }] },
  };
  const narrowed = written({ tools, tool_choice: one }, { quirks: { allowedTools: false } });
  assert.equal(narrowed.tool_choice, 'required');
  assert.equal((narrowed.tools as Body[]).length, 1);
});

test('responses: one call at a time is said, only where there are tools', () => {
  assert.equal(written({ tools: [weather], parallel_tool_calls: false }).parallel_tool_calls, false);
  assert.equal(written({ tools: [weather] }).parallel_tool_calls, undefined);
  assert.equal(written({ parallel_tool_calls: false }).parallel_tool_calls, undefined);
});

test('responses: web_search_options are the tool that searches', () => {
  const asked = {
    web_search_options: {
      search_context_size: 'low',
      user_location: { type: 'approximate', approximate: { city: 'Oslo', country: 'NO', region: null } },
    },
  };
  const wanted = [
    { type: 'web_search', search_context_size: 'low', user_location: { type: 'approximate', city: 'Oslo', country: 'NO' } },
  ] satisfies OpenAI.Responses.WebSearchTool[];
  assert.deepEqual(written(asked).tools, wanted);
  assert.deepEqual(ignoredOf(asked), []);
  assert.deepEqual(written({ web_search_options: {} }, { quirks: { webSearch: 'web_search_preview' } }).tools, [
    { type: 'web_search_preview' },
  ]);
  const none = { quirks: { webSearch: 'none' } } as const;
  assert.equal(written(asked, none).tools, undefined);
  assert.deepEqual(ignoredOf(asked, none), ['web_search_options']);
  const both = written({ ...asked, tools: [weather], tool_choice: 'none' });
  assert.deepEqual(
    both.tool_choice,
    { type: 'allowed_tools', mode: 'auto', tools: [{ type: 'web_search' }] },
    'the search is no tool of the client’s',
  );
});

test('responses: formats and verbosity are fields of text', () => {
  const json_schema = { name: 'a', schema: { type: 'object' }, description: 'd' };
  assert.deepEqual(written({ response_format: { type: 'json_schema', json_schema }, verbosity: 'low' }).text, {
    format: { type: 'json_schema', name: 'a', description: 'd', schema: { type: 'object' }, strict: false },
    verbosity: 'low',
  });
  assert.deepEqual(written({ response_format: { type: 'json_object' } }).text, { format: { type: 'json_object' } });
  assert.equal(written({ response_format: { type: 'text' } }).text, undefined);
});

test('responses: effort, and a summary of the reasoning where the model reasons', () => {
  assert.deepEqual(written({ reasoning_effort: 'high' }).reasoning, { effort: 'high', summary: 'auto' });
  assert.deepEqual(written({ reasoning_effort: 'none' }).reasoning, { effort: 'none' });
  assert.deepEqual(written({}, { facts: { reasoning: true } }).reasoning, { summary: 'auto' });
  assert.equal(written({}).reasoning, undefined);
  assert.equal(written({}, { facts: { reasoning: true }, quirks: { reasoningSummary: 'none' } }).reasoning, undefined);
});

test('responses: encrypted reasoning is not asked of models that do not reason and hosts that have none', () => {
  assert.equal(written({}, { facts: { reasoning: false } }).include, undefined);
  assert.equal(written({}, { quirks: { encryptedReasoning: false } }).include, undefined);
});

test('responses: limits, sampling and log probabilities', () => {
  const body = written({ max_tokens: 100, temperature: 0.5, top_p: 0.9, logprobs: true, top_logprobs: 3 });
  const { max_output_tokens, temperature, top_p, top_logprobs, include } = body;
  assert.deepEqual([max_output_tokens, temperature, top_p, top_logprobs], [100, 0.5, 0.9, 3]);
  assert.ok((include as string[]).includes('message.output_text.logprobs'));
});

test('responses: a limit below the least that the API takes is raised and reported', () => {
  assert.equal(written({ max_completion_tokens: 5 }).max_output_tokens, 16);
  assert.deepEqual(ignoredOf({ max_completion_tokens: 5 }), ['max_completion_tokens']);
  assert.equal(written({ max_tokens: 5 }, { quirks: { minOutputTokens: 1 } }).max_output_tokens, 5);
  assert.deepEqual(ignoredOf({ max_tokens: 5 }), ['max_tokens']);
});

test('responses: models that take no temperature while they reason are not sent one, and the client is told', () => {
  const around = { quirks: { reasoningRefusesSampling: true }, facts: { reasoning: true } };
  const asked = { temperature: 0.2, top_p: 1, logprobs: true };
  assert.equal(written(asked, around).temperature, undefined);
  assert.deepEqual(written(asked, around).include, ['reasoning.encrypted_content']);
  assert.deepEqual(ignoredOf(asked, around), ['temperature', 'logprobs']);
  assert.equal(written({ ...asked, reasoning_effort: 'none' }, around).temperature, 0.2);
});

test('responses: what the provider shall keep or know of the request goes over as it is', () => {
  const asked = {
    store: true,
    metadata: { a: 'b' },
    service_tier: 'flex',
    prompt_cache_key: 'k',
    prompt_cache_retention: '24h',
    prompt_cache_options: { ttl: '30m' },
    moderation: { model: 'omni' },
    safety_identifier: 's',
  };
  const body = written(asked);
  for (const [field, value] of Object.entries(asked)) assert.deepEqual(body[field], value, field);
  assert.deepEqual(ignoredOf(asked), []);
  assert.equal(written({ store: false }).store, false);
});

test('responses: user is the safety identifier, where that has room and is not given', () => {
  assert.deepEqual([written({ user: 'u' }).safety_identifier, written({ user: 'u' }).user], ['u', undefined]);
  const long = 'u'.repeat(65);
  assert.deepEqual([written({ user: long }).safety_identifier, written({ user: long }).user], [undefined, long]);
  const both = written({ user: 'u', safety_identifier: 's' });
  assert.deepEqual([both.safety_identifier, both.user], ['s', 'u']);
});

test('responses: what has no field is reported, what asks for nothing is not', () => {
  const asked = {
    seed: 1,
    frequency_penalty: 1,
    presence_penalty: -1,
    logit_bias: { 5: 1 },
    prediction: { type: 'content', content: 'x' },
    stream: true,
    stream_options: { include_obfuscation: true },
    somebody: 1,
    messages: [{ role: 'user', name: 'ann', content: 'x' }],
  };
  const wanted = ['frequency_penalty', 'logit_bias', 'messages[0].name', 'prediction', 'presence_penalty', 'seed', 'somebody'];
  assert.deepEqual(ignoredOf(asked).toSorted(), [...wanted, 'stream_options.include_obfuscation']);
  const idle = {
    temperature: 1,
    top_p: 1,
    n: 1,
    frequency_penalty: 0,
    presence_penalty: 0,
    logit_bias: {},
    logprobs: false,
    service_tier: 'auto',
  };
  assert.deepEqual(ignoredOf(idle), []);
});

test('responses: stop strings are cut here, all of them', () => {
  const prepared = prepare(accept({ stop: ['a', 'b'] }));
  assert.equal(prepared.reshape.length, 1);
  assert.deepEqual(prepared.ignored, []);
});

test('responses: fields that a host refuses are left out and reported as the client calls them', () => {
  const refuses = ['metadata', 'text.verbosity', 'reasoning.effort', 'safety_identifier', 'store', 'temperature', 'include'];
  const asked = { metadata: { a: 'b' }, verbosity: 'low', reasoning_effort: 'low', safety_identifier: 's', temperature: 0.1 };
  const body = written(asked, { quirks: { refuses } });
  assert.deepEqual(Object.keys(body).toSorted(), ['input', 'model', 'reasoning']);
  assert.deepEqual(body.reasoning, { summary: 'auto' });
  const ignored = ignoredOf(asked, { quirks: { refuses } });
  assert.deepEqual(ignored.toSorted(), ['metadata', 'reasoning_effort', 'safety_identifier', 'temperature', 'verbosity']);
});

test('responses: marks for the prompt cache pass in the API’s own spelling, others where the row says so', () => {
  const part = (mark: Body) => ({ role: 'user', content: [{ type: 'text', text: 'x', ...mark }] });
  const own = { prompt_cache_breakpoint: { mode: 'explicit' } };
  const foreign = { cache_control: { type: 'ephemeral' } };
  const marked = [{ type: 'input_text', text: 'x', ...own }];
  assert.deepEqual(inputOf([part(own)])[0]?.content, marked);
  assert.equal(inputOf([part(foreign)])[0]?.content, 'x');
  assert.deepEqual(ignoredOf({ messages: [part(foreign)] }), ['messages[0].content[0].cache_control']);
  assert.deepEqual(inputOf([part(foreign)], { quirks: { cacheMarks: 'prompt_cache_breakpoint' } })[0]?.content, marked);
  assert.equal(inputOf([part(own)], { quirks: { cacheMarks: 'none' } })[0]?.content, 'x');
});

test('responses: paths and queries of other hosts', () => {
  const target = { provider: 'p', upstreamModel: 'up', model: 'p/m', facts: {} };
  const urlOf = (baseUrl: string, quirks: OpenAIResponsesQuirks) =>
    openaiResponsesWire.prepare(accept({}), { ...target, baseUrl, quirks }, { id: 'x', created: 1 }).call.url;
  assert.equal(urlOf('https://r.openai.azure.com/openai/v1', {}), 'https://r.openai.azure.com/openai/v1/responses');
  assert.equal(urlOf('https://h/v1?api-version=a', {}), 'https://h/v1/responses?api-version=a');
  assert.equal(urlOf('https://h', { path: '/r', query: { 'api-version': 'preview' } }), 'https://h/r?api-version=preview');
});

test('responses: the caller asks once for each choice, and fetches images where the host does not', () => {
  const target = { provider: 'p', upstreamModel: 'up', model: 'p/m', baseUrl: 'https://h', facts: {} };
  assert.equal(openaiResponsesWire.severalChoices({ ...target, quirks: {} }), false);
  assert.equal(openaiResponsesWire.imageUrls({ ...target, quirks: {} }), true);
  assert.equal(openaiResponsesWire.imageUrls({ ...target, quirks: { imageUrls: false } }), false);
});

/** Reads a request back as somebody would who knows nothing of how it was written: who said what, which tools, what limits. */
function readBack(body: Body) {
  const said: unknown[] = [];
  const names = new Map<unknown, unknown>();
  for (const one of body.input as Body[]) {
    if (one.type === 'function_call' || one.type === 'custom_tool_call') names.set(one.call_id, one.name);
    if (one.type === 'function_call') said.push(['calls', one.name, JSON.parse(String(one.arguments))]);
    else if (one.type === 'custom_tool_call') said.push(['calls', one.name, one.input]);
    else if (String(one.type).endsWith('_output')) said.push(['result', names.get(one.call_id), one.output]);
    else for (const part of parts(one.content)) said.push([one.role, part]);
  }
  return { said, tools: (body.tools as Body[]).map(({ name }) => name), limit: body.max_output_tokens };
}

const parts = (content: unknown) =>
  typeof content === 'string' ? [content] : (content as Body[]).map((part) => part.text ?? part.refusal ?? part.image_url ?? part.file_id);

test('responses: a conversation read back says what the client said', () => {
  const messages = [
    { role: 'system', content: 'Be brief.' },
    {
      role: 'user',
      content: [
        { type: 'text', text: 'Where?' },
        { type: 'image_url', image_url: { url: 'https://x.test/a.png' } },
      ],
    },
    { role: 'assistant', content: 'Looking.', tool_calls: [call('a'), { id: 'b', type: 'custom', custom: { name: 'sql', input: 'S' } }] },
    { role: 'tool', tool_call_id: 'b', content: 'rows' },
    { role: 'tool', tool_call_id: 'a', content: 'Rain' },
    {
      role: 'assistant',
      content: [
        { type: 'text', text: 'It rains.' },
        { type: 'refusal', refusal: 'No more.' },
      ],
    },
    { role: 'user', content: 'Thanks' },
  ];
  assert.deepEqual(readBack(written({ messages, tools: [weather, grammar], max_tokens: 50 })), {
    said: [
      ['system', 'Be brief.'],
      ['user', 'Where?'],
      ['user', 'https://x.test/a.png'],
      ['assistant', 'Looking.'],
      ['calls', 'get_weather', { city: 'Oslo' }],
      ['calls', 'sql', 'S'],
      ['result', 'sql', 'rows'],
      ['result', 'get_weather', 'Rain'],
      ['assistant', 'It rains.'],
      ['assistant', 'No more.'],
      ['user', 'Thanks'],
    ],
    tools: ['get_weather', 'sql'],
    limit: 50,
  });
});

const validate = createResponseSchema();

test('responses: all that can be asked holds to the published schema', validate ? {} : { skip: 'no ../shared/oracle here' }, () => {
  assert.ok(validate);
  const blocks = [
    { type: 'reasoning', data: item },
    { type: 'text', length: 3, data: { phase: 'final_answer' } },
  ];
  const rich = {
    messages: [
      { role: 'developer', content: [{ type: 'text', text: 'a', prompt_cache_breakpoint: { mode: 'explicit' } }] },
      {
        role: 'user',
        content: [
          { type: 'image_url', image_url: { url: 'https://x.test/a.png' } },
          { type: 'file', file: { file_data: 'AA' } },
        ],
      },
      withState('p', blocks),
      { role: 'assistant', refusal: 'No', tool_calls: [call('a'), { id: 'b', type: 'custom', custom: { name: 'sql', input: 'S' } }] },
      answer('a'),
      answer('b'),
    ],
    tools: [weather, grammar],
    tool_choice: { type: 'allowed_tools', allowed_tools: { mode: 'auto', tools: [{ type: 'custom', custom: { name: 'sql' } }] } },
    web_search_options: { search_context_size: 'high' },
    response_format: { type: 'json_schema', json_schema: { name: 'a', schema: { type: 'object' } } },
    verbosity: 'high',
    reasoning_effort: 'xhigh',
    max_tokens: 3,
    temperature: 0,
    logprobs: true,
    top_logprobs: 20,
    stream: true,
    user: 'u',
    metadata: { a: 'b' },
    service_tier: 'priority',
    prompt_cache_key: 'k',
    store: true,
    parallel_tool_calls: false,
  };
  assert.equal(validate(written(rich)), true, JSON.stringify(validate.errors?.slice(0, 5)));
  fc.assert(
    fc.property(reachingRequests('m'), (body) => {
      const prepared = sent(body);
      if (prepared === undefined) return;
      assert.ok(validate(JSON.parse(prepared)), JSON.stringify(validate.errors?.slice(0, 5)));
    }),
    { numRuns: 300 },
  );
});

/** Undefined where the request is refused, which needs a reason of ours. */
function sent(body: Body): string | undefined {
  try {
    return wholeText(prepare(accept(body)).call.body);
  } catch (error) {
    assert.ok(error instanceof GatewayError && error.status === 400, String(error));
    return undefined;
  }
}

/** Runs of tools that a host announces as calls, and the sources that they find (Perplexity). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { wholeText } from '../../core/json-pieces.ts';
import { createFolder } from '../../core/event.ts';
import type { ChatResponse } from '../../core/chat.ts';
import { accept } from '../../../test/support/openai-chat.ts';
import { fields, list } from '../json.ts';
import { openaiResponsesWire } from './call.ts';
import type { OpenAIResponsesQuirks } from './quirks.ts';

type Fields = Readonly<Record<string, unknown>>;

function prepare(more: Fields = {}, quirks: OpenAIResponsesQuirks = {}) {
  const target = { provider: 'p', upstreamModel: 'up', model: 'p/m', baseUrl: 'https://host/v1', quirks, facts: {} };
  return openaiResponsesWire.prepare(accept(more), target, { id: 'chatcmpl-1', created: 1 });
}

function sent(more: Fields, quirks: OpenAIResponsesQuirks) {
  const { call, ignored } = prepare(more, quirks);
  return { body: fields(JSON.parse(wholeText(call.body))), ignored };
}

const usage = {
  input_tokens: 9,
  output_tokens: 2,
  input_tokens_details: { cache_read_input_tokens: 4, cache_creation_input_tokens: 1 },
  cost: { currency: 'USD', total_cost: 0.5 },
  tool_calls_details: { search_web: { invocation: 1 }, fetch_url: { invocation: 0 } },
};
const results = [
  { id: 1, url: 'https://one.example/', title: 'One' },
  { id: 2, url: 'https://two.example/' },
];
const found = { type: 'search_results', queries: ['q'], results };
const said = (annotations: readonly Fields[] = []) => ({
  type: 'message',
  role: 'assistant',
  content: [{ type: 'output_text', text: 'So.[2] And [9]', annotations }],
});
const ran = { type: 'function_call', call_id: 'c', name: 'search_web', arguments: '{}', status: 'completed' };
const tools = [{ type: 'web_search' }];

function streamed(ended: Fields, message = said(), given: readonly Fields[] = tools): ChatResponse {
  const frames: Fields[] = [
    { type: 'response.created', response: { status: 'in_progress', output: [], tools: given } },
    { type: 'response.output_item.added', output_index: 0, item: ran },
    { type: 'response.output_item.done', output_index: 0, item: ended },
    { type: 'response.output_text.delta', output_index: 1, content_index: 0, delta: 'So.[' },
    { type: 'response.output_text.delta', output_index: 1, content_index: 0, delta: '2] And [9]' },
    { type: 'response.output_item.done', output_index: 1, item: message },
    { type: 'response.completed', response: { status: 'completed', output: [ended, message], usage } },
  ];
  const decoder = prepare().decoder();
  const folder = createFolder();
  for (const frame of frames) folder.push(decoder.push({ event: '', data: JSON.stringify(frame) }).events);
  return folder.end();
}

const cited = { type: 'url_citation', url: 'https://two.example/', title: 'https://two.example/', start: 3, end: 6 };

test('responses: a run that is announced as a call of nobody’s tool, and ends as results, is no call; marks name its sources', () => {
  const [choice] = streamed(found).choices;
  assert.equal(choice?.reason, 'stop');
  assert.deepEqual(choice?.blocks, [
    { type: 'opaque', state: { owner: 'p', data: found } },
    { type: 'text', text: 'So.[2] And [9]' },
  ]);
  assert.deepEqual(choice?.annotations, [cited]);
});

test('responses: a whole answer with such results cites the same', () => {
  const { response } = prepare().response({ status: 'completed', output: [found, said()], usage, tools });
  assert.deepEqual(response.choices[0]?.annotations, [cited]);
});

test('responses: where the provider places its citations itself, marks are text', () => {
  const own = { type: 'url_citation', url: 'https://own.example/', title: 'Own', start_index: 0, end_index: 2 };
  const annotations = streamed(found, said([own])).choices[0]?.annotations;
  assert.deepEqual(annotations, [{ type: 'url_citation', url: 'https://own.example/', title: 'Own', start: 0, end: 2 }]);
});

test('responses: an unknown call that stays a call is one, with its arguments', () => {
  const [choice] = streamed({ ...ran, arguments: '{"a":1}' }).choices;
  assert.equal(choice?.reason, 'tool_calls');
  assert.deepEqual(choice?.blocks[0], { type: 'tool_call', id: 'c', kind: 'function', name: 'search_web', input: '{"a":1}' });
  const declared = streamed(ran, said(), [{ type: 'function', name: 'search_web' }]);
  assert.equal(declared.choices[0]?.reason, 'tool_calls');
});

test('responses: usage in Perplexity’s words', () => {
  assert.deepEqual(streamed(found).usage, {
    promptTokens: 9,
    completionTokens: 2,
    cachedTokens: 4,
    cacheWriteTokens: 1,
    reasoningTokens: 0,
    providerTools: { web_search: 1 },
    reportedCost: 0.5,
  });
});

test('responses: what a provider does not take back is neither kept nor sent', () => {
  const quirks = { ownItems: false };
  const { response } = prepare({}, quirks).response({ status: 'completed', output: [found, said()], usage, tools });
  assert.deepEqual(
    response.choices[0]?.blocks.map(({ type }) => type),
    ['text'],
  );
  const state = { owner: 'p', blocks: [{ type: 'opaque', data: found }] };
  const messages = [
    { role: 'user', content: 'a' },
    { role: 'assistant', content: 'b', provider_state: state },
    { role: 'user', content: 'c' },
  ];
  const types = (given: OpenAIResponsesQuirks) => list(sent({ messages }, given).body['input']).map((item) => fields(item)['type']);
  assert.deepEqual(types({}).toSorted(), ['message', 'message', 'message', 'search_results']);
  assert.deepEqual(types(quirks), ['message', 'message', 'message']);
});

test('responses: the signature of a call is kept with it', () => {
  const signed = { ...ran, name: 'f', thought_signature: 'sig' };
  const { response } = prepare().response({ status: 'completed', output: [signed], usage });
  assert.deepEqual(response.choices[0]?.blocks[0], {
    type: 'tool_call',
    id: 'c',
    kind: 'function',
    name: 'f',
    input: '{}',
    state: { owner: 'p', data: { thought_signature: 'sig' } },
  });
});

const named = ['f', 'g'].map((name) => ({ type: 'function', function: { name } }));

test('responses: a host that cannot choose among tools gets none where none may be called, and one where one must be', () => {
  const refuses = { refuses: ['tool_choice'] };
  const none = sent({ tools: named, tool_choice: 'none' }, refuses).body;
  assert.deepEqual([none['tools'], none['tool_choice']], [undefined, undefined]);
  const one = sent({ tools: named, tool_choice: { type: 'function', function: { name: 'g' } } }, refuses);
  assert.deepEqual(
    list(one.body['tools']).map((tool) => fields(tool)['name']),
    ['g'],
  );
  assert.deepEqual(one.ignored, ['tool_choice']);
});

test('responses: a schema as chat completions write it, for hosts that want it so', () => {
  const schema = { type: 'object', properties: {} };
  const response_format = { type: 'json_schema', json_schema: { name: 'a', schema, strict: true } };
  const quirks = { schemaAsResponseFormat: true, refuses: ['text'] };
  const { body, ignored } = sent({ response_format }, quirks);
  assert.deepEqual([body['response_format'], body['text'], ignored], [response_format, undefined, []]);
  assert.deepEqual(sent({ response_format: { type: 'json_object' } }, quirks).ignored, ['response_format']);
});

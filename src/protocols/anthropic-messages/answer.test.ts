import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GatewayError } from '../../core/error.ts';
import { send } from './testing.ts';

const message = (content: unknown, more: object = {}) => ({
  id: 'msg_1',
  type: 'message',
  role: 'assistant',
  model: 'claude-x',
  content,
  stop_reason: 'end_turn',
  usage: { input_tokens: 10, output_tokens: 4, cache_read_input_tokens: 90, service_tier: 'standard' },
  ...more,
});
const read = (body: unknown, quirks = {}) => send({}, { quirks }).response(body).response;

function thrown(body: unknown): GatewayError {
  try {
    read(body);
  } catch (error) {
    assert.ok(error instanceof GatewayError);
    return error;
  }
  return assert.fail('it was read');
}

test('anthropic: a whole answer, under the caller’s id and our model’s name', () => {
  assert.deepEqual(read(message([{ type: 'text', text: 'Hi' }])), {
    id: 'chatcmpl-test',
    created: 1_760_000_000,
    model: 'anthropic/claude-haiku-4-5',
    serviceTier: 'default',
    choices: [{ blocks: [{ type: 'text', text: 'Hi' }], reason: 'stop' }],
    usage: { promptTokens: 100, completionTokens: 4, cachedTokens: 90, reasoningTokens: 0 },
  });
});

test('anthropic: thinking, calls and the provider’s own tools, each in its place', () => {
  const thinking = { type: 'thinking', thinking: 'Hm', signature: 'c2ln' };
  const run = { type: 'server_tool_use', id: 's', name: 'web_search', input: { query: 'x' } };
  const caller = { type: 'code_execution_20260120', tool_id: 's' };
  const coded = { type: 'tool_use', id: 'b', name: 'roll', input: {}, caller };
  const direct = { type: 'tool_use', id: 'a', name: 'add', input: { a: 1 }, caller: { type: 'direct' } };
  const container = { id: 'container_1', expires_at: 'x' };
  const { choices } = read(message([thinking, run, direct, coded], { stop_reason: 'tool_use', container }));
  const state = (data: object) => ({ owner: 'anthropic', data });
  assert.deepEqual(choices[0], {
    blocks: [
      { type: 'reasoning', text: 'Hm', state: state(thinking) },
      { type: 'opaque', state: state(run) },
      { type: 'tool_call', id: 'a', kind: 'function', name: 'add', input: '{"a":1}' },
      { type: 'tool_call', id: 'b', kind: 'function', name: 'roll', input: '', state: state(coded) },
      { type: 'opaque', state: state({ type: 'container', id: 'container_1' }) },
    ],
    reason: 'tool_calls',
  });
});

test('anthropic: a whole answer that is a paused turn says so', () => {
  const { choices } = read(message([{ type: 'text', text: 'I look.' }], { stop_reason: 'pause_turn' }));
  const blocks = [
    { type: 'text', text: 'I look.' },
    { type: 'opaque', state: { owner: 'anthropic', data: { type: 'pause_turn' } } },
  ];
  assert.deepEqual(choices, [{ blocks, reason: 'pause' }]);
});

test('anthropic: citations count from the beginning of the whole text', () => {
  const citations = [{ type: 'web_search_result_location', url: 'https://a.test', title: null, cited_text: 'x', encrypted_index: 'i' }];
  const { choices } = read(
    message([
      { type: 'text', text: 'One. ' },
      { type: 'text', text: 'Two.', citations },
    ]),
  );
  assert.deepEqual(choices[0]?.annotations, [{ type: 'url_citation', url: 'https://a.test', title: '', start: 5, end: 9 }]);
});

test('anthropic: an error that came with status 200 is that error, and other bodies are no answer', () => {
  const overloaded = thrown({ type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } });
  assert.deepEqual([overloaded.kind, overloaded.message], ['overloaded', 'Overloaded']);
  for (const body of [null, 'x', [], {}, { type: 'message', content: 'x' }]) assert.equal(thrown(body).kind, 'upstream');
});

test('anthropic: parts that are no blocks are skipped', () => {
  assert.deepEqual(read(message([null, 'x', {}, { type: 'text' }], { usage: null })).choices, [
    { blocks: [{ type: 'text', text: '' }], reason: 'stop' },
  ]);
});

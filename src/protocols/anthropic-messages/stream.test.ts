import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ChatEvent } from '../../core/event.ts';
import { createFolder } from '../../core/event.ts';
import type { ChatResponse } from '../../core/chat.ts';
import { decoded, frame, send } from './testing.ts';

const start = {
  type: 'message_start',
  message: {
    id: 'msg_1',
    type: 'message',
    role: 'assistant',
    content: [],
    stop_reason: null,
    usage: { input_tokens: 9, output_tokens: 1 },
  },
};
const open = (index: number, content_block: unknown) => ({ type: 'content_block_start', index, content_block });
const grow = (index: number, delta: unknown) => ({ type: 'content_block_delta', index, delta });
const close = (index: number) => ({ type: 'content_block_stop', index });
const ending = (stop_reason: string, usage: unknown = { output_tokens: 5 }, more: object = {}) => [
  { type: 'message_delta', delta: { stop_reason, stop_sequence: null, ...more }, usage },
  { type: 'message_stop' },
];
const text = (words: string) => [open(0, { type: 'text', text: '' }), grow(0, { type: 'text_delta', text: words }), close(0)];

function folded(events: readonly ChatEvent[]): ChatResponse {
  const folder = createFolder();
  folder.push(events);
  return folder.end();
}

const answer = (...events: readonly unknown[]): ChatResponse => folded(decoded([start, ...events]));

function lastError(events: readonly ChatEvent[]) {
  const last = events.at(-1);
  assert.equal(last?.type, 'error');
  return last.error;
}

test('anthropic: a text comes piece by piece, under the name and id that the caller chose', () => {
  const events = decoded([start, { type: 'ping' }, ...text('Hello'), ...ending('end_turn')]);
  assert.deepEqual(events, [
    { type: 'start', id: 'chatcmpl-test', created: 1_760_000_000, model: 'anthropic/claude-haiku-4-5' },
    { type: 'block_start', choice: 0, block: 0, of: { type: 'text' } },
    { type: 'block_delta', choice: 0, block: 0, text: 'Hello' },
    { type: 'block_end', choice: 0, block: 0 },
    { type: 'finish', choice: 0, reason: 'stop' },
    { type: 'usage', usage: { promptTokens: 9, completionTokens: 5, cachedTokens: 0, reasoningTokens: 0 } },
    { type: 'end' },
  ]);
});

test('anthropic: tool arguments split across frames join; a call without arguments has none', () => {
  const { choices } = answer(
    open(0, { type: 'tool_use', id: 'toolu_1', name: 'add', input: {} }),
    grow(0, { type: 'input_json_delta', partial_json: '' }),
    grow(0, { type: 'input_json_delta', partial_json: '{"a":' }),
    grow(0, { type: 'input_json_delta', partial_json: '1}' }),
    close(0),
    open(1, { type: 'tool_use', id: 'toolu_2', name: 'now', input: {} }),
    close(1),
    ...ending('tool_use'),
  );
  assert.deepEqual(choices[0]?.blocks, [
    { type: 'tool_call', id: 'toolu_1', kind: 'function', name: 'add', input: '{"a":1}' },
    { type: 'tool_call', id: 'toolu_2', kind: 'function', name: 'now', input: '' },
  ]);
  assert.equal(choices[0]?.reason, 'tool_calls');
});

test('anthropic: arguments that stand in the opening of a call count, once', () => {
  const input = { a: 1 };
  const { choices } = answer(
    open(0, { type: 'tool_use', id: 'toolu_1', name: 'add', input }),
    close(0),
    open(1, { type: 'tool_use', id: 'toolu_2', name: 'add', input }),
    grow(1, { type: 'input_json_delta', partial_json: '{"a":2}' }),
    close(1),
    ...ending('tool_use'),
  );
  assert.deepEqual(
    choices[0]?.blocks.map((block) => block.type === 'tool_call' && block.input),
    ['{"a":1}', '{"a":2}'],
  );
});

test('anthropic: a call that code at the provider made keeps its caller for the next turn', () => {
  const caller = { type: 'code_execution_20260120', tool_id: 'srvtoolu_1' };
  const block = { type: 'tool_use', id: 'toolu_1', name: 'roll', input: { die: 6 }, caller };
  const { choices } = answer(open(0, block), close(0), ...ending('tool_use', {}, { container: { id: 'container_1', expires_at: 'x' } }));
  assert.deepEqual(choices[0]?.blocks, [
    { type: 'tool_call', id: 'toolu_1', kind: 'function', name: 'roll', input: '{"die":6}', state: { owner: 'anthropic', data: block } },
    { type: 'opaque', state: { owner: 'anthropic', data: { type: 'container', id: 'container_1' } } },
  ]);
});

test('anthropic: thinking is reasoning, and its state is the block word for word', () => {
  const { choices } = answer(
    open(0, { type: 'thinking', thinking: '', signature: '' }),
    grow(0, { type: 'thinking_delta', thinking: 'Hm, ' }),
    grow(0, { type: 'thinking_delta', thinking: 'yes.' }),
    grow(0, { type: 'signature_delta', signature: 'c2ln' }),
    close(0),
    open(1, { type: 'redacted_thinking', data: 'ZW5j' }),
    close(1),
    ...ending('end_turn', { output_tokens: 8, output_tokens_details: { thinking_tokens: 6 } }),
  );
  assert.deepEqual(choices[0]?.blocks, [
    {
      type: 'reasoning',
      text: 'Hm, yes.',
      state: { owner: 'anthropic', data: { type: 'thinking', thinking: 'Hm, yes.', signature: 'c2ln' } },
    },
    { type: 'reasoning', text: '', state: { owner: 'anthropic', data: { type: 'redacted_thinking', data: 'ZW5j' } } },
  ]);
});

test('anthropic: thinking that was cut off before its signature is shown, and not kept', () => {
  const cut = [open(0, { type: 'thinking', thinking: '' }), grow(0, { type: 'thinking_delta', thinking: 'Hm' }), ...ending('max_tokens')];
  assert.deepEqual(answer(...cut).choices, [{ blocks: [{ type: 'reasoning', text: 'Hm' }], reason: 'length' }]);
  const unsigned = decoded([start, ...cut], send({ stream: true }, { quirks: { unsignedThinking: true } }));
  const data = { type: 'thinking', thinking: 'Hm', signature: '' };
  assert.deepEqual(folded(unsigned).choices[0]?.blocks, [{ type: 'reasoning', text: 'Hm', state: { owner: 'anthropic', data } }]);
});

test('anthropic: what the provider runs itself is kept whole and is no call; so are types that nobody knows', () => {
  const result = {
    type: 'web_search_tool_result',
    tool_use_id: 'srvtoolu_1',
    content: [{ type: 'web_search_result', url: 'https://a.test' }],
  };
  const { choices, usage } = answer(
    open(0, { type: 'server_tool_use', id: 'srvtoolu_1', name: 'web_search', input: {} }),
    grow(0, { type: 'input_json_delta', partial_json: '{"query":' }),
    grow(0, { type: 'input_json_delta', partial_json: '"x"}' }),
    close(0),
    open(1, result),
    close(1),
    open(2, { type: 'compaction', content: null }),
    grow(2, { type: 'compaction_delta', content: 'So far' }),
    grow(2, { type: 'compaction_delta', content: '.' }),
    close(2),
    open(3, { type: 'of_tomorrow', x: 1 }),
    grow(3, { type: 'of_tomorrow_delta' }),
    close(3),
    ...ending('end_turn', { output_tokens: 5, server_tool_use: { web_search_requests: 1, web_fetch_requests: 0 } }),
  );
  const kept = choices[0]?.blocks.map((block) => block.type === 'opaque' && block.state.data);
  const called = { type: 'server_tool_use', id: 'srvtoolu_1', name: 'web_search', input: { query: 'x' } };
  assert.deepEqual(kept, [called, result, { type: 'compaction', content: 'So far.' }, { type: 'of_tomorrow', x: 1 }]);
  assert.equal(choices[0]?.reason, 'stop');
  assert.deepEqual(usage?.providerTools, { web_search: 1 });
});

test('anthropic: a run of the provider’s tool whose input came broken keeps an input that can be sent again', () => {
  const { choices } = answer(
    open(0, { type: 'server_tool_use', id: 'srvtoolu_1', name: 'view', input: {} }),
    grow(0, { type: 'input_json_delta', partial_json: '"path"' }),
    grow(0, { type: 'input_json_delta', partial_json: ':"/a"}' }),
    close(0),
    ...ending('tool_use'),
  );
  const data = { type: 'server_tool_use', id: 'srvtoolu_1', name: 'view', input: {} };
  assert.deepEqual(choices[0]?.blocks, [{ type: 'opaque', state: { owner: 'anthropic', data } }]);
});

test('anthropic: citations with a URL are annotations of the text they stand in; those of documents are left out', () => {
  const url = { type: 'web_search_result_location', url: 'https://a.test', title: 'A', cited_text: 'x', encrypted_index: 'i' };
  const page = { type: 'page_location', document_index: 0, cited_text: 'y', start_page_number: 1, end_page_number: 2 };
  const { choices } = answer(
    ...text('One. '),
    open(1, { type: 'text', text: '', citations: [] }),
    grow(1, { type: 'citations_delta', citation: url }),
    grow(1, { type: 'text_delta', text: 'Two.' }),
    grow(1, { type: 'citations_delta', citation: page }),
    close(1),
    ...ending('end_turn'),
  );
  assert.deepEqual(choices[0]?.annotations, [{ type: 'url_citation', url: 'https://a.test', title: 'A', start: 5, end: 9 }]);
  assert.deepEqual(choices[0]?.blocks[1], {
    type: 'text',
    text: 'Two.',
    state: { owner: 'anthropic', data: { type: 'text', text: 'Two.', citations: [url, page] } },
  });
});

test('anthropic: every stop reason has its word, and an unknown one is a stop', () => {
  const reasons = Object.entries({
    end_turn: 'stop',
    stop_sequence: 'stop',
    max_tokens: 'length',
    model_context_window_exceeded: 'length',
    tool_use: 'tool_calls',
    refusal: 'content_filter',
    pause_turn: 'pause',
    compaction: 'stop',
    of_tomorrow: 'stop',
  });
  for (const [said, meant] of reasons) assert.equal(answer(...text('x'), ...ending(said)).choices[0]?.reason, meant, said);
});

test('anthropic: a paused turn is kept as one, behind the container that it needs', () => {
  const run = { type: 'server_tool_use', id: 's', name: 'web_search', input: { query: 'x' } };
  const paused = answer(open(0, run), close(0), ...ending('pause_turn', {}, { container: { id: 'container_1' } }));
  const opaque = (data: object) => ({ type: 'opaque', state: { owner: 'anthropic', data } });
  assert.deepEqual(paused.choices, [
    { blocks: [opaque(run), opaque({ type: 'container', id: 'container_1' }), opaque({ type: 'pause_turn' })], reason: 'pause' },
  ]);
});

test('anthropic: the explanation of a refusal is its text; a refusal without one is still told', () => {
  const explained = answer(...ending('refusal', {}, { stop_details: { type: 'refusal', category: 'cyber', explanation: 'Not this.' } }));
  assert.deepEqual(explained.choices, [{ blocks: [{ type: 'refusal', text: 'Not this.' }], reason: 'content_filter' }]);
  assert.deepEqual(answer(...ending('refusal')).choices, [{ blocks: [], reason: 'content_filter' }]);
});

test('anthropic: tokens read from and written to the cache are part of the prompt; later counts stand in for earlier', () => {
  const begun = { input_tokens: 3, output_tokens: 1, cache_read_input_tokens: 0, service_tier: 'priority' };
  const last = { input_tokens: 4, cache_read_input_tokens: 100, cache_creation_input_tokens: 20, output_tokens: 7 };
  const events = decoded([
    { type: 'message_start', message: { id: 'm', content: [], usage: begun } },
    ...text('x'),
    ...ending('end_turn', last),
  ]);
  assert.deepEqual(folded(events).usage, {
    promptTokens: 124,
    completionTokens: 7,
    cachedTokens: 100,
    cacheWriteTokens: 20,
    reasoningTokens: 0,
  });
  assert.equal(folded(events).serviceTier, 'priority');
  const cache_creation = { ephemeral_5m_input_tokens: 12, ephemeral_1h_input_tokens: 8 };
  const told = decoded([
    { type: 'message_start', message: { id: 'm', content: [], usage: { ...begun, cache_creation } } },
    ...text('x'),
    ...ending('end_turn', { ...last, cache_creation: null }),
  ]);
  assert.deepEqual([folded(told).usage?.cacheWriteTokens, folded(told).usage?.cacheWriteLongTokens], [20, 8]);
  const nulls = decoded([
    start,
    ...text('x'),
    ...ending('end_turn', { input_tokens: null, output_tokens: 2, cache_read_input_tokens: null }),
  ]);
  assert.equal(folded(nulls).usage?.promptTokens, 9);
  const uncounted = decoded([{ type: 'message_start', message: { id: 'm', content: [] } }, ...text('x'), ...ending('end_turn', {})]);
  assert.equal(folded(uncounted).usage, undefined);
});

test('anthropic: an answer may be announced twice, but not begin anew in its middle', () => {
  assert.deepEqual(answer(start, ...text('Hi'), ...ending('end_turn')).choices[0]?.blocks, [{ type: 'text', text: 'Hi' }]);
  const spliced = decoded([
    start,
    open(0, { type: 'text', text: 'Hi' }),
    { ...start, message: { ...start.message, id: 'msg_2' } },
    ...ending('end_turn'),
  ]);
  assert.equal(lastError(spliced).kind, 'upstream');
});

test('anthropic: an answer may be whole in its first event', () => {
  const content = [
    { type: 'code_execution_tool_result', tool_use_id: 'srvtoolu_1', content: { type: 'code_execution_result', stdout: 'x' } },
    { type: 'tool_use', id: 'toolu_1', name: 'look', input: { id: 1 } },
    { type: 'text', text: 'So.' },
  ];
  const message = { id: 'm', content, stop_reason: 'tool_use', usage: { input_tokens: 0, output_tokens: 0 } };
  const { choices } = folded(decoded([{ type: 'message_start', message }, { type: 'message_stop' }]));
  assert.deepEqual(choices, [
    {
      blocks: [
        { type: 'opaque', state: { owner: 'anthropic', data: content[0] } },
        { type: 'tool_call', id: 'toolu_1', kind: 'function', name: 'look', input: '{"id":1}' },
        { type: 'text', text: 'So.' },
      ],
      reason: 'tool_calls',
    },
  ]);
});

test('anthropic: errors inside of a stream keep their kind, and nothing follows them', () => {
  const overloaded = { type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } };
  const error = lastError(decoded([start, ...text('Hi'), overloaded, ...ending('end_turn')]));
  assert.deepEqual([error.kind, error.status, error.message, error.retryable], ['overloaded', 503, 'Overloaded', true]);
  const limited = lastError(decoded([{ type: 'error', error: { type: 'rate_limit_error', message: 'Slow down' } }]));
  assert.deepEqual([limited.status, limited.type, limited.code], [429, 'rate_limit_error', 'rate_limit_exceeded']);
  assert.equal(lastError(decoded([{ type: 'error' }])).kind, 'upstream');
});

test('anthropic: a stream that stops without its end is a failure, and so are events that are no JSON', () => {
  assert.equal(lastError(decoded([])).kind, 'upstream');
  assert.equal(lastError(decoded([start, ...text('Hi')])).kind, 'upstream');
  const decoder = send({ stream: true }).decoder();
  const broken = decoder.push({ event: '', data: '{"type":' }).events;
  assert.deepEqual(
    broken.map(({ type }) => type),
    ['error'],
  );
  assert.deepEqual(decoder.push(frame(start)).events, []);
  assert.deepEqual(decoder.end().events, []);
});

test('anthropic: events out of order say so and never crash', () => {
  assert.equal(lastError(decoded([open(0, { type: 'text', text: '' })])).kind, 'upstream');
  assert.equal(lastError(decoded([{ type: 'message_stop' }])).kind, 'upstream');
  const stray = answer(grow(7, { type: 'text_delta', text: '?' }), close(7), open(0, {}), 'x', null, ...text('Hi'), ...ending('end_turn'));
  assert.deepEqual(stray.choices[0]?.blocks, [{ type: 'text', text: 'Hi' }]);
});

test('anthropic: a block that was never closed ends with the message', () => {
  const events = decoded([start, open(0, { type: 'text', text: 'Hi' }), ...ending('end_turn')]);
  assert.deepEqual(
    events.map(({ type }) => type),
    ['start', 'block_start', 'block_delta', 'block_end', 'finish', 'usage', 'end'],
  );
});

test('anthropic: on Bedrock events come in base64 inside of frames, and exceptions as frames of their own', () => {
  const bedrock = send({ stream: true }, { quirks: { platform: 'bedrock' } });
  const inside = (event: unknown) => ({ bytes: Buffer.from(JSON.stringify(event)).toString('base64'), p: 'abc' });
  const events = decoded([start, ...text('Grüße 👋'), ...ending('end_turn')].map(inside), bedrock);
  assert.deepEqual(folded(events).choices[0]?.blocks, [{ type: 'text', text: 'Grüße 👋' }]);
  const thrown = (event: string, message: string) => {
    const batch = bedrock.decoder().push({ event, exception: true, data: JSON.stringify({ message }) });
    return lastError(batch.events);
  };
  assert.equal(thrown('throttlingException', 'Too many requests').status, 429);
  assert.equal(thrown('validationException', 'Bad input').status, 400);
  assert.equal(thrown('internalServerException', 'Oops').kind, 'upstream');
  assert.equal(thrown('of_tomorrow', 'Oops').kind, 'upstream');
});

test('anthropic: a call without an id gets one of its own, a call without a name is an error', () => {
  const calls = [0, 1].flatMap((index) => [open(index, { type: 'tool_use', name: 'f', input: {} }), close(index)]);
  const { choices } = answer(...calls, ...ending('tool_use'));
  const ids = choices[0]?.blocks.map((block) => (block.type === 'tool_call' ? block.id : '')) ?? [];
  assert.equal(new Set(ids).size, 2);
  assert.ok(ids.every((id) => id.startsWith('call_')));
  assert.equal(lastError(decoded([start, open(0, { type: 'tool_use', id: 'toolu_1', input: {} })])).kind, 'upstream');
});

test('anthropic: a cited text is kept whole for the next turn', () => {
  const citation = { type: 'web_search_result_location', url: 'https://a.example', title: 'A', cited_text: 'x' };
  const { choices } = answer(
    open(0, { type: 'text', text: '', citations: [] }),
    grow(0, { type: 'text_delta', text: 'So it is.' }),
    grow(0, { type: 'citations_delta', citation }),
    close(0),
    ...ending('end_turn'),
  );
  assert.equal(choices[0]?.annotations?.[0]?.url, 'https://a.example');
  const [block] = choices[0]?.blocks ?? [];
  assert.ok(block?.type === 'text');
  assert.match(JSON.stringify(block.state?.data), /"text":"So it is\."/);
});

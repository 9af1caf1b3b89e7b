import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createFolder } from '../../core/event.ts';
import type { ChatEvent } from '../../core/event.ts';
import type { Block, ChatResponse } from '../../core/chat.ts';
import { accept } from '../../../test/support/openai-chat.ts';
import type { Frame, Prepared } from '../wire.ts';
import { bedrockConverseWire } from './call.ts';
import type { BedrockQuirks } from './quirks.ts';

type Line = Readonly<Record<string, unknown>>;

function prepared(quirks: BedrockQuirks = {}): Prepared {
  const target = { provider: 'bedrock', upstreamModel: 'm', model: 'bedrock/m', baseUrl: 'https://b.test', quirks, facts: {} };
  return bedrockConverseWire.prepare(accept({ stream: true }), target, { id: 'chatcmpl-1', created: 7 });
}

const frame = (line: Line): Frame => {
  const [[event, payload] = ['', {}]] = Object.entries(line);
  return { event, data: JSON.stringify(payload) };
};

function eventsOf(...lines: readonly (Line | Frame)[]): ChatEvent[] {
  const decoder = prepared().decoder();
  const all = lines.flatMap(
    (line) => decoder.push('data' in line && typeof line.data === 'string' ? (line as Frame) : frame(line as Line)).events,
  );
  return [...all, ...decoder.end().events];
}

function folded(...lines: readonly Line[]): ChatResponse {
  const folder = createFolder();
  folder.push(eventsOf(...lines));
  return folder.end();
}

const delta = (contentBlockIndex: number, of: Line): Line => ({ contentBlockDelta: { contentBlockIndex, delta: of } });
const stopBlock = (contentBlockIndex: number): Line => ({ contentBlockStop: { contentBlockIndex } });
const tool = (contentBlockIndex: number, toolUse: Line): Line => ({ contentBlockStart: { contentBlockIndex, start: { toolUse } } });
const stop = (stopReason = 'end_turn'): Line => ({ messageStop: { stopReason } });
const metadata = { metadata: { usage: { inputTokens: 3, outputTokens: 4, totalTokens: 7 } } };
const blocksOf = (response: ChatResponse): readonly Block[] => response.choices[0]?.blocks ?? [];
const text = (value: string): Block => ({ type: 'text', text: value });

test('bedrock stream: the events of a plain answer, in their order', () => {
  assert.deepEqual(eventsOf({ messageStart: { role: 'assistant' } }, delta(0, { text: 'Hi' }), stopBlock(0), stop(), metadata), [
    { type: 'start', id: 'chatcmpl-1', model: 'bedrock/m', created: 7 },
    { type: 'block_start', choice: 0, block: 0, of: { type: 'text' } },
    { type: 'block_delta', choice: 0, block: 0, text: 'Hi' },
    { type: 'block_end', choice: 0, block: 0 },
    { type: 'finish', choice: 0, reason: 'stop' },
    { type: 'usage', usage: { promptTokens: 3, completionTokens: 4, cachedTokens: 0, reasoningTokens: 0 } },
    { type: 'end' },
  ]);
});

test('bedrock stream: the usage may come before the end, or never', () => {
  const before = eventsOf(delta(0, { text: 'a' }), metadata, stop());
  assert.deepEqual(
    before.slice(-3).map(({ type }) => type),
    ['finish', 'usage', 'end'],
  );
  const never = eventsOf(delta(0, { text: 'a' }), stop());
  assert.deepEqual(
    never.slice(-2).map(({ type }) => type),
    ['finish', 'end'],
  );
});

test('bedrock stream: the end comes with the last frame, not with the end of the bytes', () => {
  const decoder = prepared().decoder();
  decoder.push(frame(delta(0, { text: 'a' })));
  assert.ok(!decoder.push(frame(stop())).events.some(({ type }) => type === 'end'));
  assert.equal(decoder.push(frame(metadata)).events.at(-1)?.type, 'end');
  assert.deepEqual(decoder.end().events, []);
});

test('bedrock stream: blocks that nobody opens or ends, and empty ones that are none', () => {
  const response = folded(
    delta(0, { text: '' }),
    stopBlock(0),
    delta(1, { reasoningContent: { text: 'hm' } }),
    delta(2, { text: 'a' }),
    { contentBlockStart: { contentBlockIndex: 3, start: {} } },
    delta(3, { text: 'b' }),
    tool(4, { toolUseId: 't', name: 'f' }),
    delta(4, { toolUse: { input: '' } }),
    stop('tool_use'),
  );
  const call: Block = { type: 'tool_call', id: 't', kind: 'function', name: 'f', input: '' };
  assert.deepEqual(blocksOf(response), [{ type: 'reasoning', text: 'hm' }, text('a'), text('b'), call]);
  assert.equal(response.choices[0]?.reason, 'tool_calls');
});

test('bedrock stream: every block is opened, then ended once, before the finish', () => {
  const events = eventsOf(
    delta(0, { text: 'a' }),
    tool(1, { toolUseId: 't', name: 'f' }),
    delta(1, { toolUse: { input: '{}' } }),
    stop('tool_use'),
  );
  const ends = events.filter(({ type }) => type === 'block_end').map((event) => 'block' in event && event.block);
  assert.deepEqual(ends, [0, 1]);
  assert.ok(events.findLastIndex(({ type }) => type === 'block_end') < events.findIndex(({ type }) => type === 'finish'));
});

test('bedrock stream: parallel calls by their index, arguments as text or as JSON', () => {
  const response = folded(
    tool(0, { toolUseId: 'a', name: 'f' }),
    tool(1, { toolUseId: 'b', name: 'g' }),
    delta(1, { toolUse: { input: '{"y":' } }),
    delta(0, { toolUse: { input: '{"x":1}' } }),
    delta(1, { toolUse: { input: '2}' } }),
    tool(2, { toolUseId: 'c', name: 'h', input: { z: 3 } }),
    stop('tool_use'),
  );
  assert.deepEqual(
    blocksOf(response).map((block) => block.type === 'tool_call' && [block.id, block.input]),
    [
      ['a', '{"x":1}'],
      ['b', '{"y":2}'],
      ['c', '{"z":3}'],
    ],
  );
});

test('bedrock stream: signed and encrypted thoughts are state that says all', () => {
  const response = folded(
    delta(0, { reasoningContent: { text: 'Let ' } }),
    delta(0, { reasoningContent: { text: 'me.' } }),
    delta(0, { reasoningContent: { signature: 'c2ln' } }),
    stopBlock(0),
    delta(1, { reasoningContent: { redactedContent: 'AAEC' } }),
    delta(1, { reasoningContent: { redactedContent: 'AwQ=' } }),
    stopBlock(1),
    delta(2, { text: 'Hi' }),
    stop(),
  );
  const state = (data: Line) => ({ owner: 'bedrock', data: { reasoningContent: data } });
  assert.deepEqual(blocksOf(response), [
    { type: 'reasoning', text: 'Let me.', state: state({ reasoningText: { text: 'Let me.', signature: 'c2ln' } }) },
    { type: 'reasoning', text: '', state: state({ redactedContent: 'AAECAwQ=' }) },
    text('Hi'),
  ]);
});

test('bedrock stream: tools that the provider ran are no calls, but state and a number', () => {
  const use = { toolUseId: 's1', name: 'nova_grounding', type: 'server_tool_use' };
  const response = folded(
    tool(0, use),
    delta(0, { toolUse: { input: '{"query":"a"}' } }),
    stopBlock(0),
    {
      contentBlockStart: {
        contentBlockIndex: 1,
        start: { toolResult: { toolUseId: 's1', type: 'nova_grounding_result', status: 'success' } },
      },
    },
    delta(1, { toolResult: [{ text: 'x' }, { json: { n: 1 } }] }),
    stopBlock(1),
    delta(2, { text: 'Found.' }),
    stop('end_turn'),
    metadata,
  );
  const result = { toolUseId: 's1', type: 'nova_grounding_result', status: 'success', content: [{ text: 'x' }, { json: { n: 1 } }] };
  assert.deepEqual(blocksOf(response), [
    { type: 'opaque', state: { owner: 'bedrock', data: { toolUse: { ...use, input: { query: 'a' } } } } },
    { type: 'opaque', state: { owner: 'bedrock', data: { toolResult: result } } },
    text('Found.'),
  ]);
  assert.equal(response.choices[0]?.reason, 'stop');
  assert.deepEqual(response.usage?.providerTools, { nova_grounding: 1 });
});

test('bedrock stream: citations of the web are annotations of their text, those of documents have no place', () => {
  const web = (url: string): Line => ({ citation: { title: 'T', location: { web: { url, domain: 'x.test' } } } });
  const page: Line = { citation: { title: 'doc', location: { documentPage: { documentIndex: 0, start: 1, end: 2 } } } };
  const response = folded(
    delta(0, { text: 'One. ' }),
    stopBlock(0),
    delta(1, web('https://x.test/a')),
    delta(1, page),
    delta(1, { text: 'Two.' }),
    stopBlock(1),
    delta(2, web('https://x.test/b')),
    stopBlock(2),
    delta(3, { text: ' Three.' }),
    delta(4, web('https://x.test/c')),
    stop(),
  );
  const cited = (url: string, start: number, end: number) => ({ type: 'url_citation', url, title: 'T', start, end });
  assert.deepEqual(response.choices[0]?.annotations, [
    cited('https://x.test/a', 5, 9),
    cited('https://x.test/b', 5, 9),
    cited('https://x.test/c', 9, 16),
  ]);
});

test('bedrock stream: a character split between deltas comes whole', () => {
  const response = eventsOf(
    delta(0, { text: 'a\ud83d' }),
    delta(0, { text: '\ude42b' }),
    delta(0, { text: '\ud83d' }),
    stopBlock(0),
    stop(),
  );
  const texts = response.flatMap((event) => (event.type === 'block_delta' ? [event.text] : []));
  assert.deepEqual(texts, ['a', '🙂b', '\ufffd']);
});

test('bedrock stream: reasons to stop', () => {
  const reason = (said: string) => folded(delta(0, { text: 'a' }), stop(said)).choices[0]?.reason;
  assert.equal(reason('stop_sequence'), 'stop');
  assert.equal(reason('max_tokens'), 'length');
  assert.equal(reason('model_context_window_exceeded'), 'length');
  assert.equal(reason('guardrail_intervened'), 'content_filter');
  assert.equal(reason('content_filtered'), 'content_filter');
  assert.equal(reason('something_new'), 'stop');
  // no call, no tool_calls
  assert.equal(reason('tool_use'), 'stop');
  const [last] = eventsOf(delta(0, { text: 'a' }), stop('malformed_tool_use')).slice(-1);
  assert.ok(last?.type === 'error' && last.error.status === 502 && /malformed_tool_use/.test(last.error.message));
});

test('bedrock stream: cached tokens count to the prompt', () => {
  const usage = { inputTokens: 3, outputTokens: 4, totalTokens: 20, cacheReadInputTokens: 8, cacheWriteInputTokens: 5 };
  assert.deepEqual(folded(delta(0, { text: 'a' }), stop(), { metadata: { usage } }).usage, {
    promptTokens: 16,
    completionTokens: 4,
    cachedTokens: 8,
    reasoningTokens: 0,
    cacheWriteTokens: 5,
  });
  const cacheDetails = [
    { ttl: '1h', inputTokens: 3 },
    { ttl: '5m', inputTokens: 2 },
  ];
  const told = folded(delta(0, { text: 'a' }), stop(), { metadata: { usage: { ...usage, cacheDetails } } }).usage;
  assert.deepEqual([told?.cacheWriteTokens, told?.cacheWriteLongTokens], [5, 3]);
});

const exception = (event: string, payload: Line): Frame => ({ event, data: JSON.stringify(payload), exception: true });

test('bedrock stream: exceptions are errors with their status, and nothing follows', () => {
  const status = (event: string, payload: Line = { message: 'no' }) => {
    const events = eventsOf(delta(0, { text: 'a' }), exception(event, payload), delta(0, { text: 'b' }), stop());
    const last = events.at(-1);
    assert.equal(events.filter(({ type }) => type === 'block_delta').length, 1);
    return last?.type === 'error' ? [last.error.status, last.error.message] : undefined;
  };
  assert.deepEqual(status('throttlingException'), [429, 'no']);
  assert.deepEqual(status('validationException'), [400, 'no']);
  assert.deepEqual(status('internalServerException'), [502, 'no']);
  assert.deepEqual(status('serviceUnavailableException'), [503, 'no']);
  assert.deepEqual(status('modelTimeoutException'), [504, 'no']);
  assert.deepEqual(status('somethingNewException'), [502, 'no']);
  const model = { message: 'Stream error.', originalStatusCode: 424, originalMessage: 'It failed.' };
  assert.deepEqual(status('modelStreamErrorException', model), [424, 'Stream error. It failed.']);
  assert.deepEqual(status('modelStreamErrorException', { message: 'x', originalStatusCode: 500 }), [502, 'x']);
  assert.deepEqual(status('modelStreamErrorException', {}), [502, 'The provider answered with modelStreamErrorException.']);
});

test('bedrock stream: an exception that comes as an event is one as well', () => {
  const last = eventsOf(delta(0, { text: 'a' }), { throttlingException: { message: 'slow' } }).at(-1);
  assert.ok(last?.type === 'error' && last.error.status === 429);
});

test('bedrock stream: one that breaks off is an error', () => {
  const ends: readonly (readonly Line[])[] = [
    [],
    [{ messageStart: { role: 'assistant' } }],
    [delta(0, { text: 'a' }), stopBlock(0)],
    [metadata],
  ];
  for (const lines of ends) {
    const last = eventsOf(...lines).at(-1);
    assert.ok(last?.type === 'error' && last.error.kind === 'upstream', JSON.stringify(lines));
  }
});

test('bedrock stream: what is no JSON is an error, what is unknown is skipped', () => {
  const broken = eventsOf({ event: 'contentBlockDelta', data: '{"delta":' }).at(-1);
  assert.ok(broken?.type === 'error' && broken.error.kind === 'upstream');
  const odd: Line[] = [
    { surprise: { a: 1 } },
    { contentBlockStart: { contentBlockIndex: 0, start: { image: { format: 'png' } } } },
    { contentBlockDelta: { contentBlockIndex: 0, delta: { image: { source: { bytes: 'AA==' } } } } },
    { contentBlockDelta: null },
    { contentBlockDelta: { delta: 'x' } },
    { contentBlockStop: { contentBlockIndex: 9 } },
    delta(5, { toolUse: { input: 'lost' } }),
    delta(1, { text: 'a' }),
    stop(),
    delta(1, { text: 'late' }),
    metadata,
    stop(),
  ];
  assert.deepEqual(blocksOf(folded(...odd)), [text('a')]);
});

test('bedrock stream: a frame that holds its event by name is read too', () => {
  const line = delta(0, { text: 'a' });
  const events = eventsOf({ event: 'contentBlockDelta', data: JSON.stringify(line) }, stop());
  assert.ok(events.some((event) => event.type === 'block_delta' && event.text === 'a'));
});

test('bedrock stream: thoughts in the text go through a step', () => {
  assert.equal(prepared({ rawThinking: true }).reshape.length, 1);
  assert.equal(prepared().reshape.length, 0);
});

test('bedrock: marks of the model behind the name of a tool are no part of it', () => {
  const response = folded(
    tool(0, { toolUseId: 'a', name: 'json<|channel|>commentary' }),
    delta(0, { toolUse: { input: '{}' } }),
    stop('tool_use'),
  );
  assert.deepEqual(blocksOf(response), [{ type: 'tool_call', id: 'a', kind: 'function', name: 'json', input: '{}' }]);
});

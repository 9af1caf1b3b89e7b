import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  HEAD,
  blocksOf,
  call,
  chunk,
  ended,
  errorOf,
  eventsOf,
  feed,
  folded,
  piece,
  prepare,
  read,
  text,
  whole,
} from '../../../test/support/chat-wire.ts';
import { accept } from '../../../test/support/openai-chat.ts';

// --- text, reasoning, refusals ---

test('openai-chat: text that comes in pieces is one block', () => {
  assert.deepEqual(blocksOf([chunk({ role: 'assistant', content: '' }), chunk({ content: 'He' }), chunk({ content: 'llo' }), ended()]), [
    text('Hello'),
  ]);
});

test('openai-chat: the answer is called as the provider calls it, its model as we do', () => {
  const { id, created, model } = folded([chunk({ content: 'a' }), chunk({ content: 'b' }, { id: 'other', created: 5 }), ended()]);
  assert.deepEqual([id, created, model], ['chatcmpl-1', 1_800_000_000, 'prov/theirs']);
});

test('openai-chat: an answer without id and time has ours', () => {
  const { id, created } = folded([chunk({ content: 'a' }, { id: '', created: 0 }), ended('stop', { id: '' })]);
  assert.deepEqual([id, created], [HEAD.id, HEAD.created]);
});

for (const field of ['reasoning_content', 'reasoning', 'reasoning_text']) {
  test(`openai-chat: ${field} is what the model thought`, () => {
    const chunks = [chunk({ [field]: 'H' }), chunk({ [field]: 'm', content: '' }), chunk({ content: 'Yes', [field]: null }), ended()];
    assert.deepEqual(blocksOf(chunks), [{ type: 'reasoning', text: 'Hm' }, text('Yes')]);
  });
}

test('openai-chat: the same reasoning under two names is told once', () => {
  assert.deepEqual(blocksOf([chunk({ reasoning: 'Hm', reasoning_content: 'Hm' }), chunk({ content: 'a' }), ended()])[0], {
    type: 'reasoning',
    text: 'Hm',
  });
});

test('openai-chat: content in parts: thinking, text, and parts without a place', () => {
  const parts = [
    { type: 'thinking', thinking: [{ type: 'text', text: 'Hm' }] },
    { type: 'reference', reference_ids: [1] },
    { type: 'text', text: 'Yes' },
  ];
  assert.deepEqual(blocksOf([chunk({ content: parts }), ended()]), [{ type: 'reasoning', text: 'Hm' }, text('Yes')]);
});

test('openai-chat: a refusal is its own block', () => {
  assert.deepEqual(blocksOf([chunk({ refusal: 'I may ' }), chunk({ refusal: 'not.' }), ended()]), [
    { type: 'refusal', text: 'I may not.' },
  ]);
});

test('openai-chat: raw thinking at the beginning is left to a step', () => {
  assert.equal(prepare(accept(), { thinkTags: true }).reshape.length, 1);
});

test('openai-chat: signed reasoning in pieces is kept whole and goes with its block', () => {
  const detail = (more: object) => chunk({ reasoning_details: [{ type: 'reasoning.text', index: 0, format: 'x', ...more }], content: '' });
  const chunks = [
    chunk({ reasoning: 'H', reasoning_details: [{ type: 'reasoning.text', index: 0, text: 'H', format: 'x' }] }),
    detail({ text: 'm' }),
    chunk({ content: 'Yes' }),
    detail({ signature: 'sig' }),
    chunk({ reasoning_details: [{ type: 'reasoning.encrypted', index: 1, data: 'AA==' }] }),
    ended(),
  ];
  const data = {
    reasoning_details: [
      { type: 'reasoning.text', index: 0, text: 'Hm', format: 'x', signature: 'sig' },
      { type: 'reasoning.encrypted', index: 1, data: 'AA==' },
    ],
  };
  assert.deepEqual(blocksOf(chunks, { quirks: { reasoningDetails: true } }), [
    { type: 'reasoning', text: 'Hm', state: { owner: 'prov', data } },
    text('Yes'),
  ]);
});

test('openai-chat: encrypted reasoning without a text is a block of its own', () => {
  const details = [{ type: 'reasoning.encrypted', data: 'AA==', id: 'r', index: 0 }];
  const { choices } = read(whole({ content: 'Yes', reasoning_details: details }), { reasoningDetails: true });
  assert.deepEqual(choices[0]?.blocks, [
    text('Yes'),
    { type: 'reasoning', text: '', state: { owner: 'prov', data: { reasoning_details: details } } },
  ]);
});

// --- ends ---

const reasonOf = (word: unknown, delta: object = { content: 'a' }) => folded([chunk(delta), ended(word as string)]).choices[0]?.reason;

test('openai-chat: ends in the words of several servers', () => {
  for (const word of ['stop', 'eos', 'end_turn', 'stop_sequence', 'new_word']) assert.equal(reasonOf(word), 'stop', word);
  for (const word of ['length', 'max_tokens', 'model_length']) assert.equal(reasonOf(word), 'length', word);
  for (const word of ['content_filter', 'sensitive', 'SAFETY']) assert.equal(reasonOf(word), 'content_filter', word);
});

test('openai-chat: calls end with tool_calls whatever the provider says, and nothing else does', () => {
  const calls = { tool_calls: [{ index: 0, id: 'a', function: { name: 'f', arguments: '{}' } }] };
  for (const word of ['stop', 'tool_calls', 'function_call', 'eos']) assert.equal(reasonOf(word, calls), 'tool_calls', word);
  assert.equal(reasonOf('length', calls), 'length');
  assert.equal(reasonOf('tool_calls'), 'stop');
});

test('openai-chat: an end that is a failure is an error', () => {
  for (const word of ['error', 'insufficient_system_resource', 'network_error', 'abort'])
    assert.equal(errorOf(() => reasonOf(word)).kind, 'upstream', word);
});

test('openai-chat: a choice that failed says why', () => {
  const failed = { id: 'x', choices: [{ index: 0, delta: {}, finish_reason: 'error', error: { code: 429, message: 'Too many.' } }] };
  const error = errorOf(() => folded([chunk({ content: 'a' }), failed]));
  assert.deepEqual([error.status, error.message], [429, 'Too many.']);
});

test('openai-chat: an empty finish_reason is none', () => {
  assert.deepEqual(blocksOf([chunk({ content: 'a' }, { finish_reason: '' }), chunk({ content: 'b' }, { finish_reason: '' }), ended()]), [
    text('ab'),
  ]);
});

test('openai-chat: what comes behind the end of a choice in the next frame still counts', () => {
  assert.deepEqual(blocksOf([chunk({ content: 'a' }, { finish_reason: 'stop' }), chunk({ content: 'b' }, { finish_reason: 'stop' })]), [
    text('ab'),
  ]);
});

test('openai-chat: an end is told with the next frame, not only at the end of the stream', () => {
  const batches = feed([
    chunk({ content: 'a' }),
    ended(),
    { id: 'chatcmpl-1', choices: [], usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 } },
  ]);
  assert.ok(batches[2]?.events.some(({ type }) => type === 'finish'));
});

test('openai-chat: a stream that is cut is an error, wherever', () => {
  const chunks = [chunk({ content: 'a' }), chunk({ content: 'b' }), ended()];
  for (const count of [0, 1, 2, 3])
    assert.equal(errorOf(() => folded(chunks.slice(0, count), { cut: true })).kind, 'upstream', String(count));
  assert.equal(errorOf(() => folded(chunks.slice(0, 2))).kind, 'upstream');
});

test('openai-chat: where streams have no [DONE] a finished choice is the end, an unfinished one is not', () => {
  const quirks = { omitsDone: true };
  assert.deepEqual(blocksOf([chunk({ content: 'a' }), ended()], { quirks, cut: true }), [text('a')]);
  assert.equal(errorOf(() => folded([chunk({ content: 'a' })], { quirks, cut: true })).kind, 'upstream');
  const two = { quirks, cut: true, request: { n: 2 } };
  assert.equal(errorOf(() => folded([chunk({ content: 'a' }), ended()], two)).kind, 'upstream');
});

test('openai-chat: nothing follows an error or the end', () => {
  const batches = feed([chunk({ content: 'a' }), ended(), '[DONE]', chunk({ content: 'b' })]);
  assert.equal(eventsOf(batches).at(-1)?.type, 'end');
  const failed = feed([chunk({ content: 'a' }), { error: { message: 'x' } }, chunk({ content: 'b' }), ended()]);
  assert.equal(eventsOf(failed).at(-1)?.type, 'error');
});

// --- several choices ---

test('openai-chat: choices that come interleaved are told apart', () => {
  const chunks = [
    chunk({ content: 'a' }),
    chunk({ content: 'x' }, { index: 1 }),
    chunk({ content: 'b' }),
    ended(),
    ended('length', { index: 1 }),
  ];
  const { choices } = folded(chunks, { request: { n: 2 } });
  assert.deepEqual(
    choices.map(({ blocks, reason }) => [blocks, reason]),
    [
      [[text('ab')], 'stop'],
      [[text('x')], 'length'],
    ],
  );
});

test('openai-chat: where one choice was asked for its number says nothing', () => {
  assert.deepEqual(blocksOf([chunk({ content: 'a' }, { index: 0 }), chunk({ content: 'b' }, { index: 1 }), ended('stop', { index: 2 })]), [
    text('ab'),
  ]);
});

test('openai-chat: a choice that never comes is an error', () => {
  assert.equal(errorOf(() => folded([chunk({ content: 'a' }), ended()], { request: { n: 2 } })).kind, 'upstream');
});

// --- errors and odd frames ---

test('openai-chat: an error in the stream keeps its words and its status', () => {
  const error = errorOf(() =>
    folded([chunk({ content: 'a' }), { error: { message: 'Slow down.', type: 'rate_limit_error', code: null } }]),
  );
  assert.deepEqual([error.status, error.message, error.type], [429, 'Slow down.', 'rate_limit_error']);
});

test('openai-chat: an event that is called error is one, whatever it holds', () => {
  const [batch] = [
    prepare(accept({ stream: true }))
      .decoder()
      .push({ event: 'error', data: '{"message":"Broken."}' }),
  ];
  const [event] = batch.events;
  assert.ok(event?.type === 'error');
  assert.equal(event.error.message, 'Broken.');
});

test('openai-chat: a status in the answer itself is an error in a stream too, unless it says that all is well', () => {
  const status = (status_code: number) => chunk({ content: 'a' }, { base_resp: { status_code, status_msg: 'busy' }, error: null });
  assert.equal(errorOf(() => folded([status(1002), ended()])).message, 'busy');
  assert.deepEqual(blocksOf([status(0), ended()]), [text('a')]);
});

test('openai-chat: a frame that is not JSON is an error', () => {
  assert.equal(errorOf(() => folded(['<html>'])).kind, 'upstream');
  assert.equal(errorOf(() => folded([chunk({ content: 'a' }), '{"choices":[{']))?.kind, 'upstream');
});

test('openai-chat: frames that say nothing are passed over', () => {
  const odd = [
    '',
    '0',
    '"ping"',
    '[]',
    '{}',
    '{"type":"ping"}',
    '{"choices":null}',
    '{"choices":[null]}',
    '{"choices":[{}]}',
    '{"choices":[{"delta":5}]}',
    '{"id":"","choices":[]}',
  ];
  assert.deepEqual(blocksOf([...odd, chunk({ content: 'a' }), ...odd, ended(), ...odd]), [text('a')]);
});

test('openai-chat: fields of any shape never break it', () => {
  const odd = [null, 0, '', [], {}, [null], [{}], true, 'x'];
  for (const value of odd) {
    const delta = {
      content: 'a',
      tool_calls: value === 'x' ? [] : Array.isArray(value) ? [] : value,
      annotations: value,
      audio: value,
      refusal: null,
      reasoning_details: value,
    };
    assert.ok(folded([chunk(delta, { usage: value, citations: value, x_groq: value, logprobs: value }), ended()]).choices.length === 1);
  }
});

test('openai-chat: a whole answer with status 200 that is an error is one', () => {
  const error = errorOf(() => read({ error: { message: 'No such model.', type: 'invalid_request_error', code: 'model_not_found' } }));
  assert.deepEqual([error.status, error.code], [404, 'model_not_found']);
  assert.equal(
    errorOf(() => read({ ...whole({ content: '' }), base_resp: { status_code: 1008, status_msg: 'insufficient balance' } })).message,
    'insufficient balance',
  );
  assert.equal(read({ ...whole({ content: 'a' }), base_resp: { status_code: 0, status_msg: '' } }).choices.length, 1);
});

test('openai-chat: a whole answer that is none is an upstream error', () => {
  for (const body of ['<html><title>Sorry</title></html>', null, 5, [], {}, { choices: [] }])
    assert.equal(errorOf(() => read(body)).kind, 'upstream');
  assert.match(errorOf(() => read('<html><title>Sorry</title></html>')).message, /Sorry/);
});

// --- citations, sound, log probabilities, head ---

test('openai-chat: annotations of pages, nested or flat; those of files have no place', () => {
  const page = { url: 'https://example.org', title: 'E', start_index: 1, end_index: 4 };
  const annotations = [
    { type: 'url_citation', url_citation: page },
    { type: 'url_citation', ...page },
    { type: 'file_citation', file_id: 'f' },
  ];
  const expected = { type: 'url_citation', url: page.url, title: 'E', start: 1, end: 4 };
  assert.deepEqual(read(whole({ content: 'text', annotations })).choices[0]?.annotations, [expected, expected]);
  assert.deepEqual(folded([chunk({ content: 'text' }), chunk({ annotations }), ended()]).choices[0]?.annotations, [expected, expected]);
});

test('openai-chat: sources are annotations at their marks in the text, however it is split; without a mark, of all of it', () => {
  const search_results = [
    { url: 'https://a.example', title: 'A', date: 'x' },
    { url: 'https://b.example', title: 'B' },
  ];
  const citations = ['https://a.example', 'https://b.example'];
  const chunks = [
    chunk({ content: 'One [' }, { citations }),
    chunk({ content: '1' }),
    chunk({ content: '][9], two.' }),
    ended('stop', { citations, search_results }),
  ];
  const annotation = { type: 'url_citation' as const };
  assert.deepEqual(folded(chunks).choices[0]?.annotations, [
    { ...annotation, url: 'https://a.example', title: 'A', start: 4, end: 7 },
    { ...annotation, url: 'https://b.example', title: 'B', start: 0, end: 16 },
  ]);
});

test('openai-chat: a spoken answer is sound and transcript', () => {
  const chunks = [
    chunk({ audio: { id: 'a1', transcript: 'He' } }),
    chunk({ audio: { transcript: 'y', data: 'AAAA' } }),
    chunk({ audio: { data: 'BBBB', expires_at: 9 } }),
    ended(),
  ];
  assert.deepEqual(blocksOf(chunks), [{ type: 'speech', id: 'a1', data: 'AAAABBBB', transcript: 'Hey', expiresAt: 9 }]);
});

test('openai-chat: log probabilities go with the text they spell, where they were asked for', () => {
  const token = { token: 'a', logprob: -0.5, bytes: [97], top_logprobs: [{ token: 'b', logprob: -2, bytes: null }] };
  const spelled = [{ token: 'a', logprob: -0.5, bytes: [97], top: [{ token: 'b', logprob: -2, bytes: null }] }];
  const chunks = [chunk({ content: 'a' }, { logprobs: { content: [token], refusal: null } }), ended()];
  assert.deepEqual(folded(chunks, { request: { logprobs: true } }).choices[0]?.logprobs, spelled);
  assert.equal(folded(chunks).choices[0]?.logprobs, undefined);
  const thinking = chunk({ reasoning: 'Hm', content: '' }, { logprobs: { content: [token] } });
  assert.deepEqual(folded([thinking, ...chunks], { request: { logprobs: true } }).choices[0]?.logprobs, spelled);
});

test('openai-chat: log probabilities in parallel lists are read too', () => {
  const logprobs = { tokens: ['a', 'b'], token_logprobs: [-1, -2], top_logprobs: [{ x: -3 }, null] };
  const { choices } = read(whole({ content: 'ab' }, {}, { logprobs }), {}, { logprobs: true });
  assert.deepEqual(choices[0]?.logprobs, [
    { token: 'a', logprob: -1, bytes: null, top: [{ token: 'x', logprob: -3, bytes: null }] },
    { token: 'b', logprob: -2, bytes: null, top: [] },
  ]);
});

test('openai-chat: the class of service in words of the contract, others not at all', () => {
  const tier = (service_tier: string) => read(whole({ content: 'a' }, { service_tier })).serviceTier;
  assert.deepEqual([tier('flex'), tier('on_demand'), tier('platinum')], ['flex', 'default', undefined]);
});

test('openai-chat: images in an answer have no place and are left out', () => {
  const images = [{ type: 'image_url', image_url: { url: 'data:image/png;base64,AA==' } }];
  assert.deepEqual(read(whole({ content: 'a', images })).choices[0]?.blocks, [text('a')]);
});

test('openai-chat: a whole message says the same as its pieces', () => {
  const message = {
    role: 'assistant',
    reasoning_content: 'Hm',
    content: 'Yes',
    tool_calls: [{ id: 'a', type: 'function', function: { name: 'f', arguments: '{}' } }],
  };
  const pieces = [
    chunk({ reasoning_content: 'H' }),
    chunk({ reasoning_content: 'm' }),
    chunk({ content: 'Yes' }),
    piece({ index: 0, id: 'a' }, { name: 'f', arguments: '{}' }),
    ended(),
  ];
  assert.deepEqual(read(whole(message, {}, { finish_reason: 'tool_calls' })).choices, folded(pieces).choices);
});

test("openai-chat: state of another server of ours is the provider's, whole and at the end", () => {
  const provider_state = { owner: 'anthropic', blocks: [{ type: 'reasoning', data: 's' }] };
  const blocks = blocksOf([chunk({ content: 'a' }), chunk({ provider_state }), ended()], { quirks: { providerState: true } });
  assert.deepEqual(blocks, [text('a'), { type: 'opaque', state: { owner: 'prov', data: { provider_state } } }]);
});

test('openai-chat: a character that is cut between two frames comes whole, in texts and in arguments', () => {
  const chunks = [
    chunk({ content: 'a\ud83d' }),
    chunk({ content: '\ude00b' }),
    piece({ index: 0, id: 'a' }, { name: 'f', arguments: '{"x":"\ud83d' }),
    piece({ index: 0 }, { arguments: '\ude00"}' }),
    ended(),
  ];
  const events = eventsOf(feed(chunks));
  for (const event of events) if (event.type === 'block_delta') assert.ok(event.text.isWellFormed());
  assert.deepEqual(blocksOf(chunks), [text('a😀b'), call('a', '{"x":"😀"}')]);
});

test('openai-chat: half a character without its other half is the replacement character', () => {
  assert.deepEqual(blocksOf([chunk({ content: 'a\ud83d' }), ended()]), [text('a\ufffd')]);
});

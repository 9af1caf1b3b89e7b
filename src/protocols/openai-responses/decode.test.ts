import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Block, ChatResponse } from '../../core/chat.ts';
import { GatewayError } from '../../core/error.ts';
import { createFolder } from '../../core/event.ts';
import type { ChatEvent } from '../../core/event.ts';
import { openaiResponsesWire } from './call.ts';
import type { OpenAIResponsesQuirks } from './quirks.ts';
import { accept, weather } from '../../../test/support/openai-chat.ts';

type Fields = Readonly<Record<string, unknown>>;

function prepare(more: Fields = {}, quirks: OpenAIResponsesQuirks = {}) {
  const target = { provider: 'p', upstreamModel: 'up', model: 'p/m', baseUrl: 'https://host/v1', quirks, facts: {} };
  return openaiResponsesWire.prepare(accept(more), target, { id: 'chatcmpl-1', created: 1 });
}

/** The events of frames, and of their end. */
function eventsOf(frames: readonly Fields[], prepared = prepare()): ChatEvent[] {
  const decoder = prepared.decoder();
  const events = frames.flatMap(
    (frame) => decoder.push({ event: typeof frame.type === 'string' ? frame.type : '', data: JSON.stringify(frame) }).events,
  );
  return [...events, ...decoder.end().events];
}

function folded(events: readonly ChatEvent[]): ChatResponse {
  const folder = createFolder();
  folder.push(events);
  return folder.end();
}

function errorOf(read: () => unknown): GatewayError {
  try {
    read();
  } catch (error) {
    assert.ok(error instanceof GatewayError, String(error));
    return error;
  }
  return assert.fail('no error');
}

const usage = { input_tokens: 5, output_tokens: 7, total_tokens: 12 };
const created = { type: 'response.created', response: { id: 'resp_1', created_at: 1_700_000_000, status: 'in_progress', output: [] } };
const completed = (more: Fields = {}) => ({ type: 'response.completed', response: { status: 'completed', output: [], usage, ...more } });
const added = (index: number, item: Fields) => ({ type: 'response.output_item.added', output_index: index, item });
const done = (index: number, item: Fields) => ({ type: 'response.output_item.done', output_index: index, item });
const message = (content: readonly Fields[], more: Fields = {}) => ({ type: 'message', role: 'assistant', content, ...more });
const part = (text: string, annotations: readonly Fields[] = []) => ({ type: 'output_text', text, annotations });
const delta = (index: number, text: string, more: Fields = {}) => ({
  type: 'response.output_text.delta',
  output_index: index,
  content_index: 0,
  delta: text,
  ...more,
});

const blocksOf = ({ choices }: ChatResponse): readonly Block[] => choices[0]?.blocks ?? [];
const textOf = (response: ChatResponse) =>
  blocksOf(response)
    .map((block) => (block.type === 'text' ? block.text : ''))
    .join('');
const whole = (body: Fields, prepared = prepare()) => prepared.response(body).response;
const answer = (output: readonly Fields[], more: Fields = {}) => ({ status: 'completed', created_at: 9, output, usage, ...more });

test('responses: a stream starts once, opens, grows and closes its blocks, and ends with usage', () => {
  const frames = [
    created,
    { type: 'response.in_progress', response: created.response },
    added(0, message([])),
    delta(0, 'Hel'),
    delta(0, 'lo'),
  ];
  const events = eventsOf([...frames, done(0, message([part('Hello')])), completed()]);
  assert.deepEqual(events, [
    { type: 'start', id: 'chatcmpl-1', model: 'p/m', created: 1_700_000_000 },
    { type: 'block_start', choice: 0, block: 0, of: { type: 'text' } },
    { type: 'block_delta', choice: 0, block: 0, text: 'Hel' },
    { type: 'block_delta', choice: 0, block: 0, text: 'lo' },
    { type: 'block_end', choice: 0, block: 0 },
    { type: 'finish', choice: 0, reason: 'stop' },
    { type: 'usage', usage: { promptTokens: 5, completionTokens: 7, cachedTokens: 0, reasoningTokens: 0 } },
    { type: 'end' },
  ]);
});

test('responses: items are known by their place, whatever ids a host gives them', () => {
  const frames = [
    added(0, message([], { id: 'a' })),
    added(1, { type: 'function_call', id: 'b', call_id: 'c', name: 'f', arguments: '' }),
    delta(0, 'Hi', { item_id: 'x' }),
    { type: 'response.function_call_arguments.delta', output_index: 1, item_id: 'y', delta: '{}' },
    done(1, { type: 'function_call', id: 'z', call_id: 'c', name: 'f', arguments: '{}' }),
    done(0, message([part('Hi')], { id: 'q' })),
  ];
  const response = folded(eventsOf([created, ...frames, completed()]));
  assert.equal(textOf(response), 'Hi');
  const call = blocksOf(response).find(({ type }) => type === 'tool_call');
  assert.deepEqual(call, { type: 'tool_call', id: 'c', kind: 'function', name: 'f', input: '{}' });
});

test('responses: a host that does not number its items is read by their ids', () => {
  const frames = [
    { type: 'response.output_item.added', item: { type: 'function_call', id: 'a', call_id: 'c1', name: 'f', arguments: '' } },
    { type: 'response.output_item.added', item: { type: 'function_call', id: 'b', call_id: 'c2', name: 'g', arguments: '' } },
    { type: 'response.function_call_arguments.delta', item_id: 'a', delta: '{"x":' },
    { type: 'response.function_call_arguments.delta', item_id: 'b', delta: '{}' },
    { type: 'response.function_call_arguments.delta', item_id: 'a', delta: '1}' },
  ];
  const calls = blocksOf(folded(eventsOf([created, ...frames, completed()])));
  assert.deepEqual(
    calls.map((call) => (call.type === 'tool_call' ? [call.id, call.input] : [])),
    [
      ['c1', '{"x":1}'],
      ['c2', '{}'],
    ],
  );
});

test('responses: what comes only at the end of a part or an item is told then', () => {
  const call = { type: 'function_call', call_id: 'c', name: 'f' };
  const frames = [
    added(0, message([])),
    delta(0, 'Hel'),
    { type: 'response.output_text.done', output_index: 0, content_index: 0, text: 'Hello' },
    done(0, message([part('Hello')])),
    added(1, { ...call, arguments: '' }),
    { type: 'response.function_call_arguments.done', output_index: 1, arguments: '{"a":1}' },
    done(1, { ...call, arguments: '{"a":1}' }),
    done(2, { type: 'reasoning', summary: [{ type: 'summary_text', text: 'Hm' }] }),
  ];
  const response = folded(eventsOf([created, ...frames, completed()]));
  assert.deepEqual(blocksOf(response), [
    { type: 'text', text: 'Hello' },
    { type: 'tool_call', id: 'c', kind: 'function', name: 'f', input: '{"a":1}' },
    { type: 'reasoning', text: 'Hm' },
  ]);
});

test('responses: where the last word on a text is another than its pieces, the pieces count', () => {
  const response = folded(eventsOf([created, added(0, message([])), delta(0, 'So.'), done(0, message([part('So it is.')])), completed()]));
  assert.equal(textOf(response), 'So.');
});

test('responses: a stream that holds nothing but its end says all of the answer', () => {
  const output = [message([part('Hi')]), { type: 'function_call', call_id: 'c', name: 'f', arguments: '{}' }];
  const response = folded(eventsOf([completed({ output })]));
  assert.equal(textOf(response), 'Hi');
  assert.equal(response.choices[0]?.reason, 'tool_calls');
});

test('responses: text that nobody announced is a message', () => {
  assert.equal(textOf(folded(eventsOf([created, delta(0, 'Hi'), completed()]))), 'Hi');
});

test('responses: texts of several messages are joined with nothing between, in streams and bodies', () => {
  const output = [message([part('One.'), part('Two.')], { phase: 'commentary' }), message([part('Three.')], { phase: 'final_answer' })];
  const response = whole(answer(output));
  assert.equal(textOf(response), 'One.Two.Three.');
  const states = blocksOf(response).map((block) => (block.type === 'text' ? block.state : undefined));
  const state = (phase: string) => ({ owner: 'p', data: { phase } });
  assert.deepEqual(states, [state('commentary'), state('commentary'), state('final_answer')]);
});

test('responses: a phase that is told only at the end counts too', () => {
  const frames = [added(0, message([])), delta(0, 'x'), done(0, message([part('x')], { phase: 'commentary' }))];
  const [block] = blocksOf(folded(eventsOf([created, ...frames, completed()])));
  assert.deepEqual(block, { type: 'text', text: 'x', state: { owner: 'p', data: { phase: 'commentary' } } });
});

test('responses: citations count from the beginning of the whole text, in UTF-16 units', () => {
  const cite = (start: number, end: number) => ({
    type: 'url_citation',
    url: 'https://x.test',
    title: 'X',
    start_index: start,
    end_index: end,
  });
  const response = whole(answer([message([part('ab')]), message([part('🙂🙂 [x] 🙂', [cite(3, 6)])])]));
  const [found] = response.choices[0]?.annotations ?? [];
  assert.deepEqual(found, { type: 'url_citation', url: 'https://x.test', title: 'X', start: 7, end: 10 });
  assert.equal(textOf(response).slice(7, 10), '[x]');
});

test('responses: a citation that comes twice is told once, and one without a place stands at the end of its text', () => {
  const annotation = { type: 'url_citation', url: 'https://x.test' };
  const event = { type: 'response.output_text.annotation.added', output_index: 0, content_index: 0, annotation };
  const response = folded(
    eventsOf([created, added(0, message([])), delta(0, 'abc'), event, done(0, message([part('abc', [annotation])])), completed()]),
  );
  assert.deepEqual(response.choices[0]?.annotations, [
    { type: 'url_citation', url: 'https://x.test', title: 'https://x.test', start: 3, end: 3 },
  ]);
});

test('responses: citations of files have no place', () => {
  const annotations = [{ type: 'file_citation', file_id: 'f', index: 1 }, { type: 'container_file_citation' }, { type: 'file_path' }, null];
  const response = whole(answer([message([part('abc', annotations as Fields[])])]));
  assert.equal(response.choices[0]?.annotations, undefined);
});

test('responses: a refusal is a refusal, and an end like any other', () => {
  const frames = [
    added(0, message([])),
    { type: 'response.refusal.delta', output_index: 0, content_index: 0, delta: 'No' },
    { type: 'response.refusal.done', output_index: 0, content_index: 0, refusal: 'No.' },
    done(0, message([{ type: 'refusal', refusal: 'No.' }])),
  ];
  const response = folded(eventsOf([created, ...frames, completed()]));
  assert.deepEqual(blocksOf(response), [{ type: 'refusal', text: 'No.' }]);
  assert.equal(response.choices[0]?.reason, 'stop');
});

test('responses: parts of a reasoning summary are told apart, and the encrypted whole is kept', () => {
  const summary = [
    { type: 'summary_text', text: '**A**' },
    { type: 'summary_text', text: '**B**' },
  ];
  const item = { type: 'reasoning', id: 'rs', summary, encrypted_content: 'LAST' };
  const piece = (index: number, text: string) => {
    return { type: 'response.reasoning_summary_text.delta', output_index: 0, summary_index: index, delta: text };
  };
  const frames = [added(0, { type: 'reasoning', id: 'rs', summary: [], encrypted_content: 'FIRST' }), piece(0, '**A**'), piece(1, '**B**')];
  const response = folded(eventsOf([created, ...frames, done(0, item), completed()]));
  assert.deepEqual(blocksOf(response), [{ type: 'reasoning', text: '**A**\n\n**B**', state: { owner: 'p', data: item } }]);
  assert.deepEqual(whole(answer([item])).choices, response.choices);
});

test('responses: open reasoning is told before its summary, and kept only where it shall go back', () => {
  const item = {
    type: 'reasoning',
    id: 'rs',
    summary: [{ type: 'summary_text', text: 'short' }],
    content: [{ type: 'reasoning_text', text: 'long' }],
  };
  assert.deepEqual(blocksOf(whole(answer([item]))), [{ type: 'reasoning', text: 'long' }]);
  const kept = blocksOf(whole(answer([item]), prepare({}, { plainReasoning: true })));
  assert.deepEqual(kept, [{ type: 'reasoning', text: 'long', state: { owner: 'p', data: item } }]);
});

test('responses: reasoning of which nothing is told makes no block', () => {
  assert.deepEqual(blocksOf(whole(answer([{ type: 'reasoning', summary: [] }, message([part('x')])]))), [{ type: 'text', text: 'x' }]);
});

test('responses: a call gets an id where it has none, each its own', () => {
  const call = { type: 'function_call', call_id: '', name: 'f', arguments: '{}' };
  const ids = blocksOf(whole(answer([call, call]))).map((block) => (block.type === 'tool_call' ? block.id : ''));
  assert.deepEqual(ids, ['call_1_0', 'call_1_1']);
});

test('responses: calls wrapped in one come out one by one, unless the wrapper is a tool of the client’s', () => {
  const uses = [
    { recipient_name: 'functions.weather', parameters: { city: 'Oslo' } },
    { recipient_name: 'functions.now', parameters: {} },
  ];
  const input = JSON.stringify({ tool_uses: uses });
  const wrapped = { type: 'function_call', call_id: 'c', name: 'multi_tool_use.parallel', arguments: input };
  const calls = blocksOf(whole(answer([wrapped])));
  assert.deepEqual(calls, [
    { type: 'tool_call', id: 'c_0', kind: 'function', name: 'weather', input: '{"city":"Oslo"}' },
    { type: 'tool_call', id: 'c_1', kind: 'function', name: 'now', input: '{}' },
  ]);
  const own = { ...weather, function: { ...weather.function, name: 'parallel' } };
  const [kept] = blocksOf(whole(answer([{ ...wrapped, name: 'parallel' }]), prepare({ tools: [own] })));
  assert.deepEqual(kept, { type: 'tool_call', id: 'c', kind: 'function', name: 'parallel', input });
  const [broken] = blocksOf(whole(answer([{ ...wrapped, arguments: '{"tool_uses":[' }])));
  assert.equal(broken?.type === 'tool_call' && broken.input, '{"tool_uses":[');
});

test('responses: calls of custom tools that nobody declared are the provider’s own', () => {
  const call = { type: 'custom_tool_call', call_id: 'c', name: 'x_search', input: 'a', status: 'completed' };
  const ran = whole(answer([call], { tools: [{ type: 'x_search' }] }));
  assert.deepEqual(blocksOf(ran), [{ type: 'opaque', state: { owner: 'p', data: call } }]);
  assert.equal(ran.choices[0]?.reason, 'stop');
  assert.deepEqual(ran.usage?.providerTools, { x_search: 1 });
  const asked = whole(answer([call], { tools: [{ type: 'custom', name: 'x_search' }] }));
  assert.deepEqual(blocksOf(asked), [{ type: 'tool_call', id: 'c', kind: 'custom', name: 'x_search', input: 'a' }]);
  assert.equal(asked.usage?.providerTools, undefined);
});

test('responses: an item of an unknown kind is kept for the provider in its place', () => {
  const item = { type: 'dream_call', id: 'd', what: [1] };
  const frames = [added(0, { type: 'dream_call' }), added(1, message([])), delta(1, 'x'), done(1, message([part('x')])), done(0, item)];
  const response = folded(eventsOf([created, ...frames, completed()]));
  assert.deepEqual(blocksOf(response), [
    { type: 'opaque', state: { owner: 'p', data: item } },
    { type: 'text', text: 'x' },
  ]);
});

test('responses: what asks the client for something without a form in the contract is no call, and an end', () => {
  for (const type of ['local_shell_call', 'computer_call', 'apply_patch_call', 'shell_call', 'mcp_approval_request', 'tool_search_call']) {
    const { choices, usage: told } = whole(answer([{ type, id: 'i', call_id: 'c' }]));
    assert.equal(choices[0]?.reason, 'stop', type);
    assert.deepEqual(
      choices[0]?.blocks.map((block) => block.type),
      ['opaque'],
      type,
    );
    assert.equal(told?.providerTools, undefined, type);
  }
});

test('responses: an answer that was cut off says by what', () => {
  const cut = (reason?: string) => {
    const response = {
      status: 'incomplete',
      output: [message([part('Hel')])],
      usage,
      ...(reason ? { incomplete_details: { reason } } : {}),
    };
    return folded(eventsOf([created, { type: 'response.incomplete', response }])).choices[0]?.reason;
  };
  assert.deepEqual(
    [cut('max_output_tokens'), cut('content_filter'), cut('max_messages'), cut()],
    ['length', 'content_filter', 'length', 'length'],
  );
});

test('responses: a call that was cut off ends by length, with what there is of it', () => {
  const frames = [
    added(0, { type: 'function_call', call_id: 'c', name: 'f', arguments: '' }),
    { type: 'response.function_call_arguments.delta', output_index: 0, delta: '{"a' },
    { type: 'response.incomplete', response: { status: 'incomplete', incomplete_details: { reason: 'max_output_tokens' }, output: [] } },
  ];
  const response = folded(eventsOf([created, ...frames]));
  assert.equal(response.choices[0]?.reason, 'length');
  assert.deepEqual(blocksOf(response), [{ type: 'tool_call', id: 'c', kind: 'function', name: 'f', input: '{"a' }]);
  assert.equal(response.usage, undefined);
});

test('responses: halves of a character that come apart are joined', () => {
  const frames = [added(0, message([])), delta(0, 'a\ud83d'), delta(0, '\ude42b'), done(0, message([part('a🙂b')]))];
  const events = eventsOf([created, ...frames, completed()]);
  const texts = events.flatMap((event) => (event.type === 'block_delta' ? [event.text] : []));
  assert.ok(texts.every((one) => one.isWellFormed()));
  assert.equal(texts.join(''), 'a🙂b');
});

test('responses: log probabilities come with their text, and only where they were asked for', () => {
  const token = { token: 'é', logprob: -0.5, top_logprobs: [{ token: 'e', logprob: -1 }] };
  const frames = [
    created,
    added(0, message([])),
    delta(0, 'é', { logprobs: [token] }),
    done(0, message([{ ...part('é'), logprobs: [token] }])),
    completed(),
  ];
  const asked = prepare({ logprobs: true, top_logprobs: 1 });
  const wanted = [{ token: 'é', logprob: -0.5, bytes: [195, 169], top: [{ token: 'e', logprob: -1, bytes: [101] }] }];
  assert.deepEqual(folded(eventsOf(frames, asked)).choices[0]?.logprobs, wanted);
  assert.equal(folded(eventsOf(frames)).choices[0]?.logprobs, undefined);
  assert.deepEqual(whole(answer([message([{ ...part('é'), logprobs: [token] }])]), asked).choices[0]?.logprobs, wanted);
});

test('responses: usage is told with its details, and not at all where there is none', () => {
  const details = {
    input_tokens_details: { cached_tokens: 2, cache_write_tokens: 3, image_tokens: 1 },
    output_tokens_details: { reasoning_tokens: 4, image_tokens: 2 },
    cost_in_usd_ticks: 12_345_678_900,
  };
  const told = whole(answer([message([part('x')])], { usage: { ...usage, ...details } })).usage;
  assert.deepEqual(told, {
    promptTokens: 5,
    completionTokens: 7,
    cachedTokens: 2,
    reasoningTokens: 4,
    cacheWriteTokens: 3,
    promptImageTokens: 1,
    completionImageTokens: 2,
    reportedCost: 1.23456789,
  });
  assert.equal(whole(answer([message([part('x')])], { usage: null })).usage, undefined);
});

test('responses: searches are counted as the provider charges for them, where it says so', () => {
  const search = { type: 'web_search_call', action: { type: 'search' } };
  const opened = { type: 'web_search_call', action: { type: 'open_page' } };
  assert.deepEqual(whole(answer([search, opened, search])).usage?.providerTools, { web_search: 2 });
  const charged = answer([search, search], { tool_usage: { web_search: { num_requests: 1 } } });
  assert.deepEqual(whole(charged).usage?.providerTools, { web_search: 1 });
  const details = answer([search], { usage: { ...usage, server_side_tool_usage_details: { web_search_calls: 0, x_search_calls: 3 } } });
  assert.deepEqual(whole(details).usage?.providerTools, { x_search: 3 });
});

test('responses: the class of service is the one that was used', () => {
  assert.equal(whole(answer([message([part('x')])], { service_tier: 'flex' })).serviceTier, 'flex');
  assert.equal(whole(answer([message([part('x')])], { service_tier: 'auto' })).serviceTier, undefined);
});

test('responses: a stream that begins with the class that was asked for ends with the one that it had', () => {
  const auto = { ...created, response: { ...created.response, service_tier: 'auto' } };
  const item = message([part('x')]);
  assert.equal(folded(eventsOf([auto, added(0, item), done(0, item), completed({ service_tier: 'priority' })])).serviceTier, 'priority');
});

test('responses: a time of creation that the host does not tell is ours', () => {
  assert.equal(whole(answer([message([part('x')])], { created_at: 0 })).created, 1);
  assert.equal(whole(answer([message([part('x')])], { created_at: 1.9 })).created, 1);
});

const failing = (frame: Fields) => errorOf(() => folded(eventsOf([created, frame])));

test('responses: errors in a stream keep the provider’s words and get the status that belongs to them', () => {
  const told = failing({ type: 'error', code: 'rate_limit_exceeded', message: 'Slow down.', param: null });
  assert.deepEqual([told.status, told.code, told.message], [429, 'rate_limit_exceeded', 'Slow down.']);
  const nested = failing({ type: 'error', error: { type: 'insufficient_quota', code: 'insufficient_quota', message: 'Pay.' } });
  assert.deepEqual([nested.status, nested.type], [429, 'insufficient_quota']);
  const failed = failing({ type: 'response.failed', response: { status: 'failed', error: { code: 'server_error', message: 'Oh.' } } });
  assert.deepEqual([failed.kind, failed.status, failed.message], ['upstream', 502, 'Oh.']);
  const prompt = failing({
    type: 'response.failed',
    response: { status: 'failed', error: { code: 'invalid_image_url', message: 'Bad.' } },
  });
  assert.deepEqual([prompt.status, prompt.code], [400, 'invalid_image_url']);
  const bare = failing({ error: { message: 'Full.', type: 'overloaded_error' } });
  assert.equal(bare.kind, 'overloaded');
  assert.equal(failing({ type: 'response.failed', response: {} }).kind, 'upstream');
});

test('responses: nothing follows an error, or the end', () => {
  const after = [delta(0, 'x'), completed()];
  const failed = eventsOf([created, { type: 'error', message: 'Oh.' }, ...after]);
  assert.deepEqual(
    failed.map(({ type }) => type),
    ['start', 'error'],
  );
  assert.equal(eventsOf([created, completed(), ...after, created]).at(-1)?.type, 'end');
});

test('responses: a stream without its end is an error, [DONE] or not', () => {
  const decoder = prepare().decoder();
  decoder.push({ event: '', data: JSON.stringify(created) });
  assert.deepEqual(decoder.push({ event: '', data: '[DONE]' }).events, []);
  const [event] = decoder.end().events;
  assert.equal(event?.type === 'error' && event.error.kind, 'upstream');
});

test('responses: a frame that is no JSON is an error, frames of unknown kinds are passed over', () => {
  const decoder = prepare().decoder();
  const frames = [
    { event: 'response.video.delta', data: '{"type":"response.video.delta","delta":"x"}' },
    { event: '', data: '{"type":"keepalive"}' },
    { event: 'ping', data: '7' },
    { event: 'response.output_text.delta', data: 'null' },
  ];
  for (const frame of frames) assert.deepEqual(decoder.push(frame).events, [], frame.data);
  const [event] = decoder.push({ event: 'response.output_text.delta', data: '{"type":' }).events;
  assert.equal(event?.type === 'error' && event.error.kind, 'upstream');
});

test('responses: fields of any other type harm nobody', () => {
  const odd = [7, null, 'x', [], { a: 1 }, true];
  for (const value of odd) {
    const frames = ['text', 'delta', 'item', 'output_index', 'content_index', 'annotation', 'logprobs', 'response'].flatMap((field) =>
      [
        'response.output_item.added',
        'response.output_item.done',
        'response.output_text.delta',
        'response.output_text.annotation.added',
      ].map((type) => ({
        type,
        output_index: 0,
        delta: 'x',
        item: message([]),
        [field]: value,
      })),
    );
    const events = eventsOf([created, ...frames, completed({ output: value, usage: value, tools: value })]);
    assert.equal(events.at(-1)?.type, 'end', JSON.stringify(value));
  }
});

test('responses: bodies that are no answer are errors of the provider', () => {
  for (const body of [null, 'x', [], {}, { output: 7 }, { status: 'queued', output: [] }, { status: 'cancelled', output: [] }]) {
    assert.equal(errorOf(() => prepare().response(body)).status, 502, JSON.stringify(body));
  }
  const refused = errorOf(() =>
    prepare().response({ error: { message: 'No.', type: 'invalid_request_error', param: 'input', code: null } }),
  );
  assert.deepEqual([refused.status, refused.param, refused.message], [400, 'input', 'No.']);
});

test('responses: refusals keep status, words and place, of whatever form', () => {
  const read = (status: number, body: unknown) =>
    openaiResponsesWire.error({ status, headers: { 'retry-after': '2' }, body: typeof body === 'string' ? body : JSON.stringify(body) });
  const envelope = read(400, { error: { message: 'Bad.', type: 'invalid_request_error', param: 'temperature', code: 'unsupported' } });
  assert.deepEqual([envelope.status, envelope.message, envelope.param, envelope.code], [400, 'Bad.', 'temperature', 'unsupported']);
  const other = read(403, { code: 'no_credits', error: 'No credits.' });
  assert.deepEqual([other.status, other.message, other.code], [403, 'No credits.', 'no_credits']);
  assert.equal(read(401, { statusCode: 401, message: 'Access denied.' }).message, 'Access denied.');
  assert.equal(read(422, { detail: [{ msg: 'x' }] }).message, '[{"msg":"x"}]');
  assert.equal(read(502, '<html><title>Bad Gateway</title></html>').message, 'Bad Gateway');
  assert.equal(read(429, '').retryAfterMs, 2000);
});

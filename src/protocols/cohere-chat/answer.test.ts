import assert from 'node:assert/strict';
import { test } from 'node:test';
import { textOf } from '../../core/chat.ts';
import { GatewayError } from '../../core/error.ts';
import type { ChatEvent } from '../../core/event.ts';
import { START, decoded, delta, ended, folded, said, sent, target, whole } from './testing.ts';

const usage = {
  billed_units: { input_tokens: 5, output_tokens: 2, search_units: 1 },
  tokens: { input_tokens: 70, output_tokens: 9 },
  cached_tokens: 64,
};
const state = (data: { thinking: string } | { tool_plan: string }) => ({ owner: 'cohere', data });

function errorIn(events: readonly ChatEvent[]): GatewayError {
  const last = events.at(-1);
  assert.ok(last?.type === 'error', `ends with ${last?.type}`);
  return last.error;
}

const call = (id: string, name: string, input: unknown) => ({ id, type: 'function', function: { name, arguments: input } });

test('cohere: whole and streamed answers say the same', () => {
  const source = { type: 'tool', id: 't:0', tool_output: { url: 'https://a.example', title: 'A' } };
  const citation = { start: 1, end: 2, text: 'b', sources: [source], type: 'TEXT_CONTENT', content_index: 1 };
  const body = {
    id: 'x',
    message: {
      role: 'assistant',
      content: [
        { type: 'thinking', thinking: 'hm' },
        { type: 'text', text: 'abc' },
      ],
      citations: [citation],
      tool_calls: [call('c1', 'f', '{"a":1}'), call('c2', 'g', 'null')],
    },
    finish_reason: 'TOOL_CALL',
    usage,
  };
  const frames = [
    START,
    delta('content-start', { content: { type: 'thinking', thinking: 'h' } }, { index: 0 }),
    delta('content-delta', { content: { thinking: 'm' } }, { index: 0 }),
    { type: 'content-end', index: 0 },
    delta('content-start', { content: { type: 'text', text: '' } }, { index: 1 }),
    said('a', 1),
    said('bc', 1),
    delta('citation-start', { citations: citation }, { index: 0 }),
    { type: 'citation-end', index: 0 },
    { type: 'content-end', index: 1 },
    delta('tool-call-start', { tool_calls: call('c1', 'f', '') }, { index: 0 }),
    delta('tool-call-delta', { tool_calls: { function: { arguments: '{"a"' } } }, { index: 0 }),
    delta('tool-call-delta', { tool_calls: { function: { arguments: ':1}' } } }, { index: 0 }),
    { type: 'tool-call-end', index: 0 },
    delta('tool-call-start', { tool_calls: call('c2', 'g', 'nu') }, { index: 1 }),
    delta('tool-call-delta', { tool_calls: { function: { arguments: 'll' } } }, { index: 1 }),
    { type: 'debug', prompt: 'secret' },
    { type: 'something-new', index: 4 },
    ended('TOOL_CALL', { usage }),
  ];
  const answer = whole(body);
  assert.deepEqual(folded(decoded(frames)), answer);
  assert.deepEqual(answer, {
    id: 'chatcmpl-1',
    created: 1,
    model: 'cohere/command-x',
    choices: [
      {
        blocks: [
          { type: 'reasoning', text: 'hm', state: state({ thinking: 'hm' }) },
          { type: 'text', text: 'abc' },
          { type: 'tool_call', id: 'c1', kind: 'function', name: 'f', input: '{"a":1}' },
          { type: 'tool_call', id: 'c2', kind: 'function', name: 'g', input: '' },
        ],
        annotations: [{ type: 'url_citation', url: 'https://a.example', title: 'A', start: 1, end: 2 }],
        reason: 'tool_calls',
      },
    ],
    usage: { promptTokens: 70, completionTokens: 9, cachedTokens: 64, reasoningTokens: 0, providerTools: { search: 1 } },
  });
});

test('cohere: the plan before calls is reasoning', () => {
  const plan = (words: string) => delta('tool-plan-delta', { tool_plan: words });
  const streamed = decoded([
    START,
    plan('I '),
    plan('will.'),
    delta('tool-call-start', { tool_calls: call('', 'f', '') }, { index: 0 }),
    ended('TOOL_CALL'),
  ]);
  const body = { message: { tool_plan: 'I will.', tool_calls: [call('', 'f', null)] }, finish_reason: 'TOOL_CALL' };
  assert.deepEqual(folded(streamed), whole(body));
  assert.deepEqual(whole(body).choices[0]?.blocks, [
    { type: 'reasoning', text: 'I will.', state: state({ tool_plan: 'I will.' }) },
    { type: 'tool_call', id: 'call_chatcmpl-1_0', kind: 'function', name: 'f', input: '' },
  ]);
});

test('cohere: usage is what the model read, the billed units where there is nothing else, absent where there is neither', () => {
  const of = (value: unknown) => whole({ message: { content: [] }, finish_reason: 'COMPLETE', usage: value }).usage;
  assert.equal(of({ tokens: { input_tokens: 7, output_tokens: 1 }, billed_units: { input_tokens: 3, output_tokens: 1 } })?.promptTokens, 7);
  assert.equal(of({ billed_units: { input_tokens: 3, output_tokens: 1 } })?.promptTokens, 3);
  assert.equal(of({}), undefined);
  assert.equal(of(undefined), undefined);
});

test('cohere: how an answer ended', () => {
  const reason = (finish: unknown, calls: unknown[] = []) =>
    whole({ message: { content: [], tool_calls: calls }, finish_reason: finish }).choices[0]?.reason;
  assert.equal(reason('COMPLETE'), 'stop');
  assert.equal(reason('STOP_SEQUENCE'), 'stop');
  assert.equal(reason('MAX_TOKENS'), 'length');
  assert.equal(reason('MAX_TOKENS', [call('c', 'f', '{')]), 'length');
  assert.equal(reason('TOOL_CALL', [call('c', 'f', '{}')]), 'tool_calls');
  assert.equal(reason('COMPLETE', [call('c', 'f', '{}')]), 'tool_calls');
  assert.equal(reason('TOOL_CALL'), 'stop');
  assert.equal(reason('SOMETHING_NEW'), 'stop');
});

test('cohere: an answer that failed is an error, streamed or not', () => {
  for (const [finish, status] of [
    ['ERROR', 502],
    ['ERROR_LIMIT', 502],
    ['TIMEOUT', 504],
  ] as const) {
    assert.throws(
      () => whole({ message: { content: [{ type: 'text', text: 'a' }] }, finish_reason: finish }),
      (error: unknown) => error instanceof GatewayError && error.status === status,
    );
    const error = errorIn(decoded([START, said('a'), ended(finish, { error: 'It broke.' }), said('b')]));
    assert.deepEqual([error.status, error.message], [status, 'It broke.']);
  }
});

test('cohere: bodies that are no answers are errors, with the provider\u2019s words where it has any', () => {
  const message = (body: unknown): string => {
    try {
      whole(body);
    } catch (error) {
      assert.ok(error instanceof GatewayError && error.status === 502);
      return error.message;
    }
    return assert.fail('it was read');
  };
  assert.equal(message({ message: 'internal error' }), 'internal error');
  assert.equal(message({ error: { message: 'boom' } }), 'boom');
  for (const body of [null, 'text', [], {}, { message: null }]) assert.match(message(body), /no answer/);
});

test('cohere: a stream without its end, or with what is no JSON, is an error', () => {
  assert.equal(errorIn(decoded([START, said('a')])).code, 'upstream_error');
  assert.equal(errorIn(decoded([])).code, 'upstream_error');
  const broken = decoded([START, '{"type":', said('a'), ended('COMPLETE')]);
  assert.equal(errorIn(broken).code, 'upstream_error');
  assert.equal(broken.length, 2);
});

test('cohere: errors within a stream come in the provider\u2019s words', () => {
  assert.equal(errorIn(decoded([START, { message: 'streaming error' }])).message, 'streaming error');
  assert.equal(errorIn(decoded([START, { type: 'error', error: { message: 'boom' } }])).message, 'boom');
});

test('cohere: blocks that nobody closed are closed at the end, empty ones never were', () => {
  const events = decoded([
    START,
    delta('content-start', { content: { type: 'text', text: '' } }, { index: 0 }),
    said('a', 1),
    ended('COMPLETE'),
  ]);
  assert.deepEqual(
    events.map(({ type }) => type),
    ['start', 'block_start', 'block_delta', 'block_end', 'finish', 'end'],
  );
  assert.deepEqual(folded(decoded([ended('COMPLETE')])).choices[0]?.blocks, []);
});

test('cohere: a character split between events comes whole', () => {
  const events = decoded([START, said('a\ud83d'), said('\ude00b'), said('\ud83d'), ended('COMPLETE')]);
  const texts = events.flatMap((event) => (event.type === 'block_delta' ? [event.text] : []));
  assert.deepEqual(texts, ['a', '😀b', '\ufffd']);
});

test('cohere: a chunk of text has the probability of all its tokens', () => {
  const item = (words: string, logprobs: number[]) => ({ text: words, token_ids: logprobs.map((_, index) => index), logprobs });
  const body = {
    message: { content: [{ type: 'text', text: 'é!' }] },
    finish_reason: 'COMPLETE',
    logprobs: [item('thoughts', [-9]), item('é', [-1, -0.5]), item('!', [-2])],
  };
  const expected = [
    { token: 'é', logprob: -1.5, bytes: [195, 169], top: [] },
    { token: '!', logprob: -2, bytes: [33], top: [] },
  ];
  assert.deepEqual(whole(body).choices[0]?.logprobs, expected);
  const frames = [START, { ...said('é'), logprobs: item('é', [-1, -0.5]) }, { ...said('!'), logprobs: item('!', [-2]) }, ended('COMPLETE')];
  assert.deepEqual(folded(decoded(frames)).choices[0]?.logprobs, expected);
  assert.equal(whole({ ...body, logprobs: [item('other', [-1])] }).choices[0]?.logprobs, undefined);
});

test('cohere: citations without an address, or of thinking, have no place', () => {
  const cited = (citation: Record<string, unknown>) =>
    whole({
      message: {
        content: [
          { type: 'thinking', thinking: 'abc' },
          { type: 'text', text: 'abc' },
        ],
        citations: [{ start: 0, end: 1, ...citation }],
      },
      finish_reason: 'COMPLETE',
    }).choices[0]?.annotations;
  const document = { url: 'https://a.example' };
  assert.equal(cited({ sources: [{ type: 'document', document: { id: 'doc:0' } }] }), undefined);
  assert.equal(cited({ sources: [{ type: 'document', document }], type: 'THINKING_CONTENT', content_index: 0 }), undefined);
  assert.equal(cited({ sources: [{ type: 'document', document: { url: 'javascript:alert(1)' } }] }), undefined);
  assert.deepEqual(cited({ sources: [{ type: 'document', document }] }), [
    { type: 'url_citation', url: 'https://a.example', title: 'https://a.example', start: 0, end: 1 },
  ]);
});

test('cohere: positions of citations count UTF-16 units of the whole text', () => {
  const sources = [{ type: 'document', document: { url: 'https://a.example', title: 'A' } }];
  const parts = [
    { type: 'text', text: '😀😀x' },
    { type: 'text', text: '😀😀 cited' },
  ];
  const citation = { start: 3, end: 8, text: 'cited', sources, content_index: 1 };
  const [choice] = whole({ message: { content: parts, citations: [citation] }, finish_reason: 'COMPLETE' }).choices;
  const [annotation] = choice?.annotations ?? [];
  assert.equal(textOf(choice?.blocks ?? []).slice(annotation?.start, annotation?.end), 'cited');
  const frames = [START, said('😀😀x', 0), said('😀😀 cited', 1), delta('citation-start', { citations: citation }), ended('COMPLETE')];
  assert.deepEqual(folded(decoded(frames)).choices[0]?.annotations, choice?.annotations);
});

test('cohere: text that begins with a think tag is reasoning where the row says so', () => {
  const { prepared } = sent({}, target({ thinkTags: true }));
  const body = { message: { content: [{ type: 'text', text: '<think>hm</think>\nYes' }] }, finish_reason: 'COMPLETE' };
  assert.deepEqual(whole(body, prepared).choices[0]?.blocks, [
    { type: 'reasoning', text: 'hm' },
    { type: 'text', text: 'Yes' },
  ]);
});

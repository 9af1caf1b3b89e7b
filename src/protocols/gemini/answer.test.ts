import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Block } from '../../core/chat.ts';
import { answered, chunk, failure, folded, gemini, prepare, streamed, vertex, whole } from './testing.ts';

const blocksOf = (parts: readonly unknown[]): readonly Block[] => whole(answered(parts)).choices[0]?.blocks ?? [];
const call = (name: string, args?: object, more: object = {}) => ({ functionCall: { name, ...(args ? { args } : {}), ...more } });
const ended = (parts: readonly unknown[] = [], more: object = {}) => answered(parts, { finishReason: 'STOP', ...more });

describe('gemini: answers', () => {
  test('carry our id and name for the model', () => {
    const { id, created, model } = whole(answered([{ text: 'a' }]));
    assert.deepEqual([id, created, model], ['chatcmpl-Abc123', 1_760_000_000, 'google/gemini-3.5-flash']);
  });

  test('thoughts are reasoning, and stand apart from the text', () => {
    assert.deepEqual(blocksOf([{ text: 'Hmm. ', thought: true }, { text: 'So.', thought: true }, { text: 'Yes.' }]), [
      { type: 'reasoning', text: 'Hmm. So.' },
      { type: 'text', text: 'Yes.' },
    ]);
  });

  test('calls without ids get some that are unique, calls with ids keep them', () => {
    const blocks = blocksOf([call('a', { x: 1 }), call('a'), call('b', {}, { id: 'g7' }), call('b', {}, { id: 'g7' })]);
    const calls = blocks.flatMap((block) => (block.type === 'tool_call' ? [[block.id, block.name, block.input]] : []));
    assert.deepEqual(calls, [
      ['call_Abc123_0_0', 'a', '{"x":1}'],
      ['call_Abc123_0_1', 'a', '{}'],
      ['g7', 'b', '{}'],
      ['call_Abc123_0_3', 'b', '{}'],
    ]);
  });

  test('what the provider ran, drew or fetched is kept for it alone', () => {
    const parts = [{ executableCode: { code: '1' } }, { inlineData: { mimeType: 'image/png', data: 'AA==' } }, { text: 'x' }, { odd: 1 }];
    const [code, image, text, ...rest] = blocksOf(parts);
    assert.deepEqual(code, { type: 'opaque', state: { owner: 'google', data: { part: parts[0], model: 'gemini-3.5-flash' } } });
    assert.equal(image?.type, 'opaque');
    assert.deepEqual(text, { type: 'text', text: 'x' });
    assert.deepEqual(rest, []);
    assert.deepEqual(blocksOf([{ inlineData: { mimeType: 'image/png', data: 'AA==' }, thought: true }]), []);
  });

  test('tools that the provider runs are no calls and no reason to wait for results', () => {
    const toolCall = { toolCall: { id: 't', toolType: 'GOOGLE_SEARCH_WEB', args: {} } };
    const { choices } = whole(answered([toolCall, { toolResponse: { id: 't', response: {} } }, { text: 'found' }]));
    assert.equal(choices[0]?.reason, 'stop');
    assert.deepEqual(
      choices[0]?.blocks.map(({ type }) => type),
      ['opaque', 'opaque', 'text'],
    );
  });

  test('speech is joined', () => {
    const sound = (data: string) => ({ inlineData: { mimeType: 'audio/L16;codec=pcm;rate=24000', data } });
    assert.deepEqual(folded([chunk([sound('AAAA')]), ended([sound('BBBB')])]).choices[0]?.blocks, [
      { type: 'speech', id: 'audio_Abc123_0', data: 'AAAABBBB', transcript: '', expiresAt: 0 },
    ]);
  });

  test('log probabilities stand with the text they spell', () => {
    const token = (text: string, logProbability: number) => ({ token: text, tokenId: 1, logProbability });
    const logprobsResult = {
      chosenCandidates: [token('Hé', -0.1), token('\ufffd', -0.2)],
      topCandidates: [{ candidates: [token('Hé', -0.1), token('Ho', -2)] }],
    };
    const { logprobs } = folded([chunk([{ text: 'a', thought: true }]), ended([{ text: 'Hé!' }], { logprobsResult })]).choices[0] ?? {};
    assert.deepEqual(logprobs, [
      {
        token: 'Hé',
        logprob: -0.1,
        bytes: [72, 195, 169],
        top: [
          { token: 'Hé', logprob: -0.1, bytes: [72, 195, 169] },
          { token: 'Ho', logprob: -2, bytes: [72, 111] },
        ],
      },
      { token: '\ufffd', logprob: -0.2, bytes: null, top: [] },
    ]);
  });

  test('several candidates are several choices, in whatever order they come', () => {
    const of = (index: number, text: string, finishReason?: string) => ({
      index,
      content: { parts: [{ text }] },
      ...(finishReason ? { finishReason } : {}),
    });
    const { choices } = folded([
      { candidates: [of(1, 'b1')] },
      { candidates: [of(0, 'a', 'STOP')] },
      { candidates: [of(1, 'b2', 'MAX_TOKENS')] },
    ]);
    assert.deepEqual(choices, [
      { blocks: [{ type: 'text', text: 'a' }], reason: 'stop' },
      { blocks: [{ type: 'text', text: 'b1b2' }], reason: 'length' },
    ]);
    assert.equal(failure(() => folded([{ candidates: [of(0, 'a', 'STOP'), of(1, 'b')] }])).kind, 'upstream');
    assert.equal(failure(() => folded([{ candidates: [of(1, 'b', 'STOP')] }])).kind, 'upstream');
  });
});

describe('gemini: usage', () => {
  const usageOf = (usageMetadata: object) => whole({ ...answered([]), usageMetadata }).usage;

  test('thoughts are part of the completion, and what tools put in is part of the prompt', () => {
    const counted = {
      promptTokenCount: 55,
      candidatesTokenCount: 51,
      toolUsePromptTokenCount: 89,
      thoughtsTokenCount: 56,
      cachedContentTokenCount: 40,
      totalTokenCount: 251,
      promptTokensDetails: [
        { modality: 'TEXT', tokenCount: 50 },
        { modality: 'AUDIO', tokenCount: 5 },
        { modality: 'IMAGE', tokenCount: 3 },
      ],
      candidatesTokensDetails: [
        { modality: 'AUDIO', tokenCount: 7 },
        { modality: 'IMAGE', tokenCount: 9 },
      ],
    };
    assert.deepEqual(usageOf(counted), {
      promptTokens: 144,
      completionTokens: 107,
      cachedTokens: 40,
      reasoningTokens: 56,
      promptAudioTokens: 5,
      completionAudioTokens: 7,
      promptImageTokens: 3,
      completionImageTokens: 9,
    });
  });

  test('none is none', () => {
    assert.equal(usageOf({ trafficType: 'ON_DEMAND' }), undefined);
  });

  test('of many counts in a stream the last is told, once, before the end', () => {
    const frames = [
      { ...chunk([{ text: 'a' }]), usageMetadata: { promptTokenCount: 1, totalTokenCount: 1 } },
      { ...ended([]), usageMetadata: { promptTokenCount: 1, candidatesTokenCount: 9, totalTokenCount: 10 } },
      { usageMetadata: { trafficType: 'ON_DEMAND' } },
    ];
    const tail = streamed(frames).slice(-2);
    assert.deepEqual(tail, [
      { type: 'usage', usage: { promptTokens: 1, completionTokens: 9, cachedTokens: 0, reasoningTokens: 0 } },
      { type: 'end' },
    ]);
  });

  test('the tier is told in the words of the contract', () => {
    const tier = (usageMetadata: object) => whole({ ...answered([]), usageMetadata }, { target: vertex() }).serviceTier;
    assert.equal(tier({ serviceTier: 'standard' }), 'default');
    assert.equal(tier({ serviceTier: 'flex' }), 'flex');
    assert.equal(tier({ trafficType: 'ON_DEMAND_PRIORITY' }), 'priority');
    assert.equal(tier({ trafficType: 'PROVISIONED_THROUGHPUT' }), 'scale');
    assert.equal(tier({ promptTokenCount: 1 }), undefined);
  });
});

describe('gemini: ends', () => {
  const reason = (finishReason: string, parts: readonly unknown[] = [{ text: 'a' }]) =>
    whole(answered(parts, { finishReason })).choices[0]?.reason;

  test('every reason has its word', () => {
    assert.equal(reason('STOP'), 'stop');
    assert.equal(reason('STOP', [call('f')]), 'tool_calls');
    assert.equal(reason('MAX_TOKENS', [call('f')]), 'length');
    for (const blocked of ['SAFETY', 'RECITATION', 'BLOCKLIST', 'PROHIBITED_CONTENT', 'SPII', 'IMAGE_SAFETY', 'LANGUAGE', 'OTHER']) {
      assert.equal(reason(blocked), 'content_filter', blocked);
    }
    assert.equal(reason('FUNCTION_CALL', [call('f')]), 'tool_calls');
    assert.equal(reason('SOMETHING_NEW'), 'stop');
  });

  test('a call that went wrong is a failure, in the provider’s words', () => {
    for (const finishReason of ['MALFORMED_FUNCTION_CALL', 'UNEXPECTED_TOOL_CALL', 'TOO_MANY_TOOL_CALLS', 'MALFORMED_RESPONSE']) {
      assert.equal(failure(() => whole(answered([], { finishReason }))).kind, 'upstream');
    }
    const finishMessage = 'Malformed function call: print(f(';
    const events = streamed([
      answered([{ text: 'a' }], { finishReason: 'MALFORMED_FUNCTION_CALL', finishMessage }),
      ended([{ text: 'b' }]),
    ]);
    const last = events.at(-1);
    assert.ok(last?.type === 'error');
    assert.equal(last.error.message, 'Malformed function call: print(f( (MALFORMED_FUNCTION_CALL)');
    assert.ok(last.error.retryable);
  });

  test('a signature that was missing is the request’s fault', () => {
    const error = failure(() => whole(answered([], { finishReason: 'MISSING_THOUGHT_SIGNATURE' })));
    assert.deepEqual([error.status, error.code, error.param, error.retryable], [400, 'MISSING_THOUGHT_SIGNATURE', 'messages', false]);
  });

  test('a prompt that is refused is an answer that says so', () => {
    const body = { promptFeedback: { blockReason: 'PROHIBITED_CONTENT' }, usageMetadata: { promptTokenCount: 9, totalTokenCount: 9 } };
    const expected = [{ blocks: [], reason: 'content_filter' }];
    assert.deepEqual(whole(body).choices, expected);
    assert.deepEqual(folded([body]).choices, expected);
    assert.equal(whole(body).usage?.promptTokens, 9);
    const explained = { promptFeedback: { blockReason: 'MODEL_ARMOR', blockReasonMessage: 'Blocked by policy.' } };
    assert.deepEqual(whole(explained).choices, [{ blocks: [{ type: 'refusal', text: 'Blocked by policy.' }], reason: 'content_filter' }]);
  });

  test('a candidate that was withheld says why where the provider does', () => {
    const { choices } = whole(answered([], { finishReason: 'SAFETY', finishMessage: 'Unsafe.' }));
    assert.deepEqual(choices, [{ blocks: [{ type: 'refusal', text: 'Unsafe.' }], reason: 'content_filter' }]);
    assert.deepEqual(whole(answered([{ text: 'a' }], { finishReason: 'SAFETY', finishMessage: 'Unsafe.' })).choices[0]?.blocks, [
      { type: 'text', text: 'a' },
    ]);
  });

  test('a body that is no answer is a failure', () => {
    for (const body of [{}, null, 7, [], { candidates: [] }, { candidates: [{ content: { parts: [{ text: 'a' }] } }] }]) {
      assert.equal(failure(() => whole(body)).kind, 'upstream');
    }
    assert.equal(failure(() => whole({ error: { code: 429, message: 'Slow.', status: 'RESOURCE_EXHAUSTED' } })).status, 429);
  });
});

describe('gemini: streams', () => {
  test('a signature at the end of a text is its state; what comes after is another text', () => {
    const { choices } = folded([chunk([{ text: 'a' }]), chunk([{ text: '', thoughtSignature: 's' }]), ended([{ text: 'b' }])]);
    assert.deepEqual(choices[0]?.blocks, [
      { type: 'text', text: 'a', state: { owner: 'google', data: { signature: 's', model: 'gemini-3.5-flash' } } },
      { type: 'text', text: 'b' },
    ]);
  });

  test('a signature behind a call is kept in a text of its own', () => {
    const { choices } = folded([chunk([call('f')]), ended([{ text: '', thoughtSignature: 's' }])]);
    assert.deepEqual(
      choices[0]?.blocks.map(({ type }) => type),
      ['tool_call', 'text'],
    );
    assert.equal(choices[0]?.reason, 'tool_calls');
  });

  test('calls in pieces end with an empty call, with the last piece, with the next call, or with the stream', () => {
    const piece = (jsonPath: string, stringValue: string, willContinue: boolean) => ({
      functionCall: {
        partialArgs: [{ jsonPath, stringValue, ...(willContinue ? { willContinue } : {}) }],
        ...(willContinue ? { willContinue } : {}),
      },
    });
    const begun = (name: string) => call(name, undefined, { willContinue: true });
    const parts = [
      begun('a'),
      piece('$.x', 'A', true),
      { functionCall: {} },
      begun('b'),
      piece('$.x', 'B', false),
      begun('c'),
      piece('$.x', 'C', true),
      begun('d'),
      piece('$.x', 'D', true),
    ];
    const { choices } = folded([...parts.map((part) => chunk([part])), ended([])]);
    const inputs = choices[0]?.blocks.flatMap((block) => (block.type === 'tool_call' ? [`${block.name} ${block.input}`] : []));
    assert.deepEqual(inputs, ['a {"x":"A"}', 'b {"x":"B"}', 'c {"x":"C"}', 'd {"x":"D"}']);
  });

  test('a call that a limit cut off is not made whole', () => {
    const cut = chunk([
      call('a', undefined, { willContinue: true, partialArgs: [{ jsonPath: '$.x', stringValue: 'A', willContinue: true }] }),
    ]);
    const { choices } = folded([cut, answered([], { finishReason: 'MAX_TOKENS' })]);
    const [block] = choices[0]?.blocks ?? [];
    assert.ok(block?.type === 'tool_call');
    assert.deepEqual([block.input, choices[0]?.reason], ['{"x":"A', 'length']);
  });

  test('a reason in every chunk ends nothing before the end', () => {
    const { choices } = folded([ended([{ text: 'a' }]), ended([{ text: 'b' }]), answered([{ text: 'c' }], { finishReason: 'MAX_TOKENS' })]);
    assert.deepEqual(choices[0], { blocks: [{ type: 'text', text: 'abc' }], reason: 'length' });
  });

  test('a stream without a reason to end is a failure, an empty one too', () => {
    for (const frames of [[], [chunk([{ text: 'a' }])], [{ usageMetadata: { promptTokenCount: 1 } }]]) {
      const last = streamed(frames).at(-1);
      assert.ok(last?.type === 'error');
      assert.equal(last.error.kind, 'upstream');
    }
  });

  test('errors come as a frame or in an array, and nothing comes after them', () => {
    const error = { error: { code: 503, message: 'Overloaded.', status: 'UNAVAILABLE' } };
    for (const frame of [error, [error]]) {
      const events = streamed([chunk([{ text: 'a' }]), frame, ended([{ text: 'b' }])]);
      const last = events.at(-1);
      assert.ok(last?.type === 'error');
      assert.deepEqual([last.error.kind, last.error.message], ['overloaded', 'Overloaded.']);
      assert.equal(events.filter(({ type }) => type === 'error').length, 1);
    }
    const byStatus = streamed([{ error: { message: 'Slow.', status: 'RESOURCE_EXHAUSTED' } }]).at(-1);
    assert.ok(byStatus?.type === 'error');
    assert.equal(byStatus.error.status, 429);
  });

  test('a frame that is no JSON is a failure; empty and unknown ones are passed over', () => {
    const events = streamed([chunk([{ text: 'a' }]), '{"cand', ended([{ text: 'b' }])]);
    assert.equal(events.at(-1)?.type, 'error');
    assert.equal(events.filter(({ type }) => type === 'error').length, 1);
    assert.deepEqual(folded(['', '[DONE]', { modelStatus: {} }, 7, ended([{ text: 'a' }])]).choices[0]?.blocks, [
      { type: 'text', text: 'a' },
    ]);
    const odd = [{ candidates: [null, 7] }, { candidates: { 0: 1 } }, { candidates: [{ content: 'x', index: -1 }] }];
    assert.deepEqual(folded([...odd, ended([{ text: 'a' }])]).choices[0]?.blocks, [{ type: 'text', text: 'a' }]);
  });

  test('a character is never split, whatever the provider does', () => {
    const deltas = streamed([chunk([{ text: 'a\ud83d' }]), chunk([{ text: '\udc4b' }]), ended([{ text: 'b\ud83d' }])]);
    const texts = deltas.flatMap((event) => (event.type === 'block_delta' ? [event.text] : []));
    assert.deepEqual(texts, ['a', '\ud83d\udc4b', 'b', '\ufffd']);
  });

  test('each decoder is a stream of its own', () => {
    const prepared = prepare({ stream: true }, gemini());
    const [one, two] = [prepared.decoder(), prepared.decoder()];
    const push = (decoder: typeof one, body: unknown) => decoder.push({ event: '', data: JSON.stringify(body) }).events.length;
    assert.equal(push(one, ended([{ text: 'a' }])), push(two, ended([{ text: 'a' }])));
    assert.equal(one.end().events.at(-1)?.type, 'end');
    assert.equal(two.end().events.at(-1)?.type, 'end');
  });
});

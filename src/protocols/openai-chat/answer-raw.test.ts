import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HEAD, chunk, ended, feed, prepare, targetOf, whole } from '../../../test/support/chat-wire.ts';
import type { Feeding } from '../../../test/support/chat-wire.ts';
import { accept } from '../../../test/support/openai-chat.ts';
import { openaiChatWire } from './call.ts';

const faithful = { faithful: true } as const;
const rawsOf = (chunks: readonly unknown[], feeding: Feeding = {}) => feed(chunks, { quirks: faithful, ...feeding }).map(({ raw }) => raw);
const usage = { prompt_tokens: 1, completion_tokens: 2, total_tokens: 3 };
const last = { id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1, model: 'theirs', choices: [], usage };
const asked = { stream_options: { include_usage: true } };

test('openai-chat: frames of a faithful provider pass with our name of the model and nothing else changed', () => {
  const odd =
    '{"id":"chatcmpl-1",  "model" : "theirs","choices":[{"index":0,"delta":{"content":"\\u00e9\\/"},"finish_reason":null}],"obfuscation":"x"}';
  const exact =
    '{"id":"chatcmpl-1","object":"chat.completion.chunk","model":"theirs","choices":[{"index":0,"delta":{"content":"\\u00e9 \\"model\\":\\"theirs\\""},"finish_reason":null}]}';
  const [first, second] = rawsOf([odd, exact, ended()]);
  assert.deepEqual(JSON.parse(first?.slice('data: '.length) ?? ''), { ...JSON.parse(odd), model: 'prov/theirs' });
  assert.equal(second, `data: ${exact.replace('"theirs"', '"prov/theirs"')}\n\n`);
});

test('openai-chat: a model in another object of a frame keeps its name', () => {
  const nested = {
    id: 'x',
    meta: { model: 'theirs' },
    model: 'theirs',
    choices: [{ index: 0, delta: { content: 'a' }, finish_reason: null }],
  };
  const [raw] = rawsOf([nested, ended()]);
  assert.deepEqual(JSON.parse(raw?.slice('data: '.length) ?? ''), { ...nested, model: 'prov/theirs' });
});

test('openai-chat: usage that the client did not ask for does not pass, wherever it stands', () => {
  assert.deepEqual(rawsOf([chunk({ content: 'a' }), ended(), last]).slice(2), ['', 'data: [DONE]\n\n', undefined]);
  assert.match(rawsOf([chunk({ content: 'a' }), ended(), last], { request: asked })[2] ?? '', /"total_tokens":3/);
  const beside = rawsOf([chunk({ content: 'a' }, { usage }), ended()])[0] ?? '';
  assert.match(beside, /"content":"a"/);
  assert.doesNotMatch(beside, /usage/);
});

test('openai-chat: a frame without choices or usage does not pass', () => {
  assert.equal(rawsOf([{ id: '', choices: [], prompt_filter_results: [] }, chunk({ content: 'a' }), ended()])[0], '');
});

test('openai-chat: a frame with an error never passes, nor what comes after it', () => {
  const raws = rawsOf([chunk({ content: 'a' }), { error: { message: 'x' } }, chunk({ content: 'b' }), ended()]);
  assert.deepEqual(raws.slice(1), [undefined, undefined, undefined, undefined, undefined]);
});

test('openai-chat: [DONE] of a stream that has not finished does not pass', () => {
  const batches = feed([chunk({ content: 'a' })], { quirks: faithful });
  assert.deepEqual(
    batches.map(({ raw }) => raw === undefined),
    [false, true, true],
  );
  assert.equal(batches[1]?.events[0]?.type, 'error');
});

test('openai-chat: events are read from frames that pass', () => {
  const [batch] = feed([chunk({ content: 'a' }), ended()], { quirks: faithful });
  assert.deepEqual(
    batch?.events.map(({ type }) => type),
    ['start', 'block_start', 'block_delta'],
  );
});

test('openai-chat: nothing passes where something has to be done to the answer', () => {
  const passes = (request: ReturnType<typeof accept>, quirks = {}) =>
    prepare(request, { ...faithful, ...quirks })
      .decoder()
      .push({ event: '', data: JSON.stringify(chunk({ content: 'a' })) }).raw;
  assert.notEqual(passes(accept({ stream: true })), undefined);
  assert.notEqual(passes(accept({ stream: true, n: 2 })), undefined);
  assert.equal(passes({ ...accept({ stream: true, n: 2 }), n: 1 }), undefined);
  assert.equal(passes(accept({ stream: true, functions: [{ name: 'f' }] })), undefined);
  assert.equal(passes(accept({ stream: true, stop: ['a', 'b'] }), { stopStrings: 1 }), undefined);
  assert.equal(passes(accept({ stream: true }), { thinkTags: true }), undefined);
});

test('openai-chat: a whole answer of a faithful provider passes, an error in its place does not', () => {
  const body = whole({ role: 'assistant', content: 'a', refusal: null, unheard: 'of' }, { usage });
  const { raw, response } = prepare(accept(), faithful).response(body);
  assert.deepEqual(JSON.parse(raw ?? ''), { ...body, model: 'prov/theirs' });
  assert.equal(response.usage?.completionTokens, 2);
  assert.throws(() => prepare(accept(), faithful).response({ error: { message: 'x' } }));
  assert.equal(prepare(accept()).response(body).raw, undefined);
});

test('openai-chat: state in what passes is the state of the provider that it comes from', () => {
  const theirs = { owner: 'anthropic', blocks: [{ type: 'reasoning', data: 's' }] };
  const quirks = { ...faithful, providerState: true };
  const ours = { owner: 'prov', blocks: [{ type: 'opaque', data: { provider_state: theirs } }] };
  const body = whole({ role: 'assistant', content: 'a', refusal: null, provider_state: theirs });
  const { raw } = openaiChatWire.prepare(accept(), targetOf(quirks), HEAD).response(body);
  assert.deepEqual(JSON.parse(raw ?? '').choices[0].message.provider_state, ours);
  const [frame] = rawsOf([chunk({ provider_state: theirs }), ended()], { quirks });
  assert.deepEqual(JSON.parse(frame?.slice('data: '.length) ?? '').choices[0].delta.provider_state, ours);
});

test('openai-chat: a chunk of a faithful provider without usage says so to who asked for it, and to nobody else', () => {
  const bare = '{"id":"x","model":"theirs","choices":[{"index":0,"delta":{"content":"a"},"finish_reason":null}]}';
  const [told] = rawsOf([bare, ended(), last], { request: asked });
  assert.equal(told, `data: ${bare.replace('theirs', 'prov/theirs').slice(0, -1)},"usage":null}\n\n`);
  const known = '{"id":"x","model":"theirs","choices":[{"index":0,"delta":{"content":"a"},"finish_reason":null}],"usage":null}';
  assert.equal(rawsOf([known, ended(), last], { request: asked })[0], `data: ${known.replace('theirs', 'prov/theirs')}\n\n`);
  assert.doesNotMatch(rawsOf([bare, ended()])[0] ?? '', /usage/);
});

test('openai-chat: a body of a faithful provider that leaves out what the contract has is written anew', () => {
  const answered = (message: object) => prepare(accept(), faithful).response(whole({ role: 'assistant', ...message })).raw;
  assert.notEqual(answered({ content: 'a', refusal: null }), undefined);
  assert.equal(answered({ content: null, audio: { id: 'a', data: '', transcript: 'b', expires_at: 1 } }), undefined);
  assert.equal(answered({ refusal: null }), undefined);
});

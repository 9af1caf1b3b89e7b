import assert from 'node:assert/strict';
import { test } from 'node:test';
import { wholeText } from '../../core/json-pieces.ts';
import { sent, HEAD, prepare, targetOf } from '../../../test/support/chat-wire.ts';
import { accept } from '../../../test/support/openai-chat.ts';
import { openaiChatWire } from './call.ts';
import type { OpenAIChatQuirks } from './quirks.ts';

const urlFor = (quirks: OpenAIChatQuirks, baseUrl = 'https://api.example/v1', upstreamModel = 'theirs'): string =>
  openaiChatWire.prepare(accept(), targetOf(quirks, { baseUrl, upstreamModel }), HEAD).call.url;

test('openai-chat: a request goes to the path of chat completions', () => {
  assert.equal(urlFor({}), 'https://api.example/v1/chat/completions');
});

test("openai-chat: Azure's older path names the deployment and the version of the API", () => {
  const quirks = { path: '/deployments/{model}/chat/completions', query: { 'api-version': '2024-10-21' } };
  const url = 'https://r.openai.azure.com/openai/deployments/my%2Fgpt%204/chat/completions?api-version=2024-10-21';
  assert.equal(urlFor(quirks, 'https://r.openai.azure.com/openai', 'my/gpt 4'), url);
});

test('openai-chat: a query of the base URL stays behind the path', () => {
  assert.equal(
    urlFor({}, 'https://r.openai.azure.com/openai/v1?api-version=preview'),
    'https://r.openai.azure.com/openai/v1/chat/completions?api-version=preview',
  );
});

test('openai-chat: the model is called what the provider calls it', () => {
  assert.equal(sent({}).body['model'], 'theirs');
});

test('openai-chat: fields that nobody knows go through untouched, fields that are null do not', () => {
  const { body, ignored } = sent({ top_k: 40, guided: { regex: null }, temperature: null, user: null });
  assert.deepEqual(body, { model: 'theirs', messages: [{ role: 'user', content: 'Say hello.' }], top_k: 40, guided: { regex: null } });
  assert.deepEqual(ignored, []);
});

test('openai-chat: usage is asked for in every stream, beside what the client says of it', () => {
  assert.deepEqual(sent({ stream: true }).body['stream_options'], { include_usage: true });
  const asked = sent({ stream: true, stream_options: { include_usage: false, include_obfuscation: true } });
  assert.deepEqual(asked.body['stream_options'], { include_usage: true, include_obfuscation: true });
});

test('openai-chat: a provider without stream_options is sent none', () => {
  const { body, ignored } = sent({ stream: true, stream_options: { include_usage: true } }, { streamOptions: false });
  assert.deepEqual([body['stream'], 'stream_options' in body, ignored], [true, false, []]);
});

test('openai-chat: padding of the stream is switched off unless the client wants it', () => {
  assert.deepEqual(sent({ stream: true }, { pads: true }).body['stream_options'], { include_obfuscation: false, include_usage: true });
  const wanted = sent({ stream: true, stream_options: { include_obfuscation: true } }, { pads: true });
  assert.deepEqual(wanted.body['stream_options'], { include_obfuscation: true, include_usage: true });
});

test('openai-chat: n is the number that is asked for now, not the one in the body', () => {
  const one = { ...accept({ n: 3 }), n: 1 };
  assert.equal('n' in JSON.parse(wholeText(prepare(one).call.body)), false);
  assert.equal(sent({ n: 3 }).body['n'], 3);
});

test('openai-chat: a limit keeps its spelling, and the newer one wins where both are given', () => {
  assert.equal(sent({ max_tokens: 5 }).body['max_tokens'], 5);
  const { body } = sent({ max_tokens: 5, max_completion_tokens: 9 });
  assert.deepEqual([body['max_completion_tokens'], 'max_tokens' in body], [9, false]);
});

test('openai-chat: a limit is spelled as the provider knows it', () => {
  assert.equal(sent({ max_completion_tokens: 5 }, { maxTokens: 'max_tokens' }).body['max_tokens'], 5);
  const { body } = sent({ max_tokens: 5 }, { maxTokens: 'max_completion_tokens' });
  assert.deepEqual([body['max_completion_tokens'], 'max_tokens' in body], [5, false]);
});

test('openai-chat: refused fields are left out and named, those that ask for nothing are only left out', () => {
  const refuses = ['seed', 'logit_bias', 'frequency_penalty', 'logprobs', 'top_logprobs', 'parallel_tool_calls', 'user', 'store'];
  const asks = { seed: 1, logit_bias: { 5: 1 }, frequency_penalty: 1, logprobs: true, top_logprobs: 2, user: 'u', store: true };
  const some = sent(asks, { refuses });
  assert.deepEqual(some.ignored.toSorted(), ['frequency_penalty', 'logit_bias', 'logprobs', 'seed', 'store', 'top_logprobs']);
  assert.deepEqual(Object.keys(some.body), ['model', 'messages']);
  const idle = { logit_bias: {}, frequency_penalty: 0, logprobs: false, parallel_tool_calls: true, store: false };
  assert.deepEqual(sent(idle, { refuses }).ignored, []);
});

test('openai-chat: a provider that refuses unknown fields is sent the ones it knows', () => {
  const { body, ignored } = sent(
    { temperature: 0.5, top_k: 3, seed: 1, stream: true },
    { accepts: ['temperature', 'seed'], renames: { seed: 'random_seed' } },
  );
  assert.deepEqual(ignored, ['top_k']);
  assert.deepEqual([body['temperature'], body['random_seed'], 'seed' in body, body['stream']], [0.5, 1, false, true]);
});

test('openai-chat: a limit that a provider does not take is named as the client wrote it', () => {
  assert.deepEqual(sent({ max_completion_tokens: 5 }, { maxTokens: 'max_tokens', accepts: [] }).ignored, ['max_completion_tokens']);
});

test('openai-chat: numbers beyond the range are moved to its end and reported', () => {
  const ranges = { temperature: { max: 1 }, top_p: { min: 0.01, max: 0.99 } };
  const { body, ignored } = sent({ temperature: 1.7, top_p: 0 }, { ranges });
  assert.deepEqual([body['temperature'], body['top_p']], [1, 0.01]);
  assert.deepEqual(ignored, ['temperature', 'top_p']);
  assert.deepEqual(sent({ temperature: 0.7 }, { ranges }).ignored, []);
});

test('openai-chat: values that a provider does not take are left out', () => {
  const values = { service_tier: ['auto', 'flex'] };
  assert.deepEqual(sent({ service_tier: 'priority' }, { values }).ignored, ['service_tier']);
  assert.equal(sent({ service_tier: 'flex' }, { values }).body['service_tier'], 'flex');
  const standard = sent({ service_tier: 'default' }, { values });
  assert.deepEqual(['service_tier' in standard.body, standard.ignored], [false, []]);
});

test('openai-chat: fields of the row are added where the client has none of that name', () => {
  const defaults = { reasoning_format: 'parsed', temperature: 0.1 };
  const { body } = sent({ temperature: 0.9 }, { defaults });
  assert.deepEqual([body['reasoning_format'], body['temperature']], ['parsed', 0.9]);
});

test('openai-chat: stop strings for which there is no room are ours to stop at', () => {
  const some = sent({ stop: ['a', 'b', 'c'] }, { stopStrings: 2 });
  assert.deepEqual([some.body['stop'], some.steps, some.ignored], [['a', 'b'], 1, []]);
  const none = sent({ stop: 'a' }, { stopStrings: 0 });
  assert.deepEqual(['stop' in none.body, none.steps], [false, 1]);
  const all = sent({ stop: 'a' });
  assert.deepEqual([all.body['stop'], all.steps], ['a', 0]);
});

test('openai-chat: levels of reasoning are written in the words of the provider', () => {
  const efforts = {
    none: { thinking: { type: 'disabled' } },
    high: { thinking: { type: 'enabled' }, reasoning_effort: 'high' },
  };
  assert.deepEqual(sent({ reasoning_effort: 'none' }, { efforts }).body['thinking'], { type: 'disabled' });
  const high = sent({ reasoning_effort: 'high', thinking: { budget: 5 } }, { efforts });
  assert.deepEqual([high.body['thinking'], high.body['reasoning_effort']], [{ type: 'enabled', budget: 5 }, 'high']);
  const low = sent({ reasoning_effort: 'low' }, { efforts });
  assert.deepEqual(['reasoning_effort' in low.body, low.ignored], [false, ['reasoning_effort']]);
});

test('openai-chat: what a level writes is sent also where only listed fields are', () => {
  const quirks = { efforts: { low: { thinking_budget: 1024 } }, accepts: ['temperature'] };
  assert.equal(sent({ reasoning_effort: 'low' }, quirks).body['thinking_budget'], 1024);
});

test('openai-chat: a model that is known not to reason is not asked to', () => {
  const request = (effort: string) =>
    openaiChatWire.prepare(accept({ reasoning_effort: effort }), targetOf({}, { facts: { reasoning: false } }), HEAD);
  assert.deepEqual(request('low').ignored, ['reasoning_effort']);
  assert.deepEqual(request('none').ignored, []);
  assert.equal('reasoning_effort' in JSON.parse(wholeText(request('low').call.body)), false);
});

test("openai-chat: several choices and image URLs are the row's to deny", () => {
  assert.deepEqual([openaiChatWire.severalChoices(targetOf()), openaiChatWire.imageUrls(targetOf())], [true, true]);
  const denies = targetOf({ severalChoices: false, imageUrls: false });
  assert.deepEqual([openaiChatWire.severalChoices(denies), openaiChatWire.imageUrls(denies)], [false, false]);
});

test('openai-chat: unknown fields may have the names that every object knows', () => {
  const quirks = { accepts: ['temperature'] };
  const more = JSON.parse('{"constructor":1,"toString":"x","__proto__":{"a":1},"temperature":0.5}');
  const { body, ignored } = sent(more, quirks);
  assert.deepEqual(Object.keys(body).toSorted(), ['messages', 'model', 'temperature']);
  assert.deepEqual(ignored.toSorted(), ['__proto__', 'constructor', 'toString']);
  const renamed = sent(JSON.parse('{"constructor":1,"seed":5,"__proto__":{"a":1}}'), { renames: { seed: 'random_seed' } }).body;
  assert.deepEqual(Object.keys(renamed), ['model', 'messages', 'constructor', 'random_seed', '__proto__']);
});

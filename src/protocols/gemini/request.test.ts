import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { geminiWire } from './call.ts';
import { clock, failure, gemini, ignored, prepare, say, sent, vertex } from './testing.ts';
import type { Body, Target } from './testing.ts';

const config = (body: Body, target?: Target) => sent(body, target).generationConfig ?? {};
const old = gemini('gemini-2.0-flash');

describe('gemini: where a request goes', () => {
  const url = (target: Target, stream = false) => prepare({ stream }, target).call.url;

  test('the Gemini API', () => {
    assert.equal(url(gemini('gemini-3.5-flash')), 'https://google.test/v1beta/models/gemini-3.5-flash:generateContent');
    assert.equal(url(gemini('gemini-3.5-flash'), true), 'https://google.test/v1beta/models/gemini-3.5-flash:streamGenerateContent?alt=sse');
    assert.equal(url(gemini('models/x')), 'https://google.test/v1beta/models/x:generateContent');
    assert.equal(url(gemini('tunedModels/x')), 'https://google.test/v1beta/tunedModels/x:generateContent');
  });

  test('Vertex AI', () => {
    const base = 'https://eu-aiplatform.test/v1/projects/p/locations/eu';
    assert.equal(url(vertex('gemini-3.5-flash')), `${base}/publishers/google/models/gemini-3.5-flash:generateContent`);
    assert.equal(url(vertex('endpoints/123'), true), `${base}/endpoints/123:streamGenerateContent?alt=sse`);
  });

  test('a name of a model cannot leave its place in the path', () => {
    assert.equal(url(gemini('a?b#c')), 'https://google.test/v1beta/models/a%3Fb%23c:generateContent');
  });
});

describe('gemini: settings', () => {
  test('have names of their own', () => {
    const body = { temperature: 0.2, top_p: 0.9, max_completion_tokens: 50, seed: 7, stop: ['a', 'b'], n: 1 };
    const expected = { temperature: 0.2, topP: 0.9, maxOutputTokens: 50, seed: 7, stopSequences: ['a', 'b'] };
    assert.deepEqual(config(body, old), expected);
    assert.deepEqual(ignored(body, old), []);
    assert.equal(config({ seed: 2 ** 40 + 5 })['seed'], 5);
    assert.equal(config({ n: 3 }, vertex('gemini-2.5-flash', { severalChoices: true }))['candidateCount'], 3);
  });

  test('what asks for nothing is neither sent nor ignored', () => {
    const body = { presence_penalty: 0, frequency_penalty: 0, logprobs: false, logit_bias: {}, verbosity: 'medium', service_tier: 'auto' };
    assert.deepEqual(ignored(body), []);
    assert.equal(sent(body, old).generationConfig, undefined);
  });

  test('penalties and log probabilities go where they are taken', () => {
    const body = { presence_penalty: 1, frequency_penalty: -1, logprobs: true, top_logprobs: 5 };
    const expected = { presencePenalty: 1, frequencyPenalty: -1, responseLogprobs: true, logprobs: 5 };
    assert.deepEqual(config(body, old), expected);
    assert.deepEqual(config(body, vertex('gemini-2.5-pro')), { ...expected, thinkingConfig: { includeThoughts: true } });
    const paths = ['presence_penalty', 'frequency_penalty', 'logprobs', 'top_logprobs'];
    for (const target of [gemini('gemini-2.5-pro'), gemini(), vertex()]) {
      assert.deepEqual(ignored(body, target), paths);
      assert.deepEqual(Object.keys(config(body, target)), ['thinkingConfig']);
    }
    assert.deepEqual(ignored(body, gemini('gemini-3.5-flash', { quirks: { penalties: true, logprobs: true } })), []);
  });

  test('what has no form is named', () => {
    const messages = [{ role: 'user', name: 'ann', content: 'hi' }];
    const body = { messages, logit_bias: { 1: 5 }, verbosity: 'low', prediction: { type: 'content', content: 'x' }, unknown_field: 1 };
    assert.deepEqual(ignored(body).toSorted(), ['logit_bias', 'messages[0].name', 'prediction', 'unknown_field', 'verbosity']);
  });

  test('the name of a tool message is its call’s', () => {
    const calls = [{ id: 'c', type: 'function', function: { name: 'get_time', arguments: '{}' } }];
    const after = (name: string) => [
      ...say,
      { role: 'assistant', tool_calls: calls },
      { role: 'tool', tool_call_id: 'c', name, content: '1' },
    ];
    assert.deepEqual(ignored({ messages: after('get_time'), tools: [clock] }), []);
    assert.deepEqual(ignored({ messages: after('other'), tools: [clock] }), ['messages[2].name']);
  });

  test('tiers are a field of the Gemini API and a header of Vertex AI', () => {
    assert.equal(sent({ service_tier: 'flex' })['serviceTier'], 'flex');
    assert.equal(prepare({ service_tier: 'priority' }, vertex()).call.headers['x-vertex-ai-llm-shared-request-type'], 'priority');
    assert.deepEqual(ignored({ service_tier: 'flex' }), []);
    assert.deepEqual(ignored({ service_tier: 'scale' }), ['service_tier']);
  });

  test('metadata are labels of Vertex AI, as far as they are fit for it', () => {
    const body = { metadata: { team: 'blue', Where: 'x', note: 'Not fit' } };
    assert.deepEqual(sent(body, vertex())['labels'], { team: 'blue' });
    assert.deepEqual(ignored(body, vertex()), ['metadata.Where', 'metadata.note']);
    assert.equal(sent(body)['labels'], undefined);
    assert.deepEqual(ignored(body), ['metadata']);
  });

  test('the detail of images is one for all', () => {
    const images = (...details: string[]) => {
      const content = details.map((detail) => ({ type: 'image_url', image_url: { url: 'data:image/png;base64,AA==', detail } }));
      return { messages: [{ role: 'user', content }] };
    };
    assert.equal(config(images('low', 'low'))['mediaResolution'], 'MEDIA_RESOLUTION_LOW');
    assert.equal(config(images('high'))['mediaResolution'], 'MEDIA_RESOLUTION_HIGH');
    assert.equal(config(images('auto'))['mediaResolution'], undefined);
    assert.deepEqual(ignored(images('low', 'auto')), ['messages[0].content[0].image_url.detail']);
  });

  test('speech is made of samples', () => {
    const audio = { modalities: ['text', 'audio'], audio: { voice: 'Kore', format: 'pcm16' } };
    const { responseModalities, speechConfig } = config(audio, gemini('gemini-2.5-flash-preview-tts'));
    assert.deepEqual(responseModalities, ['AUDIO']);
    assert.deepEqual(speechConfig, { voiceConfig: { prebuiltVoiceConfig: { voiceName: 'Kore' } } });
    assert.deepEqual(ignored(audio), []);
    const error = failure(() => prepare({ ...audio, audio: { voice: 'Kore', format: 'mp3' } }));
    assert.deepEqual([error.status, error.code, error.param], [400, 'unsupported_value', 'audio.format']);
  });
});

describe('gemini: thinking', () => {
  const thinking = (model: string, effort?: string) => config(effort ? { reasoning_effort: effort } : {}, gemini(model))['thinkingConfig'];
  const budget = (thinkingBudget: number) => ({ thinkingBudget, includeThoughts: true });
  const level = (thinkingLevel: string) => ({ thinkingLevel, includeThoughts: true });

  test('thoughts are asked for where the model has some by itself', () => {
    assert.deepEqual(thinking('gemini-2.5-flash'), { includeThoughts: true });
    assert.deepEqual(thinking('gemini-3.5-flash'), { includeThoughts: true });
    for (const model of ['gemini-2.5-flash-lite', 'gemini-2.0-flash', 'gemma-3-27b-it', 'gemini-2.5-flash-image']) {
      assert.equal(thinking(model), undefined);
    }
  });

  test('Gemini 2.5 has budgets', () => {
    const efforts = ['minimal', 'low', 'medium', 'high', 'xhigh'];
    const flash = efforts.map((effort) => thinking('gemini-2.5-flash', effort));
    assert.deepEqual(flash, [512, 1024, 8192, 24_576, 24_576].map(budget));
    assert.deepEqual(thinking('gemini-2.5-pro', 'max'), budget(32_768));
    assert.deepEqual(thinking('gemini-2.5-flash', 'none'), { thinkingBudget: 0 });
    assert.deepEqual(thinking('gemini-2.5-pro', 'none'), budget(128));
  });

  test('Gemini 3 has levels, not all models all of them', () => {
    const efforts = ['minimal', 'low', 'medium', 'high', 'max'];
    const levels = (model: string) => efforts.map((effort) => (thinking(model, effort) as { thinkingLevel: string }).thinkingLevel);
    assert.deepEqual(levels('gemini-3-flash-preview'), ['minimal', 'low', 'medium', 'high', 'high']);
    assert.deepEqual(levels('gemini-3.7-flash'), ['low', 'low', 'medium', 'high', 'high']);
    assert.deepEqual(levels('gemini-3.7-flash-lite'), ['minimal', 'low', 'medium', 'high', 'high']);
    assert.deepEqual(levels('gemini-3.1-pro-preview'), ['low', 'low', 'medium', 'high', 'high']);
    assert.deepEqual(levels('gemini-3-pro-preview'), ['low', 'low', 'high', 'high', 'high']);
    assert.deepEqual(thinking('gemini-3-flash-preview', 'none'), level('minimal'));
  });

  test('an effort without effect is named', () => {
    const named = (model: string, effort: string) => ignored({ reasoning_effort: effort }, gemini(model));
    assert.deepEqual(named('gemini-2.0-flash', 'high'), ['reasoning_effort']);
    assert.deepEqual(named('gemini-2.0-flash', 'none'), []);
    assert.deepEqual(named('gemini-2.5-pro', 'none'), ['reasoning_effort']);
    assert.deepEqual(named('gemini-3.1-pro-preview', 'none'), ['reasoning_effort']);
    assert.deepEqual(named('gemini-2.5-flash', 'none'), []);
  });

  test('rows and facts say it where the name does not', () => {
    assert.deepEqual(config({ reasoning_effort: 'low' }, vertex('endpoints/1', { thinking: 'budget' }))['thinkingConfig'], budget(1024));
    assert.equal(config({}, gemini('gemini-3.5-flash', { facts: { reasoning: false } }))['thinkingConfig'], undefined);
  });
});

test('gemini: what the caller does in place of the provider depends on place and model', () => {
  assert.deepEqual(
    [gemini(), vertex(), gemini('m', { quirks: { severalChoices: true } })].map((target) => geminiWire.severalChoices(target)),
    [false, false, true],
  );
  assert.deepEqual(
    [gemini(), gemini('gemini-2.0-flash'), vertex(), vertex('x', { imageUrls: true })].map((target) => geminiWire.imageUrls(target)),
    [true, false, false, true],
  );
});

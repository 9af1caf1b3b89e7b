import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chunk, ended, eventsOf, feed, folded, read, text, whole } from '../../../test/support/chat-wire.ts';

const counts = (more: object = {}) => ({ prompt_tokens: 10, completion_tokens: 5, total_tokens: 15, ...more });
const usageOf = (usage: unknown, more: Readonly<Record<string, unknown>> = {}) => read(whole({ content: 'a' }, { usage, ...more })).usage;

test('openai-chat: no usage is none, and null is not zero', () => {
  assert.equal(read(whole({ content: 'a' })).usage, undefined);
  assert.equal(usageOf(null), undefined);
  assert.equal(folded([chunk({ content: 'a' }, { usage: null }), ended()]).usage, undefined);
});

test('openai-chat: usage on every chunk counts once, the last', () => {
  const events = eventsOf(feed([chunk({ content: 'a' }, { usage: counts({ completion_tokens: 1 }) }), ended('stop', { usage: counts() })]));
  assert.deepEqual(events.filter(({ type }) => type === 'usage').length, 1);
  assert.equal(
    folded([chunk({ content: 'a' }, { usage: counts({ completion_tokens: 1 }) }), ended('stop', { usage: counts() })]).usage
      ?.completionTokens,
    5,
  );
});

test('openai-chat: usage in the places where servers put it', () => {
  assert.equal(folded([chunk({ content: 'a' }), ended('stop', { x_groq: { usage: counts() } })]).usage?.promptTokens, 10);
  const inChoice = { id: 'x', choices: [{ index: 0, delta: {}, finish_reason: 'stop', usage: counts() }] };
  assert.equal(folded([chunk({ content: 'a' }), inChoice]).usage?.promptTokens, 10);
});

test('openai-chat: tokens read from the cache, in three spellings, and written to it', () => {
  assert.equal(usageOf(counts({ prompt_tokens_details: { cached_tokens: 4 } }))?.cachedTokens, 4);
  assert.equal(usageOf(counts({ prompt_cache_hit_tokens: 4, prompt_cache_miss_tokens: 6 }))?.cachedTokens, 4);
  assert.equal(usageOf(counts({ cached_tokens: 4 }))?.cachedTokens, 4);
  assert.equal(usageOf(counts({ prompt_tokens_details: { cache_write_tokens: 3 } }))?.cacheWriteTokens, 3);
  assert.equal(usageOf(counts({ prompt_tokens_details: { cache_creation_input_tokens: 3 } }))?.cacheWriteTokens, 3);
});

test('openai-chat: reasoning is a part of the completion, also where it is counted beside it', () => {
  const reasoning = { completion_tokens_details: { reasoning_tokens: 3 } };
  const part = usageOf(counts(reasoning));
  assert.deepEqual([part?.completionTokens, part?.reasoningTokens], [5, 3]);
  const beside = usageOf(counts({ ...reasoning, total_tokens: 18 }));
  assert.deepEqual([beside?.completionTokens, beside?.reasoningTokens], [8, 3]);
});

test('openai-chat: details of sound and prediction', () => {
  const usage = usageOf(
    counts({
      prompt_tokens_details: { audio_tokens: 1 },
      completion_tokens_details: { audio_tokens: 2, accepted_prediction_tokens: 3, rejected_prediction_tokens: 4 },
    }),
  );
  const { promptAudioTokens, completionAudioTokens, acceptedPredictionTokens, rejectedPredictionTokens } = usage ?? {};
  assert.deepEqual([promptAudioTokens, completionAudioTokens, acceptedPredictionTokens, rejectedPredictionTokens], [1, 2, 3, 4]);
});

test('openai-chat: details of images, and of what is kept in the cache for an hour', () => {
  const usage = usageOf(
    counts({
      prompt_tokens_details: {
        image_tokens: 1,
        cache_creation_input_tokens: 5,
        cache_creation: { ephemeral_5m_input_tokens: 3, ephemeral_1h_input_tokens: 2 },
      },
      completion_tokens_details: { image_tokens: 4 },
    }),
  );
  const { promptImageTokens, completionImageTokens, cacheWriteTokens, cacheWriteLongTokens } = usage ?? {};
  assert.deepEqual([promptImageTokens, completionImageTokens, cacheWriteTokens, cacheWriteLongTokens], [1, 4, 5, 2]);
});

test('openai-chat: what the provider says it charged', () => {
  assert.equal(usageOf(counts({ cost: 0.25 }))?.reportedCost, 0.25);
  assert.equal(usageOf(counts({ cost: { input_tokens_cost: 0, total_cost: 0.5 } }))?.reportedCost, 0.5);
  assert.equal(usageOf(counts({ cost_in_usd_ticks: 1_000_000_000 }))?.reportedCost, 0.1);
  // with a key of one's own the provider's charge stands beside the router's; else it is the same money twice
  const cost_details = { upstream_inference_cost: 0.5 };
  assert.equal(usageOf(counts({ cost: 0.25, is_byok: true, cost_details }))?.reportedCost, 0.75);
  assert.equal(usageOf(counts({ cost: 0.5, is_byok: false, cost_details }))?.reportedCost, 0.5);
});

test('openai-chat: tools that the provider ran itself are counted and are no calls', () => {
  assert.deepEqual(usageOf(counts({ num_search_queries: 2 }))?.providerTools, { web_search: 2 });
  assert.deepEqual(usageOf(counts({ server_tool_use: { web_search_requests: 1 } }))?.providerTools, { web_search: 1 });
  assert.equal(usageOf(counts({ num_sources_used: 0 }))?.providerTools, undefined);
  const executed = (more: object) => chunk({ executed_tools: [{ index: 0, type: 'search', arguments: '{}', ...more }] });
  const { usage, choices } = folded([
    executed({}),
    executed({ output: 'found' }),
    chunk({ content: 'a' }),
    ended('stop', { usage: counts() }),
  ]);
  assert.deepEqual(usage?.providerTools, { web_search: 1 });
  assert.deepEqual(choices[0]?.blocks, [text('a')]);
});

test('openai-chat: a completion of fewer tokens than its reasoning has as many as the total says', () => {
  const details = { completion_tokens_details: { reasoning_tokens: 6 } };
  assert.equal(usageOf(counts({ ...details, total_tokens: 16 }))?.completionTokens, 6);
  assert.equal(usageOf(counts({ ...details, total_tokens: 15 }))?.completionTokens, 5);
});

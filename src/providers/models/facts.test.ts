import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pricing } from '../../core/call.ts';
import { CATALOG } from '../catalog.ts';
import { factsOf, knownModels } from './facts.ts';
import { canonicalName, namesOf } from './names.ts';
import { OWN_PRICES } from './prices-own.ts';
import { priceOf } from './prices.ts';
import { tableFacts, tableNames } from './table.ts';

const DAY = new Date('2026-11-23T12:00:00Z');

test('model names: the spellings of one model are one', () => {
  const spellings: Readonly<Record<string, readonly string[]>> = {
    'claude-sonnet-4-5': [
      'claude-sonnet-4-5',
      'claude-sonnet-4-5-20250929',
      'claude-sonnet-4-5@20250929',
      'anthropic.claude-sonnet-4-5-20250929-v1:0',
      'us.anthropic.claude-sonnet-4-5-20250929-v1:0',
      'arn:aws:bedrock:us-east-1:1:inference-profile/global.anthropic.claude-sonnet-4-5-20250929-v1:0',
      'anthropic/claude-sonnet-4.5',
      'Claude-4.5-Sonnet',
    ],
    'claude-opus-4-7': ['claude-opus-4-7@default', 'anthropic/claude-opus-4.7:beta', 'eu.anthropic.claude-opus-4-7'],
    'claude-sonnet-4': ['claude-sonnet-4-20250514', 'claude-sonnet-4-0'],
    'gpt-4o': ['gpt-4o', 'openai/gpt-4o', 'gpt-4o-2024-11-20', 'ft:gpt-4o-2024-08-06:org::id'],
    'gpt-oss-120b': [
      'openai/gpt-oss-120b',
      'gpt-oss:120b',
      'openai.gpt-oss-120b-1:0',
      'accounts/fireworks/models/gpt-oss-120b',
      'openai/gpt-oss-120b-maas',
    ],
    'llama-3-3-70b': [
      'meta-llama/Llama-3.3-70B-Instruct-Turbo',
      'meta.llama3-3-70b-instruct-v1:0',
      'llama-3.3-70b-versatile',
      'llama3.3:70b',
      'Meta-Llama-3.3-70B-Instruct',
      'accounts/fireworks/models/llama-v3p3-70b-instruct',
      'meta-llama/llama-3.3-70b-instruct:free',
    ],
    'glm-5-2': ['zai-org/GLM-5.2', 'glm-5p2', 'zai-glm-5-2', 'z-ai/glm-5.2', 'zai-org/GLM-5.2-FP8'],
    'deepseek-r1': ['deepseek.r1-v1:0', 'deepseek-ai/DeepSeek-R1', 'deepseek-r1:free'],
    'gemini-2-5-flash': ['models/gemini-2.5-flash', 'publishers/google/models/gemini-2.5-flash', 'google/gemini-2.5-flash'],
    'qwen3-32b': ['Qwen/Qwen3-32B', 'qwen-3-32b', 'qwen3:32b', 'qwen.qwen3-32b-v1:0'],
  };
  for (const [name, all] of Object.entries(spellings))
    for (const one of all) assert.ok([...namesOf(one)].includes(name), `${one}: ${canonicalName(one)}`);
});

test('model names: what belongs to a name is not taken off', () => {
  assert.ok(![...namesOf('gpt-4o-mini')].includes('gpt-4o'));
  assert.ok(![...namesOf('gemini-2.5-flash-lite')].includes('gemini-2-5-flash'));
  assert.ok(![...namesOf('deepseek-r1:70b')].includes('deepseek-r1'));
  assert.ok(![...namesOf('claude-opus-4-9')].includes('claude-opus-4'));
  assert.equal(canonicalName(''), '');
});

test('table of models: every name is in the one spelling, and once', () => {
  const names = tableNames();
  assert.deepEqual(
    names.filter((name) => canonicalName(name) !== name),
    [],
  );
  assert.equal(new Set(names).size, names.length);
});

test('table of models: what each knows is sound', () => {
  for (const name of tableNames()) {
    for (const row of [undefined, ...CATALOG.map(({ id }) => id)]) {
      const facts = tableFacts(row, name);
      assert.ok(facts, name);
      const { contextWindow = 1_000, maxOutputTokens = 1_000, capabilities } = facts;
      assert.ok(contextWindow >= 1_000 && maxOutputTokens >= 1_000, name);
      assert.ok(facts.contextWindow === undefined || facts.maxOutputTokens === undefined || maxOutputTokens <= contextWindow, name);
      assert.equal(capabilities.inputModalities?.[0], 'text');
    }
  }
});

test('facts: limits and abilities of well-known models, under the names of those who serve them', () => {
  const facts = factsOf('bedrock', 'us.anthropic.claude-sonnet-4-5-20250929-v1:0', DAY);
  assert.equal(facts.contextWindow, 200_000);
  assert.equal(facts.maxOutputTokens, 64_000);
  assert.equal(facts.ownedBy, 'anthropic');
  assert.deepEqual(facts.capabilities, {
    tools: true,
    structuredOutput: true,
    reasoning: true,
    inputModalities: ['text', 'image', 'file'],
    outputModalities: ['text'],
  });
  assert.equal(factsOf('openai', 'gpt-4o-2024-05-13', DAY).maxOutputTokens, 4_096);
  assert.equal(factsOf('openai', 'gpt-4o-2024-11-20', DAY).maxOutputTokens, 16_384);
  assert.equal(factsOf('openai', 'gpt-4o', DAY).capabilities.reasoning, false);
  assert.equal(factsOf('openai', 'gpt-4o', DAY).capabilities.logprobs, true);
  assert.deepEqual(factsOf('openai', 'gpt-audio', DAY).capabilities.outputModalities, ['text', 'audio']);
});

test('facts: what is not known is absent, not guessed from a name that looks like it', () => {
  for (const model of ['gpt-99', 'claude-opus-9', 'my-deployment', '', 'gpt-4o-mini-unheard-of']) {
    assert.deepEqual(factsOf('openai', model, DAY), { capabilities: {} }, model);
  }
  assert.deepEqual(factsOf(undefined, 'some-local-model', DAY), { capabilities: {} });
});

test('facts: limits of open weights are the host’s, abilities the model’s, prices the provider’s', () => {
  const local = factsOf('ollama', 'gpt-oss:20b', DAY);
  assert.equal(local.contextWindow, undefined);
  assert.equal(local.maxOutputTokens, undefined);
  assert.equal(local.pricing, undefined);
  assert.equal(local.capabilities.tools, true);
  const hosted = factsOf('groq', 'openai/gpt-oss-20b', DAY);
  assert.equal(hosted.maxOutputTokens, 65_536);
  assert.ok((hosted.pricing?.input ?? 0) > 0);
});

const OPENAI_TOOLS = { web_search: 10, file_search: 2.5, mcp: 0 };

/** Of the usual class of service. */
function usual(row: string, model: string, at: Date): Pricing {
  const all = Object.entries(priceOf(row, model, at).pricing ?? {});
  return Object.fromEntries(all.filter(([name]) => name !== 'serviceTiers'));
}

test('prices: dollars a million, with those of the cache, on the day in question', () => {
  assert.deepEqual(usual('anthropic', 'claude-sonnet-4-5-20250929', DAY), {
    input: 3,
    output: 15,
    cachedInput: 0.3,
    cacheWrite: 3.75,
    cacheWriteLong: 6,
    tiers: [{ above: 200_000, input: 6, output: 22.5, cachedInput: 0.6, cacheWrite: 7.5, cacheWriteLong: 12 }],
    tools: { web_search: 10, web_fetch: 0 },
  });
  // a price that was lowered
  assert.deepEqual(usual('openai', 'gpt-5.6-luna', new Date('2026-07-01')), {
    input: 1,
    output: 6,
    cachedInput: 0.1,
    cacheWrite: 1.25,
    tiers: [{ above: 271_999, input: 2, output: 9, cachedInput: 0.2, cacheWrite: 2.5 }],
    tools: OPENAI_TOOLS,
  });
  assert.deepEqual(usual('openai', 'gpt-5.6-luna', DAY), {
    input: 0.2,
    output: 1.2,
    cachedInput: 0.02,
    cacheWrite: 0.25,
    tiers: [{ above: 271_999, input: 0.4, output: 1.8, cachedInput: 0.04, cacheWrite: 0.5 }],
    tools: OPENAI_TOOLS,
  });
});

test('prices: those for long prompts, and those of audio', () => {
  assert.deepEqual(usual('openai', 'gpt-5.4', DAY), {
    input: 2.5,
    output: 15,
    cachedInput: 0.25,
    tiers: [{ above: 271_999, input: 5, output: 22.5, cachedInput: 0.5 }],
    tools: OPENAI_TOOLS,
  });
  assert.deepEqual(usual('google', 'gemini-2.5-flash', DAY), {
    input: 0.3,
    output: 2.5,
    cachedInput: 0.03,
    inputAudio: 1,
    cachedAudio: 0.1,
    toolRequests: { web_search: 35 },
  });
});

test('prices: other classes of service, where the provider says what they cost', () => {
  const tiers = (row: string, model: string) => priceOf(row, model, DAY).pricing?.serviceTiers;
  assert.deepEqual(tiers('openai', 'gpt-5.4'), {
    flex: { input: 1.25, output: 7.5, cachedInput: 0.125, tiers: [{ above: 271_999, input: 2.5, output: 11.25, cachedInput: 0.25 }] },
    priority: { input: 5, output: 30, cachedInput: 0.5 },
  });
  // a date in the name says which one it is only where the price says so too
  assert.deepEqual(tiers('openai', 'gpt-4o-2024-08-06')?.['priority'], { input: 4.25, output: 17, cachedInput: 2.125 });
  assert.deepEqual(tiers('openai', 'gpt-4o-2024-05-13')?.['priority'], { input: 8.75, output: 26.25 });
  assert.deepEqual(Object.keys(tiers('openai', 'gpt-5.6-luna') ?? {}), ['flex']);
  assert.deepEqual(tiers('google', 'gemini-2.5-flash'), {
    flex: { input: 0.15, output: 1.25, cachedInput: 0.015, inputAudio: 0.5, cachedAudio: 0.05 },
  });
  assert.equal(tiers('vertex', 'claude-opus-5'), undefined);
  assert.equal(tiers('azure', 'gpt-5.4'), undefined);
  assert.equal(tiers('anthropic', 'claude-opus-5-5'), undefined);
});

test('prices: writing to the cache for an hour costs twice the input, wherever Claude runs', () => {
  const long = (row: string, model: string) => priceOf(row, model, DAY).pricing?.cacheWriteLong;
  assert.equal(long('anthropic', 'claude-opus-5-5'), 8);
  // not in the package
  assert.equal(long('anthropic', 'claude-haiku-5-5'), 0.2);
  assert.equal(long('vertex', 'claude-opus-5'), 10);
  assert.equal(long('bedrock', 'global.anthropic.claude-haiku-4-5-20251001-v1:0'), 2);
  assert.equal(long('openai', 'gpt-5.6-luna'), undefined);
});

test('prices: tools that providers run themselves, by the run or by the request, and none where nobody says', () => {
  const fees = (row: string, model: string) => {
    const { tools, toolRequests } = priceOf(row, model, DAY).pricing ?? {};
    return [tools?.['web_search'], toolRequests?.['web_search']];
  };
  assert.deepEqual(fees('google', 'gemini-2.5-pro'), [undefined, 35]);
  assert.deepEqual(fees('google', 'gemini-3.1-pro-preview'), [14, undefined]);
  assert.deepEqual(fees('vertex', 'gemini-flash-latest'), [undefined, undefined]);
  assert.deepEqual(fees('google', 'gemini-flash-latest'), [14, undefined]);
  assert.deepEqual(fees('vertex', 'claude-sonnet-4-6'), [10, undefined]);
  assert.deepEqual(fees('xai', 'grok-4-7'), [5, undefined]);
  assert.deepEqual(fees('groq', 'openai/gpt-oss-20b'), [undefined, undefined]);
});

test('prices: one provider’s are not another’s, and our own go before the package’s', () => {
  assert.deepEqual(priceOf('vllm', 'gpt-4o', DAY), {});
  assert.deepEqual(priceOf(undefined, 'gpt-4o', DAY), {});
  assert.deepEqual(priceOf('constructor', 'gpt-4o', DAY), {});
  assert.deepEqual(priceOf('mistral', 'mistral-large-latest', DAY).pricing, { input: 0.5, output: 1.5, cachedInput: 0.05 });
  assert.deepEqual(priceOf('vertex', 'claude-sonnet-4-5@20250929', DAY).pricing?.input, 3);
});

test('prices: our own are of rows that there are, under names in the one spelling', () => {
  const rows = new Set(CATALOG.map((row) => row.id));
  for (const [row, prices] of Object.entries(OWN_PRICES)) {
    assert.ok(rows.has(row), row);
    for (const [name, figures] of Object.entries(prices)) {
      assert.equal(canonicalName(name), name);
      assert.ok(figures.every((one) => one !== undefined && one > 0));
    }
  }
});

test('known models: names of rows that there are, of which the tables know something', () => {
  assert.deepEqual(knownModels('vllm'), []);
  assert.deepEqual(knownModels('constructor'), []);
  let rows = 0;
  for (const { id } of CATALOG) {
    const names = knownModels(id);
    if (names.length > 0) rows += 1;
    assert.equal(new Set(names).size, names.length);
    for (const name of names) if (!name.startsWith('groq/')) assert.ok(tableFacts(id, name), `${id}: ${name}`);
  }
  assert.ok(rows >= 15);
});

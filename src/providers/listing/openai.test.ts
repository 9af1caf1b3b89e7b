import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseListing } from '../listing.ts';
import type { ListedModel } from '../listing.ts';

const openai = (data: readonly unknown[]): readonly ListedModel[] => parseListing('openai', { object: 'list', data });
const only = (data: unknown): ListedModel | undefined => openai([data])[0];

test("listing: OpenAI's own list, without what does not chat", () => {
  const ids =
    'gpt-4o chatgpt-4o-latest o3 gpt-5.1-codex gpt-audio gpt-4o-audio-preview computer-use-preview ft:gpt-4o:org::1 gpt-4o-search-preview';
  const others =
    'text-embedding-3-small whisper-1 tts-1-hd dall-e-3 omni-moderation-latest gpt-image-1 gpt-realtime gpt-4o-mini-transcribe gpt-4o-realtime-preview sora-2 babbage-002 gpt-4o-mini-tts gpt-3.5-turbo-instruct gpt-3.5-turbo-instruct-0914';
  const listed = openai(
    [...ids.split(' '), ...others.split(' ')].map((id) => ({ id, object: 'model', created: 1_700_000_000, owned_by: 'openai' })),
  );
  assert.deepEqual(
    listed.map((model) => model.id),
    ids.split(' '),
  );
  assert.deepEqual(listed[0], { id: 'gpt-4o', created: 1_700_000_000, ownedBy: 'openai', capabilities: {} });
});

test('listing: names of open models that do not chat are told by their words', () => {
  const chat = 'Qwen/Qwen3-32B openai/gpt-oss-safeguard-20b meta-llama/Llama-3.3-70B-Instruct gemini-2.5-flash-image';
  const others =
    'BAAI/bge-m3 Qwen/Qwen3-Embedding-8B Qwen/Qwen3-Reranker-8B nomic-embed-text:latest meta-llama/llama-guard-4-12b black-forest-labs/FLUX.1-schnell canopylabs/orpheus-v1-english nvidia/nv-embedqa-e5-v5 openai/whisper-large-v3 amazon.titan-embed-text-v2:0';
  const listed = openai([...chat.split(' '), ...others.split(' ')].map((id) => ({ id })));
  assert.deepEqual(
    listed.map((model) => model.id),
    chat.split(' '),
  );
});

test('listing: OpenRouter tells windows, prices per token, parameters and modalities', () => {
  const model = only({
    id: 'anthropic/claude-sonnet-4.5',
    name: 'Anthropic: Claude Sonnet 4.5',
    created: 1_759_161_676,
    context_length: 1_000_000,
    architecture: { modality: 'text+image->text', input_modalities: ['text', 'image', 'file'], output_modalities: ['text'] },
    pricing: { prompt: '0.000003', completion: '0.000015', input_cache_read: '0.0000003', input_cache_write: '0.00000375', image: '0' },
    top_provider: { context_length: 1_000_000, max_completion_tokens: 64_000, is_moderated: false },
    supported_parameters: ['tools', 'tool_choice', 'reasoning', 'include_reasoning', 'structured_outputs'],
  });
  assert.deepEqual(model, {
    id: 'anthropic/claude-sonnet-4.5',
    name: 'Anthropic: Claude Sonnet 4.5',
    created: 1_759_161_676,
    contextWindow: 1_000_000,
    maxOutputTokens: 64_000,
    pricing: { input: 3, output: 15, cachedInput: 0.3, cacheWrite: 3.75 },
    capabilities: {
      tools: true,
      structuredOutput: true,
      logprobs: false,
      reasoning: true,
      inputModalities: ['text', 'image', 'file'],
      outputModalities: ['text'],
    },
  });
  // the router that chooses by itself has no price of its own
  assert.equal(only({ id: 'openrouter/auto', pricing: { prompt: '-1', completion: '-1' } })?.pricing, undefined);
  assert.equal(only({ id: 'some/painter', architecture: { output_modalities: ['image'] } }), undefined);
});

test('listing: Together sends an array without an envelope, with kinds and dollars a million', () => {
  const body = [
    {
      id: 'meta-llama/Llama-3.3-70B-Instruct-Turbo',
      object: 'model',
      created: 1_733_466_629,
      type: 'chat',
      display_name: 'Meta Llama 3.3 70B Instruct Turbo',
      organization: 'Meta',
      context_length: 131_072,
      pricing: { hourly: 0, input: 0.88, output: 0.88, base: 0, finetune: 0 },
    },
    { id: 'some/drawer', type: 'image' },
    { id: 'some/judge', type: 'moderation' },
  ];
  assert.deepEqual(parseListing('openai', body), [
    {
      id: 'meta-llama/Llama-3.3-70B-Instruct-Turbo',
      name: 'Meta Llama 3.3 70B Instruct Turbo',
      created: 1_733_466_629,
      ownedBy: 'Meta',
      contextWindow: 131_072,
      pricing: { input: 0.88, output: 0.88 },
      capabilities: {},
    },
  ]);
});

test('listing: Groq tells windows and which models are gone', () => {
  const groq = {
    id: 'openai/gpt-oss-120b',
    created: 1_754_408_224,
    owned_by: 'OpenAI',
    context_window: 131_072,
    max_completion_tokens: 65_536,
  };
  assert.deepEqual(only({ ...groq, active: true }), {
    id: 'openai/gpt-oss-120b',
    created: 1_754_408_224,
    ownedBy: 'OpenAI',
    contextWindow: 131_072,
    maxOutputTokens: 65_536,
    capabilities: {},
  });
  assert.equal(only({ ...groq, active: false }), undefined);
});

test('listing: Mistral tells abilities, windows and other names', () => {
  const model = {
    id: 'mistral-medium-2508',
    created: 1_700_000_000,
    owned_by: 'mistralai',
    capabilities: { completion_chat: true, function_calling: true, vision: true, fine_tuning: false },
    max_context_length: 131_072,
    aliases: ['mistral-medium-latest'],
    type: 'base',
  };
  const listed = openai([model, { ...model, id: 'mistral-moderation-2411' }, { id: 'fim-only', capabilities: { completion_chat: false } }]);
  assert.deepEqual(
    listed.map(({ id }) => id),
    ['mistral-medium-2508', 'mistral-medium-latest'],
  );
  assert.deepEqual(listed[1]?.capabilities, { tools: true, inputModalities: ['text', 'image'] });
  assert.equal(listed[1]?.contextWindow, 131_072);
});

test('listing: xAI lists language models apart, with prices in small coin', () => {
  const body = {
    models: [
      {
        id: 'grok-4.6',
        created: 1_743_724_800,
        owned_by: 'xai',
        input_modalities: ['text', 'image'],
        output_modalities: ['text'],
        prompt_text_token_price: 20_000,
        cached_prompt_text_token_price: 5_000,
        completion_text_token_price: 60_000,
        max_prompt_length: 500_000,
        aliases: ['grok-latest'],
      },
    ],
  };
  const [model, alias] = parseListing('openai', body);
  assert.deepEqual(model?.pricing, { input: 2, output: 6, cachedInput: 0.5 });
  assert.equal(model?.contextWindow, 500_000);
  assert.equal(alias?.id, 'grok-latest');
});

test('listing: what Hugging Face, DeepInfra, Novita, Vercel, Moonshot and Nebius add', () => {
  const routed = only({
    id: 'openai/gpt-oss-120b',
    owned_by: 'openai',
    architecture: { input_modalities: ['text'], output_modalities: ['text'] },
    providers: [
      { provider: 'a', status: 'live', context_length: 65_536, supports_tools: false, supports_structured_output: false },
      { provider: 'b', status: 'live', context_length: 131_072, supports_tools: true },
      { provider: 'c', status: 'error', context_length: 1_000_000 },
    ],
  });
  assert.equal(routed?.contextWindow, 131_072);
  assert.equal(routed?.capabilities.tools, true);
  assert.equal(routed?.capabilities.structuredOutput, false);
  const deep = only({
    id: 'a/b',
    metadata: { context_length: 32_768, max_tokens: 32_768, pricing: { input_tokens: 0.05, output_tokens: 0.24, cache_read_tokens: 0.01 } },
  });
  assert.deepEqual(deep?.pricing, { input: 0.05, output: 0.24, cachedInput: 0.01 });
  assert.equal(deep?.maxOutputTokens, undefined);
  const novita = only({
    id: 'a/b',
    context_size: 131_072,
    max_output_tokens: 16_384,
    input_token_price_per_m: 5_700,
    output_token_price_per_m: 23_000,
    features: ['function-calling'],
    model_type: 'chat',
  });
  assert.deepEqual([novita?.pricing, novita?.contextWindow, novita?.maxOutputTokens], [{ input: 0.57, output: 2.3 }, 131_072, 16_384]);
  const vercel = only({
    id: 'openai/gpt-5',
    type: 'language',
    context_window: 400_000,
    max_tokens: 128_000,
    pricing: { input: '0.00000125', output: '0.00001', input_cache_read: '0.000000125' },
  });
  assert.deepEqual([vercel?.pricing, vercel?.maxOutputTokens], [{ input: 1.25, output: 10, cachedInput: 0.125 }, 128_000]);
  assert.equal(openai([{ id: 'a/b', type: 'embedding' }]).length, 0);
  const moonshot = only({
    id: 'kimi-k2.6',
    context_length: 262_144,
    supports_image_in: true,
    supports_video_in: true,
    supports_reasoning: true,
  });
  assert.deepEqual(moonshot?.capabilities, { reasoning: true, inputModalities: ['text', 'image', 'video'] });
  const nebius = only({
    id: 'a/b',
    architecture: { modality: 'text+image->text' },
    pricing: { prompt: '0.00000013', completion: '0.0000004' },
  });
  assert.deepEqual([nebius?.pricing, nebius?.capabilities.inputModalities], [{ input: 0.13, output: 0.4 }, ['text', 'image']]);
});

test('listing: servers of one’s own', () => {
  assert.equal(only({ id: 'm', object: 'model', owned_by: 'vllm', root: 'm', max_model_len: 8_192 })?.contextWindow, 8_192);
  assert.equal(only({ id: 'm.gguf', owned_by: 'llamacpp', meta: { n_ctx_train: 131_072, n_ctx: 4_096 } })?.contextWindow, 4_096);
  assert.equal(only({ id: 'm.gguf', meta: { n_ctx_train: 131_072 } })?.contextWindow, undefined);
  const studio = openai([
    { id: 'qwen2-vl', type: 'vlm', publisher: 'x', max_context_length: 32_768 },
    { id: 'e', type: 'embeddings' },
  ]);
  assert.deepEqual(studio, [{ id: 'qwen2-vl', ownedBy: 'x', contextWindow: 32_768, capabilities: { inputModalities: ['text', 'image'] } }]);
  assert.deepEqual(
    openai([{ id: 'llama3.2:latest', owned_by: 'library' }, { id: 'nomic-embed-text:latest' }]).map(({ id }) => id),
    ['llama3.2:latest'],
  );
});

test("listing: another server of this kind says all that it knows, in this program's own words", () => {
  const model = only({
    id: 'anthropic/claude-sonnet-4-5',
    created: 1_759_000_000,
    owned_by: 'anthropic',
    provider: 'anthropic',
    endpoints: ['/v1/chat/completions'],
    context_window: 200_000,
    max_output_tokens: 64_000,
    capabilities: {
      tools: true,
      structured_output: true,
      reasoning: true,
      input_modalities: ['text', 'image'],
      output_modalities: ['text'],
    },
    pricing: { currency: 'USD', per_tokens: 1_000_000, input: 3, output: 15, cached_input: 0.3, cache_write: 3.75 },
  });
  assert.deepEqual(model, {
    id: 'anthropic/claude-sonnet-4-5',
    created: 1_759_000_000,
    ownedBy: 'anthropic',
    contextWindow: 200_000,
    maxOutputTokens: 64_000,
    capabilities: { tools: true, structuredOutput: true, reasoning: true, inputModalities: ['text', 'image'], outputModalities: ['text'] },
    pricing: { input: 3, output: 15, cachedInput: 0.3, cacheWrite: 3.75 },
  });
});

/**
 * Prices that the package of prices does not have, or no longer has right: of new models, and of names that have moved on to
 * a newer one. From the providers' pages of prices, November 2026. Names in one spelling (`canonicalName`); US dollars for a
 * million tokens: input, output, cached input, cache write. Where a price depends on the prompt's length, for short ones.
 */
export type OwnPrice = readonly [input: number, output: number, cachedInput?: number, cacheWrite?: number];

export const OWN_PRICES: Readonly<Record<string, Readonly<Record<string, OwnPrice>>>> = {
  openai: {
    'gpt-6-1-sol': [2, 10, 0.1, 2.5],
    'gpt-6-1-terra': [1, 5, 0.05, 1.25],
    'gpt-5-6-cyber': [12.5, 75, 1.25, 15.625],
    'chat-latest': [5, 30, 0.5],
  },
  anthropic: {
    'claude-haiku-5-5': [0.1, 0.5, 0.01, 0.125],
    'claude-mythos-5': [10, 50, 1, 12.5],
    'claude-mythos-5-1': [10, 50, 0.25, 12.5],
  },
  vertex: { 'claude-haiku-5-5': [0.1, 0.5, 0.01, 0.125] },
  google: {
    'gemini-flash-latest': [0.75, 3.75, 0.075],
    'gemini-flash-lite-latest': [0.3, 2.5, 0.03],
    'gemini-pro-latest': [2, 12, 0.2],
  },
  mistral: {
    'mistral-large-latest': [0.5, 1.5, 0.05],
    'mistral-large-4': [1.36, 4.18, 0.14],
    'mistral-medium-2604': [1.5, 7.5, 0.15],
    'mistral-small-latest': [0.15, 0.6, 0.015],
    'devstral-latest': [0.4, 2, 0.04],
    'devstral-medium-latest': [0.4, 2, 0.04],
    'ministral-3b-latest': [0.1, 0.1, 0.01],
    'ministral-14b-latest': [0.2, 0.2, 0.02],
  },
  xai: {
    'grok-4-7': [2, 6, 0.5],
    'grok-4-20-0309-reasoning': [1.25, 2.5, 0.2],
    'grok-4-20-0309-non-reasoning': [1.25, 2.5, 0.2],
  },
  deepseek: { 'deepseek-flash': [0.3, 1.2, 0.006] },
  zhipu: {
    'glm-4-5': [0.6, 2.2, 0.11],
    'glm-4-5-air': [0.2, 1.1, 0.03],
    'glm-4-5v': [0.6, 1.8],
    'glm-4-6': [0.6, 2.2, 0.11],
    'glm-4-7': [0.6, 2.2, 0.11],
    'glm-5': [1, 3.2, 0.2],
    'glm-5-turbo': [1.2, 4, 0.24],
    'glm-5v-turbo': [1.2, 4, 0.24],
    'glm-5-1': [1.4, 4.4, 0.26],
  },
  alibaba: {
    'qwen-max': [1.6, 6.4],
    'qwen3-7-max': [2.5, 7.5, 0.5],
    'qwen3-8-max': [2, 6, 0.25],
    'qwen3-8-flash': [0.15, 0.47, 0.016],
  },
  perplexity: { sonar: [0.25, 2.5, 0.0625] },
  groq: { 'qwen3-8-27b': [0.8, 4] },
  cerebras: { 'qwen3-8-27b': [0.99, 1.49] },
  sambanova: {
    'minimax-m2-7': [0.6, 2.4],
    'deepseek-r1': [5, 7],
    'deepseek-v3-1': [3, 4.5],
    'deepseek-v3-2': [3, 4.5],
    'llama-4-maverick-17b-128e-instruct': [0.63, 1.8],
    'llama-3-3-70b-instruct': [0.6, 1.2],
    'gpt-oss-120b': [0.22, 0.59],
    'gemma-4-31b-it': [0.38, 1.15],
  },
};

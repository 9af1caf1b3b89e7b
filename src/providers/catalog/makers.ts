/** OpenAI, and those who make the models that they serve. */
import { FOLLOWER } from '../../protocols/openai-chat/quirks.ts';
import type { ModelRule, ProviderRow } from '../row.ts';
import { leveled, LOW_HIGH_MAX, LOW_TO_HIGH } from './efforts.ts';

/**
 * OpenAI's models that are asked on the Responses API. Some answer nowhere else. Those since GPT-5.4 refuse functions in chat
 * completions while they reason, which the later ones do unless told not to; of what chat completions have more they take
 * nothing.
 */
export const ON_RESPONSES: readonly ModelRule[] = [
  // does not reason unless told to, and takes a temperature then
  { match: /^gpt-5\.4(?:-mini|-nano)?(?:-\d|$)/, speaks: { wire: 'openai-responses' } },
  {
    match: /-pro(?:-|$)|codex|deep-research|computer-use|^gpt-daybreak|^(?:ft:)?gpt-(?:5\.(?:[4-9]|\d\d)|[6-9]|\d\d)(?!.*chat)/,
    speaks: { wire: 'openai-responses', quirks: { reasoningRefusesSampling: true } },
  },
];

export const MAKERS: readonly ProviderRow[] = [
  {
    id: 'openai',
    name: 'OpenAI',
    speaks: { wire: 'openai-chat', quirks: { faithful: true, pads: true, maxTokens: 'max_completion_tokens' } },
    baseUrl: 'https://api.openai.com/v1',
    auth: { scheme: 'bearer' },
    keyEnv: ['OPENAI_API_KEY'],
    listing: { as: 'openai', path: '/models', complete: false },
    rules: ON_RESPONSES,
    docs: 'https://platform.openai.com/docs/api-reference/chat',
  },
  {
    id: 'anthropic',
    name: 'Anthropic',
    speaks: { wire: 'anthropic-messages' },
    baseUrl: 'https://api.anthropic.com/v1',
    auth: { scheme: 'header', name: 'x-api-key' },
    keyEnv: ['ANTHROPIC_API_KEY'],
    listing: { as: 'anthropic', path: '/models?limit=1000', complete: false },
    headers: { 'anthropic-version': '2023-06-01' },
    docs: 'https://platform.claude.com/docs/en/api/messages',
  },
  {
    id: 'google',
    name: 'Gemini',
    speaks: { wire: 'gemini' },
    baseUrl: 'https://generativelanguage.googleapis.com/v1beta',
    auth: { scheme: 'header', name: 'x-goog-api-key' },
    keyEnv: ['GEMINI_API_KEY', 'GOOGLE_API_KEY', 'GOOGLE_GENERATIVE_AI_API_KEY'],
    listing: { as: 'gemini', path: '/models?pageSize=1000', complete: false },
    docs: 'https://ai.google.dev/api/generate-content',
  },
  {
    id: 'mistral',
    name: 'Mistral AI',
    speaks: {
      wire: 'openai-chat',
      quirks: {
        ...FOLLOWER,
        // unknown fields are refused; usage comes unasked
        accepts:
          'temperature top_p max_tokens stop seed random_seed presence_penalty frequency_penalty n prediction metadata parallel_tool_calls reasoning_effort prompt_mode prompt_cache_key safe_prompt guardrails'.split(
            ' ',
          ),
        renames: { seed: 'random_seed' },
        maxTokens: 'max_tokens',
        streamOptions: false,
        ranges: { temperature: { max: 1.5 } },
        names: false,
        parts: ['image_url'],
        requiredChoice: 'any',
        toolCallIdLength: 9,
        prefill: 'prefix',
        reasoningBack: { as: 'thinking_parts' },
        efforts: leveled({ none: 'none', minimal: 'high', low: 'high', medium: 'high', high: 'high', xhigh: 'high', max: 'high' }),
      },
    },
    baseUrl: 'https://api.mistral.ai/v1',
    auth: { scheme: 'bearer' },
    keyEnv: ['MISTRAL_API_KEY'],
    listing: { as: 'openai', path: '/models', complete: false },
    rules: [
      { match: /glm-(?:latest|5(?:-3.*)?)$/, speaks: { wire: 'openai-chat', quirks: { efforts: LOW_HIGH_MAX } } },
      { match: /^mistral-large-4/, speaks: { wire: 'openai-chat', quirks: { efforts: LOW_TO_HIGH } } },
    ],
    docs: 'https://docs.mistral.ai/api',
  },
  {
    id: 'deepseek',
    name: 'DeepSeek',
    speaks: {
      wire: 'openai-chat',
      quirks: {
        ...FOLLOWER,
        // what else OpenAI has is left unread without a word
        accepts: 'thinking reasoning_effort max_tokens stop temperature top_p logprobs top_logprobs user_id'.split(' '),
        maxTokens: 'max_tokens',
        severalChoices: false,
        stopStrings: 16,
        parts: ['image_url'],
        nullContent: false,
        reasoningBack: { as: 'reasoning_content', fillEmpty: true },
        strictTools: false,
        // thinking, which is on unless it is put out, allows no choice of tools
        requiredChoice: false,
        namedChoice: false,
        jsonSchema: 'json_object',
        efforts: {
          none: { thinking: { type: 'disabled' } },
          minimal: { thinking: { type: 'enabled' }, reasoning_effort: 'low' },
          low: { thinking: { type: 'enabled' }, reasoning_effort: 'low' },
          medium: { thinking: { type: 'enabled' }, reasoning_effort: 'high' },
          high: { thinking: { type: 'enabled' }, reasoning_effort: 'high' },
          xhigh: { thinking: { type: 'enabled' }, reasoning_effort: 'max' },
          max: { thinking: { type: 'enabled' }, reasoning_effort: 'max' },
        },
      },
    },
    baseUrl: 'https://api.deepseek.com',
    auth: { scheme: 'bearer' },
    keyEnv: ['DEEPSEEK_API_KEY'],
    listing: { as: 'openai', path: '/models', complete: false },
    docs: 'https://api-docs.deepseek.com/api/create-chat-completion',
  },
  {
    id: 'xai',
    name: 'xAI',
    speaks: {
      wire: 'openai-chat',
      quirks: {
        ...FOLLOWER,
        refuses:
          'logit_bias frequency_penalty presence_penalty web_search_options prediction modalities audio store metadata verbosity'.split(
            ' ',
          ),
        // models that reason refuse stop strings, and most do
        stopStrings: 0,
        names: false,
        strictTools: false,
        efforts: leveled({ minimal: 'low', low: 'low', medium: 'medium', high: 'high', xhigh: 'high', max: 'high' }),
      },
    },
    baseUrl: 'https://api.x.ai/v1',
    auth: { scheme: 'bearer' },
    keyEnv: ['XAI_API_KEY'],
    listing: { as: 'openai', path: '/language-models', complete: false },
    rules: [
      {
        match: /multi-agent/,
        speaks: { wire: 'openai-responses', quirks: { customTools: false, allowedTools: false, cacheMarks: 'none' } },
      },
      // how much these think is in their names
      { match: /reasoning|^grok-build|^grok-code/, speaks: { wire: 'openai-chat', quirks: { efforts: {} } } },
    ],
    docs: 'https://docs.x.ai/docs/api-reference',
  },
  {
    id: 'cohere',
    name: 'Cohere',
    speaks: { wire: 'cohere-chat' },
    baseUrl: 'https://api.cohere.com',
    auth: { scheme: 'bearer' },
    keyEnv: ['COHERE_API_KEY', 'CO_API_KEY'],
    listing: { as: 'cohere', path: '/v1/models?endpoint=chat&page_size=1000', complete: false },
    docs: 'https://docs.cohere.com/reference/chat',
  },
  {
    id: 'perplexity',
    name: 'Perplexity',
    // Chat completions of Sonar ended on 2026-09-27; the Agent API takes their place.
    speaks: {
      wire: 'openai-responses',
      quirks: {
        refuses:
          'tool_choice parallel_tool_calls text text.verbosity metadata service_tier prompt_cache_key prompt_cache_retention prompt_cache_options moderation top_logprobs include safety_identifier user stream_options'.split(
            ' ',
          ),
        encryptedReasoning: false,
        reasoningSummary: 'none',
        schemaAsResponseFormat: true,
        ownItems: false,
        customTools: false,
        allowedTools: false,
        cacheMarks: 'none',
      },
    },
    baseUrl: 'https://api.perplexity.ai/v1',
    auth: { scheme: 'bearer' },
    keyEnv: ['PERPLEXITY_API_KEY'],
    listing: { as: 'openai', path: '/models', complete: false },
    docs: 'https://docs.perplexity.ai/docs/agent-api/migrate-from-sonar/overview',
  },
];

/** Makers of models in China. Each has an address for the rest of the world. */
import { FOLLOWER } from '../../protocols/openai-chat/quirks.ts';
import type { ProviderRow } from '../row.ts';
import { LOW_HIGH_MAX, onOrOff } from './efforts.ts';

export const MAKERS_IN_CHINA: readonly ProviderRow[] = [
  {
    id: 'moonshot',
    name: 'Moonshot AI',
    speaks: {
      wire: 'openai-chat',
      quirks: {
        ...FOLLOWER,
        // Kimi's models have sampling of their own, of which nothing may be changed
        accepts:
          'max_completion_tokens max_tokens stop thinking reasoning_effort prompt_cache_key safety_identifier logprobs top_logprobs prediction'.split(
            ' ',
          ),
        maxTokens: 'max_completion_tokens',
        severalChoices: false,
        imageUrls: false,
        parts: ['image_url'],
        nullContent: false,
        prefill: 'partial',
        reasoningBack: { as: 'reasoning_content', fillEmpty: true },
        schemaKeywords: { refused: ['$schema'] },
        requiredChoice: false,
        efforts: onOrOff({ none: { thinking: { type: 'disabled' } }, others: { thinking: { type: 'enabled' } } }),
      },
    },
    baseUrl: 'https://api.moonshot.ai/v1',
    auth: { scheme: 'bearer' },
    keyEnv: ['MOONSHOT_API_KEY'],
    listing: { as: 'openai', path: '/models', complete: false },
    rules: [
      // it cannot be told not to think
      { match: /^kimi-k3/, speaks: { wire: 'openai-chat', quirks: { efforts: LOW_HIGH_MAX, requiredChoice: 'required' } } },
      { match: /^kimi-k2\.7|^kimi-k2-thinking/, speaks: { wire: 'openai-chat', quirks: { efforts: {} } } },
      {
        match: /^moonshot-v1/,
        speaks: {
          wire: 'openai-chat',
          quirks: {
            accepts:
              'max_completion_tokens max_tokens stop temperature top_p presence_penalty frequency_penalty prompt_cache_key safety_identifier'.split(
                ' ',
              ),
            ranges: { temperature: { max: 1 } },
          },
        },
      },
    ],
    docs: 'https://platform.moonshot.ai/docs/api/chat',
  },
  {
    id: 'alibaba',
    name: 'Alibaba Cloud Model Studio',
    speaks: {
      wire: 'openai-chat',
      quirks: {
        ...FOLLOWER,
        refuses: 'frequency_penalty logit_bias store metadata prediction verbosity service_tier safety_identifier prompt_cache_key'.split(
          ' ',
        ),
        maxTokens: 'max_tokens',
        severalChoices: false,
        cacheMarks: 'cache_control',
        jsonSchema: 'json_object',
        efforts: {
          none: { enable_thinking: false },
          minimal: { enable_thinking: true, thinking_budget: 1024 },
          low: { enable_thinking: true, thinking_budget: 2048 },
          medium: { enable_thinking: true, thinking_budget: 8192 },
          high: { enable_thinking: true, thinking_budget: 16_384 },
          xhigh: { enable_thinking: true },
          max: { enable_thinking: true },
        },
      },
    },
    baseUrl: 'https://dashscope-intl.aliyuncs.com/compatible-mode/v1',
    auth: { scheme: 'bearer' },
    keyEnv: ['DASHSCOPE_API_KEY', 'ALIBABA_API_KEY'],
    listing: { as: 'openai', path: '/models', complete: false },
    rules: [
      {
        match: /^qwen3\.(?:7|8)-(?:plus|flash|max)/,
        speaks: {
          wire: 'openai-chat',
          quirks: { jsonSchema: 'native', reasoningBack: { as: 'reasoning_content' }, defaults: { preserve_thinking: true } },
        },
      },
      {
        match: /^(?:qwen3\.6-(?:plus|max)|kimi-k2\.7)/,
        speaks: { wire: 'openai-chat', quirks: { reasoningBack: { as: 'reasoning_content' }, defaults: { preserve_thinking: true } } },
      },
    ],
    docs: 'https://www.alibabacloud.com/help/en/model-studio/qwen-api-via-openai-chat-completions',
  },
  {
    id: 'zhipu',
    name: 'Z.ai (Zhipu)',
    speaks: {
      wire: 'openai-chat',
      quirks: {
        ...FOLLOWER,
        accepts: 'max_tokens temperature top_p stop thinking reasoning_effort do_sample request_id user_id tool_stream'.split(' '),
        maxTokens: 'max_tokens',
        severalChoices: false,
        stopStrings: 1,
        ranges: { temperature: { max: 1 }, top_p: { min: 0.01, max: 1 } },
        names: false,
        parts: ['image_url', 'file'],
        strictTools: false,
        // the model always chooses
        requiredChoice: false,
        noneChoice: false,
        namedChoice: false,
        jsonSchema: 'json_object',
        reasoningBack: { as: 'reasoning_content' },
        efforts: onOrOff({ none: { thinking: { type: 'disabled' } }, others: { thinking: { type: 'enabled' } } }),
      },
    },
    baseUrl: 'https://api.z.ai/api/paas/v4',
    auth: { scheme: 'bearer' },
    keyEnv: ['ZAI_API_KEY', 'ZHIPU_API_KEY'],
    listing: { as: 'openai', path: '/models', complete: false },
    rules: [
      {
        match: /^glm-5\.[2-9]/,
        speaks: {
          wire: 'openai-chat',
          quirks: {
            efforts: {
              none: { thinking: { type: 'disabled' } },
              minimal: { thinking: { type: 'enabled' }, reasoning_effort: 'high' },
              low: { thinking: { type: 'enabled' }, reasoning_effort: 'high' },
              medium: { thinking: { type: 'enabled' }, reasoning_effort: 'high' },
              high: { thinking: { type: 'enabled' }, reasoning_effort: 'high' },
              xhigh: { thinking: { type: 'enabled' }, reasoning_effort: 'max' },
              max: { thinking: { type: 'enabled' }, reasoning_effort: 'max' },
            },
          },
        },
      },
    ],
    docs: 'https://docs.z.ai/api-reference/llm/chat-completion',
  },
  {
    id: 'minimax',
    name: 'MiniMax',
    speaks: {
      wire: 'openai-chat',
      quirks: {
        ...FOLLOWER,
        refuses:
          'presence_penalty frequency_penalty logit_bias seed logprobs top_logprobs store metadata prediction verbosity modalities audio web_search_options'.split(
            ' ',
          ),
        severalChoices: false,
        // zero is none
        ranges: { temperature: { min: 0.01, max: 1 } },
        parts: ['image_url'],
        strictTools: false,
        jsonSchema: 'tool',
        jsonObject: 'none',
        // else its thoughts stand in the text, in <think>
        defaults: { reasoning_split: true },
        reasoningDetails: true,
        thinkTags: true,
        // it thinks as much as it likes
        efforts: {},
      },
    },
    baseUrl: 'https://api.minimax.io/v1',
    auth: { scheme: 'bearer' },
    keyEnv: ['MINIMAX_API_KEY'],
    listing: { as: 'openai', path: '/models', complete: false },
    docs: 'https://platform.minimax.io/docs/api-reference/text-openai-api',
  },
];

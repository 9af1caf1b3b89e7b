/** Hosts of open models, and gateways to the models of others. */
import { FOLLOWER } from '../../protocols/openai-chat/quirks.ts';
import type { ProviderRow } from '../row.ts';
import { leveled, LOW_TO_HIGH } from './efforts.ts';
import { OLLAMA } from './local.ts';

export const HOSTS: readonly ProviderRow[] = [
  {
    id: 'groq',
    name: 'Groq',
    speaks: {
      wire: 'openai-chat',
      quirks: {
        ...FOLLOWER,
        accepts:
          'temperature top_p max_tokens max_completion_tokens stop seed frequency_penalty presence_penalty parallel_tool_calls reasoning_effort reasoning_format include_reasoning service_tier user citation_options compound_custom disable_tool_validation documents search_settings exclude_domains include_domains'.split(
            ' ',
          ),
        values: { service_tier: ['auto', 'on_demand', 'flex', 'performance'] },
        severalChoices: false,
        names: false,
        parts: ['image_url'],
        formatWithTools: false,
        reasoningBack: { as: 'reasoning' },
        thinkTags: true,
        efforts: LOW_TO_HIGH,
      },
    },
    baseUrl: 'https://api.groq.com/openai/v1',
    auth: { scheme: 'bearer' },
    keyEnv: ['GROQ_API_KEY'],
    listing: { as: 'openai', path: '/models', complete: true },
    rules: [
      // its thoughts come in the text unless they are asked for apart
      {
        match: /^qwen\//,
        speaks: {
          wire: 'openai-chat',
          quirks: {
            defaults: { reasoning_format: 'parsed' },
            efforts: leveled({
              none: 'none',
              minimal: 'default',
              low: 'default',
              medium: 'default',
              high: 'default',
              xhigh: 'default',
              max: 'default',
            }),
          },
        },
      },
      { match: /^llama-3|^groq\/compound/, speaks: { wire: 'openai-chat', quirks: { jsonSchema: 'tool' } } },
    ],
    docs: 'https://console.groq.com/docs/api-reference',
  },
  {
    id: 'together',
    name: 'Together AI',
    speaks: {
      wire: 'openai-chat',
      quirks: {
        ...FOLLOWER,
        // a number here, and answered in a form of its own
        refuses: ['logprobs', 'top_logprobs'],
        thinkTags: true,
        efforts: { ...LOW_TO_HIGH, none: { reasoning: { enabled: false } } },
      },
    },
    baseUrl: 'https://api.together.ai/v1',
    auth: { scheme: 'bearer' },
    keyEnv: ['TOGETHER_API_KEY'],
    listing: { as: 'openai', path: '/models', complete: false },
    rules: [
      { match: /gpt-oss/, speaks: { wire: 'openai-chat', quirks: { efforts: LOW_TO_HIGH } } },
      {
        match: /^deepseek-ai\/DeepSeek-V4/,
        speaks: {
          wire: 'openai-chat',
          quirks: {
            efforts: {
              ...leveled({ minimal: 'high', low: 'high', medium: 'high', high: 'high', xhigh: 'max', max: 'max' }),
              none: { reasoning: { enabled: false } },
            },
          },
        },
      },
    ],
    docs: 'https://docs.together.ai/docs/inference/openai-compatibility',
  },
  {
    id: 'fireworks',
    name: 'Fireworks AI',
    speaks: {
      wire: 'openai-chat',
      quirks: {
        ...FOLLOWER,
        // unknown fields are refused
        accepts:
          'temperature top_p top_k max_tokens max_completion_tokens stop n seed frequency_penalty presence_penalty repetition_penalty min_p typical_p logit_bias logprobs top_logprobs parallel_tool_calls reasoning_effort thinking reasoning_history user prompt_truncate_len context_length_exceeded_behavior prompt_cache_key prediction service_tier metadata'.split(
            ' ',
          ),
        strictTools: false,
        reasoningBack: { as: 'reasoning_content' },
        thinkTags: true,
        efforts: { ...LOW_TO_HIGH, none: { reasoning_effort: 'none' } },
      },
    },
    baseUrl: 'https://api.fireworks.ai/inference/v1',
    auth: { scheme: 'bearer' },
    keyEnv: ['FIREWORKS_API_KEY'],
    listing: { as: 'openai', path: '/models', complete: false },
    docs: 'https://docs.fireworks.ai/api-reference/post-chatcompletions',
  },
  {
    id: 'openrouter',
    name: 'OpenRouter',
    speaks: {
      wire: 'openai-chat',
      quirks: {
        ...FOLLOWER,
        severalChoices: false,
        cacheMarks: 'cache_control',
        reasoningDetails: true,
        efforts: {
          none: { reasoning: { effort: 'none' } },
          minimal: { reasoning: { effort: 'minimal' } },
          low: { reasoning: { effort: 'low' } },
          medium: { reasoning: { effort: 'medium' } },
          high: { reasoning: { effort: 'high' } },
          xhigh: { reasoning: { effort: 'xhigh' } },
          max: { reasoning: { effort: 'xhigh' } },
        },
      },
    },
    baseUrl: 'https://openrouter.ai/api/v1',
    auth: { scheme: 'bearer' },
    keyEnv: ['OPENROUTER_API_KEY'],
    listing: { as: 'openai', path: '/models', complete: false },
    docs: 'https://openrouter.ai/docs/api-reference/chat-completion',
  },
  {
    id: 'cerebras',
    name: 'Cerebras',
    speaks: {
      wire: 'openai-chat',
      quirks: {
        ...FOLLOWER,
        accepts:
          'temperature top_p max_tokens max_completion_tokens stop seed logprobs top_logprobs parallel_tool_calls prediction reasoning_effort reasoning_format clear_thinking service_tier user'.split(
            ' ',
          ),
        ranges: { temperature: { max: 1.5 } },
        severalChoices: false,
        parts: ['image_url'],
        // all tools alike or none
        strictTools: false,
        formatWithTools: false,
        reasoningBack: { as: 'reasoning' },
        thinkTags: true,
        efforts: { ...LOW_TO_HIGH, none: { reasoning_effort: 'none' } },
      },
    },
    baseUrl: 'https://api.cerebras.ai/v1',
    auth: { scheme: 'bearer' },
    keyEnv: ['CEREBRAS_API_KEY'],
    listing: { as: 'openai', path: '/models', complete: true },
    rules: [{ match: /gpt-oss/, speaks: { wire: 'openai-chat', quirks: { efforts: LOW_TO_HIGH } } }],
    docs: 'https://inference-docs.cerebras.ai/api-reference/chat-completions',
  },
  {
    id: 'nvidia',
    name: 'NVIDIA NIM',
    speaks: {
      wire: 'openai-chat',
      quirks: {
        ...FOLLOWER,
        // unknown fields are refused
        accepts:
          'temperature top_p max_tokens stop seed frequency_penalty presence_penalty logprobs top_logprobs parallel_tool_calls reasoning_effort chat_template_kwargs nvext'.split(
            ' ',
          ),
        maxTokens: 'max_tokens',
        severalChoices: false,
        imageUrls: false,
        strictTools: false,
        thinkTags: true,
        efforts: LOW_TO_HIGH,
      },
    },
    baseUrl: 'https://integrate.api.nvidia.com/v1',
    auth: { scheme: 'bearer' },
    keyEnv: ['NVIDIA_API_KEY', 'NVIDIA_NIM_API_KEY'],
    listing: { as: 'openai', path: '/models', complete: false },
    docs: 'https://docs.api.nvidia.com/nim/reference/llm-apis',
  },
  {
    id: 'huggingface',
    name: 'Hugging Face',
    speaks: {
      wire: 'openai-chat',
      quirks: { ...FOLLOWER, thinkTags: true },
    },
    baseUrl: 'https://router.huggingface.co/v1',
    auth: { scheme: 'bearer' },
    keyEnv: ['HF_TOKEN', 'HUGGINGFACE_API_KEY'],
    listing: { as: 'openai', path: '/models', complete: false },
    docs: 'https://huggingface.co/docs/inference-providers/tasks/chat-completion',
  },
  {
    id: 'nebius',
    name: 'Nebius Token Factory',
    speaks: {
      wire: 'openai-chat',
      quirks: { ...FOLLOWER, thinkTags: true },
    },
    baseUrl: 'https://api.tokenfactory.nebius.com/v1',
    auth: { scheme: 'bearer' },
    keyEnv: ['NEBIUS_API_KEY'],
    listing: { as: 'openai', path: '/models?verbose=true', complete: false },
    docs: 'https://docs.tokenfactory.nebius.com/',
  },
  {
    id: 'sambanova',
    name: 'SambaNova',
    speaks: {
      wire: 'openai-chat',
      quirks: {
        ...FOLLOWER,
        accepts: 'temperature top_p top_k max_tokens stop parallel_tool_calls reasoning_effort chat_template_kwargs'.split(' '),
        maxTokens: 'max_tokens',
        ranges: { temperature: { max: 1 } },
        severalChoices: false,
        imageUrls: false,
        joinsText: ['system', 'user', 'assistant', 'tool'],
        strictTools: false,
        thinkTags: true,
        efforts: LOW_TO_HIGH,
      },
    },
    baseUrl: 'https://api.sambanova.ai/v1',
    auth: { scheme: 'bearer' },
    keyEnv: ['SAMBANOVA_API_KEY'],
    listing: { as: 'openai', path: '/models', complete: false },
    docs: 'https://docs.sambanova.ai/docs/en/features/openai-compatibility',
  },
  {
    id: 'hyperbolic',
    name: 'Hyperbolic',
    speaks: {
      wire: 'openai-chat',
      quirks: {
        ...FOLLOWER,
        accepts:
          'temperature top_p top_k min_p max_tokens stop seed n frequency_penalty presence_penalty repetition_penalty logprobs top_logprobs logit_bias user'.split(
            ' ',
          ),
        maxTokens: 'max_tokens',
        strictTools: false,
        thinkTags: true,
      },
    },
    baseUrl: 'https://api.hyperbolic.xyz/v1',
    auth: { scheme: 'bearer' },
    keyEnv: ['HYPERBOLIC_API_KEY'],
    listing: { as: 'openai', path: '/models', complete: false },
    docs: 'https://docs.hyperbolic.xyz/docs/rest-api',
  },
  {
    id: 'deepinfra',
    name: 'DeepInfra',
    speaks: {
      wire: 'openai-chat',
      quirks: { ...FOLLOWER, thinkTags: true },
    },
    baseUrl: 'https://api.deepinfra.com/v1/openai',
    auth: { scheme: 'bearer' },
    keyEnv: ['DEEPINFRA_API_KEY', 'DEEPINFRA_TOKEN'],
    listing: { as: 'openai', path: '/models?filter=with_meta', complete: false },
    docs: 'https://deepinfra.com/docs/openai_api',
  },
  {
    id: 'novita',
    name: 'Novita AI',
    speaks: {
      wire: 'openai-chat',
      quirks: { ...FOLLOWER, maxTokens: 'max_tokens', thinkTags: true },
    },
    baseUrl: 'https://api.novita.ai/openai/v1',
    auth: { scheme: 'bearer' },
    keyEnv: ['NOVITA_API_KEY'],
    listing: { as: 'openai', path: '/models', complete: false },
    docs: 'https://novita.ai/docs/api-reference/model-apis-llm-create-chat-completion',
  },
  {
    id: 'baseten',
    name: 'Baseten',
    speaks: {
      wire: 'openai-chat',
      quirks: {
        ...FOLLOWER,
        accepts:
          'temperature top_p top_k max_tokens max_completion_tokens stop seed frequency_penalty presence_penalty logprobs top_logprobs parallel_tool_calls reasoning_effort chat_template_args user'.split(
            ' ',
          ),
        severalChoices: false,
        thinkTags: true,
      },
    },
    baseUrl: 'https://inference.baseten.co/v1',
    auth: { scheme: 'bearer' },
    keyEnv: ['BASETEN_API_KEY'],
    listing: { as: 'openai', path: '/models', complete: false },
    docs: 'https://docs.baseten.co/inference/model-apis/overview',
  },
  {
    id: 'vercel',
    name: 'Vercel AI Gateway',
    speaks: {
      wire: 'openai-chat',
      quirks: { ...FOLLOWER, severalChoices: false, cacheMarks: 'none' },
    },
    baseUrl: 'https://ai-gateway.vercel.sh/v1',
    auth: { scheme: 'bearer' },
    keyEnv: ['AI_GATEWAY_API_KEY'],
    listing: { as: 'openai', path: '/models', complete: false },
    docs: 'https://vercel.com/docs/ai-gateway/openai-compat',
  },
  {
    id: 'siliconflow',
    name: 'SiliconFlow',
    speaks: {
      wire: 'openai-chat',
      quirks: { ...FOLLOWER, maxTokens: 'max_tokens', thinkTags: true },
    },
    baseUrl: 'https://api.siliconflow.com/v1',
    auth: { scheme: 'bearer' },
    keyEnv: ['SILICONFLOW_API_KEY'],
    listing: { as: 'openai', path: '/models?sub_type=chat', complete: false },
    docs: 'https://docs.siliconflow.com/en/api-reference/chat-completions/chat-completions',
  },
  {
    id: 'ollama-cloud',
    name: 'Ollama Cloud',
    speaks: { wire: 'openai-chat', quirks: OLLAMA },
    baseUrl: 'https://ollama.com/v1',
    auth: { scheme: 'bearer' },
    keyEnv: ['OLLAMA_API_KEY'],
    listing: { as: 'openai', path: '/models', complete: false },
    docs: 'https://docs.ollama.com/cloud',
  },
];

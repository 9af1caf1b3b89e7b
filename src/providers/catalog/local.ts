/** Servers that people run themselves. The addresses are the ones that they listen on unless told otherwise. */
import { FOLLOWER } from '../../protocols/openai-chat/quirks.ts';
import type { OpenAIChatQuirks } from '../../protocols/openai-chat/quirks.ts';
import type { ProviderRow } from '../row.ts';
import { LOW_TO_HIGH } from './efforts.ts';

/** Ollama, here and at its makers'. What else OpenAI has is left unread without a word. */
export const OLLAMA: OpenAIChatQuirks = {
  ...FOLLOWER,
  accepts: 'temperature top_p max_tokens stop seed frequency_penalty presence_penalty logprobs top_logprobs reasoning_effort'.split(' '),
  maxTokens: 'max_tokens',
  severalChoices: false,
  imageUrls: false,
  parts: ['image_url'],
  // the model always chooses
  requiredChoice: false,
  noneChoice: false,
  namedChoice: false,
  reasoningBack: { as: 'reasoning' },
  thinkTags: true,
  efforts: { ...LOW_TO_HIGH, none: { reasoning_effort: 'none' } },
};

export const LOCAL_SERVERS: readonly ProviderRow[] = [
  {
    id: 'ollama',
    name: 'Ollama',
    speaks: { wire: 'openai-chat', quirks: OLLAMA },
    baseUrl: 'http://127.0.0.1:11434/v1',
    auth: { scheme: 'bearer', optional: true },
    keyEnv: [],
    baseUrlEnv: ['OLLAMA_BASE_URL'],
    listing: { as: 'openai', path: '/models', complete: false },
    local: true,
    docs: 'https://docs.ollama.com/api/openai-compatibility',
  },
  {
    id: 'lmstudio',
    name: 'LM Studio',
    speaks: {
      wire: 'openai-chat',
      quirks: {
        ...FOLLOWER,
        maxTokens: 'max_tokens',
        severalChoices: false,
        imageUrls: false,
        parts: ['image_url'],
        namedChoice: false,
        jsonObject: 'json_schema',
        thinkTags: true,
      },
    },
    baseUrl: 'http://127.0.0.1:1234/v1',
    auth: { scheme: 'bearer', optional: true },
    keyEnv: ['LM_API_TOKEN'],
    baseUrlEnv: ['LM_STUDIO_BASE_URL'],
    listing: { as: 'openai', path: '/models', complete: false },
    local: true,
    docs: 'https://lmstudio.ai/docs/developer/openai-compat',
  },
  {
    id: 'vllm',
    name: 'vLLM',
    speaks: {
      wire: 'openai-chat',
      quirks: { ...FOLLOWER, reasoningBack: { as: 'reasoning', onlyWithCalls: true }, thinkTags: true },
    },
    baseUrl: 'http://127.0.0.1:8000/v1',
    auth: { scheme: 'bearer', optional: true },
    keyEnv: ['VLLM_API_KEY'],
    baseUrlEnv: ['VLLM_BASE_URL'],
    listing: { as: 'openai', path: '/models', complete: true },
    local: true,
    docs: 'https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html',
  },
  {
    id: 'sglang',
    name: 'SGLang',
    speaks: {
      wire: 'openai-chat',
      quirks: { ...FOLLOWER, reasoningBack: { as: 'reasoning_content', onlyWithCalls: true }, thinkTags: true },
    },
    baseUrl: 'http://127.0.0.1:30000/v1',
    auth: { scheme: 'bearer', optional: true },
    keyEnv: ['SGLANG_API_KEY'],
    baseUrlEnv: ['SGLANG_BASE_URL'],
    listing: { as: 'openai', path: '/models', complete: false },
    local: true,
    docs: 'https://docs.sglang.ai/basic_usage/openai_api_completions.html',
  },
  {
    id: 'llamacpp',
    name: 'llama.cpp',
    speaks: {
      wire: 'openai-chat',
      quirks: {
        ...FOLLOWER,
        severalChoices: false,
        imageUrls: false,
        // takes words only
        namedChoice: false,
        reasoningBack: { as: 'reasoning_content', onlyWithCalls: true },
        thinkTags: true,
      },
    },
    baseUrl: 'http://127.0.0.1:8080/v1',
    auth: { scheme: 'bearer', optional: true },
    keyEnv: ['LLAMA_CPP_API_KEY'],
    baseUrlEnv: ['LLAMA_CPP_BASE_URL'],
    listing: { as: 'openai', path: '/models', complete: false },
    local: true,
    docs: 'https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md',
  },
  {
    id: 'localai',
    name: 'LocalAI',
    speaks: {
      wire: 'openai-chat',
      quirks: { ...FOLLOWER, thinkTags: true },
    },
    baseUrl: 'http://127.0.0.1:8080/v1',
    auth: { scheme: 'bearer', optional: true },
    keyEnv: ['LOCALAI_API_KEY'],
    baseUrlEnv: ['LOCALAI_BASE_URL'],
    listing: { as: 'openai', path: '/models', complete: false },
    local: true,
    docs: 'https://localai.io/features/text-generation/',
  },
  {
    id: 'parlance',
    name: 'Parlance',
    // Another server of this kind. It has no address of its own to begin with: the usual one may be ours.
    speaks: { wire: 'openai-chat', quirks: { faithful: true, providerState: true, reasoningBack: { as: 'reasoning_content' } } },
    baseUrl: '{endpoint}/v1',
    auth: { scheme: 'bearer', optional: true },
    keyEnv: [],
    variables: { endpoint: { env: [] } },
    listing: { as: 'openai', path: '/models', complete: true },
    local: true,
    docs: 'https://platform.openai.com/docs/api-reference/chat',
  },
];

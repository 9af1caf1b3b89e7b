/**
 * Names by which models can be called at their providers, for while a provider's own list cannot be had. From the
 * providers' pages of models, November 2026; old generations that are about to go are left out.
 */
const CALLABLE: Readonly<Record<string, string>> = {
  openai:
    'gpt-4o gpt-4o-mini gpt-4.1 gpt-4.1-mini gpt-4.1-nano gpt-5 gpt-5-mini gpt-5-nano gpt-5-pro gpt-5.1 gpt-5.2 gpt-5.2-pro gpt-5.3-codex gpt-5.4 ' +
    'gpt-5.4-mini gpt-5.4-nano gpt-5.4-pro gpt-5.5 gpt-5.5-pro gpt-5.6 gpt-5.6-sol gpt-5.6-terra gpt-5.6-luna gpt-6-astra gpt-6-sol gpt-6-luna ' +
    'o1 o3 o3-mini o3-pro o4-mini',
  anthropic:
    'claude-haiku-4-5 claude-sonnet-4-5 claude-sonnet-4-6 claude-sonnet-5 claude-opus-4-5 claude-opus-4-6 claude-opus-4-7 claude-opus-4-8 ' +
    'claude-opus-5 claude-opus-5-5 claude-fable-5 claude-fable-5-1',
  google:
    'gemini-2.5-pro gemini-2.5-flash gemini-2.5-flash-lite gemini-3-flash-preview gemini-3.1-pro-preview gemini-3.1-flash-lite gemini-3.5-flash ' +
    'gemini-3.5-flash-lite gemini-3.6-flash gemini-3.7-flash gemini-3.8-flash gemini-flash-latest gemini-flash-lite-latest',
  vertex:
    'gemini-2.5-pro gemini-2.5-flash gemini-2.5-flash-lite gemini-3-flash-preview gemini-3.1-pro-preview gemini-3.1-flash-lite gemini-3.5-flash ' +
    'gemini-3.5-flash-lite gemini-3.6-flash gemini-3.7-flash gemini-3.8-flash claude-haiku-4-5@20251001 claude-sonnet-4-5@20250929 ' +
    'claude-sonnet-4-6 claude-sonnet-5 claude-opus-4-5@20251101 claude-opus-4-6 claude-opus-4-7 claude-opus-4-8 claude-opus-5 claude-opus-5-5 ' +
    'claude-fable-5 claude-fable-5-1',
  bedrock:
    'amazon.nova-micro-v1:0 amazon.nova-lite-v1:0 amazon.nova-pro-v1:0 openai.gpt-oss-120b-1:0 openai.gpt-oss-20b-1:0 ' +
    'global.anthropic.claude-haiku-4-5-20251001-v1:0 global.anthropic.claude-sonnet-4-5-20250929-v1:0 global.anthropic.claude-opus-5 ' +
    'global.anthropic.claude-opus-5-5 global.amazon.nova-2-lite-v1:0',
  mistral:
    'mistral-large-latest mistral-medium-latest mistral-small-latest magistral-medium-latest codestral-latest devstral-latest ministral-3b-latest ' +
    'ministral-8b-latest ministral-14b-latest',
  deepseek: 'deepseek-flash deepseek-v4-flash deepseek-v4-pro',
  xai: 'grok-4.3 grok-4.5 grok-4.6 grok-4.7 grok-4.20-0309-reasoning grok-4.20-0309-non-reasoning grok-build-0.1',
  cohere: 'command-a-03-2025 command-a-reasoning-08-2025 command-a-vision-07-2025 command-a-plus-05-2026 command-r7b-12-2024',
  perplexity:
    'perplexity/sonar anthropic/claude-haiku-4-5 anthropic/claude-sonnet-4-6 anthropic/claude-opus-4-7 openai/gpt-5.4 openai/gpt-5.5 ' +
    'google/gemini-3.1-pro-preview google/gemini-3-flash-preview xai/grok-4.6',
  moonshot: 'kimi-k2.6 kimi-k2.7-code kimi-k2.7-code-highspeed kimi-k3',
  alibaba:
    'qwen-plus qwen-flash qwen3-max qwen3-coder-plus qwen3-coder-flash qwen3-vl-plus qwen3.6-plus qwen3.7-plus qwen3.7-max qwen3.8-flash qwen3.8-max',
  zhipu: 'glm-4.5-air glm-4.6 glm-4.6v glm-4.7 glm-4.7-flash glm-5 glm-5-turbo glm-5.1 glm-5.2 glm-5.3 glm-5.3-flash glm-5v-turbo',
  minimax: 'MiniMax-M2.5 MiniMax-M2.5-highspeed MiniMax-M2.7 MiniMax-M2.7-highspeed MiniMax-M3',
  groq: 'openai/gpt-oss-120b openai/gpt-oss-20b llama-3.1-8b-instant llama-3.3-70b-versatile qwen/qwen3.6-27b qwen/qwen3.8-27b groq/compound groq/compound-mini',
  cerebras: 'gpt-oss-120b qwen-3.8-27b',
};

/** Names that the provider of that row answers to; none where nothing is known of it. */
export function knownModels(row: string): readonly string[] {
  return Object.hasOwn(CALLABLE, row) ? (CALLABLE[row] ?? '').split(' ') : [];
}

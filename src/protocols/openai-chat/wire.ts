/** What whole answers and streamed ones say in the same words. */
import type { Annotation, ChatRequest, StopReason, TokenLogprob, TopLogprob, Usage } from '../../core/chat.ts';

export type FinishReason = 'stop' | 'length' | 'tool_calls' | 'content_filter' | 'function_call';

/**
 * `tool_calls` (`function_call` in the older form) exactly where the model chose to call: a call that the request named
 * is a plain `stop`, as OpenAI has it. A limit or a filter is always told. The contract has no word for a pause, which
 * is a `stop` where it gets so far.
 */
export function finishReason(reason: StopReason, request: ChatRequest, called: boolean): FinishReason {
  if (reason === 'length' || reason === 'content_filter') return reason;
  if (!called || request.toolChoice.mode === 'named') return 'stop';
  return request.legacyFunctions ? 'function_call' : 'tool_calls';
}

export function encodeUsage(usage: Usage) {
  const prompt: Record<string, number> = { cached_tokens: usage.cachedTokens };
  if (usage.cacheWriteTokens !== undefined) prompt['cache_write_tokens'] = usage.cacheWriteTokens;
  if (usage.promptAudioTokens !== undefined) prompt['audio_tokens'] = usage.promptAudioTokens;
  const completion: Record<string, number> = { reasoning_tokens: usage.reasoningTokens };
  if (usage.completionAudioTokens !== undefined) completion['audio_tokens'] = usage.completionAudioTokens;
  if (usage.acceptedPredictionTokens !== undefined) completion['accepted_prediction_tokens'] = usage.acceptedPredictionTokens;
  if (usage.rejectedPredictionTokens !== undefined) completion['rejected_prediction_tokens'] = usage.rejectedPredictionTokens;
  const encoded: Record<string, unknown> = {
    prompt_tokens: usage.promptTokens,
    completion_tokens: usage.completionTokens,
    total_tokens: usage.promptTokens + usage.completionTokens,
    prompt_tokens_details: prompt,
    completion_tokens_details: completion,
  };
  if (usage.providerTools !== undefined) encoded['provider_tool_calls'] = usage.providerTools;
  return encoded;
}

/** The field, where there is a value for it. */
export function where<K extends string, T>(key: K, value: T | undefined): Partial<Record<K, T>> {
  const one: Partial<Record<K, T>> = {};
  if (value !== undefined) one[key] = value;
  return one;
}

/** Citations in the contract's words. */
export function encodeAnnotation({ type, url, title, start, end }: Annotation) {
  return { type, url_citation: { start_index: start, end_index: end, url, title } };
}

/** JSON has no −∞; −9999 is what OpenAI puts for a token that cannot be. */
const NEVER = -9999;

function encodeTop({ token, logprob, bytes }: TopLogprob) {
  return { token: token.toWellFormed(), logprob: Number.isFinite(logprob) ? logprob : NEVER, bytes };
}

function encodeToken(token: TokenLogprob) {
  return { ...encodeTop(token), top_logprobs: token.top.map(encodeTop) };
}

/** Log probabilities stand beside what they are of: the content, or the refusal. */
export function encodeLogprobs(tokens: readonly TokenLogprob[] | undefined, of: 'content' | 'refusal') {
  if (!tokens) return null;
  const list = tokens.map(encodeToken);
  return of === 'content' ? { content: list, refusal: null } : { content: null, refusal: list };
}

/** A function that was called without arguments has an empty object of them; free text may be empty. */
export function whereEmpty(kind: 'function' | 'custom'): string {
  return kind === 'function' ? '{}' : '';
}

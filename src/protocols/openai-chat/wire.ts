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
  return {
    prompt_tokens: usage.promptTokens,
    completion_tokens: usage.completionTokens,
    total_tokens: usage.promptTokens + usage.completionTokens,
    prompt_tokens_details: {
      cached_tokens: usage.cachedTokens,
      ...where('cache_write_tokens', usage.cacheWriteTokens),
      ...where('audio_tokens', usage.promptAudioTokens),
    },
    completion_tokens_details: {
      reasoning_tokens: usage.reasoningTokens,
      ...where('audio_tokens', usage.completionAudioTokens),
      ...where('accepted_prediction_tokens', usage.acceptedPredictionTokens),
      ...where('rejected_prediction_tokens', usage.rejectedPredictionTokens),
    },
    ...where('provider_tool_calls', usage.providerTools),
  };
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

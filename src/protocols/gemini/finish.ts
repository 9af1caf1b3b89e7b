/** Why an answer ended, in the contract's words. */
import type { StopReason } from '../../core/chat.ts';
import type { GatewayError } from '../../core/error.ts';
import { reportedError } from '../failure.ts';
import { entry } from '../json.ts';

export type Finish = { readonly reason: StopReason } | { readonly error: GatewayError };

const REASONS: Readonly<Record<string, StopReason>> = {
  STOP: 'stop',
  MAX_TOKENS: 'length',
  CONTINUATION: 'length',
  SAFETY: 'content_filter',
  RECITATION: 'content_filter',
  BLOCKLIST: 'content_filter',
  PROHIBITED_CONTENT: 'content_filter',
  SPII: 'content_filter',
  MODEL_ARMOR: 'content_filter',
  IMAGE_SAFETY: 'content_filter',
  IMAGE_PROHIBITED_CONTENT: 'content_filter',
  IMAGE_RECITATION: 'content_filter',
  IMAGE_OTHER: 'content_filter',
  // withheld or broken off for reasons that are not told: not a stop, which would call the answer whole
  LANGUAGE: 'content_filter',
  OTHER: 'content_filter',
};

/**
 * The model went wrong: what it wanted to do is not in the answer. A stop would leave an agent with an answer that says
 * nothing and no reason why, a content filter would be untrue; as an upstream failure it may be tried again.
 */
const FAILURES: Readonly<Record<string, string>> = {
  MALFORMED_FUNCTION_CALL: 'The model made a function call that is not valid.',
  MALFORMED_RESPONSE: 'The model made an answer that is not valid.',
  UNEXPECTED_TOOL_CALL: 'The model called a tool that it was not given.',
  TOO_MANY_TOOL_CALLS: 'The model called too many tools in a row.',
  NO_IMAGE: 'The model made no image where one was expected.',
};

/** `message` is the provider's own, where it gave one. Reasons yet to come count as a stop. */
export function finishOf(finishReason: string, message: string | undefined): Finish {
  if (finishReason === 'MISSING_THOUGHT_SIGNATURE') {
    const text = message ?? 'The request lacks a thought signature that the model wants to see again.';
    return { error: reportedError({ status: 400, message: text, code: finishReason, param: 'messages' }) };
  }
  const failure = entry(FAILURES, finishReason);
  if (failure === undefined) return { reason: entry(REASONS, finishReason) ?? 'stop' };
  return { error: reportedError({ status: 502, message: `${message ?? failure} (${finishReason})` }) };
}

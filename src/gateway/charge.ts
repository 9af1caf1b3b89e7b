/** What an attempt is charged for. The rule, in words for administrators, is in docs/usage.md. */
import type { Attempt } from '../core/call.ts';
import type { Usage } from '../core/chat.ts';
import type { PromptEstimate } from './prompt-estimate.ts';

/** What is known of a request that may have to stand in for what a provider did not report. */
export interface Estimate {
  /** Of one request to a provider. */
  readonly promptTokens: number;
  /** No answer has more: what the request was limited to. */
  readonly completionTokens: number | undefined;
}

export interface Charge {
  readonly usage: Usage;
  /** Counted by us, because the provider did not say. */
  readonly estimated: boolean;
}

/** English has about four bytes to a token; other scripts have more bytes to a character, and fewer characters to a token. */
const BYTES_PER_TOKEN = 4;

/** A provider that reports more tokens than this speaks of something else. */
const MOST_TOKENS = 1_000_000_000_000;

/** What an estimate counts for the request itself. */
const FOR_REQUEST = 64;

/** How long a prompt probably is: the estimate is no lower than any model's count, and about twice that for English and code. */
export function likelyTokens({ tokens }: PromptEstimate): number {
  return Math.ceil(Math.max(2, tokens - FOR_REQUEST) / 2);
}

const NOTHING: Charge = {
  usage: { promptTokens: 0, completionTokens: 0, cachedTokens: 0, reasoningTokens: 0 },
  estimated: false,
};

/**
 * What an attempt that is over has used. What the provider reported is right. Where it reported nothing and the answer had begun,
 * it is the prompt and what came of the answer. One that we gave up before any output, because the client left or another
 * was faster, has its prompt charged if the provider had got it. One that failed before any output costs nothing.
 * `calls`: so many requests to the provider the attempt made, each with the prompt.
 */
export function chargeOf(attempt: Attempt, { promptTokens, completionTokens: most }: Estimate, calls = 1): Charge {
  const { usage, outcome, reached, firstOutputAt, producedBytes = 0 } = attempt;
  if (usage) return { usage, estimated: false };
  const begun = firstOutputAt !== undefined || outcome === 'answered';
  const givenUp = outcome === 'cancelled' || outcome === 'lost';
  if (!begun && !(givenUp && reached === true)) return NOTHING;
  const completionTokens = Math.min(Math.ceil(producedBytes / BYTES_PER_TOKEN), most ?? Infinity);
  const known = { promptTokens: promptTokens * calls, completionTokens, cachedTokens: 0, reasoningTokens: 0 };
  return { usage: calls > 1 ? { ...known, calls } : known, estimated: true };
}

/** What a provider reports that can be; what cannot be counts as not reported. */
export function isPossible(usage: Usage): boolean {
  return Object.values(usage).every((count) => typeof count !== 'number' || count <= MOST_TOKENS);
}

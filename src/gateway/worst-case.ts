/** How much a request may use at most: what is held for it before its first attempt. */
import type { Target } from '../core/call.ts';
import type { ChatRequest } from '../core/chat.ts';
import { likelyTokens } from './charge.ts';
import { mayContinue } from './continue.ts';
import { worstCase } from './money.ts';
import { withinWindow } from './prompt-estimate.ts';
import type { PromptEstimate } from './prompt-estimate.ts';
import type { Route } from './route.ts';

export interface WorstCase {
  /** What the prompt probably has, as often as it is sent for one answer; the cost is that of the most it may have. */
  readonly promptTokens: number;
  /** Tokens of each choice that the client allows; undefined where it does not say. */
  readonly named: number | undefined;
  /** What the models behind the route can say at most; undefined where that is not known of one of them. */
  readonly possible: number | undefined;
  readonly choices: number;
  /** In nano-dollars, where each choice has so many tokens at most. */
  costOf(tokens: number): bigint;
  /** The most tokens of each choice, up to `most`, that cost no more than this; 0 where none do. */
  fitting(nanos: bigint, most: number): number;
}

interface Asked {
  readonly route: Route;
  readonly request: ChatRequest;
  readonly prompt: PromptEstimate;
}

/** Targets without a price cost nothing here. */
export function worstCaseOf({ route, request, prompt }: Asked): WorstCase {
  const { n, maxTokens } = request;
  const { whole, continued } = answersBilled(route, request);
  const dearest = (estimate: PromptEstimate, completionTokens: number): bigint => {
    let most = 0n;
    for (const { target } of route.targets) {
      const { contextWindow, pricing } = target.card;
      const calls = callsOf(target, request);
      const each = worstCase(withinWindow(estimate, contextWindow), Math.ceil(completionTokens / calls), pricing) ?? 0n;
      const cost = each * BigInt(calls);
      if (cost > most) most = cost;
    }
    return most;
  };
  const costOf = (tokens: number): bigint => {
    const said = tokens * n;
    const once = dearest(prompt, said) * BigInt(whole);
    // who goes on reads what was said so far as well
    return continued ? once + dearest({ ...prompt, tokens: prompt.tokens + said }, said) : once;
  };
  return {
    promptTokens: likelyTokens(prompt) * Math.max(1, ...route.targets.map(({ target }) => callsOf(target, request))),
    named: maxTokens,
    possible: possibleTokens(route),
    choices: n,
    costOf,
    fitting(nanos, most) {
      let [low, high] = [0, Math.max(0, most)];
      while (low < high) {
        const middle = Math.ceil((low + high) / 2);
        if (costOf(middle) <= nanos) low = middle;
        else high = middle - 1;
      }
      return low;
    },
  };
}

/** How often a target is sent the prompt for one answer. */
export function callsOf(target: Target, request: ChatRequest): number {
  return target.backend.calls?.(request, target) ?? 1;
}

/**
 * Answers that providers may charge for in whole. An attempt that fails before any output costs nothing, so retries are not
 * among them; a second one beside the first, and one in place of an answer that was withheld, are.
 */
function answersBilled({ targets, policy }: Route, request: ChatRequest): { readonly whole: number; readonly continued: boolean } {
  if (targets.length < 2) return { whole: 1, continued: false };
  const hedges = policy.hedge ? 1 : 0;
  const withheld = policy.onContentFilter ? Math.min(policy.attempts, targets.length) - 1 : 0;
  return { whole: 1 + hedges + withheld, continued: policy.continues && policy.attempts > 1 && mayContinue(request) };
}

/** Without the prompt taken off a window: the estimate of it is no lower bound. */
function possibleTokens({ targets }: Route): number | undefined {
  let most = 0;
  for (const { target } of targets) {
    const { maxOutputTokens, contextWindow } = target.card;
    const possible = Math.min(maxOutputTokens ?? Infinity, contextWindow ?? Infinity);
    if (possible === Infinity) return undefined;
    most = Math.max(most, possible);
  }
  return most;
}

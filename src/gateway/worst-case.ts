/** How much a request may use at most: what is held for it before its first attempt. */
import type { Target } from '../core/call.ts';
import type { ChatRequest } from '../core/chat.ts';
import { likelyTokens } from './charge.ts';
import { mayContinue } from './continue.ts';
import { worstCase } from './money.ts';
import { withinWindow } from './prompt-estimate.ts';
import type { PromptEstimate } from './prompt-estimate.ts';
import type { Route } from './route.ts';
import { askedService, inService } from './service-prices.ts';

interface Asked {
  readonly route: Route;
  readonly request: ChatRequest;
  readonly prompt: PromptEstimate;
}

export interface WorstCase extends Asked {
  /** What the prompt probably has, as often as it is sent for one answer; the cost is that of the most it may have. */
  readonly promptTokens: number;
  /** Tokens of each choice that the client allows; undefined where it does not say. */
  readonly named: number | undefined;
  /** What the models behind the route can say at most; undefined where that is not known of one of them. */
  readonly possible: number | undefined;
  readonly choices: number;
}

export function worstCaseOf({ route, request, prompt }: Asked): WorstCase {
  let calls = 1;
  for (const { target } of route.targets) calls = Math.max(calls, callsOf(target, request));
  return {
    route,
    request,
    prompt,
    promptTokens: likelyTokens(prompt) * calls,
    named: request.maxTokens,
    possible: possibleTokens(route),
    choices: request.n,
  };
}

/** In nano-dollars, where each choice has so many tokens at most. Targets without a price cost nothing here. */
export function worstCostOf(worst: WorstCase, tokens: number): bigint {
  const { route, request, prompt, choices } = worst;
  const said = tokens * choices;
  const once = dearest(worst, prompt, said);
  if (route.targets.length < 2) return once;
  const all = once * BigInt(answersBilled(route));
  if (!isContinued(route, request)) return all;
  // who goes on reads what was said so far as well
  return all + dearest(worst, { ...prompt, tokens: prompt.tokens + said }, said);
}

/** The most tokens of each choice, up to `most`, that cost no more than this; 0 where none do. */
export function fittingTokens(worst: WorstCase, nanos: bigint, most: number): number {
  let [low, high] = [0, Math.max(0, most)];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (worstCostOf(worst, middle) <= nanos) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** By the dearest of the targets, in the class of service that was asked for or in the usual one. */
function dearest({ route, request }: WorstCase, prompt: PromptEstimate, completionTokens: number): bigint {
  const service = askedService(request);
  let most = 0n;
  for (const { target } of route.targets) {
    const { contextWindow, pricing } = target.card;
    const calls = callsOf(target, request);
    const sent = withinWindow(prompt, contextWindow);
    const said = Math.ceil(completionTokens / calls);
    const usual = worstCase(sent, said, pricing) ?? 0n;
    const served = inService(pricing, service);
    const each = served === pricing ? usual : larger(usual, worstCase(sent, said, served) ?? 0n);
    const cost = calls === 1 ? each : each * BigInt(calls);
    if (cost > most) most = cost;
  }
  return most;
}

const larger = (one: bigint, other: bigint): bigint => (one > other ? one : other);

/** How often a target is sent the prompt for one answer. */
export function callsOf(target: Target, request: ChatRequest): number {
  return target.backend.calls?.(request, target) ?? 1;
}

/**
 * Answers that providers may charge for in whole. An attempt that fails before any output costs nothing, so retries are not
 * among them; a second one beside the first, and one in place of an answer that was withheld, are.
 */
function answersBilled({ targets, policy }: Route): number {
  const hedges = policy.hedge ? 1 : 0;
  const withheld = policy.onContentFilter ? Math.min(policy.attempts, targets.length) - 1 : 0;
  return 1 + hedges + withheld;
}

function isContinued({ policy }: Route, request: ChatRequest): boolean {
  return policy.continues && policy.attempts > 1 && mayContinue(request);
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

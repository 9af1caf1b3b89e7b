/**
 * What requests cost, in whole nano-dollars. Prices are read as the decimals they were written as, and all arithmetic is in
 * whole numbers: a cost is rounded once, at the end, half a nano-dollar up; a worst case is rounded up.
 */
import type { Pricing } from '../core/call.ts';
import type { Usage } from '../core/chat.ts';
import type { BudgetPeriod } from './accounts.ts';
import { MOST_MONEY } from './counting.ts';
import { AT, decimalOf, exactly, KINDS, worstAt } from './exact-prices.ts';
import type { ExactPrices, PricedTier, PriceList } from './exact-prices.ts';
import type { PromptEstimate } from './prompt-estimate.ts';
import { inService, isServicePriced } from './service-prices.ts';

export { estimatePrompt, estimatePromptTokens } from './prompt-estimate.ts';

const NANOS = 1_000_000_000n;
const DAY_MS = 86_400_000;

/** In nano-dollars. `known`: nothing is missing in it, because no price of what was used is unknown. */
export interface Cost {
  readonly nanos: bigint;
  readonly known: boolean;
}

/** A provider that says a request cost more dollars than this speaks of something else. */
const MOST_REPORTED = 1_000_000;

/**
 * What an attempt is charged. What the provider says that it charged is right, but where the administrator has set a price;
 * a reported 0 says nothing, since there are servers that write it and charge all the same. Else it is the cost by our prices,
 * without what no price is known for, and no more than a counter counts at once. `serviceTier`: the class of service that the
 * provider says it was, in the contract's words.
 */
export function chargedFor(usage: Usage, pricing: Pricing | undefined, serviceTier?: string): Cost {
  const { reportedCost = 0 } = usage;
  if (reportedCost > 0 && reportedCost <= MOST_REPORTED && pricing?.binding !== true) {
    return { nanos: nanosOf(reportedCost), known: true };
  }
  const { providerTools } = usage;
  const ran = providerTools === undefined ? NO_RUNS : runsOf(providerTools);
  if (usage.promptTokens + usage.completionTokens === 0 && ran.length === 0) return { nanos: 0n, known: true };
  const cost = costOf(usage, inService(pricing, serviceTier));
  if (cost === undefined) return { nanos: 0n, known: false };
  const known = isServicePriced(pricing, serviceTier) && (ran === NO_RUNS || ran.every(([tool]) => hasFee(pricing, tool)));
  return { nanos: cost < MOST_MONEY ? cost : MOST_MONEY, known };
}

const NO_RUNS: readonly (readonly [string, number])[] = [];

function runsOf(providerTools: Readonly<Record<string, number>>): readonly (readonly [string, number])[] {
  return Object.entries(providerTools).filter(([, runs]) => runs > 0);
}

function hasFee(pricing: Pricing | undefined, tool: string): boolean {
  return [pricing?.tools, pricing?.toolRequests].some((fees) => fees !== undefined && Object.hasOwn(fees, tool));
}

/**
 * What was used, by those prices; undefined where a price of tokens that it needs is not known, which is not the same as
 * nothing. Tools whose fee is not known are left out. Details are parts of the totals (core/chat.ts); where those of the
 * prompt are more than the prompt, audio and then images are among what was read from the cache, and charged as that.
 */
export function costOf(usage: Usage, pricing: Pricing | undefined): bigint | undefined {
  if (!pricing) return undefined;
  const exact = exactly(pricing);
  const { calls = 1, providerTools } = usage;
  // of several requests each is charged by the length of its own prompt, which they have in common
  const tier = tierOf(exact, usage.promptTokens / calls);
  if (!tier) return undefined;
  countByKind(usage);
  if (providerTools === undefined) {
    const quick = quotient(2 * nearSum(byKind, tier.prices, exact.nearRequest * calls) + exact.nearScale, 2 * exact.nearScale);
    if (quick !== undefined) return quick;
  }
  const units = wholeSum(byKind, tier.prices, exact.request * BigInt(calls));
  if (units === undefined) return undefined;
  const all = providerTools === undefined ? units : units + feesOf(providerTools, calls, exact);
  return (2n * all + exact.scale) / (2n * exact.scale);
}

function tierOf({ tiers }: ExactPrices, promptTokens: number): PricedTier | undefined {
  for (const tier of tiers) if (promptTokens > tier.above) return tier;
  return undefined;
}

function feesOf(providerTools: Readonly<Record<string, number>>, calls: number, { tools, toolRequests }: ExactPrices): bigint {
  let units = 0n;
  for (const [tool, runs] of runsOf(providerTools)) {
    units += BigInt(Math.ceil(runs)) * (tools.get(tool) ?? 0n);
    units += BigInt(Math.ceil(Math.min(runs, calls))) * (toolRequests.get(tool) ?? 0n);
  }
  return units;
}

/** Tokens by their kinds: filled and read at once, for each request anew. */
const byKind = new Float64Array(KINDS.length);
/** The same for what tokens may be, as `PricedTier.worst` has it. */
const byPart = new Float64Array(4);

function countByKind(usage: Usage): void {
  const { promptTokens, completionTokens, cachedTokens, reasoningTokens } = usage;
  const {
    cacheWriteTokens = 0,
    promptAudioTokens = 0,
    promptImageTokens = 0,
    completionAudioTokens = 0,
    completionImageTokens = 0,
  } = usage;
  const long = Math.min(usage.cacheWriteLongTokens ?? 0, cacheWriteTokens);
  const plain = promptTokens - cachedTokens - cacheWriteTokens - promptAudioTokens - promptImageTokens;
  const counted = Math.max(0, -plain);
  const cachedAudio = Math.min(counted, promptAudioTokens, cachedTokens);
  const cachedImage = Math.min(counted - cachedAudio, promptImageTokens, cachedTokens - cachedAudio);
  byKind[AT.input] = plain;
  byKind[AT.cachedInput] = cachedTokens - cachedAudio;
  byKind[AT.cachedAudio] = cachedAudio;
  byKind[AT.cacheWrite] = cacheWriteTokens - long;
  byKind[AT.cacheWriteLong] = long;
  byKind[AT.inputAudio] = promptAudioTokens - cachedAudio;
  byKind[AT.inputImage] = promptImageTokens - cachedImage;
  byKind[AT.output] = completionTokens - reasoningTokens - completionAudioTokens - completionImageTokens;
  byKind[AT.reasoning] = reasoningTokens;
  byKind[AT.outputAudio] = completionAudioTokens;
  byKind[AT.outputImage] = completionImageTokens;
}

/**
 * The most that a request can cost whose prompt is no longer than estimated and whose completion has no more than
 * `maxTokens` (over all choices): every token at the dearest price it may have. Undefined where a price is not known.
 */
export function worstCase(prompt: PromptEstimate, maxTokens: number, pricing: Pricing | undefined): bigint | undefined {
  if (!pricing) return undefined;
  const exact = exactly(pricing);
  const prices = tierOf(exact, prompt.tokens)?.worst[worstAt(prompt.longCache, prompt.otherOutput)];
  if (!prices) return undefined;
  byPart[0] = prompt.tokens - prompt.audioTokens - prompt.imageTokens;
  byPart[1] = prompt.audioTokens;
  byPart[2] = prompt.imageTokens;
  byPart[3] = maxTokens;
  const quick = quotient(nearSum(byPart, prices, exact.nearRequest) + (exact.nearScale - 1), exact.nearScale);
  if (quick !== undefined) return quick;
  const units = wholeSum(byPart, prices, exact.request);
  return units === undefined ? undefined : (units + exact.scale - 1n) / exact.scale;
}

function wholeSum(counts: Float64Array, { whole }: PriceList, from: bigint): bigint | undefined {
  let units = from;
  for (let at = 0; at < counts.length; at += 1) {
    const tokens = counts[at] as number;
    if (tokens <= 0) continue;
    const price = whole[at];
    if (price === undefined) return undefined;
    units += BigInt(Math.ceil(tokens)) * price;
  }
  return units;
}

/** The same in a double: NaN where a price is not known or too large. What is not negative and ends below 2^53 was exact on its way. */
function nearSum(counts: Float64Array, { near }: PriceList, from: number): number {
  let units = from;
  for (let at = 0; at < counts.length; at += 1) {
    const tokens = counts[at] as number;
    if (tokens <= 0) continue;
    units += Math.ceil(tokens) * (near[at] as number);
  }
  return units;
}

/** Rounded down; undefined where the dividend is none that a double has exactly. */
function quotient(dividend: number, divisor: number): bigint | undefined {
  return Number.isSafeInteger(dividend) ? BigInt((dividend - (dividend % divisor)) / divisor) : undefined;
}

/** Dollars, as a provider says what it charged, in whole nano-dollars, half up. */
export function nanosOf(dollars: number): bigint {
  const { digits, places } = decimalOf(dollars);
  const scale = 10n ** BigInt(places);
  return (2n * digits * NANOS + scale) / (2n * scale);
}

/** From `since` on and before `until`, in UTC; weeks begin on Monday. `total` has no end. */
export function periodOf(period: BudgetPeriod, now: number): { readonly since: number; readonly until: number | undefined } {
  if (period === 'total') return { since: 0, until: undefined };
  const today = new Date(Math.floor(now / DAY_MS) * DAY_MS);
  const [year, month] = [today.getUTCFullYear(), today.getUTCMonth()];
  if (period === 'month') return { since: Date.UTC(year, month), until: Date.UTC(year, month + 1) };
  const since = period === 'day' ? today.getTime() : today.getTime() - ((today.getUTCDay() + 6) % 7) * DAY_MS;
  return { since, until: since + (period === 'day' ? 1 : 7) * DAY_MS };
}

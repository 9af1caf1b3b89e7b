/**
 * What requests cost, in whole nano-dollars. Prices are read as the decimals they were written as, and all arithmetic is in
 * whole numbers: a cost is rounded once, at the end, half a nano-dollar up; a worst case is rounded up.
 */
import type { Prices, Pricing } from '../core/call.ts';
import type { Usage } from '../core/chat.ts';
import type { BudgetPeriod } from './accounts.ts';
import { MOST_MONEY } from './counting.ts';
import type { PromptEstimate } from './prompt-estimate.ts';

export { estimatePrompt, estimatePromptTokens } from './prompt-estimate.ts';

const NANOS = 1_000_000_000n;
/** Of a price for a million tokens, in nano-dollars for one. */
const NANOS_A_TOKEN = 1000n;
/** Of a price for a thousand runs of a tool, in nano-dollars for one. */
const NANOS_A_RUN = 1_000_000n;
const DAY_MS = 86_400_000;

type Kind = keyof Prices;

/** Prices in units of `1 / scale` dollars, whole; by tier, the highest first. */
interface Exact {
  readonly scale: bigint;
  readonly request: bigint;
  /** By tool, for a thousand runs and for a thousand requests. */
  readonly tools: ReadonlyMap<string, bigint>;
  readonly toolRequests: ReadonlyMap<string, bigint>;
  readonly tiers: readonly { readonly above: number; readonly prices: ReadonlyMap<Kind, bigint> }[];
}

/** Which price stands in for one that is absent. */
const INSTEAD: Readonly<Record<Kind, Kind | undefined>> = {
  input: undefined,
  output: undefined,
  cachedInput: 'input',
  cacheWrite: 'input',
  cacheWriteLong: 'cacheWrite',
  reasoning: 'output',
  inputAudio: 'input',
  cachedAudio: 'cachedInput',
  outputAudio: 'output',
  inputImage: 'input',
  outputImage: 'output',
};
const KINDS = Object.keys(INSTEAD).filter((kind): kind is Kind => kind in INSTEAD);

const exactOnes = new WeakMap<Pricing, Exact>();

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
 * without what no price is known for, and no more than a counter counts at once.
 */
export function chargedFor(usage: Usage, pricing: Pricing | undefined): Cost {
  const { reportedCost = 0 } = usage;
  if (reportedCost > 0 && reportedCost <= MOST_REPORTED && pricing?.binding !== true) {
    return { nanos: nanosOf(reportedCost), known: true };
  }
  const ran = runsOf(usage);
  if (usage.promptTokens + usage.completionTokens === 0 && ran.length === 0) return { nanos: 0n, known: true };
  const cost = costOf(usage, pricing);
  return {
    nanos: cost === undefined || cost < MOST_MONEY ? (cost ?? 0n) : MOST_MONEY,
    known: cost !== undefined && ran.every(([tool]) => hasFee(pricing, tool)),
  };
}

function runsOf({ providerTools }: Usage): readonly (readonly [string, number])[] {
  return providerTools === undefined ? [] : Object.entries(providerTools).filter(([, runs]) => runs > 0);
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
  const { scale, request, tools, toolRequests, tiers } = exactly(pricing);
  const { calls = 1 } = usage;
  // of several requests each is charged by the length of its own prompt, which they have in common
  const prices = tiers.find(({ above }) => usage.promptTokens / calls > above)?.prices;
  if (!prices) return undefined;
  let units = request * NANOS * BigInt(calls);
  for (const [kind, tokens] of tokensByKind(usage)) {
    if (tokens <= 0) continue;
    const price = prices.get(kind);
    if (price === undefined) return undefined;
    units += BigInt(Math.ceil(tokens)) * price * NANOS_A_TOKEN;
  }
  for (const [tool, runs] of runsOf(usage)) {
    const [times, requests] = [runs, Math.min(runs, calls)].map((one) => BigInt(Math.ceil(one)));
    units += ((times ?? 0n) * (tools.get(tool) ?? 0n) + (requests ?? 0n) * (toolRequests.get(tool) ?? 0n)) * NANOS_A_RUN;
  }
  return (2n * units + scale) / (2n * scale);
}

function tokensByKind(usage: Usage): readonly (readonly [Kind, number])[] {
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
  return [
    ['input', plain],
    ['cachedInput', cachedTokens - cachedAudio],
    ['cachedAudio', cachedAudio],
    ['cacheWrite', cacheWriteTokens - long],
    ['cacheWriteLong', long],
    ['inputAudio', promptAudioTokens - cachedAudio],
    ['inputImage', promptImageTokens - cachedImage],
    ['output', completionTokens - reasoningTokens - completionAudioTokens - completionImageTokens],
    ['reasoning', reasoningTokens],
    ['outputAudio', completionAudioTokens],
    ['outputImage', completionImageTokens],
  ];
}

/**
 * The most that a request can cost whose prompt is no longer than estimated and whose completion has no more than
 * `maxTokens` (over all choices): every token at the dearest price it may have. Undefined where a price is not known.
 */
export function worstCase(prompt: PromptEstimate, maxTokens: number, pricing: Pricing | undefined): bigint | undefined {
  if (!pricing) return undefined;
  const { scale, request, tiers } = exactly(pricing);
  const reached = tiers.filter(({ above }) => prompt.tokens > above);
  const dearest = (kinds: readonly Kind[]): bigint | undefined => {
    const all = reached.flatMap(({ prices }) => kinds.map((kind) => prices.get(kind)));
    return all.reduce((most, one) => (one !== undefined && (most === undefined || one > most) ? one : most), undefined);
  };
  const text: readonly Kind[] = ['input', 'cachedInput', 'cacheWrite', ...(prompt.longCache ? ['cacheWriteLong' as const] : [])];
  const parts = [
    [prompt.tokens - prompt.audioTokens - prompt.imageTokens, text],
    [prompt.audioTokens, [...text, 'inputAudio', 'cachedAudio']],
    [prompt.imageTokens, [...text, 'inputImage']],
    [maxTokens, ['output', 'reasoning', ...(prompt.otherOutput ? (['outputAudio', 'outputImage'] as const) : [])]],
  ] as const;
  let units = request * NANOS;
  for (const [tokens, kinds] of parts) {
    if (tokens <= 0) continue;
    const price = dearest(kinds);
    if (price === undefined) return undefined;
    units += BigInt(Math.ceil(tokens)) * price * NANOS_A_TOKEN;
  }
  return (units + scale - 1n) / scale;
}

/** Dollars, as a provider says what it charged, in whole nano-dollars, half up. */
export function nanosOf(dollars: number): bigint {
  const { digits, places } = decimalOf(dollars);
  const scale = 10n ** BigInt(places);
  return (2n * digits * NANOS + scale) / (2n * scale);
}

function exactly(pricing: Pricing): Exact {
  const before = exactOnes.get(pricing);
  if (before) return before;
  const { request = 0, tiers = [], tools = {}, toolRequests = {} } = pricing;
  const levels = [{ ...pricing, above: -1 }, ...tiers.toSorted((one, other) => one.above - other.above)];
  const fees = [request, ...Object.values(tools), ...Object.values(toolRequests)];
  const places = Math.max(
    ...[...fees, ...levels.flatMap((level) => KINDS.map((kind) => level[kind] ?? 0))].map((price) => decimalOf(price).places),
  );
  const units = (price: number): bigint => {
    const decimal = decimalOf(price);
    return decimal.digits * 10n ** BigInt(places - decimal.places);
  };
  let below: Prices = {};
  const exact = levels.map(({ above, ...prices }) => {
    below = { ...below, ...prices };
    return { above, prices: filledIn(below, units) };
  });
  const byTool = (dollars: Readonly<Record<string, number>>) => new Map(Object.entries(dollars).map(([tool, fee]) => [tool, units(fee)]));
  const made = {
    scale: 10n ** BigInt(places),
    request: units(request),
    tools: byTool(tools),
    toolRequests: byTool(toolRequests),
    tiers: exact.toReversed(),
  };
  exactOnes.set(pricing, made);
  return made;
}

function filledIn(prices: Prices, units: (price: number) => bigint): ReadonlyMap<Kind, bigint> {
  const all = new Map<Kind, bigint>();
  for (const kind of KINDS) {
    let from: Kind | undefined = kind;
    while (from !== undefined && prices[from] === undefined) from = INSTEAD[from];
    const price = from === undefined ? undefined : prices[from];
    if (price !== undefined) all.set(kind, units(price));
  }
  return all;
}

/**
 * The number as it was written: `digits / 10^places`. A double has every decimal of up to 15 digits exactly, so what is
 * beyond them is the error of some arithmetic.
 */
function decimalOf(number: number): { readonly digits: bigint; readonly places: number } {
  if (!Number.isFinite(number) || number < 0) throw new RangeError(`${number} is no price`);
  const [mantissa = '0', exponent = '0'] = String(Number(number.toPrecision(15))).split('e');
  const [whole = '0', fraction = ''] = mantissa.split('.');
  const places = fraction.length - Number(exponent);
  const digits = BigInt(whole + fraction);
  return places >= 0 ? { digits, places } : { digits: digits * 10n ** BigInt(-places), places: 0 };
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

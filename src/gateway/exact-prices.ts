/**
 * Prices as whole numbers, computed once for a pricing. Twice: of any size, and as doubles, with which what is added stays exact as
 * long as all of it does; where one of them cannot, it is NaN, and so is every sum with it.
 */
import type { Prices, Pricing } from '../core/call.ts';

export type Kind = keyof Prices;

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
/** In the order of the prices of a tier. */
export const KINDS = Object.keys(INSTEAD).filter((kind): kind is Kind => kind in INSTEAD);
/** Where the price of a kind is. */
export const AT = Object.fromEntries(KINDS.map((kind, at) => [kind, at])) as Readonly<Record<Kind, number>>;

/** Prices of a million tokens in dollars have at least so many places here: then they are those of a token in nano-dollars. */
const PLACES = 3;
/** Of a price for a request, which is not one for a million. */
const FOR_ONE = 1_000_000n;
/** Of a price for a thousand runs of a tool, in that of one. */
const FOR_A_RUN = 1000n;

/** Undefined where it is not known. */
export interface PriceList {
  readonly whole: readonly (bigint | undefined)[];
  readonly near: Float64Array;
}

export interface PricedTier {
  /** Tokens of a prompt. */
  readonly above: number;
  /** Of a token, by its kind. */
  readonly prices: PriceList;
  /** The dearest that a token may have in this tier or one below it, of what `kindsOf` lists; by `worstAt`. */
  readonly worst: readonly PriceList[];
}

/** All of them in units of `1 / scale` nano-dollars. */
export interface ExactPrices {
  readonly scale: bigint;
  readonly nearScale: number;
  readonly request: bigint;
  readonly nearRequest: number;
  /** By tool, for a run and for a request. */
  readonly tools: ReadonlyMap<string, bigint>;
  readonly toolRequests: ReadonlyMap<string, bigint>;
  /** The highest first. */
  readonly tiers: readonly PricedTier[];
}

const exactOnes = new WeakMap<Pricing, ExactPrices>();

export function exactly(pricing: Pricing): ExactPrices {
  const before = exactOnes.get(pricing);
  if (before) return before;
  const made = exactPrices(pricing);
  exactOnes.set(pricing, made);
  return made;
}

function exactPrices(pricing: Pricing): ExactPrices {
  const { request = 0, tiers = [], tools = {}, toolRequests = {} } = pricing;
  const levels = [{ ...pricing, above: -1 }, ...tiers.toSorted((one, other) => one.above - other.above)];
  const fees = [request, ...Object.values(tools), ...Object.values(toolRequests)];
  const prices = [...fees, ...levels.flatMap((level) => KINDS.map((kind) => level[kind] ?? 0))];
  const places = Math.max(PLACES, ...prices.map((price) => decimalOf(price).places));
  const units = (price: number): bigint => {
    const decimal = decimalOf(price);
    return decimal.digits * 10n ** BigInt(places - decimal.places);
  };
  const byTool = (dollars: Readonly<Record<string, number>>) =>
    new Map(Object.entries(dollars).map(([tool, fee]) => [tool, units(fee) * FOR_A_RUN]));
  const scale = 10n ** BigInt(places - PLACES);
  const each = units(request) * FOR_ONE;
  return {
    scale,
    nearScale: near(scale),
    request: each,
    nearRequest: near(each),
    tools: byTool(tools),
    toolRequests: byTool(toolRequests),
    tiers: pricedTiers(levels, units).toReversed(),
  };
}

/** From the lowest level to the highest: each says what is other than in those below. */
function pricedTiers(levels: readonly (Prices & { readonly above: number })[], units: (price: number) => bigint): PricedTier[] {
  let below: Prices = {};
  const reached: PriceList[] = [];
  return levels.map(({ above, ...prices }) => {
    below = { ...below, ...prices };
    const filled = filledIn(below, units);
    reached.push(filled);
    return { above, prices: filled, worst: WORST.map((parts) => listOf(parts.map((kinds) => dearest(kinds, reached)))) };
  });
}

function filledIn(prices: Prices, units: (price: number) => bigint): PriceList {
  return listOf(
    KINDS.map((kind) => {
      let from: Kind | undefined = kind;
      while (from !== undefined && prices[from] === undefined) from = INSTEAD[from];
      const price = from === undefined ? undefined : prices[from];
      return price === undefined ? undefined : units(price);
    }),
  );
}

/** What a request may be: part of it is to be kept for long, the answer may be more than text. */
const WORST = [
  [false, false],
  [true, false],
  [false, true],
  [true, true],
].map(([longCache = false, otherOutput = false]) => kindsOf(longCache, otherOutput));

/** Where the worst prices of such a request are. */
export const worstAt = (longCache: boolean, otherOutput: boolean): number => (longCache ? 1 : 0) + (otherOutput ? 2 : 0);

/** What tokens may be: those of a prompt's text, of its audio, of its images, and those of the answer. */
function kindsOf(longCache: boolean, otherOutput: boolean): readonly (readonly Kind[])[] {
  const text: readonly Kind[] = ['input', 'cachedInput', 'cacheWrite', ...(longCache ? ['cacheWriteLong' as const] : [])];
  return [
    text,
    [...text, 'inputAudio', 'cachedAudio'],
    [...text, 'inputImage'],
    ['output', 'reasoning', ...(otherOutput ? (['outputAudio', 'outputImage'] as const) : [])],
  ];
}

function dearest(kinds: readonly Kind[], reached: readonly PriceList[]): bigint | undefined {
  const all = reached.flatMap(({ whole }) => kinds.map((kind) => whole[AT[kind]]));
  return all.reduce((most, one) => (one !== undefined && (most === undefined || one > most) ? one : most), undefined);
}

function listOf(whole: readonly (bigint | undefined)[]): PriceList {
  return { whole, near: Float64Array.from(whole, near) };
}

function near(price: bigint | undefined): number {
  return price !== undefined && price <= MOST_NEAR ? Number(price) : Number.NaN;
}

const MOST_NEAR = BigInt(Number.MAX_SAFE_INTEGER);

/**
 * The number as it was written: `digits / 10^places`. A double has every decimal of up to 15 digits exactly, so what is
 * beyond them is the error of some arithmetic.
 */
export function decimalOf(number: number): { readonly digits: bigint; readonly places: number } {
  if (!Number.isFinite(number) || number < 0) throw new RangeError(`${number} is no price`);
  const [mantissa = '0', exponent = '0'] = String(Number(number.toPrecision(15))).split('e');
  const [whole = '0', fraction = ''] = mantissa.split('.');
  const places = fraction.length - Number(exponent);
  const digits = BigInt(whole + fraction);
  return places >= 0 ? { digits, places } : { digits: digits * 10n ** BigInt(-places), places: 0 };
}

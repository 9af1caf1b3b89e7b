import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Prices, Pricing } from '../core/call.ts';
import type { Usage } from '../core/chat.ts';
import { decimalOf } from './exact-prices.ts';
import { costOf, worstCase } from './money.ts';
import type { PromptEstimate } from './prompt-estimate.ts';

// the same sums in fractions of any size, kind by kind

type Kind = keyof Prices;
const INSTEAD: Partial<Record<Kind, Kind>> = {
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
/** So much of a nano-dollar is a unit of these sums. */
const PLACES = 60;
const UNIT = 10n ** BigInt(PLACES);

/** Dollars in units of nano-dollars. */
const unitsOf = (dollars: number): bigint => {
  const { digits, places } = decimalOf(dollars);
  return digits * 10n ** BigInt(9 + PLACES - places);
};

function priceOf(prices: Prices, kind: Kind): bigint | undefined {
  const price = prices[kind];
  if (price !== undefined) return unitsOf(price) / 1_000_000n;
  const other = INSTEAD[kind];
  return other && priceOf(prices, other);
}

function levelsOf({ tiers = [], ...base }: Pricing): readonly { readonly above: number; readonly prices: Prices }[] {
  let prices: Prices = base;
  const levels = [{ above: -1, prices }];
  for (const { above, ...own } of tiers.toSorted((one, other) => one.above - other.above)) {
    prices = { ...prices, ...own };
    levels.push({ above, prices });
  }
  return levels;
}

function sumOf(parts: readonly (readonly [number, bigint | undefined])[], first: bigint): bigint | undefined {
  let sum = first;
  for (const [tokens, price] of parts) {
    if (tokens <= 0) continue;
    if (price === undefined) return undefined;
    sum += BigInt(Math.ceil(tokens)) * price;
  }
  return sum;
}

function plainCost(usage: Usage, pricing: Pricing): bigint | undefined {
  const { calls = 1, promptTokens, cachedTokens, cacheWriteTokens = 0, cacheWriteLongTokens = 0, promptAudioTokens = 0 } = usage;
  const { promptImageTokens = 0, completionTokens, reasoningTokens, completionAudioTokens = 0, completionImageTokens = 0 } = usage;
  const prices = levelsOf(pricing).findLast(({ above }) => promptTokens / calls > above)?.prices ?? {};
  const long = Math.min(cacheWriteLongTokens, cacheWriteTokens);
  const plain = promptTokens - cachedTokens - cacheWriteTokens - promptAudioTokens - promptImageTokens;
  const twice = Math.max(0, -plain);
  const cachedAudio = Math.min(twice, promptAudioTokens, cachedTokens);
  const cachedImage = Math.min(twice - cachedAudio, promptImageTokens, cachedTokens - cachedAudio);
  const sum = sumOf(
    [
      [plain, priceOf(prices, 'input')],
      [cachedTokens - cachedAudio, priceOf(prices, 'cachedInput')],
      [cachedAudio, priceOf(prices, 'cachedAudio')],
      [cacheWriteTokens - long, priceOf(prices, 'cacheWrite')],
      [long, priceOf(prices, 'cacheWriteLong')],
      [promptAudioTokens - cachedAudio, priceOf(prices, 'inputAudio')],
      [promptImageTokens - cachedImage, priceOf(prices, 'inputImage')],
      [completionTokens - reasoningTokens - completionAudioTokens - completionImageTokens, priceOf(prices, 'output')],
      [reasoningTokens, priceOf(prices, 'reasoning')],
      [completionAudioTokens, priceOf(prices, 'outputAudio')],
      [completionImageTokens, priceOf(prices, 'outputImage')],
    ],
    unitsOf(pricing.request ?? 0) * BigInt(calls),
  );
  return sum === undefined ? undefined : (2n * sum + UNIT) / (2n * UNIT);
}

function plainWorst(prompt: PromptEstimate, maxTokens: number, pricing: Pricing): bigint | undefined {
  const reached = levelsOf(pricing).filter(({ above }) => prompt.tokens > above);
  const dearest = (kinds: readonly Kind[]): bigint | undefined => {
    const all = reached.flatMap(({ prices }) => kinds.flatMap((kind) => priceOf(prices, kind) ?? []));
    return all.toSorted((one, other) => (one < other ? -1 : one > other ? 1 : 0)).at(-1);
  };
  const text: readonly Kind[] = ['input', 'cachedInput', 'cacheWrite', ...(prompt.longCache ? (['cacheWriteLong'] as const) : [])];
  const sum = sumOf(
    [
      [prompt.tokens - prompt.audioTokens - prompt.imageTokens, dearest(text)],
      [prompt.audioTokens, dearest([...text, 'inputAudio', 'cachedAudio'])],
      [prompt.imageTokens, dearest([...text, 'inputImage'])],
      [maxTokens, dearest(['output', 'reasoning', ...(prompt.otherOutput ? (['outputAudio', 'outputImage'] as const) : [])])],
    ],
    unitsOf(pricing.request ?? 0),
  );
  return sum === undefined ? undefined : (sum + UNIT - 1n) / UNIT;
}

// small, large, and such that a double has not all of the sum

const count = fc.oneof(
  fc.constant(0),
  fc.integer({ min: 0, max: 5000 }),
  fc.integer({ min: 0, max: 1e12 }),
  fc.maxSafeNat(),
  fc.integer({ min: 0, max: 9999 }).map((tenths) => tenths / 10),
);
const dollars = fc.oneof(
  fc.constantFrom(0, 0.15, 2.5, 1e-7, 0.07, 1.005, 1e6),
  fc.integer({ min: 0, max: 1_000_000 }).map((units) => units / 10_000),
  fc.integer({ min: 0, max: 1_000_000 }).map((units) => units / 1e9),
  fc.double({ min: 0, max: 1e12, noNaN: true, noDefaultInfinity: true }).filter((one) => one === 0 || one > 1e-12),
);
const KINDS: readonly Kind[] = ['input', 'output', ...(Object.keys(INSTEAD) as Kind[])];
const prices = fc.record(Object.fromEntries(KINDS.map((kind) => [kind, dollars])) as Record<Kind, typeof dollars>, { requiredKeys: [] });
const pricings = fc
  .record({ base: prices, request: fc.option(dollars), tiers: fc.array(fc.record({ above: count, own: prices }), { maxLength: 3 }) })
  .map(({ base, request, tiers }): Pricing => {
    const made = { ...base, tiers: tiers.map(({ above, own }) => ({ ...own, above })) };
    return request === null ? made : { ...made, request };
  });
const NAMES = ['promptTokens', 'completionTokens', 'cachedTokens', 'reasoningTokens'] as const;
const DETAILS = [
  'cacheWriteTokens',
  'cacheWriteLongTokens',
  'promptAudioTokens',
  'promptImageTokens',
  'completionAudioTokens',
  'completionImageTokens',
] as const;
const usages = fc.record(
  {
    ...(Object.fromEntries(NAMES.map((name) => [name, count])) as Record<(typeof NAMES)[number], typeof count>),
    ...(Object.fromEntries(DETAILS.map((name) => [name, count])) as Record<(typeof DETAILS)[number], typeof count>),
    calls: fc.integer({ min: 1, max: 5 }),
  },
  { requiredKeys: [...NAMES] },
);

test('money: costs are the same as in fractions of any size, whatever the prices and however many tokens', () => {
  fc.assert(
    fc.property(pricings, usages, (pricing, usage) => {
      assert.equal(costOf(usage, pricing), plainCost(usage, pricing));
    }),
    { numRuns: 2000 },
  );
});

test('money: so are worst cases', () => {
  const prompts = fc
    .record({ tokens: count, audioTokens: count, imageTokens: count, longCache: fc.boolean(), otherOutput: fc.boolean() })
    .map((one): PromptEstimate => ({ ...one, tokens: one.tokens + one.audioTokens + one.imageTokens }));
  fc.assert(
    fc.property(pricings, prompts, count, (pricing, prompt, maxTokens) => {
      assert.equal(worstCase(prompt, maxTokens, pricing), plainWorst(prompt, maxTokens, pricing));
    }),
    { numRuns: 2000 },
  );
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Pricing } from '../core/call.ts';
import type { Usage } from '../core/chat.ts';
import { chargedFor, costOf, nanosOf, periodOf, worstCase } from './money.ts';

const used = (more: Partial<Usage> = {}): Usage => ({ promptTokens: 0, completionTokens: 0, cachedTokens: 0, reasoningTokens: 0, ...more });
const prompt = (tokens: number, more: object = {}) => ({
  tokens,
  audioTokens: 0,
  imageTokens: 0,
  longCache: false,
  otherOutput: false,
  ...more,
});

test('money: prompt and completion at their prices', () => {
  // 1,000 × $3/M = $0.003; 500 × $15/M = $0.0075
  assert.equal(costOf(used({ promptTokens: 1000, completionTokens: 500 }), { input: 3, output: 15 }), 10_500_000n);
});

test('money: each kind of token at its own price', () => {
  const pricing: Pricing = {
    input: 2,
    output: 8,
    cachedInput: 0.5,
    cacheWrite: 2.5,
    cacheWriteLong: 4,
    reasoning: 10,
    inputAudio: 40,
    cachedAudio: 20,
    outputAudio: 80,
    inputImage: 5,
    outputImage: 30,
    request: 0.01,
  };
  const usage = used({
    promptTokens: 10_000,
    cachedTokens: 3000,
    cacheWriteTokens: 2000,
    cacheWriteLongTokens: 500,
    promptAudioTokens: 700,
    promptImageTokens: 300,
    completionTokens: 5000,
    reasoningTokens: 2000,
    completionAudioTokens: 400,
    completionImageTokens: 600,
  });
  // prompt: 4,000 × 2,000 + 3,000 × 500 + 1,500 × 2,500 + 500 × 4,000 + 700 × 40,000 + 300 × 5,000 = 44,750,000 nano-dollars
  // completion: 2,000 × 8,000 + 2,000 × 10,000 + 400 × 80,000 + 600 × 30,000 = 86,000,000; the request 10,000,000
  assert.equal(costOf(usage, pricing), 44_750_000n + 86_000_000n + 10_000_000n);
});

test('money: of several requests together each has its fee, and the tier of its own prompt', () => {
  const pricing: Pricing = { input: 2, output: 8, request: 0.01, tiers: [{ above: 1000, input: 4 }] };
  // 3 × 1,000 × 2,000 + 60 × 8,000 + 3 × 10,000,000
  assert.equal(costOf(used({ promptTokens: 3000, completionTokens: 60, calls: 3 }), pricing), 6_000_000n + 480_000n + 30_000_000n);
  assert.equal(costOf(used({ promptTokens: 3003, calls: 3 }), pricing), 3003n * 4000n + 30_000_000n);
});

test('money: a kind without a price of its own costs what it is a part of', () => {
  const usage = used({
    promptTokens: 1000,
    cachedTokens: 200,
    cacheWriteTokens: 300,
    cacheWriteLongTokens: 100,
    completionTokens: 100,
    reasoningTokens: 60,
  });
  assert.equal(costOf(usage, { input: 1, output: 2 }), 1_200_000n);
  // an hour's writing as any writing
  assert.equal(costOf(usage, { input: 1, output: 2, cacheWrite: 3 }), 1_200_000n + 600_000n);
  const heard = used({ promptTokens: 100, promptAudioTokens: 100, cachedTokens: 40 });
  assert.equal(costOf(heard, { input: 1, cachedInput: 0.1, inputAudio: 10 }), 604_000n);
  assert.equal(costOf(heard, { input: 1, cachedInput: 0.1, inputAudio: 10, cachedAudio: 2 }), 680_000n);
});

test('money: a longer prompt is charged by its tier, all of it, and completions too', () => {
  const pricing: Pricing = {
    input: 1.25,
    output: 10,
    cachedInput: 0.125,
    tiers: [
      { above: 1_000_000, input: 5 },
      { above: 200_000, input: 2.5, output: 15, cachedInput: 0.25 },
    ],
  };
  const at = (promptTokens: number) => costOf(used({ promptTokens, cachedTokens: 100_000, completionTokens: 1000 }), pricing);
  // 100,000 × 1,250 + 100,000 × 125 + 1,000 × 10,000
  assert.equal(at(200_000), 147_500_000n);
  // 100,001 × 2,500 + 100,000 × 250 + 1,000 × 15,000
  assert.equal(at(200_001), 290_002_500n);
  // 900,001 × 5,000, the rest as in the tier below
  assert.equal(at(1_000_001), 4_500_005_000n + 25_000_000n + 15_000_000n);
});

test('money: rounded once, at the end, half a nano-dollar up', () => {
  // a token of $0.0001/M is a tenth of a nano-dollar
  const pricing = { input: 0.0001, output: 0.0003 };
  assert.equal(costOf(used({ promptTokens: 4 }), pricing), 0n);
  assert.equal(costOf(used({ promptTokens: 5 }), pricing), 1n);
  assert.equal(costOf(used({ promptTokens: 2, completionTokens: 1 }), pricing), 1n);
  assert.equal(costOf(used({ promptTokens: 14 }), pricing), 1n);
  assert.equal(costOf(used({ promptTokens: 15 }), pricing), 2n);
});

test('money: prices are the decimals they were written as, whatever a double makes of them', () => {
  assert.equal(costOf(used({ promptTokens: 1_000_000_000_000 }), { input: 0.1 + 0.2 }), 300_000_000_000_000n);
  assert.equal(costOf(used({ promptTokens: 3_000_000 }), { input: 0.07 }), 210_000_000n);
  assert.equal(costOf(used({ promptTokens: 1_000_000 }), { input: 1e-7 }), 100n);
  assert.equal(costOf(used({ promptTokens: 9_007_199_254_740_991 }), { input: 1.005 }), 9_052_235_251_014_695_955n);
  assert.equal(nanosOf(0.1 + 0.2), 300_000_000n);
  assert.equal(nanosOf(1.23e-9), 1n);
  assert.equal(nanosOf(1.5e-9), 2n);
  assert.equal(nanosOf(1e21), 10n ** 30n);
  assert.throws(() => nanosOf(Number.NaN), RangeError);
  assert.throws(() => costOf(used({ promptTokens: 1 }), { input: -1 }), RangeError);
});

test('money: where a price is not known the cost is not known either, and never nothing', () => {
  assert.equal(costOf(used({ promptTokens: 1 }), undefined), undefined);
  assert.equal(costOf(used({ promptTokens: 1 }), {}), undefined);
  assert.equal(costOf(used({ promptTokens: 1, completionTokens: 1 }), { input: 1 }), undefined);
  assert.equal(costOf(used({ promptTokens: 1 }), { input: 1 }), 1000n);
  assert.equal(costOf(used({ promptTokens: 1, completionTokens: 1 }), { input: 0, output: 0 }), 0n);
  assert.equal(worstCase(prompt(10), 10, { input: 1 }), undefined);
  assert.equal(worstCase(prompt(10), 10, undefined), undefined);
});

test('money: tools of the provider by the thousand runs, or by the thousand requests', () => {
  const pricing: Pricing = { input: 3, output: 15, tools: { web_search: 10, web_fetch: 0 }, toolRequests: { maps: 25 } };
  const usage = used({ promptTokens: 1000, completionTokens: 100, providerTools: { web_search: 3, web_fetch: 7, maps: 4 } });
  // 1,000 × 3,000 + 100 × 15,000 = 4,500,000; three searches at $0.01; fetching is free; maps $0.025 whatever it did
  assert.deepEqual(chargedFor(usage, pricing), { nanos: 4_500_000n + 30_000_000n + 25_000_000n, known: true });
  // three requests for one answer each, in no more than three of which maps can have run
  assert.equal(chargedFor({ ...usage, calls: 3 }, pricing).nanos, 4_500_000n + 30_000_000n + 75_000_000n);
  // a fee with more decimals than a nano-dollar has is rounded with the rest, once
  const fine = { input: 0, output: 0, tools: { one: 0.000_000_4, two: 0.000_000_1 } };
  assert.equal(chargedFor(used({ providerTools: { one: 1, two: 1 } }), fine).nanos, 1n);
});

test('money: a tool whose fee nobody knows is left out, and the cost is said to be incomplete', () => {
  const usage = used({ promptTokens: 1000, providerTools: { web_search: 1, shell: 2 } });
  assert.deepEqual(chargedFor(usage, { input: 3, output: 15, tools: { web_search: 10 } }), { nanos: 13_000_000n, known: false });
  assert.deepEqual(chargedFor(usage, { input: 3, output: 15 }), { nanos: 3_000_000n, known: false });
  assert.deepEqual(chargedFor(used({ promptTokens: 1, providerTools: { shell: 0 } }), { input: 1, output: 1 }), {
    nanos: 1000n,
    known: true,
  });
  assert.deepEqual(chargedFor(used({ promptTokens: 1000 }), undefined), { nanos: 0n, known: false });
  assert.deepEqual(chargedFor(used(), undefined), { nanos: 0n, known: true });
});

test('money: what the provider says it charged is right, but where a price was set', () => {
  const usage = used({ promptTokens: 1_000_000, reportedCost: 0.123_456_789_1, providerTools: { shell: 1 } });
  assert.deepEqual(chargedFor(usage, { input: 3, output: 15 }), { nanos: 123_456_789n, known: true });
  assert.deepEqual(chargedFor(usage, undefined), { nanos: 123_456_789n, known: true });
  assert.deepEqual(chargedFor(usage, { input: 3, output: 15, tools: { shell: 0 }, binding: true }), { nanos: 3_000_000_000n, known: true });
  // a 0 may be no more than a field that nobody fills, and no request costs more than a million dollars
  for (const reportedCost of [0, 1_000_001, Number.MAX_SAFE_INTEGER]) {
    assert.deepEqual(chargedFor(used({ promptTokens: 1_000_000, reportedCost }), { input: 3, output: 15 }), {
      nanos: 3_000_000_000n,
      known: true,
    });
  }
});

test('money: the class of service that the provider says it was has its own prices of tokens, and the same fees', () => {
  const usage = used({ promptTokens: 300_000, completionTokens: 1000, reasoningTokens: 400, providerTools: { web_search: 1 } });
  const pricing: Pricing = {
    input: 2,
    output: 8,
    request: 0.01,
    tiers: [{ above: 200_000, input: 4 }],
    serviceTiers: {
      flex: { input: 1, output: 4, tiers: [{ above: 200_000, input: 2 }] },
      priority: { input: 5, output: 20, reasoning: 30 },
    },
    tools: { web_search: 10 },
  };
  const fees = 20_000_000n;
  const usual = { nanos: 1_200_000_000n + 8_000_000n + fees, known: true };
  for (const tier of [undefined, 'default', 'auto', 'scale']) assert.deepEqual(chargedFor(usage, pricing, tier), usual, tier);
  assert.deepEqual(chargedFor(usage, pricing, 'flex'), { nanos: 600_000_000n + 4_000_000n + fees, known: true });
  assert.deepEqual(chargedFor(usage, pricing, 'priority'), { nanos: 1_500_000_000n + 12_000_000n + 12_000_000n + fees, known: true });
  // what nobody has a price for is charged as usual, and said to be incomplete
  for (const tier of ['fast', 'constructor']) assert.deepEqual(chargedFor(usage, pricing, tier), { ...usual, known: false }, tier);
  assert.deepEqual(chargedFor({ ...usage, reportedCost: 1 }, pricing, 'fast'), { nanos: 1_000_000_000n, known: true });
});

test('money: images that were read from the cache are charged as that', () => {
  // 1,000 tokens, 900 of them of images, 950 from the cache: 850 of the images are among those
  const usage = used({ promptTokens: 1000, promptImageTokens: 900, cachedTokens: 950 });
  assert.equal(costOf(usage, { input: 1, output: 1, cachedInput: 0.1, inputImage: 2 }), 95_000n + 100_000n);
});

test('money: what is kept for an hour at its own price, in each tier', () => {
  const pricing: Pricing = {
    input: 3,
    output: 15,
    cacheWrite: 3.75,
    cacheWriteLong: 6,
    tiers: [{ above: 200_000, input: 6, output: 22.5, cacheWrite: 7.5, cacheWriteLong: 12 }],
  };
  const at = (promptTokens: number) => costOf(used({ promptTokens, cacheWriteTokens: 100_000, cacheWriteLongTokens: 40_000 }), pricing);
  // 100,000 × 3,000 + 60,000 × 3,750 + 40,000 × 6,000; one token more, and all of it costs twice
  assert.equal(at(200_000), 300_000_000n + 225_000_000n + 240_000_000n);
  assert.equal(at(200_001), 600_006_000n + 450_000_000n + 480_000_000n);
});

test('money: the worst case is the dearest of what may come', () => {
  const pricing: Pricing = {
    input: 2,
    output: 8,
    cacheWrite: 2.5,
    cacheWriteLong: 4,
    reasoning: 9,
    inputAudio: 40,
    outputAudio: 80,
    request: 0.001,
  };
  assert.equal(worstCase(prompt(1000), 100, pricing), 2_500_000n + 900_000n + 1_000_000n);
  assert.equal(worstCase(prompt(1000, { longCache: true }), 100, pricing), 4_000_000n + 900_000n + 1_000_000n);
  assert.equal(
    worstCase(prompt(1000, { audioTokens: 400, otherOutput: true }), 100, pricing),
    1_500_000n + 16_000_000n + 8_000_000n + 1_000_000n,
  );
  const long: Pricing = { input: 2, output: 8, tiers: [{ above: 999, input: 1, output: 12 }] };
  // a prompt that turns out shorter than estimated is not dearer than held for
  assert.equal(worstCase(prompt(1000), 100, long), 2_000_000n + 1_200_000n);
  // up, not half up
  assert.equal(worstCase(prompt(1), 0, { input: 0.0001 }), 1n);
});

test('money: no cost is above the worst case of an estimate that holds', () => {
  const price = fc.option(
    fc.integer({ min: 0, max: 100_000 }).map((units) => units / 1000),
    { nil: undefined },
  );
  const kinds = [
    'cachedInput',
    'cacheWrite',
    'reasoning',
    'inputAudio',
    'cachedAudio',
    'outputAudio',
    'inputImage',
    'outputImage',
  ] as const;
  const some = fc
    .record(Object.fromEntries(kinds.map((kind) => [kind, price])))
    .map((all) => Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined)));
  const tokens = fc.integer({ min: 0, max: 2000 });
  const parts = fc.record({
    text: tokens,
    cached: tokens,
    written: tokens,
    audio: tokens,
    image: tokens,
    out: tokens,
    thought: tokens,
    spoken: tokens,
  });
  fc.assert(
    fc.property(some, some, parts, fc.integer({ min: 0, max: 9000 }), (base, tier, one, above) => {
      const pricing: Pricing = { input: 1.5, output: 6, ...base, request: 0.000_000_5, tiers: [{ above, input: 3, ...tier }] };
      const usage = used({
        promptTokens: one.text + one.cached + one.written + one.audio + one.image,
        cachedTokens: one.cached,
        cacheWriteTokens: one.written,
        promptAudioTokens: one.audio,
        promptImageTokens: one.image,
        completionTokens: one.out + one.thought + one.spoken,
        reasoningTokens: one.thought,
        completionAudioTokens: one.spoken,
      });
      const estimate = prompt(usage.promptTokens + 100, { audioTokens: one.audio, imageTokens: one.image, otherOutput: true });
      const cost = costOf(usage, pricing);
      const most = worstCase(estimate, usage.completionTokens, pricing);
      assert.ok(cost !== undefined && most !== undefined && cost <= most, `${cost} ${most}`);
    }),
  );
});

test('money: periods are days, weeks from Monday and months of UTC', () => {
  const at = (text: string): number => Date.parse(text);
  const spans = (period: 'day' | 'week' | 'month', now: string) => {
    const { since, until } = periodOf(period, at(now));
    return [since, until ?? 0].map((ms) => new Date(ms).toISOString().slice(0, 16));
  };
  assert.deepEqual(spans('day', '2026-11-23T23:59:59.999Z'), ['2026-11-23T00:00', '2026-11-24T00:00']);
  assert.deepEqual(spans('day', '2026-11-24T00:00:00Z'), ['2026-11-24T00:00', '2026-11-25T00:00']);
  assert.deepEqual(spans('week', '2026-11-23T00:00:00Z'), ['2026-11-23T00:00', '2026-11-30T00:00']);
  assert.deepEqual(spans('week', '2026-11-22T23:59:59Z'), ['2026-11-16T00:00', '2026-11-23T00:00']);
  assert.deepEqual(spans('week', '2027-01-01T12:00:00Z'), ['2026-12-28T00:00', '2027-01-04T00:00']);
  assert.deepEqual(spans('month', '2028-02-29T12:00:00Z'), ['2028-02-01T00:00', '2028-03-01T00:00']);
  assert.deepEqual(spans('month', '2026-12-31T23:59:59Z'), ['2026-12-01T00:00', '2027-01-01T00:00']);
  assert.deepEqual(periodOf('total', at('2026-11-23T12:00:00Z')), { since: 0, until: undefined });
});

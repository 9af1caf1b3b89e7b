import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Compile } from 'typebox/schema';
import type { Pricing } from '../../core/call.ts';
import { EVERY_PRICE } from '../../core/prices-testing.ts';
import { encodePricing, PricingView } from './pricing.ts';

const ALL: Required<Pricing> = { ...EVERY_PRICE, binding: true };

test('models: every kind of price is shown, and nothing that is not known', () => {
  const shown = encodePricing(ALL);
  assert.deepEqual(shown, {
    currency: 'USD',
    per_tokens: 1_000_000,
    input: 1,
    output: 2,
    cached_input: 3,
    cache_write: 4,
    cache_write_long: 5,
    reasoning: 6,
    input_audio: 7,
    cached_audio: 8,
    output_audio: 9,
    input_image: 10,
    output_image: 11,
    request: 0.01,
    tiers: [{ above: 200_000, input: 12, cache_write_long: 14, output_image: 13 }],
    service_tiers: {
      flex: { input: 0.5, output: 1, tiers: [{ above: 200_000, input: 6 }] },
      priority: { input: 2.5, output: 5, reasoning: 7.5 },
    },
    tools: { web_search: 10 },
    tool_requests: { maps: 25 },
  });
  assert.deepEqual(encodePricing({ input: 1 }), { currency: 'USD', per_tokens: 1_000_000, input: 1 });
});

test('models: the schema describes every price that is shown', () => {
  assert.deepEqual(Object.keys(PricingView.properties).toSorted(), Object.keys(encodePricing(ALL)).toSorted());
  assert.ok(Compile(PricingView).Check(encodePricing(ALL)));
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pricing, Target } from '../core/call.ts';
import { DEFAULT_PRICES, isPriced, onlyPriced, pricedBy } from './pricing.ts';
import { DEFAULT_POLICY, DEFAULT_TIMEOUTS } from './route.ts';
import type { Route } from './route.ts';

const target = (id: string, more: { readonly pricing?: Pricing; readonly provider?: string; readonly shownAs?: string } = {}): Target => ({
  id,
  card: {
    id: more.shownAs ?? id,
    created: 0,
    ownedBy: 'x',
    endpoints: [],
    capabilities: {},
    ...(more.provider === undefined ? {} : { provider: more.provider }),
    ...(more.pricing ? { pricing: more.pricing } : {}),
  },
  backend: { chat: () => Promise.reject(new Error('not asked')) },
});
const routeOf = (...targets: readonly Target[]): Route => ({
  name: 'r',
  policy: DEFAULT_POLICY,
  targets: targets.map((one) => ({ key: one.id, target: one, weight: 1, maxInFlight: undefined, timeouts: DEFAULT_TIMEOUTS })),
});
const TABLE = { input: 5, output: 6 };

test('pricing: an exact id comes before patterns, both before the table, and nothing is mixed', () => {
  const overrides = { 'a/*': { input: 1, output: 1 }, 'a/x': { input: 2, output: 2 }, renamed: { input: 3, output: 3 } };
  const price = pricedBy({ ...DEFAULT_PRICES, overrides });
  assert.deepEqual(price(target('a/x', { provider: 'a', pricing: { ...TABLE, cachedInput: 1 } })), {
    input: 2,
    output: 2,
    binding: true,
  });
  assert.deepEqual(price(target('a/y', { provider: 'a', pricing: TABLE })), { input: 1, output: 1, binding: true });
  assert.deepEqual(price(target('b/z', { provider: 'b', shownAs: 'renamed' })), { input: 3, output: 3, binding: true });
  assert.deepEqual(price(target('b/y', { provider: 'b', pricing: TABLE })), TABLE);
  assert.equal(price(target('b/x', { provider: 'b' })), undefined);
});

test('pricing: models of this machine cost what is configured, which is nothing', () => {
  assert.deepEqual(pricedBy(DEFAULT_PRICES)(target('small')), { input: 0, output: 0 });
  assert.deepEqual(pricedBy({ ...DEFAULT_PRICES, local: { input: 1, output: 2 } })(target('small')), { input: 1, output: 2 });
});

test('pricing: nothing is a price, and half a price is none', () => {
  assert.equal(isPriced({ input: 0, output: 0 }), true);
  assert.equal(isPriced({ input: 1 }), false);
  assert.equal(isPriced(undefined), false);
});

test('pricing: where prices must be known, targets without one are left out, and models without any are refused', () => {
  const [priced, unpriced] = [target('a/x', { provider: 'a', pricing: TABLE }), target('a/y', { provider: 'a' })];
  const all = routeOf(priced);
  assert.equal(onlyPriced(all), all);
  assert.deepEqual(
    onlyPriced(routeOf(unpriced, priced)).targets.map(({ key }) => key),
    ['a/x'],
  );
  assert.throws(() => onlyPriced(routeOf(unpriced)), { kind: 'model_not_allowed', status: 403, param: 'model' });
});

/** What the administrator says of prices: which ones hold in place of the table's, and what becomes of models without one. */
import type { Pricing, Target } from '../core/call.ts';
import { GatewayError } from '../core/error.ts';
import { matcher } from './model-names.ts';
import { costOf } from './money.ts';
import type { Route } from './route.ts';

export interface PriceSettings {
  /** By the id of a model (`provider/model`); `*` is any text. An exact id comes before patterns, patterns in their order. */
  readonly overrides: Readonly<Record<string, Pricing>>;
  /** Of models of this machine. */
  readonly local: Pricing;
  /** What becomes of requests to models whose price nobody knows. */
  readonly unpriced: 'allow' | 'refuse';
}

export const FREE: Pricing = Object.freeze({ input: 0, output: 0 });

export const DEFAULT_PRICES: PriceSettings = Object.freeze({ overrides: {}, local: FREE, unpriced: 'allow' });

/** The price that holds for a target; undefined where none is known. Those that were set are binding. */
export function pricedBy({ overrides, local }: PriceSettings): (target: Target) => Pricing | undefined {
  const set = new Map(Object.entries(overrides).map(([name, pricing]): [string, Pricing] => [name, { ...pricing, binding: true }]));
  const patterns = [...set].filter(([name]) => name.includes('*')).map(([name, pricing]) => ({ matches: matcher([name]), pricing }));
  return ({ id, card }) => {
    const exact = set.get(id) ?? set.get(card.id);
    if (exact) return exact;
    const found = patterns.find(({ matches }) => matches(id) || matches(card.id));
    if (found) return found.pricing;
    return card.provider === undefined ? local : card.pricing;
  };
}

const ONE_OF_EACH = { promptTokens: 1, completionTokens: 1, cachedTokens: 0, reasoningTokens: 0 };

/** Its prompts and its answers have a price, if only that of nothing. */
export const isPriced = (pricing: Pricing | undefined): boolean => costOf(ONE_OF_EACH, pricing) !== undefined;

/** The route without targets whose price is not known. Throws `model_not_allowed` where none is left. */
export function onlyPriced(route: Route): Route {
  const targets = route.targets.filter(({ target }) => isPriced(target.card.pricing));
  if (targets.length === route.targets.length) return route;
  if (targets.length > 0) return { ...route, targets };
  throw new GatewayError(
    'model_not_allowed',
    `The price of '${route.name.slice(0, 100)}' is not known, and this server takes no requests for such models. Its administrator can set one (prices.overrides).`,
    { param: 'model' },
  );
}

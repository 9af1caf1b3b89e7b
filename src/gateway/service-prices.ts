/** Prices of the classes of service that a provider may serve a request in (`service_tier`). */
import type { Pricing } from '../core/call.ts';
import type { ChatRequest } from '../core/chat.ts';

/** Classes that cost what is usual, or were paid for beforehand; `auto` is what was asked for, not what was given. */
const USUAL: ReadonlySet<string> = new Set(['default', 'auto', 'scale']);

/** Each pricing has few classes, and prices are told apart by their object: what is made of them is kept as long as they are. */
const made = new WeakMap<Pricing, Map<string, Pricing>>();

/** The pricing of requests in this class: that of the class where one is known, else the usual one. Fees are the same in all. */
export function inService(pricing: Pricing | undefined, tier: string | undefined): Pricing | undefined {
  if (tier === undefined || pricing?.serviceTiers === undefined || !Object.hasOwn(pricing.serviceTiers, tier)) return pricing;
  const known = made.get(pricing)?.get(tier);
  if (known) return known;
  const { request, tools, toolRequests, serviceTiers } = pricing;
  const joined: Pricing = {
    ...serviceTiers[tier],
    ...(request === undefined ? {} : { request }),
    ...(tools === undefined ? {} : { tools }),
    ...(toolRequests === undefined ? {} : { toolRequests }),
  };
  const all = made.get(pricing) ?? new Map<string, Pricing>();
  made.set(pricing, all.set(tier, joined));
  return joined;
}

/** Nothing is missing in a cost by `inService`: the class has a price of its own, or costs what is usual. */
export function isServicePriced(pricing: Pricing | undefined, tier: string | undefined): boolean {
  return tier === undefined || USUAL.has(tier) || inService(pricing, tier) !== pricing;
}

/** The class that a request asks for; it may be given another one. */
export function askedService({ raw }: ChatRequest): string | undefined {
  const asked = raw['service_tier'];
  return typeof asked === 'string' ? asked : undefined;
}

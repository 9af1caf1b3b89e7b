/**
 * What providers charge for other classes of service than the standard one. From their pages of prices, November 2026: OpenAI's and
 * Google's flexible class costs half of the standard one; OpenAI's priority has prices of its own, in US dollars for a million
 * tokens, and is not given to long prompts. Of what is missing here, nobody says a price for all models.
 */
import type { Prices, Pricing, ServicePrices } from '../../core/call.ts';
import { namesOf } from './names.ts';

type PriorityPrice = readonly [input: number, output: number, cachedInput?: number];

/** By the names of models in one spelling. */
const OPENAI_PRIORITY: Readonly<Record<string, PriorityPrice>> = {
  'gpt-5-5': [12.5, 75, 1.25],
  'gpt-5-4': [5, 30, 0.5],
  'gpt-5-4-mini': [1.5, 9, 0.15],
  'gpt-5-2': [3.5, 28, 0.35],
  'gpt-5-1': [2.5, 20, 0.25],
  'gpt-5-1-codex': [2.5, 20, 0.25],
  'gpt-5': [2.5, 20, 0.25],
  'gpt-5-codex': [2.5, 20, 0.25],
  'gpt-5-mini': [0.45, 3.6, 0.045],
  'gpt-4-1': [3.5, 14, 0.875],
  'gpt-4-1-mini': [0.7, 2.8, 0.175],
  'gpt-4-1-nano': [0.2, 0.8, 0.05],
  'gpt-4o': [4.25, 17, 2.125],
  'gpt-4o-20240513': [8.75, 26.25],
  'gpt-4o-mini': [0.25, 1, 0.125],
  o3: [3.5, 14, 0.875],
  'o4-mini': [2, 8, 0.5],
};

/** By the rows of the catalog. */
const HALF_FOR_FLEX: Readonly<Record<string, RegExp>> = { openai: /./, google: /gemini/, vertex: /gemini/ };

/** With the prices of the other classes of service, where they are known; by the row of the catalog and the model's name there. */
export function withServiceTiers(pricing: Pricing, row: string, model: string): Pricing {
  const flex = Object.hasOwn(HALF_FOR_FLEX, row) && HALF_FOR_FLEX[row]?.test(model) ? halfOf(pricing) : undefined;
  const priority = row === 'openai' ? priorityOf(model) : undefined;
  const serviceTiers = { ...(flex ? { flex } : {}), ...(priority ? { priority } : {}) };
  return Object.keys(serviceTiers).length === 0 ? pricing : { ...pricing, serviceTiers };
}

function priorityOf(model: string): ServicePrices | undefined {
  for (const name of namesOf(model)) {
    const found = Object.hasOwn(OPENAI_PRIORITY, name) ? OPENAI_PRIORITY[name] : undefined;
    if (found === undefined) continue;
    const [input, output, cachedInput] = found;
    return { input, output, ...(cachedInput === undefined ? {} : { cachedInput }) };
  }
  return undefined;
}

const NOT_OF_TOKENS: ReadonlySet<string> = new Set(['request', 'tools', 'toolRequests', 'tiers', 'serviceTiers', 'binding']);

/** Of what tokens cost; what requests and tools cost is the same for all classes. */
function halfOf(pricing: Pricing): ServicePrices {
  const halved = (prices: Prices): Prices =>
    Object.fromEntries(
      Object.entries(prices).flatMap(([kind, price]: [string, unknown]) =>
        typeof price !== 'number' || NOT_OF_TOKENS.has(kind)
          ? []
          : [[kind, kind === 'above' ? price : Number((price / 2).toPrecision(12))]],
      ),
    );
  const { tiers } = pricing;
  return { ...halved(pricing), ...(tiers === undefined ? {} : { tiers: tiers.map((tier) => ({ ...halved(tier), above: tier.above })) }) };
}

/** Prices, and windows that go with them, from the data that the package of prices carries. It is never asked for newer ones. */
import { calcPrice } from '@pydantic/genai-prices';
import type { Pricing } from '../../core/call.ts';
import { canonicalName } from './names.ts';
import { OWN_PRICES } from './prices-own.ts';

/** Rows of the catalog by the ids that the package has for the same providers. Prices of one provider are not another's. */
const PRICED_AS: Readonly<Record<string, string>> = {
  openai: 'openai',
  azure: 'azure',
  anthropic: 'anthropic',
  google: 'google',
  vertex: 'google',
  bedrock: 'aws',
  mistral: 'mistral',
  groq: 'groq',
  deepseek: 'deepseek',
  xai: 'x-ai',
  together: 'together',
  fireworks: 'fireworks',
  openrouter: 'openrouter',
  cerebras: 'cerebras',
  cohere: 'cohere',
  moonshot: 'moonshotai',
  zhipu: 'zai',
  minimax: 'minimax',
  novita: 'novita',
  baseten: 'baseten',
};

export interface Priced {
  readonly pricing?: Pricing;
  readonly contextWindow?: number;
}

/**
 * Prices of a model at the provider of that row on that day. Where a price depends on the length of the prompt it is the
 * one for short prompts. Nothing where the provider or the model is not known by that name.
 */
export function priceOf(row: string | undefined, model: string, at: Date): Priced {
  if (row === undefined) return {};
  const packed = packedPrice(row, model, at);
  const own = ownPrice(row, model);
  return own === undefined ? packed : { ...packed, pricing: own };
}

function ownPrice(row: string, model: string): Pricing | undefined {
  const name = canonicalName(model);
  const found = Object.hasOwn(OWN_PRICES, row) ? OWN_PRICES[row] : undefined;
  if (found === undefined || !Object.hasOwn(found, name)) return undefined;
  const [input, output, cachedInput, cacheWrite] = found[name] ?? [];
  return pricingFrom({ input_mtok: input, output_mtok: output, cache_read_mtok: cachedInput, cache_write_mtok: cacheWrite });
}

function packedPrice(row: string, model: string, at: Date): Priced {
  const providerId = Object.hasOwn(PRICED_AS, row) ? PRICED_AS[row] : undefined;
  if (providerId === undefined) return {};
  for (const name of spellings(model)) {
    const found = calcPrice({}, name, { providerId, timestamp: at });
    if (found === null) continue;
    const pricing = pricingFrom(found.model_price);
    const { context_window: contextWindow } = found.model;
    return { ...(pricing === undefined ? {} : { pricing }), ...(contextWindow === undefined ? {} : { contextWindow }) };
  }
  return {};
}

/** As the provider spells it, then without a version's sign and a path, then in the one spelling of all. */
function spellings(model: string): readonly string[] {
  const bare = model.replace(/@default$/, '').replace('@', '-');
  const tuned = model.startsWith('ft:');
  return [...new Set([model, bare, ...(tuned ? [] : [bare.replace(/^models\//, ''), canonicalName(model)])])];
}

function pricingFrom(price: Readonly<Record<string, unknown>>): Pricing | undefined {
  const fields = {
    input: price['input_mtok'],
    output: price['output_mtok'],
    cachedInput: price['cache_read_mtok'],
    cacheWrite: price['cache_write_mtok'],
  };
  const known = Object.entries(fields).flatMap(([name, value]) => {
    const dollars = dollarsOf(value);
    return dollars === undefined ? [] : [[name, dollars] as const];
  });
  return known.length === 0 ? undefined : Object.fromEntries(known);
}

function dollarsOf(value: unknown): number | undefined {
  if (typeof value === 'number') return value;
  if (typeof value !== 'object' || value === null || !('base' in value)) return undefined;
  return typeof value.base === 'number' ? value.base : undefined;
}

/** Prices, and windows that go with them, from the data that the package of prices carries. It is never asked for newer ones. */
import { calcPrice } from '@pydantic/genai-prices';
import type { Prices, PriceTier, Pricing } from '../../core/call.ts';
import { canonicalName } from './names.ts';
import { OWN_PRICES } from './prices-own.ts';
import { withServiceTiers } from './service-tiers.ts';
import { feesOf } from './tool-fees.ts';
import type { Fees } from './tool-fees.ts';

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
 * Prices of a model at the provider of that row on that day. Where they depend on the length of the prompt those for short
 * prompts come first, the others are its tiers. Nothing where the provider or the model is not known by that name.
 */
export function priceOf(row: string | undefined, model: string, at: Date): Priced {
  if (row === undefined) return {};
  const packed = packedPrice(row, model, at);
  const pricing = ownPrice(row, model) ?? packed.pricing;
  if (pricing === undefined) return packed;
  const name = canonicalName(model);
  return { ...packed, pricing: withFees(withServiceTiers(withLongWrites(pricing, name), row, name), feesOf(row, name)) };
}

function withFees(pricing: Pricing, { tools, toolRequests }: Fees): Pricing {
  return {
    ...pricing,
    ...(tools || pricing.tools ? { tools: { ...tools, ...pricing.tools } } : {}),
    ...(toolRequests ? { toolRequests } : {}),
  };
}

/**
 * What is to be kept for an hour costs twice the input, wherever Claude runs: Anthropic's rule for all its models, which the
 * tables have for some alone.
 */
function withLongWrites(pricing: Pricing, model: string): Pricing {
  if (!model.startsWith('claude')) return pricing;
  const filled = <T extends Prices>(prices: T): T =>
    prices.input === undefined || prices.cacheWrite === undefined || prices.cacheWriteLong !== undefined
      ? prices
      : { ...prices, cacheWriteLong: Number((prices.input * 2).toPrecision(12)) };
  return { ...filled(pricing), ...(pricing.tiers === undefined ? {} : { tiers: pricing.tiers.map(filled) }) };
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

/** The package's names of the prices we charge by. */
const PACKED_AS: Readonly<Record<keyof Prices, string>> = {
  input: 'input_mtok',
  output: 'output_mtok',
  cachedInput: 'cache_read_mtok',
  cacheWrite: 'cache_write_mtok',
  cacheWriteLong: 'cache_write_1h_mtok',
  reasoning: 'output_reasoning_mtok',
  inputAudio: 'input_audio_mtok',
  cachedAudio: 'cache_audio_read_mtok',
  outputAudio: 'output_audio_mtok',
  inputImage: 'input_image_mtok',
  outputImage: 'output_image_mtok',
};

/** The package's names of fees for a thousand runs, by our names of the tools. */
const PACKED_TOOLS: Readonly<Record<string, string>> = {
  web_search: 'web_searches_kcount',
  file_search: 'storage_searches_kcount',
  x_search: 'social_searches_kcount',
  code_execution: 'code_executions_kcount',
};

interface PackedTier {
  readonly start: number;
  readonly price: number;
}

function pricingFrom(price: Readonly<Record<string, unknown>>): Pricing | undefined {
  const base = pricesFrom(price, dollarsOf);
  const thousand = dollarsOf(price['requests_kcount']);
  const request = thousand === undefined ? {} : { request: Number((thousand / 1000).toPrecision(12)) };
  const starts = Object.values(PACKED_AS).flatMap((name) => tiersOf(price[name]).map(({ start }) => start));
  const tiers = [...new Set(starts)].toSorted((one, other) => one - other).map((above) => tierFrom(price, above));
  const tools = Object.entries(PACKED_TOOLS).flatMap(([tool, packed]) => {
    const fee = dollarsOf(price[packed]);
    return fee === undefined ? [] : [[tool, fee] as const];
  });
  const pricing = {
    ...base,
    ...request,
    ...(tiers.length === 0 ? {} : { tiers }),
    ...(tools.length === 0 ? {} : { tools: Object.fromEntries(tools) }),
  };
  return Object.keys(pricing).length === 0 ? undefined : pricing;
}

function tierFrom(price: Readonly<Record<string, unknown>>, above: number): PriceTier {
  const reached = (value: unknown): number | undefined =>
    tiersOf(value)
      .filter(({ start }) => start <= above)
      .toSorted((one, other) => one.start - other.start)
      .at(-1)?.price;
  return { above, ...pricesFrom(price, reached) };
}

function pricesFrom(price: Readonly<Record<string, unknown>>, dollars: (value: unknown) => number | undefined): Prices {
  const known = Object.entries(PACKED_AS).flatMap(([name, packed]) => {
    const value = dollars(price[packed]);
    return value === undefined ? [] : [[name, value] as const];
  });
  return Object.fromEntries(known);
}

function dollarsOf(value: unknown): number | undefined {
  if (typeof value === 'number') return value;
  if (typeof value !== 'object' || value === null || !('base' in value)) return undefined;
  return typeof value.base === 'number' ? value.base : undefined;
}

/** The package's prices by length hold for all of a request whose prompt is longer than their start, as ours do. */
function tiersOf(value: unknown): readonly PackedTier[] {
  if (typeof value !== 'object' || value === null || !('tiers' in value) || !Array.isArray(value.tiers)) return [];
  return value.tiers as readonly PackedTier[];
}

/** What a model costs, as `GET /v1/models` says it, and the schema of that. */
import Type from 'typebox';
import type { Prices, Pricing, ServicePrices } from '../../core/call.ts';
import { where } from './wire.ts';

const NAMES: Readonly<Record<keyof Prices, readonly [name: string, of: string]>> = {
  input: ['input', 'The prompt.'],
  output: ['output', 'The answer.'],
  cachedInput: ['cached_input', 'Of the prompt, what was read from the provider’s cache.'],
  cacheWrite: ['cache_write', 'Of the prompt, what was written to it.'],
  cacheWriteLong: ['cache_write_long', 'Of that, what is kept for an hour.'],
  reasoning: ['reasoning', 'Reasoning.'],
  inputAudio: ['input_audio', 'Audio in the prompt.'],
  cachedAudio: ['cached_audio', 'Audio that was read from the cache.'],
  outputAudio: ['output_audio', 'A spoken answer.'],
  inputImage: ['input_image', 'Images in the prompt.'],
  outputImage: ['output_image', 'Images in the answer.'],
};

const kinds = Object.fromEntries(Object.values(NAMES).map(([name, of]) => [name, Type.Optional(Type.Number({ description: of }))]));

const fees = (description: string) => Type.Optional(Type.Record(Type.String(), Type.Number(), { description }));

const tiers = Type.Array(Type.Object({ above: Type.Integer({ minimum: 0, description: 'Tokens of the prompt.' }), ...kinds }), {
  description: 'Instead of the prices above for the whole of a request whose prompt is longer; what is left out stays.',
});

export const PricingView = Type.Object(
  {
    currency: Type.Literal('USD'),
    per_tokens: Type.Literal(1_000_000),
    ...kinds,
    request: Type.Optional(Type.Number({ description: 'For each request, whatever it uses.' })),
    tiers: Type.Optional(tiers),
    service_tiers: Type.Optional(
      Type.Record(Type.String(), Type.Object({ ...kinds, tiers: Type.Optional(tiers) }), {
        description: 'Instead of all prices of tokens above, where the provider served the request in this class of service.',
      }),
    ),
    tools: fees('For a thousand runs of a tool that the provider runs itself.'),
    tool_requests: fees('For a thousand requests in which such a tool ran, however often.'),
  },
  { description: 'US dollars for a million tokens of each kind, as far as known.' },
);

export function encodePricing(pricing: Pricing) {
  const { request, serviceTiers, tools, toolRequests } = pricing;
  const services = serviceTiers && Object.entries(serviceTiers).map(([name, prices]) => [name, encodeWithTiers(prices)] as const);
  return {
    currency: 'USD',
    per_tokens: 1_000_000,
    ...encodeWithTiers(pricing),
    ...where('request', request),
    ...where('service_tiers', services && Object.fromEntries(services)),
    ...where('tools', tools),
    ...where('tool_requests', toolRequests),
  };
}

const encodeWithTiers = ({ tiers: all, ...prices }: ServicePrices) => ({
  ...encodePrices(prices),
  ...where(
    'tiers',
    all?.map((tier) => ({ above: tier.above, ...encodePrices(tier) })),
  ),
});

function encodePrices(prices: Prices): Readonly<Record<string, number>> {
  const shown: Record<string, number> = {};
  for (const [kind, [name]] of Object.entries(NAMES)) {
    const price = prices[kind as keyof Prices];
    if (price !== undefined) shown[name] = price;
  }
  return shown;
}

/** The settings of limits and prices. */
import { Type } from 'typebox';
import { oneOf, section } from './schema-kit.ts';

const dollars = (description: string) => Type.Number({ minimum: 0, maximum: 1_000_000, description });

const KINDS = {
  input: dollars('US dollars for a million tokens of prompts.'),
  output: dollars('The same of answers.'),
  cachedInput: dollars('Of prompts, read from a cache. Default: as `input`.'),
  cacheWrite: dollars('Of prompts, written to a cache. Default: as `input`.'),
  cacheWriteLong: dollars('Written to be kept for an hour. Default: as `cacheWrite`.'),
  reasoning: dollars('Of reasoning. Default: as `output`.'),
  inputAudio: dollars('Of audio in prompts. Default: as `input`.'),
  cachedAudio: dollars('Of audio read from a cache. Default: as `cachedInput`.'),
  outputAudio: dollars('Of spoken answers. Default: as `output`.'),
  inputImage: dollars('Of images in prompts. Default: as `input`.'),
  outputImage: dollars('Of images in answers. Default: as `output`.'),
};

const TIER = {
  ...section(
    { above: Type.Integer({ minimum: 1, maximum: 1_000_000_000, description: 'Tokens of the prompt.' }), ...KINDS },
    'Prices of requests whose prompt has more tokens than `above`.',
  ),
  required: ['above'],
};

const TIERS = Type.Array(Type.Unsafe<object>(TIER), { maxItems: 16, description: 'Other prices for long prompts.' });

const SERVICE = { ...section({ ...KINDS, tiers: TIERS }, 'All that tokens cost in this class of service.'), required: ['input', 'output'] };

const fees = (description: string) =>
  Type.Unsafe<Readonly<Record<string, number>>>({
    type: 'object',
    additionalProperties: dollars('US dollars; 0 where nothing is charged.'),
    description,
  });

/** All that a model may be charged for. */
export const PRICE_FIELDS = {
  ...KINDS,
  request: dollars('US dollars for each request, whatever it uses.'),
  tools: fees(
    'US dollars for a thousand runs of tools that the provider runs itself, by their names in `provider_tool_calls` of the usage.',
  ),
  toolRequests: fees('The same for a thousand requests in which the tool ran, however often it did.'),
  tiers: TIERS,
  serviceTiers: Type.Unsafe<Readonly<Record<string, object>>>({
    type: 'object',
    propertyNames: { pattern: '^(auto|default|flex|scale|priority|fast)$' },
    additionalProperties: SERVICE,
    description: 'Other prices where the provider says that it served the request in this class: `priority`, `flex`.',
  }),
};

const PRICE = {
  ...section(
    PRICE_FIELDS,
    'The whole price of a model: nothing of the table is kept beside it, and what a provider reports does not count.',
  ),
  required: ['input', 'output'],
};

export const PRICES = section(
  {
    overrides: Type.Unsafe<Readonly<Record<string, object>>>({
      type: 'object',
      additionalProperties: PRICE,
      default: {},
      description:
        'Prices in place of those of the table, by the id of a model (`provider/model`), with `*` for any text: `input` and `output`, and as far as they differ `cachedInput`, `cacheWrite`, `cacheWriteLong`, `reasoning`, `inputAudio`, `cachedAudio`, `outputAudio`, `inputImage`, `outputImage`; `request`, `tiers`, `serviceTiers`, `tools`, `toolRequests`. docs/limits.md says more of each. In the environment: as JSON.',
    }),
    local: Type.Unsafe<Readonly<Record<string, number>>>({
      type: 'object',
      propertyNames: { pattern: `^(${[...Object.keys(KINDS), 'request'].join('|')})$` },
      additionalProperties: dollars('As in `prices.overrides`.'),
      default: { input: 0, output: 0 },
      description: 'The price of models of this machine. In the environment: as JSON.',
    }),
    unpriced: oneOf(['allow', 'refuse'], {
      default: 'allow',
      description:
        'Models whose price nobody knows: `allow` them, and say so in the records of usage; or `refuse` them with 403, so that every budget holds.',
    }),
  },
  'What models cost. docs/limits.md says more.',
);

export const LIMITS = section(
  {
    onTightBudget: oneOf(['refuse', 'lower'], {
      default: 'refuse',
      description:
        'Where the worst case of a request does not fit into what is left of a budget, but a shorter answer would: refuse it and say what would fit, or lower `max_tokens` to that.',
    }),
    answerTokens: Type.Integer({
      minimum: 16,
      maximum: 10_000_000,
      default: 4096,
      description:
        'Where a budget applies, the most tokens of an answer whose request does not limit it, if what its model can say at most is not known or does not fit.',
    }),
  },
  'How limits of keys, projects and end users are kept. docs/limits.md says more.',
);

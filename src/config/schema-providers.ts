/** The settings of providers, and of the names under which clients know models. */
import { Type } from 'typebox';
import type { TSchema } from 'typebox';
import { duration, section } from './schema-kit.ts';
import { PRICE_FIELDS } from './schema-money.ts';

const mapOf = <T>(values: TSchema, description: string, names?: string) =>
  Type.Unsafe<Readonly<Record<string, T>>>({
    type: 'object',
    additionalProperties: values,
    ...(names === undefined ? {} : { propertyNames: { pattern: names } }),
    default: {},
    description,
  });

const tokens = (description: string) => Type.Integer({ minimum: 1, description });
const modalities = Type.Array(Type.Unsafe<string>({ enum: ['text', 'image', 'audio', 'video', 'file'] }));

const DECLARED = Type.Unsafe<object>({
  type: 'object',
  properties: {
    id: Type.String({ minLength: 1, maxLength: 400, description: 'What clients call it, after the provider’s name and a slash.' }),
    upstream: Type.String({ minLength: 1, description: 'What the provider calls it. Default: the same.' }),
    contextWindow: tokens('Tokens, prompt and completion together.'),
    maxOutputTokens: tokens('Tokens of one completion at most.'),
    capabilities: section(
      {
        tools: Type.Boolean(),
        structuredOutput: Type.Boolean(),
        logprobs: Type.Boolean(),
        reasoning: Type.Boolean(),
        inputModalities: modalities,
        outputModalities: modalities,
      },
      'What it can do.',
    ),
    pricing: section(
      PRICE_FIELDS,
      'What it costs; what is left out is as the provider or the table has it. What it reports itself does not count.',
    ),
  },
  required: ['id'],
  additionalProperties: false,
});

const PROVIDER = section(
  {
    type: Type.String({ minLength: 1, description: 'The provider of the catalog that this one is like. Default: the one of this name.' }),
    wire: Type.Unsafe<string>({
      enum: ['openai-chat', 'anthropic-messages', 'gemini', 'bedrock-converse', 'openai-responses', 'cohere-chat'],
      description: 'The protocol it speaks, for a provider that is not in the catalog.',
    }),
    enabled: Type.Boolean({ description: '`false`: not offered, even where the environment has its key.' }),
    key: Type.String({ minLength: 1, description: 'Its API key, as `env:NAME` or itself. Default: the catalog’s environment variable.' }),
    baseUrl: Type.String({ pattern: '^https?://[^\\s/@]+(/[^\\s?#]*)?$', description: 'Everything before the protocol’s own paths.' }),
    headers: mapOf<string>(Type.String(), 'Headers of every request to it.'),
    variables: mapOf<string>(Type.String({ minLength: 1 }), 'Parts of its addresses: region, project, resource.'),
    quirks: mapOf<unknown>(Type.Unsafe<unknown>({}), 'How it deviates from its protocol; docs/providers.md lists what there is.'),
    listModels: Type.Boolean({ description: 'Offer what it lists itself. Default: yes, unless `models` says which there are.' }),
    models: Type.Array(
      Type.Unsafe<string | object>({
        anyOf: [Type.String({ minLength: 1, maxLength: 400, description: 'A model by its name.' }), DECLARED],
      }),
      { description: 'Its models.' },
    ),
    timeouts: section(
      {
        connect: duration('10s', 'Until the connection stands.'),
        headers: duration('10m', 'Until the answer begins.'),
        idle: duration('5m', 'Silence within an answer.'),
      },
      'How long it may take.',
    ),
  },
  'A provider.',
);

export const PROVIDERS = mapOf<object>(
  PROVIDER,
  'Providers by name, beside those whose key is in the environment. In the environment: as JSON.',
  '^[a-z0-9][a-z0-9_-]{0,63}$',
);

const names = (description: string) => Type.Array(Type.String({ minLength: 1 }), { default: [], description });

export const MODEL_NAMES = {
  aliases: mapOf<string | readonly string[]>(
    Type.Unsafe<string | readonly string[]>({
      anyOf: [
        { type: 'string', minLength: 1, description: 'A model.' },
        { type: 'array', items: { type: 'string', minLength: 1 }, minItems: 1, description: 'Models, the first that there is.' },
      ],
    }),
    'Names of your own for models: `fast: groq/llama-3.3-70b-versatile`, or a list, of which the first that there is answers.',
  ),
  rename: mapOf<string>(Type.String({ minLength: 1 }), 'New name → old name. The model is known by its new name alone.'),
  allow: names('Models there are, as names with `*` for any text. Empty: all.'),
  deny: names('Models there are not, in the same form.'),
  hide: names('Models that answer but are not listed, in the same form.'),
} as const;

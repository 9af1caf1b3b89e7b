/** What is asked: the same bodies for every candidate, so that all of them do the same work. */

export interface Case {
  readonly name: string;
  readonly streams: number;
  readonly extra: Readonly<Record<string, unknown>>;
  /** A grammar decides when the answer ends, so the end is not banned. */
  readonly mayEnd: boolean;
  /** Tokens to generate, each stream. */
  readonly tokens: number;
  /** A text of some 2,000 tokens before the question. */
  readonly long?: boolean;
}

/** Forty people are far more than 128 tokens: every answer is as long as it may be. */
const PEOPLE = {
  type: 'object',
  properties: {
    people: {
      type: 'array',
      minItems: 40,
      items: {
        type: 'object',
        properties: {
          name: { type: 'string' },
          age: { type: 'integer' },
          city: { enum: ['Paris', 'Oslo', 'Lima', 'Kyoto'] },
          retired: { type: 'boolean' },
        },
        required: ['name', 'age', 'city', 'retired'],
        additionalProperties: false,
      },
    },
  },
  required: ['people'],
  additionalProperties: false,
};

const LOGPROBS = { logprobs: true, top_logprobs: 5 };
const SCHEMA = { response_format: { type: 'json_schema', json_schema: { name: 'people', strict: true, schema: PEOPLE } } };
const TOOLS = {
  tools: [
    { type: 'function', function: { name: 'save_people', description: 'Keeps a list of people', strict: true, parameters: PEOPLE } },
    {
      type: 'function',
      function: { name: 'forget_people', description: 'Forgets all people', parameters: { type: 'object', properties: {} } },
    },
  ],
  tool_choice: { type: 'function', function: { name: 'save_people' } },
};

/** One stream and eight. Short and long prompts are of 32 and of some 2,000 tokens as the server counts them. */
function oneAndEight(what: string, of: Omit<Case, 'name' | 'streams' | 'tokens'>, tokens: readonly [number, number]): readonly Case[] {
  return [
    { ...of, name: `1 stream${what}`, streams: 1, tokens: tokens[0] },
    { ...of, name: `8 streams${what}`, streams: 8, tokens: tokens[1] },
  ];
}

export const CASES: readonly Case[] = [
  ...oneAndEight('', { extra: {}, mayEnd: false }, [128, 128]),
  ...oneAndEight(', logprobs 5', { extra: LOGPROBS, mayEnd: false }, [128, 64]),
  ...oneAndEight(', JSON Schema', { extra: SCHEMA, mayEnd: true }, [128, 64]),
  ...oneAndEight(', a tool', { extra: TOOLS, mayEnd: true }, [128, 64]),
  ...oneAndEight(', long prompt', { extra: {}, mayEnd: false, long: true }, [64, 16]),
];

export type ChatBody = Readonly<Record<string, unknown>>;

export interface Bodies {
  readonly model: string;
  /** Tokens to generate at most, each stream. */
  readonly most: number;
  /** Tokens that would end an answer; they are banned, so that all answers are equally long. */
  readonly endTokens: readonly number[];
}

let made = 0;

/**
 * The requests of one measurement. Each begins with words that no other has, so that nobody answers from a prompt
 * cache; the sampling settings are all said, and all off but the temperature of 1.
 */
export function bodiesOf({ streams, extra, mayEnd, long, tokens }: Case, { model, most, endTokens }: Bodies): readonly ChatBody[] {
  return Array.from({ length: streams }, () => {
    made++;
    return {
      model,
      messages: [
        { role: 'system', content: `${words(made)}. You are a helpful assistant.` },
        { role: 'user', content: `${long ? SENTENCE.repeat(81) : ''}Tell me about Paris in five short sentences.` },
      ],
      max_tokens: Math.min(tokens, most),
      temperature: 1,
      top_p: 1,
      frequency_penalty: 0,
      presence_penalty: 0,
      stream: true,
      stream_options: { include_usage: true },
      ...(mayEnd ? {} : { logit_bias: Object.fromEntries(endTokens.map((token) => [token, -100])) }),
      ...extra,
    };
  });
}

const SENTENCE = 'The boat goes down the river past the mill, the old bridge and the market, and comes back in the evening. ';

/** More than the prompts that anybody keeps for reuse. */
const WORDS = (
  'River Garden Window Market Summer Silver Music Forest Bridge Letter Water Paper Stone Light Winter Table ' +
  'House Street School Doctor Money Party Health Heart Sound Energy Island Planet Animal Flower Color Number'
).split(' ');

/** A number as three words: the prompts differ from their first word on and are about equally long. */
function words(number: number): string {
  return [number, Math.floor(number / WORDS.length), number * 7].map((at) => WORDS[at % WORDS.length]).join(' ');
}

/** What llama-server must be told besides, to do the same: its own defaults are others. */
export const LLAMA_SERVER_SAMPLING: ChatBody = {
  top_k: 0,
  min_p: 0,
  typical_p: 1,
  top_n_sigma: -1,
  repeat_penalty: 1,
  repeat_last_n: 0,
  dry_multiplier: 0,
  xtc_probability: 0,
  dynatemp_range: 0,
  mirostat: 0,
  cache_prompt: false,
};

/** Requests that run as they stand against the model that ships with the project, and what answers look like. */

export interface ChatExample {
  readonly summary: string;
  readonly description: string;
  readonly value: Readonly<Record<string, unknown>>;
}

const MODEL = 'smollm2-135m-instruct';

const weatherTool = {
  type: 'function',
  function: {
    name: 'get_weather',
    description: 'Current weather in a city.',
    parameters: {
      type: 'object',
      properties: { city: { type: 'string', maxLength: 40 } },
      required: ['city'],
      additionalProperties: false,
    },
  },
} as const;

/** A request per thing to try. */
export const chatExamples: Readonly<Record<'plain' | 'stream' | 'tools' | 'json_schema' | 'logprobs', ChatExample>> = {
  plain: {
    summary: 'A question',
    description: 'The least that a request needs, and a limit.',
    value: { model: MODEL, messages: [{ role: 'user', content: 'What is the capital of France?' }], temperature: 0, max_tokens: 64 },
  },
  stream: {
    summary: 'Streamed',
    description: 'The answer in server-sent events, closed by the token counts.',
    value: {
      model: MODEL,
      messages: [
        { role: 'system', content: 'You answer in one short sentence.' },
        { role: 'user', content: 'Why is the sky blue?' },
      ],
      max_tokens: 64,
      stream: true,
      stream_options: { include_usage: true },
    },
  },
  tools: {
    summary: 'A tool call',
    description: 'The model must call the function. Send its result back in a message with the role `tool`.',
    value: {
      model: MODEL,
      messages: [{ role: 'user', content: 'What is the weather in Oslo?' }],
      tools: [weatherTool],
      tool_choice: 'required',
      temperature: 0,
      max_tokens: 128,
    },
  },
  json_schema: {
    summary: 'JSON of a schema',
    description: 'Every answer that ends by `stop` validates against the schema.',
    value: {
      model: MODEL,
      messages: [{ role: 'user', content: 'Invent a pet.' }],
      response_format: {
        type: 'json_schema',
        json_schema: {
          name: 'pet',
          strict: true,
          schema: {
            type: 'object',
            properties: {
              name: { type: 'string', maxLength: 20 },
              kind: { enum: ['cat', 'dog'] },
              age: { type: 'integer', minimum: 0, maximum: 30 },
            },
            required: ['name', 'kind', 'age'],
            additionalProperties: false,
          },
        },
      },
      seed: 1,
      max_tokens: 200,
    },
  },
  logprobs: {
    summary: 'Log probabilities',
    description: 'Each token with the three likeliest at its place.',
    value: {
      model: MODEL,
      messages: [{ role: 'user', content: 'Answer yes or no: is water wet?' }],
      logprobs: true,
      top_logprobs: 3,
      temperature: 0,
      max_tokens: 4,
    },
  },
};

const head = { id: 'chatcmpl-7Qm2nR4v', created: 1767225600, model: MODEL, system_fingerprint: null };

export const completionExample = {
  ...head,
  object: 'chat.completion',
  choices: [
    {
      index: 0,
      message: { role: 'assistant', content: 'The capital of France is Paris.', refusal: null },
      logprobs: null,
      finish_reason: 'stop',
    },
  ],
  usage: {
    prompt_tokens: 37,
    completion_tokens: 8,
    total_tokens: 45,
    prompt_tokens_details: { cached_tokens: 0 },
    completion_tokens_details: { reasoning_tokens: 0 },
  },
};

export const toolCallExample = {
  ...head,
  object: 'chat.completion',
  choices: [
    {
      index: 0,
      message: {
        role: 'assistant',
        content: null,
        refusal: null,
        tool_calls: [{ id: 'call_b81c0e', type: 'function', function: { name: 'get_weather', arguments: '{"city":"Oslo"}' } }],
      },
      logprobs: null,
      finish_reason: 'tool_calls',
    },
  ],
  usage: { ...completionExample.usage, prompt_tokens: 96, completion_tokens: 18, total_tokens: 114 },
};

const delta = (change: Readonly<Record<string, unknown>>, finish: string | null = null) => ({
  ...head,
  object: 'chat.completion.chunk',
  choices: [{ index: 0, delta: change, logprobs: null, finish_reason: finish }],
  usage: null,
});

/** The chunks of one short stream, by what they bring. */
export const chunkExamples = {
  role: delta({ role: 'assistant', content: '', refusal: null }),
  text: delta({ content: 'Air scatters blue light most.' }),
  finish: delta({}, 'stop'),
  usage: { ...head, object: 'chat.completion.chunk', choices: [], usage: completionExample.usage },
};

export const modelExample = {
  id: MODEL,
  object: 'model',
  created: 1730419200,
  owned_by: 'HuggingFaceTB',
  endpoints: ['/v1/chat/completions'],
  context_window: 8192,
  capabilities: {
    tools: true,
    structured_output: true,
    logprobs: true,
    reasoning: false,
    input_modalities: ['text'],
    output_modalities: ['text'],
  },
  details: { quantization: 'Q4_1', bytes: 98362432, license: 'Apache-2.0' },
};

/** What the API answers with: completions, chunks, models, errors. They describe; `response.ts` and `stream.ts` make them. */
import Type from 'typebox';
import { PricingView } from './pricing.ts';
import { integer, mapOf, nullable } from './schema-kit.ts';
import { ProviderState, ToolCall } from './schema-messages.ts';

const count = (description: string) => Type.Integer({ minimum: 0, description });
const unixTime = (description: string) => Type.Integer({ minimum: 0, description });

const tokenFields = {
  token: Type.String({ description: 'The token’s text. Bytes that are no whole character show as `\uFFFD`; `bytes` has them.' }),
  logprob: Type.Number({
    description: 'Natural logarithm of its probability, of the model itself: before temperature, bias, truncation or grammar.',
  }),
  bytes: nullable(Type.Array(Type.Integer({ minimum: 0, maximum: 255 })), { description: 'The token’s bytes.' }),
};

const TokenLogprob = Type.Object(
  {
    ...tokenFields,
    top_logprobs: Type.Array(Type.Object(tokenFields), { description: 'The likeliest tokens at this place, `top_logprobs` of them.' }),
  },
  { title: 'TokenLogprob' },
);

const Logprobs = nullable(
  Type.Object(
    { content: nullable(Type.Array(TokenLogprob)), refusal: nullable(Type.Array(TokenLogprob)) },
    { title: 'Logprobs', description: 'The `token`s of `content`, joined, are the text.' },
  ),
);

const FinishReason = Type.Enum(['stop', 'length', 'tool_calls', 'content_filter', 'function_call'], {
  title: 'FinishReason',
  description:
    '`stop`: the model was done, or wrote a stop string, or made the call it was told to. `length`: a token limit. ' +
    '`tool_calls`: it chose to call tools. `content_filter`: something was withheld. `function_call`: as `tool_calls`, in the older form.',
});

export const Usage = Type.Object(
  {
    prompt_tokens: count('Tokens of the prompt.'),
    completion_tokens: count('Tokens of all answers together.'),
    total_tokens: count('The sum of both.'),
    prompt_tokens_details: Type.Object({
      cached_tokens: count('Tokens of the prompt that did not have to be computed again.'),
      cache_write_tokens: Type.Optional(count('Tokens of the prompt that were written to the provider’s cache.')),
      audio_tokens: Type.Optional(count('Tokens of audio in the prompt.')),
    }),
    completion_tokens_details: Type.Object({
      reasoning_tokens: count('Tokens spent on reasoning.'),
      audio_tokens: Type.Optional(count('Tokens of spoken answers.')),
      accepted_prediction_tokens: Type.Optional(count('Tokens of the `prediction` that were used.')),
      rejected_prediction_tokens: Type.Optional(count('Tokens of the `prediction` that were not.')),
    }),
    provider_tool_calls: Type.Optional(
      Type.Record(Type.String(), count('How often.'), { description: 'Tools that the provider ran itself and charges for. An extension.' }),
    ),
  },
  { title: 'Usage', description: 'Measured, never estimated. Left out where nothing was measured.' },
);

const functionCall = Type.Optional(
  Type.Object({ name: Type.String(), arguments: Type.String() }, { deprecated: true, description: 'Answers requests with `functions`.' }),
);

const Annotation = Type.Object(
  {
    type: Type.Literal('url_citation'),
    url_citation: Type.Object({
      url: Type.String(),
      title: Type.String(),
      start_index: count('Where in `content` the cited text begins.'),
      end_index: count('Where it ends.'),
    }),
  },
  { title: 'Annotation', description: 'A web page that the answer cites.' },
);

const annotations = Type.Optional(Type.Array(Annotation, { description: 'What the answer cites.' }));
const providerState = Type.Optional(ProviderState);

const AnswerMessage = Type.Object(
  {
    role: Type.Literal('assistant'),
    content: nullable(Type.String(), { description: 'The text; null where the model only called tools or declined.' }),
    refusal: nullable(Type.String(), { description: 'What the model said when it declined.' }),
    reasoning_content: Type.Optional(Type.String({ description: 'What the model thought first, where it tells.' })),
    tool_calls: Type.Optional(Type.Array(ToolCall)),
    function_call: functionCall,
    annotations,
    audio: Type.Optional(
      Type.Object(
        { id: Type.String(), data: Type.String(), transcript: Type.String(), expires_at: Type.Integer() },
        { description: 'A spoken answer; `data` is base64.' },
      ),
    ),
    provider_state: providerState,
  },
  { title: 'AnswerMessage' },
);

const serviceTier = Type.Optional(Type.String({ description: 'The class of service that was used, where the provider tells.' }));

const head = {
  id: Type.String({ description: 'Names the completion.' }),
  created: unixTime('When it was made, in Unix seconds.'),
  model: Type.String({ description: 'The model that answered.' }),
  system_fingerprint: nullable(Type.String(), {
    description: 'Names the model and its set-up; the same fingerprint and seed repeat a text.',
  }),
};

export const ChatCompletion = Type.Object(
  {
    ...head,
    object: Type.Literal('chat.completion'),
    choices: Type.Array(
      Type.Object({
        index: count('Its place among the answers.'),
        message: AnswerMessage,
        logprobs: Logprobs,
        finish_reason: FinishReason,
      }),
      { description: 'As many answers as `n` asked for.' },
    ),
    usage: Type.Optional(Usage),
    service_tier: serviceTier,
  },
  { title: 'ChatCompletion', description: 'A whole answer.' },
);

const ToolCallDelta = Type.Object(
  {
    index: count('Which call of the choice this belongs to.'),
    id: Type.Optional(Type.String({ description: 'In the first delta of a call only.' })),
    type: Type.Optional(Type.Enum(['function', 'custom'], { description: 'In the first delta of a call only.' })),
    function: Type.Optional(
      Type.Object({
        name: Type.Optional(Type.String({ description: 'In the first delta of a call only.' })),
        arguments: Type.Optional(Type.String({ description: 'The next piece of the arguments. Joined they are JSON.' })),
      }),
    ),
    custom: Type.Optional(Type.Object({ name: Type.Optional(Type.String()), input: Type.Optional(Type.String()) })),
  },
  { title: 'ToolCallDelta' },
);

const Delta = Type.Object(
  {
    role: Type.Optional(Type.Literal('assistant', { description: 'In the first chunk of a choice only.' })),
    content: Type.Optional(nullable(Type.String(), { description: 'The next piece of the text; whole characters only.' })),
    refusal: Type.Optional(nullable(Type.String())),
    reasoning_content: Type.Optional(Type.String({ description: 'The next piece of what the model thinks.' })),
    tool_calls: Type.Optional(Type.Array(ToolCallDelta)),
    function_call: Type.Optional(
      Type.Object({ name: Type.Optional(Type.String()), arguments: Type.Optional(Type.String()) }, { deprecated: true }),
    ),
    annotations,
    audio: Type.Optional(
      Type.Object(
        {
          id: Type.Optional(Type.String()),
          data: Type.Optional(Type.String()),
          transcript: Type.Optional(Type.String()),
          expires_at: Type.Optional(Type.Integer()),
        },
        { description: 'The next piece of a spoken answer.' },
      ),
    ),
    provider_state: providerState,
  },
  { title: 'Delta', description: 'What is new since the last chunk of the same choice.' },
);

export const ChatCompletionChunk = Type.Object(
  {
    ...head,
    object: Type.Literal('chat.completion.chunk'),
    choices: Type.Array(
      Type.Object({
        index: count('The answer that this belongs to.'),
        delta: Delta,
        logprobs: Logprobs,
        finish_reason: nullable(FinishReason, { description: 'Null until the choice’s last chunk.' }),
      }),
      { description: 'One choice; none in the chunk that holds the usage.' },
    ),
    service_tier: serviceTier,
    usage: Type.Optional(nullable(Usage, { description: 'With `include_usage` only: null, but in the last chunk.' })),
  },
  {
    title: 'ChatCompletionChunk',
    description:
      'A piece of a streamed answer, in a frame `data: {…}`. The stream ends with `data: [DONE]`. ' +
      'A failure on the way is a frame `data: {"error": …}`, and then there is no `[DONE]`.',
  },
);

export const ErrorResponse = Type.Object(
  {
    error: Type.Object({
      message: Type.String({ description: 'What was wrong, where, and what would be right.' }),
      type: Type.String({ description: 'The kind of failure.', examples: ['invalid_request_error'] }),
      param: nullable(Type.String(), { description: 'The place in the request.', examples: ['messages[0].role'] }),
      code: nullable(Type.String(), { description: 'The failure, for programs.', examples: ['invalid_value'] }),
    }),
  },
  { title: 'ErrorResponse', description: 'Every failure looks like this. All four keys are always there.' },
);

export const Model = Type.Object(
  {
    id: Type.String({ description: 'What a request says in `model`.' }),
    object: Type.Literal('model'),
    created: unixTime('When the model was published, in Unix seconds.'),
    owned_by: Type.String({ description: 'Who made it.' }),
    provider: Type.Optional(Type.String({ description: 'The provider that runs it; left out for models of this machine.' })),
    endpoints: Type.Array(Type.String(), { description: 'Paths that answer with it.', examples: [['/v1/chat/completions']] }),
    context_window: Type.Optional(integer({ minimum: 1 })),
    max_output_tokens: Type.Optional(integer({ minimum: 1 })),
    capabilities: Type.Object(
      {
        tools: Type.Optional(Type.Boolean()),
        structured_output: Type.Optional(Type.Boolean({ description: '`response_format` with a JSON Schema.' })),
        logprobs: Type.Optional(Type.Boolean()),
        reasoning: Type.Optional(Type.Boolean({ description: 'It thinks before it answers.' })),
        input_modalities: Type.Optional(Type.Array(Type.String(), { examples: [['text']] })),
        output_modalities: Type.Optional(Type.Array(Type.String(), { examples: [['text']] })),
      },
      { description: 'What requests to this model may ask for, as far as known.' },
    ),
    pricing: Type.Optional(PricingView),
    details: Type.Optional(
      mapOf<string | number | boolean>({
        names: Type.String(),
        values: Type.Union([Type.String(), Type.Number(), Type.Boolean()], { description: 'Such as quantisation, size or licence.' }),
      }),
    ),
  },
  { title: 'Model', description: 'A model that this server can answer with.' },
);

export const ModelList = Type.Object({ object: Type.Literal('list'), data: Type.Array(Model) }, { title: 'ModelList' });

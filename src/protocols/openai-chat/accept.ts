/** From a client's body to a checked, neutral request. */
import { Compile } from 'typebox/schema';
import type { ChatRequest, ResponseFormat, Sampling } from '../../core/chat.ts';
import { GatewayError } from '../../core/error.ts';
import { firstProblem } from './explain.ts';
import { foldMessages } from './messages.ts';
import { ChatCompletionRequest } from './schema.ts';
import type { RequestBody } from './schema.ts';
import { foldTools } from './tools.ts';
import { compileKnown, unknownFields } from './unknown-fields.ts';

const schema = Compile(ChatCompletionRequest);
const onlyKnown = compileKnown(ChatCompletionRequest);

const NO_STOP_STRINGS: readonly string[] = Object.freeze([]);
const PLAIN_TEXT: ResponseFormat = Object.freeze({ type: 'text' });

/** Paths of ignored fields that are named one by one; the rest is one last `...`. */
const EXTRAS_NAMED = 50;

export interface AcceptOptions {
  readonly strict: boolean;
  /** The body's large fields as they were written, by name. */
  readonly written?: ReadonlyMap<string, Uint8Array> | undefined;
}

/**
 * The request that `body`, parsed JSON, makes. Throws a `GatewayError` of status 400 with the place and the code that
 * the contract's error table gives. `strict` refuses fields without a name in the schema; otherwise they are in `extras`.
 * The body is kept as `raw` and never changed; with `written` it is the request's source as well.
 */
export function parseChatRequest(body: unknown, { strict, written }: AcceptOptions): ChatRequest {
  const extras: string[] = [];
  const input = checked(body, strict, extras);
  checkCombinations(input);
  const messages = foldMessages(input.messages, extras);
  const { tools, toolChoice, legacyFunctions } = foldTools(input);
  noteWithoutPlace(input, extras);
  if (extras.length > EXTRAS_NAMED) extras.splice(EXTRAS_NAMED, Infinity, '...');
  const request: Writable<ChatRequest> = {
    model: input.model,
    messages,
    sampling: sampling(input),
    n: input.n ?? 1,
    stop: typeof input.stop === 'string' ? [input.stop] : (input.stop ?? NO_STOP_STRINGS),
    tools,
    toolChoice,
    // the older form has room for one call only
    parallelToolCalls: !legacyFunctions && (input.parallel_tool_calls ?? true),
    responseFormat: responseFormat(input),
    stream: input.stream ?? false,
    includeUsage: input.stream_options?.include_usage ?? false,
    legacyFunctions,
    extras,
    raw: input,
  };
  const maxTokens = input.max_completion_tokens ?? input.max_tokens;
  if (maxTokens != null) request.maxTokens = maxTokens;
  if (written) request.source = { value: input, written };
  if (input.logprobs) request.logprobs = { top: input.top_logprobs ?? 0 };
  if (input.reasoning_effort != null) request.reasoningEffort = input.reasoning_effort;
  if (input.verbosity != null) request.verbosity = input.verbosity;
  if (input.user != null) request.user = input.user;
  if (input.safety_identifier != null) request.safetyIdentifier = input.safety_identifier;
  return request;
}

/** What is still being filled in. */
type Writable<T> = { -readonly [K in keyof T]: T[K] };

const holds = (body: unknown): body is RequestBody & Record<string, unknown> => schema.Check(body);

function checked(body: unknown, strict: boolean, extras: string[]): RequestBody & Record<string, unknown> {
  if (!holds(body)) {
    throw firstProblem(ChatCompletionRequest, body) ?? new GatewayError('bad_request', 'The request body does not hold to the schema.');
  }
  if (onlyKnown(body)) return body;
  const unknown = unknownFields(ChatCompletionRequest, body, { limit: strict ? 1 : EXTRAS_NAMED + 1, nulls: strict });
  const first = unknown[0];
  if (strict && first !== undefined) {
    const message = `Unknown parameter: '${first}'. Expected only parameters of the chat completions API, because this server is in strict mode.`;
    throw new GatewayError('unknown_parameter', message, { param: first });
  }
  extras.push(...unknown);
  return body;
}

/** Fields that hold by themselves but not together. */
function checkCombinations(input: RequestBody): void {
  if (isGiven(input.top_logprobs) && input.logprobs !== true) {
    throw new GatewayError('invalid_value', "Invalid 'top_logprobs': it is only allowed with 'logprobs: true'.", { param: 'top_logprobs' });
  }
  if (isGiven(input.stream_options) && input.stream !== true) {
    throw new GatewayError('invalid_value', "Invalid 'stream_options': it is only allowed with 'stream: true'.", {
      param: 'stream_options',
    });
  }
}

const isGiven = (value: unknown): boolean => value !== null && value !== undefined;

function sampling(input: RequestBody): Sampling {
  const made: Writable<Sampling> = {};
  if (input.temperature != null) made.temperature = input.temperature;
  if (input.top_p != null) made.topP = input.top_p;
  if (input.frequency_penalty != null) made.frequencyPenalty = input.frequency_penalty;
  if (input.presence_penalty != null) made.presencePenalty = input.presence_penalty;
  if (input.seed != null) made.seed = input.seed;
  const logitBias = input.logit_bias && biases(input.logit_bias);
  if (logitBias) made.logitBias = logitBias;
  return made;
}

function biases(input: NonNullable<RequestBody['logit_bias']>): ReadonlyMap<number, number> | undefined {
  const entries = Object.entries(input);
  if (entries.length === 0) return undefined;
  return new Map(entries.map(([token, bias]) => [Number(token), bias]));
}

type JsonFormat = Extract<ResponseFormat, { readonly type: 'json_schema' }>;

function responseFormat(input: RequestBody): ResponseFormat {
  const format = input.response_format;
  if (!format || format.type === 'text') return PLAIN_TEXT;
  if (format.type === 'json_object') return { type: 'json_object' };
  const { name, schema, strict, description } = format.json_schema;
  const made: Writable<JsonFormat> = { type: 'json_schema', name, schema, strict: strict ?? false };
  if (description != null) made.description = description;
  return made;
}

/** Known fields that ask for something a neutral request has no place for. Values that ask for nothing are not among them. */
function noteWithoutPlace(input: RequestBody, extras: string[]): void {
  const { service_tier: tier } = input;
  if (input.store === true) extras.push('store');
  if (input.metadata && Object.keys(input.metadata).length > 0) extras.push('metadata');
  if (isGiven(tier) && tier !== 'auto' && tier !== 'default') extras.push('service_tier');
  if (input.modalities?.includes('audio')) extras.push('modalities');
  if (isGiven(input.audio)) extras.push('audio');
  if (isGiven(input.prediction)) extras.push('prediction');
  if (isGiven(input.web_search_options)) extras.push('web_search_options');
  if (isGiven(input.prompt_cache_key)) extras.push('prompt_cache_key');
  if (isGiven(input.prompt_cache_retention)) extras.push('prompt_cache_retention');
  if (isGiven(input.prompt_cache_options)) extras.push('prompt_cache_options');
  if (isGiven(input.moderation)) extras.push('moderation');
  if (input.stream_options?.include_obfuscation === true) extras.push('stream_options.include_obfuscation');
}

/** The body of a request, and what of the client's request has no place in it. */
import type { ChatRequest } from '../../core/chat.ts';
import { stopAt } from '../reshape/stop-at.ts';
import type { Reshape, WireTarget } from '../wire.ts';
import { writeInput } from './input.ts';
import type { OpenAIResponsesQuirks } from './quirks.ts';
import { toolFields } from './tools.ts';

export interface WrittenRequest {
  readonly body: Readonly<Record<string, unknown>>;
  readonly ignored: readonly string[];
  readonly reshape: readonly (() => Reshape)[];
}

/** Fields that mean the same in both APIs and go over as the client wrote them. */
const AS_GIVEN = [
  'store',
  'metadata',
  'service_tier',
  'prompt_cache_key',
  'prompt_cache_retention',
  'prompt_cache_options',
  'moderation',
] as const;

const DONE_ELSEWHERE: ReadonlySet<string> = new Set([...AS_GIVEN, 'web_search_options']);

/** A body under construction: fields that the host refuses are named in `ignored` instead. */
interface Body {
  readonly value: Record<string, unknown>;
  readonly ignored: string[];
  readonly refuses: ReadonlySet<string>;
  /** `from` is the client's field; left out where nobody asked for the field. */
  put(field: string, value: unknown, from?: string): void;
}

function createBody(quirks: OpenAIResponsesQuirks): Body {
  const value: Record<string, unknown> = {};
  const ignored: string[] = [];
  const refuses = new Set(quirks.refuses);
  return {
    value,
    ignored,
    refuses,
    put(field, given, from) {
      if (given === undefined) return;
      if (!refuses.has(field)) value[field] = given;
      else if (from !== undefined) ignored.push(from);
    },
  };
}

export function writeRequest(request: ChatRequest, target: WireTarget<OpenAIResponsesQuirks>): WrittenRequest {
  const { quirks } = target;
  const input = writeInput(request, target);
  const tools = toolFields(request, quirks);
  const body = createBody(quirks);
  body.put('model', target.upstreamModel);
  body.put('input', input.items);
  body.ignored.push(...input.ignored, ...tools.ignored);
  putKept(body, request);
  putStream(body, request);
  body.put('tools', tools.tools, 'tools');
  body.put('tool_choice', tools.choice === 'auto' ? undefined : tools.choice, 'tool_choice');
  if (tools.tools && !request.parallelToolCalls) body.put('parallel_tool_calls', false, 'parallel_tool_calls');
  putText(body, request, quirks);
  putReasoning(body, request, target);
  putLimits(body, request, target);
  putPerson(body, request);
  noteImpossible(body, request);
  const { stop } = request;
  const stops = stop.length > 0 ? [() => stopAt(stop)] : [];
  return { body: body.value, ignored: [...new Set(body.ignored)], reshape: [...tools.reshape, ...stops] };
}

/** Nothing is kept by the provider unless the client says so; here, other than in chat completions, that is to be said. */
function putKept(body: Body, { raw, extras }: ChatRequest): void {
  body.put('store', raw.store === true, raw.store === true ? 'store' : undefined);
  for (const field of AS_GIVEN) {
    if (field !== 'store' && raw[field] != null) body.put(field, raw[field], extras.includes(field) ? field : undefined);
  }
  body.ignored.push(...extras.filter((path) => !DONE_ELSEWHERE.has(path)));
}

/** The padding against size analysis would end here anyway. */
function putStream(body: Body, { stream }: ChatRequest): void {
  if (!stream) return;
  body.put('stream', true);
  body.put('stream_options', { include_obfuscation: false });
}

function putText(body: Body, { responseFormat, verbosity }: ChatRequest, { schemaAsResponseFormat }: OpenAIResponsesQuirks): void {
  const text: Record<string, unknown> = {};
  if (schemaAsResponseFormat && responseFormat.type === 'json_schema') {
    const { type, ...schema } = responseFormat;
    body.put('response_format', { type, json_schema: schema }, 'response_format');
  } else if (responseFormat.type !== 'text') text.format = responseFormat;
  if (verbosity !== undefined) {
    if (body.refuses.has('text.verbosity')) body.ignored.push('verbosity');
    else text.verbosity = verbosity;
  }
  if (Object.keys(text).length === 0) return;
  body.put('text', text, text.format === undefined ? 'verbosity' : 'response_format');
}

function putReasoning(body: Body, request: ChatRequest, { quirks, facts }: WireTarget<OpenAIResponsesQuirks>): void {
  const { reasoningEffort: effort } = request;
  const reasoning: Record<string, unknown> = {};
  if (effort !== undefined) {
    if (body.refuses.has('reasoning.effort')) body.ignored.push('reasoning_effort');
    else reasoning.effort = effort;
  }
  const { reasoningSummary: summary = 'auto' } = quirks;
  const reasons = facts.reasoning === true || effort !== undefined;
  // models that do not reason refuse to be asked for what they thought
  if (reasons && effort !== 'none' && facts.reasoning !== false && summary !== 'none') reasoning.summary = summary;
  if (Object.keys(reasoning).length > 0) body.put('reasoning', reasoning, effort === undefined ? undefined : 'reasoning_effort');
  const include: string[] = [];
  if (facts.reasoning !== false && quirks.encryptedReasoning !== false) include.push('reasoning.encrypted_content');
  if (request.logprobs && !samplingRefused(request, { quirks, facts })) include.push('message.output_text.logprobs');
  if (include.length > 0) body.put('include', include, request.logprobs ? 'logprobs' : undefined);
}

type Told = Pick<WireTarget<OpenAIResponsesQuirks>, 'quirks' | 'facts'>;

function samplingRefused({ reasoningEffort }: ChatRequest, { quirks, facts }: Told): boolean {
  return quirks.reasoningRefusesSampling === true && facts.reasoning === true && reasoningEffort !== 'none';
}

function putLimits(body: Body, request: ChatRequest, target: WireTarget<OpenAIResponsesQuirks>): void {
  const { minOutputTokens: least = 16, maxTopLogprobs: most = 20 } = target.quirks;
  const { temperature, topP } = request.sampling;
  if (request.maxTokens !== undefined) {
    const from = request.raw.max_completion_tokens == null ? 'max_tokens' : 'max_completion_tokens';
    body.put('max_output_tokens', Math.max(request.maxTokens, least), from);
    if (request.maxTokens < least) body.ignored.push(from);
  }
  if (samplingRefused(request, target)) {
    if (temperature !== undefined && temperature !== 1) body.ignored.push('temperature');
    if (topP !== undefined && topP !== 1) body.ignored.push('top_p');
    if (request.logprobs) body.ignored.push('logprobs');
    return;
  }
  body.put('temperature', temperature, temperature === 1 ? undefined : 'temperature');
  body.put('top_p', topP, topP === 1 ? undefined : 'top_p');
  if (!request.logprobs) return;
  const { top } = request.logprobs;
  if (top > 0) body.put('top_logprobs', Math.min(top, most), 'top_logprobs');
  if (top > most) body.ignored.push('top_logprobs');
}

/** `user` is the older name of `safety_identifier`, which has room for 64 characters. */
function putPerson(body: Body, { user, safetyIdentifier }: ChatRequest): void {
  const renamed = safetyIdentifier === undefined && user !== undefined && user.length <= 64 && !body.refuses.has('safety_identifier');
  body.put('safety_identifier', renamed ? user : safetyIdentifier, 'safety_identifier');
  if (!renamed) body.put('user', user, 'user');
}

/** What the protocol has no field for. Stop strings are not among it: the answer is cut here. */
function noteImpossible({ ignored }: Body, { sampling, n }: ChatRequest): void {
  if (sampling.seed !== undefined) ignored.push('seed');
  if (sampling.frequencyPenalty) ignored.push('frequency_penalty');
  if (sampling.presencePenalty) ignored.push('presence_penalty');
  if (sampling.logitBias) ignored.push('logit_bias');
  if (n > 1) ignored.push('n');
}

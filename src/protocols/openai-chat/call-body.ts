/** A request's body for one provider: the client's own, with the named differences of that provider and nothing else changed. */
import type { ChatRequest } from '../../core/chat.ts';
import { entry, fields } from '../json.ts';
import { stopAt } from '../reshape/stop-at.ts';
import type { Reshape, WireTarget } from '../wire.ts';
import { picked, withoutNulls, writeMessages } from './call-messages.ts';
import type { Writable } from './call-messages.ts';
import { writeTools } from './call-tools.ts';
import type { OpenAIChatQuirks } from './quirks.ts';

type Fields = Readonly<Record<string, unknown>>;

export interface WrittenBody {
  readonly body: Fields;
  readonly ignored: readonly string[];
  readonly reshape: readonly (() => Reshape)[];
}

/** Fields that are written from what the request means, not copied. */
const WRITTEN: ReadonlySet<string> = new Set([
  'model',
  'messages',
  'n',
  'stream',
  'stream_options',
  'max_tokens',
  'max_completion_tokens',
  'stop',
  'tools',
  'tool_choice',
  'parallel_tool_calls',
  'functions',
  'function_call',
  'response_format',
  'reasoning_effort',
]);

/** Fields that no quirk takes out: without them it is no request. */
const ESSENTIAL: ReadonlySet<string> = new Set([
  'model',
  'messages',
  'stream',
  'stream_options',
  'tools',
  'tool_choice',
  'response_format',
]);

/** Kept with the usage record by us, whether the provider is told or not. */
const OURS_TOO: ReadonlySet<string> = new Set(['user', 'safety_identifier']);

const MOST_STOP_STRINGS = 4;

/** Throws a GatewayError (400) for what the provider has no form for. */
export function writeBody(request: ChatRequest, target: WireTarget<OpenAIChatQuirks>): WrittenBody {
  const { quirks } = target;
  const ignored: string[] = [];
  const tools = writeTools(request, target, ignored);
  const stop = writeStop(request, quirks);
  const messages = writeMessages(request, target, ignored);
  const body: Writable = {
    model: target.upstreamModel,
    messages: tools.instruction === undefined ? messages : instructed(messages, tools.instruction),
    ...picked(request.raw, (key, value) => value !== null && !WRITTEN.has(key)),
    ...writeLimit(request, quirks),
    ...(request.n > 1 ? { n: request.n } : {}),
    ...stop.body,
    ...tools.body,
    ...writeStream(request, quirks),
  };
  writeEffort({ body, request, target, ignored });
  clamp(body, quirks, ignored);
  const sent = select({ body, request, quirks, ignored });
  for (const [key, value] of Object.entries(quirks.defaults ?? {})) sent[key] ??= value;
  return { body: sent, ignored, reshape: [...tools.reshape, ...stop.reshape] };
}

function writeLimit({ maxTokens, raw }: ChatRequest, quirks: OpenAIChatQuirks): Fields {
  if (maxTokens === undefined) return {};
  const spelled = raw['max_completion_tokens'] == null ? 'max_tokens' : 'max_completion_tokens';
  return { [quirks.maxTokens ?? spelled]: maxTokens };
}

/** We stop at the strings for which the provider has no room. */
function writeStop({ stop, raw }: ChatRequest, quirks: OpenAIChatQuirks): { body: Fields; reshape: (() => Reshape)[] } {
  const room = quirks.stopStrings ?? MOST_STOP_STRINGS;
  const sent = stop.slice(0, room);
  const rest = stop.slice(room);
  const body = sent.length === 0 ? {} : { stop: typeof raw['stop'] === 'string' ? sent[0] : sent };
  return { body, reshape: rest.length > 0 ? [() => stopAt(rest)] : [] };
}

/** Usage is always asked for: whether the client hears of it is another matter. */
function writeStream(request: ChatRequest, quirks: OpenAIChatQuirks): Fields {
  if (!request.stream) return {};
  if (quirks.streamOptions === false) return { stream: true };
  const asked = withoutNulls(fields(request.raw['stream_options']));
  const padding = quirks.pads ? { include_obfuscation: false } : {};
  return { stream: true, stream_options: { ...padding, ...asked, include_usage: true } };
}

interface Writing {
  readonly body: Writable;
  readonly request: ChatRequest;
  readonly ignored: string[];
}

function writeEffort({ body, request, target, ignored }: Writing & { readonly target: WireTarget<OpenAIChatQuirks> }): void {
  const { reasoningEffort: effort } = request;
  if (effort === undefined) return;
  if (target.facts.reasoning === false) {
    if (effort !== 'none') ignored.push('reasoning_effort');
    return;
  }
  const { efforts } = target.quirks;
  if (!efforts) {
    body['reasoning_effort'] = effort;
    return;
  }
  const written = efforts[effort];
  if (!written) {
    ignored.push('reasoning_effort');
    return;
  }
  for (const [key, value] of Object.entries(written)) body[key] = merged(value, body[key]);
}

/** What the client wrote itself wins, field by field where both are objects. */
function merged(value: unknown, own: unknown): unknown {
  if (own === undefined) return value;
  const both = typeof value === 'object' && typeof own === 'object' && !Array.isArray(value) && !Array.isArray(own);
  return both ? { ...fields(value), ...fields(own) } : own;
}

function clamp(body: Writable, { ranges, values }: OpenAIChatQuirks, ignored: string[]): void {
  for (const [key, { min = -Infinity, max = Infinity }] of Object.entries(ranges ?? {})) {
    const value = body[key];
    if (typeof value !== 'number') continue;
    const moved = Math.min(Math.max(value, min), max);
    if (moved === value) continue;
    body[key] = moved;
    ignored.push(key);
  }
  for (const [key, taken] of Object.entries(values ?? {})) {
    const value = body[key];
    if (value === undefined || taken.some((one) => one === value)) continue;
    delete body[key];
    if (asks(key, value)) ignored.push(key);
  }
}

/** The body without the fields that the provider does not take, and with others by its own names. */
function select({ body, request, quirks, ignored }: Writing & { readonly quirks: OpenAIChatQuirks }): Writable {
  const { accepts, refuses, renames } = quirks;
  if (!accepts && !refuses && !renames) return body;
  const written = new Set(Object.values(quirks.efforts ?? {}).flatMap(Object.keys));
  const taken = (key: string): boolean =>
    ESSENTIAL.has(key) || (!refuses?.includes(key) && (!accepts || accepts.includes(key) || written.has(key)));
  for (const [key, value] of Object.entries(body)) {
    // what a request in the older form implies was not asked for
    const implied = key === 'parallel_tool_calls' && request.raw[key] == null;
    if (!taken(key) && !implied && asks(key, value)) ignored.push(key in request.raw ? key : spelledLimit(request));
  }
  return Object.fromEntries(
    Object.entries(body)
      .filter(([key]) => taken(key))
      .map(([key, value]) => [renames?.[key] ?? key, value]),
  );
}

function spelledLimit({ raw }: ChatRequest): string {
  return raw['max_completion_tokens'] == null ? 'max_tokens' : 'max_completion_tokens';
}

/** Values that change nothing: nobody misses them. */
const IDLE: Readonly<Record<string, readonly unknown[]>> = {
  temperature: [1],
  top_p: [1],
  frequency_penalty: [0],
  presence_penalty: [0],
  logprobs: [false],
  top_logprobs: [0],
  store: [false],
  service_tier: ['auto', 'default'],
  parallel_tool_calls: [true],
  verbosity: ['medium'],
};

function asks(key: string, value: unknown): boolean {
  if (OURS_TOO.has(key) || entry(IDLE, key)?.includes(value)) return false;
  if (key === 'modalities') return Array.isArray(value) && value.some((one) => one !== 'text');
  // no options are a wish all the same
  if (key === 'web_search_options') return true;
  return typeof value !== 'object' || value === null || Object.keys(value).length > 0;
}

/** The messages with one more instruction, in the first of them where that is one. */
function instructed(messages: readonly Writable[], instruction: string): readonly Writable[] {
  const [first, ...rest] = messages;
  const leads = first?.['role'] === 'system' || first?.['role'] === 'developer';
  if (!first || !leads) return [{ role: 'system', content: instruction }, ...messages];
  const { content } = first;
  if (typeof content === 'string') return [{ ...first, content: `${content}\n\n${instruction}` }, ...rest];
  const parts: unknown[] = Array.isArray(content) ? content : [];
  return [{ ...first, content: [...parts, { type: 'text', text: instruction }] }, ...rest];
}

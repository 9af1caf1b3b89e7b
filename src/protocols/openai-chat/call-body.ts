/** A request's body for one provider: the client's own, with the named differences of that provider and nothing else changed. */
import type { ChatRequest } from '../../core/chat.ts';
import { entry, fields } from '../json.ts';
import { stopAt } from '../reshape/stop-at.ts';
import type { Reshape, WireTarget } from '../wire.ts';
import { setField, withoutNulls, writeMessages } from './call-messages.ts';
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
  const messages = writeMessages(request, target, ignored);
  const body: Writable = {
    model: target.upstreamModel,
    messages: tools.instruction === undefined ? messages : instructed(messages, tools.instruction),
  };
  const { raw } = request;
  for (const key in raw) if (raw[key] !== null && !WRITTEN.has(key)) setField(body, key, raw[key]);
  if (request.maxTokens !== undefined) body[quirks.maxTokens ?? spelledLimit(request)] = request.maxTokens;
  if (request.n > 1) body['n'] = request.n;
  const stop = writeStop(body, request, quirks);
  Object.assign(body, tools.body);
  if (request.stream) writeStream(body, request, quirks);
  writeEffort({ body, request, target, ignored });
  if (quirks.ranges) clamp(body, quirks.ranges, ignored);
  if (quirks.values) leaveOut(body, quirks.values, ignored);
  const sent = select({ body, request, quirks, ignored });
  if (quirks.defaults) for (const [key, value] of Object.entries(quirks.defaults)) sent[key] ??= value;
  return { body: sent, ignored, reshape: stop ? [...tools.reshape, stop] : tools.reshape };
}

/** The step that stops at the strings for which the provider has no room, where there are any. */
function writeStop(body: Writable, { stop, raw }: ChatRequest, quirks: OpenAIChatQuirks): (() => Reshape) | undefined {
  if (stop.length === 0) return undefined;
  const room = quirks.stopStrings ?? MOST_STOP_STRINGS;
  const sent = stop.slice(0, room);
  const rest = stop.slice(room);
  if (sent.length > 0) body['stop'] = typeof raw['stop'] === 'string' ? sent[0] : sent;
  return rest.length > 0 ? () => stopAt(rest) : undefined;
}

/** Usage is always asked for: whether the client hears of it is another matter. */
function writeStream(body: Writable, request: ChatRequest, quirks: OpenAIChatQuirks): void {
  body['stream'] = true;
  if (quirks.streamOptions === false) return;
  const asked = withoutNulls(fields(request.raw['stream_options']));
  const padding = quirks.pads ? { include_obfuscation: false } : {};
  body['stream_options'] = { ...padding, ...asked, include_usage: true };
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

function clamp(body: Writable, ranges: NonNullable<OpenAIChatQuirks['ranges']>, ignored: string[]): void {
  for (const [key, { min = -Infinity, max = Infinity }] of Object.entries(ranges)) {
    const value = body[key];
    if (typeof value !== 'number') continue;
    const moved = Math.min(Math.max(value, min), max);
    if (moved === value) continue;
    body[key] = moved;
    ignored.push(key);
  }
}

function leaveOut(body: Writable, values: NonNullable<OpenAIChatQuirks['values']>, ignored: string[]): void {
  for (const [key, taken] of Object.entries(values)) {
    const value = body[key];
    if (value === undefined || taken.some((one) => one === value)) continue;
    delete body[key];
    if (asks(key, value)) ignored.push(key);
  }
}

/** The body without the fields that the provider does not take, and with others by its own names. */
function select({ body, request, quirks, ignored }: Writing & { readonly quirks: OpenAIChatQuirks }): Writable {
  if (!quirks.accepts && !quirks.refuses && !quirks.renames) return body;
  const sent: Writable = {};
  for (const key in body) {
    const value = body[key];
    if (takes(key, quirks)) {
      setField(sent, entry(quirks.renames ?? {}, key) ?? key, value);
      continue;
    }
    // what a request in the older form implies was not asked for
    const implied = key === 'parallel_tool_calls' && request.raw[key] == null;
    if (!implied && asks(key, value)) ignored.push(key in request.raw ? key : spelledLimit(request));
  }
  return sent;
}

function takes(key: string, { accepts, refuses, efforts }: OpenAIChatQuirks): boolean {
  if (ESSENTIAL.has(key)) return true;
  if (refuses?.includes(key)) return false;
  return (
    !accepts || accepts.includes(key) || (efforts !== undefined && Object.values(efforts).some((written) => Object.hasOwn(written, key)))
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
function instructed(messages: readonly Fields[], instruction: string): readonly Fields[] {
  const [first, ...rest] = messages;
  const leads = first?.['role'] === 'system' || first?.['role'] === 'developer';
  if (!first || !leads) return [{ role: 'system', content: instruction }, ...messages];
  const { content } = first;
  if (typeof content === 'string') return [{ ...first, content: `${content}\n\n${instruction}` }, ...rest];
  const parts: unknown[] = Array.isArray(content) ? content : [];
  return [{ ...first, content: [...parts, { type: 'text', text: instruction }] }, ...rest];
}

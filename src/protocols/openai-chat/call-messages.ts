/** The client's messages as a provider takes them. They are looked at one by one and copied where something has to change. */
import type { Block, ChatRequest, Message } from '../../core/chat.ts';
import { GatewayError } from '../../core/error.ts';
import { fields, list, text } from '../json.ts';
import { customInput } from '../reshape/custom-tools.ts';
import type { WireTarget } from '../wire.ts';
import { createIdMapper } from './call-ids.ts';
import { alternating } from './call-turns.ts';
import type { OpenAIChatQuirks } from './quirks.ts';

type Fields = Readonly<Record<string, unknown>>;
export type Writable = Record<string, unknown>;

/** Fields that only answers have, beside those that every message has. */
const OF_ANSWERS = ['refusal', 'annotations', 'audio'] as const;

/** Extensions of ours on an assistant's turn. */
const OURS: ReadonlySet<string> = new Set(['provider_state', 'reasoning_content']);

interface Writing {
  readonly quirks: OpenAIChatQuirks;
  readonly provider: string;
  readonly ignored: string[];
  readonly idOf: (id: string) => string;
}

/** `ignored` receives the paths of what is left out. Throws `unsupported_value` for a part that the provider does not take. */
export function writeMessages(request: ChatRequest, target: WireTarget<OpenAIChatQuirks>, ignored: string[]): Writable[] {
  const { quirks, provider } = target;
  const idOf = quirks.toolCallIdLength === undefined ? (id: string): string => id : createIdMapper(quirks.toolCallIdLength);
  const writing: Writing = { quirks, provider, ignored, idOf };
  const raws = list(request.raw['messages']).map(fields);
  const written = raws.flatMap((raw, index) => {
    const message = request.messages[index];
    if (quirks.functions === false && raw['role'] === 'function') return functionResult(raw, raws[index - 1], { message, idOf });
    const made = writeMessage(raw, message, { ...writing, index });
    const calls = raw['role'] === 'assistant' && raw['function_call'] != null;
    return quirks.functions === false && calls ? [made, ...lostResult(raw, raws[index + 1], made)] : [made];
  });
  const last = written.at(-1);
  if (quirks.prefill !== undefined && last?.['role'] === 'assistant' && last['tool_calls'] === undefined) last[quirks.prefill] ??= true;
  return quirks.alternates ? alternating(written) : written;
}

function writeMessage(raw: Fields, message: Message | undefined, at: Writing & { readonly index: number }): Writable {
  const { quirks, ignored, index, idOf } = at;
  const path = `messages[${index}]`;
  const made = picked(raw, (key, value) => (value !== null || key === 'content') && !(raw['role'] === 'assistant' && OURS.has(key)));
  if (made['role'] === 'developer' && quirks.developerRole === false) made['role'] = 'system';
  if (quirks.names === false && made['name'] !== undefined && made['role'] !== 'function') {
    delete made['name'];
    ignored.push(`${path}.name`);
  }
  made['content'] = writeContent(made['content'], made['role'], { ...at, path });
  if (made['content'] === undefined) delete made['content'];
  if (made['role'] === 'tool') made['tool_call_id'] = idOf(text(made['tool_call_id']) ?? '');
  if (made['role'] === 'assistant') writeAssistant(made, message, { ...at, path });
  return made;
}

const answers = (result: Fields | undefined, call: Fields | undefined): boolean =>
  result?.['role'] === 'function' && call?.['role'] === 'assistant' && result['name'] === fields(call['function_call'])['name'];

/** A result in the older form, whose call's id is the one that its call was given. Results of tools follow their calls: another is told. */
function functionResult(
  raw: Fields,
  before: Fields | undefined,
  { message, idOf }: { readonly message: Message | undefined; readonly idOf: (id: string) => string },
): Writable[] {
  const content = text(raw['content']) ?? '';
  if (!answers(raw, before)) return [{ role: 'user', content: `Result of ${String(raw['name'])}: ${content}` }];
  return [{ role: 'tool', tool_call_id: idOf(message?.toolCallId ?? ''), content }];
}

/** Calls of the older form may stand without a result, calls of tools may not: an empty one. */
function lostResult(call: Fields, next: Fields | undefined, made: Writable): Writable[] {
  if (answers(next, call)) return [];
  return [{ role: 'tool', tool_call_id: fields(list(made['tool_calls']).at(-1))['id'], content: '' }];
}

function writeAssistant(made: Writable, message: Message | undefined, at: Writing & { readonly path: string }): void {
  const { quirks, path, ignored } = at;
  const blocks = message?.blocks ?? [];
  if (quirks.echoes === false) {
    if (made['content'] == null && typeof made['refusal'] === 'string') made['content'] = made['refusal'];
    if (made['audio'] !== undefined) ignored.push(`${path}.audio`);
    for (const field of OF_ANSWERS) delete made[field];
  }
  const calls = list(made['tool_calls']);
  if (calls.length === 0) delete made['tool_calls'];
  else made['tool_calls'] = calls.map((call) => writeCall(fields(call), blocks, at));
  if (made['function_call'] !== undefined && quirks.functions === false) {
    // of the turn's calls it comes last, as it was parsed
    const call = blocks.findLast((block) => block.type === 'tool_call');
    const written = writeCall({ id: call?.id ?? '', type: 'function', function: made['function_call'] }, blocks, at);
    made['tool_calls'] = [...list(made['tool_calls']), written];
    delete made['function_call'];
  }
  if (made['content'] == null && quirks.nullContent === false) made['content'] = '';
  writeReasoning(made, blocks, at);
}

function writeCall(call: Fields, blocks: readonly Block[], { quirks, provider, idOf }: Writing): Writable {
  const id = text(call['id']) ?? '';
  const block = blocks.find((one) => one.type === 'tool_call' && one.id === id);
  const state = block?.type === 'tool_call' && block.state?.owner === provider ? fields(block.state.data)['extra_content'] : undefined;
  const made: Writable = { ...call, id: idOf(id), ...(state === undefined ? {} : { extra_content: state }) };
  if (call['type'] === 'custom' && quirks.customTools === false) {
    const { name, input } = fields(call['custom']);
    delete made['custom'];
    return { ...made, type: 'function', function: { name, arguments: customInput(text(input) ?? '') } };
  }
  const called = fields(call['function']);
  if (called['arguments'] === '') made['function'] = { ...called, arguments: '{}' };
  return made;
}

/** What it thought: in the form that the provider wants back, or not at all. */
function writeReasoning(made: Writable, blocks: readonly Block[], { quirks, provider }: Writing): void {
  const calls = Array.isArray(made['tool_calls']);
  if (quirks.reasoningDetails) {
    const details = blocks.flatMap((block) => list(ownState(block, provider)['reasoning_details']));
    if (details.length > 0) made['reasoning_details'] = details;
  }
  if (quirks.providerState) {
    const state = blocks.map((block) => ownState(block, provider)['provider_state']).find((found) => found !== undefined);
    if (state !== undefined) made['provider_state'] = state;
  }
  const back = quirks.reasoningBack;
  if (!back || (back.onlyWithCalls && !calls)) return;
  const thought = blocks.map((block) => (block.type === 'reasoning' ? block.text : '')).join('');
  if (thought === '' && !(back.fillEmpty && calls)) return;
  if (back.as !== 'thinking_parts') {
    made[back.as] = thought;
    return;
  }
  const { content } = made;
  const said = typeof content === 'string' ? (content === '' ? [] : [{ type: 'text', text: content }]) : list(content);
  made['content'] = [{ type: 'thinking', thinking: [{ type: 'text', text: thought }] }, ...said];
}

function ownState(block: Block, provider: string): Fields {
  const state = 'state' in block ? block.state : undefined;
  return state?.owner === provider ? fields(state.data) : {};
}

function writeContent(content: unknown, role: unknown, at: Writing & { readonly path: string }): unknown {
  if (!Array.isArray(content)) return content;
  const { quirks, path } = at;
  const parts = list(content).map((part, index) => writePart(fields(part), `${path}.content[${index}]`, quirks));
  const joins = quirks.joinsText?.some((joined) => joined === role) === true;
  return joins && parts.every((part) => part['type'] === 'text') ? parts.map((part) => text(part['text']) ?? '').join('') : parts;
}

function writePart(part: Fields, path: string, quirks: OpenAIChatQuirks): Fields {
  const { type } = part;
  if (type === 'refusal') return quirks.echoes === false ? { type: 'text', text: part['refusal'] } : part;
  if (type !== 'text' && quirks.parts && !quirks.parts.some((kind) => kind === type)) {
    const taken = ['text', ...quirks.parts].map((kind) => `'${kind}'`).join(', ');
    const message = `Unsupported value: '${path}' is a part of type '${String(type)}', which this provider does not take. Expected one of: ${taken}.`;
    throw new GatewayError('unsupported_value', message, { param: path });
  }
  const made = withoutNulls(part);
  const inner = text(type) ?? '';
  if (typeof made[inner] === 'object') made[inner] = withoutNulls(fields(made[inner]));
  return marked(made, quirks);
}

/** The part with its cache mark in the provider's form. */
export function marked(part: Writable, { cacheMarks }: OpenAIChatQuirks): Writable {
  const { cache_control: control, prompt_cache_breakpoint: breakpoint } = part;
  if (control === undefined && breakpoint === undefined) return part;
  if (cacheMarks !== 'cache_control') delete part['cache_control'];
  if (cacheMarks === 'cache_control' || cacheMarks === 'none') delete part['prompt_cache_breakpoint'];
  if (cacheMarks === 'cache_control') part['cache_control'] = control ?? { type: 'ephemeral' };
  if (cacheMarks === 'prompt_cache_breakpoint') part['prompt_cache_breakpoint'] = breakpoint ?? { mode: 'explicit' };
  return part;
}

/** A copy without fields that are null: for an optional field that says "not given", but not every provider reads it so. */
export function withoutNulls(value: Fields): Writable {
  return picked(value, (_, item) => item !== null);
}

/** A copy of some of the fields. Any name is a field like others, `__proto__` too. */
export function picked(value: Fields, wanted: (key: string, item: unknown) => boolean): Writable {
  return Object.fromEntries(Object.entries(value).filter(([key, item]) => wanted(key, item)));
}

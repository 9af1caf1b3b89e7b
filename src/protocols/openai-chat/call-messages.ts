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

const sameId = (id: string): string => id;

/**
 * The client's own messages, where nothing has to change the very same ones: they are only to be read. `ignored` receives the
 * paths of what is left out. Throws `unsupported_value` for a part that the provider does not take.
 */
export function writeMessages(request: ChatRequest, target: WireTarget<OpenAIChatQuirks>, ignored: string[]): readonly Fields[] {
  const { quirks, provider } = target;
  const raws = messagesOf(request);
  const changed = raws.findIndex((raw, index) => !stays(raw, request.messages[index], quirks));
  let written = raws;
  if (changed >= 0) {
    const idOf = quirks.toolCallIdLength === undefined ? sameId : createIdMapper(quirks.toolCallIdLength);
    written = rewritten(request, changed, { quirks, provider, ignored, idOf });
  }
  if (quirks.prefill !== undefined) written = prefilled(written, quirks.prefill);
  return quirks.alternates ? alternating(written) : written;
}

/** As the client wrote them: objects all of them, or the request would not have been accepted. */
const messagesOf = ({ raw }: ChatRequest): readonly Fields[] => list(raw['messages']) as readonly Fields[];

/** The messages from the first on that has to change; those before it are as they were. */
function rewritten(request: ChatRequest, from: number, writing: Writing): readonly Fields[] {
  const { quirks, idOf } = writing;
  const raws = messagesOf(request);
  const made: Fields[] = raws.slice(0, from);
  for (let index = from; index < raws.length; index++) {
    const raw = raws[index] ?? {};
    const message = request.messages[index];
    if (stays(raw, message, quirks)) {
      made.push(raw);
      continue;
    }
    if (quirks.functions === false && raw['role'] === 'function') {
      made.push(functionResult(raw, raws[index - 1], { message, idOf }));
      continue;
    }
    const one = writeMessage(raw, message, { ...writing, index });
    made.push(one);
    if (quirks.functions !== false || raw['role'] !== 'assistant' || raw['function_call'] == null) continue;
    if (!answers(raws[index + 1], raw)) made.push(lostResult(one));
  }
  return made;
}

/** The last turn, where it is the assistant's, marked as the beginning of the answer. */
function prefilled(messages: readonly Fields[], mark: string): readonly Fields[] {
  const last = messages.at(-1);
  if (last?.['role'] !== 'assistant' || last['tool_calls'] !== undefined || last[mark] != null) return messages;
  return [...messages.slice(0, -1), { ...last, [mark]: true }];
}

/** Whether a message goes out just as the client wrote it. */
function stays(raw: Fields, message: Message | undefined, quirks: OpenAIChatQuirks): boolean {
  const { role, content } = raw;
  if (role === 'developer' && quirks.developerRole === false) return false;
  if (role === 'tool' && quirks.toolCallIdLength !== undefined) return false;
  if (role === 'function' && quirks.functions === false) return false;
  for (const key in raw) {
    if (raw[key] === null && key !== 'content') return false;
    if (key === 'name' && quirks.names === false && role !== 'function') return false;
  }
  if (role === 'assistant' && !turnStays(raw, message?.blocks ?? [], quirks)) return false;
  if (!Array.isArray(content)) return true;
  return !joinsText(role, quirks) && list(content).every((part) => partStays(fields(part), quirks));
}

/** The same of what only an assistant's turn has. */
function turnStays(raw: Fields, blocks: readonly Block[], quirks: OpenAIChatQuirks): boolean {
  for (const field of OURS) if (raw[field] !== undefined) return false;
  if (quirks.echoes === false) for (const field of OF_ANSWERS) if (raw[field] !== undefined) return false;
  if (raw['content'] == null && quirks.nullContent === false) return false;
  if (raw['function_call'] !== undefined && quirks.functions === false) return false;
  if (blocks.some((block) => block.type === 'reasoning' || ('state' in block && block.state))) return false;
  const { tool_calls: calls } = raw;
  if (calls === undefined) return true;
  if (quirks.reasoningBack?.fillEmpty) return false;
  return list(calls).length > 0 && list(calls).every((call) => callStays(fields(call), quirks));
}

function callStays(call: Fields, quirks: OpenAIChatQuirks): boolean {
  if (quirks.toolCallIdLength !== undefined || typeof call['id'] !== 'string') return false;
  if (call['type'] === 'custom') return quirks.customTools !== false;
  return fields(call['function'])['arguments'] !== '';
}

function writeMessage(raw: Fields, message: Message | undefined, at: Writing & { readonly index: number }): Writable {
  const { quirks, ignored, index, idOf } = at;
  const path = `messages[${index}]`;
  const ofAssistant = raw['role'] === 'assistant';
  const made: Writable = {};
  for (const key in raw) {
    if ((raw[key] !== null || key === 'content') && !(ofAssistant && OURS.has(key))) setField(made, key, raw[key]);
  }
  if (made['role'] === 'developer' && quirks.developerRole === false) made['role'] = 'system';
  if (quirks.names === false && made['name'] !== undefined && made['role'] !== 'function') {
    delete made['name'];
    ignored.push(`${path}.name`);
  }
  if (Array.isArray(made['content'])) made['content'] = writeContent(made['content'], made['role'], { ...at, path });
  if (made['role'] === 'tool') made['tool_call_id'] = idOf(text(made['tool_call_id']) ?? '');
  if (ofAssistant) writeAssistant(made, message, { ...at, path });
  return made;
}

const answers = (result: Fields | undefined, call: Fields | undefined): boolean =>
  result?.['role'] === 'function' && call?.['role'] === 'assistant' && result['name'] === fields(call['function_call'])['name'];

/** A result in the older form, whose call's id is the one that its call was given. Results of tools follow their calls: another is told. */
function functionResult(
  raw: Fields,
  before: Fields | undefined,
  { message, idOf }: { readonly message: Message | undefined; readonly idOf: (id: string) => string },
): Writable {
  const content = text(raw['content']) ?? '';
  if (!answers(raw, before)) return { role: 'user', content: `Result of ${String(raw['name'])}: ${content}` };
  return { role: 'tool', tool_call_id: idOf(message?.toolCallId ?? ''), content };
}

/** Calls of the older form may stand without a result, calls of tools may not: an empty one. */
function lostResult(made: Writable): Writable {
  return { role: 'tool', tool_call_id: fields(list(made['tool_calls']).at(-1))['id'], content: '' };
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

function joinsText(role: unknown, { joinsText: roles }: OpenAIChatQuirks): boolean {
  return roles?.some((joined) => joined === role) === true;
}

function writeContent(content: readonly unknown[], role: unknown, { quirks, path }: Writing & { readonly path: string }): unknown {
  const parts = content.map((part, index) => writePart(fields(part), `${path}.content[${index}]`, quirks));
  if (!joinsText(role, quirks) || !parts.every((part) => part['type'] === 'text')) return parts;
  return parts.map((part) => text(part['text']) ?? '').join('');
}

/** Whether a part goes out just as the client wrote it. */
function partStays(part: Fields, quirks: OpenAIChatQuirks): boolean {
  const { type } = part;
  if (type === 'refusal') return quirks.echoes !== false;
  if (type !== 'text' && quirks.parts && !quirks.parts.some((kind) => kind === type)) return false;
  return !isMarked(part) && !hasNull(part) && !hasNull(fields(part[text(type) ?? '']));
}

function writePart(part: Fields, path: string, quirks: OpenAIChatQuirks): Fields {
  if (partStays(part, quirks)) return part;
  const { type } = part;
  if (type === 'refusal') return { type: 'text', text: part['refusal'] };
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

export const isMarked = (part: Fields): boolean => part['cache_control'] !== undefined || part['prompt_cache_breakpoint'] !== undefined;

/** The part with its cache mark in the provider's form. */
export function marked(part: Writable, { cacheMarks }: OpenAIChatQuirks): Writable {
  if (!isMarked(part)) return part;
  const { cache_control: control, prompt_cache_breakpoint: breakpoint } = part;
  if (cacheMarks !== 'cache_control') delete part['cache_control'];
  if (cacheMarks === 'cache_control' || cacheMarks === 'none') delete part['prompt_cache_breakpoint'];
  if (cacheMarks === 'cache_control') part['cache_control'] = control ?? { type: 'ephemeral' };
  if (cacheMarks === 'prompt_cache_breakpoint') part['prompt_cache_breakpoint'] = breakpoint ?? { mode: 'explicit' };
  return part;
}

/** A copy without fields that are null: for an optional field that says "not given", but not every provider reads it so. */
export function withoutNulls(value: Fields): Writable {
  const made: Writable = {};
  for (const key in value) if (value[key] !== null) setField(made, key, value[key]);
  return made;
}

export function hasNull(value: Fields): boolean {
  for (const key in value) if (value[key] === null) return true;
  return false;
}

/** Any name is a field like others, `__proto__` too. */
export function setField(made: Writable, key: string, value: unknown): void {
  if (key !== '__proto__') made[key] = value;
  else Object.defineProperty(made, key, { value, enumerable: true, writable: true, configurable: true });
}

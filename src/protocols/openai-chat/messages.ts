/** A request's messages as neutral turns. Tool results are joined to their calls here, once, for everybody after. */
import type { Block, CacheMark, Json, Message } from '../../core/chat.ts';
import { assertNever } from '../../core/event.ts';
import { GatewayError } from '../../core/error.ts';
import { shown } from './explain.ts';
import { restoreState } from './provider-state.ts';
import type { StateEntry, StateField } from './provider-state.ts';
import type { InputMessage } from './schema.ts';

type AssistantInput = Extract<InputMessage, { readonly role: 'assistant' }>;
type ToolInput = Extract<InputMessage, { readonly role: 'tool' }>;
type FunctionInput = Extract<InputMessage, { readonly role: 'function' }>;
type ContentInput = InputMessage['content'];
type PartInput = Exclude<ContentInput, string | null | undefined>[number];

interface OpenCall {
  readonly id: string;
  readonly name: string;
  answered: boolean;
}

/** The calls of the latest assistant turn, while tool messages follow it. */
interface OpenTurn {
  readonly at: number;
  readonly calls: readonly OpenCall[];
  /** The same by id. Some models give one id to several calls: they are answered in order. */
  readonly byId: ReadonlyMap<string, OpenCall[]>;
}

/**
 * `extras` receives the paths of what was given and has no place in a neutral message.
 * Throws `invalid_value` for a tool message without its call and for a call without its tool message.
 */
export function foldMessages(input: readonly InputMessage[], extras: string[]): Message[] {
  const messages: Message[] = [];
  const legacyCalls = new Map<string, string>();
  let turn: OpenTurn | undefined;
  for (const [index, item] of input.entries()) {
    const at = `messages[${index}]`;
    if (item.role === 'tool') {
      messages.push(toolMessage(item, callFor(item, turn, at), contentBlocks(item.content, at)));
      continue;
    }
    checkAnswered(turn);
    turn = undefined;
    if (item.role === 'function') {
      messages.push(functionMessage(item, legacyCalls, at));
      continue;
    }
    const blocks = contentBlocks(item.content, at);
    const named = typeof item.name === 'string' ? { name: item.name } : {};
    if (item.role !== 'assistant') {
      messages.push({ role: item.role, ...named, blocks });
      continue;
    }
    messages.push({ role: 'assistant', ...named, blocks: assistantBlocks(item, blocks, at) });
    noteExtras(item, at, extras);
    if (item.tool_calls && item.tool_calls.length > 0) turn = openTurn(index, item.tool_calls);
    if (item.function_call) legacyCalls.set(item.function_call.name, legacyId(at));
  }
  checkAnswered(turn);
  return messages;
}

/** Calls of the deprecated form have no id; the place of the assistant's message makes one. */
const legacyId = (at: string): string => `function_call_${at.replace(/\D/g, '')}`;

function openTurn(at: number, input: NonNullable<AssistantInput['tool_calls']>): OpenTurn {
  const calls = input.map((call) => {
    return { id: call.id, name: call.type === 'function' ? call.function.name : call.custom.name, answered: false };
  });
  return { at, calls, byId: Map.groupBy(calls, ({ id }) => id) };
}

function checkAnswered(turn: OpenTurn | undefined): void {
  const open = turn?.calls.filter((call) => !call.answered) ?? [];
  if (!turn || open.length === 0) return;
  const ids = open.slice(0, 3).map((call) => shown(call.id));
  const more = open.length > ids.length ? ` and ${open.length - ids.length} more` : '';
  const param = `messages[${turn.at}]`;
  throw new GatewayError(
    'invalid_value',
    `Invalid '${param}': each of its 'tool_calls' must be answered by a tool message right after it. Not answered: ${ids.join(', ')}${more}.`,
    { param },
  );
}

/** The call that a tool message answers. */
function callFor(item: ToolInput, turn: OpenTurn | undefined, at: string): OpenCall {
  if (!turn) {
    const param = `${at}.role`;
    throw new GatewayError('invalid_value', `Invalid '${param}': a tool message must follow an assistant message with 'tool_calls'.`, {
      param,
    });
  }
  const matching = turn.byId.get(item.tool_call_id) ?? [];
  const call = matching.length > 1 ? matching.shift() : matching[0];
  if (call) return call;
  const param = `${at}.tool_call_id`;
  const message = `Invalid '${param}': messages[${turn.at}] has no call with the id ${shown(item.tool_call_id)}.`;
  throw new GatewayError('invalid_value', message, { param });
}

function toolMessage(item: ToolInput, call: OpenCall, blocks: readonly Block[]): Message {
  call.answered = true;
  const named = typeof item.name === 'string' ? { name: item.name } : {};
  return { role: 'tool', ...named, blocks, toolCallId: call.id, toolName: call.name };
}

function functionMessage(item: FunctionInput, calls: ReadonlyMap<string, string>, at: string): Message {
  const id = calls.get(item.name);
  if (id === undefined) {
    const param = `${at}.name`;
    const message = `Invalid '${param}': no assistant message before it has a 'function_call' of ${shown(item.name)}.`;
    throw new GatewayError('invalid_value', message, { param });
  }
  return { role: 'tool', blocks: [{ type: 'text', text: item.content ?? '' }], toolCallId: id, toolName: item.name };
}

function contentBlocks(content: ContentInput, at: string): Block[] {
  if (content === null || content === undefined) return [];
  if (typeof content === 'string') return [{ type: 'text', text: content }];
  return content.map((part, index) => partBlock(part, `${at}.content[${index}]`));
}

/** Either spelling of a cache mark. */
function cacheOf(part: Exclude<PartInput, { readonly type: 'refusal' }>): { cache?: CacheMark } {
  const { cache_control: control, prompt_cache_breakpoint: breakpoint } = part;
  if (control) return { cache: control.ttl ? { ttl: control.ttl } : {} };
  return breakpoint ? { cache: {} } : {};
}

function partBlock(part: PartInput, at: string): Block {
  switch (part.type) {
    case 'text':
      return { type: 'text', text: part.text, ...cacheOf(part) };
    case 'refusal':
      return { type: 'refusal', text: part.refusal };
    case 'image_url': {
      const { url, detail } = part.image_url;
      return { type: 'image', url, ...(detail ? { detail } : {}), at, ...cacheOf(part) };
    }
    case 'input_audio':
      return { type: 'audio', data: part.input_audio.data, format: part.input_audio.format, at, ...cacheOf(part) };
    case 'file': {
      const { filename, file_data: data, file_id: fileId } = part.file;
      if (!data && !fileId) {
        const param = `${at}.file`;
        const message = `Missing required parameter: '${param}.file_data' or '${param}.file_id'. A file needs one of the two.`;
        throw new GatewayError('missing_required_parameter', message, { param });
      }
      const named = { ...(filename ? { filename } : {}), ...(data ? { data } : {}), ...(fileId ? { fileId } : {}) };
      return { type: 'file', ...named, at, ...cacheOf(part) };
    }
    default:
      return assertNever(part);
  }
}

/** What it thought, what it said, what it declined, then what it called. */
function assistantBlocks(item: AssistantInput, content: readonly Block[], at: string): Block[] {
  const blocks: Block[] = [];
  if (item.reasoning_content) blocks.push({ type: 'reasoning', text: item.reasoning_content });
  blocks.push(...content.filter((block) => block.type !== 'text' || block.text !== ''));
  if (item.refusal) blocks.push({ type: 'refusal', text: item.refusal });
  for (const call of item.tool_calls ?? []) {
    if (call.type === 'function') {
      const { name, arguments: input } = call.function;
      blocks.push({ type: 'tool_call', id: call.id, kind: 'function', name, input });
    } else {
      blocks.push({ type: 'tool_call', id: call.id, kind: 'custom', name: call.custom.name, input: call.custom.input });
    }
  }
  if (item.function_call) {
    const { name, arguments: input } = item.function_call;
    blocks.push({ type: 'tool_call', id: legacyId(at), kind: 'function', name, input });
  }
  return item.provider_state ? restoreState(blocks, stateField(item.provider_state)) : blocks;
}

/** The field as it came: JSON all through, because the whole body is. */
function stateField({ owner, blocks }: NonNullable<AssistantInput['provider_state']>): StateField {
  const entries = blocks.map(({ type, length, id, data }): StateEntry => {
    return {
      type,
      ...(length == null ? {} : { length }),
      ...(id == null ? {} : { id }),
      ...(data === undefined ? {} : { data: data as Json }),
    };
  });
  return { owner, blocks: entries };
}

function noteExtras(item: AssistantInput, at: string, extras: string[]): void {
  if (item.audio) extras.push(`${at}.audio`);
}

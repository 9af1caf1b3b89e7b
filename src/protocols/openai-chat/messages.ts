/** A request's messages as neutral turns. Tool results are joined to their calls here, once, for everybody after. */
import type { AudioBlock, Block, CacheMark, FileBlock, ImageBlock, Json, Message, TextBlock } from '../../core/chat.ts';
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
  /** The same by id, once there is more than one to choose from. Some models give one id to several calls: they are answered in order. */
  byId: ReadonlyMap<string, OpenCall[]> | undefined;
}

/**
 * `extras` receives the paths of what was given and has no place in a neutral message.
 * Throws `invalid_value` for a tool message without its call and for a call without its tool message.
 */
export function foldMessages(input: readonly InputMessage[], extras: string[]): Message[] {
  const messages: Message[] = [];
  let legacyCalls: Map<string, string> | undefined;
  let turn: OpenTurn | undefined;
  let index = -1;
  for (const item of input) {
    index++;
    if (item.role === 'tool') {
      messages.push(toolMessage(item, callFor(item, turn, index), contentBlocks(item.content, index)));
      continue;
    }
    if (turn) checkAnswered(turn);
    turn = undefined;
    if (item.role === 'function') {
      messages.push(functionMessage(item, legacyCalls, index));
      continue;
    }
    const blocks = item.role === 'assistant' ? assistantBlocks(item, index) : contentBlocks(item.content, index);
    messages.push(typeof item.name === 'string' ? { role: item.role, name: item.name, blocks } : { role: item.role, blocks });
    if (item.role !== 'assistant') continue;
    if (item.audio) extras.push(`${placeOf(index)}.audio`);
    if (item.tool_calls && item.tool_calls.length > 0) turn = openTurn(index, item.tool_calls);
    if (item.function_call) (legacyCalls ??= new Map()).set(item.function_call.name, legacyId(index));
  }
  if (turn) checkAnswered(turn);
  return messages;
}

const placeOf = (index: number): string => `messages[${index}]`;

/** Calls of the deprecated form have no id; the place of the assistant's message makes one. */
const legacyId = (index: number): string => `function_call_${index}`;

function openTurn(at: number, input: NonNullable<AssistantInput['tool_calls']>): OpenTurn {
  const calls = input.map((call) => {
    return { id: call.id, name: call.type === 'function' ? call.function.name : call.custom.name, answered: false };
  });
  return { at, calls, byId: undefined };
}

function checkAnswered(turn: OpenTurn): void {
  if (turn.calls.every((call) => call.answered)) return;
  const open = turn.calls.filter((call) => !call.answered);
  const ids = open.slice(0, 3).map((call) => shown(call.id));
  const more = open.length > ids.length ? ` and ${open.length - ids.length} more` : '';
  const param = placeOf(turn.at);
  throw new GatewayError(
    'invalid_value',
    `Invalid '${param}': each of its 'tool_calls' must be answered by a tool message right after it. Not answered: ${ids.join(', ')}${more}.`,
    { param },
  );
}

/** The call that a tool message answers. */
function callFor(item: ToolInput, turn: OpenTurn | undefined, index: number): OpenCall {
  if (!turn) {
    const param = `${placeOf(index)}.role`;
    throw new GatewayError('invalid_value', `Invalid '${param}': a tool message must follow an assistant message with 'tool_calls'.`, {
      param,
    });
  }
  const call = callOf(turn, item.tool_call_id);
  if (call) return call;
  const param = `${placeOf(index)}.tool_call_id`;
  const message = `Invalid '${param}': ${placeOf(turn.at)} has no call with the id ${shown(item.tool_call_id)}.`;
  throw new GatewayError('invalid_value', message, { param });
}

function callOf(turn: OpenTurn, id: string): OpenCall | undefined {
  const [first] = turn.calls;
  if (turn.calls.length === 1) return first?.id === id ? first : undefined;
  turn.byId ??= Map.groupBy(turn.calls, (call) => call.id);
  const matching = turn.byId.get(id);
  return matching && matching.length > 1 ? matching.shift() : matching?.[0];
}

function toolMessage(item: ToolInput, call: OpenCall, blocks: readonly Block[]): Message {
  call.answered = true;
  const { id: toolCallId, name: toolName } = call;
  if (typeof item.name === 'string') return { role: 'tool', name: item.name, blocks, toolCallId, toolName };
  return { role: 'tool', blocks, toolCallId, toolName };
}

function functionMessage(item: FunctionInput, calls: ReadonlyMap<string, string> | undefined, index: number): Message {
  const id = calls?.get(item.name);
  if (id === undefined) {
    const param = `${placeOf(index)}.name`;
    const message = `Invalid '${param}': no assistant message before it has a 'function_call' of ${shown(item.name)}.`;
    throw new GatewayError('invalid_value', message, { param });
  }
  return { role: 'tool', blocks: [{ type: 'text', text: item.content ?? '' }], toolCallId: id, toolName: item.name };
}

function contentBlocks(content: ContentInput, index: number): Block[] {
  if (content === null || content === undefined) return [];
  if (typeof content === 'string') return [{ type: 'text', text: content }];
  return content.map((part, place) => partBlock(part, index, place));
}

const partAt = (index: number, part: number): string => `${placeOf(index)}.content[${part}]`;

type Marked = Exclude<PartInput, { readonly type: 'refusal' }>;

/** Either spelling of a cache mark. */
function cacheOf({ cache_control: control, prompt_cache_breakpoint: breakpoint }: Marked): CacheMark | undefined {
  if (control) return control.ttl ? { ttl: control.ttl } : {};
  return breakpoint ? {} : undefined;
}

/** The block with the mark of its part, where that has one. */
function withMark(block: TextBlock | ImageBlock | AudioBlock | FileBlock, part: Marked): Block {
  const cache = cacheOf(part);
  return cache ? { ...block, cache } : block;
}

function partBlock(part: PartInput, index: number, place: number): Block {
  switch (part.type) {
    case 'text':
      return withMark({ type: 'text', text: part.text }, part);
    case 'refusal':
      return { type: 'refusal', text: part.refusal };
    case 'image_url': {
      const { url, detail } = part.image_url;
      return withMark({ type: 'image', url, ...(detail ? { detail } : {}), at: partAt(index, place) }, part);
    }
    case 'input_audio': {
      const { data, format } = part.input_audio;
      return withMark({ type: 'audio', data, format, at: partAt(index, place) }, part);
    }
    case 'file': {
      const { filename, file_data: data, file_id: fileId } = part.file;
      const at = partAt(index, place);
      if (!data && !fileId) {
        const param = `${at}.file`;
        const message = `Missing required parameter: '${param}.file_data' or '${param}.file_id'. A file needs one of the two.`;
        throw new GatewayError('missing_required_parameter', message, { param });
      }
      const named = { ...(filename ? { filename } : {}), ...(data ? { data } : {}), ...(fileId ? { fileId } : {}) };
      return withMark({ type: 'file', ...named, at }, part);
    }
    default:
      return assertNever(part);
  }
}

/** What it thought, what it said, what it declined, then what it called. */
function assistantBlocks(item: AssistantInput, index: number): Block[] {
  const content = contentBlocks(item.content, index);
  const said = content.every(isSaid) ? content : content.filter(isSaid);
  const { reasoning_content: thought, refusal, tool_calls: calls, function_call: legacy, provider_state: state } = item;
  if (!thought && !refusal && !calls && !legacy && !state) return said;
  const blocks: Block[] = thought ? [{ type: 'reasoning', text: thought }, ...said] : said;
  if (refusal) blocks.push({ type: 'refusal', text: refusal });
  if (calls) pushCalls(calls, blocks);
  if (legacy) {
    const { name, arguments: input } = legacy;
    blocks.push({ type: 'tool_call', id: legacyId(index), kind: 'function', name, input });
  }
  return state ? restoreState(blocks, stateField(state)) : blocks;
}

const isSaid = (block: Block): boolean => block.type !== 'text' || block.text !== '';

function pushCalls(calls: NonNullable<AssistantInput['tool_calls']>, blocks: Block[]): void {
  for (const call of calls) {
    if (call.type === 'function') {
      const { name, arguments: input } = call.function;
      blocks.push({ type: 'tool_call', id: call.id, kind: 'function', name, input });
    } else {
      blocks.push({ type: 'tool_call', id: call.id, kind: 'custom', name: call.custom.name, input: call.custom.input });
    }
  }
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

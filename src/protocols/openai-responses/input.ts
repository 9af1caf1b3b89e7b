/** The conversation as input items. Instructions stay messages: `json_object` needs the word "JSON" among those, and their order counts. */
import type { Block, ChatRequest, Message, ProviderState, RefusalBlock, SpeechBlock, TextBlock } from '../../core/chat.ts';
import { entry, fields, list, text } from '../json.ts';
import { customInput } from '../reshape/custom-tools.ts';
import type { WireTarget } from '../wire.ts';
import { createCallIds } from './call-ids.ts';
import type { CallIds } from './call-ids.ts';
import { inputPart } from './parts.ts';
import type { Part } from './parts.ts';
import type { OpenAIResponsesQuirks } from './quirks.ts';
import { callFactsOf, phaseOf } from './state.ts';
import type { Phase } from './state.ts';

export type Item = Readonly<Record<string, unknown>>;

interface Call {
  readonly custom: boolean;
  /** Who made it, where that was not the model itself. */
  readonly caller?: unknown;
}

interface Writing {
  readonly target: WireTarget<OpenAIResponsesQuirks>;
  readonly quirks: OpenAIResponsesQuirks;
  readonly ids: CallIds<Call>;
  /** Items of earlier turns that answer others, as `type call_id`. */
  readonly answers: ReadonlySet<string>;
  readonly ignored: string[];
  /** The client's own messages, in whatever form. */
  readonly raw: readonly unknown[];
}

/** The items, and the paths of what has no place in them. Throws as `inputPart` does. */
export function writeInput(request: ChatRequest, target: WireTarget<OpenAIResponsesQuirks>): { items: Item[]; ignored: string[] } {
  const writing: Writing = {
    target,
    quirks: target.quirks,
    ids: createCallIds(),
    answers: answersIn(request.messages, target.provider),
    ignored: [],
    raw: list(request.raw.messages),
  };
  const items = request.messages.flatMap((message, index) => {
    if (message.name !== undefined) writing.ignored.push(`messages[${index}].name`);
    return writeMessage(message, index, writing);
  });
  return { items, ignored: writing.ignored };
}

function writeMessage(message: Message, index: number, writing: Writing): Item[] {
  switch (message.role) {
    case 'assistant':
      return writeTurn(message, index, writing);
    case 'tool':
      return [writeResult(message, index, writing)];
    case 'system':
    case 'developer':
    case 'user': {
      const parts = writeParts(message, index, writing);
      const role = message.role === 'developer' && writing.quirks.developerRole === false ? 'system' : message.role;
      return [{ type: 'message', role, content: asContent(parts) }];
    }
  }
}

function writeParts({ blocks }: Message, index: number, { quirks, raw, ignored }: Writing): Part[] {
  const given = list(fields(raw[index]).content);
  return blocks.flatMap((block, nth) => {
    const own = fields(given[nth]).prompt_cache_breakpoint !== undefined;
    const marked = quirks.cacheMarks === 'prompt_cache_breakpoint' || (own && quirks.cacheMarks === undefined);
    if ('cache' in block && block.cache && !marked) {
      ignored.push(`messages[${index}].content[${nth}].${own ? 'prompt_cache_breakpoint' : 'cache_control'}`);
    }
    const part = inputPart(block, quirks, marked);
    return part ? [part] : [];
  });
}

/** A single text is told as a string, which every server takes. */
function asContent(parts: readonly Part[]): string | readonly Part[] {
  const [first, ...others] = parts;
  if (!first) return '';
  const plain = others.length === 0 && first.type === 'input_text' && first.prompt_cache_breakpoint === undefined;
  return plain ? String(first.text) : parts;
}

function writeResult(message: Message, index: number, writing: Writing): Item {
  const call = writing.ids.result(message.toolCallId ?? '');
  const parts = writeParts(message, index, writing);
  const texts = parts.every((part) => part.type === 'input_text' && part.prompt_cache_breakpoint === undefined);
  const { custom = false, caller } = call?.facts ?? {};
  return {
    type: custom ? 'custom_tool_call_output' : 'function_call_output',
    call_id: call?.id ?? message.toolCallId,
    output: texts ? parts.map((part) => String(part.text)).join('') : parts,
    ...(caller === undefined ? {} : { caller }),
  };
}

/** An assistant's turn: its blocks in their order, texts that stand together in one message. */
function writeTurn({ blocks }: Message, index: number, writing: Writing): Item[] {
  noteMarks(index, writing);
  const items: Item[] = [];
  let said: (TextBlock | RefusalBlock | SpeechBlock)[] = [];
  let phase: Phase | undefined;
  const flush = (): void => {
    if (said.length > 0) items.push(writeMessageItem(said, phase, `msg_${index}_${items.length}`));
    said = [];
    phase = undefined;
  };
  for (const block of blocks) {
    if (block.type === 'text' || block.type === 'refusal' || block.type === 'speech') {
      const own = block.type === 'text' ? phaseOf(owned(block.state, writing)) : phase;
      if (own !== phase) flush();
      phase = own;
      said.push(block);
      continue;
    }
    const item = writeBlock(block, `${index}_${items.length}`, writing);
    if (!item) continue;
    flush();
    items.push(item);
  }
  flush();
  // reasoning is refused without what it led to
  while (items.at(-1)?.type === 'reasoning') items.pop();
  return items;
}

/** Text alone as a string; a refusal has a form only among the parts of a finished message, which needs an id. */
function writeMessageItem(said: readonly (TextBlock | RefusalBlock | SpeechBlock)[], phase: Phase | undefined, id: string): Item {
  const about = { type: 'message', role: 'assistant', ...(phase === undefined ? {} : { phase }) };
  if (said.some(({ type }) => type === 'refusal')) return { ...about, id, status: 'completed', content: said.map(outputPart) };
  return { ...about, content: said.map(wordsOf).join('') };
}

const wordsOf = (block: TextBlock | RefusalBlock | SpeechBlock): string => (block.type === 'speech' ? block.transcript : block.text);

function outputPart(block: TextBlock | RefusalBlock | SpeechBlock): Part {
  if (block.type === 'refusal') return { type: 'refusal', refusal: block.text };
  return { type: 'output_text', text: wordsOf(block), annotations: [], logprobs: [] };
}

function writeBlock(block: Block, place: string, writing: Writing): Item | undefined {
  switch (block.type) {
    case 'reasoning':
      return writeReasoning(block.text, owned(block.state, writing), { place, writing });
    case 'opaque':
      return writeOpaque(owned(block.state, writing), writing);
    case 'tool_call': {
      const { name, input, kind } = block;
      const custom = kind === 'custom' && writing.quirks.customTools !== false;
      const facts = callFactsOf(owned(block.state, writing)) ?? {};
      const caller = facts.caller === undefined ? {} : { caller: facts.caller };
      const call_id = writing.ids.call(block.id, { custom, ...caller });
      if (custom) return { type: 'custom_tool_call', call_id, name, input, ...facts };
      const json = kind === 'custom' ? customInput(input) : input;
      return { type: 'function_call', call_id, name, arguments: json.trim() === '' ? '{}' : json, ...facts };
    }
    default:
      return undefined;
  }
}

function owned(state: ProviderState | undefined, { target }: Writing): unknown {
  return state?.owner === target.provider ? state.data : undefined;
}

interface Placed {
  readonly place: string;
  readonly writing: Writing;
}

function writeReasoning(shown: string, data: unknown, { place, writing: { quirks } }: Placed): Item | undefined {
  const { type, id, summary, content, encrypted_content: encrypted } = fields(data);
  const known = type === 'reasoning';
  const about = (own: unknown): Item => {
    if (quirks.unstableItemIds) return { type: 'reasoning' };
    return { type: 'reasoning', id: text(own) ?? `rs_${place}` };
  };
  const plain = list(content).length > 0 ? { content } : {};
  if (known && text(encrypted) !== undefined) return { ...about(id), summary: list(summary), ...plain, encrypted_content: encrypted };
  if (!quirks.plainReasoning) return undefined;
  if (known) return { ...about(id), summary: list(summary), ...plain };
  return shown === '' ? undefined : { ...about(undefined), summary: [], content: [{ type: 'reasoning_text', text: shown }] };
}

/**
 * Items that ask the client for something which the contract has no form for: nobody can have answered, and the provider
 * refuses a history with such an item and no answer. With the answer beside them (a shell of the provider's) they go back.
 */
const ANSWERED_BY: Readonly<Record<string, string>> = {
  local_shell_call: 'local_shell_call_output',
  shell_call: 'shell_call_output',
  apply_patch_call: 'apply_patch_call_output',
  computer_call: 'computer_call_output',
  tool_search_call: 'tool_search_output',
  mcp_approval_request: 'mcp_approval_response',
};

function writeOpaque(data: unknown, { quirks, answers }: Writing): Item | undefined {
  const { id, ...item } = fields(data);
  const type = text(item.type);
  if (type === undefined || quirks.ownItems === false) return undefined;
  const answer = entry(ANSWERED_BY, type);
  if (answer !== undefined && !answers.has(`${answer} ${String(item.call_id ?? id)}`) && item.execution !== 'server') return undefined;
  return quirks.unstableItemIds || text(id) === undefined ? item : { id, ...item };
}

function answersIn(messages: readonly Message[], provider: string): Set<string> {
  const answers = new Set<string>();
  for (const { blocks } of messages) {
    for (const block of blocks) {
      if (block.type !== 'opaque' || block.state.owner !== provider) continue;
      const { type, call_id: call, approval_request_id: request } = fields(block.state.data);
      answers.add(`${String(type)} ${String(call ?? request)}`);
    }
  }
  return answers;
}

/** What an assistant said has no place for cache marks. */
function noteMarks(index: number, { raw, ignored }: Writing): void {
  for (const [nth, part] of list(fields(raw[index]).content).entries()) {
    for (const name of ['prompt_cache_breakpoint', 'cache_control']) {
      if (fields(part)[name] != null) ignored.push(`messages[${index}].content[${nth}].${name}`);
    }
  }
}

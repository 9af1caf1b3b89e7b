/**
 * The extension field `provider_state` of an assistant's message: what a provider wants to see again with the next turn
 * and the contract has no field for (signatures, encrypted reasoning, searches it ran itself). It lists the blocks of
 * the turn in their order, because a provider that signs its reasoning also checks where it stood.
 */
import type { Block, Json, ProviderState, TextBlock } from '../../core/chat.ts';

/** One block of the turn; `length` (of a text, in UTF-16 units) and `id` (of a call) find it in the message again. */
export interface StateEntry {
  readonly type: 'text' | 'reasoning' | 'tool_call' | 'opaque';
  readonly length?: number;
  readonly id?: string;
  readonly data?: Json;
}

export interface StateField {
  readonly owner: string;
  readonly blocks: readonly StateEntry[];
}

/** What a block says of itself; blocks of other types have no place in the field. */
export interface Shape {
  readonly type: Block['type'];
  readonly length: number;
  readonly id: string | undefined;
  readonly state: ProviderState | undefined;
}

export function shapeOf(block: Block): Shape {
  const length = block.type === 'text' ? block.text.length : 0;
  const id = block.type === 'tool_call' ? block.id : undefined;
  return { type: block.type, length, id, state: 'state' in block ? block.state : undefined };
}

/** The field for these blocks, or undefined where none has state. */
export function encodeState(shapes: readonly Shape[]): StateField | undefined {
  const owner = shapes.find(({ state }) => state)?.state?.owner;
  if (owner === undefined) return undefined;
  return { owner, blocks: shapes.flatMap((shape) => encodeEntry(shape, owner)) };
}

function encodeEntry({ type, length, id, state }: Shape, owner: string): StateEntry[] {
  const data = state?.owner === owner ? { data: state.data } : {};
  switch (type) {
    case 'text':
      return length > 0 || state ? [{ type, length, ...data }] : [];
    case 'tool_call':
      return id === undefined ? [] : [{ type, id, ...data }];
    case 'reasoning':
    case 'opaque':
      // without state it says nothing that the message does not say itself
      return state ? [{ type, ...data }] : [];
    default:
      return [];
  }
}

/**
 * The blocks of a message in the order of the field, with their state. What the client changed stays as the client has
 * it: a text that is no longer as long as it was is one block again, calls that the field does not know come last.
 */
export function restoreState(blocks: readonly Block[], { owner, blocks: entries }: StateField): Block[] {
  const { texts, exact } = cutTexts(blocks, entries);
  const calls = new Map(blocks.flatMap((block) => (block.type === 'tool_call' ? [[block.id, block] as const] : [])));
  const thought = blocks.map((block) => (block.type === 'reasoning' ? block.text : '')).join('');
  const restored: Block[] = [];
  let told = false;
  for (const entry of entries) {
    const state = entry.data === undefined ? {} : { state: { owner, data: entry.data } };
    if (entry.type === 'text') {
      const text = texts.shift();
      if (text) restored.push(exact ? { ...text, ...state } : text);
    } else if (entry.type === 'tool_call') {
      const call = calls.get(entry.id ?? '');
      calls.delete(entry.id ?? '');
      if (call) restored.push({ ...call, ...state });
    } else if (entry.type === 'reasoning') {
      restored.push({ type: 'reasoning', text: told ? '' : thought, ...state });
      told = true;
    } else if (state.state) {
      restored.push({ type: 'opaque', state: state.state });
    }
  }
  if (!told && thought !== '') restored.unshift({ type: 'reasoning', text: thought });
  const others = blocks.filter(({ type }) => type !== 'text' && type !== 'tool_call' && type !== 'reasoning');
  return [...restored, ...texts, ...others, ...calls.values()];
}

/** The message's text in the pieces that the field names, or as it is where it has changed. */
function cutTexts(blocks: readonly Block[], entries: readonly StateEntry[]): { texts: TextBlock[]; exact: boolean } {
  const given = blocks.filter((block): block is TextBlock => block.type === 'text');
  const whole = given.map(({ text }) => text).join('');
  const lengths = entries.flatMap((entry) => (entry.type === 'text' ? [entry.length ?? 0] : []));
  const exact = lengths.reduce((sum, length) => sum + length, 0) === whole.length;
  if (!exact) return { texts: given, exact };
  let from = 0;
  const texts = lengths.map((length): TextBlock => {
    const text = whole.slice(from, from + length);
    from += length;
    return { type: 'text', text };
  });
  return { texts, exact };
}

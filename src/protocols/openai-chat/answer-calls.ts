/** Tool calls put together from deltas, however a provider numbers, names and splits them. */
import type { Json } from '../../core/chat.ts';
import type { ChatEvent } from '../../core/event.ts';
import { GatewayError } from '../../core/error.ts';
import { fields, text } from '../json.ts';
import type { BlockWriter } from './answer-blocks.ts';

type Fields = Readonly<Record<string, unknown>>;

interface Call {
  readonly kind: 'function' | 'custom';
  readonly index: number | undefined;
  id: string;
  name: string;
  /** Undefined until the call has its name. */
  block: number | undefined;
  /** Arguments that came before the name. */
  waiting: string;
  /** What came with the name, while nothing has been added to it. */
  opening: string | undefined;
}

interface Piece {
  readonly index: number | undefined;
  readonly id: string;
  readonly name: string;
  readonly input: string;
}

export interface CallReader {
  /** Takes the `tool_calls` of one chunk. */
  takeAll(entries: readonly unknown[], out: ChatEvent[]): void;
  /** Takes a `function_call`. */
  takeLegacy(call: unknown, out: ChatEvent[]): void;
  /** Closes all calls. Throws `upstream` where one has arguments and no name. */
  close(out: ChatEvent[]): void;
  /** Calls that were opened. */
  opened(): number;
}

export interface CallContext {
  readonly choice: number;
  readonly blocks: BlockWriter;
  /** Owner of state that comes with a call. */
  readonly owner: string;
  /** Makes ids of calls where the provider gives none: the same answer, the same ids. */
  readonly answerId: string;
}

export function createCallReader({ choice, blocks, owner, answerId }: CallContext): CallReader {
  const calls: Call[] = [];
  let opened = 0;
  /** The calls of the last chunk that spoke of several, in its order. */
  let abreast: readonly Call[] = [];

  return {
    takeAll(entries, out) {
      const before = abreast;
      const now = entries.map((entry, at) => {
        const part = fields(entry);
        return take(part, out, (piece) => callFor(piece, entries.length > 1 ? before[at] : undefined));
      });
      if (now.length > 1) abreast = now;
    },
    takeLegacy(call, out) {
      take({ function: call }, out, () => calls[0]);
    },
    close(out) {
      for (const call of calls) {
        if (call.block !== undefined) blocks.close(call.block, out);
        else if (call.waiting !== '') throw new GatewayError('upstream', 'The provider called a tool without naming it.');
      }
      calls.length = 0;
    },
    opened: () => opened,
  };

  function take(part: Fields, out: ChatEvent[], find: (piece: Piece) => Call | undefined): Call {
    const custom = part['custom'] !== undefined && part['custom'] !== null;
    const body = fields(custom ? part['custom'] : part['function']);
    const id = text(part['id']) ?? '';
    const name = toolName(body['name']);
    const input = argumentsOf(custom ? body['input'] : body['arguments']);
    const index = typeof part['index'] === 'number' && Number.isInteger(part['index']) ? part['index'] : undefined;
    const call = find({ index, id, name, input }) ?? begin({ kind: custom ? 'custom' : 'function', index, id });
    if (call.name === '') call.name = name;
    if (call.id === '') call.id = id;
    grow(call, input, out);
    keepState(call, part, out);
    return call;
  }

  function begin({ kind, index, id }: Pick<Call, 'kind' | 'index' | 'id'>): Call {
    const call: Call = { kind, index, id, name: '', block: undefined, waiting: '', opening: undefined };
    calls.push(call);
    return call;
  }

  /**
   * The call that a piece belongs to, or undefined where it begins a new one. `beside`: the call at its place in the last
   * chunk that had several, which tells where nothing else does.
   */
  function callFor({ index, id, name, input }: Piece, beside: Call | undefined): Call | undefined {
    if (index === undefined && id === '' && name === '' && beside) return beside;
    // the latest of that number: some servers number all calls 0
    const call = index === undefined ? calls.at(-1) : (calls.findLast((one) => one.index === index) ?? unnumbered(index));
    if (!call) return undefined;
    if (id !== '' && id === call.id) return call;
    if (index === undefined && id !== '') {
      const same = calls.find((one) => one.id === id);
      if (same) return same;
    }
    // a piece without a name goes on, even where a server makes a new id for each
    if (name === '') return call;
    if (call.name === '') return call;
    if (id !== '' && call.id !== '') return undefined;
    if (name !== call.name) return undefined;
    // the name once more without an id: the same call told again, or the next one, whole like the one before
    return call.opening !== undefined && isObject(call.opening) && isObject(input) ? undefined : call;
  }

  /** The call at that place, where it came without its number: some servers tell it later only. */
  function unnumbered(index: number): Call | undefined {
    const call = calls[index];
    return call?.index === undefined ? call : undefined;
  }

  function grow(call: Call, input: string, out: ChatEvent[]): void {
    if (call.block === undefined) {
      if (call.name === '') {
        call.waiting += input;
        return;
      }
      open(call, input, out);
      return;
    }
    if (input === '') return;
    call.opening = undefined;
    blocks.grow(call.block, input, out);
  }

  function open(call: Call, input: string, out: ChatEvent[]): void {
    const { kind, name } = call;
    call.id = call.id === '' ? `call_${seedOf(answerId)}_${choice}_${opened}` : call.id;
    opened++;
    call.block = blocks.open({ type: 'tool_call', id: call.id, kind, name }, out);
    const begun = call.waiting + input;
    call.waiting = '';
    call.opening = begun;
    if (begun !== '') blocks.grow(call.block, begun, out);
  }

  /** Google's servers sign calls in a field of their own, which they want to see again. */
  function keepState(call: Call, part: Fields, out: ChatEvent[]): void {
    const extra = part['extra_content'];
    if (typeof extra !== 'object' || extra === null || call.block === undefined) return;
    // it was parsed from JSON, all of it
    blocks.keep(call.block, { owner, data: { extra_content: extra as Json } }, out);
  }
}

function seedOf(answerId: string): string {
  return answerId
    .replace(/^chatcmpl-/, '')
    .replace(/[^A-Za-z0-9]/g, '')
    .slice(-24);
}

/** Some servers leave the model's own marks behind the name (`f<|channel|>commentary`). */
export function toolName(value: unknown): string {
  const name = text(value) ?? '';
  const mark = name.indexOf('<|');
  return mark > 0 ? name.slice(0, mark) : name;
}

/** Some servers give them as an object. */
export function argumentsOf(value: unknown): string {
  if (typeof value === 'string') return value;
  return typeof value === 'object' && value !== null ? JSON.stringify(value) : '';
}

function isObject(json: string): boolean {
  if (!json.startsWith('{')) return false;
  try {
    JSON.parse(json);
    return true;
  } catch {
    return false;
  }
}

/** Output items as they grow: messages, reasoning, calls, and all that has no form outside of this protocol. */
import type { ProviderState } from '../../core/chat.ts';
import { fields, list, text } from '../json.ts';
import { readLogprobs } from './logprobs.ts';
import { createRun } from './runs.ts';
import type { Answer, Run } from './runs.ts';
import { asState, callFactsOf, PARTS_APART, phaseOf, reasoningText } from './state.ts';

export type ItemFields = Readonly<Record<string, unknown>>;

/** What of an item a frame is about. */
export type Aspect = 'text' | 'refusal' | 'summary' | 'thought' | 'input';

/** More of an item; `whole`: all there is of this part, whatever came before. */
export interface Piece {
  readonly aspect: Aspect;
  /** Of the part, within the item's list of such parts. */
  readonly index: number;
  readonly text: string;
  readonly whole: boolean;
  readonly logprobs: unknown;
}

export interface GrowingItem {
  grow(piece: Piece): void;
  cite(index: number, annotation: unknown): void;
  /** The item as it is in the end; what had not come before comes now. */
  finish(item: ItemFields): void;
}

/** What items need to know of the request and the provider. */
export interface ItemContext {
  readonly answer: Answer;
  readonly provider: string;
  /** Log probabilities were asked for: some servers send them unasked. */
  readonly logprobs: boolean;
  /** What the provider's own tools did is kept for the next turn. */
  readonly ownItems: boolean;
  /** Open reasoning is kept for the next turn as well as encrypted. */
  readonly plainReasoning: boolean;
  /** Names a call that the provider has not named. */
  newId(): string;
}

const NOTHING = (): void => undefined;

/** So much of the end of a text is remembered, to tell whether a text that is told once more goes on where it ended. */
const REMEMBERED = 64;

/**
 * How much of a part's text is new: servers say it in pieces, at once, or both. Where the whole is not what the pieces
 * were, the pieces count: a client has them already.
 */
function createRest(): (index: number, piece: string, whole: boolean) => string {
  const had: { readonly length: number; readonly tail: string }[] = [];
  return (index, piece, whole) => {
    const before = had[index];
    const known = before?.length ?? 0;
    const goesOn = !whole || before === undefined || piece.startsWith(before.tail, known - before.tail.length);
    const rest = goesOn ? piece.slice(whole ? known : 0) : '';
    if (rest !== '') had[index] = { length: known + rest.length, tail: ((before?.tail ?? '') + rest).slice(-REMEMBERED) };
    return rest;
  };
}

/** A message: each of its parts is a block. What its parts say is joined as it stands, also with other messages' text. */
export function createMessage(context: ItemContext, added: ItemFields): GrowingItem {
  const { answer } = context;
  const runs = new Map<number, { readonly type: 'text' | 'refusal'; readonly run: Run }>();
  const rest = createRest();
  let phase = phaseOf(added);

  const runAt = (index: number, type: 'text' | 'refusal'): Run => {
    const known = runs.get(index);
    if (known) return known.run;
    const run = createRun(answer, { type }, type === 'text' ? keepPhase : NOTHING);
    runs.set(index, { type, run });
    return run;
  };
  const keepPhase = (block: number): void => {
    if (phase === undefined) return;
    answer.emit({ type: 'block_state', choice: 0, block, state: asState(context.provider, { phase }) });
  };
  const say = (index: number, type: 'text' | 'refusal', piece: Pick<Piece, 'text' | 'whole' | 'logprobs'>): void => {
    const more = rest(index, piece.text, piece.whole);
    // of a part that is told once more, the log probabilities are not
    const fresh = context.logprobs && (!piece.whole || more === piece.text);
    const tokens = fresh ? readLogprobs(piece.logprobs) : undefined;
    if (more !== '' || tokens) runAt(index, type).add(more, tokens);
  };

  return {
    grow(piece) {
      if (piece.aspect === 'text' || piece.aspect === 'refusal') say(piece.index, piece.aspect, piece);
    },
    cite: (index, annotation) => runAt(index, 'text').cite(annotation),
    finish(item) {
      const late = phase === undefined;
      phase ??= phaseOf(item);
      // some hosts tell it only now, when texts have begun already
      if (late) for (const { type, run } of runs.values()) if (type === 'text' && run.opened) keepPhase(run.open());
      const parts = typeof item.content === 'string' ? [{ type: 'output_text', text: item.content }] : list(item.content);
      for (const [index, part] of parts.map(fields).entries()) {
        const words = text(part.type === 'refusal' ? part.refusal : part.text) ?? '';
        const type = part.type === 'refusal' ? 'refusal' : 'text';
        say(index, type, { text: words, whole: true, logprobs: part.logprobs });
        for (const annotation of list(part.annotations)) runAt(index, 'text').cite(annotation);
      }
      for (const { run } of runs.values()) run.end();
    },
  };
}

/** Reasoning: one block, whose text is the open reasoning where there is some, else the summary. */
export function createReasoning(context: ItemContext): GrowingItem {
  const run = createRun(context.answer, { type: 'reasoning' });
  const rest = createRest();
  let source: 'summary' | 'thought' | undefined;
  let part: number | undefined;

  const think = (index: number, piece: string, whole: boolean): void => {
    const more = rest(index, piece, whole);
    if (more === '') return;
    if (part !== undefined && part !== index) run.add(PARTS_APART);
    part = index;
    run.add(more);
  };

  return {
    grow({ aspect, index, text: piece, whole }) {
      if (aspect !== 'summary' && aspect !== 'thought') return;
      if (piece !== '') source ??= aspect;
      if (aspect === source) think(index, piece, whole);
    },
    cite: NOTHING,
    finish(item) {
      source ??= list(item.content).length > 0 ? 'thought' : 'summary';
      const parts = source === 'thought' ? list(item.content) : list(item.summary);
      for (const [index, one] of parts.entries()) think(index, text(fields(one).text) ?? '', true);
      const state = reasoningState(context, item);
      if (state) context.answer.emit({ type: 'block_state', choice: 0, block: run.open(), state });
      run.end();
    },
  };
}

function reasoningState({ provider, plainReasoning }: ItemContext, item: ItemFields): ProviderState | undefined {
  const encrypted = text(item.encrypted_content) ?? '';
  if (encrypted === '' && !(plainReasoning && reasoningText(item) !== '')) return undefined;
  const { id, summary, content } = item;
  const plain = list(content).length > 0 ? { content } : {};
  const kept = encrypted === '' ? {} : { encrypted_content: encrypted };
  return asState(provider, { type: 'reasoning', ...(text(id) === undefined ? {} : { id }), summary: list(summary), ...plain, ...kept });
}

/** A call of a tool of the client's. */
export function createCall(context: ItemContext, added: ItemFields, kind: 'function' | 'custom'): GrowingItem {
  const { answer } = context;
  const rest = createRest();
  let run = named(added);

  return {
    grow({ aspect, text: piece, whole }) {
      if (aspect === 'input' && run) run.add(rest(0, piece, whole));
    },
    cite: NOTHING,
    finish(item) {
      run ??= named(item);
      if (!run) return;
      run.add(rest(0, text(kind === 'custom' ? item.input : item.arguments) ?? '', true));
      const facts = callFactsOf(item) ?? callFactsOf(added);
      if (facts) answer.emit({ type: 'block_state', choice: 0, block: run.open(), state: asState(context.provider, facts) });
      run.end();
    },
  };

  /** Undefined while the tool's name is not known. */
  function named(item: ItemFields): Run | undefined {
    const name = text(item.name) ?? '';
    if (name === '') return undefined;
    return openCall(context, { id: text(item.call_id), kind, name });
  }
}

/**
 * A call of a tool that neither the request nor the answer knows: held until it is whole, because some hosts announce the
 * runs of their own tools like that, and end them as something else (Perplexity: `search_results`).
 */
export function createUnknownCall(context: ItemContext, added: ItemFields): GrowingItem {
  let input = '';
  return {
    grow({ aspect, text: piece, whole }) {
      if (aspect === 'input') input = whole ? piece : input + piece;
    },
    cite: NOTHING,
    finish(item) {
      if (item.type !== added.type) return createOpaque(context).finish(item);
      const call = createCall(context, item, 'function');
      if (text(item.arguments) === undefined || item.arguments === '')
        call.grow({ aspect: 'input', index: 0, text: input, whole: false, logprobs: undefined });
      return call.finish(item);
    },
  };
}

interface CallHead {
  readonly id: string | undefined;
  readonly kind: 'function' | 'custom';
  readonly name: string;
}

function openCall({ answer, newId }: ItemContext, { id, kind, name }: CallHead): Run {
  const run = createRun(answer, { type: 'tool_call', id: id === undefined || id === '' ? newId() : id, kind, name });
  run.open();
  answer.calls++;
  return run;
}

/**
 * Several calls in the arguments of one: a wrapper that some models reach for although nobody declared it. It is held
 * until it is whole, and its calls come out as if they had been made one by one; what does not parse stays as it is.
 */
export function createWrapper(context: ItemContext, added: ItemFields): GrowingItem {
  return {
    grow: NOTHING,
    cite: NOTHING,
    finish(item) {
      const input = text(item.arguments) ?? '';
      const uses = wrappedCalls(input);
      const outer = text(item.call_id) ?? text(added.call_id) ?? context.newId();
      if (uses.length === 0) {
        const run = openCall(context, { id: outer, kind: 'function', name: text(item.name) ?? String(added.name) });
        run.add(input);
        return run.end();
      }
      for (const [index, { name, input: own }] of uses.entries()) {
        const run = openCall(context, { id: uses.length === 1 ? outer : `${outer}_${index}`, kind: 'function', name });
        run.add(own);
        run.end();
      }
    },
  };
}

/** Names that the wrapper goes by. */
export const WRAPPERS: ReadonlySet<string> = new Set(['parallel', 'multi_tool_use.parallel', 'multi_tool_use']);

function wrappedCalls(input: string): readonly { readonly name: string; readonly input: string }[] {
  let parsed: unknown;
  try {
    parsed = JSON.parse(input);
  } catch {
    // cut off, or no JSON at all: then it is shown as it is
    return [];
  }
  const uses = list(fields(parsed).tool_uses).map((use) => {
    const { recipient_name: name, parameters } = fields(use);
    return { name: text(name)?.replace(/^functions\./, '') ?? '', input: JSON.stringify(parameters ?? {}) };
  });
  return uses.every(({ name }) => name !== '') ? uses : [];
}

/** Anything else: kept for the provider, shown to nobody. Its place among the blocks is where it began. */
export function createOpaque({ answer, provider, ownItems }: ItemContext): GrowingItem {
  const run = createRun(answer, { type: 'opaque' });
  const block = run.open();
  return {
    grow: NOTHING,
    cite: NOTHING,
    finish(item) {
      if (ownItems) answer.emit({ type: 'block_state', choice: 0, block, state: asState(provider, item) });
      run.end();
    },
  };
}

/** A whole answer of the Messages API, and what its blocks are in the neutral model. */
import type { Annotation, Block, ChatResponse, Json, ProviderState } from '../../core/chat.ts';
import { fields, list, text } from '../json.ts';
import type { AnswerHead } from '../wire.ts';
import { errorIn, nonsense } from './failure.ts';
import { stopReason, tierOf, usageOf } from './usage.ts';

type Fields = Readonly<Record<string, unknown>>;

/** What reading an answer needs to know of the call. */
export interface Reading {
  readonly provider: string;
  /** What the answer calls the model. */
  readonly model: string;
  readonly head: AnswerHead;
  /** Thinking without a signature is worth keeping. */
  readonly unsigned: boolean;
}

/** Parsed JSON, as it is kept for the provider's next turn. */
export const stateOf = (data: Fields, { provider }: Reading): ProviderState => ({ owner: provider, data: data as Json });

/**
 * A content block in the neutral model. What the provider's own tools said and did, and types that nobody knows yet, are
 * opaque: kept whole, in place, for the provider.
 */
export function blockOf(content: Fields, reading: Reading, index: number): Block | undefined {
  const { type } = content;
  switch (type) {
    case 'text': {
      const cites = list(content.citations).length > 0;
      return { type, text: text(content.text) ?? '', ...(cites ? { state: stateOf(content, reading) } : {}) };
    }
    case 'thinking': {
      const signed = text(content.signature) ? true : reading.unsigned;
      return { type: 'reasoning', text: text(content.thinking) ?? '', ...(signed ? { state: stateOf(content, reading) } : {}) };
    }
    case 'redacted_thinking':
      return { type: 'reasoning', text: '', state: stateOf(content, reading) };
    case 'tool_use': {
      const input = wholeInput(content.input);
      const kept = calledByCode(content) ? { state: stateOf(content, reading) } : {};
      return { type: 'tool_call', kind: 'function', ...callOf(content, reading, index), input, ...kept };
    }
    default:
      return typeof type === 'string' ? { type: 'opaque', state: stateOf(content, reading) } : undefined;
  }
}

/** Who is called. An id that is missing is made from the call's place; without a name there is nobody to call. */
export function callOf({ id, name }: Fields, { head }: Reading, index: number): { readonly id: string; readonly name: string } {
  const called = text(name);
  if (!called) throw nonsense('a call of a tool without a name');
  return { id: text(id) || `call_${head.id.replace(/^chatcmpl-/, '')}_${index}`, name: called };
}

/** Arguments that stand in the block itself; '' where there are none. */
export function wholeInput(input: unknown): string {
  if (typeof input === 'string') return input;
  return Object.keys(fields(input)).length === 0 ? '' : JSON.stringify(input);
}

/** Code that runs at the provider's may call the client's tools; the answer to such a call has to name its caller again. */
export function calledByCode({ caller }: Fields): boolean {
  const { type } = fields(caller);
  return typeof type === 'string' && type !== 'direct';
}

/** Citations with a URL, of the text from `start` to `end`. Those of documents have no place in the contract. */
export function annotationsOf(citations: readonly unknown[], start: number, end: number): Annotation[] {
  return citations.flatMap((one) => {
    const citation = fields(one);
    const url = text(citation.url) ?? (/^https?:\/\//.test(text(citation.source) ?? '') ? text(citation.source) : undefined);
    if (!url) return [];
    return [{ type: 'url_citation' as const, url, title: text(citation.title) ?? '', start, end }];
  });
}

/** What a turn that the provider paused is kept with, at its end: what it says last does not tell. */
export const PAUSE = 'pause_turn';

/** What ends an answer beside its content: the words of a refusal, a container that the next turn needs, and that it was paused. */
export function lastBlocks({ stop_reason: reason, stop_details: details, container }: Fields, reading: Reading): Block[] {
  const blocks: Block[] = [];
  const words = reason === 'refusal' ? text(fields(details).explanation) : undefined;
  if (words) blocks.push({ type: 'refusal', text: words });
  const { id } = fields(container);
  if (typeof id === 'string') blocks.push({ type: 'opaque', state: stateOf({ type: 'container', id }, reading) });
  if (reason === PAUSE) blocks.push({ type: 'opaque', state: stateOf({ type: PAUSE }, reading) });
  return blocks;
}

/** Throws the provider's own error where the body is one, `upstream` where it is no message. */
export function readMessage(body: unknown, reading: Reading): ChatResponse {
  const message = fields(body);
  if (message.type === 'error') throw errorIn(message);
  if (!Array.isArray(message.content)) throw nonsense('an answer without content');
  const blocks: Block[] = [];
  const annotations: Annotation[] = [];
  let length = 0;
  for (const [index, item] of (message.content as readonly unknown[]).entries()) {
    const content = fields(item);
    const block = blockOf(content, reading, index);
    if (!block) continue;
    blocks.push(block);
    if (block.type !== 'text') continue;
    annotations.push(...annotationsOf(list(content.citations), length, length + block.text.length));
    length += block.text.length;
  }
  blocks.push(...lastBlocks(message, reading));
  const usage = fields(message.usage);
  const tier = tierOf(usage);
  const reason = stopReason(message.stop_reason);
  return {
    id: reading.head.id,
    created: reading.head.created,
    model: reading.model,
    ...(tier ? { serviceTier: tier } : {}),
    choices: [{ blocks, reason, ...(annotations.length > 0 ? { annotations } : {}) }],
    usage: usageOf(usage),
  };
}

/**
 * The frames of ConverseStream. A message is `messageStart`, blocks by their index, `messageStop`, and `metadata` with the
 * usage (before or after it, or never). Blocks of text and thoughts open with their first delta, and some models never
 * say that they end.
 */
import type { Json, StopReason, Usage } from '../../core/chat.ts';
import { GatewayError } from '../../core/error.ts';
import type { ChatEvent, StreamBlock } from '../../core/event.ts';
import { count, fields, list, text } from '../json.ts';
import type { Decoder, Frame } from '../wire.ts';
import {
  callOf,
  countSearch,
  finishOf,
  inputText,
  isServerTool,
  readUsage,
  reasoningState,
  redactedOf,
  stopReason,
  toAnnotation,
} from './answer.ts';
import type { AnswerFacts } from './answer.ts';
import { exceptionOf } from './error.ts';

type Fields = Readonly<Record<string, unknown>>;
type Kind = 'text' | 'reasoning' | 'tool_call' | 'opaque' | 'skipped';

interface Growing {
  readonly kind: Kind;
  /** Its index among the answer's blocks; -1 where the client gets nothing of it. */
  readonly out: number;
  /** The first half of a character that the next delta ends. */
  half: string;
  /** Of text: where it began in the text of the whole answer. */
  readonly began: number;
  /** Of thoughts: what was said, to be sent again. */
  said: string;
  signature: string;
  redacted: Uint8Array | undefined;
  /** Of the provider's own tools: the call, or its result, as it is sent again. */
  readonly own: { readonly key: 'toolUse' | 'toolResult'; readonly start: Fields; readonly content: Json[]; input: string } | undefined;
}

export function createDecoder(facts: AnswerFacts): Decoder {
  const { id, created, model, provider, silent } = facts;
  const open = new Map<number, Growing>();
  const searches = new Map<string, number>();
  let events: ChatEvent[] = [];
  let blocks = 0;
  let length = 0;
  /** The last text, for citations that come without one. */
  let cited = { start: 0, end: 0 };
  let pending: { readonly index: number; readonly citation: unknown }[] = [];
  let started = false;
  let called = false;
  let stopped = false;
  let usage: Usage | undefined;
  let metadata = false;
  let over = false;

  return {
    push(frame) {
      if (!over) take(frame);
      return flushed();
    },
    end() {
      if (!over && stopped) finish();
      if (!over) fail(new GatewayError('upstream', 'The provider ended the stream before the end of the answer.'));
      return flushed();
    },
  };

  function flushed(): { readonly events: readonly ChatEvent[] } {
    const batch = { events };
    events = [];
    return batch;
  }

  function fail(error: GatewayError): void {
    over = true;
    events.push({ type: 'error', error });
  }

  function take(frame: Frame): void {
    if (frame.exception) return fail(exceptionOf(frame));
    let payload: Fields;
    try {
      payload = fields(JSON.parse(frame.data));
    } catch (cause) {
      return fail(new GatewayError('upstream', 'The provider sent an event that is not JSON.', { cause }));
    }
    // a frame may hold the event by its name once more
    const named = payload[frame.event];
    dispatch(frame.event, typeof named === 'object' && named !== null ? fields(named) : payload);
  }

  function dispatch(event: string, payload: Fields): void {
    // after the message there is only what is said about it
    if (stopped && event.startsWith('contentBlock')) return;
    switch (event) {
      case 'messageStart':
        return start();
      case 'contentBlockStart':
        return blockStart(count(payload.contentBlockIndex) ?? 0, fields(payload.start));
      case 'contentBlockDelta':
        return blockDelta(count(payload.contentBlockIndex) ?? 0, fields(payload.delta));
      case 'contentBlockStop':
        return close(count(payload.contentBlockIndex) ?? 0);
      case 'messageStop':
        return messageStop(payload.stopReason);
      case 'metadata':
        return readMetadata(payload);
      default:
        // exceptions are frames of their own kind, but for servers that send them as events
        if (event.endsWith('Exception')) fail(exceptionOf({ event, data: JSON.stringify(payload), exception: true }));
    }
  }

  function start(): void {
    if (started) return;
    started = true;
    events.push({ type: 'start', id, model, created });
  }

  function blockStart(index: number, begun: Fields): void {
    start();
    if (begun.toolUse !== undefined) return startTool(index, fields(begun.toolUse));
    if (begun.toolResult === undefined) return;
    const own = { key: 'toolResult' as const, start: fields(begun.toolResult), content: [], input: '' };
    opened(index, 'opaque', { own });
  }

  function startTool(index: number, use: Fields): void {
    if (isServerTool(use)) {
      countSearch(searches, use.name);
      opened(index, 'opaque', { own: { key: 'toolUse', start: use, content: [], input: '' } });
      return;
    }
    if (silent) {
      opened(index, 'skipped', {});
      return;
    }
    called = true;
    const tool: StreamBlock = { type: 'tool_call', ...callOf(use, facts.id, blocks), kind: 'function' };
    const block = opened(index, 'tool_call', { tool });
    if (use.input !== undefined) grow(block, inputText(use.input));
  }

  function opened(index: number, kind: Kind, of: { readonly own?: Growing['own']; readonly tool?: StreamBlock }): Growing {
    // citations of a block may come before its text: they wait for it
    if (open.has(index)) close(index);
    // blocks come one after the other: the next one ends those that nobody ended
    for (const [other, { kind: before }] of open) if (before === 'text' || before === 'reasoning') close(other);
    for (const one of pending) if (one.index !== index && !open.has(one.index)) cite(one.index);
    const out = kind === 'skipped' ? -1 : blocks++;
    const block: Growing = { kind, out, half: '', began: length, said: '', signature: '', redacted: undefined, own: of.own };
    open.set(index, block);
    if (kind === 'skipped') return block;
    events.push({ type: 'block_start', choice: 0, block: out, of: of.tool ?? { type: kind === 'tool_call' ? 'text' : kind } });
    return block;
  }

  function blockDelta(index: number, delta: Fields): void {
    start();
    if (typeof delta.text === 'string') {
      if (delta.text !== '') grow(blockOf(index, 'text'), delta.text);
    } else if (delta.toolUse !== undefined) toolDelta(index, fields(delta.toolUse).input);
    else if (delta.reasoningContent !== undefined) reasoningDelta(index, fields(delta.reasoningContent));
    else if (delta.citation !== undefined) pending.push({ index, citation: delta.citation });
    else if (delta.toolResult !== undefined) resultDelta(index, list(delta.toolResult));
  }

  function blockOf(index: number, kind: 'text' | 'reasoning'): Growing {
    const block = open.get(index);
    return block?.kind === kind ? block : opened(index, kind, {});
  }

  function grow(block: Growing, more: string): void {
    let said = block.half === '' ? more : block.half + more;
    const last = said.charCodeAt(said.length - 1);
    block.half = '';
    if (last >= 0xd800 && last <= 0xdbff) {
      block.half = said.slice(-1);
      said = said.slice(0, -1);
    }
    if (said === '') return;
    if (!said.isWellFormed()) said = said.toWellFormed();
    if (block.kind === 'text') length += said.length;
    events.push({ type: 'block_delta', choice: 0, block: block.out, text: said });
  }

  function toolDelta(index: number, input: unknown): void {
    const block = open.get(index);
    const piece = input === undefined ? '' : inputText(input);
    if (piece === '' || !block) return;
    if (block.kind === 'tool_call') grow(block, piece);
    else if (block.own) block.own.input += piece;
  }

  function reasoningDelta(index: number, delta: Fields): void {
    const said = text(delta.text) ?? '';
    const signature = text(delta.signature) ?? '';
    const redacted = redactedOf(delta) ?? '';
    if (said === '' && signature === '' && redacted === '') return;
    const block = blockOf(index, 'reasoning');
    if (said !== '') {
      block.said += said;
      grow(block, said);
    }
    block.signature += signature;
    if (redacted === '') return;
    const bytes = Buffer.from(redacted, 'base64');
    block.redacted = block.redacted ? Buffer.concat([block.redacted, bytes]) : bytes;
  }

  function resultDelta(index: number, pieces: readonly unknown[]): void {
    const content = open.get(index)?.own?.content;
    if (!content) return;
    for (const piece of pieces) {
      const last = fields(content.at(-1));
      const more = text(fields(piece).text);
      if (more !== undefined && typeof last.text === 'string') content.splice(-1, 1, { text: last.text + more });
      else content.push(fields(piece) as Json);
    }
  }

  function close(index: number): void {
    const block = open.get(index);
    if (block) {
      open.delete(index);
      if (block.half !== '') grow({ ...block, half: '' }, block.half.toWellFormed());
      if (block.kind === 'text') cited = { start: block.began, end: length };
      closeState(block);
      if (block.kind !== 'skipped') events.push({ type: 'block_end', choice: 0, block: block.out });
    }
    cite(index);
  }

  function closeState({ kind, out, said, signature, redacted, own }: Growing): void {
    if (kind === 'reasoning') {
      const encrypted = redacted && Buffer.from(redacted).toString('base64');
      const state = reasoningState({ provider, text: said, signature, redacted: encrypted });
      if (state) events.push({ type: 'block_state', choice: 0, block: out, state });
    }
    if (!own) return;
    const held = own.key === 'toolUse' ? { input: parsed(own.input) } : { content: own.content };
    const data: Json = { [own.key]: { ...(own.start as { readonly [key: string]: Json }), ...held } };
    events.push({ type: 'block_state', choice: 0, block: out, state: { owner: provider, data } });
  }

  /** Citations of a block are about its text; of one that has none, about the text before it. */
  function cite(index: number): void {
    if (pending.length === 0) return;
    const annotations = pending
      .filter((one) => one.index === index)
      .flatMap(({ citation }) => toAnnotation(citation, cited.start, cited.end));
    pending = pending.filter((one) => one.index !== index);
    if (annotations.length > 0) events.push({ type: 'annotations', choice: 0, annotations });
  }

  function messageStop(reason: unknown): void {
    if (stopped) return;
    start();
    for (const index of open.keys()) close(index);
    for (const { index } of pending) cite(index);
    const stop: StopReason | GatewayError = stopReason(reason);
    if (stop instanceof GatewayError) return fail(stop);
    stopped = true;
    events.push({ type: 'finish', choice: 0, reason: finishOf(stop, called) });
    if (metadata) finish();
  }

  function readMetadata(payload: Fields): void {
    start();
    metadata = true;
    usage = readUsage(payload.usage, searches) ?? usage;
    if (stopped) finish();
  }

  function finish(): void {
    over = true;
    if (usage) events.push({ type: 'usage', usage });
    events.push({ type: 'end' });
  }
}

/** The input of a tool that the provider ran: an object, as it is wanted back. */
function parsed(input: string): Json {
  try {
    return input === '' ? {} : (JSON.parse(input) as Json);
  } catch {
    return { input };
  }
}

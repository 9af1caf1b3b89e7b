/** One choice of an answer, from deltas (or a whole message, which is one large delta) to events. */
import type { Json, StopReason, TokenLogprob } from '../../core/chat.ts';
import type { ChatEvent } from '../../core/event.ts';
import { count, fields, list, text } from '../json.ts';
import { createBlockWriter } from './answer-blocks.ts';
import { createCallReader } from './answer-calls.ts';
import type { CallReader } from './answer-calls.ts';
import { createMarkReader, readAnnotations, readSources } from './answer-citations.ts';
import { readLogprobs } from './answer-logprobs.ts';
import { createDetailReader, reasoningOf, thinkingOf } from './answer-reasoning.ts';

type Fields = Readonly<Record<string, unknown>>;
type TextType = 'text' | 'reasoning' | 'refusal';

export interface ChoiceContext {
  readonly choice: number;
  /** Owner of the state that comes with the answer. */
  readonly owner: string;
  /** Ids of calls come from it where the provider gives none. */
  readonly answerId: string;
  /** Log probabilities were asked for. */
  readonly logprobs: boolean;
  readonly reasoningDetails: boolean;
  readonly providerState: boolean;
  /** Marks in the text (`[1]`) may point into a list of sources. */
  readonly marks: boolean;
}

export interface ChoiceReader {
  /** What one entry of `choices` says. */
  read(delta: Fields, logprobs: unknown, out: ChatEvent[]): void;
  /** What a delta says that has a text and nothing else. */
  grow(type: TextType, text: string, out: ChatEvent[]): void;
  /** Closes everything. `sources`: the last chunk that listed what the answer cites. Throws where a call has no name. */
  finish(reason: string, sources: Fields | undefined, out: ChatEvent[]): void;
}

export function createChoiceReader(context: ChoiceContext): ChoiceReader {
  const { choice, owner } = context;
  const details = context.reasoningDetails ? createDetailReader() : undefined;
  const marks = context.marks ? createMarkReader() : undefined;
  const blocks = createBlockWriter(choice);
  let calls: CallReader | undefined;
  let open: { readonly type: TextType; readonly block: number } | undefined;
  /** The reasoning whose state is not whole before the end of the choice. */
  let thought: number | undefined;
  let speech: number | undefined;
  let foreignState: unknown;

  return {
    read(delta, logprobs, out) {
      const { content, refusal, tool_calls: toolCalls } = delta;
      const spelled = context.logprobs ? readLogprobs(logprobs) : undefined;
      if (typeof content === 'string' && !spelled && !saysMore(delta)) {
        grow('text', content, out);
        return;
      }
      think(delta, out);
      const says = typeof refusal === 'string' && refusal !== '' ? 'refusal' : 'text';
      if (typeof content === 'string' && (content !== '' || (spelled && says === 'text' && !isThinking(delta)))) {
        if (spelled && says === 'text') spell('text', { text: content, logprobs: spelled }, out);
        else grow('text', content, out);
      } else if (typeof content === 'object' && content !== null) {
        for (const part of list(content)) readPart(fields(part), out);
      }
      if (says === 'refusal' && spelled) spell('refusal', { text: String(refusal), logprobs: spelled }, out);
      else if (says === 'refusal') grow('refusal', String(refusal), out);
      if (list(toolCalls).length > 0) {
        closeText(out);
        callReader().takeAll(list(toolCalls), out);
      }
      if (typeof delta['function_call'] === 'object' && delta['function_call'] !== null) {
        closeText(out);
        callReader().takeLegacy(delta['function_call'], out);
      }
      if (delta['audio'] !== undefined) speak(fields(delta['audio']), out);
      const annotations = delta['annotations'] === undefined ? [] : readAnnotations(delta['annotations']);
      if (annotations.length > 0) out.push({ type: 'annotations', choice, annotations });
      if (context.providerState && delta['provider_state'] != null) foreignState = delta['provider_state'];
    },
    grow,
    finish(reason, sources, out) {
      closeText(out);
      closeThought(out);
      calls?.close(out);
      if (speech !== undefined) blocks.close(speech, out);
      keepForeign(out);
      const cited = marks && sources ? marks.annotations(readSources(sources)) : [];
      if (cited.length > 0) out.push({ type: 'annotations', choice, annotations: cited });
      out.push({ type: 'finish', choice, reason: stopReason(reason, calls !== undefined && calls.opened() > 0) });
    },
  };

  function think(delta: Fields, out: ChatEvent[]): void {
    const piece = reasoningOf(delta);
    if (piece !== '') grow('reasoning', piece, out);
    if (details && delta['reasoning_details'] != null) details.push(delta['reasoning_details']);
  }

  function readPart(part: Fields, out: ChatEvent[]): void {
    if (part['type'] === 'thinking') grow('reasoning', thinkingOf(part), out);
    else if (part['type'] === 'refusal') grow('refusal', text(part['refusal']) ?? '', out);
    else grow('text', text(part['text']) ?? '', out);
  }

  function callReader(): CallReader {
    return (calls ??= createCallReader({ choice, blocks, owner, answerId: context.answerId }));
  }

  function grow(type: TextType, piece: string, out: ChatEvent[]): void {
    if (piece === '') return;
    if (type === 'reasoning' && thought !== undefined) blocks.grow(thought, piece, out);
    else blocks.grow(blockFor(type, piece, out), piece, out);
  }

  /** The same with the tokens that spell the text, which may be empty. */
  function spell(
    type: 'text' | 'refusal',
    spelled: { readonly text: string; readonly logprobs: readonly TokenLogprob[] },
    out: ChatEvent[],
  ): void {
    blocks.spell(blockFor(type, spelled.text, out), spelled, out);
  }

  /** The block that a piece belongs to, opened where another or none is open. */
  function blockFor(type: TextType, piece: string, out: ChatEvent[]): number {
    if (type === 'text') marks?.push(piece);
    if (open?.type === type) return open.block;
    closeText(out);
    open = { type, block: blocks.open({ type }, out) };
    return open.block;
  }

  /** Reasoning with details stays open to the end: its signature may come behind the text. */
  function closeText(out: ChatEvent[]): void {
    if (!open) return;
    if (open.type === 'reasoning' && details) thought = open.block;
    else blocks.close(open.block, out);
    open = undefined;
  }

  function closeThought(out: ChatEvent[]): void {
    const all = details?.all() ?? [];
    if (thought === undefined && all.length > 0) {
      thought = blocks.open({ type: 'reasoning' }, out);
    }
    if (thought === undefined) return;
    if (all.length > 0) blocks.keep(thought, { owner, data: { reasoning_details: all } }, out);
    blocks.close(thought, out);
  }

  function speak(audio: Fields, out: ChatEvent[]): void {
    const { id, data, transcript, expires_at: expiresAt } = audio;
    const piece = {
      ...(typeof id === 'string' && id !== '' ? { id } : {}),
      ...(typeof data === 'string' ? { data } : {}),
      ...(typeof transcript === 'string' ? { transcript } : {}),
      ...(count(expiresAt) === undefined ? {} : { expiresAt: Number(expiresAt) }),
    };
    if (Object.keys(piece).length === 0) return;
    if (speech === undefined) {
      closeText(out);
      speech = blocks.open({ type: 'speech' }, out);
    }
    blocks.speak(speech, piece, out);
  }

  function keepForeign(out: ChatEvent[]): void {
    if (foreignState === undefined) return;
    // it was parsed from JSON, all of it
    const data = { provider_state: foreignState as Json };
    const block = blocks.open({ type: 'opaque' }, out);
    blocks.keep(block, { owner, data }, out);
    blocks.close(block, out);
  }
}

/** Fields of a message or a delta that say something beside its text. */
const MORE: ReadonlySet<string> = new Set([
  'refusal',
  'tool_calls',
  'function_call',
  'audio',
  'annotations',
  'reasoning_content',
  'reasoning',
  'reasoning_text',
  'thinking',
  'reasoning_details',
  'executed_tools',
  'provider_state',
]);

/** Whether a message or a delta says something beside its content, and beside what `known` holds. */
export function saysMore(message: Fields, known?: string): boolean {
  for (const key in message) {
    if (MORE.has(key) && key !== known && !isEmpty(message[key])) return true;
  }
  return false;
}

const isEmpty = (value: unknown): boolean => value == null || (Array.isArray(value) && value.length === 0);

/** Some servers report the tokens of reasoning too; they spell no content. */
function isThinking(delta: Fields): boolean {
  return reasoningOf(delta) !== '';
}

const LENGTH: ReadonlySet<string> = new Set(['length', 'max_tokens', 'model_length', 'max_output_tokens', 'max_length']);
const FILTERED: ReadonlySet<string> = new Set([
  'content_filter',
  'content_filtered',
  'sensitive',
  'safety',
  'prohibited_content',
  'guardrail',
]);
/** The model did not end: its server gave up. */
const FAILED: ReadonlySet<string> = new Set([
  'error',
  'abort',
  'cancelled',
  'network_error',
  'insufficient_system_resource',
  'malformed_function_call',
]);

/** A choice that called tools ends with `tool_calls` whatever the provider says, one that did not never does. Unknown words are a `stop`. */
export function stopReason(word: string, called: boolean): StopReason {
  const reason = word.toLowerCase();
  if (LENGTH.has(reason)) return 'length';
  if (FILTERED.has(reason)) return 'content_filter';
  return called ? 'tool_calls' : 'stop';
}

/** Words for an end that is a failure. */
export function isFailure(word: string): boolean {
  return FAILED.has(word.toLowerCase());
}

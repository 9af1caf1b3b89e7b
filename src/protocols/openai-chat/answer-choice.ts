/** One choice of an answer, from deltas (or a whole message, which is one large delta) to events. */
import type { Json, StopReason } from '../../core/chat.ts';
import type { ChatEvent } from '../../core/event.ts';
import { count, fields, list, text } from '../json.ts';
import { createBlockWriter } from './answer-blocks.ts';
import { createCallReader } from './answer-calls.ts';
import { createMarkReader, readAnnotations, readSources } from './answer-citations.ts';
import { readLogprobs } from './answer-logprobs.ts';
import { createDetailReader, reasoningOf, thinkingOf } from './answer-reasoning.ts';

type Fields = Readonly<Record<string, unknown>>;
type TextType = 'text' | 'reasoning' | 'refusal';

export interface ChoiceContext {
  readonly choice: number;
  /** Owner of the state that comes with the answer. */
  readonly owner: string;
  readonly seed: string;
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
  /** Closes everything. `sources`: the last chunk that listed what the answer cites. Throws where a call has no name. */
  finish(reason: string, sources: Fields | undefined, out: ChatEvent[]): void;
}

export function createChoiceReader(context: ChoiceContext): ChoiceReader {
  const { choice, owner } = context;
  const details = context.reasoningDetails ? createDetailReader() : undefined;
  const marks = context.marks ? createMarkReader() : undefined;
  const blocks = createBlockWriter(choice);
  const calls = createCallReader({ choice, blocks, owner, seed: context.seed });
  let open: { readonly type: TextType; readonly block: number } | undefined;
  /** The reasoning whose state is not whole before the end of the choice. */
  let thought: number | undefined;
  let speech: number | undefined;
  let foreignState: unknown;

  return {
    read(delta, logprobs, out) {
      think(delta, out);
      const { content, refusal, tool_calls: toolCalls } = delta;
      const spelled = context.logprobs ? readLogprobs(logprobs) : undefined;
      const says = typeof refusal === 'string' && refusal !== '' ? 'refusal' : 'text';
      if (typeof content === 'string' && (content !== '' || (spelled && says === 'text' && !isThinking(delta)))) {
        grow({ type: 'text', piece: content, ...(spelled && says === 'text' ? { logprobs: spelled } : {}) }, out);
      } else if (typeof content === 'object' && content !== null) {
        for (const part of list(content)) readPart(fields(part), out);
      }
      if (says === 'refusal') grow({ type: 'refusal', piece: String(refusal), ...(spelled ? { logprobs: spelled } : {}) }, out);
      if (list(toolCalls).length > 0) {
        closeText(out);
        calls.takeAll(list(toolCalls), out);
      }
      if (typeof delta['function_call'] === 'object' && delta['function_call'] !== null) {
        closeText(out);
        calls.takeLegacy(delta['function_call'], out);
      }
      if (delta['audio'] !== undefined) speak(fields(delta['audio']), out);
      const annotations = delta['annotations'] === undefined ? [] : readAnnotations(delta['annotations']);
      if (annotations.length > 0) out.push({ type: 'annotations', choice, annotations });
      if (context.providerState && delta['provider_state'] != null) foreignState = delta['provider_state'];
    },
    finish(reason, sources, out) {
      closeText(out);
      closeThought(out);
      calls.close(out);
      if (speech !== undefined) blocks.close(speech, out);
      keepForeign(out);
      const cited = marks && sources ? marks.annotations(readSources(sources)) : [];
      if (cited.length > 0) out.push({ type: 'annotations', choice, annotations: cited });
      out.push({ type: 'finish', choice, reason: stopReason(reason, calls.opened() > 0) });
    },
  };

  function think(delta: Fields, out: ChatEvent[]): void {
    const piece = reasoningOf(delta);
    if (piece !== '') grow({ type: 'reasoning', piece }, out);
    if (details && delta['reasoning_details'] != null) details.push(delta['reasoning_details']);
  }

  function readPart(part: Fields, out: ChatEvent[]): void {
    if (part['type'] === 'thinking') grow({ type: 'reasoning', piece: thinkingOf(part) }, out);
    else if (part['type'] === 'refusal') grow({ type: 'refusal', piece: text(part['refusal']) ?? '' }, out);
    else grow({ type: 'text', piece: text(part['text']) ?? '' }, out);
  }

  function grow(
    added: { readonly type: TextType; readonly piece: string; readonly logprobs?: ReturnType<typeof readLogprobs> },
    out: ChatEvent[],
  ): void {
    const { type, piece, logprobs } = added;
    if (piece === '' && !logprobs) return;
    if (type === 'text') marks?.push(piece);
    if (type === 'reasoning' && thought !== undefined) {
      blocks.grow(thought, piece, out);
      return;
    }
    if (open?.type !== type) {
      closeText(out);
      open = { type, block: blocks.open({ type }, out) };
    }
    if (logprobs) blocks.spell(open.block, { text: piece, logprobs }, out);
    else blocks.grow(open.block, piece, out);
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
function stopReason(word: string, called: boolean): StopReason {
  const reason = word.toLowerCase();
  if (LENGTH.has(reason)) return 'length';
  if (FILTERED.has(reason)) return 'content_filter';
  return called ? 'tool_calls' : 'stop';
}

/** Words for an end that is a failure. */
export function isFailure(word: string): boolean {
  return FAILED.has(word.toLowerCase());
}

/** Answers, whole or chunk by chunk, as events. A whole one reads like a stream of a single chunk. */
import type { Usage } from '../../core/chat.ts';
import { GatewayError } from '../../core/error.ts';
import type { ChatEvent } from '../../core/event.ts';
import { fields, list, text } from '../json.ts';
import type { AnswerHead } from '../wire.ts';
import { createCandidate } from './candidate.ts';
import type { Candidate } from './candidate.ts';
import { errorFields, googleError } from './error.ts';
import { finishOf } from './finish.ts';
import type { Finish } from './finish.ts';
import type { Signer } from './state.ts';
import { readTier, readUsage } from './usage.ts';

type Fields = Readonly<Record<string, unknown>>;

export interface AnswerOptions {
  readonly head: AnswerHead;
  /** What the answer calls the model. */
  readonly model: string;
  readonly signer: Signer;
  /** Keep the text: needed to say where it cites what. */
  readonly keepText: boolean;
}

export interface AnswerReader {
  /** What a chunk adds. After an `error` event everything is passed over. */
  read(chunk: unknown): readonly ChatEvent[];
  /**
   * What the end of the bytes adds. The protocol has no end of its own: it is there when every candidate has its
   * reason to finish, which may come more than once and be followed by counts.
   */
  end(): readonly ChatEvent[];
}

interface Told {
  readonly candidate: Candidate;
  finish: Finish | undefined;
  /** The provider's words for the end. */
  message: string | undefined;
}

const NONE: readonly ChatEvent[] = [];

export function createAnswerReader({ head, model, signer, keepText }: AnswerOptions): AnswerReader {
  const told: (Told | undefined)[] = [];
  const idPrefix = `${head.id
    .replace(/^chatcmpl-/, '')
    .replace(/[^A-Za-z0-9]/g, '')
    .slice(-24)}_`;
  let events: ChatEvent[] = [];
  let started = false;
  let over = false;
  let usage: Usage | undefined;
  /** The prompt was refused; the provider's words for it, where it has any. */
  let blocked: { readonly words: string | undefined } | undefined;
  const emit = (event: ChatEvent): void => void events.push(event);

  return {
    read(chunk) {
      if (over) return NONE;
      events = [];
      const error = errorFields(chunk);
      if (error) fail(googleError(error));
      else if (Array.isArray(chunk)) for (const one of list(chunk)) take(fields(one));
      else take(fields(chunk));
      return events;
    },
    end() {
      if (over) return NONE;
      events = [];
      close();
      over = true;
      return events;
    },
  };

  function fail(error: GatewayError): void {
    if (!over) emit({ type: 'error', error });
    over = true;
  }

  function take(chunk: Fields): void {
    const { candidates, promptFeedback, usageMetadata } = chunk;
    if (over || (candidates === undefined && promptFeedback === undefined && usageMetadata === undefined)) return;
    if (!started) begin(usageMetadata);
    usage = readUsage(usageMetadata) ?? usage;
    takeFeedback(fields(promptFeedback));
    for (const [at, candidate] of list(candidates).entries()) takeCandidate(fields(candidate), at);
  }

  function begin(metadata: unknown): void {
    started = true;
    const serviceTier = readTier(metadata);
    emit({ type: 'start', id: head.id, model, created: head.created, ...(serviceTier === undefined ? {} : { serviceTier }) });
  }

  function takeFeedback(feedback: Fields): void {
    const reason = text(feedback['blockReason']);
    if (reason && !reason.endsWith('_UNSPECIFIED')) blocked = { words: text(feedback['blockReasonMessage']) };
  }

  function takeCandidate(candidate: Fields, at: number): void {
    if (Object.keys(candidate).length === 0) return;
    const index = candidate['index'];
    const choice = typeof index === 'number' && Number.isInteger(index) && index >= 0 && index < 128 ? index : at;
    const known = (told[choice] ??= {
      candidate: createCandidate({ choice, signer, idPrefix, keepText, emit }),
      finish: undefined,
      message: undefined,
    });
    known.candidate.read(candidate);
    const reason = text(candidate['finishReason']);
    if (!reason || reason === 'FINISH_REASON_UNSPECIFIED') return;
    known.message = text(candidate['finishMessage']);
    known.finish = finishOf(reason, known.message);
    if ('error' in known.finish) fail(known.finish.error);
  }

  function close(): void {
    if (blocked && told.length === 0) return closeBlocked(blocked.words);
    // a hole in the list is a choice that never came
    const choices = Array.from(told, (one) => (one?.finish && 'reason' in one.finish ? { ...one, reason: one.finish.reason } : undefined));
    if (!started || choices.length === 0 || choices.includes(undefined)) {
      return fail(new GatewayError('upstream', 'The provider stopped before the end of its answer.'));
    }
    let searches = 0;
    for (const [choice, one] of choices.entries()) {
      if (!one) continue;
      if (one.reason === 'content_filter' && !one.candidate.spoke && one.message) refuse(choice, one.message);
      searches += one.candidate.finish(one.reason);
    }
    if (usage) emit({ type: 'usage', usage: searches > 0 ? { ...usage, providerTools: { web_search: searches } } : usage });
    emit({ type: 'end' });
  }

  /** A prompt that was refused has no candidates: the answer is a choice that says so. */
  function closeBlocked(words: string | undefined): void {
    if (words) refuse(0, words);
    emit({ type: 'finish', choice: 0, reason: 'content_filter' });
    if (usage) emit({ type: 'usage', usage });
    emit({ type: 'end' });
  }

  function refuse(choice: number, words: string): void {
    // behind all that the candidate itself may have opened
    const block = told[choice]?.candidate.blocks ?? 0;
    emit({ type: 'block_start', choice, block, of: { type: 'refusal' } });
    emit({ type: 'block_delta', choice, block, text: words });
    emit({ type: 'block_end', choice, block });
  }
}

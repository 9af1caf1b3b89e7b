/**
 * An answer as it happens. A stream is: one `start`; blocks of the choices, each opened, grown and closed;
 * one `finish` per choice; `usage` where it is known; then `end`. A failure is `error`, and nothing follows it.
 */
import type { Annotation, Block, ChatResponse, Choice, ProviderState, SpeechBlock, StopReason, TokenLogprob, Usage } from './chat.ts';
import { GatewayError } from './error.ts';

/** What a block is, known when it opens. An `opaque` one and `speech` grow by events of their own, not by deltas. */
export type StreamBlock =
  | { readonly type: 'text' }
  | { readonly type: 'reasoning' }
  | { readonly type: 'refusal' }
  | { readonly type: 'opaque' }
  | { readonly type: 'speech' }
  | { readonly type: 'tool_call'; readonly id: string; readonly kind: 'function' | 'custom'; readonly name: string };

export type ChatEvent =
  | {
      readonly type: 'start';
      readonly id: string;
      readonly model: string;
      readonly created: number;
      readonly fingerprint?: string;
      readonly serviceTier?: string;
    }
  | { readonly type: 'block_start'; readonly choice: number; readonly block: number; readonly of: StreamBlock }
  | {
      readonly type: 'block_delta';
      readonly choice: number;
      readonly block: number;
      /** Whole characters only; never half a surrogate pair. */
      readonly text: string;
      readonly logprobs?: readonly TokenLogprob[];
    }
  /** More of a spoken answer: pieces of base64 and of the transcript, joined as they come. */
  | { readonly type: 'speech_delta'; readonly choice: number; readonly block: number; readonly speech: Partial<Omit<SpeechBlock, 'type'>> }
  /** The provider's state of this block, whole; at any time before the block ends. */
  | { readonly type: 'block_state'; readonly choice: number; readonly block: number; readonly state: ProviderState }
  | { readonly type: 'block_end'; readonly choice: number; readonly block: number }
  | { readonly type: 'annotations'; readonly choice: number; readonly annotations: readonly Annotation[] }
  | { readonly type: 'finish'; readonly choice: number; readonly reason: StopReason }
  /** `serviceTier`: where it is known at the end alone. */
  | { readonly type: 'usage'; readonly usage: Usage; readonly serviceTier?: string }
  | { readonly type: 'end' }
  | { readonly type: 'error'; readonly error: GatewayError };

/** What came in one read: events, and the upstream's own frame where it may pass unchanged. */
export interface Batch {
  readonly events: readonly ChatEvent[];
  readonly raw?: string;
}

/** Nothing follows these events: the last of them is the stream's end, or its failure. */
export function isOver(events: readonly ChatEvent[]): boolean {
  const last = events.at(-1)?.type;
  return last === 'end' || last === 'error';
}

interface GrowingBlock {
  readonly of: StreamBlock;
  text: string;
  state: ProviderState | undefined;
  speech: Omit<SpeechBlock, 'type'> | undefined;
}

interface Growing {
  readonly blocks: (GrowingBlock | undefined)[];
  /** Undefined where no delta had any. */
  logprobs: TokenLogprob[] | undefined;
  annotations: Annotation[] | undefined;
  reason: StopReason | undefined;
}

/** What is still being filled in. */
type Writable<T> = { -readonly [K in keyof T]: T[K] };

const NO_SPEECH: Omit<SpeechBlock, 'type'> = { id: '', data: '', transcript: '', expiresAt: 0 };

function toBlock({ of, text, state, speech }: GrowingBlock): Block | undefined {
  switch (of.type) {
    case 'tool_call': {
      const { id, kind, name } = of;
      return state ? { type: 'tool_call', id, kind, name, input: text, state } : { type: 'tool_call', id, kind, name, input: text };
    }
    case 'text':
    case 'reasoning':
      return state ? { type: of.type, text, state } : { type: of.type, text };
    case 'refusal':
      return { type: 'refusal', text };
    case 'opaque':
      return state && { type: 'opaque', state };
    case 'speech':
      return { type: 'speech', ...(speech ?? NO_SPEECH) };
    default:
      return assertNever(of);
  }
}

/** Collects the events of one stream into a whole answer. */
export interface Folder {
  /** Throws the stream's own error where it holds one. */
  push(events: readonly ChatEvent[]): void;
  /** Throws `upstream` where the stream stopped without an end: half an answer is never passed off as a whole one. */
  end(): ChatResponse;
}

export function createFolder(): Folder {
  let head: Extract<ChatEvent, { type: 'start' }> | undefined;
  let usage: Usage | undefined;
  let tier: string | undefined;
  let ended = false;
  const choices: Growing[] = [];
  const at = (index: number): Growing =>
    (choices[index] ??= { blocks: [], logprobs: undefined, annotations: undefined, reason: undefined });

  function take(event: ChatEvent): void {
    switch (event.type) {
      case 'start':
        head = event;
        tier = event.serviceTier;
        return;
      case 'block_start':
        at(event.choice).blocks[event.block] = { of: event.of, text: '', state: undefined, speech: undefined };
        return;
      case 'block_delta': {
        const choice = at(event.choice);
        const block = choice.blocks[event.block];
        if (block) block.text += event.text;
        if (event.logprobs) (choice.logprobs ??= []).push(...event.logprobs);
        return;
      }
      case 'speech_delta': {
        const block = at(event.choice).blocks[event.block];
        if (block) block.speech = joined(block.speech ?? NO_SPEECH, event.speech);
        return;
      }
      case 'block_state': {
        const block = at(event.choice).blocks[event.block];
        if (block) block.state = event.state;
        return;
      }
      case 'annotations':
        (at(event.choice).annotations ??= []).push(...event.annotations);
        return;
      case 'finish':
        at(event.choice).reason = event.reason;
        return;
      case 'usage':
        usage = event.usage;
        tier = event.serviceTier ?? tier;
        return;
      case 'end':
        ended = true;
        return;
      case 'error':
        throw event.error;
      case 'block_end':
        return;
      default:
        assertNever(event);
    }
  }

  return {
    push(events) {
      for (const event of events) take(event);
    },
    end() {
      if (!head || !ended) throw new GatewayError('upstream', 'The model stopped before the end of its answer.');
      const { id, model, created, fingerprint } = head;
      const made: Writable<ChatResponse> = { id, model, created, choices: Array.from(choices, finished), usage };
      if (fingerprint !== undefined) made.fingerprint = fingerprint;
      if (tier !== undefined) made.serviceTier = tier;
      return made;
    },
  };
}

function joined(speech: Omit<SpeechBlock, 'type'>, more: Partial<Omit<SpeechBlock, 'type'>>): Omit<SpeechBlock, 'type'> {
  return {
    id: more.id ?? speech.id,
    data: speech.data + (more.data ?? ''),
    transcript: speech.transcript + (more.transcript ?? ''),
    expiresAt: more.expiresAt ?? speech.expiresAt,
  };
}

function finished(choice: Growing | undefined, index: number): Choice {
  if (!choice?.reason) throw new GatewayError('upstream', `The model never finished choice ${index}.`);
  const { reason, logprobs, annotations } = choice;
  const blocks: Block[] = [];
  // by index: a hole in the list is a block that never was
  for (const growing of choice.blocks) {
    const block = growing && toBlock(growing);
    if (block) blocks.push(block);
  }
  const made: Writable<Choice> = { blocks, reason };
  if (logprobs) made.logprobs = logprobs;
  if (annotations && annotations.length > 0) made.annotations = annotations;
  return made;
}

/** The whole answer that a stream of batches makes; throws as `createFolder` says. */
export async function fold(batches: AsyncIterable<Batch>): Promise<ChatResponse> {
  const folder = createFolder();
  for await (const { events } of batches) folder.push(events);
  return folder.end();
}

/** For the default of a switch over one of our own unions: a missing case fails the type check. */
export function assertNever(value: never): never {
  throw new Error(`unexpected ${JSON.stringify(value)}`);
}

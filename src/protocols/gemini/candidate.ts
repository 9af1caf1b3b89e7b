/** One candidate of an answer, whole or chunk by chunk, as the events of a choice. */
import type { ProviderState, StopReason } from '../../core/chat.ts';
import type { ChatEvent, StreamBlock } from '../../core/event.ts';
import { fields, list, text } from '../json.ts';
import { readAnnotations, searchesOf } from './grounding.ts';
import { createArgsWriter } from './partial-args.ts';
import type { ArgsWriter } from './partial-args.ts';
import { keptPart, signed, signedThought } from './state.ts';
import type { Signer } from './state.ts';
import { readLogprobs } from './usage.ts';

type Fields = Readonly<Record<string, unknown>>;

export interface CandidateOptions {
  readonly choice: number;
  readonly signer: Signer;
  /** Begins the ids of calls and of speech that the provider gave none: unique in the conversation. */
  readonly idPrefix: string;
  /** Keep the text, to find in it what is cited; else a citation stands for all of it. */
  readonly keepText: boolean;
  readonly emit: (event: ChatEvent) => void;
}

export interface Candidate {
  read(candidate: Fields): void;
  /** Closes what is open; `reason` is the end that the provider gave. Returns how many searches were made. */
  finish(reason: StopReason): number;
  /** Something to be read or called came. */
  readonly spoke: boolean;
  /** Blocks there are: the index of the next. */
  readonly blocks: number;
}

/** The block that grows. `writer` makes the arguments of a call that comes in pieces; `thought` is its text so far. */
interface Open {
  readonly type: StreamBlock['type'];
  readonly block: number;
  readonly writer?: ArgsWriter;
  thought: string;
  empty: boolean;
  /** A high surrogate that waits for its other half. */
  half: string;
}

/** Parts of the provider's own: what it ran, drew or fetched, shown again to it and to nobody else. */
const OWN_PARTS = ['executableCode', 'codeExecutionResult', 'toolCall', 'toolResponse', 'inlineData', 'fileData'];

export function createCandidate({ choice, signer, idPrefix, keepText, emit }: CandidateOptions): Candidate {
  const ids = new Set<string>();
  /** Where parts of the first chunk began: the only ones that a citation counts. */
  const starts: number[] = [];
  let open: Open | undefined;
  let blocks = 0;
  let calls = 0;
  let spoke = false;
  let said = '';
  let length = 0;
  let firstChunk = true;
  let grounding: unknown;
  let citations: unknown;
  let logprobs: ReturnType<typeof readLogprobs>;

  return {
    get spoke() {
      return spoke;
    },
    get blocks() {
      return blocks;
    },
    read(candidate) {
      logprobs = candidate['logprobsResult'] === undefined ? undefined : readLogprobs(candidate['logprobsResult']);
      for (const part of list(fields(candidate['content'])['parts'])) {
        if (firstChunk) starts.push(length);
        takePart(fields(part));
      }
      firstChunk = false;
      grounding = candidate['groundingMetadata'] ?? grounding;
      citations = candidate['citationMetadata'] ?? citations;
    },
    finish(reason) {
      // a call that a limit cut off stays cut off: closing it would make up what it says
      if (open?.writer && reason === 'length') endBlock();
      else close();
      const annotations = readAnnotations(grounding, citations, { ...(keepText ? { text: said } : {}), length, parts: starts });
      if (annotations.length > 0) emit({ type: 'annotations', choice, annotations });
      emit({ type: 'finish', choice, reason: reason === 'stop' && calls > 0 ? 'tool_calls' : reason });
      return searchesOf(grounding);
    },
  };

  function takePart(part: Fields): void {
    const signature = text(part['thoughtSignature']) || undefined;
    const spoken = text(part['text']);
    if (spoken) return takeText(spoken, part['thought'] === true ? 'reasoning' : 'text', signature);
    if (part['functionCall'] !== undefined) return takeCall(fields(part['functionCall']), signature);
    if (part['inlineData'] !== undefined && isSpeech(fields(part['inlineData']))) return takeSpeech(fields(part['inlineData']));
    if (OWN_PARTS.some((name) => part[name] !== undefined)) return takeOwn(part, signature);
    // the signature of a streamed text comes alone, at its end
    if (signature !== undefined) sign(part['thought'] === true ? 'reasoning' : 'text', signature);
  }

  function start(of: StreamBlock, writer?: ArgsWriter): Open {
    close();
    const block = blocks++;
    emit({ type: 'block_start', choice, block, of });
    return (open = { type: of.type, block, thought: '', empty: true, half: '', ...(writer ? { writer } : {}) });
  }

  function grow(to: Open, added: string): void {
    if (added === '') return;
    to.empty = false;
    const whole = withoutHalf(to, added);
    const spelled = to.type === 'text' ? logprobs : undefined;
    if (whole === '') return;
    if (!spelled) {
      emit({ type: 'block_delta', choice, block: to.block, text: whole });
      return;
    }
    logprobs = undefined;
    emit({ type: 'block_delta', choice, block: to.block, text: whole, logprobs: spelled });
  }

  function keep(state: ProviderState): void {
    if (open) emit({ type: 'block_state', choice, block: open.block, state });
  }

  /** Ends the block, and completes a call that came in pieces. */
  function close(): void {
    if (open?.writer) grow(open, open.writer.end());
    endBlock();
  }

  function endBlock(): void {
    if (open && open.half !== '') emit({ type: 'block_delta', choice, block: open.block, text: '\ufffd' });
    if (open) emit({ type: 'block_end', choice, block: open.block });
    open = undefined;
  }

  function takeText(spoken: string, type: 'text' | 'reasoning', signature: string | undefined): void {
    spoke = true;
    // what is signed is signed by itself, never together with text before it
    const goesOn = open?.type === type && (signature === undefined || open.empty);
    const block = goesOn && open ? open : start({ type });
    if (type === 'reasoning') block.thought += spoken;
    else {
      length += spoken.length;
      if (keepText) said += spoken;
    }
    grow(block, spoken);
    if (signature !== undefined) sign(type, signature);
  }

  /** The signed block is over. */
  function sign(type: 'text' | 'reasoning', signature: string): void {
    const block = open?.type === type ? open : start({ type });
    keep(type === 'text' ? signed(signer, signature) : signedThought(signer, { text: block.thought, signature }));
    endBlock();
  }

  /**
   * A call comes whole, with a name, or in pieces: the name, then parts of the arguments, then an empty end, which has
   * been seen to be missing.
   */
  function takeCall(call: Fields, signature: string | undefined): void {
    const name = text(call['name']) || undefined;
    const pieces = call['partialArgs'];
    const more = call['willContinue'] === true || list(pieces).some((piece) => fields(piece)['willContinue'] === true);
    if (name !== undefined) {
      spoke = true;
      start({ type: 'tool_call', id: callId(text(call['id'])), kind: 'function', name }, createArgsWriter());
    }
    if (!open?.writer) return;
    if (signature !== undefined) keep(signed(signer, signature));
    if (name !== undefined && !more && pieces === undefined) return takeWhole(open, call['args']);
    grow(open, open.writer.push(pieces) + open.writer.whole(fields(call['args'])));
    if (!more) close();
  }

  function takeWhole(block: Open, args: unknown): void {
    grow(block, typeof args === 'string' && args !== '' ? args : JSON.stringify(fields(args)));
    endBlock();
  }

  function callId(given: string | undefined): string {
    const id = given && !ids.has(given) ? given : `call_${idPrefix}${choice}_${calls}`;
    calls++;
    ids.add(id);
    return id;
  }

  function takeSpeech(data: Fields): void {
    spoke = true;
    const going = open?.type === 'speech' ? open : undefined;
    const block = going ?? start({ type: 'speech' });
    const speech = { data: text(data['data']) ?? '', ...(going ? {} : { id: `audio_${idPrefix}${choice}`, transcript: '', expiresAt: 0 }) };
    emit({ type: 'speech_delta', choice, block: block.block, speech });
  }

  function takeOwn(part: Fields, signature: string | undefined): void {
    // a sketch on the way to the picture
    if (part['thought'] === true && signature === undefined) return;
    start({ type: 'opaque' });
    keep(keptPart(signer, part));
    endBlock();
  }
}

/** The text with what waited before it, without a half character at its end, which waits now. */
function withoutHalf(to: Open, added: string): string {
  const whole = to.half === '' ? added : to.half + added;
  const last = whole.charCodeAt(whole.length - 1);
  const cut = last >= 0xd800 && last <= 0xdbff;
  to.half = cut ? whole.slice(-1) : '';
  return cut ? whole.slice(0, -1) : whole;
}

const isSpeech = (data: Fields): boolean => /^audio\/(?:l16|pcm)/i.test(text(data['mimeType']) ?? '');

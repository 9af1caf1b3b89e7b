/** The blocks of one choice as events: numbered as they open, and grown by whole characters. */
import type { ProviderState, SpeechBlock, TokenLogprob } from '../../core/chat.ts';
import type { ChatEvent, StreamBlock } from '../../core/event.ts';

export interface BlockWriter {
  /** Opens a block and gives its number. */
  open(of: StreamBlock, out: ChatEvent[]): number;
  grow(block: number, text: string, out: ChatEvent[]): void;
  /** The same with the tokens that spell the text. */
  spell(block: number, spelled: { readonly text: string; readonly logprobs: readonly TokenLogprob[] }, out: ChatEvent[]): void;
  speak(block: number, speech: Partial<Omit<SpeechBlock, 'type'>>, out: ChatEvent[]): void;
  keep(block: number, state: ProviderState, out: ChatEvent[]): void;
  close(block: number, out: ChatEvent[]): void;
}

export function createBlockWriter(choice: number): BlockWriter {
  let blocks = 0;
  /** By block, a high surrogate that waits for its other half: some servers cut between them. */
  let halves: Map<number, string> | undefined;

  return {
    open(of, out) {
      const block = blocks++;
      out.push({ type: 'block_start', choice, block, of });
      return block;
    },
    grow(block, piece, out) {
      const text = wholeCharacters(block, piece);
      if (text !== '') out.push({ type: 'block_delta', choice, block, text });
    },
    spell(block, { text, logprobs }, out) {
      out.push({ type: 'block_delta', choice, block, text: wholeCharacters(block, text), logprobs });
    },
    speak(block, speech, out) {
      out.push({ type: 'speech_delta', choice, block, speech });
    },
    keep(block, state, out) {
      out.push({ type: 'block_state', choice, block, state });
    },
    close(block, out) {
      const half = halves?.get(block);
      halves?.delete(block);
      if (half !== undefined) out.push({ type: 'block_delta', choice, block, text: half.toWellFormed() });
      out.push({ type: 'block_end', choice, block });
    },
  };

  function wholeCharacters(block: number, piece: string): string {
    const half = halves?.get(block);
    const text = half === undefined ? piece : half + piece;
    const last = text.charCodeAt(text.length - 1);
    const cut = last >= 0xd800 && last <= 0xdbff;
    if (cut) (halves ??= new Map()).set(block, text.slice(-1));
    else if (half !== undefined) halves?.delete(block);
    const whole = cut ? text.slice(0, -1) : text;
    return whole.isWellFormed() ? whole : whole.toWellFormed();
  }
}

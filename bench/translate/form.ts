/** Answers in the form of one protocol: the bytes of a stream, and the text of a whole one. */
import type { Said } from './content.ts';

export interface Form {
  /** Words that one piece of a stream holds. */
  readonly words: number;
  readonly framing: 'sse' | 'aws-eventstream';
  /** The bytes of each event. */
  stream(said: Said): readonly Uint8Array[];
  whole(said: Said): unknown;
}

const utf8 = new TextEncoder();

/** `event: …` is written where the event has a name. */
export function sse(value: unknown, event = ''): Uint8Array {
  const data = typeof value === 'string' ? value : JSON.stringify(value);
  return utf8.encode(`${event === '' ? '' : `event: ${event}\n`}data: ${data}\n\n`);
}

export const joined = (pieces: readonly string[]): string => pieces.join('');

/** Letters and digits that say nothing, as signatures and padding do. */
export function noise(length: number): string {
  const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';
  return Array.from({ length }, (_, at) => letters[(at * 31 + (at >> 3) * 7) % letters.length]).join('');
}

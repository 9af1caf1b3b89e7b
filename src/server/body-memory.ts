/** What is known of a body from requests before it, and what is kept of it for those that come after. */
import type { Outline, Place } from './body-outline.ts';
import { REACHES } from './known-messages.ts';
import type { Beginning, KnownMessages, Reach } from './known-messages.ts';
import type { Asked, Known, KnownTools } from './known-tools.ts';

const TOOLS = 'tools';
export const MESSAGES = 'messages';

/** Who sends it, of whom something may be known already. */
export interface Sender {
  /** The id of the principal. */
  readonly id: string;
  readonly tools: KnownTools;
  readonly messages: KnownMessages;
}

export interface BodyText {
  readonly text: string;
  readonly bytes: Buffer;
  /** Which byte a character is. */
  readonly byteAt: (character: number) => number;
}

/** A part of the text that need not be parsed. */
export interface KnownPart extends Place {
  /** What stands for it in the text that is parsed. */
  readonly instead: string;
  /** Puts what is known in its place. */
  readonly complete: (value: Record<string, unknown>) => void;
}

interface Found<T> {
  /** Where the value begins. */
  readonly from: number;
  readonly known: T | undefined;
}

export class BodyMemory {
  readonly #body: BodyText;
  readonly #sender: Sender;
  readonly #asked: Asked;
  // looked for once each: where they begin in bytes is counted from the start
  #tools: Found<Known> | undefined;
  #messages: Found<Beginning> | undefined;

  constructor(body: BodyText, sender: Sender, depth: number) {
    this.#body = body;
    this.#sender = sender;
    this.#asked = { owner: sender.id, depth };
  }

  /** For the outline, as it comes to the colon of a field. */
  knownUpTo(name: string, from: number): { readonly to: number; readonly open: number } | undefined {
    const { bytes, byteAt } = this.#body;
    if (name === TOOLS && !this.#tools) {
      const known = this.#sender.tools.find(bytes, byteAt(from), this.#asked);
      this.#tools = { from, known };
      return known && { to: from + known.characters, open: 0 };
    }
    if (name === MESSAGES && !this.#messages) {
      const known = this.#sender.messages.find(bytes, byteAt(from), this.#asked);
      this.#messages = { from, known };
      return known && { to: from + known.characters, open: 1 };
    }
    return undefined;
  }

  /** In the order of the text. Of two fields of one name the last counts, and what was found of the first is nothing to it. */
  parts({ places }: Outline): readonly KnownPart[] {
    const parts: KnownPart[] = [];
    const tools = isAt(this.#tools, places.get(TOOLS));
    if (tools) {
      const { from, known } = tools;
      parts.push({ from, to: from + known.characters, instead: '0', complete: (value) => (value[TOOLS] = known.value) });
    }
    const messages = isAt(this.#messages, places.get(MESSAGES));
    if (messages) {
      const { from, known } = messages;
      parts.push({
        from,
        to: from + known.characters,
        instead: '[0',
        complete: (value) => (value[MESSAGES] = whole(known, value[MESSAGES])),
      });
    }
    return parts.length === 2 ? parts.toSorted((one, other) => one.from - other.from) : parts;
  }

  /** What of it is new. */
  keep(value: Readonly<Record<string, unknown>>, { places, commas }: Outline): void {
    const tools = places.get(TOOLS);
    if (tools && !isAt(this.#tools, tools)) {
      this.#sender.tools.keep(this.#body.text.slice(tools.from, tools.to), value[TOOLS], this.#asked);
    }
    const place = places.get(MESSAGES);
    const messages = value[MESSAGES];
    if (!place || !Array.isArray(messages) || !messages.some(isAnswer)) return;
    const known = isAt(this.#messages, place)?.known;
    if (known?.isWhole && known.count === messages.length) return;
    const first = (known?.count ?? 1) + commas.count - commas.last.length;
    const ends = commas.last
      .slice(-REACHES + 1)
      .map((at, index, { length }) => ({ at, count: first + commas.last.length - length + index }));
    if (first + commas.last.length !== messages.length) return;
    const reaches = this.#reaches(place, [...ends, { at: endOfLast(this.#body.text, place), count: messages.length }]);
    const written = this.#body.bytes.subarray(this.#body.byteAt(place.from));
    this.#sender.messages.keep({ written, messages, reaches }, this.#asked, known);
  }

  #reaches({ from }: Place, ends: readonly { readonly at: number; readonly count: number }[]): readonly Reach[] {
    const { text, bytes } = this.#body;
    const isAscii = text.length === bytes.length;
    let bytesUpTo = 0;
    let before = from;
    return ends.map(({ at, count }) => {
      bytesUpTo += isAscii ? at - before : Buffer.byteLength(text.slice(before, at));
      before = at;
      return { bytes: bytesUpTo, characters: at - from, count };
    });
  }
}

/** What was found, if it was found of the field that counts. */
function isAt<T>(found: Found<T> | undefined, place: Place | undefined): { readonly from: number; readonly known: T } | undefined {
  if (!found || found.known === undefined || found.from !== place?.from) return undefined;
  return { from: found.from, known: found.known };
}

/** The known messages, and those after the one that stood for them. */
function whole({ messages, count }: Beginning, parsed: unknown): readonly unknown[] {
  const all = messages.slice(0, count);
  for (const [index, message] of (parsed as readonly unknown[]).entries()) if (index > 0) all.push(message);
  return all;
}

/** A conversation that has been answered once goes on more often than a question. */
function isAnswer(message: unknown): boolean {
  return typeof message === 'object' && message !== null && 'role' in message && message.role === 'assistant';
}

/** Where the last value of the array that stands there ends. */
function endOfLast(text: string, { from, to }: Place): number {
  let end = text.lastIndexOf(']', to - 1);
  while (end > from && text.charCodeAt(end - 1) <= 0x20) end--;
  return end;
}

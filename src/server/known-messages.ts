/**
 * Beginnings of conversations that were sent before. With each turn a client sends all turns again: those that stand there to the byte
 * get the values that were made of them then.
 */
import type { Asked } from './known-tools.ts';

export interface KnownMessages {
  /**
   * The longest known beginning of an array of messages of which the same caller's bytes stand at `from`, up to the end of a message.
   * Undefined where none is known.
   */
  find(body: Uint8Array, from: number, asked: Asked): Beginning | undefined;
  /** In place of the beginning that was found, if one was. The messages are only read from here on. */
  keep(conversation: Conversation, asked: Asked, instead?: Beginning): void;
}

/** How far an array of messages goes up to the end of one of them, white space before it and the opening bracket included. */
export interface Reach {
  readonly bytes: number;
  readonly characters: number;
  /** So many messages. */
  readonly count: number;
}

export interface Beginning extends Reach {
  readonly messages: readonly unknown[];
  /** Nothing comes after it in what is known. */
  readonly isWhole: boolean;
  readonly entry: object;
}

export interface Conversation {
  /** From the colon to the end of the last message at least. */
  readonly written: Uint8Array;
  readonly messages: readonly unknown[];
  /** Up to the end of some of the last messages, the very last among them, in their order. */
  readonly reaches: readonly Reach[];
}

interface Entry extends Asked {
  readonly bytes: Buffer;
  readonly messages: readonly unknown[];
  /** The farthest first. */
  readonly reaches: readonly Reach[];
}

/** What is parsed takes about as much once more. */
const MOST_BYTES = 8 * 1024 * 1024;
const MOST_OF_ONE = MOST_BYTES / 8;
/** To parse less takes no longer than to look here. */
const LEAST_OF_ONE = 4096;
const MOST_ENTRIES = 32;
/** Clients change their last messages from turn to turn: marks of what to cache move on, notes of the present go. */
export const REACHES = 4;
/** Compared first: conversations begin alike more often than they go on alike. */
const TAIL = 64;

const COMMA = 0x2c;
const CLOSING = 0x5d;
/** White space of JSON ends here. */
const SPACE = 0x20;

export function createKnownMessages(): KnownMessages {
  /** The latest first. */
  const entries: Entry[] = [];
  let held = 0;

  return {
    find(body, from, { owner, depth }) {
      let found: Entry | undefined;
      let farthest: Reach | undefined;
      for (const entry of entries) {
        if (entry.owner !== owner || entry.depth > depth) continue;
        const reach = entry.reaches.find(({ bytes: length }) => {
          return length > (farthest?.bytes ?? 0) && stands(entry.bytes, body, { from, length });
        });
        if (reach) [found, farthest] = [entry, reach];
      }
      if (!found || !farthest) return undefined;
      entries.unshift(...entries.splice(entries.indexOf(found), 1));
      return { ...farthest, messages: found.messages, isWhole: farthest === found.reaches[0], entry: found };
    },
    keep({ written, messages, reaches }, asked, instead) {
      const at = instead ? entries.indexOf(instead.entry as Entry) : -1;
      for (const { bytes } of at < 0 ? [] : entries.splice(at, 1)) held -= bytes.length;
      const length = reaches.at(-1)?.bytes ?? 0;
      if (length < LEAST_OF_ONE || length > MOST_OF_ONE) return;
      entries.unshift({ ...asked, bytes: Buffer.from(written.subarray(0, length)), messages, reaches: reaches.toReversed() });
      held += length;
      while (held > MOST_BYTES || entries.length > MOST_ENTRIES) held -= entries.pop()?.bytes.length ?? 0;
    },
  };
}

/** The first `length` of these bytes stand at `from` in the body, and a message ends there. */
function stands(bytes: Buffer, body: Uint8Array, { from, length }: { readonly from: number; readonly length: number }): boolean {
  const end = from + length;
  const next = body[end];
  if (next === undefined || (next !== COMMA && next !== CLOSING && next > SPACE)) return false;
  const tail = Math.max(0, length - TAIL);
  return bytes.compare(body, from + tail, end, tail, length) === 0 && bytes.compare(body, from, end, 0, length) === 0;
}

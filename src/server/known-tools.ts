/**
 * The tools of requests before. Agents send the same ones with each request, and of all that a request holds they are what takes longest to
 * parse: who sends the very same bytes again gets the value that was made of them then.
 */

export interface KnownTools {
  /** By the bytes that stand at `from`, up to the comma or the brace after them, and by who asks: nobody gets another's. Undefined where they are not known. */
  find(body: Uint8Array, from: number, asked: Asked): Known | undefined;
  /** The value is only read from here on. */
  keep(written: string, value: unknown, asked: Asked): void;
}

export interface Asked {
  /** The id of the principal. */
  readonly owner: string;
  /** How deep a body may be nested. */
  readonly depth: number;
}

export interface Known {
  readonly bytes: Buffer;
  readonly characters: number;
  readonly value: unknown;
}

interface Entry extends Known, Asked {}

/** Each takes some ten times as much when it is parsed. */
const MOST_BYTES = 1024 * 1024;
const MOST_OF_ONE = MOST_BYTES / 8;
const MOST_ENTRIES = 32;

const COMMA = 0x2c;
const CLOSING = 0x7d;

export function createKnownTools(): KnownTools {
  /** The latest first. */
  const entries: Entry[] = [];
  let held = 0;

  return {
    find(body, from, { owner, depth }) {
      const isThere = (bytes: Buffer): boolean => {
        const end = from + bytes.length;
        return (body[end] === COMMA || body[end] === CLOSING) && bytes.compare(body, from, end) === 0;
      };
      const at = entries.findIndex((entry) => entry.owner === owner && entry.depth <= depth && isThere(entry.bytes));
      const found = entries[at];
      if (found && at > 0) {
        entries.splice(at, 1);
        entries.unshift(found);
      }
      return found;
    },
    keep(written, value, asked) {
      const bytes = Buffer.from(written);
      if (bytes.length > MOST_OF_ONE) return;
      entries.unshift({ ...asked, bytes, characters: written.length, value });
      held += bytes.length;
      while (held > MOST_BYTES || entries.length > MOST_ENTRIES) held -= entries.pop()?.bytes.length ?? 0;
    },
  };
}

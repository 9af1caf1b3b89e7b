/** A body in chunks (RFC 9112, 7.1), taken apart as it comes. */

export interface Chunked {
  /** Takes what came, from `from` on. */
  take(bytes: Uint8Array, from: number): Taken;
}

export interface Taken {
  /** What of it is body, joined; its own bytes. Undefined where nothing is. */
  readonly piece: Uint8Array | undefined;
  /** Where what follows the body begins, once it is over. */
  readonly end: number | undefined;
  /** What came is no chunk: the rest of the connection makes no sense. */
  readonly isBroken: boolean;
}

/** Where the next byte belongs. */
type Place =
  | 'size' // the digits
  | 'extension' // what may follow them; nobody uses it
  | 'size-end' // the line feed behind them
  | 'data'
  | 'data-end' // the line's end behind the data
  | 'data-feed'
  | 'trailer' // the beginning of a line behind the last chunk
  | 'trailer-line'
  | 'trailer-feed'
  | 'last-feed'
  | 'over';

const CR = 13;
const LF = 10;
const SEMICOLON = 59;
const SPACE = 32;
const TAB = 9;
/** No chunk has 16 TiB. */
const MOST_DIGITS = 11;
/** Of the extensions of a chunk, and of trailers, which are thrown away. */
const MOST_IGNORED = 16 * 1024;

export function createChunked(): Chunked {
  let place: Place = 'size';
  let size = 0;
  let digits = 0;
  let ignored = 0;

  /** The place after a byte that is no data; undefined where the byte may not be there. */
  function after(byte: number): Place | undefined {
    switch (place) {
      case 'size':
        return afterDigit(byte);
      case 'extension':
        return byte === CR ? 'size-end' : byte === LF || ++ignored > MOST_IGNORED ? undefined : 'extension';
      case 'size-end':
        return byte !== LF ? undefined : size > 0 ? 'data' : 'trailer';
      case 'data-end':
        return byte === CR ? 'data-feed' : undefined;
      case 'data-feed':
        size = digits = ignored = 0;
        return byte === LF ? 'size' : undefined;
      case 'trailer':
        return byte === CR ? 'last-feed' : byte === LF || ++ignored > MOST_IGNORED ? undefined : 'trailer-line';
      case 'trailer-line':
        return byte === CR ? 'trailer-feed' : byte === LF || ++ignored > MOST_IGNORED ? undefined : 'trailer-line';
      case 'trailer-feed':
        return byte === LF ? 'trailer' : undefined;
      case 'last-feed':
        return byte === LF ? 'over' : undefined;
      case 'data':
      case 'over':
        return undefined;
    }
  }

  function afterDigit(byte: number): Place | undefined {
    const digit = hex(byte);
    if (digit >= 0) {
      size = size * 16 + digit;
      return ++digits > MOST_DIGITS ? undefined : 'size';
    }
    if (digits === 0) return undefined;
    if (byte === CR) return 'size-end';
    return byte === SEMICOLON || byte === SPACE || byte === TAB ? 'extension' : undefined;
  }

  return {
    take(bytes, from) {
      let at = from;
      let piece: Uint8Array | undefined;
      let filled = 0;
      while (at < bytes.length) {
        if (place === 'data') {
          const part = bytes.subarray(at, at + size);
          // what is left of this read is the most that can follow
          piece ??= Buffer.allocUnsafe(bytes.length - at);
          piece.set(part, filled);
          filled += part.length;
          size -= part.length;
          at += part.length;
          if (size === 0) place = 'data-end';
          continue;
        }
        const next = after(bytes[at] ?? 0);
        if (next === undefined) return { piece: piece?.subarray(0, filled), end: undefined, isBroken: true };
        place = next;
        at += 1;
        if (place === 'over') return { piece: piece?.subarray(0, filled), end: at, isBroken: false };
      }
      return { piece: piece?.subarray(0, filled), end: undefined, isBroken: false };
    },
  };
}

/** The value of a hexadecimal digit, or -1. */
function hex(byte: number): number {
  if (byte >= 48 && byte <= 57) return byte - 48;
  const letter = byte | 0x20;
  return letter >= 97 && letter <= 102 ? letter - 87 : -1;
}

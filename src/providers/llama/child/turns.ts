/**
 * Whose turn it is: a step is for all that generate, or for a piece of one prompt. Prompts are read in the order they
 * came, one to its end before the next, so that the first answer does not wait for the last; those much shorter than
 * the first go between its pieces. Who generates waits for prompts so long at most, then gets a token.
 */

/** Milliseconds that prompts may take between two tokens of those that generate, and a piece where nobody does. */
export const READING_MS = { shared: 150, alone: 250 };
/** Less would decode the weights for nearly nothing. */
const SMALLEST_PIECE = 16;
/** So much more than the room is taken at once, where a prompt ends with it. */
const LAST_PIECE = 1.5;

/** A prompt that is being read. */
export interface Reader {
  /** Tokens still to be decoded. */
  readonly left: number;
}

/**
 * How much of `left` prompt tokens goes into a step that has room for `room`. Never one by itself, nor so that one is
 * left over: see `Lane.exact`.
 */
export function pieceOf(left: number, room: number): number {
  if (left <= room) return left;
  const part = left - room === 1 ? room - 1 : room;
  return part < 2 ? 0 : part;
}

export interface Pace {
  /** Milliseconds that this step may take. */
  readonly ms: number;
  readonly msPerToken: number;
  /** Most tokens of a step. */
  readonly batchSize: number;
}

/** Tokens of a prompt that are read in one step. */
export function nextPiece(left: number, { ms, msPerToken, batchSize }: Pace): number {
  const room = Math.min(batchSize, Math.max(SMALLEST_PIECE, Math.floor(ms / msPerToken)));
  return pieceOf(left, left <= room * LAST_PIECE && left <= batchSize ? left : room);
}

/**
 * The prompt whose piece is next, of those waiting in the order they came; `turn` counts the pieces read so far.
 * Every other piece is of the first, whatever comes after it; else of the shortest, where it is at most half as long.
 */
export function nextReader<R extends Reader>(readers: readonly R[], turn: number): R | undefined {
  const [first] = readers;
  if (!first || turn % 2 === 0) return first;
  const shortest = readers.reduce((best, reader) => (reader.left < best.left ? reader : best));
  return shortest.left * 2 <= first.left ? shortest : first;
}

/**
 * Lanes: the context's sequences, and which tokens each holds. A new prompt goes where most of it is decoded already.
 * Pure bookkeeping; the scheduler does the native work that it decides on.
 */

export interface Lane {
  readonly id: number;
  /** Tokens whose cells are in the cache, in order. */
  tokens: number[];
  /**
   * Of these, the leading ones that were decoded as parts of a prompt. A token decoded by itself scores a little
   * differently than the same token in a piece of two or more (other kernels run), and so does all that follows it:
   * who wants the same text for the same seed must not build on generated tokens.
   */
  exact: number;
  busy: boolean;
  /** Step of last use, for eviction by age. */
  usedAt: number;
}

export interface Placement {
  readonly lane: Lane;
  /** Tokens of the prompt that need no decoding. */
  readonly reused: number;
  /** The lane to copy them from, where they are not in `lane` itself. */
  readonly copyFrom?: Lane;
}

export interface Asked {
  readonly prompt: ArrayLike<number>;
  /** Only cells that score as if the prompt was decoded from its beginning. */
  readonly reproducible: boolean;
}

/** Copying a lane's state costs more than decoding a handful of tokens. */
const WORTH_COPYING = 16;

export function commonPrefix(a: ArrayLike<number>, b: ArrayLike<number>): number {
  const length = Math.min(a.length, b.length);
  let i = 0;
  while (i < length && a[i] === b[i]) i++;
  return i;
}

/** How much of the prompt a lane holds, so far as it may be built on. The last two tokens are always decoded anew. */
function sharedBy(lane: Lane, { prompt, reproducible }: Asked): number {
  const shared = Math.min(commonPrefix(lane.tokens, prompt), Math.max(0, prompt.length - 2));
  return reproducible ? Math.min(shared, lane.exact) : shared;
}

/** Another lane that by now holds so much more of a prompt than its own that copying it is worth while. */
export function betterSource(lanes: readonly Lane[], own: Lane, asked: Asked): { lane: Lane; reused: number } | undefined {
  let best: { lane: Lane; reused: number } | undefined;
  for (const lane of lanes) {
    if (lane === own) continue;
    const reused = sharedBy(lane, asked);
    if (reused > (best?.reused ?? own.tokens.length + WORTH_COPYING - 1)) best = { lane, reused };
  }
  return best;
}

/**
 * The lane for a prompt, or undefined where all are busy. The last two tokens are always decoded anew: the scores of
 * the last are needed, and a piece of one token would score differently than the whole prompt.
 * A lane is overwritten where most of what it holds is the prompt's own beginning; else the one unused longest.
 */
export function place(lanes: readonly Lane[], asked: Asked): Placement | undefined {
  const sharedWith = (lane: Lane): number => sharedBy(lane, asked);
  let own: { lane: Lane; shared: number } | undefined;
  let oldest: Lane | undefined;
  let source: { lane: Lane; shared: number } | undefined;
  for (const lane of lanes) {
    const shared = sharedWith(lane);
    if (!source || shared > source.shared) source = { lane, shared };
    if (lane.busy) continue;
    // Of the empty ones the first: neighbouring sequences are decoded together.
    if (!oldest || (oldest.tokens.length > 0 && (lane.tokens.length === 0 || lane.usedAt < oldest.usedAt))) oldest = lane;
    if (shared * 2 >= lane.tokens.length && (!own || shared > own.shared)) own = { lane, shared };
  }
  if (!oldest) return undefined;
  const best = source?.shared ?? 0;
  if (own && own.shared > 0 && own.shared + WORTH_COPYING >= best) return { lane: own.lane, reused: own.shared };
  if (source && best >= WORTH_COPYING) {
    return source.lane === oldest ? { lane: oldest, reused: best } : { lane: oldest, reused: best, copyFrom: source.lane };
  }
  return { lane: oldest, reused: sharedWith(oldest) };
}

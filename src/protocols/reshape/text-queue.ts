/** Text that waits until it is known what becomes of it, in its place among the other events of its blocks. */
import type { TokenLogprob } from '../../core/chat.ts';
import type { BlockEvent, Emit } from './per-choice.ts';

export type Delta = Extract<BlockEvent, { readonly type: 'block_delta' }>;

export interface TextQueue {
  /** Nothing waits: neither text nor the end of a block. */
  readonly empty: boolean;
  push(event: BlockEvent): void;
  /** Lets go the first `length` UTF-16 units of text and the events of blocks that stand before the next unit. */
  release(length: number): void;
  releaseAll(): void;
  clear(): void;
}

/** Events come out of the queue by `emit`. */
export function createTextQueue(emit: Emit): TextQueue {
  let items: BlockEvent[] = [];

  function release(length: number): void {
    let left = length;
    let done = 0;
    for (const item of items) {
      const size = item.type === 'block_delta' ? item.text.length : 0;
      if (size > left) break;
      left -= size;
      done++;
      emit(item);
    }
    items = items.slice(done);
    const [first] = items;
    if (left === 0 || first?.type !== 'block_delta') return;
    const [now, later] = splitDelta(first, left);
    emit(now);
    items[0] = later;
  }

  return {
    get empty() {
      return items.length === 0;
    },
    push: (event) => void items.push(event),
    release,
    releaseAll: () => release(Number.POSITIVE_INFINITY),
    clear() {
      items = [];
    },
  };
}

/** A delta in two, after `at` UTF-16 units. A token that the cut goes through is in both, each time with its part of the text. */
export function splitDelta(delta: Delta, at: number): readonly [Delta, Delta] {
  const { logprobs, ...rest } = delta;
  const [before, after] = logprobs ? splitScores(logprobs, at) : [];
  return [
    { ...rest, text: delta.text.slice(0, at), ...(before && before.length > 0 ? { logprobs: before } : {}) },
    { ...rest, text: delta.text.slice(at), ...(after && after.length > 0 ? { logprobs: after } : {}) },
  ];
}

function splitScores(scores: readonly TokenLogprob[], at: number): readonly [TokenLogprob[], TokenLogprob[]] {
  const before: TokenLogprob[] = [];
  const after: TokenLogprob[] = [];
  let begin = 0;
  for (const score of scores) {
    const end = begin + score.token.length;
    if (end <= at) before.push(score);
    else if (begin >= at) after.push(score);
    else {
      before.push(cutScore(score, score.token.slice(0, at - begin)));
      after.push(cutScore(score, score.token.slice(at - begin)));
    }
    begin = end;
  }
  return [before, after];
}

function cutScore(score: TokenLogprob, token: string): TokenLogprob {
  return { ...score, token, bytes: [...new TextEncoder().encode(token)] };
}

/** How much of the end of `text` may turn out to be the beginning of one of `wanted`, in UTF-16 units. */
export function possibleBeginning(text: string, wanted: readonly string[]): number {
  let longest = 0;
  for (const one of wanted) {
    for (let length = Math.min(one.length - 1, text.length); length > longest; length--) {
      if (text.endsWith(one.slice(0, length))) longest = length;
    }
  }
  return longest;
}

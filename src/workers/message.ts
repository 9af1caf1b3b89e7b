/**
 * What two processes say to each other: calls with results, streams, and things that are only told. Plain data, as the structured clone
 * takes it: whole numbers of any size, maps and `undefined` arrive as they were.
 */
import type { Failure } from './failure.ts';

/** Short, because there are several for each request. */
export const KIND = { call: 0, result: 1, failure: 2, cancel: 3, tell: 4, item: 5, end: 6, more: 7 } as const;

/** `id`s are the caller's, and belong to its direction alone. */
export type Message =
  | readonly [kind: typeof KIND.call, id: number, name: string, args: readonly unknown[]]
  | readonly [kind: typeof KIND.result, id: number, value: unknown]
  | readonly [kind: typeof KIND.failure, id: number, failure: Failure]
  /** Nobody waits for the call any more. */
  | readonly [kind: typeof KIND.cancel, id: number]
  | readonly [kind: typeof KIND.tell, name: string, args: readonly unknown[]]
  /** Of a stream, whose call has a result already. */
  | readonly [kind: typeof KIND.item, id: number, item: unknown]
  | readonly [kind: typeof KIND.end, id: number]
  /** So many items were read: as many more may come. */
  | readonly [kind: typeof KIND.more, id: number, items: number];

/** Anything that came over a channel which others (Node's own cluster) may use as well. */
export function isBatch(value: unknown): value is readonly Message[] {
  return Array.isArray(value) && Array.isArray(value[0]);
}

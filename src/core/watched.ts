/** Batches on their way from a source to a reader, seen as they pass. */
import type { Batch } from './event.ts';

export interface Watcher {
  /** What is passed on in place of a batch; the batch itself where this is left out. */
  readonly pass?: (batch: Batch) => Batch;
  /** The batches are over: read to their end, broken off, or left. May be called more than once. */
  readonly over?: () => void;
}

/** The same stream, as slow or fast as its reader. A step in a closure, not a generator: one that is never read has nothing to clean up. */
export function watched(batches: AsyncIterable<Batch>, { pass = (batch) => batch, over = () => undefined }: Watcher): AsyncIterable<Batch> {
  return {
    [Symbol.asyncIterator]() {
      const inner = batches[Symbol.asyncIterator]();
      return {
        async next() {
          try {
            const result = await inner.next();
            if (result.done !== true) return { done: false, value: pass(result.value) };
            over();
            return result;
          } catch (cause) {
            over();
            throw cause;
          }
        },
        async return(value?: unknown) {
          over();
          return inner.return ? inner.return(value) : { done: true, value };
        },
      };
    },
  };
}

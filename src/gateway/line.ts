/** Who waits for a place, in the order in which they came; a short line, and nobody stands in it for long. */

import type { Signal } from '../core/abort.ts';

export interface Line {
  /**
   * Resolves with the one of these keys behind which a place may be free, with undefined when `ms` have passed or the line
   * is too long to join. Rejects with the signal's reason.
   */
  wait(keys: readonly string[], ms: number, signal: Signal): Promise<string | undefined>;
  /** A place behind this key has become free: the first who waits for it is told, and who does not take it says so here again. */
  freed(key: string): void;
  waiting(): number;
  /** From now on so many may wait; whoever waits already stays. */
  tune(longest: number): void;
}

type Wake = (key: string) => void;

/** `atFirst` may wait: who would be one more is sent away at once. */
export function createLine(atFirst: number): Line {
  let longest = atFirst;
  const lines = new Map<string, Set<Wake>>();
  let waiting = 0;

  const leave = (keys: readonly string[], wake: Wake): void => {
    for (const key of keys) {
      const line = lines.get(key);
      line?.delete(wake);
      if (line?.size === 0) lines.delete(key);
    }
  };

  return {
    async wait(keys, ms, signal) {
      signal.throwIfAborted();
      if (waiting >= longest || ms <= 0) return undefined;
      const { promise, resolve, reject } = Promise.withResolvers<string | undefined>();
      // out of the line in the moment in which it is decided: nobody is told of a place who does not wait any more
      const over = (tell: () => void): void => {
        waiting--;
        clearTimeout(timer);
        signal.removeEventListener('abort', gone);
        leave(keys, wake);
        tell();
      };
      const wake: Wake = (key) => over(() => resolve(key));
      const gone = (): void => over(() => reject(signal.reason as Error));
      const timer = setTimeout(() => over(() => resolve(undefined)), ms);
      for (const key of keys) {
        const line = lines.get(key) ?? new Set();
        lines.set(key, line.add(wake));
      }
      waiting++;
      signal.addEventListener('abort', gone, { once: true });
      return promise;
    },
    freed(key) {
      const [first] = lines.get(key) ?? [];
      first?.(key);
    },
    waiting: () => waiting,
    tune(next) {
      longest = next;
    },
  };
}

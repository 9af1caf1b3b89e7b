/** Who waits for a place, in the order in which they came; a short line, and nobody stands in it for long. */
import { unlessAborted } from '../core/abort.ts';

export interface Line {
  /**
   * Resolves true when a place behind one of these keys may be free, false when `ms` have passed or the line is too long
   * to join. Rejects with the signal's reason.
   */
  wait(keys: readonly string[], ms: number, signal: AbortSignal): Promise<boolean>;
  /** A place behind this key has become free: the first who waits for it is told. */
  freed(key: string): void;
  waiting(): number;
  /** From now on so many may wait; whoever waits already stays. */
  tune(longest: number): void;
}

/** `atFirst` may wait: who would be one more is sent away at once. */
export function createLine(atFirst: number): Line {
  let longest = atFirst;
  const lines = new Map<string, Set<() => void>>();
  let waiting = 0;

  const leave = (keys: readonly string[], wake: () => void): void => {
    for (const key of keys) {
      const line = lines.get(key);
      line?.delete(wake);
      if (line?.size === 0) lines.delete(key);
    }
  };

  return {
    async wait(keys, ms, signal) {
      if (waiting >= longest || ms <= 0) return false;
      const { promise, resolve } = Promise.withResolvers<boolean>();
      const wake = (): void => {
        leave(keys, wake);
        resolve(true);
      };
      for (const key of keys) {
        const line = lines.get(key) ?? new Set();
        lines.set(key, line.add(wake));
      }
      const timer = setTimeout(() => resolve(false), ms);
      waiting++;
      try {
        return await unlessAborted(promise, signal);
      } finally {
        waiting--;
        clearTimeout(timer);
        leave(keys, wake);
      }
    },
    freed(key) {
      const [first] = lines.get(key) ?? [];
      first?.();
    },
    waiting: () => waiting,
    tune(next) {
      longest = next;
    },
  };
}

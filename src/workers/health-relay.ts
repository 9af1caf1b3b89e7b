/** Passes on what workers tell of targets, and remembers what rests, for workers that start later. */
import type { HealthChange } from '../gateway/ports.ts';

export interface HealthRelay {
  /** One more listens; it is told at once what rests. Returns how it leaves. */
  join(tell: (change: HealthChange) => void): { publish(change: HealthChange): void; leave(): void };
}

/** Keys may come from clients: those beyond are passed on, and not remembered. */
const MOST_RESTING = 10_000;

/** `now` in milliseconds, never going back. */
export function createHealthRelay(now: () => number): HealthRelay {
  const listeners = new Set<(change: HealthChange) => void>();
  const resting = new Map<string, { readonly change: HealthChange; readonly until: number }>();

  const note = (change: HealthChange): void => {
    resting.delete(change.key);
    if (change.state === 'closed') return;
    const at = now();
    if (resting.size >= MOST_RESTING) for (const [key, { until }] of resting) if (until <= at) resting.delete(key);
    if (resting.size < MOST_RESTING) resting.set(change.key, { change, until: at + change.forMs });
  };

  return {
    join(tell) {
      listeners.add(tell);
      const at = now();
      for (const { change, until } of resting.values()) if (until > at) tell({ ...change, forMs: until - at });
      return {
        publish(change) {
          note(change);
          for (const listener of listeners) if (listener !== tell) listener(change);
        },
        leave: () => listeners.delete(tell),
      };
    },
  };
}

/**
 * Counters that several workers take from, each under a lease that ends with it: what it holds then comes back. What a dead worker has
 * spent and not settled is in its journal; whoever takes that over says so here, once for each hold.
 */
import type { Bequest, CounterStore, LastingCounters, Take, Taken } from '../gateway/store-ports.ts';

export interface LeasedCounters extends Pick<CounterStore, 'take' | 'settle' | 'states'> {
  /**
   * The worker is gone and settles nothing more. Resolves when its holds are given back; `inherited`, which must not reject, is awaited
   * first: what its journal says it has spent replaces what it held.
   */
  end(inherited: Promise<void>): Promise<void>;
}

export interface Leases {
  /** Counters for one worker. `by`: what its journal calls it. */
  lease(by: string): LeasedCounters;
  readonly lasting: Omit<LastingCounters, 'note'>;
  /** Holds of workers, living and dead, that are not settled. */
  held(): number;
}

interface Worker {
  /** What is taken and not settled. */
  readonly holds: Set<string>;
  /** Given back because it died, before its journal could be read. */
  readonly released: Set<string>;
  isGone: boolean;
  /** Its journal has been read. */
  isForgotten: boolean;
}

export function createLeases(counters: Pick<CounterStore, 'take' | 'settle' | 'states'>): Leases {
  const workers = new Map<string, Worker>();

  const take = async (worker: Worker, holdId: string, takes: readonly Take[]): Promise<Taken> => {
    const taken = await counters.take(holdId, takes);
    if (!taken.ok) return taken;
    // it died while what was spent so far was being read
    if (worker.isGone) await counters.settle(holdId, []);
    else worker.holds.add(holdId);
    return taken;
  };

  return {
    lease(by) {
      const worker: Worker = { holds: new Set(), released: new Set(), isGone: false, isForgotten: false };
      workers.set(by, worker);
      return {
        take: (holdId, takes) => take(worker, holdId, takes),
        settle(holdId, actual) {
          worker.holds.delete(holdId);
          return counters.settle(holdId, actual);
        },
        states: (all) => counters.states(all),
        async end(inherited) {
          worker.isGone = true;
          await inherited;
          const left = [...worker.holds];
          worker.holds.clear();
          for (const holdId of left) worker.released.add(holdId);
          await Promise.all(left.map(async (holdId) => counters.settle(holdId, [])));
          if (worker.isForgotten) workers.delete(by);
        },
      };
    },
    lasting: {
      async inherit({ holdId, by, charges }: Bequest) {
        // of a process before this one: its counters died with it, and new ones begin with what the records say
        const worker = workers.get(by);
        if (worker?.holds.delete(holdId)) await counters.settle(holdId, charges);
        // a hold that is not known charges what is named
        else if (worker?.released.delete(holdId)) await counters.settle(`${holdId}:late`, charges);
      },
      async forget(by) {
        const worker = workers.get(by);
        if (!worker) return;
        worker.isForgotten = true;
        if (worker.isGone && worker.holds.size === 0) workers.delete(by);
      },
    },
    held: () => [...workers.values()].reduce((sum, { holds }) => sum + holds.size, 0),
  };
}

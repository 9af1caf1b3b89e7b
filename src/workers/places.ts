/**
 * Places for completions that all workers have together. Each has some of its own, so that it needs to ask nobody, and gets more where it has
 * not enough: of those that are nobody's, else of those that others do not use. In all there are never more than there may be.
 */

/** A worker that has places, by any name of its own. */
export interface Tenant {
  /** It gives up some that it does not use; how many. */
  readonly spare: () => Promise<number>;
}

export interface Places<T extends Tenant> {
  /** For one that has not enough: so many more are its own; 0 where all are in use. */
  more(tenant: T): Promise<number>;
  /** It is gone, with all that it had. */
  leave(tenant: T): void;
  /** There may be so many from now on; what is in use beyond that comes to its end. */
  tune(most: number): void;
}

export function createPlaces<T extends Tenant>(atFirst: number, tenants: () => readonly T[]): Places<T> {
  let most = atFirst;
  const had = new Map<T, number>();
  const free = (): number => most - had.values().reduce((sum, count) => sum + count, 0);
  const change = (tenant: T, by: number): void => void had.set(tenant, (had.get(tenant) ?? 0) + by);

  const collect = async (tenant: T): Promise<void> => {
    await tenant.spare().then(
      (count) => {
        if (had.has(tenant)) change(tenant, -count);
      },
      // it is busy, or about to be gone
      () => undefined,
    );
  };
  /** As much to each that asks as leaves something for the others. */
  const give = (tenant: T): number => {
    const some = Math.max(0, Math.min(free(), Math.ceil(most / (2 * Math.max(1, tenants().length)))));
    if (some > 0) change(tenant, some);
    return some;
  };

  return {
    async more(tenant) {
      const others = tenants().filter((one) => one !== tenant);
      if (free() <= 0) await Promise.all(others.map(collect));
      return give(tenant);
    },
    leave(tenant) {
      had.delete(tenant);
    },
    tune(next) {
      most = next;
      if (free() < 0) for (const tenant of tenants()) void collect(tenant);
    },
  };
}

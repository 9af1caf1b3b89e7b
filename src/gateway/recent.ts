/** The latest figures of one target, in rings of fixed size that are made with the first figure. */

/** Results that are kept at most; of a busy target, that is less than the window. */
const MOST_RESULTS = 128;
/** First outputs that the 95th percentile is taken of, and from how many on there is one. */
const MOST_LATENCIES = 100;
const ENOUGH_LATENCIES = 20;
/** What the newest first output counts in the decaying average. */
const NEWEST = 0.25;

export interface RecentResults {
  add(at: number, good: boolean): void;
  /** Those of the window that ends at `at`. */
  count(at: number): number;
  failed(at: number): number;
  clear(): void;
}

/** Good and bad results of the last `windowMs`. Times must not decrease. */
export function recentResults(windowMs: number): RecentResults {
  let times: Float64Array | undefined;
  let bad: Uint8Array | undefined;
  let oldest = 0;
  let count = 0;
  let failed = 0;

  function dropOldest(): void {
    failed -= bad?.[oldest] ?? 0;
    oldest = (oldest + 1) % MOST_RESULTS;
    count--;
  }

  function dropBefore(at: number): void {
    while (count > 0 && (times?.[oldest] ?? 0) <= at) dropOldest();
  }

  return {
    add(at, good) {
      times ??= new Float64Array(MOST_RESULTS);
      bad ??= new Uint8Array(MOST_RESULTS);
      dropBefore(at - windowMs);
      if (count === MOST_RESULTS) dropOldest();
      const place = (oldest + count) % MOST_RESULTS;
      times[place] = at;
      bad[place] = good ? 0 : 1;
      count++;
      if (!good) failed++;
    },
    count(at) {
      dropBefore(at - windowMs);
      return count;
    },
    failed(at) {
      dropBefore(at - windowMs);
      return failed;
    },
    clear() {
      count = 0;
      failed = 0;
    },
  };
}

export interface RecentLatencies {
  add(ms: number): void;
  /** The decaying average; undefined before the first. */
  average(): number | undefined;
  /** The 95th percentile; undefined before there are 20. */
  p95(): number | undefined;
}

/** Milliseconds to first outputs. The last 100 are kept in order of size as well, so that asking costs nothing. */
export function recentLatencies(): RecentLatencies {
  let inTurn: Float64Array | undefined;
  let sorted: Float64Array | undefined;
  let next = 0;
  let count = 0;
  let average: number | undefined;

  /** The first place whose value is not below `ms`. */
  function placeOf(ms: number, values: Float64Array): number {
    let low = 0;
    let high = count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((values[middle] ?? 0) < ms) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  return {
    add(ms) {
      inTurn ??= new Float64Array(MOST_LATENCIES);
      sorted ??= new Float64Array(MOST_LATENCIES);
      if (count === MOST_LATENCIES) {
        const place = placeOf(inTurn[next] ?? 0, sorted);
        sorted.copyWithin(place, place + 1, count);
        count--;
      }
      const place = placeOf(ms, sorted);
      sorted.copyWithin(place + 1, place, count);
      sorted[place] = ms;
      count++;
      inTurn[next] = ms;
      next = (next + 1) % MOST_LATENCIES;
      average = average === undefined ? ms : average + NEWEST * (ms - average);
    },
    average: () => average,
    p95: () => (count < ENOUGH_LATENCIES ? undefined : sorted?.[Math.ceil(0.95 * count) - 1]),
  };
}

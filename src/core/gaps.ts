/** How far apart the outputs of a stream came, as a histogram that costs next to nothing while the stream runs. */

/** Upper ends of the buckets in seconds; what is longer than the last has one more of its own. */
export const GAP_BOUNDS: readonly number[] = [
  0.001, 0.0025, 0.005, 0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 40.96,
];

const BOUNDS_MS = GAP_BOUNDS.map((seconds) => seconds * 1000);

export interface Gaps {
  /** Gaps in each bucket, not added up; absent at the end where there are none. */
  readonly counts: number[];
  sumMs: number;
  /** When the last output came, by `performance.now()`. */
  lastAt: number;
}

/** For a stream whose first output came now. */
export function createGaps(now: number): Gaps {
  return { counts: [], sumMs: 0, lastAt: now };
}

/** Notes that another output came now. */
export function noteGap(gaps: Gaps, now: number): void {
  const ms = now - gaps.lastAt;
  gaps.lastAt = now;
  gaps.sumMs += ms;
  let at = 0;
  while (at < BOUNDS_MS.length && ms > (BOUNDS_MS[at] ?? 0)) at++;
  // filled from the left, so that the list has no holes
  while (gaps.counts.length <= at) gaps.counts.push(0);
  gaps.counts[at] = (gaps.counts[at] ?? 0) + 1;
}

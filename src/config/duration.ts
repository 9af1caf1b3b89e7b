/** Times as they are written: `500ms`, `30s`, `5m`, `1h`, `off`. */
import { DAYS, DURATION } from './schema-kit.ts';

const MS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 } as const;

/** What timers can count: more would strike at once. */
const LONGEST_MS = 24 * 86_400_000;

/** Milliseconds of a checked duration; `off` is 0. */
export function durationMs(text: string): number {
  const [, amount, unit] = DURATION.exec(text) ?? [];
  return unit === undefined ? 0 : Math.round(Number(amount) * MS[unit as keyof typeof MS]);
}

export const isTooLong = (duration: string): boolean => durationMs(duration) > LONGEST_MS;

/** Milliseconds of a checked number of days; undefined for `off`. */
export function daysMs(text: string): number | undefined {
  const [, days] = DAYS.exec(text) ?? [];
  return days === undefined ? undefined : Number(days) * 24 * MS.h;
}

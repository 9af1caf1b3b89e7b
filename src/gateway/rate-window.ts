/**
 * What was taken within the last `windowMs`: a log of takes that stays small. As long as it has fewer than `SLOTS` entries
 * each millisecond has its own; a longer one puts takes into one entry that lie within a `SLOTS`th of the window, and lets
 * that go only when its last take is a window old. So no window of that length, wherever it begins, ever holds more than
 * was allowed; what is counted is counted a hundredth of the window too long at most, and not at all where a hundred
 * takes or fewer fill the window. Times are whole milliseconds and may go back: then the newest entry is younger.
 */

/** The script for Redis has the same number. */
export const SLOTS = 100;

export interface WindowEntry {
  readonly first: number;
  last: number;
  amount: number;
}

export interface RateWindow {
  sum: number;
  /** Oldest first, from `head`; what lies before it is gone. */
  entries: WindowEntry[];
  head: number;
}

export function emptyWindow(): RateWindow {
  return { sum: 0, entries: [], head: 0 };
}

/** Lets go what is older than the window. */
export function expire(window: RateWindow, windowMs: number, now: number): void {
  const { entries } = window;
  let { head } = window;
  for (let entry = entries[head]; entry && entry.last + windowMs <= now; entry = entries[head]) {
    window.sum -= entry.amount;
    entry.amount = 0;
    head += 1;
  }
  if (head > SLOTS) {
    entries.splice(0, head);
    head = 0;
  }
  window.head = head;
}

/** Counts an amount now; the entry that has it. */
export function add(
  window: RateWindow,
  amount: number,
  { windowMs, now }: { readonly windowMs: number; readonly now: number },
): WindowEntry {
  const { entries, head } = window;
  const newest = entries.length > head ? entries[entries.length - 1] : undefined;
  window.sum += amount;
  if (newest && (newest.last >= now || (entries.length - head >= SLOTS && now - newest.first < windowMs / SLOTS))) {
    newest.amount += amount;
    newest.last = Math.max(newest.last, now);
    return newest;
  }
  const entry = { first: now, last: now, amount };
  entries.push(entry);
  return entry;
}

/** Gives back what an entry had; nothing where it is gone. */
export function giveBack(window: RateWindow, entry: WindowEntry, amount: number): void {
  const back = Math.min(entry.amount, amount);
  entry.amount -= back;
  window.sum -= back;
}

/** Milliseconds until `excess` more is free. */
export function waitFor(
  window: RateWindow,
  excess: number,
  { windowMs, now }: { readonly windowMs: number; readonly now: number },
): number {
  let freed = 0;
  for (let index = window.head; index < window.entries.length; index += 1) {
    const entry = window.entries[index];
    freed += entry?.amount ?? 0;
    if (entry && freed >= excess) return entry.last + windowMs - now;
  }
  return windowMs;
}

/** Milliseconds until all is free. */
export function untilFull(window: RateWindow, windowMs: number, now: number): number {
  const newest = window.entries[window.entries.length - 1];
  return newest && window.sum > 0 ? Math.max(0, newest.last + windowMs - now) : 0;
}

/** What every store of counters says in the same way, wherever it counts. */
import type { Counter, CounterState, Refusal, Take } from './store-ports.ts';

export type BudgetCounter = Extract<Counter, { kind: 'budget' }>;
export type RateCounter = Extract<Counter, { kind: 'rate' }>;

/** Rates and places are counted in numbers that stay exact. */
const MOST_COUNTED = BigInt(Number.MAX_SAFE_INTEGER) / 4n;
/** A thousand million dollars: far from what 64 bits hold, however many are added. */
export const MOST_MONEY = 10n ** 18n;
/** For what waits for others to end: nobody knows when they do. */
const TRY_AGAIN_MS = 1000;

/** One counter, whatever its limit. A budget's next period is another one. */
export function counterId(counter: Counter): string {
  const known = ids.get(counter);
  if (known !== undefined) return known;
  const id = idOf(counter);
  ids.set(counter, id);
  return id;
}

/** The counters of a key are the same ones for all its requests, and each is asked for its id several times. */
const ids = new WeakMap<Counter, string>();

function idOf(counter: Counter): string {
  if (counter.kind === 'budget') return `b:${counter.key}@${counter.since}`;
  return `${counter.kind === 'rate' ? 'r' : 'c'}:${counter.key}`;
}

/**
 * A take with its counter's id and its amount as it is counted; a counter that is named twice is one, under the lower limit. More
 * than can be counted is the most that can be: no budget has as much.
 */
export interface Wanted {
  readonly id: string;
  readonly counter: Counter;
  readonly amount: bigint;
  readonly ahead: bigint;
}

export function wantedOf(takes: readonly Take[]): readonly Wanted[] {
  const wanted = takes.map(wantedTake);
  return hasTwice(wanted) ? joined(wanted) : wanted;
}

function wantedTake({ counter, amount: asked, ahead = 0n }: Take): Wanted {
  if (asked < 0n) throw new RangeError(`${counter.kind} ${counter.key}: ${asked} cannot be taken`);
  const most = counter.kind === 'budget' ? MOST_MONEY : MOST_COUNTED;
  return { id: counterId(counter), counter, amount: asked < most ? asked : most, ahead };
}

/** They are few: to look at each pair is quicker than to make a set of them. */
function hasTwice(wanted: readonly Wanted[]): boolean {
  for (let index = 1; index < wanted.length; index += 1) {
    const { id } = wanted[index] as Wanted;
    for (let before = 0; before < index; before += 1) if (wanted[before]?.id === id) return true;
  }
  return false;
}

function joined(wanted: readonly Wanted[]): readonly Wanted[] {
  const all = new Map<string, Wanted>();
  for (const one of wanted) {
    const before = all.get(one.id);
    const counter = before && before.counter.limit <= one.counter.limit ? before.counter : one.counter;
    all.set(one.id, before ? { ...before, counter, amount: before.amount + one.amount } : one);
  }
  return [...all.values()];
}

/** What is known of a counter at a moment. */
export type Reading =
  | { readonly kind: 'rate'; readonly sum: number; readonly resetMs: number; readonly waitMs: number; readonly turnMs?: number }
  | { readonly kind: 'concurrent'; readonly held: number }
  | { readonly kind: 'budget'; readonly spent: bigint; readonly held: bigint };

export function stateOf(counter: Counter, reading: Reading, wall: number): CounterState {
  const remaining = remainingOf(counter, reading);
  if (reading.kind === 'rate') return { counter, remaining, resetMs: reading.resetMs };
  if (reading.kind === 'concurrent') return { counter, remaining, resetMs: 0 };
  return { counter, remaining, held: reading.held, resetMs: reading.spent === 0n && reading.held === 0n ? 0 : untilReset(counter, wall) };
}

/** Why an amount does not fit, which it is known not to, and when it may. */
export function refusalOf({ counter, amount }: Wanted, reading: Reading, wall: number): Refusal {
  const remaining = remainingOf(counter, reading);
  const never = { counter, remaining, retryAfterMs: undefined };
  if (reading.kind === 'budget') {
    const told = { ...never, held: reading.held };
    if (amount <= remaining + reading.held) return { ...told, retryAfterMs: TRY_AGAIN_MS };
    const reset = untilReset(counter, wall);
    return amount > BigInt(counter.limit) || reset === Infinity ? told : { ...told, retryAfterMs: reset };
  }
  if (amount > BigInt(counter.limit)) return never;
  if (reading.kind === 'concurrent') return { counter, remaining, retryAfterMs: TRY_AGAIN_MS };
  const { waitMs, turnMs } = reading;
  return turnMs === undefined ? { counter, remaining, retryAfterMs: waitMs } : { counter, remaining, retryAfterMs: waitMs, turnMs };
}

function remainingOf(counter: Counter, reading: Reading): bigint {
  if (reading.kind === 'budget') return BigInt(counter.limit) - reading.spent - reading.held;
  const left = Number(counter.limit) - (reading.kind === 'rate' ? reading.sum : reading.held);
  return BigInt(left);
}

function untilReset(counter: Counter, wall: number): number {
  if (counter.kind !== 'budget' || counter.until === undefined) return Infinity;
  return Math.max(0, counter.until - wall);
}

/** Counters in the memory of one process: all there is to it where one process serves alone. */
import { counterId, refusalOf, stateOf, wantedOf } from './counting.ts';
import type { BudgetCounter, Reading, Wanted } from './counting.ts';
import { GatewayError } from '../core/error.ts';
import type { Soon } from '../core/soon.ts';
import { add, emptyWindow, expire, giveBack, untilFull, waitFor } from './rate-window.ts';
import type { RateWindow, WindowEntry } from './rate-window.ts';
import type { Counter, CounterStore, Refusal, Taken } from './store-ports.ts';

export interface MemoryCounterOptions {
  /** Unix milliseconds. Default: one that never goes back, for rates, and the wall clock, for the ends of periods. */
  readonly now?: () => number;
  /** How long, at least, a settled hold is known as settled. Default half a minute. */
  readonly rememberMs?: number;
}

interface Rate {
  readonly kind: 'rate';
  readonly window: RateWindow;
  windowMs: number;
}

interface Places {
  readonly kind: 'concurrent';
  held: number;
}

interface Money {
  readonly kind: 'budget';
  readonly until: number | undefined;
  /** When somebody last took from it, or was charged. */
  usedAt: number;
  spent: bigint;
  held: bigint;
}

type State = Rate | Places | Money;

/** What was taken in one step; nothing any more once it is settled, for a Map may keep it alive longer than it has it. */
interface Hold {
  held: readonly Held[];
}

interface Held {
  readonly id: string;
  readonly amount: bigint;
  readonly state: State;
  /** Rates: where it is counted. */
  entry: WindowEntry | undefined;
}

const NOTHING: readonly Held[] = [];
const REMEMBER_MS = 30_000;
/** Unused counters are looked for when there are twice as many as were left the last time, and at least so many. */
const FEW = 1000;
/** A budget that nobody uses is kept so long; then it is read from the records again. */
const IDLE_BUDGET_MS = 3_600_000;

/** The steps are whole: between the first look at a counter and the last change nothing else runs. Holds die with the process. */
export function memoryCounters({ now: clock, rememberMs = REMEMBER_MS }: MemoryCounterOptions = {}): CounterStore {
  const now = clock ?? (() => Math.floor(performance.timeOrigin + performance.now()));
  const wall = clock ?? Date.now;
  const states = new Map<string, State>();
  const holds = new Map<string, Hold>();
  /** In two ages: to forget them one by one would cost more than to count them. */
  let settled = new Set<string>();
  let settledBefore = new Set<string>();
  let turnedAt = now();
  const isSettled = (holdId: string): boolean => settled.has(holdId) || settledBefore.has(holdId);
  const seeding = new Map<string, Promise<void>>();
  let load: ((counter: BudgetCounter) => Promise<bigint>) | undefined;
  let readable: Promise<void> | undefined;
  let manyStates = FEW;

  const seedOne = async (id: string, counter: BudgetCounter): Promise<void> => {
    try {
      await readable;
      const spent = load ? await load(counter) : 0n;
      states.set(id, { kind: 'budget', until: counter.until, usedAt: now(), spent, held: 0n });
    } catch (cause) {
      throw new GatewayError('overloaded', 'What was spent so far cannot be read at the moment.', { retryAfterMs: 1000, cause });
    }
  };
  /** One at a time for each counter. */
  const known = (id: string, counter: BudgetCounter): Promise<void> => {
    const running = seeding.get(id) ?? seedOne(id, counter).finally(() => seeding.delete(id));
    seeding.set(id, running);
    return running;
  };
  /** What has to be read first; undefined where nothing has. */
  const unknown = (wanted: readonly Wanted[]): readonly Promise<void>[] | undefined => {
    let missing: Promise<void>[] | undefined;
    for (const { id, counter } of wanted) {
      if (counter.kind === 'budget' && !states.has(id)) (missing ??= []).push(known(id, counter));
    }
    return missing;
  };

  const stateFor = (id: string, counter: Counter): State => {
    const there = states.get(id);
    if (there) {
      if (there.kind === 'rate' && counter.kind === 'rate') there.windowMs = counter.windowMs;
      return there;
    }
    const fresh = freshState(counter);
    states.set(id, fresh);
    return fresh;
  };
  const forgetUnused = (): void => {
    if (states.size < manyStates) return;
    for (const [id, state] of states) if (isUnused(state, { at: now(), wall: wall(), canRead: load !== undefined })) states.delete(id);
    manyStates = Math.max(FEW, states.size * 2);
  };

  const takeNow = (holdId: string, wanted: readonly Wanted[]): Taken => {
    if (holds.has(holdId) || isSettled(holdId)) throw new Error(`the hold ${holdId} was taken before`);
    const at = now();
    const onTheWall = wall();
    let refusals: Refusal[] | undefined;
    const held = wanted.map((one): Held => {
      const state = stateFor(one.id, one.counter);
      if (!fits(one, state, at)) (refusals ??= []).push(refusalOf(one, readMisfit(one, state, at), onTheWall));
      return { id: one.id, amount: one.amount, state, entry: undefined };
    });
    if (!refusals) {
      for (const one of held) hold(one, at);
      holds.set(holdId, { held });
    }
    const after = wanted.map(({ counter }, index) => stateOf(counter, read((held[index] as Held).state, at), onTheWall));
    return refusals ? { ok: false, refusals, states: after } : { ok: true, holdId, states: after };
  };

  const settleNow = (holdId: string, used: readonly Wanted[]): void => {
    const hold = holds.get(holdId);
    if (!hold && isSettled(holdId)) return;
    const held = hold?.held;
    if (hold) hold.held = NOTHING;
    const at = now();
    holds.delete(holdId);
    settled.add(holdId);
    forgetSettled(at);
    if (held) for (const one of held) release(one, amountOf(one.id, used));
    for (const { id, counter, amount } of used) {
      if (counter.kind === 'budget') charge(states.get(id), amount, at);
      if (counter.kind !== 'rate' || !held) continue;
      const taken = amountOf(id, held) ?? 0n;
      if (amount > taken) count(stateFor(id, counter), amount - taken, at);
    }
  };
  const forgetSettled = (at: number): void => {
    if (at - turnedAt < rememberMs) return;
    settledBefore = settled;
    settled = new Set();
    turnedAt = at;
  };

  const takeWhenRead = async (holdId: string, wanted: readonly Wanted[], first: readonly Promise<void>[]): Promise<Taken> => {
    for (let missing: typeof first | undefined = first; missing; missing = unknown(wanted)) await Promise.all(missing);
    return takeNow(holdId, wanted);
  };

  return {
    take(holdId, takes): Soon<Taken> {
      const wanted = wantedOf(takes);
      forgetUnused();
      const missing = unknown(wanted);
      return missing ? takeWhenRead(holdId, wanted, missing) : takeNow(holdId, wanted);
    },
    settle(holdId, actual, told): Soon<void> {
      const used = wantedOf(actual);
      const missing = unknown(used);
      // what cannot be read now is read later, from records that have this one
      if (missing)
        return Promise.allSettled(missing)
          .then(() => settleNow(holdId, used))
          .then(told);
      settleNow(holdId, used);
      told?.();
    },
    async states(counters) {
      const wanted = counters.map((counter) => ({ id: counterId(counter), counter, amount: 0n, ahead: 0n }));
      await Promise.all(unknown(wanted) ?? []);
      const at = now();
      return wanted.map(({ id, counter }) => stateOf(counter, read(states.get(id) ?? freshState(counter), at), wall()));
    },
    seed(from, ready) {
      load = from;
      readable = ready;
    },
    async close() {
      states.clear();
      holds.clear();
      settled.clear();
      settledBefore.clear();
    },
  };
}

function freshState(counter: Counter): State {
  if (counter.kind === 'rate') return { kind: 'rate', window: emptyWindow(), windowMs: counter.windowMs };
  if (counter.kind === 'concurrent') return { kind: 'concurrent', held: 0 };
  return { kind: 'budget', until: counter.until, usedAt: 0, spent: 0n, held: 0n };
}

function fits({ counter, amount }: Wanted, state: State, at: number): boolean {
  if (amount === 0n) return true;
  if (state.kind === 'budget') return state.spent + state.held + amount <= BigInt(counter.limit);
  if (state.kind === 'concurrent') return state.held + Number(amount) <= Number(counter.limit);
  expire(state.window, state.windowMs, at);
  return state.window.sum + Number(amount) <= Number(counter.limit);
}

function hold(one: Held, at: number): void {
  const { state, amount } = one;
  if (state.kind === 'budget') state.held += amount;
  else if (state.kind === 'concurrent') state.held += Number(amount);
  else one.entry = count(state, amount, at);
}

function amountOf(id: string, all: readonly { readonly id: string; readonly amount: bigint }[]): bigint | undefined {
  for (const one of all) if (one.id === id) return one.amount;
  return undefined;
}

function count(state: State, amount: bigint, at: number): WindowEntry | undefined {
  if (state.kind !== 'rate' || amount === 0n) return undefined;
  const { window, windowMs } = state;
  expire(window, windowMs, at);
  return add(window, Number(amount), { windowMs, now: at });
}

/** `actual` is undefined where nothing is said of what was used. */
function release({ state, amount, entry }: Held, actual: bigint | undefined): void {
  if (state.kind === 'budget') state.held -= amount;
  if (state.kind === 'concurrent') state.held -= Number(amount);
  if (state.kind === 'rate' && entry && actual !== undefined && actual < amount) giveBack(state.window, entry, Number(amount - actual));
}

function charge(state: State | undefined, amount: bigint, at: number): void {
  if (state?.kind !== 'budget') return;
  state.spent += amount;
  state.usedAt = at;
}

function read(state: State, at: number): Reading {
  if (state.kind !== 'rate') return state;
  const { window, windowMs } = state;
  expire(window, windowMs, at);
  return { kind: 'rate', sum: window.sum, resetMs: untilFull(window, windowMs, at), waitMs: 0 };
}

/** With the wait of what does not fit. */
function readMisfit({ amount, ahead, counter }: Wanted, state: State, at: number): Reading {
  const reading = read(state, at);
  if (state.kind !== 'rate' || reading.kind !== 'rate') return reading;
  const { window, windowMs } = state;
  const excess = window.sum + Number(amount) - Number(counter.limit);
  const waited = { ...reading, waitMs: waitFor(window, excess, { windowMs, now: at }) };
  if (ahead === 0n) return waited;
  const all = excess + Number(ahead);
  return { ...waited, turnMs: all > window.sum ? Infinity : waitFor(window, all, { windowMs, now: at }) };
}

/** `canRead`: what was spent can be read again. */
function isUnused(state: State, { at, wall, canRead }: { at: number; wall: number; canRead: boolean }): boolean {
  if (state.kind === 'concurrent') return state.held === 0;
  if (state.kind === 'budget') {
    const isOver = state.until !== undefined && state.until + IDLE_BUDGET_MS < wall;
    return state.held === 0n && (isOver || (canRead && state.usedAt + IDLE_BUDGET_MS < at));
  }
  expire(state.window, state.windowMs, at);
  return state.window.sum === 0;
}

/** While Redis is away: what is served all the same, and what Redis is told when it is back. */
import { GatewayError } from '../../core/error.ts';
import { counterId } from '../../gateway/counting.ts';
import type { BudgetCounter } from '../../gateway/counting.ts';
import { memoryCounters } from '../../gateway/counters.ts';
import type { Counter, CounterState, Refusal, Take, Taken } from '../../gateway/store-ports.ts';

const AGAIN_MS = 1000;
const MILLION = 1_000_000;

export function cannotCount(cause?: unknown): GatewayError {
  const message = 'Limits and budgets cannot be checked at the moment. Try again in a second.';
  return new GatewayError('overloaded', message, { retryAfterMs: AGAIN_MS, cause });
}

export interface AllowanceOptions {
  /** Of every limit, for all processes together. */
  readonly fraction: number;
  readonly processes: number;
  /** What was left of a budget when Redis was last heard of. */
  readonly left: (id: string) => bigint | undefined;
  readonly now?: () => number;
}

export interface Allowance {
  /** Rejects with `overloaded` where more than the allowance is wanted, but waiting for Redis may help. */
  take(holdId: string, takes: readonly Take[]): Promise<Taken>;
  settle(holdId: string, actual: readonly Take[]): Promise<void>;
  states(counters: readonly Counter[]): Promise<readonly CounterState[]>;
  has(holdId: string): boolean;
}

/** This process's part of every limit, counted here, for as long as Redis is away: made anew for each time. */
export function createAllowance({ fraction, processes, left, now }: AllowanceOptions): Allowance {
  const local = memoryCounters(now ? { now } : {});
  const shares = new Map<string, bigint>();
  const taken = new Set<string>();

  /** At most what was left: what others took since is not known. Fixed when it is first asked for. */
  const moneyOf = (counter: BudgetCounter): bigint => {
    const id = counterId(counter);
    const before = shares.get(id);
    if (before !== undefined) return before;
    const share = (counter.limit * BigInt(Math.round(fraction * MILLION))) / BigInt(MILLION * processes);
    const known = left(id);
    const most = known === undefined ? share : least(share, (known > 0n ? known : 0n) / BigInt(processes));
    shares.set(id, most);
    return most;
  };
  const shareOf = (counter: Counter): Counter =>
    counter.kind === 'budget'
      ? { ...counter, limit: moneyOf(counter) }
      : { ...counter, limit: Math.floor((counter.limit * fraction) / processes) };
  /** In terms of the whole limit, not of the part that is served here. */
  const whole = (refusal: Refusal, { counter, amount }: Take): Refusal => {
    if (counter.kind !== 'budget') return { ...refusal, counter };
    const helps = counter.until !== undefined && amount <= counter.limit;
    return { ...refusal, counter, retryAfterMs: helps ? Math.max(0, counter.until - (now ?? Date.now)()) : undefined };
  };

  /** Does waiting for Redis not help either? */
  const isFinal = ({ counter, retryAfterMs }: Refusal, amount: bigint): boolean => {
    if (counter.kind === 'rate') return retryAfterMs !== undefined || amount > BigInt(counter.limit);
    if (amount > BigInt(counter.limit)) return true;
    return counter.kind === 'budget' && amount > (left(counterId(counter)) ?? counter.limit);
  };

  return {
    async take(holdId, takes) {
      const original = new Map<Counter, Take>();
      const shared = takes.map((take) => {
        const counter = shareOf(take.counter);
        original.set(counter, take);
        return { counter, amount: take.amount };
      });
      const answer = await local.take(holdId, shared);
      const states = answer.states.map((state) => ({ ...state, counter: original.get(state.counter)?.counter ?? state.counter }));
      if (answer.ok) {
        taken.add(holdId);
        return { ...answer, states };
      }
      const refusals = answer.refusals.flatMap((refusal) => {
        const take = original.get(refusal.counter);
        return take ? [{ refusal: whole(refusal, take), amount: take.amount }] : [];
      });
      if (!refusals.every(({ refusal, amount }) => isFinal(refusal, amount))) throw cannotCount();
      return { ok: false, refusals: refusals.map(({ refusal }) => refusal), states };
    },
    async settle(holdId, actual) {
      taken.delete(holdId);
      await local.settle(
        holdId,
        actual.map(({ counter, amount }) => ({ counter: shareOf(counter), amount })),
      );
    },
    async states(counters) {
      const states = await local.states(counters.map(shareOf));
      return states.map((state, index) => ({ ...state, counter: counters[index] ?? state.counter }));
    },
    has: (holdId) => taken.has(holdId),
  };
}

function least(one: bigint, other: bigint): bigint {
  return one < other ? one : other;
}

/** A settlement that Redis has not confirmed. */
export interface Late {
  readonly holdId: string;
  readonly actual: readonly Take[];
  /** When it was made, by the clock of Redis. */
  readonly at: number;
  /** Holds that Redis may not know, to be remembered there as settled; the time away (`epoch`) in which they were taken. */
  readonly elsewhere: readonly string[];
  readonly epoch: number;
  readonly told: readonly (() => void)[];
}

/** A settlement of one hold. */
export type OwnLate = Omit<Late, 'elsewhere' | 'told'> & { readonly isElsewhere: boolean; readonly told: (() => void) | undefined };

export interface LateSettlements {
  add(late: OwnLate): void;
  /** One whose hold Redis never had: only its money is told, that of a second together. */
  addLocal(late: Omit<OwnLate, 'isElsewhere'>): void;
  /** Those to be told, each until it is told. */
  list(): readonly Late[];
  told(late: Late): void;
}

interface Sum {
  readonly at: number;
  readonly epoch: number;
  readonly amounts: Map<string, { readonly counter: BudgetCounter; amount: bigint }>;
  readonly elsewhere: string[];
  readonly told: (() => void)[];
}

/** `name`: begins the ids of those that are told together. */
export function lateSettlements(name: string): LateSettlements {
  const waiting = new Map<string, Late>();
  let sums = new Map<string, Sum>();
  let made = 0;

  return {
    add({ isElsewhere, told, ...late }) {
      waiting.set(late.holdId, { ...late, elsewhere: isElsewhere ? [late.holdId] : [], told: told ? [told] : [] });
    },
    addLocal({ holdId, actual, at, epoch, told }) {
      const money = actual.flatMap(({ counter, amount }) => (counter.kind === 'budget' && amount > 0n ? [{ counter, amount }] : []));
      if (money.length === 0) return told?.();
      const second = `${epoch} ${Math.floor(at / 1000)}`;
      const sum: Sum = sums.get(second) ?? { at, epoch, amounts: new Map(), elsewhere: [], told: [] };
      sums.set(second, sum);
      for (const { counter, amount } of money) {
        const id = counterId(counter);
        const before = sum.amounts.get(id);
        if (before) before.amount += amount;
        else sum.amounts.set(id, { counter, amount });
      }
      sum.elsewhere.push(holdId);
      if (told) sum.told.push(told);
    },
    list() {
      const done = sums;
      sums = new Map();
      for (const { amounts, ...sum } of done.values()) {
        made += 1;
        const holdId = `${name}:late:${made}`;
        waiting.set(holdId, { ...sum, holdId, actual: [...amounts.values()] });
      }
      return [...waiting.values()];
    },
    told(late) {
      if (waiting.get(late.holdId) !== late) return;
      waiting.delete(late.holdId);
      for (const told of late.told) told();
    },
  };
}

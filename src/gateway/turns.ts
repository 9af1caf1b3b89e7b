/**
 * When those are to come again whom a limit refused. Each alone would fit at the same moment, and all but the first would be refused
 * once more: so each is told the moment at which it fits after those who were told before.
 */
import { counterId } from './counting.ts';
import type { Refusal, Take } from './store-ports.ts';

export interface Turns {
  /** The takes, each with what others were told to come for who are still to come. */
  behind(takes: readonly Take[]): readonly Take[];
  /** The refusals with the times that are told; they are remembered. Never earlier than what was refused would fit alone. */
  told(refusals: readonly Refusal[], takes: readonly Take[]): readonly Refusal[];
}

export interface TurnsOptions {
  /** Unix milliseconds. */
  readonly now: () => number;
  /** From 0 to 1. */
  readonly random: () => number;
}

/** Who was told to come for how much, the first one first, from `head`. */
interface Queue {
  entries: { readonly at: number; readonly amount: bigint }[];
  head: number;
  sum: bigint;
}

/** The SDKs wait as they are told for so long, and not at all for longer. */
const LONGEST_MS = 60_000;
/** Queues in which nobody is left are looked for when there are so many. */
const MANY = 1000;

/** Of one process: what others tell is not known to it. */
export function createTurns({ now, random }: TurnsOptions): Turns {
  const queues = new Map<string, Queue>();

  const ahead = (id: string, at: number): bigint => {
    const queue = queues.get(id);
    if (!queue) return 0n;
    const { entries } = queue;
    for (let next = entries[queue.head]; next && next.at <= at; next = entries[queue.head]) {
      queue.sum -= next.amount;
      queue.head += 1;
    }
    if (queue.head === entries.length) queues.delete(id);
    else if (queue.head > MANY) {
      entries.splice(0, queue.head);
      queue.head = 0;
    }
    return queue.sum;
  };
  const remember = (id: string, amount: bigint, at: number): void => {
    const queue = queues.get(id) ?? { entries: [], head: 0, sum: 0n };
    queues.set(id, queue);
    queue.entries.push({ at, amount });
    queue.sum += amount;
    if (queues.size > MANY) for (const one of queues.keys()) ahead(one, now());
  };

  /** What is told, and whether it is a turn of its own. */
  const timeOf = ({ counter, retryAfterMs, turnMs }: Refusal): { readonly ms: number; readonly isTurn: boolean } | undefined => {
    if (retryAfterMs === undefined) return undefined;
    // nobody knows when a place is free: not all at once
    if (counter.kind === 'concurrent') return { ms: Math.round(retryAfterMs * (1 + random())), isTurn: false };
    if (counter.kind === 'budget') return { ms: retryAfterMs, isTurn: false };
    const most = Math.max(retryAfterMs, LONGEST_MS);
    const turn = turnMs ?? retryAfterMs;
    if (turn <= most) return { ms: turn, isTurn: true };
    // more than fit in time: any moment is as good as another
    return { ms: Math.round(retryAfterMs + random() * (most - retryAfterMs)), isTurn: false };
  };

  return {
    behind(takes) {
      if (queues.size === 0) return takes;
      const at = now();
      return takes.map((take) => {
        const before = take.counter.kind === 'rate' ? ahead(counterId(take.counter), at) : 0n;
        return before > 0n ? { ...take, ahead: before } : take;
      });
    },
    told(refusals, takes) {
      const times = refusals.map(timeOf);
      const waits = times.map((time) => time?.ms ?? Infinity);
      const at = now() + Math.max(...waits);
      return refusals.map((refusal, index) => {
        const id = counterId(refusal.counter);
        const amount = takes.find(({ counter }) => counterId(counter) === id)?.amount ?? 0n;
        // who is told not to come again has no turn
        if (times[index]?.isTurn === true && Number.isFinite(at)) remember(id, amount, at);
        return { ...refusal, retryAfterMs: times[index]?.ms };
      });
    },
  };
}

/** What is kept of one target, and the leave to send it one request, which tells how that ended. */
import type { GatewayError } from '../core/error.ts';
import { recentLatencies, recentResults } from './recent.ts';
import type { RecentLatencies, RecentResults } from './recent.ts';

const BUSY_MS = { guess: 1000, least: 50, most: 10_000 };

/**
 * Leave to send one request. `succeed`, `fail`, `cancel` or `lost`: the first of them settles, later calls do nothing.
 * `fail` is for a stream that breaks off after its first output too; `cancel` says neither good nor bad: the client left.
 * `lost` says that another one was faster: no fault, but so long it would have taken at least.
 */
export interface Ticket {
  /** Its result decides whether the breaker closes. */
  readonly probe: boolean;
  /** Milliseconds from the start of the attempt; the first call counts. */
  firstOutput(ms: number): void;
  succeed(): void;
  fail(error: GatewayError): void;
  cancel(): void;
  lost(): void;
}

/** All that is kept of one key. */
export interface Kept {
  readonly key: string;
  readonly results: RecentResults;
  readonly latencies: RecentLatencies;
  inFlight: number;
  usedAt: number;
  /** Decaying average of whole answers. */
  wholeMs: number | undefined;
  consecutive: number;
  /** The latest moment that a Retry-After of the failures in a row named. */
  notBefore: number;
  lastError: string | undefined;
  /** Undefined while closed. */
  openUntil: number | undefined;
  toldUntil: number;
  /** Openings in a row by failures; 0 again after a whole answer. */
  openings: number;
  /** Counts openings: what started before the last one says nothing about the time after it. */
  epoch: number;
  probe: Held | undefined;
}

/** Of a target of which nothing is known yet. */
export const keptOf = (key: string, { windowMs, at }: { readonly windowMs: number; readonly at: number }): Kept => ({
  key,
  results: recentResults(windowMs),
  latencies: recentLatencies(),
  inFlight: 0,
  usedAt: at,
  wholeMs: undefined,
  consecutive: 0,
  notBefore: 0,
  lastError: undefined,
  openUntil: undefined,
  toldUntil: 0,
  openings: 0,
  epoch: 0,
  probe: undefined,
});

type Outcome = 'good' | 'cancelled' | 'lost' | GatewayError;

/** What is done with what a ticket tells: each at most once. */
export interface Rules {
  spoke(ticket: Held, ms: number): void;
  settled(ticket: Held, outcome: Outcome): void;
}

/** A class, because there is one for each attempt: a single small object. */
export class Held implements Ticket {
  readonly probe: boolean;
  readonly kept: Kept;
  readonly epoch: number;
  readonly since: number;
  readonly #rules: Rules;
  #spoke = false;
  #settled = false;

  constructor(rules: Rules, kept: Kept, start: { at: number; probe: boolean }) {
    this.#rules = rules;
    this.kept = kept;
    this.epoch = kept.epoch;
    this.since = start.at;
    this.probe = start.probe;
  }

  firstOutput(ms: number): void {
    if (this.#spoke || this.#settled) return;
    this.#spoke = true;
    this.#rules.spoke(this, ms);
  }

  succeed(): void {
    this.#settle('good');
  }

  fail(error: GatewayError): void {
    this.#settle(error);
  }

  cancel(): void {
    this.#settle('cancelled');
  }

  lost(): void {
    this.#settle('lost');
  }

  #settle(outcome: Outcome): void {
    if (this.#settled) return;
    this.#settled = true;
    this.#rules.settled(this, outcome);
  }
}

/** Of so many answers that take so long, one ends about this soon. */
export function untilOneEnds({ wholeMs, inFlight }: Kept): number {
  if (wholeMs === undefined) return BUSY_MS.guess;
  return Math.ceil(Math.min(BUSY_MS.most, Math.max(BUSY_MS.least, wholeMs / Math.max(1, inFlight))));
}

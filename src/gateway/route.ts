/** What a model's name leads to: one target or several, and what may be done when one fails. */
import type { Target } from '../core/call.ts';

/** Times in milliseconds; 0 is no limit. */
export interface TargetTimeouts {
  /** From the start of an attempt to its first output; for an answer that is not streamed, to its end. */
  readonly firstOutputMs: number;
  /** Silence between two outputs of a stream. */
  readonly idleMs: number;
}

export interface RouteTarget {
  /** What it is called in the state of health, metrics and log: the id that its source gives it. */
  readonly key: string;
  readonly target: Target;
  readonly weight: number;
  /** Requests that may run there at once; undefined is no limit. */
  readonly maxInFlight: number | undefined;
  readonly timeouts: TargetTimeouts;
}

/** A model of this machine, run by an engine of ours. */
export const isLocal = ({ target }: RouteTarget): boolean => target.card.provider === undefined;

export type Strategy = 'ordered' | 'weighted' | 'least-busy' | 'lowest-latency' | 'cheapest';

/** By what a caller returns to the same target: `auto` takes the first of the three that the request has. */
export type Sticky = 'off' | 'auto' | 'cache-key' | 'user' | 'conversation';

export interface RoutePolicy {
  readonly strategy: Strategy;
  readonly sticky: Sticky;
  /** Attempts of one request at most, over all targets. */
  readonly attempts: number;
  /** The longest wait before an attempt; a Retry-After beyond it goes back to the client instead. */
  readonly maxWaitMs: number;
  /** For the whole request, waits and all attempts included. */
  readonly wholeMs: number;
  /** A second target starts when the first is later than usual. */
  readonly hedge: boolean;
  /** Another target is asked when one withholds its answer. */
  readonly onContentFilter: boolean;
  /** Another target goes on where one broke off in the middle of a text. */
  readonly continues: boolean;
  /** An answer whose reader left is read to its end: for providers that charge for all of it anyway. */
  readonly drains: boolean;
}

export interface Route {
  /** The name that the client asked for. */
  readonly name: string;
  /** At least one. */
  readonly targets: readonly RouteTarget[];
  readonly policy: RoutePolicy;
}

export const DEFAULT_POLICY: RoutePolicy = Object.freeze({
  strategy: 'ordered',
  sticky: 'off',
  attempts: 3,
  maxWaitMs: 10_000,
  wholeMs: 30 * 60_000,
  hedge: false,
  onContentFilter: false,
  continues: false,
  drains: false,
});

/** Long enough for models that think for minutes before their first word. */
export const DEFAULT_TIMEOUTS: TargetTimeouts = Object.freeze({ firstOutputMs: 10 * 60_000, idleMs: 5 * 60_000 });

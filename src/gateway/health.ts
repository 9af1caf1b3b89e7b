/** How each target does: what runs there, how soon it answers, and a breaker that lets it rest when it fails. */
import type { GatewayError } from '../core/error.ts';
import { meaningOf } from './failure-meaning.ts';
import type { HealthChange } from './ports.ts';
import type { RouteTarget } from './route.ts';
import { Held, keptOf, untilOneEnds } from './ticket.ts';
import type { Kept, Rules, Ticket } from './ticket.ts';

/** When a breaker opens, and for how long. */
export interface BreakerSettings {
  /** Opens after so many failures in a row; 0: does not look at them. */
  readonly failures: number;
  /** Opens when this part of the results of the last `windowMs` are failures; 0: does not look at it. */
  readonly rate: number;
  readonly windowMs: number;
  /** Results that the rate needs at least. */
  readonly minimum: number;
  /** The first opening; each further one in a row lasts twice as long, up to `maxCooldownMs`. */
  readonly cooldownMs: number;
  readonly maxCooldownMs: number;
  /** So long after its rest a target is left to a prober; 0: there is none, the next request is the probe. */
  readonly probeMs: number;
}

export const DEFAULT_BREAKER: BreakerSettings = Object.freeze({
  failures: 5,
  rate: 0.5,
  windowMs: 60_000,
  minimum: 10,
  cooldownMs: 10_000,
  maxCooldownMs: 300_000,
  probeMs: 0,
});

/** A target as it is at this moment. */
export interface TargetHealth {
  /** `half-open`: the next request is the probe, or the probe runs. */
  readonly state: 'closed' | 'open' | 'half-open';
  readonly inFlight: number;
  /** Decaying average to the first output. */
  readonly latencyMs: number | undefined;
  /** Of the last 100 first outputs, once there are 20. */
  readonly p95Ms: number | undefined;
  readonly consecutiveFailures: number;
  /** 0 to 1, over the window of the settings; 0 without results. */
  readonly failureRate: number;
  /** While nobody may start there: until the probe, or a guess while it runs. */
  readonly retryAfterMs: number | undefined;
  /** The last failure that the figures above still hold. */
  readonly lastError: string | undefined;
}

export type Entry =
  | { readonly ok: true; readonly ticket: Ticket }
  | { readonly ok: false; readonly why: 'open' | 'limited' | 'busy'; readonly retryAfterMs: number };

export type { HealthChange } from './ports.ts';
export type { Ticket } from './ticket.ts';

export type Asker = 'client' | 'prober';

export interface HealthBook {
  /** `prober`: whoever asks a target that has rested before anybody else may. */
  enter(target: RouteTarget, who?: Asker): Entry;
  of(key: string): TargetHealth;
  snapshot(): ReadonlyMap<string, TargetHealth>;
  /** Openings, longer rests and closings that were decided here. Returns how to stop listening. */
  onChange(listener: (change: HealthChange) => void): () => void;
  /** Takes what another process told; listeners here are not told. */
  apply(change: HealthChange): void;
  /** Settings for results that are yet to come. */
  tune(settings: BreakerSettings): void;
}

/** The reason of a rest that no failure led to. */
export const RATE_LIMITED = 'rate limited';

const HOUR_MS = 3_600_000;
/** Whatever a provider says: after this time one request asks whether it still holds. */
const LONGEST_REST_MS = HOUR_MS;
/** Keys come from clients where a provider takes any model's name, so their number has a bound. */
const MOST_KEYS = 4096;
const SWEEP_EVERY_MS = 60_000;
/** For requests that come while the probe runs. */
const PROBE_RUNS_MS = 1000;
/** A rest that grows by less is not told again. */
const WORTH_TELLING_MS = 1000;

const UNKNOWN: TargetHealth = Object.freeze({
  state: 'closed',
  inFlight: 0,
  latencyMs: undefined,
  p95Ms: undefined,
  consecutiveFailures: 0,
  failureRate: 0,
  retryAfterMs: undefined,
  lastError: undefined,
});

/**
 * The health of all targets of this process. `now` in milliseconds, never going back. It keeps no timers: what time
 * brings about is seen when somebody asks.
 */
export function createHealthBook(given: { readonly settings: BreakerSettings; readonly now: () => number }): HealthBook {
  const { now } = given;
  let { settings } = given;
  const book = new Map<string, Kept>();
  const listeners = new Set<(change: HealthChange) => void>();
  let sweptAt = now();

  function tell(change: HealthChange): void {
    for (const listener of listeners) listener(change);
  }

  function open(kept: Kept, { until, at, reason }: { until: number; at: number; reason: string }): void {
    kept.openUntil = until;
    kept.toldUntil = until;
    kept.epoch++;
    kept.probe = undefined;
    tell({ key: kept.key, state: 'open', forMs: until - at, reason });
  }

  /** More rest for one that is open already; a probe that runs goes on. */
  function prolong(kept: Kept, { until, at, reason }: { until: number; at: number; reason: string }): void {
    kept.openUntil = until;
    if (until - kept.toldUntil < WORTH_TELLING_MS) return;
    kept.toldUntil = until;
    tell({ key: kept.key, state: 'open', forMs: until - at, reason });
  }

  function close(kept: Kept): void {
    kept.openUntil = undefined;
    kept.probe = undefined;
    kept.consecutive = 0;
    kept.notBefore = 0;
    kept.lastError = undefined;
    kept.results.clear();
  }

  function closeAndTell(kept: Kept): void {
    close(kept);
    tell({ key: kept.key, state: 'closed', forMs: 0, reason: 'the probe was answered' });
  }

  function good(ticket: Held, at: number): void {
    const { kept } = ticket;
    if (ticket.epoch !== kept.epoch) return;
    const wasOpen = kept.openUntil !== undefined;
    kept.openings = 0;
    kept.consecutive = 0;
    kept.notBefore = 0;
    if (!wasOpen) kept.results.add(at, true);
    else closeAndTell(kept);
  }

  function rest(kept: Kept, until: number, at: number): void {
    const isOpen = kept.openUntil !== undefined && kept.openUntil > at;
    if (!isOpen) open(kept, { until, at, reason: RATE_LIMITED });
    else if (until > (kept.openUntil ?? 0)) prolong(kept, { until, at, reason: RATE_LIMITED });
  }

  /** Why the breaker has to open now, if it has to. */
  function tripped(kept: Kept, at: number): string | undefined {
    if (kept.openUntil !== undefined) return 'the probe failed';
    // after an opening, nothing is forgiven until there was a whole answer
    if (kept.openings > 0) return 'it failed again';
    if (settings.failures > 0 && kept.consecutive >= settings.failures) return `${kept.consecutive} failures in a row`;
    const count = kept.results.count(at);
    const failed = kept.results.failed(at);
    if (settings.rate === 0 || count < settings.minimum || failed < settings.rate * count) return undefined;
    return `${failed} of ${count} requests failed`;
  }

  function bad(ticket: Held, error: GatewayError, at: number): void {
    const { kept } = ticket;
    const wanted = at + Math.min(error.retryAfterMs ?? 0, LONGEST_REST_MS);
    kept.lastError = error.message;
    if (ticket.epoch !== kept.epoch) {
      if (kept.openUntil !== undefined && wanted > Math.max(at, kept.openUntil))
        prolong(kept, { until: wanted, at, reason: error.message });
      return;
    }
    kept.consecutive++;
    kept.notBefore = Math.max(kept.notBefore, wanted);
    kept.results.add(at, false);
    const reason = tripped(kept, at);
    if (reason === undefined) return;
    kept.openings++;
    open(kept, { until: Math.max(at + cooldown(kept), kept.notBefore), at, reason });
  }

  const cooldown = ({ openings }: Kept): number => Math.min(settings.maxCooldownMs, settings.cooldownMs * 2 ** (openings - 1));

  const rules: Rules = {
    spoke(ticket, ms) {
      const { kept } = ticket;
      kept.latencies.add(ms);
      // an answer may take minutes from here on: others need not wait for its end
      if (ticket.epoch === kept.epoch && kept.openUntil !== undefined) closeAndTell(kept);
    },
    settled(ticket, outcome) {
      const { kept } = ticket;
      const at = now();
      kept.inFlight--;
      kept.usedAt = at;
      if (kept.probe === ticket) kept.probe = undefined;
      if (outcome === 'cancelled') return;
      if (outcome === 'lost') {
        // without it, one that has become slow would look as quick as ever: those who are slow lose
        if (at - ticket.since > (kept.latencies.average() ?? Infinity)) kept.latencies.add(at - ticket.since);
        return;
      }
      if (outcome === 'good') {
        kept.wholeMs = kept.wholeMs === undefined ? at - ticket.since : kept.wholeMs + 0.25 * (at - ticket.since - kept.wholeMs);
        good(ticket, at);
        return;
      }
      const meaning = meaningOf(outcome);
      if (meaning === 'failure') bad(ticket, outcome, at);
      else if (meaning === 'works') good(ticket, at);
      else if (meaning === 'rest') rest(kept, at + Math.min(outcome.retryAfterMs ?? 0, LONGEST_REST_MS), at);
    },
  };

  /** Idle, and not open: nothing but its figures would be lost. */
  const spare = ({ inFlight, openUntil }: Kept, at: number): boolean => inFlight === 0 && (openUntil ?? 0) <= at;

  function sweep(at: number): void {
    sweptAt = at;
    for (const kept of book.values()) if (at - kept.usedAt >= HOUR_MS && spare(kept, at)) book.delete(kept.key);
  }

  function makeRoom(at: number): void {
    let oldest: Kept | undefined;
    for (const kept of book.values()) if (spare(kept, at) && kept.usedAt < (oldest?.usedAt ?? Infinity)) oldest = kept;
    if (oldest) book.delete(oldest.key);
  }

  function keep(key: string, at: number): Kept {
    const known = book.get(key);
    if (known) return known;
    if (book.size >= MOST_KEYS) makeRoom(at);
    const kept = keptOf(key, { windowMs: settings.windowMs, at });
    book.set(key, kept);
    return kept;
  }

  /** How long nobody else may start there; undefined where somebody may. A probe that never ends makes way for another. */
  function shutFor(kept: Kept, at: number, who: Asker): number | undefined {
    const { openUntil, openings, probe } = kept;
    if (openUntil === undefined) return undefined;
    if (openUntil > at) return Math.ceil(openUntil - at);
    // it never failed: when the time that it asked for is over, there is nothing to find out
    if (openings === 0) return undefined;
    if (who === 'client' && at < openUntil + settings.probeMs) return PROBE_RUNS_MS;
    // an answer may take minutes, and what rested for seconds should not be away for as long because of that
    return probe && at - probe.since < cooldown(kept) ? PROBE_RUNS_MS : undefined;
  }

  function view(kept: Kept, at: number): TargetHealth {
    const { openUntil, results, latencies } = kept;
    const count = results.count(at);
    const failed = results.failed(at);
    // a rest that was asked for is over when its time is
    const closed = openUntil === undefined || (kept.openings === 0 && openUntil <= at);
    return {
      state: closed ? 'closed' : openUntil > at ? 'open' : 'half-open',
      inFlight: kept.inFlight,
      latencyMs: latencies.average(),
      p95Ms: latencies.p95(),
      consecutiveFailures: kept.consecutive,
      failureRate: count === 0 ? 0 : failed / count,
      retryAfterMs: shutFor(kept, at, 'client'),
      lastError: closed && failed === 0 && kept.consecutive === 0 ? undefined : kept.lastError,
    };
  }

  return {
    enter(target, who = 'client') {
      const at = now();
      if (at - sweptAt >= SWEEP_EVERY_MS) sweep(at);
      const kept = keep(target.key, at);
      kept.usedAt = at;
      const shut = shutFor(kept, at, who);
      if (shut !== undefined) return { ok: false, why: kept.openings === 0 ? 'limited' : 'open', retryAfterMs: shut };
      if (target.maxInFlight !== undefined && kept.inFlight >= target.maxInFlight) {
        return { ok: false, why: 'busy', retryAfterMs: untilOneEnds(kept) };
      }
      if (kept.openings === 0) kept.openUntil = undefined;
      const probe = kept.openUntil !== undefined;
      const ticket = new Held(rules, kept, { at, probe });
      kept.inFlight++;
      if (probe) kept.probe = ticket;
      return { ok: true, ticket };
    },
    of(key) {
      const kept = book.get(key);
      return kept ? view(kept, now()) : UNKNOWN;
    },
    snapshot() {
      const at = now();
      sweep(at);
      return new Map(Array.from(book.values(), (kept) => [kept.key, view(kept, at)]));
    },
    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    apply({ key, state, forMs, reason }) {
      const at = now();
      if (state === 'closed') {
        const known = book.get(key);
        if (known?.openUntil === undefined) return;
        known.openings = 0;
        close(known);
        return;
      }
      const kept = keep(key, at);
      const until = at + Math.min(forMs, LONGEST_REST_MS);
      kept.usedAt = at;
      kept.lastError ??= reason;
      const isOpen = kept.openUntil !== undefined && kept.openUntil > at;
      // both saw the same trouble: the longer rest holds
      kept.openUntil = isOpen ? Math.max(until, kept.openUntil ?? 0) : until;
      kept.toldUntil = kept.openUntil;
      if (isOpen) return;
      kept.epoch++;
      kept.probe = undefined;
      if (reason !== RATE_LIMITED) kept.openings++;
    },
    tune(next) {
      settings = next;
    },
  };
}

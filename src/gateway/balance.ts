/** Which of a route's targets is asked first, and which after it. */
import type { Call, Pricing } from '../core/call.ts';
import type { HealthBook, TargetHealth } from './health.ts';
import type { Route, RouteTarget, Strategy } from './route.ts';
import { stickyHash, stickyOrder } from './sticky.ts';

/** Requests that a target may have at once before anybody knows how fast it is. */
const TRIALS = 3;
/** One request of so many goes to another target than the fastest, to see whether that still holds. */
const EXPLORES = 20;

/** A target beside what is known of it. `rank`: 0 may start, 1 is full, 2 is at rest. */
interface Candidate {
  readonly target: RouteTarget;
  readonly health: TargetHealth;
  readonly rank: number;
  /** Less is better; what it measures is the strategy's. */
  score: number;
  /** Decides between equals. */
  tie: number;
}

/**
 * All targets of the route, best first, by its strategy. The one that the caller is to return to comes before all others,
 * whatever the strategy, unless it is open, full or clearly busier than they are. Those that are full come behind, those
 * at rest last. `random` gives 0 <= x < 1.
 */
export function orderTargets(
  route: Route,
  { call, health, random }: { readonly call: Call; readonly health: HealthBook; readonly random: () => number },
): readonly RouteTarget[] {
  const { targets, policy } = route;
  if (targets.length < 2) return targets;
  const candidates = targets.map((target) => candidate(target, health.of(target.key)));
  score(candidates, policy.strategy, random);
  candidates.sort((a, b) => a.rank - b.rank || compared(a.score, b.score) || compared(a.tie, b.tie));
  if (policy.strategy === 'lowest-latency') explore(candidates, random);
  const hash = policy.sticky === 'off' ? undefined : stickyHash(call, policy.sticky);
  if (hash !== undefined) putFirst(candidates, returnsTo(candidates, stickyOrder(targets, hash)));
  return candidates.map(({ target }) => target);
}

function candidate(target: RouteTarget, health: TargetHealth): Candidate {
  const full = target.maxInFlight !== undefined && health.inFlight >= target.maxInFlight;
  const rank = health.retryAfterMs !== undefined ? 2 : full ? 1 : 0;
  return { target, health, rank, score: 0, tie: 0 };
}

/** Infinity equals itself, which a difference would not say. */
const compared = (a: number, b: number): number => (a === b ? 0 : a - b);

/** Sorted by these, draws without replacement come out: the chance to be next is the weight's part of what is left. */
const drawn = (weight: number, random: () => number): number => -Math.log(1 - random()) / Math.max(0, weight);

function score(candidates: readonly Candidate[], strategy: Strategy, random: () => number): void {
  for (const one of candidates) {
    const { target, health } = one;
    switch (strategy) {
      case 'ordered':
        break;
      case 'weighted':
        one.score = drawn(target.weight, random);
        break;
      case 'least-busy':
        one.score = target.weight > 0 ? health.inFlight / target.weight : Infinity;
        one.tie = drawn(target.weight, random);
        break;
      case 'lowest-latency':
        one.score = health.latencyMs ?? (health.inFlight < TRIALS ? -1 : Infinity);
        one.tie = drawn(target.weight, random);
        break;
      case 'cheapest':
        one.score = priceOf(target.target.card.pricing);
        break;
    }
  }
}

/** Dollars for a million tokens of which three in four are of prompts. Infinity where that is not known. */
function priceOf(pricing: Pricing | undefined): number {
  const { input, output } = pricing ?? {};
  return input === undefined || output === undefined ? Infinity : (input * 3 + output) / 4;
}

function explore(candidates: Candidate[], random: () => number): void {
  const known = candidates[0]?.health.latencyMs !== undefined;
  const free = candidates.findLastIndex(({ rank }) => rank === 0) + 1;
  if (!known || free < 2 || random() * EXPLORES >= 1) return;
  putFirst(candidates, candidates[1 + Math.floor(random() * (free - 1))]);
}

/** The first in the caller's own order that can take it. */
function returnsTo(candidates: readonly Candidate[], order: readonly RouteTarget[]): Candidate | undefined {
  for (const target of order) {
    const one = candidates.find((other) => other.target === target);
    if (one?.rank === 0 && !busier(one, candidates)) return one;
  }
  return undefined;
}

/** More than twice what its weight would have of the others' load, and four more: a few requests are no load. */
function busier(one: Candidate, candidates: readonly Candidate[]): boolean {
  let inFlight = 0;
  let weight = 0;
  for (const other of candidates) {
    if (other === one || other.rank === 2) continue;
    inFlight += other.health.inFlight;
    weight += other.target.weight;
  }
  return weight > 0 && one.health.inFlight > 2 * inFlight * (one.target.weight / weight) + 4;
}

function putFirst(candidates: Candidate[], one: Candidate | undefined): void {
  const at = one ? candidates.indexOf(one) : -1;
  if (!one || at < 1) return;
  candidates.splice(at, 1);
  candidates.unshift(one);
}

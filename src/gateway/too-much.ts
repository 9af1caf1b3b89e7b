/** Refusals of what is too much, in the contract's words: which limit it was, how much it is, what is left, when to come again. */
import type { CallTrace, LimitState } from '../core/call.ts';
import { GatewayError } from '../core/error.ts';
import type { Applying } from './applying.ts';
import { shown } from './attempt.ts';
import { counterId } from './counting.ts';
import { dollarsText } from './dollars.ts';
import type { Counter, CounterState, Refusal } from './store-ports.ts';

const KINDS = {
  requests: 'rate_limited_requests',
  tokens: 'rate_limited_tokens',
  concurrent: 'rate_limited_concurrency',
} as const;

const dollars = (nanos: bigint): string => `$${dollarsText(nanos)}`;

const atLeastNothing = (amount: bigint): bigint => (amount < 0n ? 0n : amount);

/** The refusal that takes longest to pass speaks for all of them: who waits as it says is let in. */
export function worstOf(refusals: readonly Refusal[]): Refusal | undefined {
  const wait = ({ retryAfterMs }: Refusal): number => retryAfterMs ?? Infinity;
  return refusals.reduce<Refusal | undefined>((worst, one) => (worst && wait(worst) >= wait(one) ? worst : one), undefined);
}

export interface Misfit {
  readonly refusal: Refusal;
  readonly of: Applying;
  /** What the request wanted of it. */
  readonly amount: bigint;
  /** How many tokens of an answer would fit, where that is known. */
  readonly fits?: number;
}

const named = (value: bigint | number, one: string): string => `${value} ${one}${BigInt(value) === 1n ? '' : 's'}`;

/** For a limit in a time, or of requests at once. */
export function limitReached({ refusal, of, amount }: Misfit): GatewayError {
  const { remaining, retryAfterMs } = refusal;
  const left = atLeastNothing(remaining);
  if (of.of === 'concurrent') {
    const limit = named(of.counter.limit, 'request');
    return new GatewayError(KINDS.concurrent, `This ${of.scope} may have ${limit} at once, and has as many. Try again when one is done.`, {
      retryAfterMs: retryAfterMs ?? 1000,
    });
  }
  const what = of.of === 'tokens' ? 'token' : 'request';
  const limit = `This ${of.scope} may use ${named(of.counter.limit, what)} a ${of.per}`;
  if (retryAfterMs === undefined) {
    return new GatewayError(
      of.of === 'tokens' ? KINDS.tokens : KINDS.requests,
      `${limit}; this request alone is estimated at ${named(amount, what)}, and never fits.`,
      { retryable: false },
    );
  }
  const wants = of.of === 'tokens' ? `, and this request is estimated at ${amount}` : '';
  const message = `${limit}: ${named(left, what)} left${wants}. Try again in ${shown(Math.max(1, retryAfterMs))}.`;
  return new GatewayError(of.of === 'tokens' ? KINDS.tokens : KINDS.requests, message, { retryAfterMs });
}

/** For a budget. Where requests under way hold what is missing, waiting may help; else it does not, until the budget begins anew. */
export function budgetReached({ refusal, of, amount, fits }: Misfit, now: number): GatewayError {
  const { counter, remaining, held = 0n } = refusal;
  const limit = BigInt(counter.limit);
  const left = atLeastNothing(remaining);
  const budget = `The budget of this ${of.scope} is ${dollars(limit)}${of.per === 'total' ? '' : ` a ${of.per}`}`;
  const cost = `this request may cost ${dollars(amount)}`;
  if (amount <= remaining + held) {
    const message = `${budget}, of which ${dollars(left)} is left while other requests hold ${dollars(held)}; ${cost}. Try again when they are done.`;
    return new GatewayError(KINDS.concurrent, message, { retryAfterMs: refusal.retryAfterMs ?? 1000 });
  }
  const until = counter.kind === 'budget' ? counter.until : undefined;
  const again = until === undefined ? '' : ` It begins anew in ${shown(Math.max(1, until - now))}, at ${new Date(until).toISOString()}.`;
  const spent = limit - remaining - held;
  const used = held > 0n ? `${dollars(spent)} is spent and ${dollars(held)} held by other requests` : `${dollars(spent)} is spent`;
  const advice = fits !== undefined && fits > 0 ? ` It would fit with max_tokens: ${fits}.` : '';
  return new GatewayError('insufficient_quota', `${budget}: ${used}, ${dollars(left)} is left, and ${cost}.${advice}${again}`);
}

/** The very same object where it was counted in this process, and mostly at the same place as its counter. */
function stateOf(counter: Counter, states: readonly CounterState[], at: number): CounterState | undefined {
  const there = states[at];
  if (there?.counter === counter) return there;
  const id = counterId(counter);
  return states.find((state) => counterId(state.counter) === id);
}

/** The tightest limits of requests and of tokens, for the client's own pace; undefined where none applies. */
export function tightest(states: readonly CounterState[], applying: readonly Applying[]): CallTrace['limits'] {
  let requests: CounterState | undefined;
  let tokens: CounterState | undefined;
  for (let at = 0; at < applying.length; at += 1) {
    const { of, counter } = applying[at] as Applying;
    if (of !== 'requests' && of !== 'tokens') continue;
    const state = stateOf(counter, states, at);
    if (!state) continue;
    if (of === 'requests') requests = tighter(requests, state);
    else tokens = tighter(tokens, state);
  }
  if (!requests) return tokens && { tokens: limitState(tokens) };
  return tokens ? { requests: limitState(requests), tokens: limitState(tokens) } : { requests: limitState(requests) };
}

function tighter(before: CounterState | undefined, state: CounterState): CounterState {
  return before && before.remaining <= state.remaining ? before : state;
}

function limitState({ counter, remaining, resetMs }: CounterState): LimitState {
  return { limit: Number(counter.limit), remaining: Number(atLeastNothing(remaining)), resetMs };
}

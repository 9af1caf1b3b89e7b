/** Clients that leave at random moments, and how long the upstream takes to see it. */
import assert from 'node:assert/strict';
import { setTimeout as after } from 'node:timers/promises';
import { answerWith, askFor, chunked, framesFor, partsOf, wellBytes } from './upstream-answers.ts';
import type { Asked } from './upstream-answers.ts';
import { send, stall, trickle } from './faulty-upstream.ts';
import type { FaultyUpstream, Plan } from './faulty-upstream.ts';
import { pick, quantile } from './random.ts';

/** How long a refused attempt is to be followed by a wait; longer than anybody stays, on a busy machine too. */
export const RETRY_AFTER_MS = 6000;

/** Where the answer stands when the client leaves. None of them ever ends by itself. */
export const STAGES: Readonly<Record<string, (asked: Asked) => Plan>> = {
  'before-head': () => [stall],
  'after-head': (asked) => [send(partsOf(asked).head), stall],
  'before-word': (asked) => [send(partsOf(asked).head, partsOf(asked).opening), stall],
  'after-words': (asked) => [send(partsOf(asked).head, partsOf(asked).opening, partsOf(asked).shown), stall],
  'mid-frame': (asked) => [send(partsOf(asked).head, partsOf(asked).opening, partsOf(asked).shown, '1f\r\ndata: {"id'), stall],
  // more than goes out while anybody is there, so that it is left in full flow
  'in-flow': (asked) =>
    asked.stream
      ? [
          send(partsOf(asked).head, partsOf(asked).opening),
          trickle(
            framesFor({ ...asked, words: 5000 })
              .words.map(chunked)
              .join(''),
            100,
          ),
          stall,
        ]
      : [trickle(wellBytes({ ...asked, words: 5000 }).slice(0, -1), 100), stall],
  'in-wait': ({ nth }) =>
    nth === 0 ? [send(answerWith(429, '{"error":{"message":"Wait."}}', { 'retry-after-ms': String(RETRY_AFTER_MS) }))] : [stall],
};

/** Each request has a model of its own: what is learnt of one target's health has no part in the next. */
const modelFor = (stage: string, token: string): string => `up/${stage}.${token}`;

export const planOf = (asked: Asked): Plan => STAGES[asked.model.split('.')[0] ?? '']?.(asked) ?? [];

export interface Departure {
  readonly stage: string;
  readonly stream: boolean;
  /** From the client's leaving to the upstream's seeing it; absent where there was no connection to close. */
  readonly ms: number | undefined;
  /** The same by the clock of `Departing`. */
  readonly ranMs: number | undefined;
}

export interface Departing {
  readonly url: string;
  readonly upstream: FaultyUpstream;
  readonly random: () => number;
  /** Milliseconds that a client stays at most. */
  readonly patience: number;
  /** Where it stands; any where absent. */
  readonly stage?: string;
  readonly clock?: () => number;
}

export interface RunningClock {
  now(): number;
  stop(): void;
}

/** Of the time between two turns of the loop so many milliseconds count at most. */
const TURN_MS = 5;

/**
 * Milliseconds in which this process ran. That it stood still, because the machine had other work, is not counted: timers and waits of
 * its own are, as it runs meanwhile.
 */
export function startRunningClock(): RunningClock {
  let ran = 0;
  let last = performance.now();
  const now = (): number => ran + Math.min(performance.now() - last, TURN_MS);
  const ticks = setInterval(() => {
    ran = now();
    last = performance.now();
  }, 1);
  return { now, stop: () => clearInterval(ticks) };
}

/** One request that is left at a random moment. */
export async function leaveOnce(
  { url, upstream, random, patience, stage = pick(Object.keys(STAGES), random), clock = () => performance.now() }: Departing,
  token: string,
): Promise<Departure> {
  const stream = random() < 0.5;
  const leaving = new AbortController();
  const asked = fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-client-request-id': token },
    body: JSON.stringify({ model: modelFor(stage, token), stream, messages: [{ role: 'user', content: askFor(token) }] }),
    signal: leaving.signal,
  }).then((answer) => answer.text());
  const ended = asked.then(
    (text) => `it was answered: ${text.slice(0, 500)}`,
    (cause: unknown) => cause,
  );
  // the request has reached the upstream, else there would be nothing to see; from there on any moment is as good
  await upstream.until(() => upstream.of(token).length > 0);
  if (stage === 'in-wait') await upstream.until(() => upstream.of(token)[0]?.endedAt !== undefined);
  await after(random() * patience);
  const leftAt = performance.now();
  const from = clock();
  leaving.abort();
  assert.equal(await ended, leaving.signal.reason);
  if (stage === 'in-wait') return { stage, stream, ms: undefined, ranMs: undefined };
  const visit = upstream.of(token)[0];
  assert.ok(visit);
  await upstream.until(() => visit.leftAt !== undefined);
  assert.ok(!visit.complete);
  return { stage, stream, ms: (visit.leftAt ?? Number.NaN) - leftAt, ranMs: clock() - from };
}

export interface Spread {
  readonly count: number;
  readonly median: number;
  readonly p99: number;
  readonly worst: number;
}

export function spreadOf(departures: readonly Departure[], of: 'ms' | 'ranMs' = 'ms'): Spread {
  const times = departures.flatMap((one) => one[of] ?? []);
  return { count: times.length, median: quantile(times, 0.5), p99: quantile(times, 0.99), worst: Math.max(...times) };
}

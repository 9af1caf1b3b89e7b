/** Two attempts at once, where the first is later than it usually is; the first to produce anything wins. */
import type { Call, Reply } from '../core/call.ts';
import { GatewayError } from '../core/error.ts';
import type { Attempted } from './attempt.ts';
import type { HealthBook } from './health.ts';
import type { Route } from './route.ts';
import { isKept } from './verdict.ts';

interface Surroundings {
  readonly route: Route;
  readonly call: Call;
  readonly health: HealthBook;
}

/**
 * The reply of the first attempt, or of a second one which `another` starts when the first has taken longer than nineteen
 * of its last twenty. The loser is given up; both stay in the trace. Rejects with the first one's failure where both fail.
 */
export function firstToAnswer(first: Attempted, another: () => Attempted | undefined, around: Surroundings): Promise<Reply> {
  const { route, call, health } = around;
  const usualMs = route.policy.hedge && !isKept(call) ? health.of(first.target.key).p95Ms : undefined;
  return usualMs === undefined ? won(first, call) : inTurn(first, another, { call, usualMs });
}

interface Usual {
  readonly call: Call;
  /** The first one has so long before another begins. */
  readonly usualMs: number;
}

async function inTurn(first: Attempted, another: () => Attempted | undefined, { call, usualMs }: Usual): Promise<Reply> {
  const { promise: late, resolve } = Promise.withResolvers<'late'>();
  const timer = setTimeout(() => resolve('late'), usualMs);
  try {
    const soon = await Promise.race([first.reply.then(() => 'there' as const), late]);
    if (soon === 'there') return await won(first, call);
  } finally {
    clearTimeout(timer);
  }
  const second = another();
  if (!second) return won(first, call);
  const winner = await Promise.any([first, second].map(async (one) => one.reply.then(() => one))).catch(() => undefined);
  if (!winner) return won(first, call);
  const loser = winner === first ? second : first;
  // its failure, which giving it up may bring about, is in the trace
  loser.reply.catch(() => undefined);
  loser.giveUp(new GatewayError('cancelled', 'Another target was faster.'), 'lost');
  return won(winner, call);
}

async function won({ reply, attempt }: Attempted, call: Call): Promise<Reply> {
  const answered = await reply;
  call.trace.answeredBy = attempt;
  return answered;
}

/** One attempt at one target: its time-outs, its place in the books, and the end of both, once, however it ends. */
import { Abort, eachUnlessAborted, unlessAborted } from '../core/abort.ts';
import type { Attempt, Call, Reply } from '../core/call.ts';
import { GatewayError, toGatewayError } from '../core/error.ts';
import type { Batch, ChatEvent } from '../core/event.ts';
import { unfold } from '../core/unfold.ts';
import { isPossible } from './charge.ts';
import type { Ticket } from './health.ts';
import { isLocal } from './route.ts';
import type { RouteTarget } from './route.ts';

export interface Attempted {
  readonly target: RouteTarget;
  readonly attempt: Attempt;
  /** Resolves with the first output, or rejects with a GatewayError. */
  readonly reply: Promise<Reply>;
  /** Gives it up; `lost` where another one was faster. Does nothing once it is over. */
  giveUp(reason: GatewayError, outcome: 'cancelled' | 'lost'): void;
}

export interface AttemptParts {
  readonly call: Call;
  readonly target: RouteTarget;
  readonly ticket: Ticket;
  readonly hedge: boolean;
  /** An answer whose reader leaves is read to its end. */
  readonly drains: boolean;
  readonly now: () => number;
  /** Called once, when the target has done its work. */
  readonly ended: (outcome: Attempt['outcome'], error: GatewayError | undefined) => void;
}

/** Starts it. What it does is written to `call.trace`. */
export function startAttempt({ call, target, ticket, hedge, drains, now, ended }: AttemptParts): Attempted {
  const { card, backend } = target.target;
  const attempt: Attempt = {
    target: target.key,
    ...(card.provider === undefined ? {} : { provider: card.provider }),
    startedAt: now(),
    hedge,
  };
  call.trace.attempts.push(attempt);
  const control = new Abort();
  /** Looks for silence in a stream. */
  let idle: NodeJS.Timeout | undefined;
  /** Since when the target's next output has been waited for; undefined while its reader has not asked for more. */
  let waitingSince: number | undefined = attempt.startedAt;
  const { firstOutputMs, idleMs } = target.timeouts;

  const settle = (outcome: NonNullable<Attempt['outcome']>, error?: GatewayError, blamed = true): void => {
    if (attempt.outcome) return;
    attempt.outcome = outcome;
    attempt.endedAt = now();
    if (error) attempt.error = error;
    call.signal.removeEventListener('abort', left);
    clearTimeout(idle);
    if (outcome === 'answered') ticket.succeed();
    // an engine of ours is started again when it breaks: there is no need to leave it alone
    else if (outcome === 'failed' && error && blamed && !isLocal(target)) ticket.fail(error);
    else if (outcome === 'lost') ticket.lost();
    else ticket.cancel();
    ended(outcome, error);
    call.attempted?.(attempt);
  };
  const giveUp = (reason: GatewayError, outcome: 'cancelled' | 'lost'): void => {
    if (attempt.outcome) return;
    settle(outcome);
    control.abort(reason);
  };
  /** At least half of the time since the first attempt went into its silence: not into waits, its words or a slow reader. */
  const wasSilent = (): boolean => {
    const since = call.trace.attempts[0]?.startedAt ?? attempt.startedAt;
    return waitingSince !== undefined && now() - waitingSince >= (now() - since) / 2;
  };
  /** The client is gone, or the whole request took too long. */
  const left = (): void => {
    const reason = toGatewayError(call.signal.reason);
    if (reason.kind === 'upstream_timeout') {
      settle('failed', reason, wasSilent());
      return control.abort(reason);
    }
    if (!drains || attempt.firstOutputAt === undefined) giveUp(reason, 'cancelled');
  };
  if (call.signal.aborted) left();
  else call.signal.addEventListener('abort', left, { once: true });

  // made when it is needed: an error's stack costs more than the rest of an attempt
  const tooLate = (): GatewayError =>
    new GatewayError('upstream_timeout', `The model gave no output within ${shown(firstOutputMs)} (time-out for the first output).`);
  const reached = (): void => {
    attempt.reached = true;
  };
  const noteTier = (tier: string | undefined): void => {
    if (tier !== undefined) attempt.serviceTier = tier;
  };
  const timer = firstOutputMs > 0 ? setTimeout(() => control.abort(tooLate()), firstOutputMs) : undefined;
  const work = async (): Promise<Reply> => {
    try {
      const reply = await unlessAborted(backend.chat({ ...call, signal: control, reached }, target.target), control);
      attempt.firstOutputAt = now();
      ticket.firstOutput(attempt.firstOutputAt - attempt.startedAt);
      if (reply.kind === 'stream') return { ...reply, batches: watched(reply.batches) };
      attempt.reached = true;
      const { usage } = reply.response;
      if (usage && isPossible(usage)) attempt.usage = usage;
      else attempt.producedBytes = producedBytes(unfold(reply.response));
      noteTier(reply.response.serviceTier);
      settle('answered');
      return reply;
    } catch (cause) {
      const error = toGatewayError(cause);
      settle(error.kind === 'cancelled' ? 'cancelled' : 'failed', error);
      throw error;
    } finally {
      clearTimeout(timer);
    }
  };

  /** The same batches; what they say of the end is kept, and silence ends them. */
  function watched(batches: AsyncIterable<Batch>): AsyncIterable<Batch> {
    const inner = batches[Symbol.asyncIterator]();
    const unlessLeft = eachUnlessAborted(control);
    waitingSince = undefined;
    const silent = (): GatewayError =>
      new GatewayError(
        'upstream_timeout',
        `The model fell silent for ${shown(idleMs)} in the middle of its answer (time-out between two outputs).`,
      );

    /** One timer for the whole stream: it looks whether the silence it was set for has come about. */
    const look = (): void => {
      if (attempt.outcome) return;
      const waited = waitingSince === undefined ? 0 : now() - waitingSince;
      if (waited >= idleMs) return control.abort(silent());
      idle = setTimeout(look, idleMs - waited);
    };
    if (idleMs > 0 && !attempt.outcome) idle = setTimeout(look, idleMs);
    const note = ({ events }: Batch): void => {
      attempt.producedBytes = (attempt.producedBytes ?? 0) + producedBytes(events);
      for (const event of events) {
        if (event.type === 'start') noteTier(event.serviceTier);
        else if (event.type === 'usage') {
          if (isPossible(event.usage)) attempt.usage = event.usage;
          noteTier(event.serviceTier);
        } else if (event.type === 'end') settle('answered');
        else if (event.type === 'error') settle(event.error.kind === 'cancelled' ? 'cancelled' : 'failed', event.error);
      }
    };
    const next = async (): Promise<IteratorResult<Batch>> => {
      waitingSince = now();
      try {
        const result = await unlessLeft(inner.next());
        waitingSince = undefined;
        if (result.done !== true) note(result.value);
        else settle('failed', new GatewayError('upstream', 'The model stopped before the end of its answer.'));
        return result;
      } catch (cause) {
        const error = toGatewayError(cause);
        settle(error.kind === 'cancelled' ? 'cancelled' : 'failed', error);
        throw error;
      }
    };
    /** Reads on for the sake of the usage alone; failures are in the books, and nobody else asks for them. */
    const drain = async (): Promise<void> => {
      const enough = setTimeout(() => giveUp(unwanted(), 'cancelled'), LONGEST_DRAIN_MS);
      try {
        while (!attempt.outcome) await next();
      } catch {
        return;
      } finally {
        clearTimeout(enough);
      }
    };
    const leave = async (value?: unknown): Promise<IteratorResult<Batch>> => {
      if (drains && !attempt.outcome) {
        void drain();
        return { done: true, value };
      }
      // made when it is needed: an error's stack costs more than a batch
      if (!attempt.outcome) giveUp(unwanted(), 'cancelled');
      // it may wait for bytes that never come: the signal has ended those, and nobody waits for this
      inner.return?.(value).then(undefined, () => undefined);
      return { done: true, value };
    };
    return { [Symbol.asyncIterator]: () => ({ next, return: leave }) };
  }

  return { target, attempt, reply: work(), giveUp };
}

/** An answer that nobody waits for ends at last. */
const LONGEST_DRAIN_MS = 10 * 60_000;

const unwanted = (): GatewayError => new GatewayError('cancelled', 'The rest of the answer is not wanted.');

/** What the model has made, in bytes of UTF-8: text, reasoning, arguments, what it says aloud. */
function producedBytes(events: readonly ChatEvent[]): number {
  let bytes = 0;
  for (const event of events) {
    if (event.type === 'block_delta') bytes += Buffer.byteLength(event.text);
    else if (event.type === 'speech_delta') bytes += Buffer.byteLength(event.speech.transcript ?? '');
  }
  return bytes;
}

/** `250 ms`, `30 s`, `10 min`. */
export function shown(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 120_000) return `${Math.round(ms / 100) / 10} s`;
  return `${Math.round(ms / 6000) / 10} min`;
}

/** How requests and attempts end, in the few words that are labels. */
import type { Attempt } from '../core/call.ts';
import type { GatewayError } from '../core/error.ts';
import { assertNever } from '../core/event.ts';

/** What went wrong: `error_type` of OpenTelemetry's conventions. */
export type Failure = 'client_error' | 'rate_limited' | 'overloaded' | 'timeout' | 'upstream_error' | 'internal_error' | 'cancelled';

export type Outcome = 'ok' | Failure;

export const OUTCOMES: Readonly<Record<Outcome, string>> = {
  ok: 'the whole answer went out',
  client_error: 'the request was at fault, or its key',
  rate_limited: 'a limit or a quota was reached',
  overloaded: 'too much was going on here, or nobody could be asked',
  timeout: 'a model or a provider took too long',
  upstream_error: 'a provider failed or broke off',
  internal_error: 'the server itself failed',
  cancelled: 'the client went away',
};

export function failureOf({ kind, status }: GatewayError): Failure {
  if (kind === 'cancelled') return 'cancelled';
  if (kind === 'internal') return 'internal_error';
  if (kind === 'overloaded') return 'overloaded';
  if (kind === 'upstream_timeout' || status === 504) return 'timeout';
  if (status === 429) return 'rate_limited';
  return status < 500 ? 'client_error' : 'upstream_error';
}

/** `sent`: the whole answer went out. */
export function outcomeOf(error: GatewayError | undefined, sent: boolean): Outcome {
  if (error) return failureOf(error);
  return sent ? 'ok' : 'cancelled';
}

export type AttemptOutcome = Outcome | 'lost';

/** Of an attempt that is over. */
export function attemptOutcome(outcome: NonNullable<Attempt['outcome']>, error: GatewayError | undefined): AttemptOutcome {
  switch (outcome) {
    case 'answered':
      return 'ok';
    case 'failed':
      return error ? failureOf(error) : 'upstream_error';
    case 'cancelled':
    case 'lost':
      return outcome;
    default:
      return assertNever(outcome);
  }
}

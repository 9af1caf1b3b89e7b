/** What a client is told who comes while no target may be asked. */
import { GatewayError } from '../core/error.ts';
import { shown } from './attempt.ts';
import { meaningOf } from './failure-meaning.ts';
import type { HealthBook } from './health.ts';
import type { Route } from './route.ts';

/** The last failure of each target, as long as it is the last thing that is known of it. */
export interface LastFailures {
  /** Without an error: the target has answered. */
  note(key: string, error?: GatewayError): void;
  of(key: string): GatewayError | undefined;
}

/** Keys that are remembered; the oldest are forgotten. */
const REMEMBERED = 1000;

export function createLastFailures(): LastFailures {
  const failures = new Map<string, GatewayError>();
  return {
    note(key, error) {
      const meaning = error && meaningOf(error);
      // what was wrong with one client's request is nobody else's business
      if (error && meaning !== 'failure' && meaning !== 'rest') return;
      failures.delete(key);
      if (error) failures.set(key, error);
      for (const oldest of failures.keys()) {
        if (failures.size <= REMEMBERED) break;
        failures.delete(oldest);
      }
    },
    of: (key) => failures.get(key),
  };
}

/** Those whose words are about our account there, or a limit of it, and never about what somebody asked. */
const ABOUT_THE_ACCOUNT: ReadonlySet<number> = new Set([401, 402, 429]);

const isAboutUs = ({ kind, status }: GatewayError): boolean =>
  kind === 'insufficient_quota' || kind === 'internal' || (kind === 'reported' && ABOUT_THE_ACCOUNT.has(status));

/**
 * The refusal: what the targets said last where that was about our account or a limit, else that they rest, and for how
 * long. Other words of a provider may quote what another client asked, and stay unsaid.
 */
export function nobodyReady(route: Route, { health, last }: { readonly health: HealthBook; readonly last: LastFailures }): GatewayError {
  const { targets, name } = route;
  const states = targets.map(({ key }) => ({ key, ...health.of(key) }));
  const resting = states.filter(({ retryAfterMs }) => retryAfterMs !== undefined);
  const waitMs = Math.min(...resting.map(({ retryAfterMs }) => retryAfterMs ?? Infinity), Infinity);
  const said = resting.flatMap(({ key }) => last.of(key) ?? []);
  const [worst] = said;
  if (worst && said.length === targets.length && said.every(isAboutUs)) return withRetryAfter(worst, waitMs);
  const many = targets.length > 1 ? `All ${targets.length} targets of the model '${name}' are` : `The model '${name}' is`;
  if (resting.length === 0) {
    return new GatewayError('overloaded', `${many} at the limit of requests at the same time. Try again later.`, { retryAfterMs: 1000 });
  }
  const because = worst ? `, the last one ${kindOf(worst)}` : '';
  return new GatewayError('overloaded', `${many} resting after failures${because}. Try again in ${shown(waitMs)}.`, {
    retryAfterMs: waitMs,
  });
}

function kindOf({ kind, status }: GatewayError): string {
  if (kind === 'upstream_timeout') return 'a time-out';
  if (kind === 'overloaded') return 'that it is overloaded';
  return kind === 'reported' ? `a refusal of status ${status}` : 'a broken or missing answer';
}

function withRetryAfter(error: GatewayError, retryAfterMs: number): GatewayError {
  if (error.status !== 429 || error.kind === 'insufficient_quota') return error;
  const { kind, status, type, code, param } = error;
  return new GatewayError(kind, error.message, {
    param,
    retryAfterMs,
    ...(kind === 'reported' ? { reported: { status, type, code } } : {}),
    cause: error,
  });
}

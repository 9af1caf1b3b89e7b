/** What a failed attempt says about the target itself, apart from what becomes of the request. */
import type { GatewayError } from '../core/error.ts';

/**
 * `rest`: it works but wants no more for now. `works`: the fault was the client's. `nothing`: the client left, or it may
 * have been either's fault.
 */
export type Meaning = 'failure' | 'rest' | 'works' | 'nothing';

/** Statuses of 4xx that are not about the request: our account there, its own clock. */
const TARGETS_OWN: ReadonlySet<number> = new Set([401, 402, 408, 425]);

/**
 * Some providers refuse a text that they moderate with 403, and with 404 a request that asks for what the model cannot do:
 * one client's requests of that kind must not close the target for all others.
 */
const ANYBODYS: ReadonlySet<number> = new Set([403, 404]);

const saysNotFound = ({ code, type }: GatewayError): boolean => /not.?found/i.test(`${code ?? ''} ${type}`);

export function meaningOf(error: GatewayError): Meaning {
  const { kind, status, retryAfterMs } = error;
  switch (kind) {
    case 'upstream':
    case 'upstream_timeout':
    case 'overloaded':
    case 'internal':
    case 'insufficient_quota':
    case 'model_not_found':
      return 'failure';
    case 'cancelled':
      return 'nothing';
    default:
      // without a time to wait for, resting and being asked again is all that can be done
      if (status === 429) return retryAfterMs ? 'rest' : 'failure';
      if (kind === 'reported' && ANYBODYS.has(status)) return status === 404 && saysNotFound(error) ? 'failure' : 'nothing';
      return kind === 'reported' && TARGETS_OWN.has(status) ? 'failure' : 'works';
  }
}

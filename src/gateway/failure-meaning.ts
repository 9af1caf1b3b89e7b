/** What a failed attempt says about the target itself, apart from what becomes of the request. */
import type { GatewayError } from '../core/error.ts';

/** `rest`: it works but wants no more for now. `works`: the fault was the client's. `nothing`: the client left. */
export type Meaning = 'failure' | 'rest' | 'works' | 'nothing';

/** Statuses of 4xx that are not about the request: our account there, the model's name there, its own clock. */
const TARGETS_OWN: ReadonlySet<number> = new Set([401, 402, 403, 404, 408, 425]);

export function meaningOf({ kind, status, retryAfterMs }: GatewayError): Meaning {
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
      return kind === 'reported' && TARGETS_OWN.has(status) ? 'failure' : 'works';
  }
}

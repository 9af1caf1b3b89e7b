/** What may be done about a failure before anything was shown. */
import type { Call } from '../core/call.ts';
import type { GatewayError } from '../core/error.ts';

/**
 * `final`: it would be the same everywhere, or was asked for. `elsewhere`: not this target again, another one may do.
 * `larger`: a target with more context may do. `again`: it may pass, here or elsewhere.
 */
export type Verdict = 'final' | 'elsewhere' | 'larger' | 'again';

/** Statuses that speak of our account or of the model with this provider. */
const OF_THE_PROVIDER: ReadonlySet<number> = new Set([401, 402, 403, 404]);

/** How providers say that a prompt was filtered, where they refuse it. */
const FILTERED: ReadonlySet<string> = new Set(['content_filter', 'content_policy_violation', 'moderation_blocked']);

/** It must not be carried out twice: a completion that is kept would be there twice. */
export const isKept = ({ request }: Call): boolean => request.raw['store'] === true;

/** The verdict on a failure of this call, by its kind and by the provider's own code. */
export function verdictOf(error: GatewayError, call: Call, { onContentFilter }: { readonly onContentFilter: boolean }): Verdict {
  // in whichever words: a provider's own envelope has the same code
  if (error.code === 'context_length_exceeded') return 'larger';
  if (onContentFilter && error.code !== null && FILTERED.has(error.code)) return 'elsewhere';
  switch (error.kind) {
    // what one protocol has no form for, another may have
    case 'unsupported_value':
    case 'unsupported_parameter':
    case 'model_not_found':
    case 'insufficient_quota':
    case 'internal':
      return 'elsewhere';
    case 'reported':
      if (OF_THE_PROVIDER.has(error.status)) return 'elsewhere';
      return error.retryable ? 'again' : 'final';
    case 'upstream':
    case 'upstream_timeout':
      // it may have been carried out all the same
      return isKept(call) ? 'final' : 'again';
    default:
      return error.retryable ? 'again' : 'final';
  }
}

import type { FinishedRequest } from '../gateway/ports.ts';
import type { Exchange } from './exchange.ts';

/** What is counted of an exchange that is over now. `sent`: the whole answer went out. */
export function finished({ facts, startedAt }: Exchange, sent: boolean): FinishedRequest {
  const { route, model, stream, firstTokenAt, gaps, usage, error, trace } = facts;
  return {
    route: route === '' ? '(none)' : route,
    // other routes have a model in their path, which need not be one
    model: stream === undefined ? undefined : model,
    startedAt,
    endedAt: performance.now(),
    firstTokenAt,
    gaps,
    usage,
    error,
    sent,
    trace,
  };
}

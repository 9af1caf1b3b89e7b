/** The log's one line per request: no contents, no keys. */
import type { Logger } from 'pino';
import type { Attempt } from '../core/call.ts';
import type { Exchange } from './exchange.ts';

export type Outcome = 'ok' | 'client_error' | 'error' | 'cancelled';

/** `sent`: the whole answer went out. */
export function logExchange(log: Logger, exchange: Exchange, sent: boolean): void {
  const { facts, request, response, startedAt } = exchange;
  const { error, usage } = facts;
  const outcome = outcomeOf(exchange, sent);
  const line = {
    id: exchange.id,
    ...given('clientRequestId', bounded(headerOf(request.headers['x-client-request-id']), 64)),
    method: request.method,
    route: facts.route,
    status: response.headersSent ? response.statusCode : (error?.status ?? 499),
    outcome,
    ...given('key', facts.principal?.id),
    ...given('user', bounded(facts.user, 64)),
    ...given('model', bounded(facts.model, 128)),
    ...given('stream', facts.stream),
    ...given('provider', facts.trace.answeredBy?.provider),
    ...(facts.trace.attempts.length > 0 ? { attempts: facts.trace.attempts.map(attemptLine) } : {}),
    ...given('cache', facts.trace.cache),
    ...given('finish', facts.finishReasons?.join(',')),
    ...(usage ? { promptTokens: usage.promptTokens, completionTokens: usage.completionTokens, cachedTokens: usage.cachedTokens } : {}),
    ...(facts.firstTokenAt === undefined ? {} : { firstTokenMs: rounded(facts.firstTokenAt - startedAt) }),
    ms: rounded(performance.now() - startedAt),
    ...(error ? { error: error.kind, ...given('param', bounded(error.param ?? undefined, 128)) } : {}),
    // our own and the upstream's faults are for the operator to read; what a client got wrong may quote its contents
    ...(error && outcome === 'error' ? { err: error.cause instanceof Error ? error.cause : error } : {}),
  };
  log[outcome === 'error' ? 'error' : facts.level](line, 'request');
}

function attemptLine({ target, startedAt, firstOutputAt, endedAt, outcome, error, hedge }: Attempt): Readonly<Record<string, unknown>> {
  return {
    target,
    outcome: outcome ?? 'running',
    ...(firstOutputAt === undefined ? {} : { firstOutputMs: rounded(firstOutputAt - startedAt) }),
    ...(endedAt === undefined ? {} : { ms: rounded(endedAt - startedAt) }),
    ...(error ? { error: error.kind, status: error.status } : {}),
    ...(hedge ? { hedge } : {}),
  };
}

function outcomeOf({ facts: { error } }: Exchange, sent: boolean): Outcome {
  if (error?.kind === 'cancelled') return 'cancelled';
  if (error) return error.status < 500 ? 'client_error' : 'error';
  return sent ? 'ok' : 'cancelled';
}

function given<K extends string, V>(key: K, value: V | undefined): { [key in K]?: V } {
  return value === undefined ? {} : ({ [key]: value } as { [key in K]?: V });
}

function headerOf(value: string | readonly string[] | undefined): string | undefined {
  return typeof value === 'string' ? value : value?.[0];
}

/** What a client wrote, cut. JSON leaves the control characters from U+007F on as they are, and terminals obey them. */
function bounded(text: string | undefined, length: number): string | undefined {
  const whole = text === undefined || text.length <= length ? text : `${text.slice(0, length)}…`;
  return whole?.replace(/[\u007f-\u009f]/g, (char) => `\\u00${char.charCodeAt(0).toString(16)}`);
}

function rounded(ms: number): number {
  return Math.round(ms * 10) / 10;
}

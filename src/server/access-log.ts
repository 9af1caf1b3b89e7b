/** The log's one line per request: no contents, no keys. */
import type { Logger } from 'pino';
import type { Attempt } from '../core/call.ts';
import type { Exchange } from './exchange.ts';

export type Outcome = 'ok' | 'client_error' | 'error' | 'cancelled';

/** Written in the order in which they stand in a line. */
interface Line {
  id: string;
  clientRequestId?: string;
  method: string | undefined;
  route: string;
  status: number;
  outcome: Outcome;
  key?: string;
  user?: string;
  model?: string;
  stream?: boolean;
  provider?: string;
  attempts?: readonly Readonly<Record<string, unknown>>[];
  cache?: string;
  finish?: string;
  promptTokens?: number;
  completionTokens?: number;
  cachedTokens?: number;
  firstTokenMs?: number;
  ms?: number;
  error?: string;
  param?: string;
  err?: Error;
}

export interface AccessLog {
  readonly log: Logger;
  /** Writes lines without errors, in the logger's place; absent: the logger does. */
  readonly write?: ((level: 'info' | 'debug' | 'error', fields: object) => void) | undefined;
}

/** `sent`: the whole answer went out. */
export function logExchange({ log, write }: AccessLog, exchange: Exchange, sent: boolean): void {
  const { facts, request, response, startedAt } = exchange;
  const { error, usage, trace } = facts;
  const outcome = outcomeOf(exchange, sent);
  const level = outcome === 'error' ? 'error' : facts.level;
  if (!log.isLevelEnabled(level)) return;
  const line: Line = {
    id: exchange.id,
    method: request.method,
    route: facts.route,
    status: response.headersSent ? response.statusCode : (error?.status ?? 499),
    outcome,
  };
  const client = headerOf(request.headers['x-client-request-id']);
  if (client !== undefined) line.clientRequestId = bounded(client, 64);
  if (facts.principal) line.key = facts.principal.id;
  if (facts.user !== undefined) line.user = bounded(facts.user, 64);
  if (facts.model !== undefined) line.model = bounded(facts.model, 128);
  if (facts.stream !== undefined) line.stream = facts.stream;
  if (trace.answeredBy?.provider !== undefined) line.provider = trace.answeredBy.provider;
  if (trace.attempts.length > 0) line.attempts = trace.attempts.map(attemptLine);
  if (trace.cache) line.cache = trace.cache;
  if (facts.finishReasons) line.finish = facts.finishReasons.join(',');
  if (usage) {
    line.promptTokens = usage.promptTokens;
    line.completionTokens = usage.completionTokens;
    line.cachedTokens = usage.cachedTokens;
  }
  if (facts.firstTokenAt !== undefined) line.firstTokenMs = rounded(facts.firstTokenAt - startedAt);
  line.ms = rounded(performance.now() - startedAt);
  if (error) {
    line.error = error.kind;
    if (typeof error.param === 'string') line.param = bounded(error.param, 128);
    // our own and the upstream's faults are for the operator to read; what a client got wrong may quote its contents
    if (outcome === 'error') line.err = error.cause instanceof Error ? error.cause : error;
  }
  if (line.err || !write) log[level](line, 'request');
  else write(level, line);
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

function headerOf(value: string | readonly string[] | undefined): string | undefined {
  return typeof value === 'string' ? value : value?.[0];
}

/** What a client wrote, cut. JSON leaves the control characters from U+007F on as they are, and terminals obey them. */
function bounded(text: string, length: number): string {
  const whole = text.length <= length ? text : `${text.slice(0, length)}…`;
  return whole.replace(/[\u007f-\u009f]/g, (char) => `\\u00${char.charCodeAt(0).toString(16)}`);
}

function rounded(ms: number): number {
  return Math.round(ms * 10) / 10;
}

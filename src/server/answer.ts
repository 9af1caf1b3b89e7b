/** Whole answers, good and bad: everything but a running stream goes out through here. */
import type { OutgoingHttpHeaders } from 'node:http';
import type { ServerSettings } from '../config/settings.ts';
import type { CallTrace } from '../core/call.ts';
import { toGatewayError } from '../core/error.ts';
import type { GatewayError } from '../core/error.ts';
import { encodeError } from '../protocols/openai-chat/error.ts';
import { corsHeaders } from './cors.ts';
import type { Exchange } from './exchange.ts';

export interface Answer {
  readonly status: number;
  readonly headers?: OutgoingHttpHeaders;
  /** A string is JSON unless the headers say otherwise. Absent: no body at all. */
  readonly body?: string | Buffer;
}

/** A client that reads slower than this many bytes a millisecond does not read. */
const SLOWEST_READER = 16;

/** The headers that every answer has. */
export function commonHeaders(exchange: Exchange, settings: ServerSettings): OutgoingHttpHeaders {
  const headers: OutgoingHttpHeaders = {
    'x-request-id': exchange.id,
    'openai-processing-ms': Math.round(performance.now() - exchange.startedAt),
  };
  const { origin } = exchange.request.headers;
  if (origin !== undefined) Object.assign(headers, corsHeaders(origin, settings.corsOrigins));
  addTrace(headers, exchange.facts.trace);
  return headers;
}

/** Who answered, after how many attempts: of failures too. */
function addTrace(headers: OutgoingHttpHeaders, { attempts, answeredBy, cache, limits, maxTokens }: CallTrace): void {
  const last = answeredBy ?? attempts.at(-1);
  if (last) {
    headers['x-parlance-provider'] = last.provider ?? 'local';
    headers['x-parlance-attempts'] = attempts.length;
  }
  if (cache) headers['x-parlance-cache'] = cache;
  if (maxTokens !== undefined) headers['x-parlance-max-tokens'] = maxTokens;
  const { requests, tokens } = limits ?? {};
  if (requests) {
    headers['x-ratelimit-limit-requests'] = requests.limit;
    headers['x-ratelimit-remaining-requests'] = requests.remaining;
    headers['x-ratelimit-reset-requests'] = durationText(requests.resetMs);
  }
  if (tokens) {
    headers['x-ratelimit-limit-tokens'] = tokens.limit;
    headers['x-ratelimit-remaining-tokens'] = tokens.remaining;
    headers['x-ratelimit-reset-tokens'] = durationText(tokens.resetMs);
  }
}

/** As OpenAI writes them: `120ms`, `1.5s`, `6m0s`, `23h59m59s`. */
export function durationText(ms: number): string {
  const whole = Math.max(0, Math.ceil(ms));
  if (whole < 1000) return `${whole}ms`;
  if (whole < 60_000) return `${whole / 1000}s`;
  const seconds = Math.ceil(whole / 1000);
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor((seconds % 3600) / 60)];
  return `${hours > 0 ? `${hours}h` : ''}${minutes}m${seconds % 60}s`;
}

/** Sends a whole answer. Does nothing where one has begun or nobody is there to read it. */
export function answer(exchange: Exchange, settings: ServerSettings, { status, headers, body }: Answer): void {
  const { response } = exchange;
  if (response.headersSent || exchange.isOver()) return;
  const length = body === undefined ? 0 : Buffer.byteLength(body);
  const all = commonHeaders(exchange, settings);
  if (body !== undefined) {
    all['content-type'] = 'application/json';
    all['content-length'] = length;
  }
  response.writeHead(status, headers ? Object.assign(all, headers) : all);
  response.end(body);
  // the system has all of it already: nobody is waited for
  if (response.socket?.writableLength === 0) return;
  const settle = watchReader(exchange, settings.writeTimeoutMs === 0 ? 0 : settings.writeTimeoutMs + length / SLOWEST_READER);
  response.once('close', settle);
}

/**
 * Breaks the connection when nothing is read for `ms` (0: never). Returns what ends the watch.
 * A pipelined response that waits for the one before it has no socket yet, and time enough.
 */
export function watchReader(exchange: Exchange, ms: number): () => void {
  if (ms === 0) return () => undefined;
  const timer = setTimeout(() => {
    if (exchange.response.socket) exchange.request.socket.destroy();
    else timer.refresh();
  }, ms);
  timer.unref();
  return () => clearTimeout(timer);
}

/** Sends a failure as the contract words it, and notes it for the log. */
export function answerError(exchange: Exchange, settings: ServerSettings, cause: unknown): void {
  answer(exchange, settings, errorAnswer(noteError(exchange, cause)));
}

/** A failure as the contract words it, headers included. */
export function errorAnswer(error: GatewayError): Answer & { readonly headers: OutgoingHttpHeaders } {
  return { status: error.status, headers: errorHeaders(error), body: JSON.stringify(encodeError(error)) };
}

/** The failure as the client shall see it; the log line gets the same. */
export function noteError(exchange: Exchange, cause: unknown): GatewayError {
  const error = toGatewayError(cause);
  exchange.facts.error ??= error;
  return error;
}

/** The longest that OpenAI's SDKs wait as they are told. */
const LONGEST_RETRY_AFTER_MS = 60_000;

function errorHeaders(error: GatewayError): OutgoingHttpHeaders {
  if (error.status === 401) return { 'www-authenticate': 'Bearer' };
  // the SDKs would try these again
  if (!error.retryable && (error.status === 409 || error.status === 429 || error.status >= 500)) return { 'x-should-retry': 'false' };
  if (error.status !== 429 && error.status !== 503) return {};
  const ms = Math.max(1, Math.ceil(error.retryAfterMs ?? 1000));
  return {
    'retry-after': String(Math.max(1, Math.ceil(ms / 1000))),
    'retry-after-ms': String(ms),
    // they do not wait for longer, but try again after seconds
    ...(ms > LONGEST_RETRY_AFTER_MS ? { 'x-should-retry': 'false' } : {}),
  };
}

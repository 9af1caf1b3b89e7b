/** A provider's failure, however it is worded, as an error of ours. */
import { GatewayError } from '../core/error.ts';

/** What a wire reads out of its provider's error. `type` and `code` as the provider has them, where they are texts. */
export interface Reported {
  readonly status: number;
  readonly message: string;
  readonly type?: string | undefined;
  readonly code?: string | null | undefined;
  readonly param?: string | null | undefined;
  readonly retryAfterMs?: number | undefined;
}

const LONGEST_MESSAGE = 2000;

/**
 * 4xx keep the provider's status, type and code; a time-out is a 504, "overloaded" (503, 529) a 503, any other status
 * an `upstream` error of 502. Keys in the message are blotted out, and it is cut at 2,000 characters.
 */
export function reportedError({ status, message, type, code, param, retryAfterMs }: Reported): GatewayError {
  const text = withoutKeys(message.trim() || `The provider answered with status ${status}.`)
    .slice(0, LONGEST_MESSAGE)
    .toWellFormed();
  const details = { ...(param === undefined ? {} : { param }), ...(retryAfterMs === undefined ? {} : { retryAfterMs }) };
  if (status === 504 || status === 524) return new GatewayError('upstream_timeout', text, details);
  if (status === 503 || status === 529) return new GatewayError('overloaded', text, details);
  if (status < 400 || status >= 500) return new GatewayError('upstream', text, details);
  const quota = status === 402 || code === 'insufficient_quota' || type === 'insufficient_quota';
  if (status === 429 && quota) return new GatewayError('insufficient_quota', text, details);
  const reported = { status, type: type ?? defaultType(status), code: code ?? (status === 429 ? 'rate_limit_exceeded' : null) };
  return new GatewayError('reported', text, { ...details, reported });
}

function defaultType(status: number): string {
  if (status === 401) return 'authentication_error';
  if (status === 403) return 'permission_error';
  if (status === 429) return 'requests';
  return 'invalid_request_error';
}

/** Anything that looks like a key of a well-known kind, or stands where keys do. */
const KEYS =
  /\b(?:sk|pk|rk|gsk|xai|hf|nvapi|r8|pplx|fw|csk|tgp|AKIA|ASIA)[-_]?[A-Za-z0-9*_-]{12,}|\bAIza[\w-]{20,}|\bya29\.[\w-]+|(?<=\bBearer\s+)[\w.~+/=-]{8,}|\beyJ[\w-]{10,}\.[\w-]+\.[\w-]+/g;

/** The text with everything that looks like a key replaced by `[key]`. */
export function withoutKeys(text: string): string {
  return text.replace(KEYS, '[key]');
}

/** `retry-after-ms`, or `retry-after` in seconds or as a date, in milliseconds; undefined where there is neither. */
export function retryAfterOf(headers: Readonly<Record<string, string>>, now = Date.now()): number | undefined {
  const ms = waitOf(headers, now);
  return ms === undefined ? undefined : Math.min(ms, LONGEST_WAIT_MS);
}

/** Whatever a provider says: a client that is told more than a day is told nothing. */
const LONGEST_WAIT_MS = 24 * 3_600_000;

function waitOf(headers: Readonly<Record<string, string>>, now: number): number | undefined {
  const ms = Number(headers['retry-after-ms']?.trim() || Number.NaN);
  if (ms >= 0 && Number.isFinite(ms)) return ms;
  const after = headers['retry-after'];
  if (after === undefined || after.trim() === '') return undefined;
  const seconds = Number(after);
  if (seconds >= 0 && Number.isFinite(seconds)) return seconds * 1000;
  const date = Date.parse(after);
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}

/** A body that is no JSON of the protocol, in a line: a page's title or its text without tags, or plain text. */
export function plainMessage(body: string): string {
  const title = /<title[^>]*>([^<]*)<\/title>/i.exec(body)?.[1];
  const text = title ?? body.replace(/<(script|style)\b[\s\S]*?<\/\1>/gi, ' ').replace(/<[^>]*>/g, ' ');
  return text.replace(/\s+/g, ' ').trim().slice(0, 300);
}

/** The body as JSON, or undefined where it is none. */
export function jsonOf(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}

/** Google's errors: `{error: {code, message, status, details}}`, also as the one item of an array. */
import type { GatewayError } from '../../core/error.ts';
import { jsonOf, plainMessage, reportedError, retryAfterOf } from '../failure.ts';
import { count, entry, fields, list, text } from '../json.ts';
import type { Failure } from '../wire.ts';

type Fields = Readonly<Record<string, unknown>>;

/** The error that a body or a frame holds; undefined where it holds none. */
export function errorFields(body: unknown): Fields | undefined {
  const whole = Array.isArray(body)
    ? list(body)
        .map(fields)
        .find(({ error }) => error)
    : fields(body);
  const { error } = fields(whole);
  if (typeof error === 'string') return { message: error };
  return typeof error === 'object' && error !== null ? fields(error) : undefined;
}

/** For answers whose status is not a success. Never throws. */
export function failureError({ status, headers, body }: Failure): GatewayError {
  const error = errorFields(jsonOf(body)) ?? { message: plainMessage(body) };
  return googleError(error, { status, retryAfterMs: retryAfterOf(headers) });
}

export interface Circumstances {
  /** The HTTP status; where there is none, the error's own code. */
  readonly status?: number;
  readonly retryAfterMs?: number | undefined;
}

/**
 * The status stays as it is, a wrong key's 400 too. The code is the reason of an ErrorInfo, else Google's status. A
 * limit by the day, or one that needs a payment, is a quota: waiting a little does not help, whatever RetryInfo says.
 */
export function googleError(error: Fields, { status: outer, retryAfterMs }: Circumstances = {}): GatewayError {
  const details = list(error['details']).map(fields);
  const message = text(error['message']) ?? '';
  const status = outer ?? httpStatus(error);
  const reason = text(detail(details, 'ErrorInfo')['reason']);
  const code = reason ?? text(error['status']);
  const wait = delayMs(detail(details, 'RetryInfo')['retryDelay']) ?? retryAfterMs;
  if (status === 429) return limitError({ message, details, wait });
  if (status === 400 && /input token count.*exceeds|exceeds the maximum number of tokens/is.test(message)) {
    return reportedError({ status, message, code: 'context_length_exceeded', param: 'messages' });
  }
  return reportedError({ status, message, code, retryAfterMs: wait });
}

const detail = (details: readonly Fields[], type: string): Fields => details.find((one) => text(one['@type'])?.endsWith(`.${type}`)) ?? {};

const STATUSES: Readonly<Record<string, number>> = {
  INVALID_ARGUMENT: 400,
  FAILED_PRECONDITION: 400,
  OUT_OF_RANGE: 400,
  UNAUTHENTICATED: 401,
  PERMISSION_DENIED: 403,
  NOT_FOUND: 404,
  ABORTED: 409,
  ALREADY_EXISTS: 409,
  RESOURCE_EXHAUSTED: 429,
  CANCELLED: 499,
  INTERNAL: 500,
  UNKNOWN: 500,
  DATA_LOSS: 500,
  UNIMPLEMENTED: 501,
  UNAVAILABLE: 503,
  DEADLINE_EXCEEDED: 504,
};

function httpStatus(error: Fields): number {
  const code = count(error['code']);
  return code !== undefined && code >= 400 && code < 600 ? code : (entry(STATUSES, text(error['status'])) ?? 502);
}

interface Limit {
  readonly message: string;
  readonly details: readonly Fields[];
  readonly wait: number | undefined;
}

function limitError({ message, details, wait }: Limit): GatewayError {
  const violations = list(detail(details, 'QuotaFailure')['violations']).map(fields);
  const said = violations.map(({ quotaId, quotaMetric }) => `${text(quotaId) ?? ''} ${text(quotaMetric) ?? ''}`).join(' ');
  const spent = /PerDay/i.test(said) || /\bbilling account|prepayment|credits are depleted|spending cap|spend limit/i.test(message);
  const type = spent ? 'insufficient_quota' : /token/i.test(said) ? 'tokens' : 'requests';
  const code = spent ? 'insufficient_quota' : 'rate_limit_exceeded';
  return reportedError({ status: 429, message, type, code, retryAfterMs: spent ? undefined : wait });
}

/** A duration as protobuf writes it: "34.07s". */
export function delayMs(value: unknown): number | undefined {
  const seconds = /^(\d+(?:\.\d+)?)s$/.exec(text(value) ?? '')?.[1];
  return seconds === undefined ? undefined : Math.ceil(Number(seconds) * 1000);
}

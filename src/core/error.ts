/**
 * Every failure that a client may see is one `GatewayError` of a closed list of kinds.
 * The table below is the only place that knows their status, type and code.
 */

interface Row {
  readonly status: number;
  readonly type: string;
  readonly code: string | null;
  /** May the same request succeed when it is sent again, here or elsewhere? */
  readonly retryable: boolean;
}

const bad = (code: string | null, status = 400): Row => ({ status, type: 'invalid_request_error', code, retryable: false });

const forbidden = (code: string): Row => ({ status: 403, type: 'permission_error', code, retryable: false });

const TABLE = {
  // the client's fault
  no_key: bad(null, 401),
  invalid_api_key: bad('invalid_api_key', 401),
  model_not_allowed: forbidden('model_not_allowed'),
  project_disabled: forbidden('project_disabled'),
  address_not_allowed: forbidden('address_not_allowed'),
  role_not_allowed: forbidden('role_not_allowed'),
  /** The end user that a request names is on the block list. */
  user_blocked: forbidden('user_blocked'),
  origin_not_allowed: forbidden('origin_not_allowed'),
  invalid_json: bad('invalid_json'),
  invalid_body: bad('invalid_type'),
  unsupported_media_type: bad('unsupported_media_type', 415),
  request_too_large: bad('request_too_large', 413),
  bad_request: bad('bad_request'),
  missing_required_parameter: bad('missing_required_parameter'),
  invalid_type: bad('invalid_type'),
  invalid_value: bad('invalid_value'),
  decimal_above_max_value: bad('decimal_above_max_value'),
  decimal_below_min_value: bad('decimal_below_min_value'),
  integer_above_max_value: bad('integer_above_max_value'),
  integer_below_min_value: bad('integer_below_min_value'),
  empty_array: bad('empty_array'),
  array_above_max_length: bad('array_above_max_length'),
  string_above_max_length: bad('string_above_max_length'),
  object_above_max_properties: bad('object_above_max_properties'),
  unknown_parameter: bad('unknown_parameter'),
  unsupported_parameter: bad('unsupported_parameter'),
  unsupported_value: bad('unsupported_value'),
  invalid_json_schema: bad('invalid_json_schema'),
  context_length_exceeded: bad('context_length_exceeded'),
  model_not_found: bad('model_not_found', 404),
  /** Something else that a path names. */
  not_found: bad('not_found', 404),
  /** What was to be changed has been changed meanwhile, or cannot be changed any more. */
  conflict: bad('conflict', 409),
  unknown_url: bad('unknown_url', 404),
  method_not_allowed: bad('method_not_allowed', 405),
  request_timeout: { status: 408, type: 'invalid_request_error', code: 'request_timeout', retryable: true },
  headers_too_large: bad('headers_too_large', 431),
  // too much
  rate_limited_requests: { status: 429, type: 'requests', code: 'rate_limit_exceeded', retryable: true },
  rate_limited_tokens: { status: 429, type: 'tokens', code: 'rate_limit_exceeded', retryable: true },
  rate_limited_concurrency: { status: 429, type: 'concurrency', code: 'rate_limit_exceeded', retryable: true },
  insufficient_quota: { status: 429, type: 'insufficient_quota', code: 'insufficient_quota', retryable: false },
  // not the client's fault
  /** A provider's refusal, passed on with its own status, type and code: `ErrorDetails.reported`. */
  reported: { status: 400, type: 'invalid_request_error', code: null, retryable: false },
  upstream: { status: 502, type: 'upstream_error', code: 'upstream_error', retryable: true },
  upstream_timeout: { status: 504, type: 'upstream_error', code: 'timeout', retryable: true },
  overloaded: { status: 503, type: 'service_unavailable_error', code: 'server_is_overloaded', retryable: true },
  internal: { status: 500, type: 'server_error', code: 'internal_error', retryable: false },
  /** The client went away: nobody reads the answer, the log says so. 499 is nginx's word for it. */
  cancelled: { status: 499, type: 'invalid_request_error', code: 'request_cancelled', retryable: false },
} as const satisfies Record<string, Row>;

export type ErrorKind = keyof typeof TABLE;

export interface ErrorDetails {
  /** The place in the request, `messages[0].role` style. */
  readonly param?: string | null;
  /** How long to wait before another try, where waiting helps. */
  readonly retryAfterMs?: number;
  /** `false`: another try cannot help, though for this kind it mostly does. */
  readonly retryable?: false;
  /** For `reported` only: what the provider said. `retryable` follows the status: 408, 409, 425 and 429 are. */
  readonly reported?: { readonly status: number; readonly type: string; readonly code: string | null };
  readonly cause?: unknown;
}

const WORTH_ANOTHER_TRY: ReadonlySet<number> = new Set([408, 409, 425, 429]);

/** A failure with a place in the contract. Its message is shown to the client: no secrets, no paths, no stacks. */
export class GatewayError extends Error {
  override readonly name = 'GatewayError';
  readonly kind: ErrorKind;
  readonly status: number;
  readonly type: string;
  readonly code: string | null;
  readonly param: string | null;
  readonly retryable: boolean;
  readonly retryAfterMs: number | undefined;

  constructor(kind: ErrorKind, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    const { reported } = details;
    const row: Row = reported ? { ...reported, retryable: WORTH_ANOTHER_TRY.has(reported.status) } : TABLE[kind];
    this.kind = kind;
    this.status = row.status;
    this.type = row.type;
    this.code = row.code;
    this.retryable = details.retryable ?? row.retryable;
    this.param = details.param ?? null;
    this.retryAfterMs = details.retryAfterMs;
  }
}

/** The same failure in other words. */
export function withMessage(error: GatewayError, message: string): GatewayError {
  if (message === error.message) return error;
  const { kind, status, type, code, param, retryAfterMs, cause } = error;
  return new GatewayError(kind, message, {
    param,
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    ...(kind === 'reported' ? { reported: { status, type, code } } : {}),
    ...(error.retryable ? {} : { retryable: false }),
    cause,
  });
}

/** Any thrown value as a GatewayError; what we did not foresee becomes `internal`, with the cause kept for the log. */
export function toGatewayError(cause: unknown): GatewayError {
  if (cause instanceof GatewayError) return cause;
  return new GatewayError('internal', 'The server failed to process the request. The request id identifies it in the server log.', {
    cause,
  });
}

/** The provider's words for what went wrong, with the status that belongs to them. */
import { GatewayError } from '../../core/error.ts';
import { jsonOf, plainMessage, reportedError, retryAfterOf } from '../failure.ts';
import { entry, fields, text } from '../json.ts';
import type { Failure } from '../wire.ts';

/** Codes and types of errors that come inside of an answer, where no status tells what they are. */
const STATUS: Readonly<Record<string, number>> = {
  rate_limit_exceeded: 429,
  rate_limit_error: 429,
  too_many_requests: 429,
  insufficient_quota: 429,
  tokens: 429,
  requests: 429,
  invalid_api_key: 401,
  authentication_error: 401,
  permission_error: 403,
  permission_denied: 403,
  model_not_found: 404,
  not_found_error: 404,
  server_is_overloaded: 503,
  overloaded_error: 503,
  slow_down: 503,
  vector_store_timeout: 504,
  timeout: 504,
  server_error: 500,
  internal_error: 500,
  api_error: 500,
  // of https://platform.openai.com/docs/api-reference/responses/object, `error.code`
  invalid_request_error: 400,
  image_generation_user_error: 400,
  invalid_prompt: 400,
  data_residency_mismatch: 400,
  bio_policy: 400,
  cyber_policy: 400,
  misalignment_policy_violation: 400,
  content_filter: 400,
  context_length_exceeded: 400,
  failed_to_download_image: 400,
  empty_image_file: 400,
  unsupported_image_media_type: 400,
};

/** Codes like `invalid_image_url`, `image_too_large`. */
const ABOUT_IMAGES = /^(invalid_(base64_)?image|image_)/;

/** An error that came with status 200: in a body, in a stream, in a response that failed. */
export function errorInside(error: unknown): GatewayError {
  const told = read(error);
  return reportedError({ ...told, status: statusOf(told) });
}

function statusOf({ code, type, status }: ReturnType<typeof read>): number {
  if (status !== undefined) return status;
  const byCode = entry(STATUS, code) ?? (ABOUT_IMAGES.test(code ?? '') ? 400 : undefined);
  return byCode ?? entry(STATUS, type) ?? 500;
}

function read(error: unknown) {
  const { message, type, code, param, status } = fields(error);
  const number = typeof status === 'number' ? status : Number(code ?? Number.NaN);
  return {
    message: text(error) ?? text(message) ?? '',
    // of an event that is itself the error, the type is the event's
    type: text(type) === 'error' ? undefined : text(type),
    code: text(code),
    param: text(param) ?? null,
    status: number >= 400 && number < 600 ? number : undefined,
  };
}

/**
 * An answer whose status is no success: OpenAI's `{error: {…}}`, `{code, error: "…"}`, or `{message}`, `{detail}` of
 * proxies before the server; else the text of the page.
 */
export function readFailure({ status, headers, body }: Failure): GatewayError {
  const json = fields(jsonOf(body));
  const retryAfterMs = retryAfterOf(headers);
  const inner = json.error ?? (json.message === undefined ? undefined : json);
  if (inner === undefined) {
    const detail = text(json.detail) ?? (json.detail === undefined ? plainMessage(body) : JSON.stringify(json.detail));
    return reportedError({ status, message: detail, retryAfterMs });
  }
  const told = read(inner);
  return reportedError({ ...told, code: told.code ?? text(json.code), status, retryAfterMs });
}

export function brokenStream(): GatewayError {
  return new GatewayError('upstream', 'The provider’s stream ended before the answer did.');
}

export function notAnAnswer(what: string, cause?: unknown): GatewayError {
  return new GatewayError('upstream', `The provider sent no answer of its API: ${what}.`, cause === undefined ? {} : { cause });
}

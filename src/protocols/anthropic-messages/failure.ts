/** Errors of the Messages API, however they arrive. */
import { GatewayError } from '../../core/error.ts';
import { jsonOf, plainMessage, reportedError, retryAfterOf } from '../failure.ts';
import type { Reported } from '../failure.ts';
import { count, entry, fields, list, text } from '../json.ts';
import type { Failure } from '../wire.ts';

/** The status that the API gives errors of each type; in streams it is all there is. */
const STATUS: Readonly<Record<string, number>> = {
  invalid_request_error: 400,
  authentication_error: 401,
  billing_error: 402,
  permission_error: 403,
  not_found_error: 404,
  request_too_large: 413,
  rate_limit_error: 429,
  api_error: 500,
  timeout_error: 504,
  overloaded_error: 529,
  // exceptions of AWS event streams
  validationexception: 400,
  accessdeniedexception: 403,
  resourcenotfoundexception: 404,
  modeltimeoutexception: 504,
  throttlingexception: 429,
  servicequotaexceededexception: 429,
  modelerrorexception: 500,
  modelstreamerrorexception: 500,
  internalserverexception: 500,
  modelnotreadyexception: 503,
  serviceunavailableexception: 503,
};

const TOO_LONG =
  /prompt is too long|input is too long|exceeds? (?:the )?(?:model's )?(?:maximum )?context|too many (?:total )?(?:input )?tokens/i;

/** The refusal of a request, of any of the platforms: their own error objects, a list of one, bare messages, pages. */
export function failureOf({ status, headers, body }: Failure): GatewayError {
  const json = jsonOf(body);
  const root = fields(Array.isArray(json) ? list(json)[0] : json);
  const error = fields(root.error);
  const message = text(error.message) ?? text(root.error) ?? text(root.message) ?? text(root.Message) ?? plainMessage(body);
  const amazon = headers['x-amzn-errortype']?.split(':')[0];
  const type = text(error.type) ?? text(error.status) ?? amazon;
  return worded({ status, message, type, retryAfterMs: retryAfterOf(headers) });
}

/** The error of an event or of a body that came with status 200: `{type: 'error', error: {type, message}}`. */
export function errorIn(event: Readonly<Record<string, unknown>>): GatewayError {
  const error = fields(event.error);
  const type = text(error.type);
  const message = text(error.message) ?? text(event.message) ?? 'The provider reported an error without a message.';
  return worded({ status: statusOf(type) ?? 500, message, type });
}

/** An exception of an AWS event stream; `name` is its type. */
export function exceptionOf(name: string, data: string): GatewayError {
  const body = fields(jsonOf(data));
  const message = text(body.message) ?? text(body.Message) ?? plainMessage(data);
  return worded({ status: count(body.originalStatusCode) ?? statusOf(name) ?? 500, message, type: name });
}

const statusOf = (type: string | undefined): number | undefined => entry(STATUS, type?.toLowerCase());

function worded(reported: Reported): GatewayError {
  const { status, message } = reported;
  if (status === 400 && TOO_LONG.test(message)) {
    return reportedError({ ...reported, type: 'invalid_request_error', code: 'context_length_exceeded', param: 'messages' });
  }
  if (status === 413) return reportedError({ ...reported, code: 'request_too_large' });
  if (status === 404 && /model/i.test(message)) return reportedError({ ...reported, code: 'model_not_found', param: 'model' });
  return reportedError(reported);
}

/** The provider answered with something that is no answer. */
export const nonsense = (what: string, cause?: unknown): GatewayError =>
  new GatewayError('upstream', `The provider sent ${what}.`, cause === undefined ? {} : { cause });

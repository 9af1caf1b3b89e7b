/** Failures as providers of this protocol word them: in OpenAI's envelope, in others, or in none. */
import type { GatewayError } from '../../core/error.ts';
import { jsonOf, plainMessage, reportedError, retryAfterOf } from '../failure.ts';
import type { Reported } from '../failure.ts';
import { count, entry, fields, list, text } from '../json.ts';
import type { Failure } from '../wire.ts';

type Fields = Readonly<Record<string, unknown>>;
type Words = Omit<Reported, 'status' | 'retryAfterMs'>;

/** An answer whose status is not a success. Never throws. */
export function errorOf({ status, headers, body }: Failure): GatewayError {
  const json = jsonOf(body);
  const words = wordsOf(json) ?? { message: typeof json === 'string' ? json : plainMessage(body) };
  return reportedError({ status, ...words, retryAfterMs: retryAfterOf(headers) });
}

/**
 * The failure that a body or a frame of a successful answer reports after all, or undefined where it reports none.
 * Its status is the one it names itself, else 502.
 */
export function errorWithin(value: unknown): GatewayError | undefined {
  const body = fields(value);
  const { error, base_resp: base } = body;
  const failed = error !== undefined && error !== null && error !== false && error !== '';
  if (failed || body['object'] === 'error') return reported(value);
  if (base === undefined) return undefined;
  // MiniMax: always there, and 0 where all is well
  const { status_code: code, status_msg: message } = fields(base);
  if (code === 0 || code === undefined) return undefined;
  const status = STATUS_OF_BASE[Number(code)] ?? 502;
  return reportedError({ status, message: text(message) ?? '', code: typeof code === 'number' ? String(code) : text(code) });
}

/** The same where an event's name says that its data is an error, whatever it looks like. */
export function reported(value: unknown): GatewayError {
  const words = wordsOf(value) ?? { message: typeof value === 'string' ? value : 'The provider reported an error without a message.' };
  return reportedError({ status: statusWithin(fields(value), words), ...words });
}

/** MiniMax's codes: https://platform.minimax.io/docs/api-reference/errorcode */
const STATUS_OF_BASE: Readonly<Record<number, number>> = {
  1001: 504,
  1002: 429,
  1004: 401,
  1008: 402,
  1039: 429,
  1041: 429,
  2013: 400,
  2049: 401,
};

const STATUS_OF: Readonly<Record<string, number>> = {
  invalid_request_error: 400,
  context_length_exceeded: 400,
  authentication_error: 401,
  invalid_api_key: 401,
  permission_error: 403,
  not_found_error: 404,
  model_not_found: 404,
  rate_limit_error: 429,
  rate_limit_exceeded: 429,
  tokens: 429,
  requests: 429,
  insufficient_quota: 429,
  overloaded_error: 503,
  server_is_overloaded: 503,
  service_unavailable_error: 503,
  timeout: 504,
};

function statusWithin(body: Fields, { type, code }: Words): number {
  const inner = fields(body['error']);
  for (const value of [inner['status'], inner['code'], inner['status_code'], body['status'], body['code'], body['status_code']]) {
    const status = typeof value === 'string' && /^[45]\d\d$/.test(value) ? Number(value) : count(value);
    if (status !== undefined && Number.isInteger(status) && status >= 400 && status < 600) return status;
  }
  return entry(STATUS_OF, code) ?? entry(STATUS_OF, type) ?? 502;
}

/** Undefined where the value says nothing that could be shown. */
function wordsOf(value: unknown): Words | undefined {
  const body = fields(value);
  const { error } = body;
  if (typeof error === 'string' && error !== '') return { message: error, ...codes(body) };
  if (typeof error === 'object' && error !== null && !Array.isArray(error)) return envelope(fields(error));
  const message = sentence(body['message']) ?? sentence(body['detail']) ?? sentence(body['errors']) ?? sentence(error) ?? plain(body);
  if (message !== undefined) return { message, ...codes(body) };
  return Array.isArray(value) && value.length > 0 ? wordsOf(value[0]) : undefined;
}

function plain(body: Fields): string | undefined {
  for (const key of ['msg', 'error_msg', 'error_message', 'title', 'reason']) {
    const found = text(body[key]);
    if (found !== undefined && found !== '') return found;
  }
  return undefined;
}

function envelope(error: Fields): Words {
  const message = sentence(error['message']) ?? sentence(error['detail']) ?? plain(error) ?? '';
  // OpenRouter: what the provider behind it said
  const raw = fields(error['metadata'])['raw'];
  const inner = typeof raw === 'string' ? (wordsOf(jsonOf(raw))?.message ?? raw) : undefined;
  const more = inner === undefined || inner === '' || message.includes(inner) ? '' : `: ${inner}`;
  return { message: `${message}${more}`, ...codes(error) };
}

/** A message: a text, the `msg` of FastAPI's list of problems, or an object that holds either. */
function sentence(value: unknown): string | undefined {
  if (typeof value === 'string') return value === '' ? undefined : value;
  if (Array.isArray(value)) {
    const parts = list(value).map(problem);
    const known = parts.filter((part) => part !== undefined);
    return known.length > 0 ? known.join('; ') : undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const inner = fields(value);
  return sentence(inner['message']) ?? sentence(inner['detail']) ?? sentence(inner['error']) ?? plain(inner);
}

function problem(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  const { loc, msg, message } = fields(value);
  const said = text(msg) ?? text(message);
  if (said === undefined) return undefined;
  const place = list(loc)
    .filter((part) => part !== 'body')
    .map(String)
    .join('.');
  return place === '' ? said : `${place}: ${said}`;
}

/** A code that is a number is one of HTTP, which says nothing new, or the provider's own. */
function codes(from: Fields): { type?: string; code?: string; param?: string } {
  const param = text(from['param']);
  const type = text(from['type']);
  const code = typeof from['code'] === 'number' && (from['code'] < 400 || from['code'] > 599) ? String(from['code']) : text(from['code']);
  return {
    ...(type === undefined || type === '' ? {} : { type }),
    ...(code === undefined || code === '' || /^[45]\d\d$/.test(code) ? {} : { code }),
    ...(param === undefined || param === '' ? {} : { param }),
  };
}

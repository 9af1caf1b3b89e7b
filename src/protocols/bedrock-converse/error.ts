/** Errors of the runtime: as HTTP answers, and as exceptions in a stream, in one form. */
import { GatewayError } from '../../core/error.ts';
import { jsonOf, plainMessage, reportedError, retryAfterOf, withoutKeys } from '../failure.ts';
import { count, entry, fields, text } from '../json.ts';
import type { Failure, Frame } from '../wire.ts';

/**
 * Statuses by exception, whatever the HTTP status says: docs.aws.amazon.com/bedrock/latest/APIReference/CommonErrors.html
 * and the errors of Converse. 504 is our word for a model that took too long (408 there), 503 for one that is not ready
 * yet (429 there).
 */
const STATUSES: Readonly<Record<string, number>> = {
  accessdenied: 403,
  expiredtoken: 403,
  incompletesignature: 403,
  invalidsignature: 403,
  unrecognizedclient: 403,
  missingauthenticationtoken: 403,
  notauthorized: 403,
  optinrequired: 403,
  internalserver: 500,
  internalfailure: 500,
  modelerror: 502,
  modelnotready: 503,
  modelstreamerror: 502,
  modeltimeout: 504,
  resourcenotfound: 404,
  unknownoperation: 404,
  servicequotaexceeded: 429,
  throttling: 429,
  throttled: 429,
  toomanyrequests: 429,
  serviceunavailable: 503,
  requestexpired: 400,
  validation: 400,
};

/** Those that say who asks could not be told. */
const UNAUTHENTICATED = /^(?:ExpiredToken|IncompleteSignature|InvalidSignature|UnrecognizedClient|MissingAuthenticationToken)/i;

/** A prompt longer than the context, in the words of the models behind the API. */
const TOO_LONG =
  /input is too long|prompt is too long|too many (?:input )?tokens|maximum context length|exceeds? the (?:model's )?(?:maximum )?context|context (?:length|window).*exceed|input length.*exceed/i;

interface Exception {
  readonly name: string;
  readonly body: unknown;
  /** Of the HTTP answer. */
  readonly status?: number;
  /** Where there is no JSON. */
  readonly plain?: string;
  readonly retryAfterMs?: number | undefined;
}

function errorOf({ name, body, status, plain = '', retryAfterMs }: Exception): GatewayError {
  const said = fields(body);
  const message = text(said.message) ?? text(said.Message) ?? text(said.errorMessage) ?? text(fields(said.error).message) ?? plain;
  const original = text(said.originalMessage);
  const words = original !== undefined && !message.includes(original) ? `${message} ${original}`.trim() : message;
  const own = count(said.originalStatusCode);
  const found = own !== undefined && own >= 400 && own < 600 ? own : (entry(STATUSES, stem(name)) ?? status ?? 502);
  if (found === 400 && TOO_LONG.test(words)) {
    return new GatewayError('context_length_exceeded', withoutKeys(words).slice(0, 2000), { param: 'messages' });
  }
  const type = UNAUTHENTICATED.test(name) ? 'authentication_error' : undefined;
  const fallback = words === '' && name !== '' ? `The provider answered with ${name}.` : words;
  return reportedError({ status: found, message: fallback, type, retryAfterMs });
}

/** `ThrottlingException`, `throttlingException` and `com.amazonaws.bedrock#ThrottlingException` are one. */
const stem = (name: string): string => name.toLowerCase().replace(/exception$|error$/, '');

/** Without the namespace before and the URL behind it. */
const bareName = (name: string): string => (name.split('#').at(-1) ?? '').split(':')[0] ?? '';

/** Never throws. */
export function bedrockError({ status, headers, body }: Failure): GatewayError {
  const json = jsonOf(body);
  const said = fields(json);
  const name = bareName(headers['x-amzn-errortype'] ?? typeOf(said) ?? '');
  const plain = json === undefined ? plainMessage(body) : '';
  return errorOf({ name, body: json, status, plain, retryAfterMs: retryAfterOf(headers) });
}

/** An exception or error in a stream. */
export function exceptionOf({ event, data }: Frame): GatewayError {
  const json = jsonOf(data);
  return errorOf({ name: bareName(event), body: json, plain: json === undefined ? plainMessage(data) : '' });
}

/** An error that came with status 200 in place of an answer. */
export function errorBody(body: unknown): GatewayError {
  const said = fields(body);
  const name = bareName(typeOf(said) ?? text(fields(said.Output).__type) ?? '');
  const known = name !== '' || typeof said.message === 'string' || typeof said.Message === 'string';
  if (!known) return new GatewayError('upstream', 'The provider sent an answer without a message.');
  return errorOf({ name, body });
}

/** The exception that a body names, in any of the places where services put it. */
function typeOf(said: Readonly<Record<string, unknown>>): string | undefined {
  return [said.__type, said.code, said.type]
    .map(text)
    .find((name) => name !== undefined && /(?:Exception|Error|Failure|Client)(?::|$)/.test(name));
}

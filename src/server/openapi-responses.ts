/** The failures and headers of the API description, taken from the error table itself. */
import { GatewayError } from '../core/error.ts';
import type { ErrorKind } from '../core/error.ts';
import { encodeError } from '../protocols/openai-chat/error.ts';
import type { Json } from './openapi-components.ts';

const text = { type: 'string' };
const whole = { type: 'integer', minimum: 0 };

const rateLimitHeaders = Object.fromEntries(
  ['requests', 'tokens'].flatMap((what) => [
    [
      `x-ratelimit-limit-${what}`,
      { description: `How many ${what} may be used in a time, by the tightest limit that applies. Absent where none does.`, schema: whole },
    ],
    [`x-ratelimit-remaining-${what}`, { description: `How many ${what} are left of them.`, schema: whole }],
    [`x-ratelimit-reset-${what}`, { description: `How long until the ${what} are whole again, as \`120ms\` or \`6m0s\`.`, schema: text }],
  ]),
);

/** `components.headers` */
export const headers: Readonly<Record<string, Json>> = {
  'x-request-id': { description: 'Names the request, in the server’s log too.', schema: { ...text, pattern: '^req_' } },
  'openai-processing-ms': { description: 'How long the server worked on the request, in milliseconds.', schema: whole },
  'x-parlance-ignored-params': {
    description: 'Fields of the request, separated by commas, that had no effect on this model. Absent where there were none.',
    schema: text,
  },
  'x-parlance-cache': {
    description: 'Where the answer came from. Absent where the cache was not asked.',
    schema: { enum: ['hit', 'miss', 'shared'] },
  },
  'x-parlance-max-tokens': {
    description: 'To how many tokens the answer was limited because of a budget. Absent where it was not.',
    schema: { type: 'integer', minimum: 1 },
  },
  etag: { description: 'Stands for what it is now; for `If-Match`.', schema: text },
  'retry-after': { description: 'Seconds to wait before the next try, at least 1.', schema: { type: 'integer', minimum: 1 } },
  'retry-after-ms': { description: 'The same in milliseconds.', schema: whole },
  'x-should-retry': { description: '`false` where another try cannot help. The SDKs heed it.', schema: { enum: ['true', 'false'] } },
  ...rateLimitHeaders,
};

/** References to those headers. */
export function headerRefs(...names: readonly string[]): Json {
  return Object.fromEntries(names.map((name) => [name, { $ref: `#/components/headers/${name}` }]));
}

export const onEveryResponse = ['x-request-id', 'openai-processing-ms'];
export const onAnswers = [
  ...onEveryResponse,
  'x-parlance-ignored-params',
  'x-parlance-cache',
  'x-parlance-max-tokens',
  ...Object.keys(rateLimitHeaders),
];

interface Failure {
  readonly status: number;
  readonly description: string;
  readonly headers?: readonly string[];
  readonly cases: readonly (readonly [kind: ErrorKind, message: string, param?: string])[];
}

const waiting = ['retry-after', 'retry-after-ms', 'x-should-retry'];

const failures: Readonly<Record<string, Failure>> = {
  BadRequest: {
    status: 400,
    description: 'The request is wrong. `param` says where, `code` how.',
    cases: [
      ['invalid_json', 'The request body is not valid JSON.'],
      ['missing_required_parameter', "Missing required parameter: 'messages'. Expected an array of objects.", 'messages'],
      ['invalid_type', "Invalid type for 'n': expected an integer, but got a decimal number instead.", 'n'],
      ['invalid_value', "Invalid 'tool_choice': it needs 'tools', but the request has none.", 'tool_choice'],
      ['decimal_above_max_value', "Invalid 'temperature': expected a number of at most 2, but got 2.1 instead.", 'temperature'],
      ['integer_below_min_value', "Invalid 'max_tokens': expected an integer of at least 1, but got 0 instead.", 'max_tokens'],
      ['empty_array', "Invalid 'messages': the array is empty, but it needs at least one item.", 'messages'],
      ['array_above_max_length', "Invalid 'stop': the array is too long. Expected at most 4 items, but got 5 instead.", 'stop'],
      ['unsupported_value', 'This model takes no images.', 'messages[0].content[1]'],
      ['context_length_exceeded', 'The prompt has 9001 tokens; this model takes 8192, the answer included.', 'messages'],
      ['unknown_parameter', "Unknown parameter: 'temprature'. This server is in strict mode.", 'temprature'],
    ],
  },
  Unauthorized: {
    status: 401,
    description: 'No key, or not one that is valid.',
    cases: [
      ['no_key', 'No API key was given. Send it as: Authorization: Bearer KEY'],
      ['invalid_api_key', 'The API key is not valid.'],
    ],
  },
  Forbidden: {
    status: 403,
    description: 'The key may not do this, or not from here.',
    cases: [
      ['model_not_allowed', 'This key may not use the model.', 'model'],
      ['project_disabled', 'The project of this API key is switched off.'],
      ['address_not_allowed', 'This API key may not be used from the address 192.0.2.7.'],
      ['role_not_allowed', 'This API key may only read.'],
      ['user_blocked', 'Requests of this end user are refused.'],
    ],
  },
  NotFound: {
    status: 404,
    description: 'There is no such thing, or no such path.',
    cases: [
      ['model_not_found', 'There is no such model. GET /v1/models lists those there are.', 'model'],
      ['unknown_url', 'There is nothing at this path.'],
      ['not_found', 'There is no such key.'],
    ],
  },
  MethodNotAllowed: {
    status: 405,
    description: 'The path is right, the method is not.',
    cases: [['method_not_allowed', 'This path takes POST only.']],
  },
  RequestTimeout: {
    status: 408,
    description: 'The request came too slowly.',
    cases: [['request_timeout', 'The request did not arrive in time.']],
  },
  Conflict: {
    status: 409,
    description: 'It has been changed meanwhile, or cannot be changed any more.',
    headers: ['x-should-retry'],
    cases: [['conflict', 'It has been changed meanwhile. Read it again, and change that.']],
  },
  TooLarge: {
    status: 413,
    description: 'The body is larger than the server takes.',
    cases: [['request_too_large', 'The request body is larger than the 33554432 bytes that this server takes.']],
  },
  UnsupportedMediaType: {
    status: 415,
    description: 'The body is not declared as JSON.',
    cases: [['unsupported_media_type', 'Expected the content type application/json.']],
  },
  TooMany: {
    status: 429,
    description: 'Too many requests or tokens, too many at once, or a budget is used up. `type` says which.',
    headers: waiting,
    cases: [
      ['rate_limited_requests', 'Too many requests.'],
      ['rate_limited_tokens', 'Too many tokens.'],
      ['rate_limited_concurrency', 'Too many requests at once.'],
      ['insufficient_quota', 'The budget of this key is used up.'],
    ],
  },
  Internal: {
    status: 500,
    description: 'A fault of the server. Its log has the request id.',
    cases: [['internal', 'The server failed to process the request.']],
  },
  BadGateway: {
    status: 502,
    description: 'What stands behind the server failed, or answered nonsense.',
    cases: [['upstream', 'The model stopped before the end of its answer.']],
  },
  Unavailable: {
    status: 503,
    description: 'Nothing can take the request now: the queue is full, or the model is still loading.',
    headers: waiting,
    cases: [['overloaded', 'The queue of this model is full.']],
  },
  GatewayTimeout: {
    status: 504,
    description: 'What stands behind the server took too long.',
    cases: [['upstream_timeout', 'The model did not answer in time.']],
  },
};

/** `components.responses`; `error` refers to the schema of the envelope. */
export function failureComponents(error: Json): Json {
  return Object.fromEntries(
    Object.entries(failures).map(([name, failure]) => [
      name,
      {
        description: failure.description,
        headers: headerRefs(...onEveryResponse, ...(failure.headers ?? [])),
        content: { 'application/json': { schema: error, examples: Object.fromEntries(failure.cases.map(errorExample)) } },
      },
    ]),
  );
}

function errorExample([kind, message, param]: Failure['cases'][number]): [string, Json] {
  return [kind, { value: encodeError(new GatewayError(kind, message, { param: param ?? null })) }];
}

/** References to those failures, by status. */
export function failureRefs(...statuses: readonly number[]): Json {
  const entries = Object.entries(failures).filter(([, { status }]) => statuses.includes(status));
  return Object.fromEntries(entries.map(([name, { status }]) => [String(status), { $ref: `#/components/responses/${name}` }]));
}

/** What is kept and counted in the description: stored completions, what a key has left, what was used. */
import type { TSchema } from 'typebox';
import Type from 'typebox';
import { ChatCompletion } from '../protocols/openai-chat/schema-answers.ts';
import { integer, nullable } from '../protocols/openai-chat/schema-kit.ts';
import type { Json } from './openapi-components.ts';
import { failureRefs, headerRefs, onEveryResponse } from './openapi-responses.ts';
import { StoredCompletionUpdate } from './routes/stored-completions.ts';

type Ref = (schema: object) => Json;

const text = Type.String();
const textOrNull = nullable(Type.String());
const count = integer({ minimum: 0 });
const dollars = (description: string): TSchema => Type.String({ pattern: '^-?\\d+\\.\\d{2,9}$', description });

const period = Type.Enum(['day', 'week', 'month', 'total']);
const resetsAt = nullable(integer(), { description: 'Unix seconds; null where it never begins anew.' });
const limitFields = {
  of: Type.Enum(['requests', 'tokens', 'concurrent_requests']),
  per: nullable(Type.Enum(['minute', 'day'])),
  limit: count,
};

const Me = Type.Object(
  {
    object: Type.Literal('me'),
    key: Type.Object({
      id: text,
      name: text,
      role: Type.Enum(['admin', 'member', 'read-only']),
      expires_at: nullable(integer()),
      limits: Type.Array(Type.Object({ ...limitFields, remaining: count, resets_in_ms: count })),
      budgets: Type.Array(
        Type.Object({
          period,
          usd: dollars('US dollars.'),
          spent_usd: dollars('What requests that are over have cost.'),
          held_usd: dollars('What requests under way may cost.'),
          remaining_usd: dollars('What is left.'),
          resets_at: resetsAt,
        }),
      ),
    }),
    project: nullable(
      Type.Object({
        id: text,
        name: text,
        limits: Type.Array(Type.Object(limitFields)),
        budgets: Type.Array(Type.Object({ period, usd: dollars('US dollars.'), resets_at: resetsAt })),
      }),
      { description: 'Its limits hold as well, for all of its keys together.' },
    ),
    models: Type.Array(text, { description: 'Ids of the models that the key may use.' }),
  },
  { title: 'Me' },
);

const ofThese = (description: string): TSchema => Type.Integer({ minimum: 0, description });

const tokens = {
  prompt_tokens: count,
  completion_tokens: count,
  cached_tokens: ofThese('Of the prompt, read from a cache.'),
  cache_write_tokens: ofThese('Of the prompt, written to a cache.'),
  cache_write_long_tokens: ofThese('Of those written to a cache, to be kept for an hour.'),
  reasoning_tokens: ofThese('Of the completion.'),
  audio_tokens: ofThese('Of the prompt and of the completion.'),
  completion_audio_tokens: ofThese('Of the audio, that of the completion.'),
  image_tokens: ofThese('Of the prompt and of the completion.'),
  completion_image_tokens: ofThese('Of the images, those of the completion.'),
};

const UsageSum = Type.Object(
  {
    object: Type.Literal('usage'),
    day: Type.Optional(Type.String({ description: 'In UTC, as 2026-11-23. This and the next six: where it is grouped by them.' })),
    project_id: Type.Optional(textOrNull),
    key_id: Type.Optional(textOrNull),
    end_user: Type.Optional(textOrNull),
    model: Type.Optional(textOrNull),
    provider: Type.Optional(textOrNull),
    outcome: Type.Optional(text),
    requests: count,
    attempts: count,
    ...tokens,
    cost_usd: dollars('US dollars, to the nano-dollar.'),
    estimated: Type.Integer({ minimum: 0, description: 'Attempts of which the provider told no usage.' }),
    unpriced: Type.Integer({
      minimum: 0,
      description: 'Attempts that used something whose price is not known: `cost_usd` is without that.',
    }),
  },
  { title: 'UsageSum' },
);

const UsageRecord = Type.Object(
  {
    object: Type.Literal('usage_record'),
    id: text,
    request_id: text,
    attempt: integer({ minimum: 1 }),
    at: integer(),
    time: text,
    project_id: textOrNull,
    key_id: textOrNull,
    end_user: textOrNull,
    model_asked: text,
    model: text,
    provider: textOrNull,
    ...tokens,
    estimated: Type.Boolean(),
    cost_usd: dollars('US dollars, to the nano-dollar.'),
    unpriced: Type.Boolean(),
    stream: Type.Boolean(),
    cache: nullable(Type.Enum(['hit', 'miss', 'shared'])),
    outcome: Type.Enum(['ok', 'error', 'cancelled', 'lost']),
    status: integer(),
    error: textOrNull,
    queue_ms: count,
    first_output_ms: nullable(count),
    total_ms: count,
  },
  { title: 'UsageRecord' },
);

const page = (item: TSchema, title: string): TSchema =>
  Type.Object({ object: Type.Literal('list'), data: Type.Array(item), has_more: Type.Boolean(), next_cursor: textOrNull }, { title });

const cursorPage = (item: TSchema, title: string): TSchema =>
  Type.Object(
    { object: Type.Literal('list'), data: Type.Array(item), first_id: textOrNull, last_id: textOrNull, has_more: Type.Boolean() },
    { title },
  );

const StoredMessage = Type.Object(
  { id: text, role: text, content: textOrNull, content_parts: nullable(Type.Array(Type.Object({ type: text }))) },
  { title: 'StoredMessage', description: 'A message of the request, with all that it had.' },
);

const Deleted = Type.Object(
  { object: Type.Literal('chat.completion.deleted'), id: text, deleted: Type.Boolean() },
  { title: 'ChatCompletionDeleted' },
);

const parameter = (place: 'path' | 'query', name: string, about: Json): Json => ({
  name,
  in: place,
  required: place === 'path',
  schema: { type: 'string' },
  ...about,
});

const ID = parameter('path', 'id', { description: 'The id of the completion.', example: 'chatcmpl-abc123' });
const LIST = [
  parameter('query', 'after', { description: 'The `last_id` of the page before.' }),
  parameter('query', 'limit', { description: 'Entries on a page.', schema: { type: 'integer', minimum: 1, maximum: 100, default: 20 } }),
  parameter('query', 'order', { description: 'By time.', schema: { type: 'string', enum: ['asc', 'desc'], default: 'asc' } }),
];
const FILTERS = [
  parameter('query', 'model', { description: 'Of this model alone.' }),
  parameter('query', 'metadata', {
    description: 'With these notes: `metadata[name]=value`.',
    style: 'deepObject',
    explode: true,
    schema: { type: 'object', additionalProperties: { type: 'string' } },
  }),
];
const REPORT = [
  parameter('query', 'from', { description: 'Unix seconds, a day as `2026-11-23` or a time as `2026-11-23T12:00:00Z`; inclusive.' }),
  parameter('query', 'to', { description: 'The same; exclusive.' }),
  ...['project_id', 'key_id', 'end_user', 'model', 'provider'].map((name) =>
    parameter('query', name, { description: 'Of this one alone.' }),
  ),
  parameter('query', 'outcome', { description: 'Of these alone.', schema: { type: 'string', enum: ['ok', 'error', 'cancelled', 'lost'] } }),
  parameter('query', 'format', {
    description: '`csv`: all of it as a table.',
    schema: { type: 'string', enum: ['json', 'csv'], default: 'json' },
  }),
  parameter('query', 'limit', { description: 'Entries on a page.', schema: { type: 'integer', minimum: 1, maximum: 100, default: 20 } }),
  parameter('query', 'cursor', { description: 'The `next_cursor` of the page before.' }),
];
const GROUPS = parameter('query', 'group_by', {
  description: 'Some of `day`, `project`, `key`, `end_user`, `model`, `provider`, `outcome`, separated by commas. None: one sum of all.',
});

interface Operation {
  readonly id: string;
  readonly tag: 'Chat' | 'Usage' | 'Administration';
  readonly summary: string;
  readonly description?: string;
  readonly parameters?: readonly Json[];
  readonly body?: TSchema;
  readonly answer: TSchema;
  readonly table?: true;
}

const OPERATIONS: Readonly<Record<string, Readonly<Partial<Record<'get' | 'post' | 'delete', Operation>>>>> = {
  '/v1/chat/completions/{id}': {
    get: { id: 'retrieveStoredCompletion', tag: 'Chat', summary: 'Show a stored completion', parameters: [ID], answer: ChatCompletion },
    post: {
      id: 'updateStoredCompletion',
      tag: 'Chat',
      summary: 'Replace the notes on a stored completion',
      parameters: [ID],
      body: StoredCompletionUpdate,
      answer: ChatCompletion,
    },
    delete: { id: 'deleteStoredCompletion', tag: 'Chat', summary: 'Delete a stored completion', parameters: [ID], answer: Deleted },
  },
  '/v1/chat/completions/{id}/messages': {
    get: {
      id: 'listStoredMessages',
      tag: 'Chat',
      summary: 'List the messages of a stored completion’s request',
      parameters: [ID, ...LIST],
      answer: cursorPage(StoredMessage, 'StoredMessageList'),
    },
  },
  '/v1/me': { get: { id: 'me', tag: 'Usage', summary: 'What this key may use, and what is left', answer: Me } },
  '/admin/v1/usage': {
    get: {
      id: 'sumUsage',
      tag: 'Administration',
      summary: 'What was used and what it cost',
      parameters: [GROUPS, ...REPORT],
      answer: page(UsageSum, 'UsageSumList'),
      table: true,
    },
  },
  '/admin/v1/usage/records': {
    get: {
      id: 'listUsageRecords',
      tag: 'Administration',
      summary: 'What was used, attempt by attempt, the latest first',
      parameters: REPORT,
      answer: page(UsageRecord, 'UsageRecordList'),
      table: true,
    },
  },
};

/** `GET /v1/chat/completions`, whose path has another operation. */
export function listStoredOperation(ref: Ref): Json {
  return described(
    {
      id: 'listStoredCompletions',
      tag: 'Chat',
      summary: 'List the stored completions',
      description: 'Those of the key’s project whose request said `store: true`.',
      parameters: [...LIST, ...FILTERS],
      answer: cursorPage(ChatCompletion, 'ChatCompletionList'),
    },
    ref,
  );
}

/** The other paths. */
export function usagePaths(ref: Ref): Json {
  return Object.fromEntries(
    Object.entries(OPERATIONS).map(([path, methods]) => [
      path,
      Object.fromEntries(Object.entries(methods).map(([method, operation]) => [method, described(operation, ref)])),
    ]),
  );
}

function described({ id, tag, summary, description, parameters = [], body, answer, table }: Operation, ref: Ref): Json {
  return {
    operationId: id,
    tags: [tag],
    summary,
    ...(description === undefined ? {} : { description }),
    ...(parameters.length > 0 ? { parameters } : {}),
    ...(body ? { requestBody: { required: true, content: { 'application/json': { schema: ref(body) } } } } : {}),
    responses: {
      200: {
        description: 'As it is now.',
        headers: headerRefs(...onEveryResponse),
        content: { 'application/json': { schema: ref(answer) }, ...(table ? { 'text/csv': { schema: { type: 'string' } } } : {}) },
      },
      ...failureRefs(400, 401, 403, 404, 405, ...(body ? [413, 415] : []), 500, 503),
    },
  };
}

/** The admin API in the description: one row for each operation. */
import type { TSchema } from 'typebox';
import Type from 'typebox';
import { nullable } from '../protocols/openai-chat/schema-kit.ts';
import * as schemas from './admin/schemas.ts';
import type { Json } from './openapi-components.ts';
import { failureRefs, headerRefs, onEveryResponse } from './openapi-responses.ts';

interface Operation {
  readonly method: 'get' | 'post' | 'put' | 'patch';
  /** Below `/admin/v1`. */
  readonly path: string;
  readonly id: string;
  readonly summary: string;
  readonly description?: string;
  /** Names of `PARAMETERS`. */
  readonly query?: readonly string[];
  readonly body?: TSchema;
  readonly bodyIsOptional?: boolean;
  readonly example?: Json;
  readonly answer: TSchema;
  readonly status?: 201;
}

const list = (item: TSchema, title: string): TSchema =>
  Type.Object(
    {
      object: Type.Literal('list'),
      data: Type.Array(item),
      has_more: Type.Boolean(),
      next_cursor: nullable(Type.String(), { description: 'The `cursor` of the next page.' }),
    },
    { title },
  );

const PAGE = ['limit', 'cursor'];
const END_USER = '/projects/{project}/end_users/{user}';

const OPERATIONS: readonly Operation[] = [
  {
    method: 'get',
    path: '/projects',
    id: 'listProjects',
    summary: 'List the projects',
    query: PAGE,
    answer: list(schemas.Project, 'ProjectList'),
  },
  {
    method: 'post',
    path: '/projects',
    id: 'createProject',
    summary: 'Make a project',
    body: schemas.ProjectCreate,
    answer: schemas.Project,
    status: 201,
  },
  { method: 'get', path: '/projects/{project}', id: 'retrieveProject', summary: 'Show a project', answer: schemas.Project },
  {
    method: 'patch',
    path: '/projects/{project}',
    id: 'updateProject',
    summary: 'Change a project, or switch it off',
    body: schemas.ProjectUpdate,
    answer: schemas.Project,
  },
  {
    method: 'get',
    path: '/keys',
    id: 'listKeys',
    summary: 'List the keys',
    query: [...PAGE, 'project_id'],
    answer: list(schemas.Key, 'KeyList'),
  },
  {
    method: 'post',
    path: '/keys',
    id: 'createKey',
    summary: 'Make a key',
    description: 'The answer has the secret in `key`, this once.',
    body: schemas.KeyCreate,
    example: {
      name: 'Support bot',
      project_id: 'default',
      owner: 'support@example.com',
      limits: { requests_per_minute: 600, tokens_per_minute: 200_000, concurrent_requests: 20 },
      budgets: [{ period: 'month', usd: '250.00' }],
      models: ['openai/gpt-*', 'smollm2-135m-instruct'],
      addresses: ['192.0.2.0/24'],
    },
    answer: schemas.FreshKey,
    status: 201,
  },
  { method: 'get', path: '/keys/{key}', id: 'retrieveKey', summary: 'Show a key', answer: schemas.Key },
  { method: 'patch', path: '/keys/{key}', id: 'updateKey', summary: 'Change a key', body: schemas.KeyUpdate, answer: schemas.Key },
  {
    method: 'post',
    path: '/keys/{key}/rotate',
    id: 'rotateKey',
    summary: 'Give a key a new secret',
    description: 'The key keeps its id, its limits and what it has spent. The former secret works for `grace_seconds` more.',
    body: schemas.KeyRotate,
    bodyIsOptional: true,
    answer: schemas.RotatedKey,
  },
  {
    method: 'post',
    path: '/keys/{key}/revoke',
    id: 'revokeKey',
    summary: 'End a key for good',
    description:
      'Within a second it works nowhere any more, nor does its former secret. With the id of a former secret that one ends alone.',
    answer: schemas.Key,
  },
  {
    method: 'get',
    path: '/projects/{project}/end_users',
    id: 'listEndUsers',
    summary: 'List the end users that something was said of',
    query: [...PAGE, 'blocked'],
    answer: list(schemas.EndUser, 'EndUserList'),
  },
  { method: 'get', path: END_USER, id: 'retrieveEndUser', summary: 'Show an end user', answer: schemas.EndUser },
  {
    method: 'put',
    path: END_USER,
    id: 'putEndUser',
    summary: 'Say what an end user may use',
    body: schemas.EndUserPut,
    answer: schemas.EndUser,
  },
  {
    method: 'post',
    path: `${END_USER}/block`,
    id: 'blockEndUser',
    summary: 'Refuse the requests of an end user',
    body: schemas.EndUserBlock,
    bodyIsOptional: true,
    answer: schemas.EndUser,
  },
  {
    method: 'post',
    path: `${END_USER}/unblock`,
    id: 'unblockEndUser',
    summary: 'Let an end user in again',
    body: schemas.EndUserBlock,
    bodyIsOptional: true,
    answer: schemas.EndUser,
  },
  {
    method: 'get',
    path: '/model_limits',
    id: 'listModelLimits',
    summary: 'List the limits of models',
    answer: list(schemas.ModelLimits, 'ModelLimitsList'),
  },
  {
    method: 'put',
    path: '/model_limits/{model}',
    id: 'putModelLimits',
    summary: 'Limit a model, over everybody',
    description: 'An empty set of limits ends them.',
    body: schemas.ModelLimitsPut,
    answer: schemas.ModelLimits,
  },
  {
    method: 'get',
    path: '/audit',
    id: 'listAuditEntries',
    summary: 'Who changed what',
    query: [...PAGE, 'subject'],
    answer: list(schemas.AuditEntry, 'AuditEntryList'),
  },
];

const parameter = (place: 'path' | 'query' | 'header', name: string, about: Json): Json => ({
  name,
  in: place,
  required: place === 'path',
  schema: { type: 'string' },
  ...about,
});

const PARAMETERS: Readonly<Record<string, Json>> = {
  limit: parameter('query', 'limit', {
    description: 'Entries on a page.',
    schema: { type: 'integer', minimum: 1, maximum: 100, default: 20 },
  }),
  cursor: parameter('query', 'cursor', { description: 'The `next_cursor` of the page before.' }),
  project_id: parameter('query', 'project_id', { description: 'Of this project alone.' }),
  blocked: parameter('query', 'blocked', { description: 'Those that are blocked, or those that are not.', schema: { type: 'boolean' } }),
  subject: parameter('query', 'subject', {
    description: 'What was changed: the id of a project or a key, `PROJECT/END_USER`, `model/MODEL`.',
  }),
  project: parameter('path', 'project', { description: 'The id of the project.', example: 'default' }),
  key: parameter('path', 'key', { description: 'The id of the key, not the key itself.' }),
  user: parameter('path', 'user', {
    description: 'The end user, as requests name them in `safety_identifier` or `user`; percent-encoded.',
  }),
  model: parameter('path', 'model', { description: 'The model’s id. A `/` in it may be sent as it is or as `%2F`.' }),
};

const IF_MATCH = parameter('header', 'If-Match', {
  description: 'The `ETag` of what you have seen: 409 where it is something else by now.',
});

/** The paths of the admin API. */
export function adminPaths(ref: (schema: object) => Json): Json {
  const paths: Record<string, Record<string, Json>> = {};
  for (const operation of OPERATIONS) {
    const path = `/admin/v1${operation.path}`;
    paths[path] = { ...paths[path], [operation.method]: described(operation, ref) };
  }
  return paths;
}

const isList = (answer: TSchema): boolean => 'title' in answer && String(answer.title).endsWith('List');

function described(operation: Operation, ref: (schema: object) => Json): Json {
  const { method, path, id, summary, description, query = [], body, bodyIsOptional = false, example, answer, status = 200 } = operation;
  const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => name);
  const changes = method !== 'get' && inPath.length > 0;
  const parameters = [...[...inPath, ...query].flatMap((name) => PARAMETERS[name] ?? []), ...(changes ? [IF_MATCH] : [])];
  return {
    operationId: id,
    tags: ['Administration'],
    summary,
    ...(description === undefined ? {} : { description }),
    security: [{ bearer: [] }],
    ...(parameters.length > 0 ? { parameters } : {}),
    ...(body
      ? {
          requestBody: {
            required: !bodyIsOptional,
            content: { 'application/json': { schema: ref(body), ...(example ? { examples: { example: { value: example } } } : {}) } },
          },
        }
      : {}),
    responses: {
      [status]: {
        description: 'As it is now.',
        headers: headerRefs(...onEveryResponse, ...(isList(answer) ? [] : ['etag'])),
        content: { 'application/json': { schema: ref(answer) } },
      },
      ...failureRefs(400, 401, 403, 404, 405, ...(changes ? [409] : []), ...(method === 'get' ? [] : [413, 415]), 500, 503),
    },
  };
}

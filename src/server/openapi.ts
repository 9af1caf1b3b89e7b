/** The description of the API, OpenAPI 3.1, made from the schemas that validate its requests. */
import { ChatCompletion, ChatCompletionChunk, ErrorResponse, Model, ModelList } from '../protocols/openai-chat/schema-answers.ts';
import { ChatCompletionRequest } from '../protocols/openai-chat/schema.ts';
import { adminPaths } from './openapi-admin.ts';
import { collectComponents } from './openapi-components.ts';
import type { Json } from './openapi-components.ts';
import { chatExamples, completionExample, modelExample, toolCallExample, chunkExamples } from './openapi-examples.ts';
import { CACHE_HEADER } from './cache-header.ts';
import { failureComponents, failureRefs, headerRefs, headers, onAnswers, onEveryResponse } from './openapi-responses.ts';
import { listStoredOperation, usagePaths } from './openapi-usage.ts';

export { chatExamples } from './openapi-examples.ts';

const INTRODUCTION = `One chat completions API for every model, with a model inside.

Any client that is written for the OpenAI API works: give it this server's address with \`/v1\` as its base URL.
The same paths without \`/v1\` work too. Where the server has keys, send one as \`Authorization: Bearer KEY\`; without keys any value does.

Nothing you send is dropped in silence: a field that has no effect on a model is named in the response header \`x-parlance-ignored-params\`.
Every failure has the same envelope and says what was wrong, where, and what would be right.`;

const CHAT = `Answers a conversation. The answer comes whole, or with \`stream: true\` in server-sent events.

In a stream the first chunk of each choice carries the role, chunks of text or tool calls follow, and one chunk with a \`finish_reason\` ends
the choice. \`stream_options: {"include_usage": true}\` adds a last chunk with the token counts. \`data: [DONE]\` ends a stream that ended well.
Each frame is a line \`data: {…}\` with one chunk, and an empty line.
If the stream fails on the way, the last frame is \`data: {"error": …}\` and there is no \`[DONE]\`.`;

/** Tags of paths that are there where something is kept. */
const KEPT = [
  { name: 'Usage', description: 'What the key has left.' },
  { name: 'Administration', description: 'Projects, keys, end users and limits. For keys with the role `admin`.' },
];

export interface OpenApiOptions {
  /** The project's version. */
  readonly version: string;
  /** Where the server is, without `/v1`; absent: where the document was fetched from. */
  readonly baseUrl?: string;
  /** The server keeps keys, usage and completions: without it the paths of these are not there. Default: true. */
  readonly keeps?: boolean;
}

/** The document, a fresh plain object. */
export function openapiDocument({ version, baseUrl = '/', keeps = true }: OpenApiOptions): Json {
  const components = collectComponents();
  const paths = {
    '/v1/chat/completions': { post: chatOperation(components.ref), ...(keeps ? { get: listStoredOperation(components.ref) } : {}) },
    '/v1/models': { get: listOperation(components.ref) },
    '/v1/models/{model}': { get: modelOperation(components.ref) },
    ...(keeps ? { ...usagePaths(components.ref), ...adminPaths(components.ref) } : {}),
    '/health': { get: healthOperation() },
    '/ready': { get: readyOperation() },
  };
  const responses = failureComponents(components.ref(ErrorResponse));
  return {
    openapi: '3.1.0',
    info: {
      title: 'Parlance',
      version,
      summary: 'An OpenAI-compatible chat completions server',
      description: INTRODUCTION,
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: baseUrl }],
    tags: [
      { name: 'Chat', description: 'Conversations with a model.' },
      { name: 'Models', description: 'What this server can answer with.' },
      ...(keeps ? KEPT : []),
      { name: 'Operation', description: 'For those who run the server.' },
    ],
    security: [{ bearer: [] }, {}],
    paths,
    components: {
      schemas: components.schemas,
      responses,
      headers,
      securitySchemes: { bearer: { type: 'http', scheme: 'bearer', description: 'A key of this server. Not needed where it has none.' } },
    },
  };
}

type Ref = (schema: object) => Json;

function chatOperation(ref: Ref): Json {
  return {
    operationId: 'createChatCompletion',
    tags: ['Chat'],
    summary: 'Answer a conversation',
    description: CHAT,
    parameters: [
      {
        name: CACHE_HEADER,
        in: 'header',
        required: false,
        description:
          'The cache of answers: `use` it where the server leaves that to requests, `skip` it, or `refresh` what it has. In the response: `hit`, `miss`, or `shared` for the answer of a call that ran already.',
        schema: { type: 'string', enum: ['use', 'skip', 'refresh'] },
      },
    ],
    requestBody: { required: true, content: { 'application/json': { schema: ref(ChatCompletionRequest), examples: chatExamples } } },
    responses: {
      '200': {
        description: 'The answer: a JSON object, or with `stream: true` an event stream.',
        headers: headerRefs(...onAnswers),
        content: {
          'application/json': {
            schema: ref(ChatCompletion),
            examples: {
              text: { summary: 'A text', value: completionExample },
              tool_call: { summary: 'A tool call', value: toolCallExample },
            },
          },
          'text/event-stream': { schema: ref(ChatCompletionChunk), examples: mapExamples(chunkExamples) },
        },
      },
      ...failureRefs(400, 401, 403, 404, 405, 408, 413, 415, 429, 500, 502, 503, 504),
    },
  };
}

function mapExamples(values: Json): Json {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, { value }]));
}

function json(schema: Json, example: unknown): Json {
  return { 'application/json': { schema, examples: { example: { value: example } } } };
}

function listOperation(ref: Ref): Json {
  return {
    operationId: 'listModels',
    tags: ['Models'],
    summary: 'List the models',
    description: 'The models that this key may use, with what each can do.',
    responses: {
      '200': {
        description: 'The models.',
        headers: headerRefs(...onEveryResponse),
        content: json(ref(ModelList), { object: 'list', data: [modelExample] }),
      },
      ...failureRefs(401, 405, 429, 500),
    },
  };
}

function modelOperation(ref: Ref): Json {
  return {
    operationId: 'retrieveModel',
    tags: ['Models'],
    summary: 'Show one model',
    parameters: [
      {
        name: 'model',
        in: 'path',
        required: true,
        description: 'The model’s id. A `/` in it may be sent as it is or as `%2F`.',
        schema: { type: 'string' },
        example: modelExample.id,
      },
    ],
    responses: {
      '200': { description: 'The model.', headers: headerRefs(...onEveryResponse), content: json(ref(Model), modelExample) },
      ...failureRefs(401, 404, 405, 429, 500),
    },
  };
}

/** A small body that says how the server is. */
const status = (value: string, more: Json = {}): Json => ({
  type: 'object',
  required: ['status', ...Object.keys(more)],
  properties: { status: { type: 'string', const: value }, ...more },
});

function healthOperation(): Json {
  return {
    operationId: 'health',
    tags: ['Operation'],
    summary: 'Is the server alive?',
    security: [],
    responses: {
      '200': {
        description: 'It is.',
        headers: headerRefs(...onEveryResponse),
        content: json(status('ok', { version: { type: 'string' } }), { status: 'ok', version: '1.0.0' }),
      },
    },
  };
}

function readyOperation(): Json {
  return {
    operationId: 'ready',
    tags: ['Operation'],
    summary: 'Can the server answer?',
    description:
      'For load balancers. A server that is shutting down, or has nothing to answer with, says no. More may stand beside `status`.',
    security: [],
    responses: {
      '200': { description: 'It can.', headers: headerRefs(...onEveryResponse), content: json(status('ready'), { status: 'ready' }) },
      '503': {
        description: 'It cannot, or not for long.',
        headers: headerRefs(...onEveryResponse, 'retry-after'),
        content: json(status('not_ready'), { status: 'not_ready', draining: true }),
      },
    },
  };
}

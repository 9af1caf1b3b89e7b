import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { parseChatRequest } from '../protocols/openai-chat/accept.ts';
import { ChatCompletionRequest } from '../protocols/openai-chat/schema.ts';
import type { Administration } from '../gateway/administration.ts';
import { chatExamples, openapiDocument } from './openapi.ts';
import { admin } from './routes/admin.ts';
import { adminUsage } from './routes/admin-usage.ts';
import type { UsageDesk } from './routes/admin-usage.ts';

interface Content {
  schema: object;
  examples?: Record<string, { value: unknown }>;
}
interface Document {
  openapi: string;
  servers: { url: string }[];
  paths: Record<
    string,
    Record<string, { operationId: string; requestBody?: { content: Record<string, Content> }; responses: Record<string, Response> }>
  >;
  components: Record<string, Record<string, object>> & { responses: Record<string, Response> };
}
interface Response {
  $ref?: string;
  content?: Record<string, Content>;
}

const document = openapiDocument({ version: '1.2.3' }) as unknown as Document;

/** Every `$ref` in the document. */
function refsIn(value: unknown): string[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => (key === '$ref' && typeof inner === 'string' ? [inner] : refsIn(inner)));
}

function at(path: string): unknown {
  return path
    .replace('#/', '')
    .split('/')
    .reduce<unknown>((value, key) => (value as Record<string, unknown> | undefined)?.[key], document);
}

test('openapi: every reference and every mapping leads somewhere', () => {
  const refs = refsIn(document);
  assert.ok(refs.length > 100);
  for (const ref of refs) assert.ok(at(ref), ref);
  const mapped = JSON.stringify(document).match(/"#\/components\/schemas\/\w+"/g) ?? [];
  for (const ref of mapped) assert.ok(at(JSON.parse(ref)), ref);
});

test('openapi: the paths, the version, where the server is', () => {
  assert.match(document.openapi, /^3\.1/);
  const paths = Object.keys(document.paths);
  assert.deepEqual(
    paths.filter((path) => !path.startsWith('/admin/v1/')),
    [
      '/v1/chat/completions',
      '/v1/models',
      '/v1/models/{model}',
      '/v1/chat/completions/{id}',
      '/v1/chat/completions/{id}/messages',
      '/v1/me',
      '/health',
      '/ready',
    ],
  );
  assert.equal(document.servers[0]?.url, '/');
  const elsewhere = openapiDocument({ version: '1.2.3', baseUrl: 'http://127.0.0.1:1' }) as unknown as Document;
  assert.equal(elsewhere.servers[0]?.url, 'http://127.0.0.1:1');
  const statuses = Object.keys(document.paths['/v1/chat/completions']?.['post']?.responses ?? {});
  for (const status of [200, 400, 401, 403, 404, 413, 415, 429, 500, 502, 503, 504])
    assert.ok(statuses.includes(String(status)), String(status));
});

test('openapi: where nothing is kept, what only tells of that is left out, and all that is left holds together', () => {
  const bare = openapiDocument({ version: '1.2.3', keeps: false }) as unknown as Document & { tags: { name: string }[] };
  assert.deepEqual(Object.keys(bare.paths), ['/v1/chat/completions', '/v1/models', '/v1/models/{model}', '/health', '/ready']);
  assert.deepEqual(Object.keys(bare.paths['/v1/chat/completions'] ?? {}), ['post']);
  assert.deepEqual(
    bare.tags.map(({ name }) => name),
    ['Chat', 'Models', 'Operation'],
  );
  for (const ref of refsIn(bare)) {
    const [, , kind = '', name = ''] = ref.split('/');
    assert.ok(bare.components[kind]?.[name], ref);
  }
});

test('openapi: every field of the request that is checked is described', () => {
  const described = document.components['schemas']?.['ChatCompletionRequest'] as { properties: Record<string, object> };
  assert.deepEqual(Object.keys(described.properties), Object.keys(ChatCompletionRequest.properties));
});

test('openapi: every example holds to its schema', () => {
  const ajv = new Ajv2020({ strict: false, validateFormats: false });
  ajv.addSchema({ $id: 'doc', ...document });
  const resolve = (schema: object): object => JSON.parse(JSON.stringify(schema).replaceAll('"#/', '"doc#/'));
  const operations = Object.values(document.paths).flatMap((path) => Object.values(path));
  const answers = [...operations.flatMap((one) => Object.values(one.responses)), ...Object.values(document.components.responses)];
  const contents = [...operations.map((one) => one.requestBody?.content), ...answers.map((one) => one.content)];
  let seen = 0;
  for (const { schema, examples } of contents.flatMap((content) => Object.values(content ?? {}))) {
    const validate = ajv.compile(resolve(schema));
    for (const [name, { value }] of Object.entries(examples ?? {})) {
      assert.ok(validate(value), `${name}: ${JSON.stringify(validate.errors)}`);
      seen++;
    }
  }
  assert.ok(seen > 30, String(seen));
});

test('openapi: the example requests are accepted, even in strict mode', () => {
  for (const { value } of Object.values(chatExamples)) {
    const request = parseChatRequest(value, { strict: true });
    assert.equal(request.model, 'smollm2-135m-instruct');
    assert.deepEqual(request.extras, []);
  }
});

test('openapi: operation ids are there and differ', () => {
  const ids = Object.values(document.paths).flatMap((path) => Object.values(path).map((one) => one.operationId));
  assert.equal(new Set(ids).size, ids.length);
  assert.ok(ids.every((id) => id.length > 0));
});

test('openapi: what administrators may ask is described, all of it and nothing else', () => {
  const all = [...admin({ accounts: {} } as Administration), ...adminUsage({} as UsageDesk)];
  const routes = all.flatMap(({ method, paths }) => paths.map((path) => `${method} ${path}`));
  const described = Object.entries(document.paths)
    .filter(([path]) => path.startsWith('/admin/v1/'))
    .flatMap(([path, methods]) => Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`));
  const asRouted = described.map((one) => one.replace('{model}', '*').replace(/\{(\w+)\}/g, ':$1'));
  assert.deepEqual(asRouted.sort(), routes.sort());
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { canBeStrict, structuredSchema } from './schema.ts';

const object = (properties: Record<string, unknown>, more: Record<string, unknown> = {}) => ({
  type: 'object',
  properties,
  required: Object.keys(properties),
  ...more,
});

test('cohere: limits that are not enforced are told to the model', () => {
  const schema = object(
    {
      age: { type: 'integer', minimum: 0, maximum: 150, description: 'In years.' },
      mail: { type: 'string', format: 'email', default: '' },
      day: { type: 'string', format: 'date' },
      tags: { type: 'array', items: { type: 'string', maxLength: 9 }, minItems: 1 },
      code: { type: 'string', pattern: '^[a-z]+$' },
      word: { type: 'string', pattern: '[a-z]+' },
    },
    { additionalProperties: false, $schema: 'https://json-schema.org/draft/2020-12/schema' },
  );
  const before = structuredClone(schema);
  assert.deepEqual(structuredSchema(schema), {
    type: 'object',
    properties: {
      age: { type: 'integer', description: 'In years. (minimum: 0, maximum: 150)' },
      mail: { type: 'string', description: '(format: "email")' },
      day: { type: 'string', format: 'date' },
      tags: { type: 'array', items: { type: 'string', description: '(maxLength: 9)' }, description: '(minItems: 1)' },
      code: { type: 'string', description: '(pattern: "^[a-z]+$")' },
      word: { type: 'string', pattern: '[a-z]+' },
    },
    required: ['age', 'mail', 'day', 'tags', 'code', 'word'],
  });
  assert.deepEqual(schema, before);
});

test('cohere: properties named like keywords are properties', () => {
  const schema = object({ minimum: { type: 'number' }, oneOf: { type: 'string' }, default: { type: 'string' } });
  assert.deepEqual(structuredSchema(schema), schema);
});

test('cohere: references and alternatives stay', () => {
  const schema = object(
    { a: { anyOf: [{ $ref: '#/$defs/b' }, { type: 'null' }] } },
    { $defs: { b: object({ c: { type: 'string', enum: ['x'] } }) } },
  );
  assert.deepEqual(structuredSchema(schema), schema);
});

test('cohere: what structured outputs cannot say is found, at any depth', () => {
  for (const schema of [
    true,
    { type: 'array', items: { type: 'string' } },
    { anyOf: [object({ a: {} })] },
    { type: 'object', properties: { a: { type: 'string' } } },
    object({ a: { type: 'object', properties: { b: { type: 'string' } } } }),
    object({ a: { oneOf: [{ type: 'string' }] } }),
    object({ a: { type: 'array', items: { allOf: [] } } }),
    object({ a: { type: 'array', items: false } }),
    object({ a: { anyOf: [{ type: 'object' }, { type: 'null' }] } }),
  ]) {
    assert.equal(structuredSchema(schema), undefined, JSON.stringify(schema));
  }
});

test('cohere: functions without arguments can be strict', () => {
  assert.equal(canBeStrict(undefined), true);
  assert.equal(canBeStrict({ type: 'object', properties: {} }), true);
  assert.equal(canBeStrict({ type: 'object', properties: { a: {} } }), false);
});

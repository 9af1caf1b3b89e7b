import assert from 'node:assert/strict';
import { test } from 'node:test';
import { toldSchema } from './told-schema.ts';

const closed = { required: ['a'], additionalProperties: false };
const schemaOf = (a: unknown) => ({ type: 'object', properties: { a }, ...closed });

test('a strict schema is told without what every strict schema says, at any depth', () => {
  const schema = schemaOf({
    description: 'all of them',
    type: 'array',
    items: { anyOf: [schemaOf({ enum: ['x', 'y'] }), { $ref: '#/$defs/b' }] },
  });
  const said = JSON.parse(toldSchema({ ...schema, $defs: { b: schemaOf({ type: 'integer' }) } }, true)) as unknown;
  assert.deepEqual(said, {
    type: 'object',
    properties: {
      a: {
        description: 'all of them',
        type: 'array',
        items: { anyOf: [{ type: 'object', properties: { a: { enum: ['x', 'y'] } } }, { $ref: '#/$defs/b' }] },
      },
    },
    $defs: { b: { type: 'object', properties: { a: { type: 'integer' } } } },
  });
});

test('what says something stays: members that may be left out, members by another schema', () => {
  const optional = { type: 'object', properties: { a: {}, b: {} }, required: ['a'], additionalProperties: { type: 'string' } };
  assert.deepEqual(JSON.parse(toldSchema(optional, true)), optional);
});

test('data that looks like a schema, and members named like keywords, stay as they are', () => {
  const data = { type: 'object', properties: { a: {} }, ...closed };
  const schema = { const: data, enum: [data], default: data };
  assert.deepEqual(JSON.parse(toldSchema(schema, true)), schema);
  const members = { type: 'object', properties: { required: { type: 'boolean' }, additionalProperties: { type: 'null' } } };
  assert.deepEqual(JSON.parse(toldSchema(members, true)), members);
});

test('a schema that is not strict is told whole', () => {
  assert.equal(toldSchema(schemaOf({}), false), JSON.stringify(schemaOf({})));
});

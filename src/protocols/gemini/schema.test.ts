import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { cleanSchema, parametersOf } from './schema.ts';

describe('gemini: schemas', () => {
  test('keep what is known', () => {
    const schema = {
      type: 'object',
      title: 'T',
      description: 'D',
      properties: {
        a: { type: ['string', 'null'], enum: ['x', 'y', null], format: 'date-time' },
        b: { type: 'array', items: { $ref: '#/$defs/c' }, minItems: 1, maxItems: 3 },
        n: { anyOf: [{ type: 'number', minimum: 0, maximum: 1 }, { type: 'boolean' }] },
      },
      required: ['a'],
      additionalProperties: false,
      $defs: { c: { type: 'integer' } },
    };
    assert.deepEqual(cleanSchema(schema), schema);
  });

  test('say in known words what unknown ones say', () => {
    assert.deepEqual(cleanSchema({ const: 'a' }), { enum: ['a'] });
    assert.deepEqual(cleanSchema({ oneOf: [{ const: 1 }, { type: 'null' }] }), { anyOf: [{ enum: [1] }, { type: 'null' }] });
    assert.deepEqual(cleanSchema({ type: 'integer', exclusiveMinimum: 0 }), { type: 'integer', minimum: 0 });
    assert.deepEqual(cleanSchema({ $ref: '#/definitions/a', definitions: { a: { type: 'string' } } }), {
      $ref: '#/$defs/a',
      $defs: { a: { type: 'string' } },
    });
    assert.deepEqual(cleanSchema({ allOf: [{ $ref: '#/$defs/a' }], description: 'D' }), { $ref: '#/$defs/a' });
    assert.deepEqual(cleanSchema({ items: [{ type: 'string' }, true] }), { prefixItems: [{ type: 'string' }, {}] });
    const all = {
      allOf: [
        { type: 'object', properties: { a: { type: 'string' } }, required: ['a'] },
        { properties: { b: {} }, required: ['b'] },
      ],
    };
    assert.deepEqual(cleanSchema(all), {
      type: 'object',
      properties: { a: { type: 'string' }, b: {} },
      required: ['a', 'b'],
    });
  });

  test('leave out what says nothing there, at any depth, but not properties of such names', () => {
    const schema = { $schema: 'x', properties: { default: { type: 'string', default: 'd', examples: [1] }, not: { not: {} } } };
    assert.deepEqual(cleanSchema(schema), { properties: { default: { type: 'string' }, not: {} } });
  });

  test('the one that was given stays as it was', () => {
    const schema = { allOf: [{ required: ['a'] }], properties: { a: { const: 1 } }, required: ['b'] };
    const before = structuredClone(schema);
    cleanSchema(schema);
    assert.deepEqual(schema, before);
  });

  test('parameters are those of an object, and left out where there are none', () => {
    assert.equal(parametersOf(undefined), undefined);
    assert.equal(parametersOf({}), undefined);
    assert.equal(parametersOf({ type: 'object', properties: {}, additionalProperties: false }), undefined);
    assert.deepEqual(parametersOf({ properties: { a: {} } }), { type: 'object', properties: { a: {} } });
    const map = { type: 'object', additionalProperties: { type: 'string' } };
    assert.deepEqual(parametersOf(map), map);
    assert.deepEqual(parametersOf({ $ref: '#/$defs/a', $defs: { a: { type: 'object' } } }), {
      $ref: '#/$defs/a',
      $defs: { a: { type: 'object' } },
    });
  });
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonSchema } from '../../core/chat.ts';
import { closedSchema, inputSchema } from './schema.ts';

const object = (properties: object, more: object = {}) => ({ type: 'object', properties, ...more });
const closed = (properties: object, more: object = {}) => object(properties, { ...more, additionalProperties: false });
const text = { type: 'string' };

test('anthropic: every object of a schema is closed, at any depth', () => {
  const schema = object(
    { a: { type: 'array', items: object({ b: text }) }, c: { anyOf: [object({ d: text }), { type: 'null' }] } },
    { required: ['a'] },
  );
  assert.deepEqual(
    closedSchema(schema),
    closed(
      { a: { type: 'array', items: closed({ b: text }) }, c: { anyOf: [closed({ d: text }), { type: 'null' }] } },
      { required: ['a'] },
    ),
  );
});

test('anthropic: bounds that generation cannot keep are told in the description', () => {
  const number = { type: 'number', description: 'How many.', minimum: 0, maximum: 9 };
  const described = { type: 'number', description: 'How many.\n\n{"minimum":0,"maximum":9}' };
  const list = { type: 'array', items: text, minItems: 3 };
  assert.deepEqual(
    closedSchema(object({ number, list, day: { ...text, format: 'date' }, odd: { ...text, format: 'colour' } })),
    closed({
      number: described,
      list: { type: 'array', items: text, description: '{"minItems":3}' },
      day: { ...text, format: 'date' },
      odd: { ...text, description: '{"format":"colour"}' },
    }),
  );
});

test('anthropic: lists of types are alternatives, oneOf is anyOf, an allOf of one is that one', () => {
  const schema = object({
    a: { type: ['string', 'null'], maxLength: 3, description: 'x' },
    b: { oneOf: [text] },
    c: { allOf: [text], title: 'C' },
  });
  const told = { ...text, description: '{"maxLength":3}' };
  assert.deepEqual(
    closedSchema(schema),
    closed({ a: { description: 'x', anyOf: [told, { type: 'null' }] }, b: { anyOf: [text] }, c: { ...text, title: 'C' } }),
  );
});

test('anthropic: references within stay, with what they refer to', () => {
  const schema = object({ a: { $ref: '#/$defs/one' } }, { $defs: { one: object({ b: text }) } });
  assert.deepEqual(closedSchema(schema), closed({ a: { $ref: '#/$defs/one' } }, { $defs: { one: closed({ b: text }) } }));
});

test('anthropic: a schema that would mean something else when closed is none', () => {
  const beyond: readonly JsonSchema[] = [
    true,
    {},
    { type: 'object' },
    object({}, { additionalProperties: text }),
    object({ a: {} }),
    object({ a: text }, { additionalProperties: true }),
    object({ a: text }, { patternProperties: { x: text } }),
    object({ a: { type: 'array' } }),
    object({ a: { allOf: [text, text] } }),
    object({ a: { $ref: '#/$defs/a' } }, { $defs: { a: object({ again: { $ref: '#/$defs/a' } }) } }),
    object({ a: { $ref: '#' } }),
    object({ a: object({ b: text }, { anyOf: [object({ c: text })] }) }),
    object({ a: { $ref: 'https://a.test/schema' } }),
    object({ a: { $ref: '#/$defs/missing' } }),
  ];
  for (const schema of beyond) assert.equal(closedSchema(schema), undefined, JSON.stringify(schema));
  let deep: object = text;
  for (let depth = 0; depth < 5000; depth++) deep = object({ deep });
  assert.equal(closedSchema({ ...deep }), undefined);
});

test('anthropic: the input of a tool is an object', () => {
  assert.deepEqual(inputSchema(undefined), object({}));
  assert.deepEqual(inputSchema(true), object({}));
  assert.deepEqual(inputSchema({ properties: { a: text } }), object({ a: text }));
  const whole = object({ a: { anyOf: [text] } }, { required: ['a'], $defs: {} });
  assert.deepEqual(inputSchema(whole), whole);
});

test('anthropic: alternatives at the root of an input become one object, with what all of them require', () => {
  const one = object({ kind: { const: 'a' }, x: text }, { required: ['kind', 'x'] });
  const other = object({ kind: { const: 'b' }, y: text }, { required: ['kind'] });
  const merged = object({ kind: { anyOf: [{ const: 'a' }, { const: 'b' }] }, x: text, y: text }, { required: ['kind'] });
  assert.deepEqual(inputSchema({ oneOf: [one, other] }), merged);
  assert.deepEqual(
    inputSchema({ allOf: [one, { $ref: '#/$defs/b' }], $defs: { b: other } }),
    object({ kind: { anyOf: [{ const: 'a' }, { const: 'b' }] }, x: text, y: text }, { required: ['kind', 'x'], $defs: { b: other } }),
  );
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { cacheKey, canonicalJson } from './cache-key.ts';

const key = (body: Readonly<Record<string, unknown>>, tenant = 'a'): string => {
  const made = cacheKey({ tenant, body });
  assert.ok(made);
  return made;
};
const BODY = { model: 'm', messages: [{ role: 'user', content: 'Hi' }] };

test('cache key: the order of fields says nothing, at no depth', () => {
  const one = { model: 'm', tools: [{ type: 'function', function: { name: 'f', parameters: { type: 'object', a: 1 } } }] };
  const other = { tools: [{ function: { parameters: { a: 1, type: 'object' }, name: 'f' }, type: 'function' }], model: 'm' };
  assert.equal(key(one), key(other));
  assert.notEqual(key({ ...BODY, stop: ['a', 'b'] }), key({ ...BODY, stop: ['b', 'a'] }), 'the order of a list does');
});

test('cache key: only stream and stream_options are left out, and only at the top', () => {
  assert.equal(key({ ...BODY, stream: true, stream_options: { include_usage: true } }), key(BODY));
  assert.notEqual(key({ ...BODY, metadata: { stream: 'x' } }), key({ ...BODY, metadata: {} }));
  for (const more of [{ user: 'u' }, { seed: 1 }, { n: 2 }, { temperature: 0 }, { unheard_of: 1 }, { model: 'M' }, { n: null }])
    assert.notEqual(key({ ...BODY, ...more }), key(BODY), JSON.stringify(more));
});

test('cache key: two tenants have no key in common', () => {
  assert.notEqual(key(BODY, 'a'), key(BODY, 'b'));
  // a tenant's name cannot be made to look like the beginning of a body
  assert.notEqual(key(BODY, 'a"\n{'), key(BODY, 'a'));
});

const json = fc.jsonValue({ maxDepth: 3 }).map((value): unknown => JSON.parse(JSON.stringify(value)));
/** Values as JSON.parse gives them, those included that JSON.stringify would make the same. */
const anyBody = fc.dictionary(
  fc.string({ unit: 'binary', maxLength: 3 }),
  fc.oneof(json, fc.constantFrom(Infinity, null, 0, '0', [], {})),
  {
    maxKeys: 4,
    noNullPrototype: true,
  },
);

test('cache key: canonical JSON is the same for equal values and another for different ones', () => {
  fc.assert(
    fc.property(anyBody, anyBody, (one, other) => {
      const shuffled = Object.fromEntries(Object.entries(one).toReversed());
      assert.equal(canonicalJson(shuffled), canonicalJson(one));
      assert.equal(canonicalJson(one) === canonicalJson(other), isDeepStrictEqual(one, other));
    }),
    { numRuns: 500 },
  );
  assert.deepEqual(JSON.parse(canonicalJson({ b: [1, { d: null, c: '\ud800é' }], a: [], '': {} }) ?? ''), {
    '': {},
    a: [],
    b: [1, { c: '\ud800é', d: null }],
  });
  assert.equal(canonicalJson({ b: 1, a: [true, 'x'] }), '{"a":[true,"x"],"b":1}');
  assert.notEqual(canonicalJson([Infinity]), canonicalJson([null]), 'a number too large to hold is not null');
});

test('cache key: a body as deep as the settings allow has one too', () => {
  let deep: unknown = 1;
  for (let level = 0; level < 20_000; level++) deep = level % 2 === 0 ? [deep] : { deep };
  assert.equal(key({ deep }).length, 43);
});

test('cache key: a body of a few hundred thousand values has none, before they are all looked at', () => {
  const many = 250_001;
  const list = Array.from({ length: many }, () => 0);
  const keys = Object.fromEntries(list.map((_, at) => [`k${at}`, 0]));
  for (const body of [{ list }, { keys }, keys, { a: { b: [list] } }, { lists: [list.slice(many / 2), list.slice(many / 2)] }])
    assert.equal(cacheKey({ tenant: 'a', body }), undefined);
  assert.ok(cacheKey({ tenant: 'a', body: { list: list.slice(10) } }));
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fillIn, placeholders } from './variables.ts';

const vertex = {
  location: { env: ['LOCATION', 'REGION'], default: 'global' },
  host: { env: [], by: 'location', cases: { global: 'common.example' }, default: '{location}-host.example' },
};

test('variables: the configuration goes before the environment, and that before the default', () => {
  const text = 'https://{location}';
  assert.deepEqual(fillIn(text, vertex, { given: { location: 'a' }, env: { LOCATION: 'b' } }), { ok: true, text: 'https://a' });
  assert.deepEqual(fillIn(text, vertex, { given: {}, env: { LOCATION: ' ', REGION: 'b' } }), { ok: true, text: 'https://b' });
  assert.deepEqual(fillIn(text, vertex, { given: {}, env: {} }), { ok: true, text: 'https://global' });
});

test('variables: one may follow from another, by its cases or by its default', () => {
  const text = 'https://{host}/{location}';
  assert.deepEqual(fillIn(text, vertex, { given: {}, env: {} }), { ok: true, text: 'https://common.example/global' });
  assert.deepEqual(fillIn(text, vertex, { given: { location: 'x' }, env: {} }), { ok: true, text: 'https://x-host.example/x' });
});

test('variables: the ones without a value are named, those that are not needed are not', () => {
  const variables = { endpoint: { env: ['ENDPOINT'], default: 'https://{resource}.example' }, resource: { env: [] } };
  assert.deepEqual(fillIn('{endpoint}/v1', variables, { given: {}, env: {} }), { ok: false, missing: ['resource'] });
  assert.deepEqual(fillIn('{endpoint}/v1', variables, { given: {}, env: { ENDPOINT: 'https://own.example/' } }), {
    ok: true,
    text: 'https://own.example/v1',
  });
  assert.deepEqual(fillIn('{unheard}', {}, { given: {}, env: {} }), { ok: false, missing: ['unheard'] });
});

test('variables: a circle is a missing value, not an endless loop', () => {
  const variables = { a: { env: [], default: '{b}' }, b: { env: [], default: '{a}' } };
  assert.equal(fillIn('{a}', variables, { given: {}, env: {} }).ok, false);
});

test('variables: names in braces are found once each, in order', () => {
  assert.deepEqual(placeholders('{b}/{a}/{b}'), ['b', 'a']);
  assert.deepEqual(placeholders('{}/{ a}/{1}'), []);
});

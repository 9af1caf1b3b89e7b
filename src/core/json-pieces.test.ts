import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bytesOf, jsonFrom, wholeText } from './json-pieces.ts';

const LIST = [1, { a: 'ä' }];
const value = { model: 'm', list: LIST, __proto__: undefined, 'na"me': LIST };
const written = new Map([
  ['list', Buffer.from(' [1.0, {"a":"ä"}]')],
  ['model', Buffer.from('"\\u006d"')],
  ['na"me', Buffer.from('[1e0,{"a":"ä"}]')],
]);

test('JSON pieces: without a source it is what JSON.stringify makes', () => {
  assert.equal(jsonFrom({ a: undefined, b: [1] }, undefined), '{"b":[1]}');
});

test('JSON pieces: what has not changed goes out as it was written, all else as JSON.stringify writes it', () => {
  const source = { value, written };
  assert.equal(
    wholeText(jsonFrom({ ...value, left: undefined, more: 'x' }, source)),
    '{"model":"\\u006d","list": [1.0, {"a":"ä"}],"na\\"me":[1e0,{"a":"ä"}],"more":"x"}',
  );
  // an equal list is another one: somebody has made it
  assert.equal(wholeText(jsonFrom({ list: [...LIST], model: 'other' }, source)), '{"list":[1,{"a":"ä"}],"model":"other"}');
  assert.equal(wholeText(jsonFrom({ more: LIST }, source)), '{"more":[1,{"a":"ä"}]}');
  assert.equal(wholeText(jsonFrom({}, source)), '{}');
});

test('JSON pieces: their bytes are counted', () => {
  for (const json of ['{"ä":1}', jsonFrom(value, { value, written })]) assert.equal(bytesOf(json), Buffer.byteLength(wholeText(json)));
});

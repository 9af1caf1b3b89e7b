import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { customAsFunction, customFromFunctions, customInput } from './custom-tools.ts';
import { call, reshaped, said, textAfter } from './testing.ts';

const make = () => customFromFunctions(new Set(['shell']));
const input = (json: string): unknown => {
  const block = reshaped(make, said(call('shell', json))).choices[0]?.blocks[0];
  assert.ok(block?.type === 'tool_call' && block.kind === 'custom');
  return block.input;
};

test('custom tools: the text inside of the arguments is the input, whatever the deltas', () => {
  assert.equal(input('{"input": "ls -l"}'), 'ls -l');
  assert.equal(input(' {\n "input"\t:\r\n"ls" } '), 'ls');
  assert.equal(input('{"input":""}'), '');
  assert.equal(input(String.raw`{"input":"a\"b\\c\/d\b\f\n\r\te\u00e9\ud83d\ude00é😀"}`), 'a"b\\c/d\b\f\n\r\teé😀é😀');
});

test('custom tools: any text survives the way there and back', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (value) => {
      assert.equal(input(customInput(value)), value.toWellFormed());
    }),
    { numRuns: 60 },
  );
});

test('custom tools: arguments of another shape stay as they are', () => {
  for (const json of ['{}', '', 'ls -l', '{"command":"ls"}', '{"input":5}', '{"input', '{"inputs":"a"}', '[1]', '{ "x": "input" }']) {
    assert.equal(input(json), json);
  }
});

test('custom tools: half a pair and a broken escape spoil nothing', () => {
  assert.equal(input(String.raw`{"input":"a\ud83dx"}`), 'a\ufffdx');
  assert.equal(input(String.raw`{"input":"a\ud83d"}`), 'a\ufffd');
  assert.equal(input(String.raw`{"input":"\ud83d\ud83d\ude00\ude00"}`), '\ufffd😀\ufffd');
  assert.equal(input(String.raw`{"input":"a\qb\u12xz"}`), String.raw`a\qb\u12xz`);
});

test('custom tools: arguments cut off in the text give what there is of it', () => {
  assert.equal(input('{"input":"ls -'), 'ls -');
  assert.equal(input('{"input":"ls \\u00'), 'ls ');
});

test('custom tools: what follows the text in the object is left out', () => {
  assert.equal(input('{"input":"ls","why":"to see"}'), 'ls');
});

test('custom tools: calls of functions stay calls of functions', () => {
  const response = said(call('weather', '{"input":"Paris"}'));
  assert.deepEqual(reshaped(make, response), response);
});

test('custom tools: nothing waits but an escape that is not whole', () => {
  const step = make();
  step.push([{ type: 'block_start', choice: 0, block: 0, of: { type: 'tool_call', id: 'c', kind: 'function', name: 'shell' } }]);
  const out = ['{"input": "l', 's\\', 'n\\u00', 'e9 \\ud83d', '\\ude00', '!"}'].map((delta) =>
    step
      .push([{ type: 'block_delta', choice: 0, block: 0, text: delta }])
      .map((event) => (event.type === 'block_delta' ? event.text : event.type))
      .join(),
  );
  assert.deepEqual(out, ['l', 's', '\n', 'é ', '😀', '!']);
});

test('custom tools: as a function, a tool has one text argument and tells the model of its grammar', () => {
  const tool = customAsFunction({
    kind: 'custom',
    name: 'shell',
    description: 'Runs a command.',
    grammar: { syntax: 'regex', definition: '^ls' },
    at: 'tools[0].custom',
  });
  assert.deepEqual(tool, {
    kind: 'function',
    name: 'shell',
    description: 'Runs a command.\n\nThe text must match this regular expression:\n^ls',
    parameters: {
      type: 'object',
      properties: { input: { type: 'string', description: 'The whole input of the tool, as plain text.' } },
      required: ['input'],
      additionalProperties: false,
    },
    strict: false,
    at: 'tools[0].custom',
  });
  assert.equal('description' in customAsFunction({ kind: 'custom', name: 'shell', at: 'tools[0].custom' }), false);
});

test('custom tools: text passes at once', () => {
  assert.deepEqual(textAfter(make(), ['a', '{"input":"']), ['a', '{"input":"']);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { blocksOf, call, chunk, ended, errorOf, folded, piece } from '../../../test/support/chat-wire.ts';

test('openai-chat: arguments in pieces join, by index', () => {
  const chunks = [
    piece({ index: 0, id: 'a', type: 'function' }, { name: 'f', arguments: '' }),
    piece({ index: 1, id: 'b', type: 'function' }, { name: 'g', arguments: '{' }),
    piece({ index: 0 }, { arguments: '{"x":1}' }),
    piece({ index: 1 }, { arguments: '}' }),
    ended('tool_calls'),
  ];
  assert.deepEqual(blocksOf(chunks), [call('a', '{"x":1}'), call('b', '{}', 'g')]);
});

test('openai-chat: id and name sent again with each piece, or empty, change nothing', () => {
  const again = [
    piece({ index: 0, id: 'a', type: 'function' }, { name: 'f', arguments: '{"x"' }),
    piece({ index: 0, id: 'a', type: 'function' }, { name: 'f', arguments: ':' }),
    piece({ index: 0, id: '', type: 'function' }, { name: '', arguments: '1' }),
    piece({ index: 0, id: null }, { name: null, arguments: '}' }),
    ended('tool_calls'),
  ];
  assert.deepEqual(blocksOf(again), [call('a', '{"x":1}')]);
});

test('openai-chat: whole calls without an index are calls of their own', () => {
  const chunks = [
    chunk({
      tool_calls: [
        { id: 'a', function: { name: 'f', arguments: '{}' } },
        { id: 'b', function: { name: 'f', arguments: '{"x":1}' } },
      ],
    }),
    ended('tool_calls'),
  ];
  assert.deepEqual(blocksOf(chunks), [call('a', '{}'), call('b', '{"x":1}')]);
});

test('openai-chat: pieces without an index belong to the latest call', () => {
  const chunks = [
    piece({ id: 'a' }, { name: 'f', arguments: '{' }),
    piece({}, { arguments: '}' }),
    piece({ id: 'b' }, { name: 'g' }),
    piece({}, { arguments: '{}' }),
    ended(),
  ];
  assert.deepEqual(blocksOf(chunks), [call('a', '{}'), call('b', '{}', 'g')]);
});

test('openai-chat: parallel calls that are all numbered 0 are told apart by id', () => {
  const chunks = [
    piece({ index: 0, id: 'a' }, { name: 'f', arguments: '{}' }),
    piece({ index: 0, id: 'b' }, { name: 'f', arguments: '{' }),
    piece({ index: 0 }, { arguments: '}' }),
    ended(),
  ];
  assert.deepEqual(blocksOf(chunks), [call('a', '{}'), call('b', '{}')]);
});

test('openai-chat: parallel calls that are all numbered 0 and have no ids are told apart where they come whole', () => {
  const chunks = [
    piece({ index: 0 }, { name: 'f', arguments: '{"x":1}' }),
    piece({ index: 0 }, { name: 'f', arguments: '{"x":2}' }),
    ended(),
  ];
  assert.deepEqual(
    blocksOf(chunks).map((block) => (block.type === 'tool_call' ? block.input : '')),
    ['{"x":1}', '{"x":2}'],
  );
});

test('openai-chat: a new id with each piece is still one call', () => {
  const chunks = [
    piece({ index: 0, id: 'a' }, { name: 'f' }),
    piece({ index: 0, id: 'x1' }, { arguments: '{' }),
    piece({ index: 0, id: 'x2' }, { arguments: '}' }),
    ended(),
  ];
  assert.deepEqual(blocksOf(chunks), [call('a', '{}')]);
});

test('openai-chat: calls without ids get some, the same for the same answer, different within it', () => {
  const chunks = [
    piece({ index: 0 }, { name: 'f', arguments: '{' }),
    piece({ index: 1 }, { name: 'g', arguments: '{}' }),
    piece({ index: 0 }, { arguments: '}' }),
    ended(),
  ];
  const ids = () => blocksOf(chunks).map((block) => (block.type === 'tool_call' ? block.id : ''));
  assert.equal(new Set(ids()).size, 2);
  assert.deepEqual(ids(), ids());
  for (const id of ids()) assert.match(id, /^call_[A-Za-z0-9_]{1,35}$/);
});

test('openai-chat: arguments before the name wait for it', () => {
  assert.deepEqual(
    blocksOf([piece({ index: 0, id: 'a' }, { arguments: '{"x"' }), piece({ index: 0 }, { name: 'f', arguments: ':1}' }), ended()]),
    [call('a', '{"x":1}')],
  );
});

test('openai-chat: arguments without any name are an error', () => {
  assert.equal(errorOf(() => folded([piece({ index: 0, id: 'a' }, { arguments: '{}' }), ended()])).kind, 'upstream');
});

test('openai-chat: arguments that are an object are its JSON', () => {
  assert.deepEqual(blocksOf([piece({ index: 0, id: 'a' }, { name: 'f', arguments: { x: 1 } }), ended()]), [call('a', '{"x":1}')]);
});

test('openai-chat: a custom call has free text', () => {
  const chunks = [
    chunk({ tool_calls: [{ index: 0, id: 'a', type: 'custom', custom: { name: 'shell', input: '' } }] }),
    chunk({ tool_calls: [{ index: 0, custom: { input: 'ls' } }] }),
    ended('tool_calls'),
  ];
  assert.deepEqual(blocksOf(chunks), [{ ...call('a', 'ls', 'shell'), kind: 'custom' }]);
});

test('openai-chat: a call of the older form is a call', () => {
  const chunks = [
    chunk({ function_call: { name: 'f', arguments: '' } }),
    chunk({ function_call: { arguments: '{"x":' } }),
    chunk({ function_call: { arguments: '1}' } }),
    ended('function_call'),
  ];
  const { choices } = folded(chunks, { request: { functions: [{ name: 'f' }] } });
  assert.deepEqual(
    [choices[0]?.blocks.map((block) => ('input' in block ? block.input : '')), choices[0]?.reason],
    [['{"x":1}'], 'tool_calls'],
  );
});

test("openai-chat: a call's signature goes with it", () => {
  const extra_content = { google: { thought_signature: 'sig' } };
  assert.deepEqual(blocksOf([piece({ index: 0, id: 'a', extra_content }, { name: 'f', arguments: '{}' }), ended()]), [
    { ...call('a', '{}'), state: { owner: 'prov', data: { extra_content } } },
  ]);
});

test('openai-chat: pieces of several calls in one chunk without index, id or name belong to the calls at their places', () => {
  const several = (...calls: object[]) => chunk({ tool_calls: calls });
  const chunks = [
    several({ id: 'a', function: { name: 'f', arguments: '' } }, { id: 'b', function: { name: 'g', arguments: '' } }),
    several({ function: { arguments: '{"x":' } }, { function: { arguments: '{"y":' } }),
    several({ function: { arguments: '1}' } }, { function: { arguments: '2}' } }),
    ended('tool_calls'),
  ];
  assert.deepEqual(blocksOf(chunks), [call('a', '{"x":1}'), call('b', '{"y":2}', 'g')]);
});

test('openai-chat: marks of the model behind the name of a tool are no part of it', () => {
  const chunks = [piece({ index: 0, id: 'a' }, { name: 'f<|channel|>commentary', arguments: '{}' }), ended('tool_calls')];
  assert.deepEqual(blocksOf(chunks), [call('a', '{}')]);
});

test('openai-chat: numbers that are told after the opening only are places', () => {
  const several = (...calls: object[]) => chunk({ tool_calls: calls });
  const chunks = [
    several({ id: 'a', function: { name: 'f', arguments: '{"x":' } }, { id: 'b', function: { name: 'g', arguments: '{"y":' } }),
    several({ index: 1, function: { arguments: '2}' } }, { index: 0, function: { arguments: '1}' } }),
    ended('tool_calls'),
  ];
  assert.deepEqual(blocksOf(chunks), [call('a', '{"x":1}'), call('b', '{"y":2}', 'g')]);
});

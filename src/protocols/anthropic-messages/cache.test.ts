import assert from 'node:assert/strict';
import { test } from 'node:test';
import { send, user } from './testing.ts';

const marked = (text: string, ttl?: string) => ({ type: 'text', text, cache_control: { type: 'ephemeral', ...(ttl ? { ttl } : {}) } });
const controls = (parts: readonly Readonly<Record<string, unknown>>[] | undefined) => parts?.map(({ cache_control }) => cache_control);

test('anthropic: cache marks stand on tools, instructions and parts, with the life that was asked for', () => {
  const tools = [{ type: 'function', function: { name: 'add' }, cache_control: { type: 'ephemeral', ttl: '1h' } }];
  const { body } = send({
    tools,
    messages: [{ role: 'system', content: [marked('Be brief.', '5m')] }, user([marked('Hi'), { type: 'text', text: 'you' }])],
  });
  assert.deepEqual(controls(body.tools), [{ type: 'ephemeral', ttl: '1h' }]);
  assert.deepEqual(controls(body.system), [{ type: 'ephemeral', ttl: '5m' }]);
  assert.deepEqual(controls(body.messages[0]?.content), [{ type: 'ephemeral' }, undefined]);
});

test('anthropic: of more than four marks the last four count', () => {
  const { body } = send({ messages: [user(['a', 'b', 'c', 'd', 'e', 'f'].map((one) => marked(one)))] });
  const kept = controls(body.messages[0]?.content)?.map((control) => control !== undefined);
  assert.deepEqual(kept, [false, false, true, true, true, true]);
});

test('anthropic: what is cached before a long-lived prefix lives as long', () => {
  const { body } = send({ messages: [user([marked('a'), marked('b', '1h'), marked('c', '5m')])] });
  const hour = { type: 'ephemeral', ttl: '1h' };
  assert.deepEqual(controls(body.messages[0]?.content), [hour, hour, { type: 'ephemeral', ttl: '5m' }]);
});

test('anthropic: a mark in the result of a tool is a mark on the result', () => {
  const call = { id: 'a', type: 'function', function: { name: 'add', arguments: '{}' } };
  const results = { role: 'tool', tool_call_id: 'a', content: [marked('1')] };
  const { body } = send({ messages: [user('Hi'), { role: 'assistant', tool_calls: [call] }, results] });
  assert.deepEqual(body.messages[2]?.content, [
    { type: 'tool_result', tool_use_id: 'a', content: '1', cache_control: { type: 'ephemeral' } },
  ]);
});

test('anthropic: places that know no marks get none', () => {
  assert.ok(!send({ messages: [user([marked('Hi')])] }, { quirks: { cacheMarks: false } }).call.body.includes('cache_control'));
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sent } from '../../../test/support/chat-wire.ts';
import { refusal, say } from '../../../test/support/openai-chat.ts';
import { GatewayError } from '../../core/error.ts';
import { FOLLOWER } from './quirks.ts';
import type { OpenAIChatQuirks } from './quirks.ts';

type Fields = Record<string, unknown>;

const messagesOf = (messages: readonly Fields[], quirks: OpenAIChatQuirks = {}): Fields[] =>
  sent({ messages }, quirks).body['messages'] as Fields[];
const call = (id: string, input = '{}') => ({ id, type: 'function', function: { name: 'f', arguments: input } });
const turn = (more: Fields) => [...say, { role: 'assistant', content: 'Yes.', ...more }, { role: 'user', content: 'Go on.' }];
const text = (value: string) => ({ type: 'text', text: value });
const answer = (messages: readonly Fields[], quirks: OpenAIChatQuirks = {}) => messagesOf(messages, quirks)[1] ?? {};

test('openai-chat: developer is system where there is no such role', () => {
  const messages = [{ role: 'developer', content: 'Be brief.' }, ...say];
  assert.equal(messagesOf(messages)[0]?.['role'], 'developer');
  assert.equal(messagesOf(messages, { developerRole: false })[0]?.['role'], 'system');
});

test('openai-chat: names that a provider refuses are left out and reported', () => {
  const { body, ignored } = sent({ messages: [{ role: 'user', content: 'Hi', name: 'ada' }] }, { names: false });
  assert.deepEqual(body['messages'], [{ role: 'user', content: 'Hi' }]);
  assert.deepEqual(ignored, ['messages[0].name']);
});

test('openai-chat: text parts are joined where a role takes strings only, and never become [object Object]', () => {
  const messages = [
    { role: 'system', content: [text('a'), text('b')] },
    { role: 'user', content: [text('c'), text('d')] },
    { role: 'user', content: [text('e'), { type: 'image_url', image_url: { url: 'https://example.org/i.png' } }] },
  ];
  const contents = messagesOf(messages, { joinsText: ['system', 'user'] }).map(({ content }) => content);
  assert.deepEqual(contents, ['ab', 'cd', messages[2]?.content]);
});

test('openai-chat: a turn without content is null, or empty where null is refused', () => {
  const messages = [
    ...say,
    { role: 'assistant', content: null, tool_calls: [call('a')] },
    { role: 'tool', tool_call_id: 'a', content: '1' },
  ];
  assert.equal(answer(messages)['content'], null);
  assert.equal(answer(messages, { nullContent: false })['content'], '');
});

test('openai-chat: a call without arguments has an empty object of them', () => {
  const messages = [...say, { role: 'assistant', tool_calls: [call('a', '')] }, { role: 'tool', tool_call_id: 'a', content: '1' }];
  assert.deepEqual(answer(messages)['tool_calls'], [call('a', '{}')]);
});

test('openai-chat: empty lists of calls and fields that are null are not sent', () => {
  assert.deepEqual(answer(turn({ tool_calls: [], refusal: null, function_call: null })), { role: 'assistant', content: 'Yes.' });
});

test('openai-chat: parts that a provider does not take are refused by their place', () => {
  const messages = [{ role: 'user', content: [text('Hear'), { type: 'input_audio', input_audio: { data: 'AA==', format: 'wav' } }] }];
  assert.throws(
    () => messagesOf(messages, { parts: ['image_url'] }),
    (error: unknown) =>
      error instanceof GatewayError && error.status === 400 && error.param === 'messages[0].content[1]' && /image_url/.test(error.message),
  );
});

test('openai-chat: fields of an answer are not sent where they are refused, and a refusal is told as text', () => {
  const echo = {
    refusal: null,
    annotations: [{ type: 'url_citation', url_citation: { url: 'u', title: 't', start_index: 0, end_index: 1 } }],
    audio: { id: 'a1' },
  };
  const { body, ignored } = sent({ messages: turn(echo) }, { echoes: false });
  assert.deepEqual((body['messages'] as Fields[])[1], { role: 'assistant', content: 'Yes.' });
  assert.deepEqual(ignored, ['messages[1].audio']);
  assert.equal(answer(turn({ content: null, refusal: 'No.' }), { echoes: false })['content'], 'No.');
  assert.deepEqual(answer(turn({ content: [{ type: 'refusal', refusal: 'No.' }] }), { echoes: false })['content'], [text('No.')]);
});

test('openai-chat: reasoning is sent back to those that want it only', () => {
  const messages = turn({ reasoning_content: 'Hm.' });
  assert.deepEqual(answer(messages), { role: 'assistant', content: 'Yes.' });
  assert.equal(answer(messages, { reasoningBack: { as: 'reasoning_content' } })['reasoning_content'], 'Hm.');
  assert.equal(answer(messages, { reasoningBack: { as: 'reasoning' } })['reasoning'], 'Hm.');
  assert.equal('reasoning' in answer(messages, { reasoningBack: { as: 'reasoning', onlyWithCalls: true } }), false);
});

test('openai-chat: reasoning goes back as a part before the text where it came as one', () => {
  const thought = { type: 'thinking', thinking: [text('Hm.')] };
  const back = { reasoningBack: { as: 'thinking_parts' } } as const;
  assert.deepEqual(answer(turn({ reasoning_content: 'Hm.' }), back)['content'], [thought, text('Yes.')]);
  const calls = { content: null, reasoning_content: 'Hm.', tool_calls: [call('a')] };
  const messages = [...say, { role: 'assistant', ...calls }, { role: 'tool', tool_call_id: 'a', content: '1' }];
  assert.deepEqual(answer(messages, back)['content'], [thought]);
});

test('openai-chat: turns with calls have the field of reasoning, empty where the client lost it, where that is demanded', () => {
  const back = { reasoningBack: { as: 'reasoning_content', fillEmpty: true } } as const;
  const messages = [...say, { role: 'assistant', tool_calls: [call('a')] }, { role: 'tool', tool_call_id: 'a', content: '1' }];
  assert.equal(answer(messages, back)['reasoning_content'], '');
  assert.equal('reasoning_content' in answer(turn({}), back), false);
});

test('openai-chat: state goes back to the provider that made it, and to no other', () => {
  const details = [{ type: 'reasoning.text', text: 'Hm.', signature: 'sig', index: 0 }];
  const state = (owner: string) => ({ provider_state: { owner, blocks: [{ type: 'reasoning', data: { reasoning_details: details } }] } });
  const quirks = { reasoningDetails: true };
  assert.deepEqual(answer(turn(state('prov')), quirks), { role: 'assistant', content: 'Yes.', reasoning_details: details });
  assert.deepEqual(answer(turn(state('other')), quirks), { role: 'assistant', content: 'Yes.' });
  assert.deepEqual(answer(turn(state('prov'))), { role: 'assistant', content: 'Yes.' });
});

test('openai-chat: state of a call goes back on that call', () => {
  const extra = { google: { thought_signature: 'sig' } };
  const provider_state = { owner: 'prov', blocks: [{ type: 'tool_call', id: 'a', data: { extra_content: extra } }] };
  const messages = [
    ...say,
    { role: 'assistant', tool_calls: [call('a')], provider_state },
    { role: 'tool', tool_call_id: 'a', content: '1' },
  ];
  assert.deepEqual(answer(messages)['tool_calls'], [{ ...call('a'), extra_content: extra }]);
});

test('openai-chat: state that another server of ours gave goes back to it as it was', () => {
  const theirs = { owner: 'anthropic', blocks: [{ type: 'reasoning', data: { signature: 's' } }] };
  const provider_state = { owner: 'prov', blocks: [{ type: 'opaque', data: { provider_state: theirs } }] };
  assert.deepEqual(answer(turn({ provider_state }), { providerState: true })['provider_state'], theirs);
});

test('openai-chat: marks for the cache in the form that the provider knows', () => {
  const control = { ...text('a'), cache_control: { type: 'ephemeral', ttl: '1h' } };
  const breakpoint = { ...text('b'), prompt_cache_breakpoint: { mode: 'explicit' } };
  const parts = (cacheMarks?: OpenAIChatQuirks['cacheMarks']) =>
    messagesOf([{ role: 'user', content: [control, breakpoint] }], cacheMarks ? { cacheMarks } : {})[0]?.['content'];
  assert.deepEqual(parts(), [text('a'), breakpoint]);
  assert.deepEqual(parts('none'), [text('a'), text('b')]);
  assert.deepEqual(parts('cache_control'), [control, { ...text('b'), cache_control: { type: 'ephemeral' } }]);
  assert.deepEqual(parts('prompt_cache_breakpoint'), [{ ...text('a'), prompt_cache_breakpoint: { mode: 'explicit' } }, breakpoint]);
});

test('openai-chat: ids of calls are made to fit, the same in every turn, and their results follow', () => {
  const messages = [
    ...say,
    { role: 'assistant', tool_calls: [call('call_0123456789'), call('abcDEF123')] },
    { role: 'tool', tool_call_id: 'abcDEF123', content: '2' },
    { role: 'tool', tool_call_id: 'call_0123456789', content: '1' },
  ];
  const once = messagesOf(messages, { toolCallIdLength: 9 });
  const calls = once[1]?.['tool_calls'] as { id: string }[];
  assert.match(calls[0]?.id ?? '', /^[A-Za-z0-9]{9}$/);
  assert.equal(calls[1]?.id, 'abcDEF123');
  assert.deepEqual([once[2]?.['tool_call_id'], once[3]?.['tool_call_id']], ['abcDEF123', calls[0]?.id]);
  assert.deepEqual(messagesOf([...messages, ...say], { toolCallIdLength: 9 }).slice(0, 4), once);
});

test('openai-chat: ids that would fall together do not', () => {
  const ids = Array.from({ length: 40 }, (_, index) => `call_${index}`);
  const messages = [
    ...say,
    { role: 'assistant', tool_calls: ids.map((id) => call(id)) },
    ...ids.map((id) => ({ role: 'tool', tool_call_id: id, content: id })),
  ];
  const calls = answer(messages, { toolCallIdLength: 2 })['tool_calls'] as { id: string }[];
  assert.equal(new Set(calls.map(({ id }) => id)).size, ids.length);
});

test('openai-chat: a begun answer is marked where the provider wants to be told', () => {
  const messages = [...say, { role: 'assistant', content: 'Once' }];
  assert.equal(answer(messages, { prefill: 'prefix' })['prefix'], true);
  assert.equal('prefix' in answer(turn({}), { prefill: 'prefix' }), false);
  assert.equal(answer([...say, { role: 'assistant', content: 'Once', partial: false }], { prefill: 'partial' })['partial'], false);
});

test('openai-chat: instructions come first and turns alternate where a provider demands it', () => {
  const messages = [
    { role: 'user', content: 'a' },
    { role: 'system', content: 'one' },
    { role: 'user', content: [text('b')] },
    { role: 'assistant', content: 'c' },
    { role: 'developer', content: 'two' },
    { role: 'user', content: 'd' },
    { role: 'user', content: 'e' },
  ];
  assert.deepEqual(messagesOf(messages, { ...FOLLOWER, alternates: true }), [
    { role: 'system', content: 'one\n\ntwo' },
    { role: 'user', content: [text('a'), text('b')] },
    { role: 'assistant', content: 'c' },
    { role: 'user', content: 'd\n\ne' },
  ]);
});

test('openai-chat: results of functions become results of tools where those are all there is', () => {
  const functions = [{ name: 'f' }];
  const messages = [
    ...say,
    { role: 'assistant', content: null, function_call: { name: 'f', arguments: '{"a":1}' } },
    { role: 'function', name: 'f', content: '7' },
  ];
  const { body } = sent({ messages, functions }, { functions: false });
  const [, asked, told] = body['messages'] as Fields[];
  const id = String(told?.['tool_call_id']);
  assert.deepEqual(asked, { role: 'assistant', content: null, tool_calls: [{ ...call(id, '{"a":1}') }] });
  assert.deepEqual(told, { role: 'tool', tool_call_id: id, content: '7' });
});

test('openai-chat: a call of the older form without its result gets an empty one, a result far from its call is told', () => {
  const asked = { role: 'assistant', content: null, function_call: { name: 'f', arguments: '{}' } };
  const messages = [...say, asked, ...say, { role: 'function', name: 'f', content: '7' }];
  const [, made, empty, , late] = messagesOf(messages, { functions: false });
  const [{ id } = { id: '' }] = (made?.['tool_calls'] ?? []) as { id: string }[];
  assert.deepEqual(empty, { role: 'tool', tool_call_id: id, content: '' });
  assert.deepEqual(late, { role: 'user', content: 'Result of f: 7' });
});

test('openai-chat: a field called __proto__ is a field like others', () => {
  const messages = JSON.parse('[{"role":"user","content":"Hi","__proto__":{"role":"system"}}]') as Fields[];
  assert.deepEqual(Object.keys(messagesOf(messages)[0] ?? {}), ['role', 'content', '__proto__']);
  assert.equal(refusal({ model: 'm', messages: [{ role: 'robot', content: '' }] }).status, 400);
});

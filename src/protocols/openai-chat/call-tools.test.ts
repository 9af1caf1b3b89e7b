import assert from 'node:assert/strict';
import { test } from 'node:test';
import { prepare, sent } from '../../../test/support/chat-wire.ts';
import { accept } from '../../../test/support/openai-chat.ts';
import { GatewayError } from '../../core/error.ts';
import type { ChatEvent } from '../../core/event.ts';
import { FOLLOWER } from './quirks.ts';
import type { OpenAIChatQuirks } from './quirks.ts';

interface SentTool {
  type: string;
  function?: { name: string; description?: string; parameters?: Record<string, unknown>; strict?: boolean };
}

const tool = (name: string, more: Readonly<Record<string, unknown>> = {}) => ({ type: 'function', function: { name, ...more } });
const custom = (name: string) => ({ type: 'custom', custom: { name } });
const named = (name: string) => ({ type: 'function', function: { name } });
const allowed = (mode: string, ...names: string[]) => ({ type: 'allowed_tools', allowed_tools: { mode, tools: names.map(named) } });
const schema = { type: 'object', properties: { name: { type: 'string' } }, required: ['name'] };
const json = { type: 'json_schema', json_schema: { name: 'person', description: 'Somebody.', schema, strict: true } };
const both = [tool('f'), tool('g')];

function tools(more: Readonly<Record<string, unknown>>, quirks: OpenAIChatQuirks = {}) {
  const { body, ignored, steps } = sent(more, quirks);
  const list = (body['tools'] ?? []) as SentTool[];
  return { body, list, names: list.map((one) => one.function?.name), choice: body['tool_choice'], ignored, steps };
}

test('openai-chat: an empty list of tools is not sent, nor what belongs to it', () => {
  const { body } = tools({ tools: [], tool_choice: 'none', parallel_tool_calls: false });
  assert.deepEqual(Object.keys(body), ['model', 'messages']);
});

test('openai-chat: a choice that the client left open stays open', () => {
  assert.equal('tool_choice' in tools({ tools: both }).body, false);
  assert.equal(tools({ tools: both, tool_choice: 'auto' }).choice, 'auto');
});

test("openai-chat: required in the provider's word, or auto where there is none, reported", () => {
  const request = { tools: both, tool_choice: 'required' };
  assert.equal(tools(request).choice, 'required');
  assert.equal(tools(request, { requiredChoice: 'any' }).choice, 'any');
  const without = tools(request, { requiredChoice: false });
  assert.deepEqual([without.choice, without.ignored], [undefined, ['tool_choice']]);
});

test('openai-chat: a tool that cannot be named is the only one sent, and required', () => {
  const request = { tools: both, tool_choice: named('g') };
  assert.deepEqual(tools(request).choice, named('g'));
  const alone = tools(request, { namedChoice: false, requiredChoice: 'any' });
  assert.deepEqual([alone.names, alone.choice, alone.ignored], [['g'], 'any', []]);
});

test('openai-chat: of tools that are allowed only those are sent where the choice cannot say it', () => {
  const request = { tools: both, tool_choice: allowed('required', 'g') };
  assert.deepEqual(tools(request).choice, allowed('required', 'g'));
  const some = tools(request, { allowedTools: false });
  assert.deepEqual([some.names, some.choice], [['g'], 'required']);
  assert.deepEqual(tools({ tools: both, tool_choice: allowed('auto', 'f') }, { allowedTools: false }).names, ['f']);
});

test('openai-chat: custom tools are functions with one text where there are no such', () => {
  const request = { tools: [tool('f'), custom('shell')], tool_choice: { type: 'custom', custom: { name: 'shell' } } };
  assert.deepEqual(tools(request).body['tools'], request.tools);
  const functions = tools(request, { customTools: false });
  assert.deepEqual([functions.names, functions.steps, functions.choice], [['f', 'shell'], 1, named('shell')]);
  assert.deepEqual(Object.keys(functions.list[1]?.function?.parameters?.['properties'] ?? {}), ['input']);
});

test('openai-chat: earlier calls of custom tools are calls of those functions', () => {
  const messages = [
    { role: 'user', content: 'Hi' },
    { role: 'assistant', tool_calls: [{ id: 'a', type: 'custom', custom: { name: 'shell', input: 'ls "x"' } }] },
    { role: 'tool', tool_call_id: 'a', content: '' },
  ];
  const { body } = sent({ messages, tools: [custom('shell')] }, { customTools: false });
  const [, asked] = body['messages'] as { tool_calls: unknown[] }[];
  assert.deepEqual(asked?.tool_calls, [{ id: 'a', type: 'function', function: { name: 'shell', arguments: '{"input":"ls \\"x\\""}' } }]);
});

test('openai-chat: strict functions where there are none are reported', () => {
  const request = { tools: [tool('f', { strict: true }), tool('g', { strict: false })] };
  const { list, ignored } = tools(request, { strictTools: false });
  assert.deepEqual(list, both);
  assert.deepEqual(ignored, ['tools[0].function.strict']);
});

test('openai-chat: keywords that a provider refuses are taken out of schemas, and constraints among them reported', () => {
  const parameters = {
    $schema: 'x',
    type: 'object',
    properties: { pattern: { type: 'string', pattern: '^a', default: 'a' }, list: { type: 'array', items: { anyOf: [{ minLength: 1 }] } } },
    enum: [{ pattern: 'kept: it is a value' }],
  };
  const before = structuredClone(parameters);
  const quirks = { schemaKeywords: { refused: ['pattern', 'minLength', '$schema', 'default'] } };
  const { list, ignored } = tools({ tools: [tool('f', { parameters })] }, quirks);
  assert.deepEqual(list[0]?.function?.parameters, {
    type: 'object',
    properties: { pattern: { type: 'string' }, list: { type: 'array', items: { anyOf: [{}] } } },
    enum: [{ pattern: 'kept: it is a value' }],
  });
  const at = 'tools[0].function.parameters.properties';
  assert.deepEqual(ignored, [`${at}.pattern.pattern`, `${at}.list.items.anyOf[0].minLength`]);
  assert.deepEqual(parameters, before);
});

test('openai-chat: functions of the older form are tools where those are all there is', () => {
  const functions = [{ name: 'f', description: 'F.', parameters: schema }, { name: 'g' }];
  const { body, list, choice } = tools({ functions, function_call: { name: 'g' } }, { functions: false });
  assert.deepEqual(list, [tool('f', { description: 'F.', parameters: schema }), tool('g')]);
  assert.deepEqual([choice, body['parallel_tool_calls'], 'functions' in body, 'function_call' in body], [named('g'), false, false, false]);
  const implied = sent({ functions }, { functions: false, refuses: ['parallel_tool_calls'] });
  assert.deepEqual(implied.ignored, []);
});

test('openai-chat: functions stay as they are where they are known', () => {
  const functions = [{ name: 'f' }];
  const { body } = tools({ functions, function_call: 'auto' });
  assert.deepEqual([body['functions'], body['function_call'], 'tools' in body], [functions, 'auto', false]);
});

test('openai-chat: a provider without tools refuses requests that need them, by 400', () => {
  const refused = (more: Readonly<Record<string, unknown>>, param: string) =>
    assert.throws(
      () => sent(more, { tools: false }),
      (error: unknown) => error instanceof GatewayError && error.status === 400 && error.param === param,
    );
  refused({ tools: both }, 'tools');
  refused({ functions: [{ name: 'f' }] }, 'functions');
  assert.equal('tools' in sent({ tools: both, tool_choice: 'none' }, { tools: false }).body, false);
});

// --- the answer's format ---

test('openai-chat: a format goes through as it is', () => {
  assert.deepEqual(sent({ response_format: json }).body['response_format'], json);
  assert.deepEqual(sent({ response_format: { type: 'json_object' } }).body['response_format'], { type: 'json_object' });
});

test('openai-chat: a schema is a tool that must be called where there is no such format', () => {
  const { body, list, choice, steps } = tools({ response_format: json }, { jsonSchema: 'tool' });
  assert.deepEqual(list, [
    tool('final_answer', { description: 'Gives the final answer to the user. Somebody.', parameters: schema, strict: true }),
  ]);
  assert.deepEqual([choice, steps, 'response_format' in body], [named('final_answer'), 1, false]);
});

test('openai-chat: the arguments of that tool arrive as the content', () => {
  const { decoder, reshape } = prepare(accept({ stream: true, response_format: json }), { jsonSchema: 'tool' });
  const step = reshape[0]?.();
  const call = { index: 0, id: 'a', type: 'function', function: { name: 'final_answer', arguments: '{"name":"Ada"}' } };
  const chunks = [
    { id: 'x', choices: [{ index: 0, delta: { tool_calls: [call] } }] },
    { id: 'x', choices: [{ index: 0, delta: {}, finish_reason: 'tool_calls' }] },
  ];
  const reader = decoder();
  const events: ChatEvent[] = [...chunks.map((one) => JSON.stringify(one)), '[DONE]'].flatMap((data) => [
    ...(step?.push(reader.push({ event: '', data }).events) ?? []),
  ]);
  assert.equal(events.map((event) => (event.type === 'block_delta' ? event.text : '')).join(''), '{"name":"Ada"}');
  assert.deepEqual(
    events.find(({ type }) => type === 'finish'),
    { type: 'finish', choice: 0, reason: 'stop' },
  );
});

test('openai-chat: beside tools of the client the model must call one of them or answer', () => {
  const { names, choice } = tools({ tools: [tool('final_answer')], response_format: json }, { jsonSchema: 'tool' });
  assert.deepEqual([names, choice], [['final_answer', 'final_answer_'], 'required']);
  const none = tools({ tools: both, tool_choice: 'none', response_format: json }, { jsonSchema: 'tool' });
  assert.deepEqual(none.choice, named('final_answer'));
  const some = tools({ tools: both, tool_choice: allowed('auto', 'g'), response_format: json }, { ...FOLLOWER, jsonSchema: 'tool' });
  assert.deepEqual([some.names, some.choice], [['g', 'final_answer'], 'required']);
});

test('openai-chat: a turn that must be a call has no format', () => {
  const { names, choice, steps } = tools({ tools: both, tool_choice: 'required', response_format: json }, { jsonSchema: 'tool' });
  assert.deepEqual([names, choice, steps], [['f', 'g'], 'required', 0]);
});

test('openai-chat: a format that is refused beside tools is a tool there, and a field elsewhere', () => {
  const quirks = { formatWithTools: false };
  assert.deepEqual(tools({ tools: both, response_format: json }, quirks).names, ['f', 'g', 'final_answer']);
  assert.deepEqual(tools({ tools: both, response_format: { type: 'json_object' } }, quirks).names, ['f', 'g', 'final_answer']);
  assert.deepEqual(sent({ response_format: json }, quirks).body['response_format'], json);
});

test('openai-chat: a schema that is no object cannot be arguments, and is refused by its place', () => {
  const list = { type: 'json_schema', json_schema: { name: 'list', schema: { type: 'array' } } };
  assert.throws(
    () => sent({ response_format: list }, { jsonSchema: 'tool' }),
    (error: unknown) => error instanceof GatewayError && error.param === 'response_format.json_schema.schema',
  );
});

test('openai-chat: a schema goes into the instructions where only the mode is known', () => {
  const messages = [
    { role: 'system', content: 'Be brief.' },
    { role: 'user', content: 'Who?' },
  ];
  const { body, ignored } = sent({ messages, response_format: json }, { jsonSchema: 'json_object' });
  assert.deepEqual([body['response_format'], ignored], [{ type: 'json_object' }, []]);
  const [first, second] = body['messages'] as { role: string; content: string }[];
  assert.match(first?.content ?? '', /^Be brief\.\n\n.*JSON/s);
  assert.ok(first?.content.includes(JSON.stringify(schema)));
  assert.equal(second?.content, 'Who?');
  const alone = sent({ response_format: json }, { jsonSchema: 'json_object' }).body['messages'] as { role: string }[];
  assert.deepEqual(
    alone.map(({ role }) => role),
    ['system', 'user'],
  );
});

test('openai-chat: any JSON is a schema of any object, or left out and reported, where the mode is unknown', () => {
  const response_format = { type: 'json_object' };
  const made = sent({ response_format }, { jsonObject: 'json_schema' }).body['response_format'];
  assert.deepEqual(made, { type: 'json_schema', json_schema: { name: 'object', schema: { type: 'object' } } });
  const none = sent({ response_format }, { jsonObject: 'none' });
  assert.deepEqual(['response_format' in none.body, none.ignored], [false, ['response_format']]);
});

test('openai-chat: refused keywords are taken out of the format too', () => {
  const quirks = { schemaKeywords: { refused: ['required'] } };
  const { body, ignored } = sent({ response_format: json }, quirks);
  assert.equal('required' in (body['response_format'] as typeof json).json_schema.schema, false);
  assert.deepEqual(ignored, ['response_format.json_schema.schema.required']);
});

test('openai-chat: where nobody heeds that no tool may be called, no tools are sent', () => {
  const asked = { tools: [{ type: 'function', function: { name: 'f' } }], tool_choice: 'none' };
  const { body, ignored } = sent(asked, { noneChoice: false });
  assert.deepEqual([body['tools'], body['tool_choice'], ignored], [undefined, undefined, []]);
  assert.equal(sent(asked).body['tool_choice'], 'none');
});

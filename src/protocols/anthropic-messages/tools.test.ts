import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PLAIN, head, send, targetOf } from './testing.ts';
import { anthropicMessagesWire } from './call.ts';

const OLD = 'claude-3-5-haiku-20241022';
const NEW = 'claude-opus-5-5';

const parameters = { type: 'object', properties: { a: { type: 'integer' } }, required: ['a'] };
const tool = (name: string, more: object = {}) => ({ type: 'function', function: { name, parameters, ...more } });
const two = { tools: [tool('add', { description: 'Adds.' }), tool('sub')] };
const named = (name: string) => ({ type: 'function', function: { name } });
const choice = (tool_choice: unknown, more: object = {}, model = PLAIN) =>
  send({ ...two, tool_choice, ...more }, { model }).body.tool_choice;
const names = (body: { readonly tools?: readonly Readonly<Record<string, unknown>>[] }) => body.tools?.map(({ name }) => name);

test('anthropic: functions are tools with a schema of an object, also those without parameters', () => {
  const bare = { type: 'function', function: { name: 'now' } };
  const { body, ignored } = send({ tools: [tool('add', { description: 'Adds.' }), bare] });
  assert.deepEqual(body.tools, [
    { name: 'add', description: 'Adds.', input_schema: parameters },
    { name: 'now', input_schema: { type: 'object', properties: {} } },
  ]);
  assert.deepEqual([body.tool_choice, ignored], [undefined, []]);
});

test('anthropic: every form of tool_choice has its own', () => {
  assert.equal(choice('auto'), undefined);
  assert.deepEqual(choice('none'), { type: 'none' });
  assert.deepEqual(choice('required'), { type: 'any' });
  assert.deepEqual(choice(named('sub')), { type: 'tool', name: 'sub', disable_parallel_tool_use: true });
  const alone = { parallel_tool_calls: false };
  assert.deepEqual(choice('auto', alone), { type: 'auto', disable_parallel_tool_use: true });
  assert.deepEqual(choice('required', alone), { type: 'any', disable_parallel_tool_use: true });
  assert.equal(send({ parallel_tool_calls: false }).body.tool_choice, undefined);
});

test('anthropic: of allowed tools only those are sent', () => {
  const allowed = { type: 'allowed_tools', allowed_tools: { mode: 'required', tools: [named('sub')] } };
  const { body } = send({ ...two, tool_choice: allowed });
  assert.deepEqual([names(body), body.tool_choice], [['sub'], { type: 'any' }]);
});

test('anthropic: models that cannot be made to call are asked to, and the choice is reported', () => {
  const required = send({ ...two, tool_choice: 'required' }, { model: NEW });
  assert.deepEqual(required.body.tool_choice, { type: 'auto' });
  assert.match(String(required.body.system?.at(-1)?.text), /calling at least one/);
  assert.deepEqual(required.ignored, ['tool_choice']);
  const one = send({ ...two, tool_choice: named('sub') }, { model: NEW });
  assert.deepEqual(names(one.body), ['sub']);
  assert.match(String(one.body.system?.at(-1)?.text), /the tool sub/);
});

test('anthropic: strict tools are held to a closed schema where the model can be, and reported where not', () => {
  const strict = send({ tools: [tool('add', { strict: true })] });
  assert.deepEqual(strict.body.tools, [{ name: 'add', strict: true, input_schema: { ...parameters, additionalProperties: false } }]);
  assert.deepEqual(strict.ignored, []);
  const open = { type: 'object', properties: {}, additionalProperties: { type: 'string' } };
  const loose = send({ tools: [tool('add', { strict: true, parameters: open })] });
  assert.deepEqual([loose.body.tools, loose.ignored], [[{ name: 'add', input_schema: open }], ['tools[0].function.strict']]);
  assert.deepEqual(send({ tools: [tool('add', { strict: true })] }, { model: OLD }).ignored, ['tools[0].function.strict']);
});

test('anthropic: custom tools are functions of one text, and their calls come back as custom calls', () => {
  const custom = { type: 'custom', custom: { name: 'run', description: 'Runs.' } };
  const { body, reshape } = send({ tools: [custom, tool('add')] });
  assert.deepEqual(names(body), ['run', 'add']);
  assert.equal(reshape.length, 1);
});

const schema = { type: 'object', properties: { city: { type: 'string', minLength: 2 } }, required: ['city'] };
const format = { response_format: { type: 'json_schema', json_schema: { name: 'city', schema, strict: true } } };

test('anthropic: a schema is a format of the answer where the model knows such, with tools or without', () => {
  const held = {
    type: 'object',
    properties: { city: { type: 'string', description: '{"minLength":2}' } },
    required: ['city'],
    additionalProperties: false,
  };
  for (const more of [{}, two]) {
    const { body, reshape } = send({ ...format, ...more });
    assert.deepEqual(body.output_config, { format: { type: 'json_schema', schema: held } });
    assert.deepEqual([body.tool_choice, reshape], [undefined, []]);
  }
  assert.ok(send(format, { model: NEW }).body.output_config);
});

test('anthropic: elsewhere a schema is that of a tool which the model must call', () => {
  for (const asked of [{ model: OLD }, { quirks: { platform: 'vertex' } as const }, { facts: { structuredOutput: false } }]) {
    const { body, reshape } = send(format, asked);
    assert.deepEqual(names(body), ['json']);
    assert.deepEqual(body.tools?.[0]?.input_schema, schema);
    assert.deepEqual(body.tool_choice, { type: 'tool', name: 'json', disable_parallel_tool_use: true });
    assert.deepEqual([body.output_config, reshape.length], [undefined, 1]);
  }
});

test('anthropic: beside other tools the model must call one of them or answer', () => {
  const { body } = send({ ...format, ...two }, { model: OLD });
  assert.deepEqual([names(body), body.tool_choice], [['add', 'sub', 'json'], { type: 'any', disable_parallel_tool_use: true }]);
  const clash = send({ ...format, tools: [tool('json')] }, { model: OLD });
  assert.deepEqual(names(clash.body), ['json', 'json_2']);
  const demanded = send({ ...format, ...two, tool_choice: named('add') }, { model: OLD });
  assert.deepEqual([names(demanded.body), demanded.reshape], [['add', 'sub'], []]);
});

test('anthropic: open maps, of which generation cannot be held, are answers by a tool', () => {
  const open = { type: 'object', additionalProperties: { type: 'number' } };
  const { body } = send({ response_format: { type: 'json_schema', json_schema: { name: 'x', schema: open } } });
  assert.deepEqual([names(body), body.tools?.[0]?.input_schema], [['json'], { ...open, properties: {} }]);
});

test('anthropic: a schema of no object, where there is no format, is told in words', () => {
  const list = { type: 'array', items: { type: 'string' } };
  const { body, reshape } = send({ response_format: { type: 'json_schema', json_schema: { name: 'x', schema: list } } }, { model: OLD });
  assert.match(String(body.system?.at(-1)?.text), /"type":"array"/);
  assert.deepEqual([body.tools, reshape], [undefined, []]);
});

test('anthropic: any JSON object is an answer by a tool that takes any', () => {
  const json = { response_format: { type: 'json_object' } };
  const { body } = send(json);
  assert.deepEqual(body.tools?.[0]?.input_schema, { type: 'object', additionalProperties: true });
  assert.equal((body.tool_choice as { type: string }).type, 'tool');
  const asked = send(json, { model: NEW });
  assert.deepEqual(asked.body.tool_choice, { type: 'auto', disable_parallel_tool_use: true });
  assert.match(String(asked.body.system?.at(-1)?.text), /calling the tool json/);
});

test('anthropic: web search is the provider’s tool, near where the user is', () => {
  const approximate = { city: 'Bonn', country: 'DE', region: null };
  const options = { user_location: { type: 'approximate', approximate }, search_context_size: 'high' };
  const { body, ignored } = send({ web_search_options: options });
  const where = { type: 'approximate', city: 'Bonn', country: 'DE' };
  assert.deepEqual(body.tools, [{ type: 'web_search_20250305', name: 'web_search', user_location: where }]);
  assert.deepEqual([body.tool_choice, ignored], [undefined, ['web_search_options.search_context_size']]);
  const newer = send({ web_search_options: {} }, { quirks: { webSearch: 'web_search_20260318' } });
  assert.deepEqual(newer.body.tools, [{ type: 'web_search_20260318', name: 'web_search' }]);
});

test('anthropic: web search is reported where there is none, or where the client has a tool of that name', () => {
  for (const sent of [
    send({ web_search_options: {} }, { quirks: { platform: 'bedrock' } }),
    send({ web_search_options: {}, tools: [tool('web_search')] }),
  ]) {
    assert.deepEqual(sent.ignored, ['web_search_options']);
    assert.ok(sent.body.tools?.every((one) => !('type' in one)) ?? true);
  }
});

test('anthropic: one choice at a time; images by URL where the place fetches them', () => {
  assert.equal(anthropicMessagesWire.severalChoices(targetOf()), false);
  assert.equal(anthropicMessagesWire.imageUrls(targetOf()), true);
  assert.equal(anthropicMessagesWire.imageUrls(targetOf({ quirks: { platform: 'vertex' } })), false);
  assert.equal(head.id, 'chatcmpl-test');
});

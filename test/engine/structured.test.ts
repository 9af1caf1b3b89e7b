/** Structured output and tool calls on the real model: what ends by itself is always valid. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Ajv2020 } from 'ajv/dist/2020.js';
import type { Call, Target } from '../../src/core/call.ts';
import type { ChatResponse } from '../../src/core/chat.ts';
import { fold } from '../../src/core/event.ts';
import { parseChatRequest } from '../../src/protocols/openai-chat/accept.ts';
import { createLlamaBackend } from '../../src/providers/llama/backend.ts';
import { builtInModel } from '../../src/providers/llama/builtin.ts';
import type { EngineProcess } from '../../src/providers/llama/engine-process.ts';
import type { LocalModel } from '../../src/providers/llama/model.ts';
import { startTestEngine } from './harness.ts';

let engine: EngineProcess;
let model: LocalModel;

before(async () => {
  engine = await startTestEngine({ contextSize: 2048 });
  model = await builtInModel();
});
after(() => engine.stop());

/** A request through plan, engine and parser, as the server would send it. */
async function ask(body: Record<string, unknown>): Promise<ChatResponse & { ignored: readonly string[] }> {
  const settings = {
    contextSize: 2048,
    sequences: 4,
    threads: 1,
    gpu: 'off',
    queue: 64,
    maxLoaded: 1,
    idleUnloadMs: 0,
    loadTimeoutMs: 0,
  } as const;
  const backend = createLlamaBackend({
    library: { list: async () => [model], find: async () => model },
    manager: {
      acquire: async () => ({ engine, release: () => undefined }),
      status: () => [],
      figures: () => [],
      close: async () => undefined,
    },
    settings,
  });
  const request = parseChatRequest({ model: model.id, max_tokens: 160, ...body }, { strict: false });
  const call: Call = {
    id: 'req_test',
    request,
    principal: { id: 'test', role: 'member' },
    strict: false,
    signal: new AbortController().signal,
    trace: { attempts: [] },
  };
  const card: Target['card'] = {
    id: model.id,
    created: 0,
    ownedBy: '',
    endpoints: ['/v1/chat/completions'],
    capabilities: { tools: true, structuredOutput: true, logprobs: true, reasoning: false, inputModalities: [], outputModalities: [] },
  };
  const reply = await backend.chat(call, { id: model.id, card, backend });
  assert.equal(reply.kind, 'stream');
  return { ...(await fold(reply.kind === 'stream' ? reply.batches : (undefined as never))), ignored: reply.ignored };
}

const textOf = (choice: ChatResponse['choices'][number]): string =>
  choice.blocks.map((block) => (block.type === 'text' ? block.text : '')).join('');
const callsOf = (choice: ChatResponse['choices'][number]) => choice.blocks.flatMap((block) => (block.type === 'tool_call' ? [block] : []));
const say = (content: string) => [{ role: 'user', content }];

const object = (properties: Record<string, unknown>, more: Record<string, unknown> = {}) => ({
  type: 'object',
  properties,
  required: Object.keys(properties),
  additionalProperties: false,
  ...more,
});

const SCHEMAS: Record<string, Record<string, unknown>> = {
  numbers: object({ age: { type: 'integer', minimum: 18, maximum: 65 }, ratio: { type: 'number', minimum: 0, maximum: 1 } }),
  strings: object({
    code: { type: 'string', pattern: '^[A-Z]{2}-\\d{4}$' },
    day: { type: 'string', format: 'date' },
    note: { type: 'string', minLength: 3, maxLength: 12 },
  }),
  arrays: object({
    tags: { type: 'array', items: { enum: ['a', 'b', 'c'] }, minItems: 1, maxItems: 3 },
    pair: { type: 'array', prefixItems: [{ type: 'boolean' }, { type: 'null' }], items: false, minItems: 2 },
  }),
  unions: object({ value: { anyOf: [{ type: 'null' }, { type: 'integer', minimum: -5, maximum: 5 }, object({ kind: { const: 'x' } })] } }),
  optional: {
    type: 'object',
    properties: { a: { type: 'integer', maximum: 9, minimum: 0 }, b: { type: 'boolean' } },
    additionalProperties: false,
  },
  recursive: {
    ...object({ tree: { $ref: '#/$defs/node' } }),
    $defs: {
      node: object({ name: { type: 'string', maxLength: 6 }, children: { type: 'array', maxItems: 1, items: { $ref: '#/$defs/node' } } }),
    },
  },
};

for (const [name, schema] of Object.entries(SCHEMAS)) {
  test(`json_schema: every answer that ends by itself satisfies the schema (${name})`, async () => {
    const validate = new Ajv2020({ strict: false, formats: { date: /^\d{4}-\d{2}-\d{2}$/ } }).compile(schema);
    const { choices } = await ask({
      messages: say('Invent something.'),
      n: 6,
      seed: 11,
      temperature: 1.3,
      response_format: { type: 'json_schema', json_schema: { name, strict: true, schema } },
    });
    const ended = choices.filter((choice) => choice.reason === 'stop');
    // how many end is chance: what may go on for ever does so often
    assert.ok(ended.length >= 1, `${ended.length} of 6 ended`);
    for (const choice of ended) assert.ok(validate(JSON.parse(textOf(choice))), `${textOf(choice)}: ${JSON.stringify(validate.errors)}`);
  });
}

test('json_object: an answer that ends by itself is a JSON object', async () => {
  const { choices } = await ask({ messages: say('Answer in JSON.'), n: 6, seed: 3, response_format: { type: 'json_object' } });
  const ended = choices.filter((choice) => choice.reason === 'stop');
  assert.ok(ended.length >= 1);
  for (const choice of ended) {
    const value: unknown = JSON.parse(textOf(choice));
    assert.ok(typeof value === 'object' && value !== null && !Array.isArray(value));
  }
});

test('json_schema: a keyword that cannot be enforced is refused by its place, or reported where it need not be', async () => {
  const schema = object({ a: { type: 'array', uniqueItems: true, items: { type: 'integer' } } });
  const format = (strict: boolean) => ({ type: 'json_schema', json_schema: { name: 'x', strict, schema } });
  const place = 'response_format.json_schema.schema.properties.a.uniqueItems';
  await assert.rejects(ask({ messages: say('Go.'), response_format: format(true) }), { kind: 'invalid_json_schema', param: place });
  const { ignored } = await ask({ messages: say('Go.'), max_tokens: 2, response_format: format(false) });
  assert.ok(ignored.includes(place));
});

const parameters = object({ city: { type: 'string', maxLength: 12 }, days: { type: 'integer', minimum: 1, maximum: 7 } });
const weather = { type: 'function', function: { name: 'get_weather', description: 'Weather of a city', parameters } };
const noop = { type: 'function', function: { name: 'noop' } };
const validArguments = new Ajv2020().compile(parameters);

test('tools: required makes at least one call, with arguments that fit', async () => {
  const { choices } = await ask({ messages: say('Weather in Oslo?'), tools: [weather, noop], tool_choice: 'required', n: 6, seed: 5 });
  for (const choice of choices.filter((one) => one.reason !== 'length')) {
    assert.equal(choice.reason, 'tool_calls');
    for (const call of callsOf(choice)) {
      const value: unknown = JSON.parse(call.input);
      if (call.name === 'get_weather') assert.ok(validArguments(value), call.input);
      else assert.deepEqual(value, {});
    }
    assert.ok(callsOf(choice).length >= 1);
  }
});

test('tools: a named one is called once and ends with stop', async () => {
  const { choices } = await ask({
    messages: say('Hello.'),
    tools: [weather, noop],
    tool_choice: { type: 'function', function: { name: 'noop' } },
    n: 3,
    seed: 5,
  });
  for (const choice of choices) {
    assert.deepEqual(
      callsOf(choice).map((call) => [call.name, call.input]),
      [['noop', '{}']],
    );
    assert.equal(choice.reason, 'stop');
  }
});

test('tools: only allowed ones are called', async () => {
  const { choices } = await ask({
    messages: say('Weather in Oslo?'),
    tools: [weather, noop],
    tool_choice: { type: 'allowed_tools', allowed_tools: { mode: 'required', tools: [{ type: 'function', function: { name: 'noop' } }] } },
    n: 4,
    seed: 6,
  });
  for (const choice of choices) assert.ok(callsOf(choice).every((call) => call.name === 'noop') && callsOf(choice).length === 1);
});

test('tools: none makes no call, and a client’s stop string does not cut a call', async () => {
  const none = await ask({ messages: say('Weather?'), tools: [weather], tool_choice: 'none', max_tokens: 12, temperature: 0 });
  assert.ok(none.choices.every((choice) => callsOf(choice).length === 0));
  const named = { type: 'function', function: { name: 'get_weather' } };
  const stopped = await ask({ messages: say('Weather?'), tools: [weather], tool_choice: named, stop: ['"', '}'], seed: 2 });
  assert.ok(validArguments(JSON.parse(callsOf(stopped.choices[0] as ChatResponse['choices'][number])[0]?.input ?? 'null')));
});

test('tools: a result in the next turn is read, and counts as prompt', async () => {
  const messages = [
    ...say('Weather in Oslo?'),
    {
      role: 'assistant',
      tool_calls: [{ id: 'c1', type: 'function', function: { name: 'get_weather', arguments: '{"city":"Oslo","days":1}' } }],
    },
  ];
  const short = await ask({
    messages: [...messages, { role: 'tool', tool_call_id: 'c1', content: 'Rain' }],
    tools: [weather],
    max_tokens: 4,
    seed: 1,
  });
  const long = await ask({
    messages: [...messages, { role: 'tool', tool_call_id: 'c1', content: 'Rain '.repeat(50) }],
    tools: [weather],
    max_tokens: 4,
    seed: 1,
  });
  assert.ok((long.usage?.promptTokens ?? 0) >= (short.usage?.promptTokens ?? 0) + 45);
});

test('custom tools: the input is text, not JSON, and follows its regular expression', async () => {
  const tool = {
    type: 'custom',
    custom: {
      name: 'dial',
      description: 'Dials',
      format: { type: 'grammar', grammar: { syntax: 'regex', definition: '\\d{3}-"\\d{2}"' } },
    },
  };
  const { choices } = await ask({
    messages: say('Dial.'),
    tools: [tool],
    tool_choice: { type: 'custom', custom: { name: 'dial' } },
    seed: 4,
  });
  const [call] = callsOf(choices[0] as ChatResponse['choices'][number]);
  assert.equal(call?.kind, 'custom');
  assert.match(call?.input ?? '', /^\d{3}-"\d{2}"$/);
});

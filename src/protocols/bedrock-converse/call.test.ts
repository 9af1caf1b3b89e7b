import assert from 'node:assert/strict';
import { test } from 'node:test';
import { wholeText } from '../../core/json-pieces.ts';
import { GatewayError } from '../../core/error.ts';
import { accept, called, weather } from '../../../test/support/openai-chat.ts';
import type { ModelFacts, Prepared } from '../wire.ts';
import { bedrockConverseWire } from './call.ts';
import type { BedrockQuirks } from './quirks.ts';

type Json = Record<string, unknown>;

interface With {
  readonly quirks?: BedrockQuirks;
  readonly facts?: ModelFacts;
  readonly model?: string;
}

function prepared(more: Json, { quirks = {}, facts = {}, model = 'anthropic.claude-x-v1:0' }: With = {}): Prepared {
  const target = { provider: 'bedrock', upstreamModel: model, model: 'bedrock/x', baseUrl: 'https://b.test', quirks, facts };
  return bedrockConverseWire.prepare(accept(more), target, { id: 'chatcmpl-1', created: 1 });
}

interface Sent extends Json {
  readonly messages: readonly { readonly role: string; readonly content: readonly Json[] }[];
  readonly system?: readonly Json[];
  readonly inferenceConfig?: Json;
  readonly toolConfig?: { readonly tools: readonly Json[]; readonly toolChoice?: Json };
  readonly additionalModelRequestFields?: Json;
}

const sent = (more: Json, options?: With): Sent => JSON.parse(wholeText(prepared(more, options).call.body)) as Sent;
/** What the first declared tool says of itself. */
const firstTool = (body: Sent): Json => (body.toolConfig?.tools[0]?.toolSpec ?? {}) as Json;
const ignored = (more: Json, options?: With): readonly string[] => prepared(more, options).ignored;
const chat = (...messages: Json[]): Json => ({ messages });
const user = (content: unknown): Json => ({ role: 'user', content });
const assistant = (content: unknown): Json => ({ role: 'assistant', content });
const result = (id: string, content: unknown): Json => ({ role: 'tool', tool_call_id: id, content });

function refusal(more: Json, options?: With): GatewayError {
  try {
    prepared(more, options);
  } catch (error) {
    assert.ok(error instanceof GatewayError, String(error));
    return error;
  }
  return assert.fail('it was accepted');
}

test('bedrock: the model stands in the path, escaped', () => {
  assert.equal(prepared({}).call.url, 'https://b.test/model/anthropic.claude-x-v1%3A0/converse');
  assert.equal(prepared({ stream: true }).call.url, 'https://b.test/model/anthropic.claude-x-v1%3A0/converse-stream');
  const arn = 'arn:aws:bedrock:us-east-1:1:application-inference-profile/abc';
  const path = 'arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Aapplication-inference-profile%2Fabc';
  assert.equal(prepared({}, { model: arn }).call.url, `https://b.test/model/${path}/converse`);
});

test('bedrock: the least request', () => {
  assert.deepEqual(sent({}), { messages: [{ role: 'user', content: [{ text: 'Say hello.' }] }] });
  assert.deepEqual(ignored({}), []);
});

test('bedrock: system and developer messages are the system prompt, neighbours are one turn', () => {
  const { system, messages } = sent(
    chat(
      { role: 'system', content: 'A' },
      user('1'),
      user([
        { type: 'text', text: '2' },
        { type: 'text', text: ' ' },
      ]),
      assistant('x'),
      assistant('y'),
      { role: 'developer', content: [{ type: 'text', text: 'B' }] },
      user('3'),
    ),
  );
  assert.deepEqual(system, [{ text: 'A' }, { text: 'B' }]);
  assert.deepEqual(messages, [
    { role: 'user', content: [{ text: '1' }, { text: '2' }] },
    { role: 'assistant', content: [{ text: 'x' }, { text: 'y' }] },
    { role: 'user', content: [{ text: '3' }] },
  ]);
});

test('bedrock: no text is blank, no turn empty, the user is first', () => {
  assert.deepEqual(sent(chat(user(''))).messages, [{ role: 'user', content: [{ text: '.' }] }]);
  assert.deepEqual(sent(chat({ role: 'system', content: 'A' })).messages, [{ role: 'user', content: [{ text: '.' }] }]);
  assert.deepEqual(
    sent(chat(assistant('hi'), user('a'), assistant(''), user('b'))).messages.map(({ role, content }) => [role, content]),
    [
      ['user', [{ text: '.' }]],
      ['assistant', [{ text: 'hi' }]],
      ['user', [{ text: 'a' }, { text: 'b' }]],
    ],
  );
});

test('bedrock: an answer that was begun ends without white space; where it cannot go on, the user asks for more', () => {
  const begun = chat(user('a'), assistant('Well, \n'));
  assert.deepEqual(sent(begun).messages.at(-1), { role: 'assistant', content: [{ text: 'Well,' }] });
  assert.deepEqual(sent(begun, { quirks: { noPrefill: true } }).messages.at(-1), { role: 'user', content: [{ text: 'Continue.' }] });
});

test('bedrock: names are reported, models without a system prompt get it from the user', () => {
  const messages = [
    { role: 'system', content: 'Be brief.' },
    { role: 'user', name: 'ann', content: 'a' },
  ];
  assert.deepEqual(ignored({ messages }), ['messages[1].name']);
  const { system, messages: turns } = sent({ messages }, { quirks: { noSystem: true } });
  assert.equal(system, undefined);
  assert.deepEqual(turns, [{ role: 'user', content: [{ text: 'Be brief.' }, { text: 'a' }] }]);
});

test('bedrock: calls and their results', () => {
  const call = (id: string, input: string) => ({ id, type: 'function', function: { name: 'get_weather', arguments: input } });
  const { messages } = sent({
    messages: [
      user('a'),
      { role: 'assistant', content: 'Let me see.', tool_calls: [call('x', '{"city":"Oslo"}'), call('y|2', 'not json'), call('z', '')] },
      result('x', 'Rain'),
      result('y|2', ''),
      result('z', [{ type: 'text', text: 'Sun' }]),
      user('So?'),
    ],
    tools: [weather],
  });
  assert.deepEqual(messages.slice(1), [
    {
      role: 'assistant',
      content: [
        { text: 'Let me see.' },
        { toolUse: { toolUseId: 'x', name: 'get_weather', input: { city: 'Oslo' } } },
        { toolUse: { toolUseId: 'y_2', name: 'get_weather', input: { input: 'not json' } } },
        { toolUse: { toolUseId: 'z', name: 'get_weather', input: {} } },
      ],
    },
    {
      role: 'user',
      content: [
        { toolResult: { toolUseId: 'x', content: [{ text: 'Rain' }] } },
        { toolResult: { toolUseId: 'y_2', content: [{ text: '(no output)' }] } },
        { toolResult: { toolUseId: 'z', content: [{ text: 'Sun' }] } },
        { text: 'So?' },
      ],
    },
  ]);
});

test('bedrock: each id of a call is there once, and results find theirs', () => {
  const twice = {
    role: 'assistant',
    tool_calls: ['a', 'b'].map((city) => ({
      id: 'same',
      type: 'function',
      function: { name: 'get_weather', arguments: `{"city":"${city}"}` },
    })),
  };
  const again = called('same');
  const { messages } = sent({
    messages: [user('x'), twice, result('same', 'A'), result('same', 'B'), again, result('same', 'C')],
    tools: [weather],
  });
  const uses = messages.flatMap(({ content }) => content.flatMap((block) => (block.toolUse ? [(block.toolUse as Json).toolUseId] : [])));
  const results = messages.flatMap(({ content }) => content.flatMap((block) => (block.toolResult ? [block.toolResult as Json] : [])));
  assert.deepEqual(uses, ['same', 'same_2', 'same_3']);
  assert.deepEqual(
    results.map(({ toolUseId, content }) => [toolUseId, content]),
    [
      ['same', [{ text: 'A' }]],
      ['same_2', [{ text: 'B' }]],
      ['same_3', [{ text: 'C' }]],
    ],
  );
});

test('bedrock: long ids are cut, and still tell calls apart; short ones are nine characters', () => {
  const ids = (quirks: BedrockQuirks): string[] => {
    const long = 'call_'.padEnd(90, 'x');
    const calls = [`${long}1`, `${long}2`, 'toolcall9'].map((id) => ({ id, type: 'function', function: { name: 'f', arguments: '{}' } }));
    const messages = [user('x'), { role: 'assistant', tool_calls: calls }, ...calls.map(({ id }) => result(id, 'ok'))];
    const turns = sent({ messages, tools: [weather] }, { quirks }).messages;
    const used = turns.flatMap(({ content }) => content.flatMap((block) => (block.toolUse ? [(block.toolUse as Json).toolUseId] : [])));
    const answered = turns.flatMap(({ content }) =>
      content.flatMap((block) => (block.toolResult ? [(block.toolResult as Json).toolUseId] : [])),
    );
    assert.deepEqual(used, answered);
    assert.equal(new Set(used).size, 3);
    return used as string[];
  };
  assert.ok(ids({}).every((id) => /^[A-Za-z0-9_.:-]{1,64}$/.test(id)));
  const short = ids({ shortToolIds: true });
  assert.ok(short.every((id) => /^[a-z0-9]{9}$/.test(id)));
  assert.equal(short[2], 'toolcall9');
});

test('bedrock: results as JSON objects, and in turns of their own, where a model wants that', () => {
  const messages = [user('x'), called('a'), result('a', '{"rain":true}'), user('So?')];
  const turns = sent({ messages, tools: [weather] }, { quirks: { jsonToolResults: true, toolResultsAlone: true } }).messages;
  assert.deepEqual(turns.slice(2), [
    { role: 'user', content: [{ toolResult: { toolUseId: 'a', content: [{ json: { rain: true } }] } }] },
    { role: 'assistant', content: [{ text: '.' }] },
    { role: 'user', content: [{ text: 'So?' }] },
  ]);
  const plain = sent({ messages: [called('a'), result('a', 'Rain')], tools: [weather] }, { quirks: { jsonToolResults: true } }).messages;
  assert.deepEqual(plain.at(-1)?.content, [{ toolResult: { toolUseId: 'a', content: [{ json: { output: 'Rain' } }] } }]);
});

test('bedrock: images are bytes or places in S3, never URLs', () => {
  const image = (url: string) =>
    chat(
      user([
        { type: 'text', text: 'See' },
        { type: 'image_url', image_url: { url, detail: 'high' } },
      ]),
    );
  assert.deepEqual(sent(image('data:image/jpg;base64,/9j/')).messages[0]?.content[1], {
    image: { format: 'jpeg', source: { bytes: '/9j/' } },
  });
  const place = { image: { format: 'png', source: { s3Location: { uri: 's3://bucket/a.PNG' } } } };
  assert.deepEqual(sent(image('s3://bucket/a.PNG')).messages[0]?.content[1], place);
  assert.deepEqual(ignored(image('s3://bucket/a.PNG')), ['messages[0].content[1].image_url.detail']);
  for (const url of ['https://x.test/a.png', 'data:image/svg+xml;base64,AA==', 's3://bucket/a']) {
    const { kind, param } = refusal(image(url));
    assert.deepEqual([kind, param], ['unsupported_value', 'messages[0].content[1]'], url);
  }
  const target = { provider: 'b', upstreamModel: 'm', model: 'b/m', baseUrl: '', quirks: {}, facts: {} };
  assert.equal(bedrockConverseWire.imageUrls(target), false);
  assert.equal(bedrockConverseWire.severalChoices(target), false);
});

test('bedrock: documents have a format, a name of plain characters given once, and text beside them', () => {
  const file = (more: Json) => ({ type: 'file', file: more });
  const content = sent(
    chat(
      user([
        file({ filename: 'Bérs Report_v2 (final).pdf', file_data: 'data:application/pdf;base64,JVBERi0=' }),
        file({ filename: 'Bers Report v2 (final).md', file_data: 'QQ==' }),
        file({ file_data: 'JVBERi0x' }),
        file({ filename: 'data.json', file_data: 'data:application/json;base64,e30=' }),
        file({ filename: 'x', file_data: 'data:text/plain,a%20b' }),
        file({ file_id: 's3://bucket/table.xlsx' }),
      ]),
    ),
  ).messages[0]?.content;
  const name = (of: string, format: string, source: Json) => ({ document: { format, name: of, source } });
  assert.deepEqual(content, [
    name('Bers Report v2 (final)', 'pdf', { bytes: 'JVBERi0=' }),
    name('Bers Report v2 (final) 2', 'md', { bytes: 'QQ==' }),
    name('document', 'pdf', { bytes: 'JVBERi0x' }),
    name('data', 'txt', { bytes: 'e30=' }),
    name('x', 'txt', { bytes: 'YSBi' }),
    name('document 2', 'xlsx', { s3Location: { uri: 's3://bucket/table.xlsx' } }),
    { text: 'Bers Report v2 (final), Bers Report v2 (final) 2, document, data, x, document 2' },
  ]);
});

test('bedrock: files that are images, sound or film go as such; others are refused by their place', () => {
  const file = (more: Json) =>
    chat(
      user([
        { type: 'text', text: 'See' },
        { type: 'file', file: more },
      ]),
    );
  const block = (more: Json) => sent(file(more)).messages[0]?.content[1];
  assert.deepEqual(block({ file_data: 'data:image/webp;base64,AA==' }), { image: { format: 'webp', source: { bytes: 'AA==' } } });
  assert.deepEqual(block({ filename: 'a.flac', file_data: 'AA==' }), { audio: { format: 'flac', source: { bytes: 'AA==' } } });
  assert.deepEqual(block({ file_data: 'data:video/quicktime;base64,AA==' }), { video: { format: 'mov', source: { bytes: 'AA==' } } });
  for (const more of [{ file_id: 'file-123' }, { filename: 'a.exe', file_data: 'AA==' }, { file_data: 'AA==' }]) {
    const { kind, param } = refusal(file(more));
    assert.deepEqual([kind, param], ['unsupported_value', 'messages[0].content[1]']);
  }
});

test('bedrock: sampling ends at 1; what has no form is reported', () => {
  const more = {
    temperature: 1.7,
    top_p: 0.5,
    seed: 1,
    frequency_penalty: 1,
    presence_penalty: -1,
    logit_bias: { 5: 1 },
    logprobs: true,
    top_logprobs: 2,
    verbosity: 'low',
  };
  assert.deepEqual(sent(more).inferenceConfig, { temperature: 1, topP: 0.5 });
  assert.deepEqual(ignored(more), ['seed', 'frequency_penalty', 'presence_penalty', 'logit_bias', 'logprobs', 'top_logprobs', 'verbosity']);
  assert.deepEqual(ignored({ temperature: 1, top_p: 1, frequency_penalty: 0, n: 1, logprobs: false, verbosity: 'medium' }), []);
});

test('bedrock: models that take one sampling setting, or none', () => {
  const both = { temperature: 0.2, top_p: 0.5 };
  assert.deepEqual(sent(both, { quirks: { sampling: 'one' } }).inferenceConfig, { temperature: 0.2 });
  assert.deepEqual(ignored(both, { quirks: { sampling: 'one' } }), ['top_p']);
  assert.deepEqual(sent({ top_p: 0.5 }, { quirks: { sampling: 'one' } }).inferenceConfig, { topP: 0.5 });
  assert.equal(sent(both, { quirks: { sampling: 'none' } }).inferenceConfig, undefined);
  assert.deepEqual(ignored(both, { quirks: { sampling: 'none' } }), ['temperature', 'top_p']);
});

test('bedrock: stop sequences beyond what a model takes are ours, and those of white space', () => {
  const more = { stop: ['a', '\n', 'b'] };
  assert.deepEqual(sent(more).inferenceConfig, { stopSequences: ['a', 'b'] });
  assert.equal(prepared(more).reshape.length, 1);
  assert.equal(prepared({ stop: ['a', 'b'] }).reshape.length, 0);
  assert.equal(sent(more, { quirks: { maxStops: 0 } }).inferenceConfig, undefined);
  assert.equal(prepared({ stop: ['a'] }, { quirks: { maxStops: 0 } }).reshape.length, 1);
  assert.equal(prepared({ stop: ['a'] }, { quirks: { echoesStop: true } }).reshape.length, 1);
  assert.deepEqual(ignored(more, { quirks: { maxStops: 0 } }), []);
});

test('bedrock: tools are declared with a schema of type object', () => {
  const { toolConfig } = sent({
    tools: [
      { type: 'function', function: { name: 'a', description: ' ' } },
      {
        type: 'function',
        function: { name: 'b', description: 'B', parameters: { properties: { x: { type: 'string' } }, required: ['x'] } },
      },
      { type: 'custom', custom: { name: 'sql' } },
    ],
  });
  assert.deepEqual(toolConfig?.tools.slice(0, 2), [
    { toolSpec: { name: 'a', inputSchema: { json: { type: 'object', properties: {} } } } },
    {
      toolSpec: {
        name: 'b',
        description: 'B',
        inputSchema: { json: { properties: { x: { type: 'string' } }, required: ['x'], type: 'object' } },
      },
    },
  ]);
  assert.equal((toolConfig?.tools[2]?.toolSpec as Json | undefined)?.name, 'sql');
  assert.equal(toolConfig?.toolChoice, undefined);
  assert.equal(prepared({ tools: [{ type: 'custom', custom: { name: 'sql' } }] }).reshape.length, 1);
});

test('bedrock: a bare schema has its definitions written out', () => {
  const parameters = {
    $schema: 'x',
    type: 'object',
    additionalProperties: false,
    properties: { a: { $ref: '#/$defs/point' }, tree: { $ref: '#/$defs/tree' } },
    required: ['a'],
    $defs: { point: { type: 'object', properties: { x: { type: 'number' } } }, tree: { properties: { next: { $ref: '#/$defs/tree' } } } },
  };
  const tools = [{ type: 'function', function: { name: 'a', parameters } }];
  const { json } = firstTool(sent({ tools }, { quirks: { bareToolSchema: true } })).inputSchema as { json: Json };
  assert.deepEqual(Object.keys(json), ['type', 'properties', 'required']);
  assert.deepEqual((json.properties as Json).a, { type: 'object', properties: { x: { type: 'number' } } });
  assert.ok(!JSON.stringify(json).includes('$ref'));
});

test('bedrock: the choice among tools', () => {
  const other = { type: 'function', function: { name: 'other' } };
  const tools = [weather, other];
  const named = { type: 'function', function: { name: 'other' } };
  const names = (one: Sent) => one.toolConfig?.tools.map(({ toolSpec }) => (toolSpec as Json).name);
  assert.deepEqual(sent({ tools, tool_choice: 'required' }).toolConfig?.toolChoice, { any: {} });
  assert.deepEqual(sent({ tools, tool_choice: named }).toolConfig?.toolChoice, { tool: { name: 'other' } });
  assert.equal(sent({ tools, tool_choice: 'none' }).toolConfig, undefined);
  const allowed = { type: 'allowed_tools', allowed_tools: { mode: 'required', tools: [named] } };
  assert.deepEqual(names(sent({ tools, tool_choice: allowed })), ['other']);

  const any = sent({ tools, tool_choice: named }, { quirks: { toolChoice: 'any' } });
  assert.deepEqual([names(any), any.toolConfig?.toolChoice], [['other'], { any: {} }]);
  const auto = sent({ tools, tool_choice: named }, { quirks: { toolChoice: 'auto' } });
  assert.deepEqual([names(auto), auto.toolConfig?.toolChoice], [['other'], undefined]);
  assert.deepEqual(ignored({ tools, tool_choice: 'required' }, { quirks: { toolChoice: 'auto' } }), ['tool_choice']);
  assert.deepEqual(ignored({ tools, tool_choice: named }, { quirks: { toolChoice: 'any' } }), []);
});

test('bedrock: one call at a time where the model can be told, else reported', () => {
  const more = { tools: [weather], parallel_tool_calls: false };
  const told = sent(more, { quirks: { nativeToolChoice: true } });
  assert.deepEqual(told.additionalModelRequestFields, { tool_choice: { type: 'auto', disable_parallel_tool_use: true } });
  // both at once are refused by the API
  assert.equal(told.toolConfig?.toolChoice, undefined);
  assert.deepEqual(ignored(more), ['parallel_tool_calls']);
  assert.deepEqual(ignored({ parallel_tool_calls: false }), []);
});

test('bedrock: a conversation with calls has tools declared even when none may be called, and then none is', () => {
  const messages = [user('x'), called('a'), result('a', 'Rain')];
  const native = sent({ messages, tools: [weather], tool_choice: 'none' }, { quirks: { nativeToolChoice: true } });
  assert.deepEqual(native.toolConfig?.tools.length, 1);
  assert.deepEqual(native.additionalModelRequestFields, { tool_choice: { type: 'none' } });
  const unnamed = sent({ messages }, { quirks: { nativeToolChoice: true } });
  assert.equal(firstTool(unnamed).name, 'get_weather');

  const other = prepared({ messages });
  assert.equal(firstTool(JSON.parse(wholeText(other.call.body)) as Sent).name, 'unavailable');
  const content = [{ text: 'It rains.' }, { toolUse: { toolUseId: 't', name: 'get_weather', input: {} } }];
  const [choice] = other.response({ output: { message: { content } }, stopReason: 'tool_use' }).response.choices;
  assert.deepEqual(choice, { blocks: [{ type: 'text', text: 'It rains.' }], reason: 'stop' });
});

test('bedrock: strict tools where the model holds to schemas and the schema is one it takes', () => {
  const tool = (parameters: Json) => [{ type: 'function', function: { name: 'a', strict: true, parameters } }];
  const closed = {
    type: 'object',
    properties: { x: { type: 'array', items: { type: 'string' } } },
    required: ['x'],
    additionalProperties: false,
  };
  const spec = (parameters: Json, quirks: BedrockQuirks) => firstTool(sent({ tools: tool(parameters) }, { quirks }));
  assert.equal(spec(closed, { strictTools: true }).strict, true);
  assert.equal(spec(closed, {}).strict, undefined);
  assert.deepEqual(ignored({ tools: tool(closed) }), ['tools[0].function.strict']);
  const open: Json[] = [
    { type: 'object', properties: {} },
    { ...closed, properties: { x: { type: 'integer', minimum: 1 } } },
    { ...closed, properties: { x: { type: 'object', properties: {} } } },
    { ...closed, properties: { x: { $ref: '#/$defs/x' } }, $defs: { x: { anyOf: [{ type: 'null' }, { $ref: '#/$defs/x' }] } } },
  ];
  for (const parameters of open) {
    assert.equal(spec(parameters, { strictTools: true }).strict, undefined, JSON.stringify(parameters));
    assert.deepEqual(ignored({ tools: tool(parameters) }, { quirks: { strictTools: true } }), ['tools[0].function.strict']);
  }
});

const schema = { type: 'object', properties: { a: { type: 'string' } }, required: ['a'], additionalProperties: false };
const format = (more: Json = {}) => ({ response_format: { type: 'json_schema', json_schema: { name: 'thing', schema, ...more } } });

test('bedrock: a structured answer is native where the model has that', () => {
  const quirks = { jsonSchema: true } as const;
  const native = sent(format({ strict: true, description: 'A thing.' }), { quirks });
  const jsonSchema = { schema: JSON.stringify(schema), name: 'thing', description: 'A thing.' };
  assert.deepEqual(native.outputConfig, { textFormat: { type: 'json_schema', structure: { jsonSchema } } });
  assert.equal(native.toolConfig, undefined);
  assert.equal(prepared(format({ strict: true }), { quirks }).reshape.length, 0);
  // what the model would refuse goes by a tool
  const limited = { ...schema, properties: { a: { type: 'string', minLength: 1 } } };
  assert.ok(sent(format({ strict: true, schema: limited }), { quirks }).toolConfig);
});

test('bedrock: elsewhere a structured answer is a tool that must be called', () => {
  const { toolConfig, outputConfig } = sent(format());
  assert.equal(outputConfig, undefined);
  assert.deepEqual(toolConfig?.toolChoice, { any: {} });
  const spec = firstTool(sent(format()));
  assert.equal(spec.name, 'json');
  assert.deepEqual(spec.inputSchema, { json: schema });
  assert.equal(prepared(format()).reshape.length, 1);
  assert.deepEqual(ignored(format({ strict: true })), []);

  const tools = [weather, { type: 'function', function: { name: 'json' } }];
  const beside = sent({ ...format(), tools });
  assert.deepEqual(
    beside.toolConfig?.tools.map(({ toolSpec }) => (toolSpec as Json).name),
    ['get_weather', 'json', 'json_answer'],
  );
  assert.deepEqual(beside.toolConfig?.toolChoice, { any: {} });
  const only = sent({ ...format(), tools: [weather], tool_choice: 'none' });
  assert.deepEqual([only.toolConfig?.tools.length, only.toolConfig?.toolChoice], [1, { any: {} }]);
  assert.deepEqual(sent({ response_format: { type: 'json_object' } }).toolConfig?.toolChoice, { any: {} });
  assert.equal(sent({ ...format(), tools: [weather], tool_choice: 'required' }).toolConfig?.tools.length, 1);
});

test('bedrock: where no tool can be forced, the model is asked to call the answer’s', () => {
  const { toolConfig, system } = sent(format(), { quirks: { toolChoice: 'auto' } });
  assert.equal(toolConfig?.toolChoice, undefined);
  assert.match(String(system?.[0]?.text), /calling the tool "json"/);
  assert.deepEqual(ignored(format(), { quirks: { toolChoice: 'auto' } }), []);
  const thinking = sent({ ...format(), reasoning_effort: 'low' }, { quirks: { reasoning: { form: 'budget' } } });
  assert.ok(thinking.additionalModelRequestFields?.thinking);
  assert.equal(thinking.toolConfig?.toolChoice, undefined);
  assert.equal(thinking.system?.length, 1);
});

test('bedrock: reasoning has no effect where nobody knows how to ask for it', () => {
  assert.deepEqual(ignored({ reasoning_effort: 'high' }), ['reasoning_effort']);
  assert.deepEqual(ignored({ reasoning_effort: 'none' }), []);
});

test('bedrock: a budget of tokens to think leaves room for the answer', () => {
  const budget = (more: Json, facts: ModelFacts = {}) =>
    sent(more, { quirks: { reasoning: { form: 'budget' } }, facts }).additionalModelRequestFields?.thinking;
  assert.deepEqual(budget({ reasoning_effort: 'low' }), { type: 'enabled', budget_tokens: 2048 });
  assert.deepEqual(budget({ reasoning_effort: 'max', max_tokens: 10_000 }), { type: 'enabled', budget_tokens: 8000 });
  assert.deepEqual(budget({ reasoning_effort: 'max' }, { maxOutputTokens: 20_000 }), { type: 'enabled', budget_tokens: 16_000 });
  assert.deepEqual(budget({ reasoning_effort: 'low', max_tokens: 1100 }), { type: 'enabled', budget_tokens: 1024 });
  assert.equal(budget({ reasoning_effort: 'low', max_tokens: 1024 }), undefined);
  assert.equal(budget({ reasoning_effort: 'none' }), undefined);
});

test('bedrock: who thinks by a budget takes no sampling, no forced tool, no begun answer', () => {
  const options = { quirks: { reasoning: { form: 'budget' } } } as const;
  const more = { reasoning_effort: 'low', temperature: 0.5, top_p: 0.9 };
  assert.equal(sent(more, options).inferenceConfig, undefined);
  assert.deepEqual(ignored(more, options), ['temperature', 'top_p']);
  assert.equal(sent({ ...more, ...chat(user('a'), assistant('b')) }, options).messages.at(-1)?.role, 'user');

  const forced = { reasoning_effort: 'low', tools: [weather], tool_choice: 'required' };
  assert.deepEqual(sent(forced, options).toolConfig?.toolChoice, { any: {} });
  assert.equal(sent(forced, options).additionalModelRequestFields, undefined);
  assert.deepEqual(ignored(forced, options), ['reasoning_effort']);

  const unsigned = { reasoning_effort: 'low', tools: [weather], messages: [user('x'), called('a'), result('a', 'Rain')] };
  assert.equal(sent(unsigned, options).additionalModelRequestFields, undefined);
  assert.deepEqual(ignored(unsigned, options), ['reasoning_effort']);
});

test('bedrock: adaptive thinking goes by an effort that the model knows', () => {
  const adaptive = (effort: string, reasoning: BedrockQuirks['reasoning']) => {
    const { additionalModelRequestFields, outputConfig } = sent({ reasoning_effort: effort }, { quirks: reasoning ? { reasoning } : {} });
    return [additionalModelRequestFields?.thinking, (outputConfig as Json | undefined)?.effort];
  };
  assert.deepEqual(adaptive('xhigh', { form: 'adaptive' }), [{ type: 'adaptive' }, 'xhigh']);
  assert.deepEqual(adaptive('xhigh', { form: 'adaptive', efforts: ['low', 'medium', 'high', 'max'] }), [{ type: 'adaptive' }, 'max']);
  assert.deepEqual(adaptive('minimal', { form: 'adaptive', display: true }), [{ type: 'adaptive', display: 'summarized' }, 'low']);
  assert.deepEqual(adaptive('none', { form: 'adaptive' }), [undefined, undefined]);
  assert.deepEqual(adaptive('none', { form: 'adaptive', onByDefault: true }), [{ type: 'disabled' }, undefined]);
  assert.deepEqual(adaptive('none', { form: 'adaptive', alwaysOn: true }), [{ type: 'adaptive' }, 'low']);
  assert.deepEqual(ignored({ reasoning_effort: 'none' }, { quirks: { reasoning: { form: 'adaptive', alwaysOn: true } } }), [
    'reasoning_effort',
  ]);
});

test('bedrock: the other ways to ask for reasoning', () => {
  const fields = (effort: string, reasoning: NonNullable<BedrockQuirks['reasoning']>, more: Json = {}) =>
    sent({ reasoning_effort: effort, ...more }, { quirks: { reasoning } }).additionalModelRequestFields;
  assert.deepEqual(fields('minimal', { form: 'field' }), { reasoning_effort: 'low' });
  assert.deepEqual(fields('max', { form: 'object', efforts: ['none', 'low', 'high', 'xhigh'] }), { reasoning: { effort: 'xhigh' } });
  assert.deepEqual(fields('none', { form: 'object', efforts: ['none', 'low', 'high'] }), { reasoning: { effort: 'none' } });
  assert.deepEqual(fields('none', { form: 'field' }), { reasoning_effort: 'low' });
  assert.deepEqual(fields('medium', { form: 'config' }, { temperature: 0.2 }), {
    reasoningConfig: { type: 'enabled', maxReasoningEffort: 'medium' },
  });
});

test('bedrock: the highest effort of a `config` model goes with neither limit nor sampling', () => {
  const options = { quirks: { reasoning: { form: 'config' } } } as const;
  assert.deepEqual(ignored({ reasoning_effort: 'high', temperature: 0.2 }, options), ['temperature']);
  assert.equal(sent({ reasoning_effort: 'high', temperature: 0.2 }, options).inferenceConfig, undefined);
  const limited = { reasoning_effort: 'high', max_tokens: 100 };
  assert.deepEqual(sent(limited, options).inferenceConfig, { maxTokens: 100 });
  assert.deepEqual(ignored(limited, options), ['reasoning_effort']);
});

test('bedrock: cache points stand behind what is marked, where the model takes them', () => {
  const marked = (text: string, ttl?: string) => ({ type: 'text', text, cache_control: { type: 'ephemeral', ...(ttl ? { ttl } : {}) } });
  const more = {
    messages: [{ role: 'system', content: [marked('S', '1h')] }, user([marked('a'), { type: 'text', text: 'b' }])],
    tools: [{ ...weather, cache_control: { type: 'ephemeral' } }],
  };
  const all = sent(more, { quirks: { caching: 'all', cacheTtl: true } });
  const point = { cachePoint: { type: 'default' } };
  assert.deepEqual(all.system, [{ text: 'S' }, { cachePoint: { type: 'default', ttl: '1h' } }]);
  assert.deepEqual(all.messages[0]?.content, [{ text: 'a' }, point, { text: 'b' }]);
  assert.deepEqual(all.toolConfig?.tools[1], point);
  assert.deepEqual(sent(more, { quirks: { caching: 'all' } }).system?.[1], point);
  assert.deepEqual(ignored(more, { quirks: { caching: 'messages' } }), ['tools[0].cache_control']);
  assert.deepEqual(ignored(more), [
    'tools[0].cache_control',
    'messages[0].content[0].cache_control',
    'messages[1].content[0].cache_control',
  ]);
  assert.ok(!JSON.stringify(sent(more)).includes('cachePoint'));
});

test('bedrock: of more than four cache points the last four stay', () => {
  const parts = Array.from({ length: 6 }, (_, index) => ({ type: 'text', text: `${index}`, cache_control: { type: 'ephemeral' } }));
  const content = sent(chat(user(parts)), { quirks: { caching: 'messages' } }).messages[0]?.content ?? [];
  assert.deepEqual(content.map((block) => ('text' in block ? block.text : '|')).join(''), '012|3|4|5|');
});

test('bedrock: fields beside the conversation', () => {
  const more = { metadata: { team: 'x', 'bad{': 'y' }, service_tier: 'priority', store: true, prompt_cache_key: 'k', top_k: 5 };
  const body = sent(more);
  assert.deepEqual(body.requestMetadata, { team: 'x' });
  assert.deepEqual(body.serviceTier, { type: 'priority' });
  assert.deepEqual([...ignored(more)].toSorted(), ['metadata', 'prompt_cache_key', 'store', 'top_k']);
  assert.deepEqual(sent({ service_tier: 'fast' }, { quirks: { latencyOptimized: true } }).performanceConfig, { latency: 'optimized' });
  assert.deepEqual(sent({}, { quirks: { fields: { anthropic_beta: ['b'] } } }).additionalModelRequestFields, { anthropic_beta: ['b'] });
});

test('bedrock: web search is the model’s own tool, or reported', () => {
  const more = { web_search_options: { search_context_size: 'low' } };
  assert.deepEqual(ignored(more), ['web_search_options']);
  const own = { quirks: { searchTool: 'nova_grounding' } };
  assert.deepEqual(sent(more, own).toolConfig, { tools: [{ systemTool: { name: 'nova_grounding' } }] });
  assert.deepEqual(ignored(more, own), ['web_search_options.search_context_size']);
});

test('bedrock: state goes back to its maker only, word for word', () => {
  const data = { reasoningContent: { reasoningText: { text: 'hm ', signature: 's' } } };
  const search = { toolUse: { toolUseId: 't', name: 'nova_grounding', input: {}, type: 'server_tool_use' } };
  const write = (owner: string, kept: typeof data | typeof search | { other: string }) => {
    const request = accept(chat(user('a'), { role: 'assistant', content: 'b', reasoning_content: 'hm' }, user('c')));
    const messages = request.messages.map((message) => {
      const of = (block: (typeof message.blocks)[number]) =>
        block.type === 'reasoning' ? { ...block, state: { owner, data: kept } } : block;
      return { ...message, blocks: message.blocks.map(of) };
    });
    const target = { provider: 'bedrock', upstreamModel: 'm', model: 'x', baseUrl: '', quirks: {}, facts: {} };
    const { call, ignored: left } = bedrockConverseWire.prepare({ ...request, messages }, target, { id: 'x', created: 1 });
    assert.deepEqual(left, []);
    return (JSON.parse(wholeText(call.body)) as Sent).messages[1]?.content;
  };
  assert.deepEqual(write('bedrock', data), [data, { text: 'b' }]);
  assert.deepEqual(write('bedrock', search), [search, { text: 'b' }]);
  assert.deepEqual(write('anthropic', data), [{ text: 'b' }]);
  assert.deepEqual(write('bedrock', { other: 'thing' }), [{ text: 'b' }]);
  const plain = chat(user('a'), { role: 'assistant', content: 'b', reasoning_content: 'hm' }, user('c'));
  assert.deepEqual(sent(plain).messages[1]?.content, [{ text: 'b' }]);
  assert.deepEqual(sent(plain, { quirks: { plainReasoning: true } }).messages[1]?.content, [
    { reasoningContent: { reasoningText: { text: 'hm' } } },
    { text: 'b' },
  ]);
});

test('bedrock: nothing that was given is changed', () => {
  const frozen = <T>(value: T): T => {
    if (typeof value === 'object' && value !== null) Object.values(Object.freeze(value)).forEach(frozen);
    return value;
  };
  const request = frozen(accept({ ...format(), tools: [weather], messages: [user('x'), called('a'), result('a', 'Rain')], stop: ['a'] }));
  const target = frozen({
    provider: 'b',
    upstreamModel: 'm',
    model: 'b/m',
    baseUrl: 'https://b.test',
    quirks: { bareToolSchema: true } as const,
    facts: {},
  });
  assert.doesNotThrow(() => bedrockConverseWire.prepare(request, target, frozen({ id: 'x', created: 1 })));
});

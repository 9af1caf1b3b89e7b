/** The AWS SDK as a judge: it writes the same requests, and reads the same answers out of the same bytes. */
import assert from 'node:assert/strict';
import { createServer } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import { BedrockRuntimeClient, ConverseCommand, ConverseStreamCommand } from '@aws-sdk/client-bedrock-runtime';
import type { ConverseStreamCommandInput, ConverseStreamOutput } from '@aws-sdk/client-bedrock-runtime';
import { EventStreamCodec } from '@smithy/eventstream-codec';
import { wholeText } from '../../core/json-pieces.ts';
import { createFolder } from '../../core/event.ts';
import { accept, called, weather } from '../../../test/support/openai-chat.ts';
import { createAwsEventStreamReader } from '../framing/aws-eventstream.ts';
import { bedrockConverseWire } from './call.ts';
import type { BedrockQuirks } from './quirks.ts';

const MODEL = 'arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-x-v1:0';

let seen: { path: string; body: unknown } | undefined;
let reply: Uint8Array = new Uint8Array();
let type = 'application/vnd.amazon.eventstream';

// HTTP/2, as this client of the SDK has it
const server = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    seen = { path: request.url ?? '', body: JSON.parse(Buffer.concat(chunks).toString('utf8')) };
    response.writeHead(200, { 'content-type': type });
    response.end(reply);
  });
});

let client: BedrockRuntimeClient;
let base = '';

before(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  client = new BedrockRuntimeClient({
    endpoint: base,
    region: 'us-east-1',
    credentials: { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'secret' },
    maxAttempts: 1,
  });
});

after(() => {
  client.destroy();
  server.close();
});

function prepared(more: Readonly<Record<string, unknown>>, quirks: BedrockQuirks = {}) {
  const target = { provider: 'bedrock', upstreamModel: MODEL, model: 'bedrock/x', baseUrl: base, quirks, facts: {} };
  return bedrockConverseWire.prepare(accept(more), target, { id: 'chatcmpl-1', created: 1 });
}

/** Our JSON as the SDK's input: what is base64 there is bytes here. */
function asInput(value: unknown, key = ''): unknown {
  if ((key === 'bytes' || key === 'redactedContent') && typeof value === 'string') return Uint8Array.from(Buffer.from(value, 'base64'));
  if (Array.isArray(value)) return value.map((item) => asInput(item));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, asInput(item, name)]));
}

const utf8 = new TextEncoder();
const codec = new EventStreamCodec(
  (bytes: Uint8Array | string) => Buffer.from(bytes).toString('utf8'),
  (text: string) => utf8.encode(text),
);

function frame(event: string, payload: object, kind: 'event' | 'exception' = 'event'): Uint8Array {
  const header = (value: string) => ({ type: 'string' as const, value });
  const named = kind === 'event' ? ':event-type' : ':exception-type';
  return codec.encode({
    headers: { [named]: header(event), ':content-type': header('application/json'), ':message-type': header(kind) },
    body: utf8.encode(JSON.stringify(payload)),
  });
}

const stopped = [frame('messageStop', { stopReason: 'end_turn' })];

/** Sends the body of one of our calls by the SDK, which leaves out what its model of the API does not know. */
async function throughSdk(body: unknown): Promise<{ path: string; body: unknown }> {
  seen = undefined;
  reply = Buffer.concat(stopped);
  type = 'application/vnd.amazon.eventstream';
  const input = asInput(body) as Omit<ConverseStreamCommandInput, 'modelId'>;
  const answer = await client.send(new ConverseStreamCommand({ ...input, modelId: MODEL }));
  for await (const event of answer.stream ?? []) assert.ok(event.messageStop);
  assert.ok(seen);
  return seen;
}

const png = 'data:image/png;base64,iVBORw0KGgo=';
const pdf = { filename: 'Q3 report_(final).pdf', file_data: 'data:application/pdf;base64,JVBERi0xLjc=' };

const requests: readonly (readonly [name: string, more: Readonly<Record<string, unknown>>, quirks?: BedrockQuirks])[] = [
  ['text', { temperature: 0.5, top_p: 0.9, max_tokens: 100, stop: ['a', 'b'] }],
  [
    'system, images, documents, sound',
    {
      messages: [
        { role: 'system', content: [{ type: 'text', text: 'Be brief.', cache_control: { type: 'ephemeral', ttl: '1h' } }] },
        {
          role: 'user',
          content: [
            { type: 'image_url', image_url: { url: png } },
            { type: 'image_url', image_url: { url: 's3://bucket/a.webp' } },
            { type: 'file', file: pdf },
            { type: 'input_audio', input_audio: { data: 'AAAA', format: 'mp3' } },
            { type: 'file', file: { filename: 'a.mp4', file_data: 'AAAA' } },
          ],
        },
      ],
    },
    { caching: 'all', cacheTtl: true },
  ],
  [
    'tools, calls and results',
    {
      messages: [
        { role: 'user', content: 'Weather?' },
        called('call_1'),
        { role: 'tool', tool_call_id: 'call_1', content: 'Rain.' },
        { role: 'user', content: 'And now?' },
      ],
      tools: [
        { ...weather, cache_control: { type: 'ephemeral' } },
        {
          type: 'function',
          function: {
            name: 'strict_one',
            description: 'd',
            strict: true,
            parameters: { type: 'object', properties: {}, required: [], additionalProperties: false },
          },
        },
        { type: 'custom', custom: { name: 'sql' } },
      ],
      tool_choice: 'required',
      metadata: { team: 'a b' },
      service_tier: 'flex',
    },
    { strictTools: true, caching: 'all' },
  ],
  ['a named tool', { tools: [weather], tool_choice: { type: 'function', function: { name: 'get_weather' } } }],
  ['one call at a time', { tools: [weather], parallel_tool_calls: false }, { nativeToolChoice: true }],
  [
    'results as JSON',
    { messages: [called('c'), { role: 'tool', tool_call_id: 'c', content: '{"a":[1,null]}' }], tools: [weather] },
    { jsonToolResults: true },
  ],
  ['a search of its own', { web_search_options: {} }, { searchTool: 'nova_grounding' }],
  ['a budget to think', { reasoning_effort: 'high' }, { reasoning: { form: 'budget' } }],
  [
    'an effort to think',
    { reasoning_effort: 'xhigh' },
    { reasoning: { form: 'adaptive', display: true }, fields: { anthropic_beta: ['x'] } },
  ],
  [
    'a native schema',
    {
      response_format: {
        type: 'json_schema',
        json_schema: { name: 'a', description: 'd', strict: true, schema: { type: 'object', properties: {}, additionalProperties: false } },
      },
      service_tier: 'fast',
    },
    { jsonSchema: true, latencyOptimized: true },
  ],
  ['a schema by a tool', { response_format: { type: 'json_object' } }],
];

for (const [name, more, quirks] of requests) {
  test(`bedrock: the SDK writes the same request: ${name}`, async () => {
    const { call } = prepared({ ...more, stream: true }, quirks);
    const ours: unknown = JSON.parse(wholeText(call.body));
    const theirs = await throughSdk(ours);
    assert.deepEqual(ours, theirs.body);
    assert.equal(new URL(call.url).pathname, theirs.path);
  });
}

test('bedrock: the SDK writes the same for signed and encrypted thoughts that come back', async () => {
  const messages = [
    { role: 'user', content: 'a' },
    { role: 'assistant', content: 'b' },
    { role: 'user', content: 'c' },
  ];
  const request = accept({ messages, stream: true });
  const state = (data: { readonly [key: string]: string | { readonly [key: string]: string } }) => ({
    type: 'reasoning' as const,
    text: '',
    state: { owner: 'bedrock', data: { reasoningContent: data } },
  });
  const thoughts = [state({ reasoningText: { text: 'hm', signature: 's' } }), state({ redactedContent: 'AAEC' })];
  const withThoughts = {
    ...request,
    messages: request.messages.map((message) =>
      message.role === 'assistant' ? { ...message, blocks: [...thoughts, ...message.blocks] } : message,
    ),
  };
  const target = { provider: 'bedrock', upstreamModel: MODEL, model: 'bedrock/x', baseUrl: base, quirks: {}, facts: {} };
  const { call } = bedrockConverseWire.prepare(withThoughts, target, { id: 'x', created: 1 });
  const ours: unknown = JSON.parse(wholeText(call.body));
  assert.deepEqual(ours, (await throughSdk(ours)).body);
  assert.deepEqual((ours as { messages: unknown[] }).messages[1], {
    role: 'assistant',
    content: [
      { reasoningContent: { reasoningText: { text: 'hm', signature: 's' } } },
      { reasoningContent: { redactedContent: 'AAEC' } },
      { text: 'b' },
    ],
  });
});

interface Read {
  text: string;
  reasoning: string;
  signature: string;
  calls: { id: string; name: string; input: string }[];
  usage: readonly (number | undefined)[];
}

async function readBySdk(bytes: Uint8Array): Promise<Read> {
  reply = bytes;
  type = 'application/vnd.amazon.eventstream';
  const { stream } = await client.send(
    new ConverseStreamCommand({ modelId: MODEL, messages: [{ role: 'user', content: [{ text: 'x' }] }] }),
  );
  const read: Read = { text: '', reasoning: '', signature: '', calls: [], usage: [] };
  for await (const event of stream ?? []) take(event, read);
  return read;
}

function take({ contentBlockStart, contentBlockDelta, metadata }: ConverseStreamOutput, read: Read): void {
  const use = contentBlockStart?.start?.toolUse;
  if (use) read.calls.push({ id: use.toolUseId ?? '', name: use.name ?? '', input: '' });
  const delta = contentBlockDelta?.delta;
  read.text += delta?.text ?? '';
  read.reasoning += delta?.reasoningContent?.text ?? '';
  read.signature += delta?.reasoningContent?.signature ?? '';
  const call = read.calls.at(-1);
  if (call) call.input += delta?.toolUse?.input ?? '';
  if (metadata?.usage) read.usage = [metadata.usage.inputTokens, metadata.usage.outputTokens];
}

function readByUs(bytes: Uint8Array, size: number): Read {
  const reader = createAwsEventStreamReader();
  const decoder = prepared({ stream: true }).decoder();
  const folder = createFolder();
  for (let at = 0; at < bytes.length; at += size) {
    for (const one of reader.push(bytes.subarray(at, at + size))) folder.push(decoder.push(one).events);
  }
  for (const one of reader.end()) folder.push(decoder.push(one).events);
  folder.push(decoder.end().events);
  const { choices, usage } = folder.end();
  const blocks = choices[0]?.blocks ?? [];
  const signed = blocks.flatMap((block) => (block.type === 'reasoning' && block.state ? [block.state.data] : []));
  const [thought] = signed as { reasoningContent: { reasoningText: { signature: string } } }[];
  return {
    text: blocks.map((block) => (block.type === 'text' ? block.text : '')).join(''),
    reasoning: blocks.map((block) => (block.type === 'reasoning' ? block.text : '')).join(''),
    signature: thought?.reasoningContent.reasoningText.signature ?? '',
    calls: blocks.flatMap((block) => (block.type === 'tool_call' ? [{ id: block.id, name: block.name, input: block.input }] : [])),
    usage: [usage?.promptTokens, usage?.completionTokens],
  };
}

test('bedrock: the SDK reads the same out of a stream', async () => {
  const delta = (contentBlockIndex: number, of: object) => frame('contentBlockDelta', { contentBlockIndex, delta: of, p: 'abc' });
  const bytes = Buffer.concat([
    frame('messageStart', { role: 'assistant' }),
    delta(0, { reasoningContent: { text: 'Let me ' } }),
    delta(0, { reasoningContent: { text: 'think ü.' } }),
    delta(0, { reasoningContent: { signature: 'c2ln' } }),
    frame('contentBlockStop', { contentBlockIndex: 0 }),
    delta(1, { text: 'Hello 🙂' }),
    delta(1, { text: ', world' }),
    frame('contentBlockStop', { contentBlockIndex: 1 }),
    frame('contentBlockStart', { contentBlockIndex: 2, start: { toolUse: { toolUseId: 't1', name: 'a' } } }),
    delta(2, { toolUse: { input: '{"x":' } }),
    delta(2, { toolUse: { input: '"é"}' } }),
    frame('contentBlockStop', { contentBlockIndex: 2 }),
    frame('contentBlockStart', { contentBlockIndex: 3, start: { toolUse: { toolUseId: 't2', name: 'b' } } }),
    delta(3, { toolUse: { input: '{}' } }),
    frame('contentBlockStop', { contentBlockIndex: 3 }),
    frame('messageStop', { stopReason: 'tool_use' }),
    frame('metadata', { usage: { inputTokens: 11, outputTokens: 22, totalTokens: 33 }, metrics: { latencyMs: 5 } }),
  ]);
  const theirs = await readBySdk(bytes);
  assert.equal(theirs.text, 'Hello 🙂, world');
  assert.equal(theirs.calls.length, 2);
  for (const size of [1, 7, bytes.length]) assert.deepEqual(readByUs(bytes, size), theirs);
});

test('bedrock: where the SDK sees an exception in a stream, so do we', async () => {
  const bytes = Buffer.concat([
    frame('contentBlockDelta', { contentBlockIndex: 0, delta: { text: 'Hal' } }),
    frame('throttlingException', { message: 'Too many tokens, please wait before trying again.' }, 'exception'),
  ]);
  await assert.rejects(readBySdk(bytes), { name: 'ThrottlingException', message: 'Too many tokens, please wait before trying again.' });
  assert.throws(() => readByUs(bytes, 5), { status: 429, message: 'Too many tokens, please wait before trying again.' });
});

test('bedrock: the SDK reads the same out of a whole answer', async () => {
  const body = {
    metrics: { latencyMs: 1 },
    output: {
      message: {
        role: 'assistant',
        content: [
          { reasoningContent: { reasoningText: { text: 'hm', signature: 's' } } },
          { text: 'Hi' },
          { toolUse: { toolUseId: 't', name: 'a', input: { n: 1 } } },
        ],
      },
    },
    stopReason: 'tool_use',
    usage: { inputTokens: 1, outputTokens: 2, totalTokens: 13, cacheReadInputTokens: 10 },
  };
  reply = utf8.encode(JSON.stringify(body));
  type = 'application/json';
  const theirs = await client.send(new ConverseCommand({ modelId: MODEL, messages: [{ role: 'user', content: [{ text: 'x' }] }] }));
  const { response } = prepared({}).response(body);
  const content = theirs.output?.message?.content ?? [];
  const [thought, text, call] = response.choices[0]?.blocks ?? [];
  assert.equal(thought?.type === 'reasoning' && thought.text, content[0]?.reasoningContent?.reasoningText?.text);
  assert.equal(text?.type === 'text' && text.text, content[1]?.text);
  assert.deepEqual(call?.type === 'tool_call' && JSON.parse(call.input), content[2]?.toolUse?.input);
  assert.equal((response.usage?.promptTokens ?? 0) + (response.usage?.completionTokens ?? 0), theirs.usage?.totalTokens);
});

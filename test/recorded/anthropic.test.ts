/** Every recorded answer of the Messages API, and what a client gets of it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { wholeText } from '../../src/core/json-pieces.ts';
import type { ChatRequest } from '../../src/core/chat.ts';
import { anthropicMessagesWire } from '../../src/protocols/anthropic-messages/call.ts';
import { createAwsEventStreamReader } from '../../src/protocols/framing/aws-eventstream.ts';
import { encodeResponse } from '../../src/protocols/openai-chat/response.ts';
import type { Prepared } from '../../src/protocols/wire.ts';
import { accept } from '../support/openai-chat.ts';
import {
  WHY_NOT,
  errorOf,
  framed,
  haveRecordings,
  judgeStream,
  judgeWhole,
  readRecording,
  recordedEvents,
  recordingsOf,
} from '../support/recorded.ts';
import type { Judged } from '../support/recorded.ts';

const folder = 'anthropic/main';
const skip = haveRecordings ? false : WHY_NOT;

const target = {
  provider: 'anthropic',
  upstreamModel: 'claude-3-haiku-20240307',
  model: 'anthropic/claude',
  baseUrl: 'https://anthropic.test/v1',
  quirks: {},
  facts: {},
};
const head = { id: 'chatcmpl-recorded', created: 1_760_000_000 };

const plain = accept({ stream: true, stream_options: { include_usage: true } });

const prepare = (request: ChatRequest, quirks: object = {}): Prepared =>
  anthropicMessagesWire.prepare(request, { ...target, quirks }, head);

interface Cited {
  readonly url?: string;
}

interface Block {
  readonly type: string;
  readonly text?: string;
  readonly thinking?: string;
  readonly name?: string;
  readonly input?: unknown;
  readonly citations?: readonly Cited[];
}

interface Tokens {
  readonly input_tokens?: number;
  readonly output_tokens?: number;
  readonly cache_read_input_tokens?: number;
  readonly cache_creation_input_tokens?: number;
  readonly output_tokens_details?: { readonly thinking_tokens: number };
}

interface Line {
  readonly type: string;
  readonly index?: number;
  readonly message?: { readonly content: readonly Block[]; readonly stop_reason: string | null; readonly usage: Tokens };
  readonly content_block?: Block;
  readonly delta?: {
    readonly text?: string;
    readonly thinking?: string;
    readonly partial_json?: string;
    readonly citation?: Cited;
    readonly stop_reason?: string;
    readonly stop_details?: { readonly explanation?: string } | null;
  };
  readonly usage?: Tokens;
}

/** What a recording holds, read out of its own JSON. */
interface Held {
  readonly text: string;
  readonly thinking: string;
  readonly calls: readonly { readonly name: string | undefined; readonly input: unknown }[];
  readonly urls: readonly string[];
  readonly tokens: Tokens;
  readonly reason: string | undefined;
  readonly refusal: string | undefined;
}

const urlsOf = (citations: readonly Cited[] | undefined): string[] => (citations ?? []).flatMap(({ url }) => (url ? [url] : []));

function heldByBody(body: {
  content: readonly Block[];
  usage: Tokens;
  stop_reason: string;
  stop_details?: { explanation?: string } | null;
}): Held {
  const { content } = body;
  return {
    text: content.map(({ type, text }) => (type === 'text' ? text : '')).join(''),
    thinking: content.map(({ thinking }) => thinking ?? '').join(''),
    calls: content.filter(({ type }) => type === 'tool_use').map(({ name, input }) => ({ name, input })),
    urls: content.flatMap(({ citations }) => urlsOf(citations)),
    tokens: body.usage,
    reason: body.stop_reason,
    refusal: body.stop_details?.explanation,
  };
}

/** The lines up to the end of the first message; one file holds several answers, one after the other. */
function heldByLines(lines: readonly Line[]): Held {
  const own = lines.slice(0, lines.findIndex(({ type }) => type === 'message_stop') + 1);
  const at = (index: number | undefined): readonly Line[] =>
    own.filter((line) => line.index === index && line.type === 'content_block_delta');
  const opened = own.flatMap((line) => (line.content_block ? [{ index: line.index, block: line.content_block }] : []));
  const of = (type: string) => opened.filter(({ block }) => block.type === type);
  const inputOf = (index: number | undefined, block: Block): unknown => {
    const json = at(index)
      .map(({ delta }) => delta?.partial_json ?? '')
      .join('');
    return json === '' ? (block.input ?? {}) : JSON.parse(json);
  };
  const last = own.findLast(({ type }) => type === 'message_delta');
  return {
    text: of('text')
      .flatMap(({ index, block }) => [block.text ?? '', ...at(index).map(({ delta }) => delta?.text ?? '')])
      .join(''),
    thinking: of('thinking')
      .flatMap(({ index }) => at(index).map(({ delta }) => delta?.thinking ?? ''))
      .join(''),
    calls: of('tool_use').map(({ index, block }) => ({ name: block.name, input: inputOf(index, block) })),
    urls: own.flatMap(({ delta }) => (delta?.citation?.url ? [delta.citation.url] : [])),
    tokens: Object.assign({}, ...own.flatMap(({ message, usage }) => [message?.usage ?? {}, usage ?? {}])),
    reason: last?.delta?.stop_reason,
    refusal: last?.delta?.stop_details?.explanation,
  };
}

/** One file says `end_turn` beside calls: for the contract calls are calls. */
function finishOf({ reason, calls }: Held): string {
  if (reason === 'tool_use' || (reason === 'end_turn' && calls.length > 0)) return 'tool_calls';
  if (reason === 'refusal') return 'content_filter';
  return reason === 'max_tokens' ? 'length' : 'stop';
}

function compare(name: string, judged: Judged, held: Held): void {
  assert.deepEqual(judged.violations, [], name);
  const [choice] = judged.choices;
  assert.ok(choice);
  const { message, finish_reason: finish } = choice;
  assert.equal(message.content ?? '', held.text, `${name}: text`);
  assert.equal(message.reasoning_content ?? '', held.thinking, `${name}: reasoning`);
  assert.equal(message.refusal ?? undefined, held.refusal, `${name}: refusal`);
  const calls = (message.tool_calls ?? []) as readonly { function: { name: string; arguments: string } }[];
  const called = calls.map((call) => ({ name: call.function.name, input: JSON.parse(call.function.arguments) as unknown }));
  assert.deepEqual(called, held.calls, `${name}: calls`);
  assert.equal(finish, finishOf(held), `${name}: finish_reason`);
  const annotations = judged.response.choices[0]?.annotations ?? [];
  assert.deepEqual(
    annotations.map(({ url }) => url),
    held.urls,
    `${name}: citations`,
  );
  for (const { start, end } of annotations) assert.ok(start < end && end <= held.text.length, `${name}: where citations are`);
  const { input_tokens: input = 0, output_tokens: output, cache_read_input_tokens: read = 0 } = held.tokens;
  const { cache_creation_input_tokens: written = 0, output_tokens_details: details } = held.tokens;
  assert.equal(judged.usage?.prompt_tokens, input + read + written, `${name}: prompt tokens`);
  assert.equal(judged.usage?.completion_tokens, output, `${name}: completion tokens`);
  const reasoning = judged.usage?.completion_tokens_details as { reasoning_tokens: number };
  assert.equal(reasoning.reasoning_tokens, details?.thinking_tokens ?? 0, `${name}: reasoning tokens`);
  const cached = judged.usage?.prompt_tokens_details as { cached_tokens: number };
  assert.equal(cached.cached_tokens, read, `${name}: cached tokens`);
}

const broken = 'spliced-message-start.chunks.txt';
const all = recordingsOf(folder);
const lines = (name: string): Line[] => recordedEvents(folder, name) as Line[];

for (const name of all.filter((one) => one.endsWith('.json'))) {
  test(`anthropic: ${name} says the same to a client`, { skip }, () => {
    const body = JSON.parse(readRecording(folder, name)) as Parameters<typeof heldByBody>[0];
    compare(name, judgeWhole(body, { prepared: prepare(plain), request: plain }), heldByBody(body));
  });
}

for (const name of all.filter((one) => one.endsWith('.chunks.txt') && one !== broken)) {
  test(`anthropic: ${name} says the same to a client, whatever the split`, { skip }, () => {
    const bytes = framed(lines(name), 'event-data');
    compare(name, judgeStream(bytes, { prepare: () => prepare(plain), request: plain }), heldByLines(lines(name)));
  });
}

test('anthropic: an answer that another one breaks into ends in an error, because half of it is out already', { skip }, () => {
  const bytes = framed(lines(broken), 'event-data');
  const error = errorOf(() => judgeStream(bytes, { prepare: () => prepare(plain), request: plain }));
  assert.deepEqual([error.kind, error.code], ['upstream', 'upstream_error']);
});

test('anthropic: of the file that holds several answers in a row the first is the answer', { skip }, () => {
  const name = 'anthropic-programmatic-tool-calling.1.chunks.txt';
  assert.ok(lines(name).filter(({ type }) => type === 'message_start').length > 1);
  assert.equal(heldByLines(lines(name)).calls.length, 1);
});

test('anthropic: the same streams in the frames of Bedrock say the same', { skip }, () => {
  const bedrock = { platform: 'bedrock' };
  for (const name of ['anthropic-text.chunks.txt', 'anthropic-clear-thinking.1.chunks.txt', 'anthropic-tool-no-args.chunks.txt']) {
    const chunks = lines(name).map((line) => ({ chunk: { bytes: Buffer.from(JSON.stringify(line)).toString('base64') } }));
    const streamed = { reader: createAwsEventStreamReader, prepare: () => prepare(plain, bedrock), request: plain };
    compare(name, judgeStream(framed(chunks, 'aws'), streamed), heldByLines(lines(name)));
  }
});

test(
  'anthropic: answers by way of the forced tool arrive as content, whole and streamed; calls of other tools stay calls',
  { skip },
  () => {
    const schema = {
      type: 'object',
      properties: { elements: { type: 'array', items: { type: 'object', properties: { location: { type: 'string' } } } } },
    };
    const tools = [{ type: 'function', function: { name: 'weather', parameters: { type: 'object' } } }];
    const format = { type: 'json_schema', json_schema: { name: 'weather_report', schema } };
    const request = accept({ stream: true, stream_options: { include_usage: true }, tools, response_format: format });
    for (const name of all.filter((one) => /json-(?:other-)?tool/.test(one))) {
      const whole = name.endsWith('.json');
      const body: Parameters<typeof heldByBody>[0] | undefined = whole ? JSON.parse(readRecording(folder, name)) : undefined;
      const held = body ? heldByBody(body) : heldByLines(lines(name));
      const judged = body
        ? judgeWhole(body, { prepared: prepare(request), request })
        : judgeStream(framed(lines(name), 'event-data'), { prepare: () => prepare(request), request });
      assert.deepEqual(judged.violations, [], name);
      const { message, finish_reason: finish } = judged.choices[0] ?? assert.fail(name);
      const [call] = held.calls;
      if (call?.name === 'json') {
        assert.deepEqual(JSON.parse(String(message.content)), call.input, name);
        assert.deepEqual([finish, message.tool_calls], ['stop', undefined], name);
      } else assert.equal(finish, 'tool_calls', name);
    }
  },
);

test('anthropic: what the contract has no place for is kept for the provider', { skip }, () => {
  const kept = (name: string): readonly unknown[] => {
    const { response } = judgeWhole(JSON.parse(readRecording(folder, name)), { prepared: prepare(plain), request: plain });
    return (response.choices[0]?.blocks ?? []).flatMap((block) => (block.type === 'opaque' ? [block.state.data] : []));
  };
  const content = (name: string): readonly Block[] => (JSON.parse(readRecording(folder, name)) as { content: readonly Block[] }).content;
  const shown = new Set(['text', 'thinking', 'tool_use']);
  for (const name of all.filter((one) => one.endsWith('.json'))) {
    const own = kept(name).filter((data) => (data as Block).type !== 'container');
    assert.deepEqual(
      own,
      content(name).filter(({ type }) => !shown.has(type)),
      name,
    );
  }
});

/** The answer as a client sends it back with its next turn, and what the provider then gets of it. */
function replayed(judged: Judged): readonly Block[] {
  const answer = encodeResponse(judged.response, plain) as { choices: { message: { tool_calls?: { id: string }[] } }[] };
  const [choice] = JSON.parse(JSON.stringify(answer)).choices as (typeof answer)['choices'];
  assert.ok(choice);
  const results = (choice.message.tool_calls ?? []).map(({ id }) => ({ role: 'tool', tool_call_id: id, content: 'done' }));
  const next = results.length > 0 ? results : [{ role: 'user', content: 'And now?' }];
  const request = accept({ messages: [{ role: 'user', content: 'Hi' }, choice.message, ...next] });
  const { messages } = JSON.parse(wholeText(prepare(request).call.body)) as { messages: { role: string; content: readonly Block[] }[] };
  return messages.find(({ role }) => role === 'assistant')?.content ?? [];
}

/** What of a block says who called says nothing where the model did; a text of white space would be refused. */
const worthSending = (blocks: readonly Block[]): readonly unknown[] =>
  blocks.flatMap((block) => {
    const { caller, citations, ...rest } = block as Block & { caller?: { type: string } };
    if (block.type === 'text' && (block.text ?? '').trim() === '') return [];
    const own = block.type === 'tool_use' && caller?.type === 'direct' ? {} : { caller };
    return [{ ...rest, ...(caller ? own : {}), ...(citations && citations.length > 0 ? { citations } : {}) }];
  });

for (const name of all.filter((one) => one.endsWith('.json'))) {
  test(`anthropic: ${name} goes back to the provider word for word`, { skip }, () => {
    const body = JSON.parse(readRecording(folder, name)) as { content: readonly Block[]; stop_details?: { explanation?: string } };
    const judged = judgeWhole(body, { prepared: prepare(plain), request: plain });
    const refusal = body.stop_details?.explanation;
    const expected = refusal === undefined ? body.content : [...body.content, { type: 'text', text: refusal }];
    assert.deepEqual(worthSending(replayed(judged)), worthSending(expected));
  });
}

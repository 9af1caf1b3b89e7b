/** Every recorded answer of Converse and ConverseStream, and what a client gets of it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bedrockConverseWire } from '../../src/protocols/bedrock-converse/call.ts';
import { createAwsEventStreamReader } from '../../src/protocols/framing/aws-eventstream.ts';
import type { Prepared, WireTarget } from '../../src/protocols/wire.ts';
import { accept } from '../support/openai-chat.ts';
import {
  WHY_NOT,
  framed,
  haveRecordings,
  judgeStream,
  judgeWhole,
  readRecording,
  recordedEvents,
  recordingsOf,
} from '../support/recorded.ts';
import type { Judged } from '../support/recorded.ts';

const folder = 'amazon-bedrock/main';

const target: WireTarget<object> = {
  provider: 'bedrock',
  upstreamModel: 'anthropic.some-model-v1:0',
  model: 'bedrock/some-model',
  baseUrl: 'https://bedrock.test',
  quirks: {},
  facts: {},
};
const head = { id: 'chatcmpl-recorded', created: 1_760_000_000 };

interface Part {
  readonly text?: string;
  readonly toolUse?: { readonly toolUseId: string; readonly name: string; readonly input: unknown };
  readonly reasoningContent?: { readonly reasoningText?: { readonly text: string; readonly signature?: string } };
}

interface Line {
  readonly contentBlockStart?: { readonly start: { readonly toolUse?: { readonly toolUseId: string; readonly name: string } } };
  readonly contentBlockDelta?: {
    readonly contentBlockIndex: number;
    readonly delta: {
      readonly text?: string;
      readonly toolUse?: { readonly input: string };
      readonly reasoningContent?: { readonly text?: string; readonly signature?: string };
    };
  };
  readonly metadata?: { readonly usage: Tokens };
  readonly messageStop?: { readonly stopReason: string };
}

interface Tokens {
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly totalTokens: number;
}

/** What a recording holds, read out of its own JSON. */
interface Held {
  readonly text: string;
  readonly reasoning: string;
  readonly signature: string;
  readonly calls: { readonly id: string; readonly name: string; readonly input: unknown }[];
  readonly tokens: Tokens | undefined;
  readonly stop: string;
}

function heldWhole(body: { output: { message: { content: Part[] } }; usage?: Tokens; stopReason: string }): Held {
  const { content } = body.output.message;
  return {
    text: content.map(({ text = '' }) => text).join(''),
    reasoning: content.map(({ reasoningContent }) => reasoningContent?.reasoningText?.text ?? '').join(''),
    signature: content.map(({ reasoningContent }) => reasoningContent?.reasoningText?.signature ?? '').join(''),
    calls: content.flatMap(({ toolUse }) => (toolUse ? [{ id: toolUse.toolUseId, name: toolUse.name, input: toolUse.input }] : [])),
    tokens: body.usage,
    stop: body.stopReason,
  };
}

function heldStream(lines: readonly Line[]): Held {
  const deltas = lines.flatMap(({ contentBlockDelta }) => (contentBlockDelta ? [contentBlockDelta] : []));
  const calls: { id: string; name: string; input: unknown }[] = [];
  let json = '';
  for (const line of lines) {
    const use = line.contentBlockStart?.start.toolUse;
    if (use) {
      calls.push({ id: use.toolUseId, name: use.name, input: {} });
      json = '';
    }
    const piece = line.contentBlockDelta?.delta.toolUse?.input;
    if (!piece) continue;
    json += piece;
    const call = calls.at(-1);
    if (call && json.endsWith('}')) call.input = JSON.parse(json);
  }
  return {
    text: deltas.map(({ delta }) => delta.text ?? '').join(''),
    reasoning: deltas.map(({ delta }) => delta.reasoningContent?.text ?? '').join(''),
    signature: deltas.map(({ delta }) => delta.reasoningContent?.signature ?? '').join(''),
    calls,
    tokens: lines.find(({ metadata }) => metadata)?.metadata?.usage,
    stop: lines.find(({ messageStop }) => messageStop)?.messageStop?.stopReason ?? '',
  };
}

const schema = { type: 'object', properties: {} };
const format = { response_format: { type: 'json_schema', json_schema: { name: 'a', schema } } };
const streamed = (usage: boolean) => ({ stream: true, ...(usage ? { stream_options: { include_usage: true } } : {}) });

function check(judged: Judged, held: Held, answerTool: string | undefined): void {
  assert.deepEqual(judged.violations, []);
  const [choice] = judged.choices;
  const message = choice?.message as {
    content: string | null;
    reasoning_content?: string;
    tool_calls?: { id: string; function: { name: string; arguments: string } }[];
  };
  const answers = held.calls.filter(({ name }) => name === answerTool);
  const calls = held.calls.filter(({ name }) => name !== answerTool);
  // a call that is the answer stands in place of what was said around it
  if (answers.length > 0) assert.deepEqual(JSON.parse(message.content ?? ''), answers[0]?.input);
  else assert.equal(message.content ?? '', held.text);
  assert.equal(message.reasoning_content ?? '', held.reasoning);
  assert.deepEqual(
    (message.tool_calls ?? []).map((call) => ({
      id: call.id,
      name: call.function.name,
      input: JSON.parse(call.function.arguments) as unknown,
    })),
    calls,
  );
  assert.equal(choice?.finish_reason, calls.length > 0 ? 'tool_calls' : 'stop');
  const states = judged.response.choices[0]?.blocks.flatMap((block) => ('state' in block && block.state ? [block.state] : []));
  if (held.signature !== '') {
    const data = { reasoningContent: { reasoningText: { text: held.reasoning, signature: held.signature } } };
    assert.deepEqual(states, [{ owner: 'bedrock', data }]);
  }
  if (!held.tokens) return assert.equal(judged.response.usage, undefined, 'nobody counted these tokens');
  assert.equal(judged.usage?.prompt_tokens, held.tokens.inputTokens);
  assert.equal(judged.usage?.completion_tokens, held.tokens.outputTokens);
  assert.equal(judged.usage?.total_tokens, held.tokens.totalTokens);
}

/** Both ways a client may have asked: for free text with tools of its own, and for JSON by way of the tool `json`. */
const WAYS = [
  { name: 'as free text', asks: {}, answerTool: undefined },
  { name: 'as a structured answer', asks: format, answerTool: 'json' },
];

for (const name of recordingsOf(folder)) {
  for (const way of WAYS) {
    test(`bedrock recording ${name} ${way.name}`, { skip: haveRecordings ? false : WHY_NOT }, () => {
      if (name.endsWith('.json')) {
        const request = accept(way.asks);
        const prepare = (): Prepared => bedrockConverseWire.prepare(request, target, head);
        const body = JSON.parse(readRecording(folder, name)) as Parameters<typeof heldWhole>[0];
        return check(judgeWhole(body, { prepared: prepare(), request }), heldWhole(body), way.answerTool);
      }
      const lines = recordedEvents(folder, name) as Line[];
      const held = heldStream(lines);
      const request = accept({ ...way.asks, ...streamed(held.tokens !== undefined) });
      const prepare = (): Prepared => bedrockConverseWire.prepare(request, target, head);
      const judged = judgeStream(framed(lines, 'aws'), { reader: createAwsEventStreamReader, prepare, request });
      check(judged, held, way.answerTool);
    });
  }
}

test('bedrock recordings: five streams end without usage, and none is made up', { skip: haveRecordings ? false : WHY_NOT }, () => {
  const streams = recordingsOf(folder).filter((name) => name.endsWith('.chunks.txt'));
  const without = streams.filter((name) => heldStream(recordedEvents(folder, name) as Line[]).tokens === undefined);
  assert.deepEqual(without, [
    'amazon-bedrock-json-tool.1.chunks.txt',
    'amazon-bedrock-json-tool.2.chunks.txt',
    'amazon-bedrock-json-tool.3.chunks.txt',
    'amazon-bedrock-json-with-tool.1.chunks.txt',
    'amazon-bedrock-json-with-tools.1.chunks.txt',
  ]);
});

test('bedrock recordings: there are some', { skip: haveRecordings ? false : WHY_NOT }, () => {
  assert.ok(recordingsOf(folder).length >= 20);
});

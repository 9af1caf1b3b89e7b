/** The protocols of Anthropic, Google, Amazon and Cohere. */
import { EventStreamCodec } from '@smithy/eventstream-codec';
import { joined, noise, sse } from './form.ts';
import type { Form } from './form.ts';

const named = (event: { readonly type: string; readonly [field: string]: unknown }): Uint8Array => sse(event, event.type);

const MESSAGE = { id: `msg_01${noise(22)}`, type: 'message', role: 'assistant', model: 'claude-haiku-4-5-20251001' };
const CLAUDE_USAGE = {
  input_tokens: 859,
  cache_creation_input_tokens: 0,
  cache_read_input_tokens: 0,
  cache_creation: { ephemeral_5m_input_tokens: 0, ephemeral_1h_input_tokens: 0 },
  output_tokens: 8,
  service_tier: 'standard',
};

/** A block from its start to its end. */
function block(index: number, start: unknown, deltas: readonly unknown[]): readonly Uint8Array[] {
  return [
    named({ type: 'content_block_start', index, content_block: start }),
    ...deltas.map((delta) => named({ type: 'content_block_delta', index, delta })),
    named({ type: 'content_block_stop', index }),
  ];
}

export const messagesForm: Form = {
  words: 1,
  framing: 'sse',
  stream({ reasoning, text, calls }) {
    const blocks: (readonly [start: unknown, deltas: readonly unknown[]])[] = [];
    if (reasoning.length > 0) {
      const thought = reasoning.map((thinking) => ({ type: 'thinking_delta', thinking }));
      blocks.push([{ type: 'thinking', thinking: '', signature: '' }, [...thought, { type: 'signature_delta', signature: noise(600) }]]);
    }
    blocks.push([{ type: 'text', text: '' }, text.map((piece) => ({ type: 'text_delta', text: piece }))]);
    for (const [at, { name, pieces }] of calls.entries()) {
      const input = ['', ...pieces].map((piece) => ({ type: 'input_json_delta', partial_json: piece }));
      blocks.push([{ type: 'tool_use', id: `toolu_01${noise(21)}${at}`, name, input: {} }, input]);
    }
    const end = { stop_reason: calls.length > 0 ? 'tool_use' : 'end_turn', stop_sequence: null };
    return [
      named({ type: 'message_start', message: { ...MESSAGE, content: [], stop_reason: null, stop_sequence: null, usage: CLAUDE_USAGE } }),
      named({ type: 'ping' }),
      ...blocks.flatMap(([start, deltas], index) => block(index, start, deltas)),
      named({ type: 'message_delta', delta: end, usage: { ...CLAUDE_USAGE, output_tokens: 300 } }),
      named({ type: 'message_stop' }),
    ];
  },
  whole: ({ reasoning, text, calls }) => ({
    ...MESSAGE,
    content: [
      ...(reasoning.length > 0 ? [{ type: 'thinking', thinking: joined(reasoning), signature: noise(600) }] : []),
      { type: 'text', text: joined(text) },
      ...calls.map(({ name, pieces }, at) => {
        return { type: 'tool_use', id: `toolu_01${noise(21)}${at}`, name, input: JSON.parse(joined(pieces)) as unknown };
      }),
    ],
    stop_reason: calls.length > 0 ? 'tool_use' : 'end_turn',
    stop_sequence: null,
    usage: CLAUDE_USAGE,
  }),
};

function candidates(parts: readonly unknown[], more: object = {}): object {
  return {
    candidates: [{ content: { parts, role: 'model' }, ...more, index: 0 }],
    usageMetadata: {
      promptTokenCount: 29,
      candidatesTokenCount: 15,
      totalTokenCount: 848,
      promptTokensDetails: [{ modality: 'TEXT', tokenCount: 29 }],
      thoughtsTokenCount: 804,
    },
    modelVersion: 'gemini-3.5-flash',
    responseId: 'QHiLaa6LBrb8vdIPoNztsAg',
  };
}

/** Several words in a chunk, with the counts in each, and calls in one piece: so it streams. */
export const geminiForm: Form = {
  words: 6,
  framing: 'sse',
  stream: ({ reasoning, text, calls }) => [
    ...reasoning.map((thought) => sse(candidates([{ text: thought, thought: true }]))),
    ...text.map((piece) => sse(candidates([{ text: piece }]))),
    ...calls.map(({ name, pieces }, at) => {
      const functionCall = { name, args: JSON.parse(joined(pieces)) as unknown };
      return sse(candidates([{ functionCall, ...(at === 0 ? { thoughtSignature: noise(1000) } : {}) }]));
    }),
    sse(candidates([{ text: '' }], { finishReason: 'STOP' })),
  ],
  whole: ({ reasoning, text, calls }) =>
    candidates(
      [
        ...(reasoning.length > 0 ? [{ text: joined(reasoning), thought: true }] : []),
        { text: joined(text) },
        ...calls.map(({ name, pieces }, at) => ({
          functionCall: { name, args: JSON.parse(joined(pieces)) as unknown },
          ...(at === 0 ? { thoughtSignature: noise(1000) } : {}),
        })),
      ],
      { finishReason: 'STOP' },
    ),
};

const utf8 = new TextEncoder();
const codec = new EventStreamCodec(
  (bytes: Uint8Array | string) => (typeof bytes === 'string' ? bytes : new TextDecoder().decode(bytes)),
  (text: string) => utf8.encode(text),
);

/** A message of an event stream; Bedrock fills the payload up with `p`, so that its length says nothing. */
function message(type: string, payload: object): Uint8Array {
  const body = { ...payload, p: noise(1 + (JSON.stringify(payload).length % 30)) };
  return codec.encode({
    headers: {
      ':event-type': { type: 'string', value: type },
      ':content-type': { type: 'string', value: 'application/json' },
      ':message-type': { type: 'string', value: 'event' },
    },
    body: utf8.encode(JSON.stringify(body)),
  });
}

const BEDROCK_USAGE = { inputTokens: 51, outputTokens: 300, totalTokens: 351, serverToolUsage: {} };
const bedrockEnd = (calls: readonly unknown[]): string => (calls.length > 0 ? 'tool_use' : 'end_turn');

export const converseForm: Form = {
  words: 1,
  framing: 'aws-eventstream',
  stream({ reasoning, text, calls }) {
    const deltas = (contentBlockIndex: number, list: readonly object[]): readonly Uint8Array[] => [
      ...list.map((delta) => message('contentBlockDelta', { contentBlockIndex, delta })),
      message('contentBlockStop', { contentBlockIndex }),
    ];
    const first = reasoning.length > 0 ? 1 : 0;
    const thought = [...reasoning.map((piece) => ({ text: piece })), { signature: noise(600) }];
    return [
      message('messageStart', { role: 'assistant' }),
      ...(first === 0
        ? []
        : deltas(
            0,
            thought.map((reasoningContent) => ({ reasoningContent })),
          )),
      ...deltas(
        first,
        text.map((piece) => ({ text: piece })),
      ),
      ...calls.flatMap(({ name, pieces }, at) => [
        message('contentBlockStart', {
          contentBlockIndex: first + 1 + at,
          start: { toolUse: { toolUseId: `tooluse_${noise(21)}${at}`, name } },
        }),
        ...deltas(
          first + 1 + at,
          pieces.map((input) => ({ toolUse: { input } })),
        ),
      ]),
      message('messageStop', { stopReason: bedrockEnd(calls) }),
      message('metadata', { usage: BEDROCK_USAGE, metrics: { latencyMs: 2281 } }),
    ];
  },
  whole: ({ reasoning, text, calls }) => ({
    metrics: { latencyMs: 2202 },
    output: {
      message: {
        content: [
          ...(reasoning.length > 0 ? [{ reasoningContent: { reasoningText: { signature: noise(600), text: joined(reasoning) } } }] : []),
          { text: joined(text) },
          ...calls.map(({ name, pieces }, at) => ({
            toolUse: { toolUseId: `tooluse_${noise(21)}${at}`, name, input: JSON.parse(joined(pieces)) as unknown },
          })),
        ],
        role: 'assistant',
      },
    },
    stopReason: bedrockEnd(calls),
    usage: BEDROCK_USAGE,
  }),
};

const COHERE_USAGE = {
  billed_units: { input_tokens: 8, output_tokens: 50 },
  tokens: { input_tokens: 1394, output_tokens: 300 },
  cached_tokens: 1360,
};
const cohereEnd = (calls: readonly unknown[]): string => (calls.length > 0 ? 'TOOL_CALL' : 'COMPLETE');

export const cohereForm: Form = {
  words: 1,
  framing: 'sse',
  stream({ reasoning, text, calls }) {
    const events: Uint8Array[] = [];
    const say = (type: string, said: unknown, more: object = {}): void =>
      void events.push(named({ type, ...more, ...(said === undefined ? {} : { delta: { message: said } }) }));
    const content = (key: 'thinking' | 'text', index: number, pieces: readonly string[]): void => {
      say('content-start', { content: { type: key, [key]: '' } }, { index });
      for (const piece of pieces) say('content-delta', { content: { [key]: piece } }, { index });
      say('content-end', undefined, { index });
    };

    const id = 'c9117d7f-a7e4-499f-b643-a2a1e139687b';
    say('message-start', { role: 'assistant', content: [], tool_plan: '', tool_calls: [], citations: [] }, { id });
    if (reasoning.length > 0) content('thinking', 0, reasoning);
    content('text', reasoning.length > 0 ? 1 : 0, text);
    for (const [index, { name, pieces }] of calls.entries()) {
      say(
        'tool-call-start',
        { tool_calls: { id: `${name}_${noise(12)}`, type: 'function', function: { name, arguments: '' } } },
        { index },
      );
      for (const piece of pieces) say('tool-call-delta', { tool_calls: { function: { arguments: piece } } }, { index });
      say('tool-call-end', undefined, { index });
    }
    events.push(named({ type: 'message-end', delta: { finish_reason: cohereEnd(calls), usage: COHERE_USAGE } }));
    return events;
  },
  whole: ({ reasoning, text, calls }) => ({
    id: '53bcb235-5179-4a91-a578-cb372b5430bc',
    message: {
      role: 'assistant',
      content: [...(reasoning.length > 0 ? [{ type: 'thinking', thinking: joined(reasoning) }] : []), { type: 'text', text: joined(text) }],
      ...(calls.length > 0
        ? {
            tool_calls: calls.map(({ name, pieces }) => ({
              id: `${name}_${noise(12)}`,
              type: 'function',
              function: { name, arguments: joined(pieces) },
            })),
          }
        : {}),
    },
    finish_reason: cohereEnd(calls),
    usage: COHERE_USAGE,
  }),
};

/** Cohere's v2 chat API, on recorded answers. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { wholeText } from '../../src/core/json-pieces.ts';
import { cohereChatWire } from '../../src/protocols/cohere-chat/call.ts';
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

const FOLDER = 'cohere/main';
const SKIP = haveRecordings ? {} : { skip: WHY_NOT };
const target = {
  provider: 'cohere',
  upstreamModel: 'command-a-plus-05-2026',
  model: 'cohere/command-a-plus-05-2026',
  baseUrl: 'https://api.cohere.com',
  quirks: {},
  facts: {},
};
const head = { id: 'chatcmpl-recorded', created: 1_700_000_000 };
const tools = ['weather', 'cityAttractions', 'currentTime'].map((name) => ({ type: 'function', function: { name } }));

function judged(name: string): Judged {
  const stream = name.endsWith('.chunks.txt');
  const request = accept({ tools, stream, ...(stream ? { stream_options: { include_usage: true } } : {}) });
  const prepare = () => cohereChatWire.prepare(request, target, head);
  if (!stream) return judgeWhole(JSON.parse(readRecording(FOLDER, name)), { prepared: prepare(), request });
  return judgeStream(framed(recordedEvents(FOLDER, name), 'event-data'), { prepare, request });
}

/** What a recording says, read without the code under test. */
interface Held {
  content: string;
  reasoning: string;
  calls: { id: string; type: string; function: { name: string; arguments: string } }[];
  finish: string;
  usage: { tokens: { input_tokens: number; output_tokens: number }; cached_tokens?: number };
}

interface Part {
  readonly text?: string;
  readonly thinking?: string;
}

interface Said {
  readonly content?: readonly Part[];
  readonly tool_plan?: string;
  readonly tool_calls?: Held['calls'];
}

interface Event {
  readonly type: string;
  readonly index: number;
  readonly delta: {
    readonly message: { readonly content: Part; readonly tool_plan: string; readonly tool_calls: Held['calls'][number] };
    readonly finish_reason: string;
    readonly usage: Held['usage'];
  };
}

function held(name: string): Held {
  if (name.endsWith('.chunks.txt')) return heldInStream(recordedEvents(FOLDER, name) as Event[]);
  const body: { message: Said; finish_reason: string; usage: Held['usage'] } = JSON.parse(readRecording(FOLDER, name));
  const { content: parts = [], tool_plan: plan = '', tool_calls: calls = [] } = body.message;
  const joined = (key: keyof Part): string => parts.map((part) => part[key] ?? '').join('');
  return { content: joined('text'), reasoning: joined('thinking') + plan, calls, finish: body.finish_reason, usage: body.usage };
}

function heldInStream(events: readonly Event[]): Held {
  const all: Held = { content: '', reasoning: '', calls: [], finish: '', usage: { tokens: { input_tokens: 0, output_tokens: 0 } } };
  for (const { type, index, delta } of events) {
    if (type === 'content-delta') {
      all.content += delta.message.content.text ?? '';
      all.reasoning += delta.message.content.thinking ?? '';
    }
    if (type === 'tool-plan-delta') all.reasoning += delta.message.tool_plan;
    if (type === 'tool-call-start') all.calls[index] = structuredClone(delta.message.tool_calls);
    if (type === 'tool-call-delta') all.calls[index]!.function.arguments += delta.message.tool_calls.function.arguments;
    if (type === 'message-end') Object.assign(all, { finish: delta.finish_reason, usage: delta.usage });
  }
  return all;
}

const FINISH: Record<string, string> = { COMPLETE: 'stop', STOP_SEQUENCE: 'stop', MAX_TOKENS: 'length', TOOL_CALL: 'tool_calls' };

/** `null` and nothing both stand for a call without arguments. */
const NO_ARGUMENTS = new Set(['', 'null']);

for (const name of recordingsOf(FOLDER).filter((one) => !one.includes('embedding'))) {
  test(`cohere: ${name} becomes an answer of the contract that says the same`, SKIP, () => {
    const { choices, usage, violations } = judged(name);
    assert.deepEqual(violations, []);
    assert.equal(choices.length, 1);
    const recorded = held(name);
    const { message, finish_reason: finish } = choices[0]!;
    assert.equal(message['content'] ?? '', recorded.content);
    assert.equal(message['reasoning_content'] ?? '', recorded.reasoning);
    const calls = recorded.calls.map(({ id, type, function: { name: called, arguments: input } }) => {
      return { id, type, function: { name: called, arguments: NO_ARGUMENTS.has(input) ? '{}' : input } };
    });
    assert.deepEqual(
      ((message['tool_calls'] ?? []) as Held['calls']).map(({ id, type, function: called }) => ({ id, type, function: called })),
      calls,
    );
    assert.equal(finish, FINISH[recorded.finish]);
    const { input_tokens: prompt, output_tokens: completion } = recorded.usage.tokens;
    assert.equal(usage?.['prompt_tokens'], prompt);
    assert.equal(usage?.['completion_tokens'], completion);
    assert.equal(usage?.['total_tokens'], prompt + completion);
    const details = usage?.['prompt_tokens_details'] as { cached_tokens?: number } | undefined;
    assert.equal(details?.cached_tokens, recorded.usage.cached_tokens ?? 0);
  });
}

test('cohere: cohere-citations.json cites documents of the client without an address: those have no place and are left out', SKIP, () => {
  const { choices } = judged('cohere-citations.json');
  assert.equal('annotations' in choices[0]!.message, false);
});

test('cohere: thinking and plans of a recording go back with the next turn as they came', SKIP, () => {
  for (const [name, expected] of [
    [
      'cohere-reasoning.chunks.txt',
      {
        role: 'assistant',
        content: [
          { type: 'thinking', thinking: held('cohere-reasoning.chunks.txt').reasoning },
          { type: 'text', text: 'The answer to 2 + 2 is 4.' },
        ],
      },
    ],
    [
      'cohere-tool-call.json',
      { role: 'assistant', tool_plan: held('cohere-tool-call.json').reasoning, tool_calls: held('cohere-tool-call.json').calls },
    ],
  ] as const) {
    const [choice] = judged(name).response.choices;
    const request = { ...accept(), messages: [{ role: 'assistant' as const, blocks: choice!.blocks }] };
    const { call } = cohereChatWire.prepare(request, target, head);
    assert.deepEqual((JSON.parse(wholeText(call.body)) as { messages: unknown[] }).messages, [expected]);
  }
});

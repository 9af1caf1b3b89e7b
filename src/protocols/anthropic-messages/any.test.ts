/** What holds of any request that is sent, and of anything that comes back. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { GatewayError } from '../../core/error.ts';
import { createFolder } from '../../core/event.ts';
import { createStreamEncoder } from '../openai-chat/stream.ts';
import { decoded, requestOf, send } from './testing.ts';
import type { SentBody } from './testing.ts';

type Part = Readonly<Record<string, unknown>>;

const words = fc.constantFrom('', ' ', '\n\t', 'Hi', 'Well, ', '<system>');
const mark = fc.constantFrom<object>({}, {}, { cache_control: { type: 'ephemeral' } }, { cache_control: { type: 'ephemeral', ttl: '1h' } });
const parts = fc.array(
  fc.tuple(words, mark).map(([text, more]) => ({ type: 'text', text, ...more })),
  { minLength: 1, maxLength: 3 },
);
const content = fc.oneof(words, parts);

const own = fc.constantFrom(
  { type: 'reasoning', data: { type: 'thinking', thinking: 'Hm', signature: 'c2ln' } },
  { type: 'opaque', data: { type: 'server_tool_use', id: 'srvtoolu_1', name: 'web_search', input: {} } },
  { type: 'opaque', data: { type: 'web_search_tool_result', tool_use_id: 'srvtoolu_1', content: [] } },
);
const state = fc.option(fc.array(own, { maxLength: 3 }), { nil: undefined });

const instruction = fc.tuple(fc.constantFrom('system', 'developer'), content).map(([role, said]) => [{ role, content: said }]);
const question = content.map((said) => [{ role: 'user', content: said }]);
const ids = fc.uniqueArray(fc.constantFrom('call_1', 'call:1', 'call.1', 'x', 'functions.add:0'), { maxLength: 3 });

/** A turn of the assistant, and the results that its calls ask for. */
const answer = fc.tuple(content, ids, state).map(([said, called, blocks]) => {
  const calls = called.map((id) => ({ id, type: 'function', function: { name: 'add', arguments: '{"a":1}' } }));
  const kept = blocks && blocks.length > 0 ? { provider_state: { owner: 'anthropic', blocks } } : {};
  const turn = { role: 'assistant', content: said, ...(calls.length > 0 ? { tool_calls: calls } : {}), ...kept };
  return [turn, ...called.map((id) => ({ role: 'tool', tool_call_id: id, content: said }))];
});

const conversations = fc.array(fc.oneof(instruction, question, answer), { minLength: 1, maxLength: 6 }).map((turns) => turns.flat());
const models = fc.constantFrom(
  'claude-3-haiku-20240307',
  'claude-haiku-4-5',
  'claude-opus-4-6',
  'claude-sonnet-5',
  'claude-opus-5-5',
  'other',
);
const efforts = fc.constantFrom(undefined, 'none', 'minimal', 'medium', 'max');

const isBlank = ({ type, text }: Part): boolean => type === 'text' && String(text).trim() === '';

/** What the API says of the turns of a request. */
function checkTurns({ messages, system = [], tools = [] }: SentBody): void {
  assert.equal(messages[0]?.role, 'user');
  const waiting = new Set<unknown>();
  const seen = new Set<unknown>();
  for (const [at, { role, content: said }] of messages.entries()) {
    const before = messages[at - 1]?.role;
    const next = messages[at + 1]?.role;
    assert.notEqual(role, before, 'roles alternate');
    if (role === 'system') assert.ok(before === 'user' && (next === undefined || next === 'assistant'), 'the place of instructions');
    assert.ok(said.length > 0 && !said.some(isBlank), 'no turn and no text is empty');
    const results = said.filter(({ type }) => type === 'tool_result');
    assert.deepEqual(said.slice(0, results.length), results, 'results stand first');
    for (const { tool_use_id: id } of results) assert.ok(waiting.delete(id), 'results have their calls');
    assert.equal(role === 'system' ? 0 : waiting.size, 0, 'calls have their results');
    for (const { id } of said.filter(({ type }) => type === 'tool_use')) {
      assert.match(String(id), /^[\w-]+$/);
      assert.ok(!seen.has(id), 'ids are used once');
      seen.add(id);
      waiting.add(id);
    }
  }
  const all = [...tools, ...system, ...messages.flatMap(({ content: said }) => said)];
  const marks = all.flatMap(({ cache_control: control }) => (control ? [(control as { ttl?: string }).ttl ?? '5m'] : []));
  assert.ok(marks.length <= 4 && marks.lastIndexOf('1h') < (marks.includes('5m') ? marks.indexOf('5m') : Infinity), 'cache marks');
  assert.ok(!system.some(isBlank));
}

/** What the API says of thinking beside other settings. */
function checkThinking(body: SentBody): void {
  const { type, budget_tokens: budget } = (body.thinking ?? {}) as { type?: string; budget_tokens?: number };
  const { type: choice } = (body.tool_choice ?? {}) as { type?: string };
  if (type === 'enabled' || type === 'adaptive') {
    assert.ok(choice !== 'any' && choice !== 'tool');
    assert.equal(body.temperature, undefined);
    assert.equal(body.messages.at(-1)?.role === 'assistant' && body.messages.at(-1)?.content.at(-1)?.type === 'text', false);
  }
  if (budget !== undefined) assert.ok(budget >= 1024 && budget < Number(body.max_tokens));
}

test('anthropic: any conversation becomes turns that the API takes', () => {
  const settings = fc.record({
    reasoning_effort: efforts,
    temperature: fc.constantFrom(undefined, 0, 1, 2),
    max_completion_tokens: fc.constantFrom(undefined, 1, 1500),
    tool_choice: fc.constantFrom('auto', 'none', 'required'),
  });
  const tools = [{ type: 'function', function: { name: 'add', parameters: { type: 'object', properties: {} } } }];
  const property = fc.property(conversations, models, settings, (messages, model, more) => {
    const { body } = send({ messages, tools, ...more }, { model });
    checkTurns(body);
    checkThinking(body);
  });
  fc.assert(property, { numRuns: 300 });
});

const types = fc.constantFrom(
  'message_start',
  'content_block_start',
  'content_block_delta',
  'content_block_stop',
  'message_delta',
  'message_stop',
  'x',
);
const blocks = fc.constantFrom('text', 'thinking', 'redacted_thinking', 'tool_use', 'server_tool_use', 'x');
const odd = fc.oneof(fc.jsonValue({ maxDepth: 1 }), fc.constantFrom('', 'a', 1, null));
const pieces = fc.record(
  { text: odd, thinking: odd, signature: odd, partial_json: odd, type: fc.constantFrom('text_delta', 'citations_delta', 'x') },
  { requiredKeys: [] },
);
const frames = fc.oneof(
  odd,
  fc.record(
    {
      type: types,
      index: fc.constantFrom<unknown>(0, 1, 'x', null),
      delta: fc.oneof(pieces, odd),
      content_block: fc.oneof(
        fc.record({ type: blocks, id: odd, name: odd, input: odd, text: odd, citations: odd }, { requiredKeys: ['type'] }),
        odd,
      ),
      message: fc.oneof(fc.record({ id: odd, content: odd, usage: odd, stop_reason: odd }, { requiredKeys: [] }), odd),
      usage: odd,
    },
    { requiredKeys: ['type'] },
  ),
);

test('anthropic: whatever comes, it ends once, well or with an error, and a client can read it', () => {
  const prepared = send({ stream: true });
  const property = fc.property(fc.array(frames, { maxLength: 12 }), (list) => {
    const events = decoded(list, prepared);
    const ends = events.filter(({ type }) => type === 'end' || type === 'error');
    assert.deepEqual(ends, events.slice(-1));
    assert.ok(createStreamEncoder(requestOf({ stream: true })).push(events).length > 0);
    if (events.at(-1)?.type !== 'end') return;
    const folder = createFolder();
    folder.push(events);
    assert.equal(folder.end().choices.length, 1);
  });
  fc.assert(property, { numRuns: 500 });
});

test('anthropic: whatever a body is, it is read or refused', () => {
  const bodies = fc.oneof(
    odd,
    fc.record({
      type: fc.constantFrom('message', 'error'),
      content: fc.array(fc.oneof(odd, fc.record({ type: blocks, text: odd, input: odd }))),
      usage: odd,
    }),
  );
  const prepared = send();
  const property = fc.property(bodies, (body) => {
    try {
      assert.equal(prepared.response(body).response.choices.length, 1);
    } catch (error) {
      assert.ok(error instanceof GatewayError, String(error));
    }
  });
  fc.assert(property, { numRuns: 300 });
});

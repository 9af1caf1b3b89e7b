import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PLAIN, send, user } from './testing.ts';
import type { Asked } from './testing.ts';

const effort = (reasoning_effort: string, model: string, more: Readonly<Record<string, unknown>> = {}) => {
  const { body, ignored, call } = send({ reasoning_effort, ...more }, { model });
  const { effort: level } = (body.output_config ?? {}) as { effort?: string };
  return { thinking: body.thinking, effort: level, ignored, beta: call.headers['anthropic-beta'], body };
};
const tools = [{ type: 'function', function: { name: 'add', parameters: { type: 'object', properties: {} } } }];
const shown = { type: 'adaptive', display: 'summarized' };

test('anthropic: the limit that the API demands is the client’s, else the model’s', () => {
  const limit = (more: Readonly<Record<string, unknown>>, asked: Asked) => send(more, asked).body.max_tokens;
  assert.equal(limit({ max_tokens: 7 }, {}), 7);
  assert.equal(limit({}, { facts: { maxOutputTokens: 555 } }), 555);
  const known = {
    'claude-3-haiku-20240307': 4096,
    'claude-3-5-sonnet-20241022': 8192,
    'claude-3-7-sonnet-latest': 64_000,
    'claude-sonnet-4@20250514': 64_000,
    'us.anthropic.claude-opus-4-1-20250805-v1:0': 32_000,
    'claude-opus-4-20250514': 32_000,
    'claude-haiku-4-5-20251001': 64_000,
    'anthropic/claude-sonnet-4.6': 128_000,
    'global.anthropic.claude-opus-5-5': 128_000,
    'claude-of-tomorrow': 128_000,
    'some-other-model': 8192,
  };
  for (const [model, most] of Object.entries(known)) assert.equal(limit({}, { model }), most, model);
  assert.equal(limit({}, { model: 'x', quirks: { models: { maxOutput: 99 } } }), 99);
});

test('anthropic: older models think by budgets, which leave room for the answer', () => {
  const thinks = (budget_tokens: number) => ({ type: 'enabled', budget_tokens });
  assert.deepEqual(effort('minimal', PLAIN).thinking, thinks(1024));
  assert.deepEqual(effort('low', PLAIN).thinking, thinks(4096));
  assert.deepEqual(effort('max', PLAIN).thinking, thinks(51_200));
  assert.deepEqual(effort('high', PLAIN, { max_completion_tokens: 2000 }).thinking, thinks(1600));
  assert.deepEqual(effort('none', PLAIN), { ...effort('none', PLAIN), thinking: undefined, ignored: [] });
  const tight = effort('high', PLAIN, { max_completion_tokens: 1100 });
  assert.deepEqual([tight.thinking, tight.ignored], [undefined, ['reasoning_effort']]);
  assert.deepEqual(effort('low', 'claude-3-5-haiku-20241022').ignored, ['reasoning_effort']);
  assert.equal(send({}, { model: PLAIN }).body.thinking, undefined);
});

test('anthropic: thinking between calls is a beta of the models before adaptive thinking', () => {
  assert.equal(effort('low', PLAIN, { tools }).beta, 'interleaved-thinking-2025-05-14');
  assert.equal(effort('low', PLAIN).beta, undefined);
  assert.equal(effort('low', 'claude-opus-4-6', { tools }).beta, undefined);
});

test('anthropic: newer models think by effort, of the levels that they know', () => {
  const said = (level: string, model: string) => {
    const { thinking, effort: sent, ignored } = effort(level, model);
    return [thinking, sent, ignored];
  };
  assert.deepEqual(said('high', 'claude-sonnet-4-6'), [{ type: 'adaptive' }, 'high', []]);
  assert.deepEqual(said('xhigh', 'claude-opus-4-6'), [{ type: 'adaptive' }, 'max', []]);
  assert.deepEqual(said('xhigh', 'claude-opus-4-7'), [shown, 'xhigh', []]);
  assert.deepEqual(said('minimal', 'claude-opus-5-5'), [shown, 'low', []]);
  assert.deepEqual(said('high', 'claude-opus-4-5'), [{ type: 'enabled', budget_tokens: 24_576 }, 'high', []]);
  assert.deepEqual(said('max', 'claude-opus-4-5').slice(1), ['high', []]);
});

test('anthropic: thinking that is on by itself is shown, and turned off as each model wants it', () => {
  const off = (model: string) => {
    const { thinking, effort: sent, ignored } = effort('none', model);
    return [thinking, sent, ignored];
  };
  assert.deepEqual(send({}, { model: 'claude-sonnet-5' }).body.thinking, shown);
  assert.equal(send({}, { model: 'claude-opus-4-8' }).body.thinking, undefined);
  assert.deepEqual(off('claude-opus-4-8'), [undefined, undefined, []]);
  assert.deepEqual(off('claude-sonnet-5'), [{ type: 'disabled' }, undefined, []]);
  assert.deepEqual(off('claude-haiku-5-5'), [{ type: 'disabled' }, undefined, []]);
  assert.deepEqual(off('claude-sonnet-5-5'), [{ type: 'between_tools' }, undefined, []]);
  assert.deepEqual(off('claude-opus-5-5'), [shown, 'low', ['reasoning_effort']]);
  assert.deepEqual(off('claude-fable-5'), [shown, 'low', ['reasoning_effort']]);
});

test('anthropic: a forced call turns thinking off; the effort stays where there is one', () => {
  const forced = { tools, tool_choice: 'required' };
  const older = effort('high', PLAIN, forced);
  assert.deepEqual([older.thinking, older.ignored], [undefined, ['reasoning_effort']]);
  const middle = effort('high', 'claude-opus-4-6', forced);
  assert.deepEqual([middle.thinking, middle.effort, middle.ignored], [undefined, 'high', []]);
  const newer = effort('max', 'claude-opus-5', forced);
  assert.deepEqual([newer.thinking, newer.effort], [{ type: 'disabled' }, 'high']);
  assert.equal(effort('low', 'claude-fable-5', forced).thinking, undefined);
});

test('anthropic: with a budget, results that are due to a turn without its thinking end the thinking', () => {
  const call = { id: 'a', type: 'function', function: { name: 'add', arguments: '{}' } };
  const messages = [
    user('Hi'),
    { role: 'assistant', content: null, tool_calls: [call] },
    { role: 'tool', tool_call_id: 'a', content: '1' },
  ];
  const lost = effort('low', PLAIN, { messages, tools });
  assert.deepEqual([lost.thinking, lost.ignored], [undefined, ['reasoning_effort']]);
  assert.deepEqual(effort('low', 'claude-opus-4-6', { messages, tools }).thinking, { type: 'adaptive' });
});

test('anthropic: temperatures go to 1; what is above is sent as the greatest, and reported', () => {
  const sampled = (more: Readonly<Record<string, unknown>>, model = PLAIN) => {
    const { body, ignored } = send(more, { model });
    return [body.temperature, body.top_p, ignored];
  };
  assert.deepEqual(sampled({ temperature: 0.2 }), [0.2, undefined, []]);
  assert.deepEqual(sampled({ temperature: 1, top_p: 1 }), [undefined, undefined, []]);
  assert.deepEqual(sampled({ temperature: 1.5 }), [undefined, undefined, ['temperature']]);
  assert.deepEqual(sampled({ temperature: 0.2, top_p: 0.5 }), [0.2, undefined, ['top_p']]);
  assert.deepEqual(sampled({ temperature: 0.2, top_p: 0.5 }, 'claude-3-haiku-20240307'), [0.2, 0.5, []]);
  assert.deepEqual(sampled({ top_p: 0.5 }), [undefined, 0.5, []]);
  assert.deepEqual(sampled({ temperature: 0.2, top_p: 0.5 }, 'claude-opus-4-7'), [undefined, undefined, ['temperature', 'top_p']]);
  const thinking = { reasoning_effort: 'low', temperature: 0.2 };
  assert.deepEqual(sampled({ ...thinking, top_p: 0.97 }), [undefined, 0.97, ['temperature']]);
});

test('anthropic: what has no place in the API is reported; what asks for nothing is not', () => {
  const asks = {
    seed: 1,
    frequency_penalty: 1,
    presence_penalty: -1,
    logit_bias: { 5: 1 },
    logprobs: true,
    top_logprobs: 2,
    verbosity: 'low',
  };
  const expected = ['frequency_penalty', 'presence_penalty', 'logit_bias', 'seed', 'logprobs', 'top_logprobs', 'verbosity'];
  assert.deepEqual(send(asks).ignored, expected);
  const nothing = { frequency_penalty: 0, presence_penalty: 0, logprobs: false, verbosity: 'medium', n: 1, logit_bias: {} };
  assert.deepEqual(send(nothing).ignored, []);
  assert.deepEqual(send({ store: true, prompt_cache_key: 'k', of_tomorrow: 1 }).ignored.toSorted(), [
    'of_tomorrow',
    'prompt_cache_key',
    'store',
  ]);
});

test('anthropic: stop strings of white space, which the API refuses, are ours', () => {
  const { body, reshape } = send({ stop: ['END', '\n\n'] });
  assert.deepEqual([body.stop_sequences, reshape.length], [['END'], 1]);
  assert.equal(send({ stop: 'END' }).reshape.length, 0);
});

test('anthropic: the end user’s id, the newer field first', () => {
  assert.deepEqual(send({ user: 'u1' }).body.metadata, { user_id: 'u1' });
  const both = send({ user: 'u1', safety_identifier: 's1' });
  assert.deepEqual([both.body.metadata, both.ignored], [{ user_id: 's1' }, ['user']]);
  const bedrock = send({ user: 'u1' }, { quirks: { platform: 'bedrock' } });
  assert.deepEqual([bedrock.body.metadata, bedrock.ignored], [undefined, ['user']]);
});

test('anthropic: classes of service', () => {
  const tier = (service_tier: string, quirks = {}) => {
    const { body, ignored } = send({ service_tier }, { quirks });
    return [body.service_tier, ignored];
  };
  assert.deepEqual(tier('auto'), ['auto', []]);
  assert.deepEqual(tier('default'), ['standard_only', []]);
  assert.deepEqual(tier('priority'), ['auto', []]);
  assert.deepEqual(tier('flex'), [undefined, ['service_tier']]);
  assert.deepEqual(tier('priority', { platform: 'vertex' }), [undefined, ['service_tier']]);
  assert.deepEqual(tier('default', { platform: 'vertex' }), [undefined, []]);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Block, ChatRequest, Choice, Usage } from '../../core/chat.ts';
import { GatewayError } from '../../core/error.ts';
import { fold } from '../../core/event.ts';
import type { Batch, ChatEvent } from '../../core/event.ts';
import { unfold } from '../../core/unfold.ts';
import { answerFromTool } from '../../protocols/reshape/answer-tool.ts';
import { stopAt } from '../../protocols/reshape/stop-at.ts';
import type { Prepared } from '../../protocols/wire.ts';
import { accept } from '../../../test/support/openai-chat.ts';
import { readTurns } from './pauses.ts';
import { fromFirstOutput, reshaper } from './read-answer.ts';

const usage: Usage = { promptTokens: 10, completionTokens: 3, cachedTokens: 4, reasoningTokens: 1, providerTools: { web_search: 1 } };
const text = (words: string): Block => ({ type: 'text', text: words });
const run = (id: string): Block => ({ type: 'opaque', state: { owner: 'p', data: { id } } });

interface Turn extends Partial<Choice> {
  readonly blocks: readonly Block[];
  readonly used?: Usage | undefined;
}

const eventsOf = ({ used, blocks, reason = 'pause', ...rest }: Turn): ChatEvent[] =>
  unfold({ id: 'x', created: 1, model: 'm', choices: [{ blocks, reason, ...rest }], usage: used });

const broken = new GatewayError('upstream', 'it broke');

interface World {
  readonly batches: AsyncGenerator<Batch>;
  readonly asked: ChatRequest[];
}

/** A provider that gives these turns, an event at a time; after the last of them it fails. */
function world(turns: readonly (Turn | readonly ChatEvent[])[], request = accept(), reshape: Prepared['reshape'] = []): World {
  const asked = [request];
  const prepare = (next: ChatRequest): Prepared => {
    if (next !== request) asked.push(next);
    return {
      call: { url: '', headers: {}, body: '' },
      framing: 'sse',
      ignored: [],
      reshape,
      response: () => assert.fail('not read here'),
      decoder: () => assert.fail('not read here'),
    };
  };
  async function* play(events: readonly ChatEvent[], prepared: Prepared): AsyncGenerator<Batch> {
    const step = reshaper(prepared);
    for (const event of events) yield { events: step([event]) };
  }
  const batches = readTurns(request, prepare(request), {
    prepare,
    async read(prepared) {
      const turn = turns[asked.length - 1];
      if (!turn) throw broken;
      return play('blocks' in turn ? eventsOf(turn) : turn, prepared);
    },
  });
  return { batches, asked };
}

async function eventsFrom(batches: AsyncIterable<Batch>): Promise<ChatEvent[]> {
  const events: ChatEvent[] = [];
  for await (const batch of batches) events.push(...batch.events);
  return events;
}

const source = (start: number, end: number) => ({ type: 'url_citation' as const, url: 'https://a.test', title: 'A', start, end });
const scored = (token: string) => ({ token, logprob: -1, bytes: null, top: [] });

test('pauses: the parts of a turn are one answer, numbered on, with all citations, tokens and usage', async () => {
  const { batches } = world([
    { blocks: [text('One. '), run('a')], annotations: [source(0, 4)], logprobs: [scored('One. ')], used: usage },
    { blocks: [run('b'), text('Two. ')], annotations: [source(1, 4)], logprobs: [scored('Two. ')], used: usage },
    { blocks: [text('Three.')], annotations: [source(0, 6)], logprobs: [scored('Three.')], reason: 'stop', used: usage },
  ]);
  const events = await eventsFrom(batches);
  const counts = (['start', 'finish', 'usage', 'end'] as const).map((type) => events.filter((event) => event.type === type).length);
  assert.deepEqual(counts, [1, 1, 1, 1]);
  const opened = events.flatMap((event) => (event.type === 'block_start' ? [event.block] : []));
  assert.deepEqual(opened, [0, 1, 2, 3, 4]);
  const { choices, usage: total } = await fold(only(events));
  assert.deepEqual(choices[0], {
    blocks: [text('One. '), run('a'), run('b'), text('Two. '), text('Three.')],
    reason: 'stop',
    annotations: [source(0, 4), source(6, 9), source(10, 16)],
    logprobs: [scored('One. '), scored('Two. '), scored('Three.')],
  });
  assert.deepEqual(total, {
    promptTokens: 30,
    completionTokens: 9,
    calls: 3,
    cachedTokens: 12,
    reasoningTokens: 3,
    providerTools: { web_search: 3 },
  });
});

async function* only(events: readonly ChatEvent[]): AsyncGenerator<Batch> {
  yield { events };
}

test('pauses: each request is the first one with the whole turn so far at its end, and the limit is that of all', async () => {
  const request = accept({ max_tokens: 100, web_search_options: {} });
  const { batches, asked } = world(
    [
      { blocks: [text('a'), run('1')], used: usage },
      { blocks: [run('2')], used: usage },
      { blocks: [text('b')], reason: 'stop', used: usage },
    ],
    request,
  );
  await fold(batches);
  assert.deepEqual(
    asked.map(({ messages }) => messages.slice(1)),
    [[], [{ role: 'assistant', blocks: [text('a'), run('1')] }], [{ role: 'assistant', blocks: [text('a'), run('1'), run('2')] }]],
  );
  assert.deepEqual(
    asked.map(({ maxTokens }) => maxTokens),
    [100, 97, 94],
  );
  assert.ok(asked.every(({ raw, tools, extras }) => raw === request.raw && tools === request.tools && extras === request.extras));
});

test('pauses: an answer that is not paused is asked for once and stays as it is', async () => {
  const turn: Turn = { blocks: [text('a')], reason: 'length', used: usage };
  const { batches, asked } = world([turn]);
  assert.deepEqual(await eventsFrom(batches), eventsOf(turn));
  assert.equal(asked.length, 1);
});

test('pauses: after eight continuations the answer ends as it is, its state with it', async () => {
  const { batches, asked } = world(Array.from({ length: 20 }, (_, index) => ({ blocks: [run(`${index}`)], used: usage })));
  const { choices, usage: total } = await fold(batches);
  assert.equal(asked.length, 9);
  assert.deepEqual(choices, [{ blocks: Array.from({ length: 9 }, (_, index) => run(`${index}`)), reason: 'stop' }]);
  assert.equal(total?.completionTokens, 27);
});

test('pauses: where the limit is used up the answer is cut off, where calls wait for the client they come first', async () => {
  const cut = world([{ blocks: [run('1')], used: usage }], accept({ max_tokens: 3 }));
  assert.equal((await fold(cut.batches)).choices[0]?.reason, 'length');
  const call: Block = { type: 'tool_call', id: 'c', kind: 'function', name: 'f', input: '{}' };
  const calling = world([{ blocks: [call, run('1')], used: usage }]);
  assert.equal((await fold(calling.batches)).choices[0]?.reason, 'tool_calls');
  assert.deepEqual([cut.asked.length, calling.asked.length], [1, 1]);
});

test('pauses: without the usage of one part there is none of the whole, and the limit stays', async () => {
  const { batches, asked } = world(
    [{ blocks: [run('1')], used: usage }, { blocks: [run('2')] }, { blocks: [text('a')], reason: 'stop', used: usage }],
    accept({ max_tokens: 9 }),
  );
  assert.equal((await fold(batches)).usage, undefined);
  assert.deepEqual(
    asked.map(({ maxTokens }) => maxTokens),
    [9, 6, 9],
  );
});

test('pauses: a stop string is found across the joint, and the provider gets back what it said', async () => {
  const { batches, asked } = world([{ blocks: [text('One E'), run('1')] }, { blocks: [text('ND two')], reason: 'stop' }], accept(), [
    () => stopAt(['END']),
  ]);
  const { choices } = await fold(batches);
  assert.deepEqual(
    choices[0]?.blocks.filter(({ type }) => type === 'text'),
    [text('One ')],
  );
  assert.deepEqual(asked[1]?.messages.at(-1)?.blocks, [text('One E'), run('1')]);
});

test('pauses: text that is held back for an answer by a tool waits for the last part', async () => {
  const answer: Block = { type: 'tool_call', id: 'c', kind: 'function', name: 'json', input: '{"a":1}' };
  const { batches, asked } = world([{ blocks: [text('I look.'), run('1')] }, { blocks: [answer], reason: 'tool_calls' }], accept(), [
    () => answerFromTool('json'),
  ]);
  const { choices } = await fold(batches);
  assert.deepEqual(choices, [{ blocks: [run('1'), text('{"a":1}')], reason: 'stop' }]);
  assert.deepEqual(asked[1]?.messages.at(-1)?.blocks, [text('I look.'), run('1')]);
});

test('pauses: a continuation that fails rejects before there is output, and is the stream’s error after that', async () => {
  await assert.rejects(fromFirstOutput(world([{ blocks: [run('1')] }]).batches), broken);
  await assert.rejects(fold(world([{ blocks: [text('a'), run('1')] }]).batches), broken);
  const shown = await eventsFrom(await fromFirstOutput(world([{ blocks: [text('a'), run('1')] }]).batches));
  assert.deepEqual(shown.at(-1), { type: 'error', error: broken });
  assert.ok(!shown.some(({ type }) => type === 'finish' || type === 'end'));
});

test('pauses: a part that breaks off after its finish is not gone on with', async () => {
  const events = eventsOf({ blocks: [text('a')] }).filter(({ type }) => type !== 'end');
  const { batches, asked } = world([[...events, { type: 'error', error: broken }]]);
  await assert.rejects(fold(batches), broken);
  assert.equal(asked.length, 1);
});

test('pauses: nothing is asked for a reader who has left', async () => {
  const { batches, asked } = world([{ blocks: [text('a'), run('1')] }, { blocks: [text('b')], reason: 'stop' }]);
  for await (const { events } of batches) if (events.some(({ type }) => type === 'block_delta')) break;
  assert.equal(asked.length, 1);
});

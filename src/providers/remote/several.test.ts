import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Reply } from '../../core/call.ts';
import type { ChatResponse, Usage } from '../../core/chat.ts';
import { GatewayError } from '../../core/error.ts';
import type { Batch, ChatEvent } from '../../core/event.ts';
import { fold } from '../../core/event.ts';
import { unfold } from '../../core/unfold.ts';
import { accept } from '../../../test/support/openai-chat.ts';
import { mergeInOrder } from './merge.ts';
import { joinReplies, requestFor } from './several.ts';

const usage: Usage = { promptTokens: 5, completionTokens: 2, cachedTokens: 1, reasoningTokens: 0, cacheWriteTokens: 3 };
const answer = (text: string, used: Usage | undefined = usage): ChatResponse => ({
  id: `chatcmpl-${text}`,
  model: 'm',
  created: 1,
  choices: [{ blocks: [{ type: 'text', text }], reason: 'stop' }],
  usage: used,
});
const full = (text: string): Reply => ({ kind: 'full', response: answer(text), ignored: ['seed'] });
const nothing = (): void => undefined;

async function* stream(events: readonly ChatEvent[], before?: Promise<void>): AsyncGenerator<Batch> {
  await before;
  for (const event of events) yield { events: [event] };
}

const streamed = (text: string, before?: Promise<void>): Reply => ({
  kind: 'stream',
  batches: stream(unfold(answer(text)), before),
  ignored: [],
});

async function foldOf(reply: Reply): Promise<ChatResponse> {
  return reply.kind === 'full' ? reply.response : fold(reply.batches);
}

test('several: whole answers are the choices of one, in order, with all their tokens', async () => {
  const reply = joinReplies([full('a'), full('b'), full('c')], nothing);
  const response = await foldOf(reply);
  assert.deepEqual(
    response.choices.map(({ blocks }) => blocks),
    ['a', 'b', 'c'].map((text) => [{ type: 'text', text }]),
  );
  const tokens = { promptTokens: 15, completionTokens: 6, cachedTokens: 3, reasoningTokens: 0, cacheWriteTokens: 9 };
  assert.deepEqual(response.usage, { ...tokens, calls: 3 });
  assert.deepEqual(reply.ignored, ['seed']);
  assert.equal(response.id, 'chatcmpl-a');
});

test('several: streams too, whichever is first, named after choice 0 and with its start first', async () => {
  const gate = Promise.withResolvers<void>();
  const reply = joinReplies([streamed('a', gate.promise), streamed('b')], nothing);
  assert.ok(reply.kind === 'stream');
  const types: string[] = [];
  const watched = async function* (): AsyncGenerator<Batch> {
    for await (const batch of reply.batches) {
      types.push(...batch.events.map(({ type }) => type));
      yield batch;
    }
  };
  const folded = fold(watched());
  setImmediate(gate.resolve);
  const response = await folded;
  assert.equal(types[0], 'start');
  assert.equal(types.filter((type) => type === 'start' || type === 'end').length, 2);
  assert.deepEqual(
    response.choices.map(({ blocks }) => blocks),
    [[{ type: 'text', text: 'a' }], [{ type: 'text', text: 'b' }]],
  );
  assert.equal(response.usage?.completionTokens, 4);
});

test('several: the failure of one is the end of all, and the others are left', async () => {
  let left = 0;
  const failing = stream([{ type: 'error', error: new GatewayError('upstream', 'cut') }]);
  const reply = joinReplies([streamed('a'), { kind: 'stream', batches: failing, ignored: [] }], () => left++);
  await assert.rejects(foldOf(reply), { message: 'cut' });
  assert.equal(left, 1);
});

test('several: without the usage of one there is no sum', async () => {
  const unmeasured: Reply = { kind: 'full', response: { ...answer('b'), usage: undefined }, ignored: [] };
  assert.equal((await foldOf(joinReplies([full('a'), unmeasured], nothing))).usage, undefined);
});

test('several: each request asks for one choice, with a seed of its own', () => {
  const request = accept({ n: 3, seed: 7 });
  assert.deepEqual([requestFor(request, 2).n, requestFor(request, 2).sampling.seed, request.n], [1, 9, 3]);
  assert.equal(requestFor(accept({ n: 3 }), 2).sampling.seed, undefined);
  // and so in the client's own words, which some wires go by
  assert.deepEqual([requestFor(request, 2).raw['seed'], request.raw['seed']], [9, 7]);
  assert.equal('seed' in requestFor(accept({ n: 3 }), 2).raw, false);
});

test('merge: a source is asked for more only when what it gave was taken', async () => {
  let made = 0;
  async function* endless(): AsyncGenerator<number> {
    for (;;) yield made++;
  }
  let seen = 0;
  for await (const { item } of mergeInOrder([endless()])) {
    assert.ok(made - item <= 2, `${made} were made when ${item} was read`);
    if (++seen === 50) break;
  }
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EngineWork, FromEngine, Job } from '../protocol.ts';
import type { Grammar, GrammarState, Native } from './native.ts';
import { createScheduler } from './scheduler.ts';
import { createThreadGovernor } from './thread-governor.ts';

/** A model that says the token 1 for ever. */
function fakeNative(over: Partial<Native> = {}): Native {
  let scored = 0;
  return {
    vocabulary: { size: 2, bytesOf: () => Uint8Array.of(65), controlTexts: [] },
    contextSize: 16,
    sequences: 1,
    batchSize: 512,
    threads: 1,
    bosText: '',
    eosText: '',
    leadingBos: undefined,
    isEndOfGeneration: () => false,
    tokenize: () => Uint32Array.of(0),
    detokenize: () => '',
    render: () => '',
    grammar: () => ({}) as Grammar,
    grammarState: () => ({}) as GrammarState,
    acceptToken: () => undefined,
    sampler: () => ({ native: { applyConfig: () => undefined }, applyConfig: () => undefined, dispose: () => undefined }),
    beginBatch: () => {
      scored = 0;
    },
    addToBatch: () => undefined,
    addScored: () => scored++,
    decode: async () => undefined,
    setThreads: () => undefined,
    sample: async () => 1,
    rawScores: async () => ({ logprob: 0, top: [] }),
    allLogits: async () => new Float64Array(2),
    trim: () => true,
    copy: async () => undefined,
    dispose: async () => undefined,
    ...over,
  };
}

const job = (id: number, content: string, over: Partial<Job> = {}): Job => ({
  id,
  prompt: { template: '', messages: [{ role: 'user', content }], variables: {}, prefix: '' },
  n: 1,
  maxTokens: 1,
  temperature: 0,
  topP: 1,
  frequencyPenalty: 0,
  presencePenalty: 0,
  logitBias: [],
  seed: 1,
  reproducible: false,
  stop: [],
  formatStop: [],
  ...over,
});

/** A scheduler and the last message that it sent for each job. */
function scheduled(
  native: Native,
  { now = () => 0, promptOf = () => [0, 0, 0] }: { now?: () => number; promptOf?: (said: unknown) => number[] } = {},
) {
  const ends = new Map<number, PromiseWithResolvers<FromEngine['type']>>();
  const endOf = (id: number): PromiseWithResolvers<FromEngine['type']> => {
    const end = ends.get(id) ?? Promise.withResolvers<FromEngine['type']>();
    ends.set(id, end);
    return end;
  };
  const told: EngineWork[] = [];
  const send = (message: FromEngine): void => {
    if (message.type === 'work') told.push(message.work);
    if (message.type !== 'accepted' && 'job' in message) endOf(message.job).resolve(message.type);
  };
  const scheduler = createScheduler({
    native,
    governor: createThreadGovernor(1),
    tokenizer: ({ messages }) => Uint32Array.from(promptOf(messages[0]?.['content'])),
    send,
    now,
  });
  return { scheduler, told, end: (id: number) => endOf(id).promise };
}

test('cancelling: a job whose long prompt is still being counted ends', async () => {
  const { scheduler, end } = scheduled(fakeNative());
  scheduler.submit(job(1, 'x'.repeat(200_000)));
  scheduler.cancel(1);
  assert.equal(await end(1), 'cancelled');
  scheduler.submit(job(2, 'x'));
  assert.equal(await end(2), 'done');
});

test('a job that cannot be started fails by itself; the scheduler goes on', async () => {
  const native = fakeNative({
    grammarState: () => {
      throw new Error('no memory for it');
    },
  });
  const { scheduler, end } = scheduled(native);
  scheduler.submit(job(1, 'x', { n: 3, grammar: { gbnf: '', suspendsStop: false } }));
  scheduler.submit(job(2, 'x', { n: 3 }));
  assert.deepEqual(await Promise.all([end(1), end(2)]), ['failed', 'done']);
});

test('a step decodes its sequences in their order, however they were given out', async () => {
  const batches: number[][] = [];
  const native = fakeNative({
    sequences: 3,
    beginBatch: () => void batches.push([]),
    addScored: (sequence) => {
      batches.at(-1)?.push(sequence);
      return (batches.at(-1)?.length ?? 1) - 1;
    },
  });
  const { scheduler, end } = scheduled(native);
  for (const [id, maxTokens] of [
    [1, 20],
    [2, 2],
    [3, 20],
    [4, 20],
  ] as const) {
    scheduler.submit(job(id, 'x', { maxTokens }));
  }
  await Promise.all([1, 2, 3, 4].map((id) => end(id)));
  const together = batches.filter((batch) => batch.length === 3);
  assert.ok(together.length > 3, 'the fourth runs beside the first and the third, in the place of the second');
  for (const batch of together) assert.deepEqual(batch, [0, 1, 2]);
});

test('what was done is told when there is no more to do', async () => {
  const { scheduler, told, end } = scheduled(fakeNative({ sequences: 2 }));
  scheduler.submit(job(1, 'x', { maxTokens: 3 }));
  scheduler.submit(job(2, 'x', { maxTokens: 3 }));
  await Promise.all([end(1), end(2)]);
  // the message comes after the last step's own
  while (told.length === 0) await Promise.resolve();
  const last = told.at(-1);
  assert.equal(last?.busy, 0);
  assert.equal(last.waiting, 0);
  assert.equal(last.promptSteps, 2, 'a prompt each');
  assert.equal(last.promptTokens + last.reusedTokens, 6, 'of three tokens each');
  assert.equal(last.generatedTokens, 4, 'the first token of each comes of its prompt');
  assert.ok(last.generateSteps >= 2 && last.generateSteps <= 4);
});

const range = (length: number, from = 0): number[] => Array.from({ length }, (_, at) => from + at);

test('prompts that come at the same time and begin alike are read once, and copied', async () => {
  const copies: [number, number][] = [];
  const native = fakeNative({ sequences: 3, contextSize: 200, copy: async (target, source) => void copies.push([target, source]) });
  const { scheduler, told, end } = scheduled(native, { promptOf: () => range(100) });
  for (const id of [1, 2, 3]) scheduler.submit(job(id, 'x', { maxTokens: 2 }));
  await Promise.all([1, 2, 3].map((id) => end(id)));
  while (told.length === 0) await Promise.resolve();
  assert.equal(copies.length, 2);
  assert.equal(told.at(-1)?.promptTokens, 100 + 2 + 2, 'the last two tokens are always read');
  assert.equal(told.at(-1)?.reusedTokens, 98 + 98);
});

test('who generates waits for no more than a piece of a long prompt', async () => {
  let clock = 0;
  let size = 0;
  const steps: number[] = [];
  const native = fakeNative({
    sequences: 2,
    contextSize: 2000,
    beginBatch: (tokens) => {
      size = tokens;
    },
    decode: async () => {
      steps.push(size);
      clock += size * 3;
      if (steps.length === 10) scheduler.submit(job(2, 'long', { maxTokens: 2 }));
      await new Promise((resolve) => setImmediate(resolve));
    },
  });
  const { scheduler, end } = scheduled(native, {
    now: () => clock,
    promptOf: (said) => range(said === 'long' ? 1000 : 4, said === 'long' ? 5 : 0),
  });
  scheduler.submit(job(1, 'short', { maxTokens: 80 }));
  await Promise.all([end(1), end(2)]);
  const pieces = steps.filter((tokens) => tokens > 4);
  assert.equal(
    pieces.reduce((sum, tokens) => sum + tokens, 0),
    1000,
  );
  for (const [at, tokens] of steps.entries()) {
    if (tokens <= 4) continue;
    assert.ok(tokens * 3 <= 150 * 1.5, `${tokens} tokens at once`);
    assert.ok((steps[at + 1] ?? 1) <= 2, 'then a token');
  }
});

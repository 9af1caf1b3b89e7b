import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Prices, Pricing, Reply } from '../core/call.ts';
import type { Usage } from '../core/chat.ts';
import { GatewayError } from '../core/error.ts';
import { fold } from '../core/event.ts';
import type { Batch, ChatEvent } from '../core/event.ts';
import { likelyTokens } from './charge.ts';
import { costOf, estimatePrompt } from './money.ts';
import { END, keyWith, PRICE, said, START, streamed, usageOf, whole, worldOf } from './limited-testing.ts';
import type { Chat, World } from './limited-testing.ts';

const BUDGET = 10n ** 12n;
const KEY = keyWith({ budgets: [{ period: 'total', nanos: BUDGET }], limits: { concurrent: 5, tokensPerMinute: 1_000_000 } });
const stuck = (): Promise<never> => new Promise<never>(() => undefined);

/** The same numbers in the counters as in the records, and nothing held any more. */
async function balanced(world: ReturnType<typeof worldOf>): Promise<void> {
  assert.deepEqual(await world.left('budget', 'key/key_1/money/total', BUDGET), { remaining: BUDGET - world.spent(), held: 0n });
  assert.equal((await world.left('concurrent', 'key/key_1/concurrent', 5)).remaining, 5n);
  const tokens = world.records.reduce((sum, one) => sum + one.promptTokens + one.completionTokens, 0);
  assert.equal((await world.left('rate', 'key/key_1/tokens/minute', 1_000_000)).remaining, 1_000_000n - BigInt(tokens));
  assert.deepEqual(world.problems, []);
}

const made = (world: World) => worldOf({ key: KEY, ...world });
const iterate = (reply: Reply): AsyncIterator<Batch> => {
  assert.ok(reply.kind === 'stream');
  return reply.batches[Symbol.asyncIterator]();
};
const iterateAll = (reply: Reply): AsyncIterable<Batch> => {
  assert.ok(reply.kind === 'stream');
  return reply.batches;
};
const LIKELY = likelyTokens(estimatePrompt(worldOf().callOf().request));

test('metered: what the provider reported is charged as it is', async () => {
  const world = made({});
  world.clock.wall += 5;
  await world.ask({ user: 'ada' });
  const [record] = world.records;
  assert.deepEqual(
    { ...record, requestId: undefined, id: undefined },
    {
      id: undefined,
      requestId: undefined,
      attempt: 1,
      at: world.clock.wall,
      keyId: 'key_1',
      projectId: 'proj_1',
      endUser: 'ada',
      modelAsked: 'm',
      model: 'a',
      provider: 'up',
      promptTokens: 10,
      completionTokens: 20,
      cachedTokens: 0,
      cacheWriteTokens: 0,
      cacheWriteLongTokens: 0,
      reasoningTokens: 0,
      audioTokens: 0,
      completionAudioTokens: 0,
      imageTokens: 0,
      completionImageTokens: 0,
      estimated: false,
      costNanos: 50_000n,
      unpriced: false,
      stream: false,
      cache: undefined,
      outcome: 'ok',
      status: 200,
      errorKind: undefined,
      queueMs: 0,
      firstOutputMs: 0,
      totalMs: 0,
    },
  );
  await balanced(world);
});

test('metered: a record has every kind of token that has a price, so that its cost can be computed from it', async () => {
  const ofPrompt: Prices = { input: 1, cachedInput: 3, cacheWrite: 5, cacheWriteLong: 7, inputAudio: 13, inputImage: 19 };
  const pricing: Pricing = { ...ofPrompt, output: 2, reasoning: 11, outputAudio: 17, outputImage: 23 };
  const usage: Usage = {
    promptTokens: 1000,
    cachedTokens: 100,
    cacheWriteTokens: 60,
    cacheWriteLongTokens: 20,
    promptAudioTokens: 7,
    promptImageTokens: 9,
    completionTokens: 500,
    reasoningTokens: 80,
    completionAudioTokens: 5,
    completionImageTokens: 3,
  };
  const world = made({ targets: { a: whole(usage) }, card: { pricing } });
  await world.ask();
  const record = world.records[0] ?? assert.fail();
  const read: Usage = {
    promptTokens: record.promptTokens,
    cachedTokens: record.cachedTokens,
    cacheWriteTokens: record.cacheWriteTokens,
    cacheWriteLongTokens: record.cacheWriteLongTokens,
    promptAudioTokens: record.audioTokens - record.completionAudioTokens,
    promptImageTokens: record.imageTokens - record.completionImageTokens,
    completionTokens: record.completionTokens,
    reasoningTokens: record.reasoningTokens,
    completionAudioTokens: record.completionAudioTokens,
    completionImageTokens: record.completionImageTokens,
  };
  assert.deepEqual(read, usage);
  assert.equal(costOf(read, pricing), record.costNanos);
  await balanced(world);
});

test('metered: the books are closed before the end of a stream is passed on', async () => {
  const world = made({
    targets: { a: streamed(...START, said('hi'), ...END, { type: 'usage', usage: usageOf(10, 20) }, { type: 'end' }) },
  });
  const batches = iterate(await world.handler(world.callOf({ stream: true })));
  for (;;) {
    assert.equal(world.records.length, 0);
    const { value } = (await batches.next()) as { value: Batch };
    if (value.events.at(-1)?.type === 'end') break;
  }
  assert.equal(world.records.length, 1);
  await balanced(world);
});

test('metered: a stream that breaks off is charged what it produced, and marked', async () => {
  const broken = streamed(...START, said('x'.repeat(40)), async () => {
    throw new GatewayError('upstream', 'broken');
  });
  const world = made({ targets: { a: broken } });
  await assert.rejects(world.ask({ stream: true }), /broken/);
  const [record] = world.records;
  assert.deepEqual([record?.promptTokens, record?.completionTokens, record?.estimated, record?.outcome], [LIKELY, 10, true, 'error']);
  assert.equal(record?.costNanos, BigInt(LIKELY) * 1000n + 10n * 2000n);
  assert.deepEqual([record?.status, record?.errorKind], [502, 'upstream']);
  await balanced(world);
});

test('metered: usage that was reported before a stream broke off is right', async () => {
  const broken = streamed(...START, said('x'.repeat(400)), { type: 'usage', usage: usageOf(3, 4) }, async () => {
    throw new GatewayError('upstream', 'broken');
  });
  const world = made({ targets: { a: broken } });
  await assert.rejects(world.ask({ stream: true }));
  assert.deepEqual([world.records[0]?.promptTokens, world.records[0]?.completionTokens, world.records[0]?.estimated], [3, 4, false]);
  await balanced(world);
});

test('metered: nothing counted by us is more than the request allowed', async () => {
  const broken = streamed(...START, said('x'.repeat(4000)), async () => {
    throw new GatewayError('upstream', 'broken');
  });
  const world = made({ targets: { a: broken } });
  await assert.rejects(world.ask({ stream: true, max_tokens: 7 }));
  assert.equal(world.records[0]?.completionTokens, 7);
  await balanced(world);
});

test('metered: attempts that failed before any output cost nothing, the one that answers does', async () => {
  let asked = 0;
  const flaky: Chat = async (call) => {
    call.reached?.();
    if (asked++ === 0) throw new GatewayError('upstream', 'refused');
    return whole()(call);
  };
  const world = made({ targets: { a: async () => Promise.reject(new GatewayError('upstream', 'away')), b: flaky, c: whole() } });
  await world.ask();
  assert.deepEqual(
    world.records.map(({ attempt, model, outcome, costNanos, promptTokens }) => [attempt, model, outcome, costNanos, promptTokens]),
    [
      [1, 'a', 'error', 0n, 0],
      [2, 'b', 'error', 0n, 0],
      [3, 'c', 'ok', 50_000n, 10],
    ],
  );
  assert.equal(new Set(world.records.map(({ id }) => id)).size, 3);
  await balanced(world);
});

test('metered: a client that leaves before any output has its prompt charged, where the provider had got it', async () => {
  for (const reached of [true, false]) {
    const silent: Chat = async (call) => {
      if (reached) call.reached?.();
      return stuck();
    };
    const world = made({ targets: { a: silent } });
    const leaving = new AbortController();
    const asked = world.handler(world.callOf({}, leaving.signal));
    await new Promise(setImmediate);
    leaving.abort(new GatewayError('cancelled', 'gone'));
    await assert.rejects(asked);
    const [record] = world.records;
    assert.deepEqual(
      [record?.promptTokens, record?.completionTokens, record?.estimated, record?.outcome],
      [reached ? LIKELY : 0, 0, reached, 'cancelled'],
    );
    assert.deepEqual([record?.status, record?.errorKind], [499, 'cancelled']);
    await balanced(world);
  }
});

test('metered: a client that leaves in the middle pays for what came, also where it reads no more', async () => {
  for (const how of ['leaves', 'is gone', 'never read'] as const) {
    const world = made({ targets: { a: streamed(...START, said('x'.repeat(40)), stuck) } });
    const leaving = new AbortController();
    const batches = iterate(await world.handler(world.callOf({ stream: true }, leaving.signal)));
    if (how !== 'never read') for (let at = 0; at < 3; at++) await batches.next();
    if (how === 'leaves') await batches.return?.();
    else leaving.abort(new GatewayError('cancelled', 'gone'));
    await new Promise(setImmediate);
    const [record] = world.records;
    assert.deepEqual([record?.completionTokens, record?.outcome], [how === 'never read' ? 0 : 10, 'cancelled'], how);
    await balanced(world);
  }
});

test('metered: an answer that is read to its end though nobody waits is charged when it ends', async () => {
  const gate = Promise.withResolvers<void>();
  const stream = streamed(
    ...START,
    said('hi'),
    async () => gate.promise,
    ...END,
    { type: 'usage', usage: usageOf(10, 20) },
    { type: 'end' },
  );
  const world = made({ targets: { a: stream }, policy: { drains: true } });
  const leaving = new AbortController();
  const batches = iterate(await world.handler(world.callOf({ stream: true }, leaving.signal)));
  for (let at = 0; at < 3; at++) await batches.next();
  leaving.abort(new GatewayError('cancelled', 'gone'));
  await batches.return?.();
  await new Promise(setImmediate);
  assert.equal(world.records.length, 0);
  assert.equal((await world.left('concurrent', 'key/key_1/concurrent', 5)).remaining, 4n, 'it is still at work');
  gate.resolve();
  await new Promise(setImmediate);
  assert.deepEqual([world.records.length, world.records[0]?.outcome, world.records[0]?.costNanos], [1, 'ok', 50_000n]);
  await balanced(world);
});

test('metered: a provider’s own tool is charged, one without a known fee is said to be missing, and what is reported is right', async () => {
  const written = async (more: Partial<Usage>, pricing: Pricing) => {
    const world = made({ targets: { a: whole({ ...usageOf(10, 20), ...more }) }, card: { pricing } });
    await world.ask();
    await balanced(world);
    return [world.records[0]?.costNanos, world.records[0]?.unpriced];
  };
  const searched = { providerTools: { web_search: 2 } };
  assert.deepEqual(await written(searched, { ...PRICE, tools: { web_search: 10 } }), [50_000n + 20_000_000n, false]);
  assert.deepEqual(await written(searched, PRICE), [50_000n, true]);
  assert.deepEqual(await written({ ...searched, reportedCost: 0.5 }, PRICE), [500_000_000n, false]);
  assert.deepEqual(await written({ reportedCost: 0.5 }, { ...PRICE, binding: true }), [50_000n, false]);
});

test('metered: the class of service that the answer names is what is charged, whole and streamed, told at its start or at its end', async () => {
  const pricing = { ...PRICE, serviceTiers: { priority: { input: 3, output: 6 } } };
  const usage = usageOf(10, 20);
  const [start, ...opened] = START;
  const streams = (atStart: object, atEnd: object) =>
    streamed({ ...start, ...atStart } as ChatEvent, ...opened, said('hi'), ...END, { type: 'usage', usage, ...atEnd }, { type: 'end' });
  const full: Chat = async (call) => {
    const reply = await whole()(call);
    return reply.kind === 'full' ? { ...reply, response: { ...reply.response, serviceTier: 'priority' } } : reply;
  };
  const tier = { serviceTier: 'priority' };
  const cases: readonly (readonly [boolean, Chat, bigint])[] = [
    [false, full, 150_000n],
    [false, whole(), 50_000n],
    [true, streams(tier, {}), 150_000n],
    [true, streams({}, tier), 150_000n],
    [true, streams(tier, { serviceTier: 'default' }), 50_000n],
  ];
  for (const [stream, chat, nanos] of cases) {
    const world = made({ targets: { a: chat }, card: { pricing } });
    await world.ask({ stream, service_tier: 'priority' });
    assert.deepEqual([world.records[0]?.costNanos, world.records[0]?.unpriced], [nanos, false]);
    await balanced(world);
  }
});

test('metered: a model without a price costs nothing and says so', async () => {
  const world = made({ card: { pricing: {} } });
  await world.ask();
  assert.deepEqual([world.records[0]?.costNanos, world.records[0]?.unpriced, world.records[0]?.promptTokens], [0n, true, 10]);
  const free = made({ card: { pricing: { input: 0, output: 0 } } });
  await free.ask();
  assert.deepEqual([free.records[0]?.costNanos, free.records[0]?.unpriced], [0n, false]);
  await balanced(world);
});

test('metered: an answer of which no usage is told is counted by its text', async () => {
  const world = made({ targets: { a: whole(undefined, 'x'.repeat(41)) } });
  // undefined is the default of a parameter
  const silent: Chat = async (call) => {
    const reply = await whole()(call);
    assert.ok(reply.kind === 'full');
    return {
      ...reply,
      response: { ...reply.response, usage: undefined, choices: [{ blocks: [{ type: 'text', text: 'x'.repeat(41) }], reason: 'stop' }] },
    };
  };
  const other = made({ targets: { a: silent } });
  await other.ask();
  assert.deepEqual([other.records[0]?.completionTokens, other.records[0]?.estimated, other.records[0]?.outcome], [11, true, 'ok']);
  await world.ask();
  await balanced(other);
});

test('metered: an answer that was withheld is charged beside the one in its place', async () => {
  const withheld: Chat = async (call) => {
    const reply = await whole(usageOf(5, 1), '')(call);
    assert.ok(reply.kind === 'full');
    return { ...reply, response: { ...reply.response, choices: [{ blocks: [], reason: 'content_filter' }] } };
  };
  const world = made({ targets: { a: withheld, b: whole() }, policy: { onContentFilter: true } });
  await world.ask();
  assert.deepEqual(
    world.records.map(({ model, costNanos }) => [model, costNanos]),
    [
      ['a', 7000n],
      ['b', 50_000n],
    ],
  );
  await balanced(world);
});

test('metered: choices that each need a request of their own are held, and where nothing is told charged, with the prompt of each', async () => {
  const choices = 3;
  const silent = streamed(...START, said('x'.repeat(40)), () => Promise.reject(new GatewayError('upstream', 'cut')));
  const pricing = { input: 1, output: 2, request: 0.001 };
  const world = made({ targets: { a: silent }, calls: choices, card: { pricing } });
  const reply = await world.handler(world.callOf({ n: choices, stream: true, max_tokens: 100 }));
  const { held } = await world.left('budget', 'key/key_1/money/total', BUDGET);
  const prompt = estimatePrompt(world.callOf({ n: choices, max_tokens: 100 }).request);
  assert.equal(held, 3n * (BigInt(prompt.tokens) * 1000n + 100n * 2000n + 1_000_000n));
  const tokens = await world.left('rate', 'key/key_1/tokens/minute', 1_000_000);
  assert.equal(tokens.remaining, 1_000_000n - BigInt(choices * (likelyTokens(prompt) + 100)));
  await assert.rejects(fold(iterateAll(reply)));
  const [record] = world.records;
  assert.deepEqual([record?.promptTokens, record?.completionTokens, record?.estimated], [choices * likelyTokens(prompt), 10, true]);
  assert.equal(record?.costNanos, BigInt(choices * likelyTokens(prompt)) * 1000n + 10n * 2000n + 3_000_000n);
  await balanced(world);
});

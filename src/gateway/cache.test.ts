import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Call, Handler, Reply } from '../core/call.ts';
import type { ChatResponse, StopReason } from '../core/chat.ts';
import { GatewayError } from '../core/error.ts';
import { fold } from '../core/event.ts';
import type { Batch, ChatEvent } from '../core/event.ts';
import { unfold } from '../core/unfold.ts';
import { accept } from '../../test/support/openai-chat.ts';
import { cached } from './cache.ts';
import type { CacheSettings } from './cache.ts';

const SETTINGS: CacheSettings = { enabled: true, perRequest: true, maxBytes: 1024 ** 2, ttlMs: 60_000, models: [], share: false };

const response = (text: string, reason: StopReason = 'stop', choices = 1): ChatResponse => ({
  id: 'chatcmpl-1',
  model: 'm',
  created: 1,
  choices: Array.from({ length: choices }, () => ({ blocks: [{ type: 'text', text }], reason })),
  usage: { promptTokens: 1, completionTokens: 1, cachedTokens: 0, reasoningTokens: 0 },
});

interface Asking {
  readonly body?: Readonly<Record<string, unknown>>;
  readonly tenant?: string;
  readonly cache?: Call['cache'];
  readonly signal?: AbortSignal;
}

function callOf({ body = {}, tenant = 'a', cache, signal = new AbortController().signal }: Asking = {}): Call {
  const trace = { attempts: [] };
  return {
    id: 'req_1',
    request: accept(body),
    principal: { id: tenant, role: 'member' },
    strict: false,
    signal,
    trace,
    ...(cache ? { cache } : {}),
  };
}

async function* batchesOf(events: readonly ChatEvent[]): AsyncGenerator<Batch> {
  for (const event of events) yield { events: [event] };
}

const streamed = (events: readonly ChatEvent[], ignored: readonly string[] = []): Reply => ({
  kind: 'stream',
  batches: batchesOf(events),
  ignored,
});
const whole = (answer: ChatResponse, ignored: readonly string[] = []): Reply => ({ kind: 'full', response: answer, ignored });

/** A cache before a handler that answers with `moves`, one after the other; the last one for ever. */
function world(moves: readonly (() => Reply)[], settings: Partial<CacheSettings> = {}) {
  const clock = { ms: 0 };
  const failures: unknown[] = [];
  let made = 0;
  const next: Handler = async () => {
    const move = moves[Math.min(made++, moves.length - 1)];
    if (!move) throw new Error('no move');
    return move();
  };
  const layer = cached({ settings: { ...SETTINGS, ...settings }, now: () => clock.ms, failed: (cause) => failures.push(cause) });
  const handler = layer(next);
  const textOf = async (call: Call): Promise<string> => {
    const reply = await handler(call);
    const { choices } = reply.kind === 'full' ? reply.response : await fold(reply.batches);
    const [block] = choices[0]?.blocks ?? [];
    return block?.type === 'text' ? block.text : '';
  };
  return {
    clock,
    failures,
    handler,
    made: () => made,
    /** Text and what the trace says. */
    async ask(asking?: Asking) {
      const call = callOf(asking);
      return [await textOf(call), call.trace.cache];
    },
  };
}

let turn = 0;
const anew = (): Reply => whole(response(`answer ${++turn}`));

test('cache: the second identical request has the first one’s answer, and no attempt is made', async () => {
  const { ask, made } = world([() => whole(response('one')), () => whole(response('two'))]);
  assert.deepEqual(await ask(), ['one', 'miss']);
  assert.deepEqual(await ask(), ['one', 'hit']);
  assert.deepEqual(await ask({ body: { stream: true } }), ['one', 'hit']);
  assert.equal(made(), 1);
});

test('cache: another seed, user or unknown field is another request', async () => {
  const { ask, made } = world([anew]);
  for (const body of [{}, { seed: 1 }, { seed: 2 }, { user: 'u' }, { strange: true }, { n: 1 }])
    assert.equal((await ask({ body }))[1], 'miss');
  assert.equal(made(), 6);
});

test('cache: tenants never get each other’s answers', async () => {
  const { ask } = world([() => whole(response('of a')), () => whole(response('of b'))]);
  assert.deepEqual(await ask({ tenant: 'a' }), ['of a', 'miss']);
  assert.deepEqual(await ask({ tenant: 'b' }), ['of b', 'miss']);
  assert.deepEqual(await ask({ tenant: 'a' }), ['of a', 'hit']);
  assert.deepEqual(await ask({ tenant: 'b' }), ['of b', 'hit']);
});

test('cache: off, it is asked for by a request, where requests may', async () => {
  const may = world([anew], { enabled: false });
  assert.equal((await may.ask())[1], undefined);
  assert.equal((await may.ask({ cache: 'use' }))[1], 'miss');
  assert.equal((await may.ask({ cache: 'use' }))[1], 'hit');
  assert.equal((await may.ask())[1], undefined);
  const mayNot = world([anew], { enabled: false, perRequest: false });
  for (const cache of ['use', 'refresh', 'use'] as const) assert.equal((await mayNot.ask({ cache }))[1], undefined);
});

test('cache: on for some models, it leaves the others alone', async () => {
  const { ask } = world([anew], { models: ['fast-*', 'x'], perRequest: false });
  const twice = async (model: string) => [(await ask({ body: { model } }))[1], (await ask({ body: { model } }))[1]];
  assert.deepEqual(await twice('fast-1'), ['miss', 'hit']);
  assert.deepEqual(await twice('x'), ['miss', 'hit']);
  assert.deepEqual(await twice('xx'), [undefined, undefined]);
});

test('cache: skip neither reads nor writes, refresh writes only', async () => {
  const { ask } = world(['one', 'two', 'three', 'four'].map((text) => () => whole(response(text))));
  assert.deepEqual(await ask({ cache: 'skip' }), ['one', undefined]);
  assert.deepEqual(await ask(), ['two', 'miss']);
  assert.deepEqual(await ask({ cache: 'skip' }), ['three', undefined]);
  assert.deepEqual(await ask({ cache: 'refresh' }), ['four', 'miss']);
  assert.deepEqual(await ask(), ['four', 'hit']);
});

test('cache: an answer is forgotten when its time is over', async () => {
  const { ask, clock } = world([anew], { ttlMs: 1000 });
  await ask();
  clock.ms = 999;
  assert.equal((await ask())[1], 'hit');
  clock.ms = 1000;
  assert.equal((await ask())[1], 'miss');
});

test('cache: errors are not kept', async () => {
  const fails = (): Reply => {
    throw new GatewayError('upstream', 'no');
  };
  const { ask } = world([fails, anew]);
  await assert.rejects(ask(), /no/);
  assert.equal((await ask())[1], 'miss');
});

const EVENTS = unfold(response('streamed'));

test('cache: streams are kept once they were read to their end', async () => {
  const { ask, made } = world([() => streamed(EVENTS)]);
  assert.deepEqual(await ask({ body: { stream: true } }), ['streamed', 'miss']);
  assert.deepEqual(await ask(), ['streamed', 'hit']);
  assert.equal(made(), 1);
});

test('cache: streams that broke off, failed or were left are not kept', async () => {
  const error: ChatEvent = { type: 'error', error: new GatewayError('upstream', 'broken') };
  const cut = world([() => streamed(EVENTS.slice(0, -1)), () => streamed([...EVENTS.slice(0, -1), error]), () => streamed(EVENTS)]);
  await assert.rejects(cut.ask());
  await assert.rejects(cut.ask(), /broken/);
  const left = callOf();
  const reply = await cut.handler(left);
  assert.ok(reply.kind === 'stream');
  const reader = reply.batches[Symbol.asyncIterator]();
  await reader.next();
  await reader.return?.();
  assert.deepEqual(await cut.ask(), ['streamed', 'miss']);
  assert.deepEqual(await cut.ask(), ['streamed', 'hit']);
  assert.deepEqual(cut.failures, []);
});

test('cache: what a filter kept back, a pause, and fewer choices than asked for are not kept', async () => {
  for (const reason of ['content_filter', 'pause'] as const) {
    const { ask } = world([() => whole(response('x', reason))]);
    await ask();
    assert.equal((await ask())[1], 'miss', reason);
  }
  const few = world([() => streamed(unfold(response('x', 'stop', 1))), () => whole(response('x', 'length', 2))]);
  assert.equal((await few.ask({ body: { n: 2 } }))[1], 'miss');
  assert.equal((await few.ask({ body: { n: 2 } }))[1], 'miss');
  assert.equal((await few.ask({ body: { n: 2 } }))[1], 'hit');
});

test('cache: fields that had no effect are named again; those of the stream belong to each request', async () => {
  const body = { stream: true, stream_options: { include_obfuscation: true }, store: true };
  const { handler } = world([() => streamed(EVENTS, ['store', 'stream_options.include_obfuscation'])]);
  const first = await handler(callOf({ body }));
  assert.ok(first.kind === 'stream');
  await fold(first.batches);
  assert.deepEqual((await handler(callOf({ body }))).ignored, ['store', 'stream_options.include_obfuscation']);
  assert.deepEqual((await handler(callOf({ body: { store: true } }))).ignored, ['store']);
});

test('cache: an answer larger than an eighth of the memory passes and is not kept', async () => {
  const long = 'x'.repeat(5000);
  for (const reply of [() => whole(response(long)), () => streamed(unfold(response(long)))]) {
    const { ask } = world([reply], { maxBytes: 32 * 1024 });
    assert.deepEqual(await ask(), [long, 'miss']);
    assert.deepEqual(await ask(), [long, 'miss']);
  }
  const { ask } = world([() => whole(response(long))], { maxBytes: 64 * 1024 });
  await ask();
  assert.equal((await ask())[1], 'hit');
});

test('cache: who changes an answer does not change it for the next', async () => {
  const { handler, ask } = world([() => whole(response('one'))]);
  await ask();
  const reply = await handler(callOf());
  assert.ok(reply.kind === 'full');
  Object.assign(reply.response, { choices: [] });
  assert.deepEqual(await ask(), ['one', 'hit']);
});

test('cache: an answer that cannot be kept is a line in the log, and nothing to the client', async () => {
  const loop: Record<string, unknown> = {};
  loop['loop'] = loop;
  const odd = { ...response('odd'), usage: { ...response('').usage, providerTools: loop } } as unknown as ChatResponse;
  for (const reply of [() => whole(odd), () => streamed(unfold(odd))]) {
    const { ask, failures } = world([reply]);
    assert.deepEqual(await ask(), ['odd', 'miss']);
    assert.deepEqual(await ask(), ['odd', 'miss']);
    assert.equal(failures.length, 2);
  }
});

test('cache: a request that cannot be told from others goes on without the cache', async () => {
  const { handler, failures } = world([anew]);
  const call = callOf();
  const odd = { ...call, request: { ...call.request, raw: { bad: 1n } } };
  assert.equal((await handler(odd)).kind, 'full');
  assert.deepEqual([call.trace.cache, failures.length], [undefined, 1]);
});

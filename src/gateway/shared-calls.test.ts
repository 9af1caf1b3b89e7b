import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Call, Handler, Reply } from '../core/call.ts';
import { GatewayError, toGatewayError } from '../core/error.ts';
import type { Batch, ChatEvent } from '../core/event.ts';
import { createQueue } from '../core/queue.ts';
import { unfold } from '../core/unfold.ts';
import { accept } from '../../test/support/openai-chat.ts';
import { cached } from './cache.ts';
import { createFanOut } from './fan-out.ts';

const GONE = new GatewayError('cancelled', 'The client closed the connection.');
const delta = (text: string): ChatEvent => ({ type: 'block_delta', choice: 0, block: 0, text });
const [START, OPEN, SAYS, ...END] = unfold({
  id: 'chatcmpl-1',
  model: 'm',
  created: 1,
  choices: [{ blocks: [{ type: 'text', text: 'x' }], reason: 'stop' }],
  usage: undefined,
});
assert.ok(START && OPEN && SAYS);

/** A call that a test answers step by step. */
interface Made {
  readonly call: Call;
  readonly answer: (reply: Reply) => void;
  readonly fail: (error: GatewayError) => void;
}

/** A cache that shares, before a handler whose calls the test answers. */
function world() {
  const made: Made[] = [];
  const failures: unknown[] = [];
  const next: Handler = (call) =>
    new Promise((answer, fail) => {
      made.push({ call, answer, fail });
      call.signal.addEventListener('abort', () => fail(toGatewayError(call.signal.reason)));
    });
  const settings = { enabled: true, perRequest: true, maxBytes: 1024 ** 2, ttlMs: 0, models: [], share: true };
  const handler = cached({ settings, now: () => 0, failed: (cause) => failures.push(cause) })(next);
  const ask = (
    more: { readonly tenant?: string; readonly body?: Readonly<Record<string, unknown>>; readonly cache?: Call['cache'] } = {},
  ) => {
    const client = new AbortController();
    const call: Call = {
      id: 'req_1',
      request: accept({ stream: true, ...more.body }),
      principal: { id: more.tenant ?? 'a', role: 'member' },
      strict: false,
      signal: client.signal,
      trace: { attempts: [] },
      ...(more.cache ? { cache: more.cache } : {}),
    };
    const reply = handler(call);
    // those who leave do not look at it
    reply.then(undefined, () => undefined);
    return { reply, trace: call.trace, leave: () => client.abort(GONE) };
  };
  return { ask, made, failures };
}

/** A stream that a test writes, and what became of it. */
function stream() {
  const state = { left: false };
  const queue = createQueue<Batch>(() => {
    state.left = true;
  });
  const write = (...events: readonly ChatEvent[]): void => queue.push({ events });
  const end = (): void => {
    write(...END);
    queue.close();
  };
  return { state, write, end, queue, reply: { kind: 'stream', batches: queue, ignored: [] } satisfies Reply };
}

const reading = (reply: Reply): AsyncIterator<Batch> => {
  assert.ok(reply.kind === 'stream');
  return reply.batches[Symbol.asyncIterator]();
};

async function textOf(reader: AsyncIterator<Batch>): Promise<string> {
  let text = '';
  for (let result = await reader.next(); result.done !== true; result = await reader.next())
    for (const event of result.value.events) if (event.type === 'block_delta') text += event.text;
  return text;
}

/** All that can happen without anything from outside has happened. */
const settled = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

test('sharing: who asks the same at the same time gets the one call’s answer, each at its own pace', async () => {
  const { ask, made } = world();
  const asked = [ask(), ask(), ask({ body: { stream: false } })];
  const { reply, write, end } = stream();
  made[0]?.answer(reply);
  const [first, second, third] = await Promise.all(asked.map(async (one) => reading(await one.reply)));
  assert.ok(first && second && third);
  write(START, OPEN, delta('one '));
  assert.equal((await first.next()).done, false, 'the first output is there before the end');
  assert.equal((await second.next()).done, false);
  const late = ask();
  const fourth = reading(await late.reply);
  write(delta('two'));
  end();
  assert.deepEqual(await Promise.all([textOf(first), textOf(second)]), ['two', 'two']);
  assert.deepEqual(await Promise.all([textOf(third), textOf(fourth)]), ['one two', 'one two']);
  assert.deepEqual(
    [...asked, late].map(({ trace }) => trace.cache),
    ['miss', 'shared', 'shared', 'shared'],
  );
  assert.equal(made.length, 1);
  const after = ask();
  assert.equal((await after.reply).kind, 'full');
  assert.equal(after.trace.cache, 'hit');
});

test('sharing: a whole answer is the same for all', async () => {
  const { ask, made } = world();
  const asked = [ask(), ask()];
  const response = { id: 'c', model: 'm', created: 1, choices: [{ blocks: [], reason: 'stop' as const }], usage: undefined };
  made[0]?.answer({ kind: 'full', response, ignored: ['seed'] });
  const replies = await Promise.all(asked.map(({ reply }) => reply));
  assert.deepEqual(
    replies.map((reply) => reply.kind === 'full' && [reply.response.id, reply.ignored]),
    [
      ['c', ['seed']],
      ['c', ['seed']],
    ],
  );
});

test('sharing: other tenants, other bodies, skip and refresh make calls of their own', async () => {
  const { ask, made } = world();
  ask();
  ask({ tenant: 'b' });
  ask({ body: { seed: 1 } });
  ask({ cache: 'skip' });
  ask({ cache: 'refresh' });
  await settled();
  assert.equal(made.length, 5);
});

test('sharing: who made the call may leave, before the output or in the middle; the others read on', async () => {
  const { ask, made } = world();
  const [first, second, third] = [ask(), ask(), ask()];
  first.leave();
  await assert.rejects(first.reply, { message: GONE.message });
  assert.equal(made[0]?.call.signal.aborted, false);
  const { reply, write, end, state } = stream();
  made[0]?.answer(reply);
  const [two, three] = [reading(await second.reply), reading(await third.reply)];
  write(START, OPEN, delta('a'));
  await two.next();
  second.leave();
  assert.deepEqual(await two.next(), { done: true, value: undefined });
  write(delta('b'));
  end();
  assert.equal(await textOf(three), 'ab');
  assert.deepEqual([state.left, made.length, made[0]?.call.signal.aborted], [false, 1, false]);
});

test('sharing: the call ends with its last reader', async () => {
  const { ask, made } = world();
  const asked = [ask(), ask()];
  const { reply, write, state } = stream();
  made[0]?.answer(reply);
  const [first, second] = await Promise.all(asked.map(async (one) => reading(await one.reply)));
  write(START, OPEN, delta('a'));
  await first?.next();
  await first?.return?.();
  assert.equal(made[0]?.call.signal.aborted, false);
  // it was never read from: its signal is all that says so
  assert.ok(second);
  asked[1]?.leave();
  assert.deepEqual([made[0]?.call.signal.aborted, made[0]?.call.signal.reason, state.left], [true, GONE, true]);
  ask();
  assert.equal(made.length, 2, 'who comes then makes a call of its own');
});

test('sharing: all leave before the output, and the call ends at once', async () => {
  const { ask, made } = world();
  const asked = [ask(), ask()];
  for (const one of asked) one.leave();
  assert.equal(made[0]?.call.signal.aborted, true);
  await Promise.all(asked.map((one) => assert.rejects(one.reply, { message: GONE.message })));
  assert.equal(made.length, 1);
});

test('sharing: a failure before the output is told to the one who made the call; the others have one more call', async () => {
  const { ask, made } = world();
  const [first, second, third] = [ask(), ask(), ask()];
  made[0]?.fail(new GatewayError('upstream', 'first'));
  await assert.rejects(first.reply, /first/);
  await settled();
  assert.equal(made.length, 2);
  const { reply, write, end } = stream();
  made[1]?.answer(reply);
  write(START, OPEN, delta('x'));
  end();
  assert.deepEqual(await Promise.all([second, third].map(async (one) => textOf(reading(await one.reply)))), ['x', 'x']);
  assert.deepEqual(
    [first, second, third].map(({ trace }) => trace.cache),
    ['miss', 'miss', 'shared'],
  );
});

test('sharing: nobody waits for more than two calls of others that fail, however many ask', async () => {
  const { ask, made } = world();
  const all = Array.from({ length: 20 }, () => ask());
  for (const words of ['first', 'second']) {
    made.at(-1)?.fail(new GatewayError('upstream', words));
    await settled();
  }
  assert.equal(made.length, 2);
  const failures = await Promise.all(all.map(async ({ reply }) => reply.catch((cause: unknown) => (cause as GatewayError).message)));
  assert.deepEqual(failures, ['first', ...Array.from({ length: 19 }, () => 'second')]);
  ask();
  await settled();
  assert.equal(made.length, 3, 'who comes later begins anew');
});

test('sharing: an error in the middle reaches all, and nothing of it is kept', async () => {
  const { ask, made } = world();
  const asked = [ask(), ask()];
  const { reply, write, queue } = stream();
  made[0]?.answer(reply);
  write(START, OPEN, delta('a'));
  queue.fail(new GatewayError('upstream', 'cut'));
  await Promise.all(asked.map(async (one) => assert.rejects(textOf(reading(await one.reply)), /cut/)));
  ask();
  assert.equal(made.length, 2);
});

test('sharing: frames that pass as they are pass to the one who made the call alone', async () => {
  const { ask, made } = world();
  const asked = [ask(), ask({ body: { stream_options: { include_usage: true } } })];
  const { reply, queue } = stream();
  made[0]?.answer(reply);
  queue.push({ events: [START], raw: 'data: 1\n\n' });
  const firsts = await Promise.all(asked.map(async (one) => (await reading(await one.reply).next()).value));
  assert.deepEqual(firsts, [{ events: [START], raw: 'data: 1\n\n' }, { events: [START] }]);
});

/** A fan-out with room for so many bytes, of a source that has endless batches of 1,000 bytes. */
function endless(limit: number) {
  const counts = { pulled: 0, held: 0, closed: 0, left: 0 };
  const fanOut = createFanOut({
    limit,
    hold(bytes) {
      counts.held += bytes;
      return true;
    },
    closed: () => counts.closed++,
    abandoned: () => counts.left++,
  });
  fanOut.start({
    [Symbol.asyncIterator]: () => ({
      next: async () => ({ done: false, value: { events: [delta(String(counts.pulled++).padStart(872, '.'))] } }),
      return: async () => ({ done: true, value: undefined }),
    }),
  });
  const enter = () => {
    const reader = fanOut.enter(new AbortController().signal);
    return { leave: reader.leave, iterator: reader.batches[Symbol.asyncIterator]() };
  };
  return { counts, enter };
}

test('sharing: nothing is asked for before a reader wants it', async () => {
  const { counts, enter } = endless(10_000);
  const { iterator } = enter();
  await settled();
  assert.equal(counts.pulled, 0);
  await iterator.next();
  await settled();
  assert.equal(counts.pulled, 1);
});

test('sharing: a reader that is alone reads as much as it likes in bounded memory', async () => {
  const { counts, enter } = endless(10_000);
  const { iterator } = enter();
  for (let read = 0; read < 100; read++) {
    await iterator.next();
    assert.ok(counts.held <= 11_000, `${counts.held} bytes`);
  }
  assert.equal(counts.closed, 1, 'nobody can come any more once the beginning is gone');
});

test('sharing: one that falls too far behind the oldest is let go with an error', async () => {
  const { counts, enter } = endless(10_000);
  const [oldest, slow] = [enter(), enter()];
  await slow.iterator.next();
  for (let read = 0; read < 100; read++) {
    await oldest.iterator.next();
    assert.ok(counts.held <= 11_000, `${counts.held} bytes`);
  }
  await assert.rejects(async () => slow.iterator.next(), { kind: 'overloaded' });
  assert.equal(counts.left, 0);
});

test('sharing: the oldest reader has its own pace; the others wait for it, and go on when it leaves', async () => {
  const { counts, enter } = endless(10_000);
  const [oldest, fast] = [enter(), enter()];
  let read = 0;
  const run = async (): Promise<void> => {
    while (read < 50) {
      await fast.iterator.next();
      read++;
    }
  };
  const running = run();
  await settled();
  assert.ok(read <= 11, `${read} batches ahead`);
  const before = read;
  for (let step = 0; step < 5; step++) await oldest.iterator.next();
  await settled();
  assert.equal(read, before + 5);
  oldest.leave();
  await running;
  assert.equal(counts.pulled, 50);
  fast.leave();
  assert.deepEqual([counts.held, counts.left], [0, 1]);
});

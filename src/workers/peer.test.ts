import type { Signal } from '../core/abort.ts';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { deserialize, serialize } from 'node:v8';
import { GatewayError } from '../core/error.ts';
import { createLink } from './link.ts';
import { isBatch } from './message.ts';
import type { Message } from './message.ts';
import { createPeer } from './peer.ts';
import type { Answerer, Peer } from './peer.ts';

interface Pair {
  readonly near: Peer;
  readonly far: Peer;
  readonly failures: unknown[];
  /** All messages that went from near to far, in the batches in which they went. */
  readonly batches: (readonly Message[])[];
}

/** Two ends; what goes between them is copied as between processes. */
function pair(answers: Readonly<Record<string, Answerer>>): Pair {
  const failures: unknown[] = [];
  const batches: (readonly Message[])[] = [];
  const copied = (batch: readonly Message[]): readonly Message[] => {
    const value: unknown = deserialize(serialize(batch));
    assert.ok(isBatch(value));
    return value;
  };
  const failed = (cause: unknown): void => void failures.push(cause);
  const there = createLink(
    (batch) => {
      const copy = copied(batch);
      batches.push(batch);
      far.receive(copy);
    },
    (message, cause) => near.unsendable(message, cause),
  );
  const back = createLink(
    (batch) => near.receive(copied(batch)),
    (message, cause) => far.unsendable(message, cause),
  );
  const near = createPeer({ post: there.post, answers: {}, failed });
  const far: Peer = createPeer({ post: back.post, answers, failed });
  return { near, far, failures, batches };
}

async function* numbers(count: number, seen: (item: number) => void = () => undefined) {
  for (let item = 0; item < count; item++) {
    seen(item);
    yield item;
  }
}

test('peer: a call has the result of the other end, whatever it is made of', async () => {
  const { near } = pair({ echo: (args) => args });
  const value = { big: 2n ** 70n, map: new Map([['a', 1]]), nothing: undefined, bytes: new Uint8Array([1, 2]), text: 'ä🌍' };
  assert.deepEqual(await near.call('echo', [value, 1]), [value, 1]);
});

test('peer: calls of one turn go together, and each gets its own answer, whichever is first', async () => {
  const gates = new Map<number, PromiseWithResolvers<number>>();
  const { near, batches } = pair({
    wait: ([n]) => {
      const gate = Promise.withResolvers<number>();
      gates.set(n as number, gate);
      return gate.promise;
    },
  });
  const calls = [1, 2, 3].map((n) => near.call('wait', [n]));
  await setImmediate();
  assert.deepEqual(
    batches.map(({ length }) => length),
    [3],
  );
  for (const n of [3, 1, 2]) gates.get(n)?.resolve(n * 10);
  assert.deepEqual(await Promise.all(calls), [10, 20, 30]);
});

test('peer: what the other end throws is thrown here, with what a client is told', async () => {
  const refusal = new GatewayError('rate_limited_requests', 'Too many.', {
    param: 'model',
    retryAfterMs: 1500,
    cause: new TypeError('why'),
  });
  const { near } = pair({
    refuse: () => Promise.reject(refusal),
    break: () => {
      throw Object.assign(new RangeError('too large'), { errcode: 19 });
    },
  });
  await assert.rejects(near.call('refuse', []), (error) => {
    assert.ok(error instanceof GatewayError && error.cause instanceof TypeError);
    const { kind, param, retryAfterMs, status, retryable, message } = error;
    assert.deepEqual(
      { kind, param, retryAfterMs, status, retryable, message },
      { kind: 'rate_limited_requests', param: 'model', retryAfterMs: 1500, status: 429, retryable: true, message: 'Too many.' },
    );
    return true;
  });
  await assert.rejects(near.call('break', []), (error) => error instanceof RangeError && 'errcode' in error && error.errcode === 19);
  await assert.rejects(near.call('nonsense', []), /nobody answers nonsense/);
});

test('peer: a call that is cancelled ends at once, and the other end hears of it', async () => {
  const heard = Promise.withResolvers<string>();
  const begun = Promise.withResolvers<void>();
  const { near } = pair({
    wait: (_, { signal }) => {
      signal.addEventListener('abort', () => heard.resolve('cancelled'));
      begun.resolve();
      return new Promise(() => undefined);
    },
  });
  const ending = new AbortController();
  const call = near.call('wait', [], ending.signal);
  await begun.promise;
  const reason = new GatewayError('cancelled', 'gone');
  ending.abort(reason);
  await assert.rejects(call, reason);
  assert.equal(await heard.promise, 'cancelled');
  await assert.rejects(near.call('wait', [], ending.signal), reason);
});

test('peer: a stream has all its items in order, and its failure after them', async () => {
  const { near } = pair({
    count: () => numbers(1000),
    fail: async function* () {
      yield* numbers(3);
      throw new GatewayError('upstream', 'broke');
    },
    refuse: () => Promise.reject(new GatewayError('overloaded', 'full')),
  });
  const items: unknown[] = [];
  for await (const item of await near.open('count', [])) items.push(item);
  assert.deepEqual(
    items,
    Array.from({ length: 1000 }, (_, at) => at),
  );
  const some: unknown[] = [];
  await assert.rejects(async () => {
    for await (const item of await near.open('fail', [])) some.push(item);
  }, /broke/);
  assert.deepEqual(some, [0, 1, 2]);
  await assert.rejects(near.open('refuse', []), /full/);
});

test('peer: a stream waits for its reader, and ends when the reader leaves', async () => {
  let produced = 0;
  let left = false;
  const { near } = pair({
    count: async function* () {
      try {
        yield* numbers(100_000, (item) => (produced = item + 1));
      } finally {
        left = true;
      }
    },
  });
  const stream = (await near.open('count', []))[Symbol.asyncIterator]();
  for (let turn = 0; turn < 50; turn++) await setImmediate();
  assert.ok(produced <= 300, `${produced} were made for nobody`);
  for (let item = 0; item < 1000; item++) assert.deepEqual(await stream.next(), { done: false, value: item });
  await stream.return?.();
  for (let turn = 0; turn < 50; turn++) await setImmediate();
  assert.ok(left && produced < 2000, `${produced}`);
});

test('peer: when the other end is gone, what is open fails, and what is being answered is cancelled', async () => {
  const signals: Signal[] = [];
  const { near, far } = pair({
    wait: (_, { signal }) => {
      signals.push(signal);
      return new Promise(() => undefined);
    },
    count: async function* (_: readonly unknown[], { signal }: { signal: Signal }) {
      signals.push(signal);
      yield 1;
      await new Promise(() => undefined);
    },
  });
  const call = near.call('wait', []);
  const stream = await near.open('count', []);
  await setImmediate();
  const gone = new Error('gone');
  near.close(gone);
  far.close(gone);
  await assert.rejects(call, gone);
  await assert.rejects(async () => {
    for await (const item of stream) assert.equal(item, 1);
  }, gone);
  await assert.rejects(near.call('wait', []), gone);
  assert.deepEqual(
    signals.map(({ aborted }) => aborted),
    [true, true],
  );
});

test('peer: what is told arrives in its order among calls; what cannot be taken in is reported there', async () => {
  const heard: unknown[] = [];
  const { near, failures } = pair({
    note: ([what]) => void heard.push(what),
    fail: () => Promise.reject(new Error('later')),
    ask: () => heard.length,
  });
  near.tell('note', ['a']);
  const count = near.call('ask', []);
  near.tell('note', ['b']);
  near.tell('fail', []);
  near.tell('unknown', []);
  assert.equal(await count, 1);
  await setImmediate();
  assert.deepEqual(heard, ['a', 'b']);
  assert.deepEqual(
    failures.map((cause) => (cause as Error).message),
    ['nobody listens to unknown here', 'later'],
  );
});

test('peer: what is no plain data fails whoever asked with it, or for it, and nothing else', async () => {
  const { near } = pair({
    echo: ([value]) => value,
    secret: () => () => undefined,
    functions: async function* () {
      yield 1;
      yield () => undefined;
    },
  });
  const [good, sent, asked] = await Promise.allSettled([
    near.call('echo', [1]),
    near.call('echo', [() => undefined]),
    near.call('secret', []),
  ]);
  assert.equal(good?.status === 'fulfilled' && good.value, 1);
  assert.ok(sent?.status === 'rejected' && /could not be cloned/.test(String(sent.reason)));
  assert.ok(asked?.status === 'rejected' && /could not be cloned/.test(String(asked.reason)));
  const items: unknown[] = [];
  await assert.rejects(async () => {
    for await (const item of await near.open('functions', [])) items.push(item);
  }, /could not be cloned/);
  assert.deepEqual(items, [1]);
});

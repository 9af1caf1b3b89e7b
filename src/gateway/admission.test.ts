import assert from 'node:assert/strict';
import { setImmediate } from 'node:timers/promises';
import { test } from 'node:test';
import { accept } from '../../test/support/openai-chat.ts';
import type { Call, Reply } from '../core/call.ts';
import { GatewayError } from '../core/error.ts';
import { createAdmission } from './admission.ts';

const ANSWER: Reply = { kind: 'full', response: { id: '1', model: 'm', created: 1, choices: [], usage: undefined }, ignored: [] };

const callOf = (signal: AbortSignal = new AbortController().signal): Call => ({
  id: 'req_1',
  request: accept({}),
  principal: { id: 'p', role: 'member' },
  strict: false,
  signal,
  trace: { attempts: [] },
});

/** Completions by name, each of which runs until it is told to end. */
function world(settings: Partial<Parameters<typeof createAdmission>[0]> = {}) {
  const admission = createAdmission({ maxInFlight: 1, queue: 10, maxWaitMs: 10_000, ...settings });
  const order: string[] = [];
  const ends = new Map<string, () => void>();
  const run = (name: string, signal?: AbortSignal): Promise<Reply> =>
    admission.layer(async () => {
      order.push(name);
      const { promise, resolve } = Promise.withResolvers<void>();
      ends.set(name, resolve);
      await promise;
      return ANSWER;
    })(callOf(signal));
  return { admission, order, run, end: (name: string) => ends.get(name)?.() };
}

test('admission: a place that becomes free belongs to who waited for it, not to who comes in that moment', async () => {
  const { admission, order, run, end } = world();
  const first = run('first');
  const second = run('second');
  await setImmediate();
  end('first');
  await first;
  // before the second one has had its turn
  const third = run('third');
  await setImmediate();
  assert.deepEqual(order, ['first', 'second']);
  end('second');
  await second;
  await setImmediate();
  end('third');
  await third;
  assert.deepEqual(order, ['first', 'second', 'third']);
  assert.deepEqual([admission.running(), admission.waiting()], [0, 0]);
});

test('admission: who leaves in the moment in which its turn comes passes the place on', async () => {
  const { admission, order, run, end } = world();
  const leaving = new AbortController();
  const first = run('first');
  const second = run('second', leaving.signal);
  const third = run('third');
  await setImmediate();
  end('first');
  await first;
  leaving.abort(new GatewayError('cancelled', 'gone'));
  await assert.rejects(second, { kind: 'cancelled' });
  await setImmediate();
  assert.deepEqual(order, ['first', 'third']);
  end('third');
  await third;
  assert.deepEqual([admission.running(), admission.waiting()], [0, 0]);
});

test('admission: who is one more than may wait is sent away with a time to come back', async () => {
  const { run, end } = world({ queue: 1 });
  const first = run('first');
  const second = run('second');
  await assert.rejects(run('third'), { status: 503, retryAfterMs: 1000 });
  end('first');
  await first;
  await setImmediate();
  end('second');
  await second;
});

test('admission: with more places, those who wait come in; with fewer, those who run stay', async () => {
  const { admission, order, run, end } = world();
  const all = ['a', 'b', 'c', 'd'].map((name) => run(name));
  await setImmediate();
  admission.tune({ maxInFlight: 3, queue: 10, maxWaitMs: 10_000 });
  await setImmediate();
  assert.deepEqual([order, admission.running(), admission.waiting()], [['a', 'b', 'c'], 3, 1]);
  admission.tune({ maxInFlight: 1, queue: 10, maxWaitMs: 10_000 });
  end('a');
  end('b');
  await setImmediate();
  assert.deepEqual([order.length, admission.running(), admission.waiting()], [3, 1, 1]);
  end('c');
  await setImmediate();
  end('d');
  await Promise.all(all);
  assert.deepEqual([admission.running(), admission.waiting()], [0, 0]);
});

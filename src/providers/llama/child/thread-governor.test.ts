import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createThreadGovernor, type ThreadGovernor } from './thread-governor.ts';

/** Runs steps of one token; `time` gives what a step takes with so many threads. */
function steps(governor: ThreadGovernor, count: number, time: (threads: number) => number): number[] {
  return Array.from({ length: count }, () => {
    const threads = governor.threads();
    governor.report(1, time(threads));
    return threads;
  });
}

const idle = (threads: number): number => (threads === 2 ? 10 : 18);
const contended = (threads: number): number => (threads === 2 ? 110 : 20);
const share = (used: readonly number[], threads: number): number => used.filter((one) => one === threads).length / used.length;

test('threads: an idle machine uses all of them, but for a look at the other choice now and then', () => {
  assert.ok(share(steps(createThreadGovernor(2), 1000, idle), 2) > 0.99);
});

test('threads: where spinning costs more than it gives, fewer are used, also from the first steps on', () => {
  const used = steps(createThreadGovernor(2), 300, contended);
  assert.deepEqual(used.slice(0, 3), [2, 1, 1]);
  assert.ok(share(used, 1) > 0.97);
});

test('threads: a machine that becomes busy is noticed within a few steps, and one that is free again in some more', () => {
  const governor = createThreadGovernor(2);
  steps(governor, 20, idle);
  const busy = steps(governor, 60, contended);
  assert.ok(share(busy.slice(6), 1) > 0.92, 'but for looks, ever rarer, whether all are faster again');
  steps(governor, 70, idle);
  assert.ok(share(steps(governor, 60, idle), 2) > 0.95);
});

test('threads: steps that are slow for another reason keep all threads', () => {
  const governor = createThreadGovernor(2);
  steps(governor, 20, idle);
  assert.ok(
    share(
      steps(governor, 300, (threads) => idle(threads) * 5),
      2,
    ) > 0.97,
  );
});

test('threads: prompts, whose times vary, are no reason to look, nor is one that is slow', () => {
  const governor = createThreadGovernor(2);
  for (let i = 0; i < 100; i++) {
    assert.equal(governor.threads(), 2);
    governor.reportPrompt(100 + i, i % 2 === 0 ? 10 : 1000);
  }
});

test('threads: a prompt that is read slowly for a while is read with fewer, until all are faster again', () => {
  const governor = createThreadGovernor(2);
  const read = (count: number, time: (threads: number) => number): number[] =>
    Array.from({ length: count }, () => {
      const threads = governor.threads();
      governor.reportPrompt(32, time(threads));
      return threads;
    });
  assert.equal(share(read(20, idle), 2), 1);
  assert.ok(share(read(60, contended).slice(6), 1) > 0.92);
  read(70, idle);
  assert.equal(share(read(20, idle), 2), 1);
});

test('threads: one thread is never made fewer', () => {
  assert.deepEqual([...new Set(steps(createThreadGovernor(1), 100, (threads) => threads * 7))], [1]);
});

test('threads: a short disturbance is over within a few steps, a long one is not looked at again and again', () => {
  const governor = createThreadGovernor(2);
  steps(governor, 20, idle);
  steps(governor, 6, contended);
  steps(governor, 10, idle);
  assert.equal(share(steps(governor, 50, idle), 2), 1);
  const long = createThreadGovernor(2);
  steps(long, 200, contended);
  assert.ok(share(steps(long, 640, contended), 2) < 0.02);
});

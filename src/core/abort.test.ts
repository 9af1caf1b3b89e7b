import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { test } from 'node:test';
import { Abort, eachUnlessAborted, following, unlessAborted } from './abort.ts';

const never = new Promise<never>(() => undefined);

test('abort: work that takes too long is not waited for, and the signal is let go when it ends', async () => {
  const control = new AbortController();
  const waiting = unlessAborted(never, control.signal);
  assert.equal(await unlessAborted(Promise.resolve(1), control.signal), 1);
  await new Promise(setImmediate);
  assert.equal(getEventListeners(control.signal, 'abort').length, 1);
  control.abort(new Error('enough'));
  await assert.rejects(waiting, /enough/);
});

test('abort: pieces of work pass one after the other under one listener, and what waits ends with the signal', async () => {
  const control = new AbortController();
  const unlessLeft = eachUnlessAborted(control.signal);
  for (const piece of [1, 2, 3]) assert.equal(await unlessLeft(Promise.resolve(piece)), piece);
  await assert.rejects(unlessLeft(Promise.reject(new Error('broken'))), /broken/);
  assert.equal(getEventListeners(control.signal, 'abort').length, 1);
  const waiting = unlessLeft(never);
  control.abort(new Error('enough'));
  await assert.rejects(waiting, /enough/);
  await assert.rejects(unlessLeft(never), /enough/);
});

test('abort: does what an AbortController and its signal do, whatever listeners do meanwhile', () => {
  const run = (signal: AbortSignal | Abort, fire: (reason: unknown) => void): readonly string[] => {
    const heard: string[] = [];
    const listener = (name: string) => (): void => void heard.push(`${name} ${String(signal.aborted)} ${String(signal.reason)}`);
    const [first, removed, takenOff, last] = ['first', 'removed', 'taken off', 'last'].map(listener);
    const takesOff = (): void => signal.removeEventListener('abort', takenOff ?? first ?? takesOff);
    const addsOne = (): void => signal.addEventListener('abort', listener('too late'));
    for (const one of [first, takesOff, removed, takenOff, last]) if (one) signal.addEventListener('abort', one);
    if (removed) signal.removeEventListener('abort', removed);
    heard.push(String(signal.aborted));
    signal.throwIfAborted();
    fire('why');
    fire('again');
    addsOne();
    assert.throws(
      () => signal.throwIfAborted(),
      (reason) => reason === 'why',
    );
    return heard;
  };
  const control = new AbortController();
  const own = new Abort();
  const expected = run(control.signal, (reason) => control.abort(reason));
  assert.deepEqual(expected, ['false', 'first true why', 'last true why']);
  assert.deepEqual(
    run(own, (reason) => own.abort(reason)),
    expected,
  );
});

test('abort: a follower fires with what it follows, or alone, and not after it has left', () => {
  const outer = new Abort();
  const one = following(outer);
  const alone = following(outer);
  const left = following(outer);
  alone.control.abort('own');
  left.leave();
  assert.equal(outer.aborted, false);
  outer.abort('outer');
  assert.deepEqual([one.control.reason, alone.control.reason, left.control.aborted], ['outer', 'own', false]);
  assert.equal(following(outer).control.reason, 'outer');
});

test('abort: work is not waited for once the signal fires, and its failure is nobody’s concern then', async () => {
  const signal = new Abort();
  const work = Promise.withResolvers<string>();
  const waiting = unlessAborted(work.promise, signal);
  const reason = new Error('gone');
  signal.abort(reason);
  await assert.rejects(waiting, reason);
  work.reject(new Error('too late'));
  await assert.rejects(unlessAborted(Promise.resolve('there'), signal), reason);
  assert.equal(await unlessAborted(Promise.resolve('there'), new Abort()), 'there');
});

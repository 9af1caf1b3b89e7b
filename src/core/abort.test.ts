import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { test } from 'node:test';
import { eachUnlessAborted, unlessAborted } from './abort.ts';

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

import assert from 'node:assert/strict';
import { setImmediate } from 'node:timers/promises';
import { test } from 'node:test';
import { within } from './scripts.ts';

function busy(ms: number): void {
  for (const until = performance.now() + ms; performance.now() < until;);
}

/** What takes some turns of the loop: to be sent, answered and read. */
async function turns(count: number): Promise<string> {
  for (let turn = 0; turn < count; turn++) await setImmediate();
  return 'answer';
}

test('within: a process that was busy all the time has not waited for an answer yet', async () => {
  const answer = within(40, turns(3));
  busy(100);
  assert.equal(await answer, 'answer');
});

test('within: no answer in that time is a failure', async () => {
  await assert.rejects(within(20, new Promise<never>(() => undefined)), /no answer within 20 ms/);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import type { Call, Reply } from '../core/call.ts';
import { createAdmission } from '../gateway/admission.ts';
import type { Admission } from '../gateway/admission.ts';
import { createPlaces } from './places.ts';
import type { Places } from './places.ts';

interface Worker {
  readonly admission: Admission;
  readonly spare: () => Promise<number>;
}

const callOf = (signal: AbortSignal): Call => ({ signal }) as unknown as Call;

/** So many workers that share so many places; completions in them run until they are told to end. */
function start({ most, workers, queue = 0 }: { most: number; workers: number; queue?: number }) {
  const all: Worker[] = [];
  const places: Places<Worker> = createPlaces(most, () => all);
  for (let at = 0; at < workers; at++) {
    const admission: Admission = createAdmission({ maxInFlight: most, queue, maxWaitMs: 5000 }, { more: () => places.more(worker) });
    const worker: Worker = { admission, spare: () => Promise.resolve(admission.spare()) };
    all.push(worker);
  }
  const ends: (() => void)[] = [];
  const served = { now: 0, most: 0, whole: 0, refused: 0 };
  const ask = async (at: number): Promise<void> => {
    const handler = all[at]?.admission.layer(async (): Promise<Reply> => {
      served.now++;
      served.most = Math.max(served.most, served.now);
      await new Promise<void>((resolve) => ends.push(resolve));
      served.now--;
      served.whole++;
      return { kind: 'full', response: {}, ignored: [] } as unknown as Reply;
    });
    await handler?.(callOf(new AbortController().signal)).catch(() => served.refused++);
  };
  const turns = async (count = 20): Promise<void> => {
    for (let turn = 0; turn < count; turn++) await setImmediate();
  };
  return { all, places, ends, served, ask, turns };
}

test('places: all of them serve one worker where the others need none, and never more than there are', async () => {
  for (const most of [1, 2, 7, 100]) {
    const { ends, served, ask, turns } = start({ most, workers: 3 });
    const asked = [ask(0), ask(1), ask(2)];
    await turns();
    const first = served.now;
    assert.equal(first, Math.min(most, 3));
    asked.push(...Array.from({ length: most + 5 }, () => ask(0)));
    await turns(200);
    assert.equal(served.now, most, `of ${most}`);
    assert.equal(served.refused, asked.length - most);
    for (const end of ends) end();
    await Promise.all(asked);
  }
});

test('places: whoever waits in one worker gets what another does not need any more', async () => {
  const { ends, served, ask, turns } = start({ most: 2, workers: 2, queue: 10 });
  const asked = [ask(0), ask(0)];
  await turns();
  asked.push(ask(1), ask(1), ask(1));
  await turns();
  assert.equal(served.now, 2);
  while (served.whole < 5) {
    for (const end of ends.splice(0)) end();
    await new Promise((resolve) => setTimeout(resolve, 1));
    assert.ok(served.now <= 2);
  }
  await Promise.all(asked);
  assert.deepEqual([served.most, served.refused], [2, 0]);
});

test('places: what a worker had that is gone is there for the others; fewer hold from then on', async () => {
  const { all, places, ends, served, ask, turns } = start({ most: 4, workers: 2 });
  const asked = [ask(0), ask(0), ask(0), ask(0)];
  await turns();
  assert.equal(served.now, 4);
  const [gone] = all;
  assert.ok(gone);
  all.shift();
  places.leave(gone);
  served.now = 0;
  asked.push(ask(0), ask(0), ask(0), ask(0), ask(0));
  await turns();
  assert.deepEqual([served.now, served.refused], [4, 1]);
  for (const end of ends.splice(0)) end();
  await Promise.all(asked);
  served.now = 0;
  places.tune(1);
  await turns();
  const [one, other] = [ask(0), ask(0)];
  await turns();
  assert.ok(served.now <= 2, `${served.now}`);
  for (const end of ends) end();
  await Promise.all([one, other]);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { memoryCounters } from '../gateway/counters.ts';
import type { Counter, Take } from '../gateway/store-ports.ts';
import { createLeases } from './leases.ts';

const BUDGET: Counter = { kind: 'budget', key: 'key/k', limit: 1000n, since: 0, until: undefined };
const PLACES: Counter = { kind: 'concurrent', key: 'key/k', limit: 10 };
const takes = (nanos: bigint): readonly Take[] => [
  { counter: BUDGET, amount: nanos },
  { counter: PLACES, amount: 1n },
];
const charge = (nanos: bigint): readonly Take[] => [{ counter: BUDGET, amount: nanos }];
const read = Promise.resolve();

function start() {
  const counters = memoryCounters();
  const leases = createLeases(counters);
  const left = async () => (await counters.states([BUDGET, PLACES])).map(({ remaining, held }) => [remaining, held]);
  return { leases, left };
}

test('leases: what a worker held comes back when it is gone, and nobody else’s does', async () => {
  const { leases, left } = start();
  const [one, other] = [leases.lease('one'), leases.lease('other')];
  for (const [at, lease] of [one, one, other].entries()) assert.ok((await lease.take(`h${at}`, takes(100n))).ok);
  await one.settle('h0', charge(40n));
  assert.deepEqual(await left(), [[760n, 200n], [8n, undefined]]); // prettier-ignore
  await one.end(read);
  assert.deepEqual(await left(), [[860n, 100n], [9n, undefined]]); // prettier-ignore
  assert.equal(leases.held(), 1);
  await one.end(read);
  await other.settle('h2', charge(100n));
  assert.deepEqual(await left(), [[860n, 0n], [10n, undefined]]); // prettier-ignore
});

test('leases: what a dead worker has spent and not settled is charged once, however often its journal is read', async () => {
  const { leases, left } = start();
  const worker = leases.lease('dead');
  await worker.take('unsettled', takes(100n));
  await worker.take('settled', takes(100n));
  await worker.take('under way', takes(100n));
  await worker.settle('settled', charge(30n));
  const journal = async (): Promise<void> => {
    for (const holdId of ['unsettled', 'settled'])
      await leases.lasting.inherit({ holdId, by: 'dead', how: '', charges: charge(30n) }, false);
  };
  await worker.end(journal());
  assert.deepEqual(await left(), [[940n, 0n], [10n, undefined]]); // prettier-ignore
  await journal();
  assert.deepEqual(await left(), [[940n, 0n], [10n, undefined]]); // prettier-ignore
  await leases.lasting.forget('dead');
  await journal();
  assert.deepEqual(await left(), [[940n, 0n], [10n, undefined]]); // prettier-ignore
});

test('leases: a journal that could be read only later is charged then', async () => {
  const { leases, left } = start();
  const worker = leases.lease('dead');
  await worker.take('h', takes(100n));
  await worker.end(read);
  assert.deepEqual(await left(), [[1000n, 0n], [10n, undefined]]); // prettier-ignore
  await leases.lasting.inherit({ holdId: 'h', by: 'dead', how: '', charges: charge(70n) }, false);
  await leases.lasting.inherit({ holdId: 'h', by: 'dead', how: '', charges: charge(70n) }, false);
  assert.deepEqual(await left(), [[930n, 0n], [10n, undefined]]); // prettier-ignore
});

test('leases: a take that comes to its end when its worker is gone holds nothing', async () => {
  const counters = memoryCounters();
  const gate = Promise.withResolvers<bigint>();
  counters.seed(() => gate.promise);
  const leases = createLeases(counters);
  const worker = leases.lease('slow');
  const taking = worker.take('h', takes(100n));
  await worker.end(read);
  gate.resolve(5n);
  await taking;
  const [state] = await counters.states([BUDGET]);
  assert.deepEqual([state?.remaining, state?.held], [995n, 0n]);
});

test('leases: what a process before this one has left is charged to nobody: new counters begin with the records', async () => {
  const { leases, left } = start();
  await leases.lasting.inherit({ holdId: 'h', by: 'another run', how: '', charges: charge(70n) }, false);
  assert.deepEqual(await left(), [[1000n, 0n], [10n, undefined]]); // prettier-ignore
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { memoryCounters } from './counters.ts';
import { places, rate, START, take } from './counters-testing.ts';
import type { Refusal, Take } from './store-ports.ts';
import { createTurns } from './turns.ts';

/** Counters, and those who are refused by them. */
function worldOf(takes: readonly Take[], random = 0.5) {
  const clock = { now: START };
  const counters = memoryCounters({ now: () => clock.now });
  const turns = createTurns({ now: () => clock.now, random: () => random });
  let made = 0;
  return {
    clock,
    /** Undefined where it passes; else the milliseconds that are told. */
    async ask(): Promise<number | undefined> {
      const taken = await counters.take(`h${(made += 1)}`, turns.behind(takes));
      if (taken.ok) return undefined;
      return Math.max(...turns.told(taken.refusals, takes).map(({ retryAfterMs = Infinity }) => retryAfterMs));
    },
  };
}

test('turns: a crowd that is refused comes back one by one, and each passes when it comes as told', async () => {
  const world = worldOf([take(rate(60))]);
  for (let at = 0; at < 60; at += 1) {
    assert.equal(await world.ask(), undefined);
    world.clock.now += 1000;
  }
  world.clock.now -= 500;
  const told: number[] = [];
  for (let at = 0; at < 30; at += 1) told.push(world.clock.now + ((await world.ask()) ?? assert.fail()));
  assert.deepEqual(
    told.map((at) => at - START),
    Array.from({ length: 30 }, (_, at) => 60_000 + at * 1000),
  );
  for (const at of told) {
    world.clock.now = at;
    assert.equal(await world.ask(), undefined, `at ${at - START}`);
  }
});

test('turns: the first one refused is told when it fits, and who comes after a turn that is over as well', async () => {
  const world = worldOf([take(rate(2))]);
  await world.ask();
  world.clock.now += 10_000;
  await world.ask();
  assert.equal(await world.ask(), 50_000);
  // the one that was told never comes
  world.clock.now += 50_000;
  assert.equal(await world.ask(), undefined);
  assert.equal(await world.ask(), 10_000);
});

test('turns: more than fit in a minute are told moments of it, none before it would fit', async () => {
  for (const random of [0, 0.25, 1]) {
    const world = worldOf([take(rate(2))], random);
    await world.ask();
    world.clock.now += 20_000;
    await world.ask();
    const told = [];
    for (let at = 0; at < 4; at += 1) told.push(await world.ask());
    const spread = 40_000 + random * 20_000;
    assert.deepEqual(told, [40_000, 60_000, spread, spread]);
  }
});

test('turns: a limit for a day makes nobody wait longer than the SDKs do, who would not wait that long alone', async () => {
  const world = worldOf([take(rate(2, 86_400_000))], 1);
  await world.ask();
  world.clock.now += 3_600_000;
  await world.ask();
  world.clock.now += 82_790_000;
  assert.deepEqual([await world.ask(), await world.ask(), await world.ask()], [10_000, 60_000, 60_000]);
});

test('turns: of two limits the later one counts for both', async () => {
  const world = worldOf([take(rate(1)), take(rate(10, 60_000, 'tokens'), 10)]);
  await world.ask();
  world.clock.now += 1000;
  assert.equal(await world.ask(), 59_000);
});

test('turns: places at once are not all looked for at the same moment', async () => {
  const told = new Set<number | undefined>();
  for (const random of [0, 0.3, 1]) {
    const world = worldOf([take(places(1))], random);
    await world.ask();
    told.add(await world.ask());
  }
  assert.deepEqual([...told], [1000, 1300, 2000]);
});

test('turns: who is told not to come again has none', () => {
  const counter = rate(10);
  const turns = createTurns({ now: () => START, random: () => 0 });
  const refusals: readonly Refusal[] = [
    { counter, remaining: 0n, retryAfterMs: 5 },
    { counter: rate(5, 60_000, 'tokens'), remaining: 0n, retryAfterMs: undefined },
  ];
  const takes = [take(counter), take(rate(5, 60_000, 'tokens'), 6)];
  assert.deepEqual(turns.told(refusals, takes), refusals);
  assert.deepEqual(turns.behind(takes), takes);
});

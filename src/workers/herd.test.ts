import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { pino } from 'pino';
import { createHerd } from './herd.ts';
import type { WorkerProcess } from './herd.ts';

interface Fake extends WorkerProcess {
  begin(): void;
  failToBegin(): void;
  die(): void;
  readonly did: string[];
}

/** `graceMs`: real time until one that does not end is killed; an hour is more than any test takes. */
function start({ size = 2, begins = true, ends = true, graceMs = 3_600_000 } = {}) {
  const all: Fake[] = [];
  const clock = { now: 0 };
  /** Whether those that are started from now on begin at once. */
  const how = { begins };
  const lines: { readonly msg: string }[] = [];
  const log = pino({ base: null }, { write: (line: string) => void lines.push(JSON.parse(line) as { msg: string }) });
  const launch = (): Fake => {
    const ready = Promise.withResolvers<void>();
    const gone = Promise.withResolvers<string>();
    const did: string[] = [];
    const die = (): void => {
      ready.reject(new Error('it ended'));
      gone.resolve('died');
    };
    const fake: Fake = {
      name: `w${all.length + 1}`,
      pid: all.length + 1,
      ready: ready.promise,
      gone: gone.promise,
      did,
      begin: ready.resolve,
      failToBegin() {
        ready.reject(new Error('no port'));
      },
      die,
      end(deadlineMs, linger) {
        did.push(`end ${deadlineMs} ${linger}`);
        if (ends) die();
      },
      kill() {
        did.push('kill');
        die();
      },
    };
    ready.promise.catch(() => undefined);
    all.push(fake);
    if (how.begins) fake.begin();
    return fake;
  };
  const herd = createHerd({
    size,
    start: launch,
    log,
    now: () => clock.now,
    shutdownMs: () => 5,
    times: { stableMs: 1000, firstMs: 1, mostMs: 4, graceMs },
  });
  return { herd, all, clock, how, lines };
}

const names = (workers: readonly WorkerProcess[]): readonly string[] => workers.map(({ name }) => name);

async function until(holds: () => boolean): Promise<void> {
  for (const most = performance.now() + 60_000; !holds();) {
    assert.ok(performance.now() < most, 'it never came to that');
    await setImmediate();
  }
}

test('herd: all serve when it has started', async () => {
  const { herd, all } = start({ size: 3, begins: false });
  const starting = herd.start();
  await setImmediate();
  assert.deepEqual(names(herd.serving()), []);
  for (const one of all) one.begin();
  await starting;
  assert.deepEqual(names(herd.serving()), ['w1', 'w2', 'w3']);
});

test('herd: where one cannot start at first, it says why, and leaves none behind', async () => {
  const { herd, all } = start({ begins: false });
  const starting = herd.start();
  all[0]?.begin();
  await setImmediate();
  all[1]?.failToBegin();
  await assert.rejects(starting, /no port/);
  assert.deepEqual(all[0]?.did, ['end 5 false']);
  assert.deepEqual(all[1]?.did, ['kill']);
  assert.equal(all.length, 2);
});

test('herd: one that dies is replaced', async () => {
  const { herd, all, lines } = start();
  await herd.start();
  all[0]?.die();
  await until(() => herd.serving().includes(all[2] as WorkerProcess));
  assert.deepEqual(names(herd.serving()), ['w2', 'w3']);
  assert.deepEqual(
    lines.map(({ msg }) => msg),
    ['a worker ended unexpectedly; another one takes its place', 'worker started'],
  );
});

test('herd: where none is left and none can be started, it gives up', async () => {
  const { herd, all, how } = start({ size: 1, begins: false });
  const starting = herd.start();
  all[0]?.begin();
  await starting;
  const given = assert.rejects(herd.failed, /no port/);
  all[0]?.die();
  for (let at = 1; at <= 5; at++) {
    await until(() => all.length > at || at > 4);
    all[at]?.failToBegin();
  }
  await given;
  how.begins = true;
  assert.ok(all.length <= 6, `${all.length} were tried`);
});

test('herd: while others serve, it never gives up', async () => {
  const { herd, all, how } = start();
  await herd.start();
  how.begins = false;
  all[0]?.die();
  for (let at = 2; at < 12; at++) {
    await until(() => all.length > at);
    all[at]?.failToBegin();
  }
  how.begins = true;
  await until(() => herd.serving().length === 2);
  await Promise.race([herd.failed, setImmediate()]);
});

test('herd: when all are replaced, each new one serves before an old one is told to end, which clients do not notice', async () => {
  const { herd, all, how } = start({ ends: false });
  await herd.start();
  how.begins = false;
  const rolling = herd.roll();
  await until(() => all.length === 3);
  assert.deepEqual(all[0]?.did, []);
  all[2]?.begin();
  await until(() => all[0]?.did.length === 1);
  assert.deepEqual(all[0]?.did, ['end 5 true']);
  assert.deepEqual(names(herd.serving()), ['w2', 'w3']);
  assert.equal(all.length, 3, 'one after the other');
  all[0]?.die();
  await until(() => all.length === 4);
  all[3]?.begin();
  await until(() => all[1]?.did.length === 1);
  all[1]?.die();
  await rolling;
  assert.deepEqual(names(herd.serving()), ['w3', 'w4']);
});

test('herd: where a new one cannot start, the old ones stay', async () => {
  const { herd, all, how } = start();
  await herd.start();
  how.begins = false;
  const rolling = herd.roll();
  await until(() => all.length === 3);
  all[2]?.failToBegin();
  await assert.rejects(rolling, /no port/);
  assert.deepEqual(names(herd.serving()), ['w1', 'w2']);
  assert.deepEqual(all[0]?.did, []);
});

test('herd: one that dies while all are replaced has its place taken all the same', async () => {
  const { herd, all, how } = start();
  await herd.start();
  how.begins = false;
  const rolling = herd.roll();
  await until(() => all.length === 3);
  all[1]?.die();
  how.begins = true;
  all[2]?.begin();
  await rolling;
  await until(() => herd.serving().length === 2);
  assert.ok(!names(herd.serving()).some((name) => name === 'w1' || name === 'w2'));
});

test('herd: one that does not end in time is killed', async () => {
  const { herd, all } = start({ size: 1, ends: false, graceMs: 5 });
  await herd.start();
  await herd.close();
  assert.deepEqual(all[0]?.did, ['end 5 false', 'kill']);
  assert.deepEqual(herd.serving(), []);
});

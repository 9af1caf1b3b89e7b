/** Servers that share by Redis which targets rest; and what a Redis that is away changes: nothing else. */
import assert from 'node:assert/strict';
import { setImmediate } from 'node:timers/promises';
import { test } from 'node:test';
import type { HealthChange } from '../../src/gateway/ports.ts';
import { createRedisHealthBus } from '../../src/store/redis/health-bus.ts';
import { openTalk } from '../../src/store/redis/talk.ts';
import { providerAt, startRouted } from '../support/faulty-route.ts';
import { close, send, startFaultyUpstream, well } from '../support/faulty-upstream.ts';
import { loadOf } from '../support/gauges.ts';
import { byHand } from '../support/heard.ts';
import type { Heard } from '../support/heard.ts';
import type { LiveServer } from '../support/live-server.ts';
import { redisIsMissing, startRedis } from '../support/redis.ts';
import type { TestRedis } from '../support/redis.ts';
import { textOf } from '../support/upstream-answers.ts';

const skip = redisIsMissing;

const startSharing = (redisUrl: string, upstreamUrl: string, env: Readonly<Record<string, string>> = {}): Promise<LiveServer> =>
  startRouted({
    providers: { p: providerAt(upstreamUrl, ['m']) },
    routes: {},
    env: {
      PARLANCE_REDIS_URL: redisUrl,
      PARLANCE_ROUTING_BREAKER_FAILURES: '1',
      PARLANCE_ROUTING_BREAKER_COOLDOWN: '300ms',
      PARLANCE_ROUTING_ATTEMPTS: '1',
      ...env,
    },
  });

const hear = (server: LiveServer, token: string): Promise<Heard> => byHand({ url: server.url, model: 'p/m', token, stream: false });

const WITHIN_MS = 60_000;

/** Waits until the server says one of these of the target; gives how long that took. */
async function until(server: LiveServer, ...states: readonly string[]): Promise<number> {
  const from = performance.now();
  for (;;) {
    const { targets } = await loadOf(server.url);
    if (states.includes(targets['p/m']?.state ?? '')) return Math.round(performance.now() - from);
    assert.ok(performance.now() - from < WITHIN_MS, JSON.stringify(targets));
    await setImmediate();
  }
}

test(
  'shared health: what one server finds broken rests for the other, and for one that starts later, and works again for all',
  { skip },
  async (t) => {
    let broken = true;
    await using redis = await startRedis('pass%word');
    await using upstream = await startFaultyUpstream('a', (asked) => (broken ? [send('nonsense'), close] : well(asked)));
    await using first = await startSharing(redis.url, upstream.url, { PARLANCE_ROUTING_BREAKER_COOLDOWN: '5m' });
    await using second = await startSharing(redis.url, upstream.url);
    // both are connected when they hear of each other; before that, what is opened is told by its key
    assert.equal((await hear(first, 'breaks')).status, 502);
    t.diagnostic(`seen open by the other after ${await until(second, 'open')} ms`);
    assert.equal((await hear(second, 'rests')).status, 503);
    assert.equal(upstream.of('rests').length, 0);
    await using third = await startSharing(redis.url, upstream.url);
    await until(third, 'open');
    assert.equal((await hear(third, 'rests-too')).status, 503);

    broken = false;
    const closing: HealthChange = { key: 'p/m', state: 'closed', forMs: 0, reason: 'a test' };
    const talk = openTalk({ url: redis.url, prefix: 'parlance:', log: silent });
    const bus = createRedisHealthBus(talk);
    try {
      // until it is connected, a closing is told to nobody
      const deadline = performance.now() + WITHIN_MS;
      while ((await loadOf(second.url)).targets['p/m']?.state !== 'closed' && performance.now() < deadline) bus.publish(closing);
    } finally {
      await bus.close();
      talk.close();
    }
    for (const server of [first, second, third]) await until(server, 'closed');
    assert.equal((await hear(second, 'works')).text, textOf('a', 'works'));
  },
);

test('shared health: a probe of one server that succeeds closes the target for the other', { skip }, async () => {
  let broken = true;
  await using redis = await startRedis();
  await using upstream = await startFaultyUpstream('a', (asked) => (broken ? [send('nonsense'), close] : well(asked)));
  // a rest that lasts until both are connected, on a busy machine too
  const env = { PARLANCE_ROUTING_BREAKER_COOLDOWN: '4s' };
  await using first = await startSharing(redis.url, upstream.url, env);
  await using second = await startSharing(redis.url, upstream.url, env);
  assert.equal((await hear(first, 'breaks')).status, 502);
  // what it heard may be over when it is looked at
  await until(second, 'open', 'half-open');
  broken = false;
  await until(first, 'half-open');
  assert.equal((await hear(first, 'probe')).text, textOf('a', 'probe'));
  await until(second, 'closed');
});

test('shared health: without Redis servers answer as ever, say so once, and share again when it is back', { skip }, async () => {
  await using redis = await startRedis();
  await using upstream = await startFaultyUpstream('a', (asked) =>
    asked.token.startsWith('breaks') ? [send('nonsense'), close] : well(asked),
  );
  await using first = await startSharing(redis.url, upstream.url, { PARLANCE_ROUTING_BREAKER_COOLDOWN: '5m' });
  await using second = await startSharing(redis.url, upstream.url);
  await redis.stop();
  await first.logged(({ msg }) => msg?.startsWith('Redis cannot be reached') ?? false);
  const answers = await Promise.all(Array.from({ length: 50 }, (_, at) => hear(first, `t${at}`)));
  assert.ok(answers.every(({ status }) => status === 200));
  // where one waits for Redis, all do; on a busy machine some take long by themselves
  const quickest = Math.min(...answers.map(({ ms }) => ms));
  assert.ok(quickest < 5000, `${quickest} ms`);
  assert.equal((await hear(first, 'breaks')).status, 502);
  assert.equal((await hear(first, 'rests')).status, 503);
  assert.equal((await hear(second, 'asks')).status, 200, 'it has not heard of it');

  await redis.start();
  await first.logged(({ msg }) => msg === 'Redis is there again');
  await until(second, 'open');
  const said = first.log.filter(({ msg }) => msg?.startsWith('Redis')).map(({ msg }) => msg);
  assert.equal(said.length, 2, JSON.stringify(said));
});

const silent = { info: () => undefined, warn: () => undefined };

/** What a bus hears, and a way to wait for it. */
function listening(redis: TestRedis, prefix = 'parlance:') {
  const talk = openTalk({ url: redis.url, prefix, log: silent });
  const bus = createRedisHealthBus(talk);
  const close = async (): Promise<void> => {
    await bus.close();
    talk.close();
  };
  const heard: HealthChange[] = [];
  let wake = (): void => undefined;
  bus.subscribe((change) => {
    heard.push(change);
    wake();
  });
  return {
    ...bus,
    close,
    heard,
    async hears(count: number) {
      const late = setTimeout(() => wake(), WITHIN_MS);
      const deadline = performance.now() + WITHIN_MS;
      while (heard.length < count && performance.now() < deadline) await new Promise<void>((resolve) => (wake = resolve));
      clearTimeout(late);
      assert.ok(heard.length >= count, `it heard ${JSON.stringify(heard)}`);
    },
    [Symbol.asyncDispose]: close,
  };
}

const HOUR_MS = 3_600_000;
const open = (key: string, forMs: number): HealthChange => ({ key, state: 'open', forMs, reason: `${key} broke` });

test(
  'health bus: openings are told at once and to those who come later, with the rest that is left, never back to the teller',
  { skip },
  async () => {
    await using redis = await startRedis();
    await using one = listening(redis);
    await using other = listening(redis);
    one.publish(open('a', HOUR_MS));
    await other.hears(1);
    assert.deepEqual(other.heard[0], { ...open('a', HOUR_MS), forMs: other.heard[0]?.forMs });
    await using late = listening(redis);
    await late.hears(1);
    const [first] = late.heard;
    assert.equal(first?.key, 'a');
    assert.ok(first.forMs > HOUR_MS / 2 && first.forMs <= HOUR_MS, String(first.forMs));
    const closing: HealthChange = { key: 'a', state: 'closed', forMs: 0, reason: 'it works' };
    late.publish(closing);
    await one.hears(1);
    assert.deepEqual(one.heard, [closing], 'nothing of its own');
    // what works again is not told to those who come after
    await using last = listening(redis);
    last.publish(open('b', 60_000));
    await one.hears(2);
    assert.deepEqual(last.heard, []);
  },
);

test('health bus: another prefix is another world, and foreign messages are none', { skip }, async () => {
  await using redis = await startRedis();
  await using here = listening(redis);
  await using there = listening(redis, 'other:');
  await using last = listening(redis);
  there.publish(open('elsewhere', 60_000));
  last.publish(open('x', 60_000));
  await here.hears(1);
  assert.deepEqual(
    here.heard.map(({ key }) => key),
    ['x'],
  );
});

test('health bus: it is closed at once, connected or not', { skip }, async () => {
  await using redis = await startRedis();
  const connected = listening(redis);
  connected.publish(open('a', 1000));
  await connected.close();
  await redis.stop();
  const never = listening(redis);
  never.publish(open('a', 1000));
  await never.close();
});

test('probe: with routing.probe no request of a client finds out whether a target works again', async () => {
  let broken = true;
  await using upstream = await startFaultyUpstream('a', (asked) => (broken ? [send('nonsense'), close] : well(asked)));
  await using server = await startRouted({
    providers: { p: providerAt(upstream.url, ['m']) },
    routes: {},
    env: {
      PARLANCE_ROUTING_BREAKER_FAILURES: '1',
      PARLANCE_ROUTING_BREAKER_COOLDOWN: '20ms',
      PARLANCE_ROUTING_PROBE: '20s',
      PARLANCE_ROUTING_ATTEMPTS: '1',
    },
  });
  assert.equal((await hear(server, 'breaks')).status, 502);
  const from = server.log.length;
  const failed = await server.logged(({ msg }) => msg === 'target probed', from);
  assert.ok(failed['err'] !== undefined);
  broken = false;
  await server.logged(({ msg, err }) => msg === 'target probed' && err === undefined, from);
  assert.equal((await hear(server, 'works')).text, textOf('a', 'works'));
  // `nothing` is what the upstream calls requests that are not the test's
  assert.ok(upstream.visits.every(({ asked }) => ['breaks', 'nothing', 'works'].includes(asked.token)));
  assert.ok(upstream.of('nothing').length >= 2);
});

import assert from 'node:assert/strict';
import { test, mock } from 'node:test';
import type { Call, Reply, Target } from '../core/call.ts';
import { GatewayError } from '../core/error.ts';
import { createHealthBook, DEFAULT_BREAKER } from './health.ts';
import type { HealthChange } from './health.ts';
import { createProber } from './prober.ts';
import { DEFAULT_TIMEOUTS } from './route.ts';

const BROKEN = new GatewayError('upstream', 'It broke.');
const WHOLE: Reply = { kind: 'full', response: { id: 'x', model: 'p/m', created: 1, choices: [], usage: undefined }, ignored: [] };

/** A target that a client found broken, with a prober that looks after it, and time that passes at the test's word. */
function world(answer: (call: Call) => Promise<Reply>, probeMs = 30_000) {
  mock.timers.enable({ apis: ['setTimeout'] });
  let at = 0;
  const calls: Call[] = [];
  const probed: (GatewayError | undefined)[] = [];
  let wake = (): void => undefined;
  const target: Target = {
    id: 'p/m',
    card: { id: 'p/m', created: 0, ownedBy: 'p', provider: 'p', endpoints: [], capabilities: {} },
    backend: {
      chat(call) {
        calls.push(call);
        return answer(call);
      },
    },
  };
  const routed = { key: 'p/m', target, weight: 1, maxInFlight: undefined, timeouts: DEFAULT_TIMEOUTS };
  const settings = { ...DEFAULT_BREAKER, failures: 1, cooldownMs: 1000, probeMs };
  const health = createHealthBook({ settings, now: () => at });
  const prober = createProber({
    health,
    find: async (key) => (key === 'p/m' ? target : undefined),
    withinMs: () => probeMs,
    now: () => at,
    probed: (_key, error) => {
      probed.push(error);
      wake();
    },
  });
  health.onChange(prober.heed);
  const fail = (): void => {
    const entry = health.enter(routed);
    assert.ok(entry.ok);
    entry.ticket.fail(BROKEN);
  };
  return {
    health,
    prober,
    calls,
    probed,
    fail,
    mayEnter: () => health.enter(routed).ok,
    pass(ms: number): void {
      at += ms;
      mock.timers.tick(ms);
    },
    async until(count: number): Promise<void> {
      while (probed.length < count) await new Promise<void>((resolve) => (wake = resolve));
    },
    [Symbol.dispose]() {
      prober.close();
      mock.timers.reset();
    },
  };
}

test('prober: a target that has rested is asked for one token, and clients go there once it has answered', async () => {
  const { promise, resolve } = Promise.withResolvers<Reply>();
  using one = world(() => promise);
  one.fail();
  one.pass(999);
  assert.equal(one.calls.length, 0);
  one.pass(1);
  assert.equal(one.mayEnter(), false, 'the rest is over, but nobody knows whether it works');
  while (one.calls.length === 0) await Promise.resolve();
  const [call] = one.calls;
  assert.deepEqual([call?.request.maxTokens, call?.request.stream, call?.request.model], [1, false, 'p/m']);
  assert.equal(one.mayEnter(), false);
  resolve(WHOLE);
  await one.until(1);
  assert.equal(one.health.of('p/m').state, 'closed');
  assert.equal(one.mayEnter(), true);
});

test('prober: a probe that fails lets the target rest for longer, and there is another one after that', async () => {
  let failing = true;
  using one = world(() => (failing ? Promise.reject(BROKEN) : Promise.resolve(WHOLE)));
  one.fail();
  one.pass(1000);
  await one.until(1);
  assert.deepEqual([one.probed[0], one.health.of('p/m').retryAfterMs], [BROKEN, 2000]);
  failing = false;
  one.pass(1999);
  assert.equal(one.calls.length, 1);
  one.pass(1);
  await one.until(2);
  assert.deepEqual([one.probed[1], one.health.of('p/m').state], [undefined, 'closed']);
});

test('prober: a refusal of the short question shows that the target works', async () => {
  const refusal = new GatewayError('reported', 'At least 16 tokens.', {
    reported: { status: 400, type: 'invalid_request_error', code: null },
  });
  using one = world(() => Promise.reject(refusal));
  one.fail();
  one.pass(1000);
  await one.until(1);
  assert.equal(one.health.of('p/m').state, 'closed');
});

test('prober: a probe that is not answered in time is a failure', async () => {
  using one = world(
    ({ signal }) => new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true })),
    5000,
  );
  one.fail();
  one.pass(1000);
  while (one.calls.length === 0) await Promise.resolve();
  one.pass(5000);
  await one.until(1);
  assert.match(one.probed[0]?.message ?? '', /not answered within 5000 ms/);
  assert.equal(one.health.of('p/m').state, 'open');
});

test('prober: what another process opened and nobody probes is left to clients after a while', () => {
  using one = world(() => Promise.resolve(WHOLE));
  const change: HealthChange = { key: 'p/m', state: 'open', forMs: 1000, reason: 'elsewhere' };
  one.health.apply(change);
  one.pass(1000);
  assert.equal(one.mayEnter(), false);
  one.pass(29_999);
  assert.equal(one.mayEnter(), false);
  one.pass(1);
  assert.equal(one.mayEnter(), true);
  assert.equal(one.calls.length, 0);
});

test('prober: switched off, or closed, it asks nobody, and the next request is the probe', () => {
  using off = world(() => Promise.resolve(WHOLE), 0);
  off.fail();
  off.pass(1000);
  assert.equal(off.mayEnter(), true);
  assert.equal(off.calls.length, 0);
  mock.timers.reset();
  using closed = world(() => Promise.resolve(WHOLE));
  closed.fail();
  closed.prober.close();
  closed.pass(1000);
  assert.deepEqual([closed.calls.length, closed.probed.length], [0, 0]);
});

test('prober: a model that does not exist is not asked for again and again', async () => {
  const unknown = new GatewayError('reported', 'No such model.', {
    reported: { status: 404, type: 'invalid_request_error', code: 'model_not_found' },
  });
  using one = world(() => Promise.reject(unknown));
  one.fail();
  one.pass(1000);
  await one.until(1);
  for (let turns = 0; turns < 10; turns++) await Promise.resolve();
  one.pass(3_600_000);
  assert.equal(one.calls.length, 1);
});

test('prober: names that clients make up are probed in bounded number', async () => {
  using one = world(() => Promise.resolve(WHOLE));
  const asked: string[] = [];
  const settings = { ...DEFAULT_BREAKER, probeMs: 1000 };
  const prober = createProber({
    health: createHealthBook({ settings, now: () => 0 }),
    find: async (key) => void asked.push(key),
    withinMs: () => 1000,
    now: () => 0,
    probed: () => undefined,
  });
  for (let made = 0; made < 5000; made++) prober.heed({ key: `p/made-up-${made}`, state: 'open', forMs: 10, reason: 'broken' });
  one.pass(10);
  assert.equal(asked.length, 256);
  prober.close();
});

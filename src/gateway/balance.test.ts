import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  bookAt,
  breakTarget,
  callOf,
  CHI_SQUARE_2,
  chiSquare,
  enterTarget,
  firsts,
  routeOf,
  routeTarget as target,
} from '../../test/support/balanced.ts';
import { seeded } from '../../test/support/random.ts';
import type { Call } from '../core/call.ts';
import { orderTargets } from './balance.ts';
import type { HealthBook, Ticket } from './health.ts';
import type { Route, RoutePolicy, RouteTarget } from './route.ts';

interface Asked {
  readonly health?: HealthBook;
  readonly random?: () => number;
  readonly call?: Call;
}

const CALL = callOf();

function keys(route: Route, { health = bookAt(), random = seeded(1), call = CALL }: Asked = {}): readonly string[] {
  return orderTargets(route, { call, health, random }).map(({ key }) => key);
}

function spoke(health: HealthBook, to: RouteTarget, ms: number): void {
  for (const ticket of enterTarget(health, to)) {
    ticket.firstOutput(ms);
    ticket.succeed();
  }
}

const [A, B, C] = [target('a'), target('b'), target('c')];

test('balance: ordered keeps the order, and puts those at rest last, the one that is back soonest before others', () => {
  let at = 0;
  const health = bookAt(() => at);
  const route = routeOf([A, B, C], { strategy: 'ordered' });
  assert.deepEqual(keys(route, { health }), ['a', 'b', 'c']);
  breakTarget(health, A);
  assert.deepEqual(keys(route, { health }), ['b', 'c', 'a']);
  at += 1000;
  breakTarget(health, B);
  assert.deepEqual(keys(route, { health }), ['c', 'a', 'b']);
  breakTarget(health, C);
  assert.deepEqual(keys(route, { health }), ['a', 'b', 'c'], 'all are kept where nothing else is there');
});

test('balance: a target whose cool-down is over is in its place for one probe, and last while that runs', () => {
  let at = 0;
  const health = bookAt(() => at);
  const route = routeOf([A, B], { strategy: 'ordered' });
  breakTarget(health, A);
  at += 10_000;
  assert.deepEqual(keys(route, { health }), ['a', 'b']);
  const [probe] = enterTarget(health, A);
  assert.deepEqual(keys(route, { health }), ['b', 'a']);
  probe?.succeed();
  assert.deepEqual(keys(route, { health }), ['a', 'b']);
});

test('balance: a full target comes behind those with room, before those at rest', () => {
  const health = bookAt();
  const full = target('full', { maxInFlight: 1 });
  enterTarget(health, full);
  breakTarget(health, A);
  assert.deepEqual(keys(routeOf([A, full, B], { strategy: 'ordered' }), { health }), ['b', 'full', 'a']);
});

test('balance: the route itself is never changed', () => {
  const targets = Object.freeze([A, B, C]);
  for (const strategy of ['ordered', 'weighted', 'least-busy', 'lowest-latency', 'cheapest'] as const) {
    keys(routeOf(targets, { strategy, sticky: 'auto' }));
  }
  assert.deepEqual(targets, [A, B, C]);
});

test('balance: weighted gives each its share of firsts, and of seconds among what is left', (t) => {
  const targets = [target('five', { weight: 5 }), target('three', { weight: 3 }), target('two', { weight: 2 })];
  const route = routeOf(targets, { strategy: 'weighted' });
  const [random, health] = [seeded(42), bookAt()];
  const orders = Array.from({ length: 20_000 }, () => keys(route, { random, health }));
  const first = firsts(
    orders.length,
    (
      (at = 0) =>
      () =>
        orders[at++] ?? []
    )(),
  );
  assert.ok(chiSquare(first, { five: 0.5, three: 0.3, two: 0.2 }) < CHI_SQUARE_2, JSON.stringify(first));
  const behindFive = orders.filter(([one]) => one === 'five').map((order) => order.slice(1));
  const second = firsts(
    behindFive.length,
    (
      (at = 0) =>
      () =>
        behindFive[at++] ?? []
    )(),
  );
  t.diagnostic(`first of 20,000: ${JSON.stringify(first)}`);
  assert.ok(chiSquare(second, { three: 0.6, two: 0.4 }) < CHI_SQUARE_2, JSON.stringify(second));
});

test('balance: a weight of 0 is only asked when nobody else is there', () => {
  const none = target('none', { weight: 0 });
  for (const strategy of ['weighted', 'least-busy'] as const) {
    const [random, health] = [seeded(3), bookAt()];
    const route = routeOf([none, A, B], { strategy, sticky: 'auto' });
    for (let at = 0; at < 200; at++) {
      const call = callOf({ user: `user-${at}` });
      assert.equal(keys(route, { random, health, call }).at(-1), 'none');
    }
  }
});

test('balance: least busy goes by requests in flight for each unit of weight', () => {
  const health = bookAt();
  const big = target('big', { weight: 4 });
  enterTarget(health, big, 3);
  enterTarget(health, A, 1);
  enterTarget(health, B, 2);
  assert.deepEqual(keys(routeOf([A, B, big], { strategy: 'least-busy' }), { health }), ['big', 'a', 'b']);
});

test('balance: between equally busy targets chance decides, evenly', () => {
  const route = routeOf([A, B, C], { strategy: 'least-busy' });
  const [random, health] = [seeded(7), bookAt()];
  const found = firsts(9000, () => keys(route, { random, health }));
  assert.ok(chiSquare(found, { a: 1 / 3, b: 1 / 3, c: 1 / 3 }) < CHI_SQUARE_2, JSON.stringify(found));
});

test('balance: lowest latency asks the fastest, and 1 of 20 requests another', (t) => {
  const health = bookAt();
  spoke(health, A, 300);
  spoke(health, B, 100);
  spoke(health, C, 200);
  const route = routeOf([A, B, C], { strategy: 'lowest-latency' });
  const random = seeded(11);
  const found = firsts(20_000, () => keys(route, { random, health }));
  t.diagnostic(`first of 20,000: ${JSON.stringify(found)}`);
  assert.ok(chiSquare(found, { a: 0.025, b: 0.95, c: 0.025 }) < CHI_SQUARE_2, JSON.stringify(found));
  assert.deepEqual(keys(route, { health, random: () => 0.5 }), ['b', 'c', 'a']);
});

test('balance: a target without a figure is tried first, but by three at a time only', () => {
  const health = bookAt();
  spoke(health, A, 100);
  const route = routeOf([A, B], { strategy: 'lowest-latency' });
  for (let at = 0; at < 3; at++) {
    assert.deepEqual(keys(route, { health, random: () => 0.5 }), ['b', 'a']);
    enterTarget(health, B);
  }
  assert.deepEqual(keys(route, { health, random: () => 0.5 }), ['a', 'b']);
});

test('balance: nobody explores a target that is full or at rest', () => {
  const health = bookAt();
  const full = target('full', { maxInFlight: 1 });
  for (const one of [A, B, full]) spoke(health, one, 100);
  enterTarget(health, full);
  breakTarget(health, B);
  assert.deepEqual(keys(routeOf([full, B, A], { strategy: 'lowest-latency' }), { health, random: () => 0 }), ['a', 'full', 'b']);
});

test('balance: the cheapest is first by three parts of input and one of output; unknown prices are last, in order', () => {
  const targets = [
    target('unknown'),
    target('half-known', { pricing: { input: 0 } }),
    target('dear-input', { pricing: { input: 2, output: 2 } }),
    target('dear-output', { pricing: { input: 1, output: 4 } }),
    target('same', { pricing: { input: 1, output: 4 } }),
    target('free', { pricing: { input: 0, output: 0 } }),
  ];
  const found = keys(routeOf(targets, { strategy: 'cheapest' }));
  assert.deepEqual(found, ['free', 'dear-output', 'same', 'dear-input', 'unknown', 'half-known']);
});

/** Requests that come by chance, on average every `everyMs`; each target takes as long as it says. The clock is virtual. */
function simulate(
  strategy: RoutePolicy['strategy'],
  { requests, everyMs, takesMs }: { requests: number; everyMs: number; takesMs: (key: string, at: number) => number },
): readonly { readonly key: string; readonly at: number; readonly ms: number }[] {
  let at = 0;
  const health = bookAt(() => at);
  const random = seeded(2026);
  const route = routeOf([A, B, C], { strategy });
  const running: { readonly ends: number; readonly ms: number; readonly ticket: Ticket }[] = [];
  const log: { key: string; at: number; ms: number }[] = [];
  let next = 0;
  for (let sent = 0; sent < requests; sent++) {
    next += -Math.log(1 - random()) * everyMs;
    running.sort((a, b) => a.ends - b.ends);
    while ((running[0]?.ends ?? Infinity) <= next) {
      const done = running.shift();
      at = done?.ends ?? at;
      done?.ticket.firstOutput(done.ms);
      done?.ticket.succeed();
    }
    at = next;
    const [first = A] = orderTargets(route, { call: CALL, health, random });
    const ms = takesMs(first.key, at) * (0.5 + random());
    const [ticket] = enterTarget(health, first);
    if (ticket) running.push({ ends: at + ms, ms, ticket });
    log.push({ key: first.key, at, ms });
  }
  return log;
}

const share = (log: readonly { readonly key: string }[], key: string): number => log.filter((one) => one.key === key).length / log.length;
const shares = (log: readonly { readonly key: string }[]): string =>
  ['a', 'b', 'c'].map((key) => `${key} ${(100 * share(log, key)).toFixed(1)}%`).join(', ');
const mean = (values: readonly number[]): number => values.reduce((sum, one) => sum + one, 0) / values.length;

test('balance: under load, least busy sends a target that is ten times slower about a tenth of what the others get', (t) => {
  const log = simulate('least-busy', { requests: 20_000, everyMs: 10, takesMs: (key) => (key === 'c' ? 5000 : 500) });
  assert.ok(share(log, 'c') > 0.03 && share(log, 'c') < 0.08, `slow: ${share(log, 'c')}`);
  assert.ok(Math.abs(share(log, 'a') - share(log, 'b')) < 0.02, `fast: ${share(log, 'a')} and ${share(log, 'b')}`);
  const even = simulate('weighted', { requests: 20_000, everyMs: 10, takesMs: (key) => (key === 'c' ? 5000 : 500) });
  const [ours, theirs] = [mean(log.map(({ ms }) => ms)), mean(even.map(({ ms }) => ms))];
  t.diagnostic(`${shares(log)}; mean ${Math.round(ours)} ms, by chance ${Math.round(theirs)} ms`);
  assert.ok(ours < 0.4 * theirs, `mean ${ours} ms against ${theirs} ms by chance`);
});

test('balance: lowest latency leaves a slow target to the explorers', (t) => {
  const log = simulate('lowest-latency', { requests: 20_000, everyMs: 50, takesMs: (key) => (key === 'c' ? 2000 : 200) });
  t.diagnostic(shares(log));
  assert.ok(share(log, 'c') > 0.015 && share(log, 'c') < 0.06, `slow: ${share(log, 'c')}`);
  assert.ok(Math.min(share(log, 'a'), share(log, 'b')) > 0.3, 'two that are alike share');
});

test('balance: lowest latency moves away when the fastest becomes slow, and comes back when it is fast again', (t) => {
  const slow = (at: number): boolean => at > 200_000 && at < 600_000;
  const log = simulate('lowest-latency', {
    requests: 20_000,
    everyMs: 50,
    takesMs: (key, at) => (key === 'a' ? (slow(at) ? 3000 : 100) : 300),
  });
  const between = (from: number, to: number) => log.filter(({ at }) => at >= from && at < to);
  t.diagnostic(`while slow: ${shares(between(210_000, 600_000))}; after: ${shares(between(700_000, 1_000_000))}`);
  assert.ok(share(between(10_000, 200_000), 'a') > 0.9, 'before');
  assert.ok(share(between(210_000, 600_000), 'a') < 0.06, `while slow: ${share(between(210_000, 600_000), 'a')}`);
  assert.ok(share(between(700_000, 1_000_000), 'a') > 0.9, `after: ${share(between(700_000, 1_000_000), 'a')}`);
});

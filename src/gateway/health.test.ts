import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GatewayError } from '../core/error.ts';
import type { ErrorDetails, ErrorKind } from '../core/error.ts';
import { createHealthBook, DEFAULT_BREAKER, RATE_LIMITED } from './health.ts';
import type { BreakerSettings, HealthBook, HealthChange, Ticket } from './health.ts';
import { DEFAULT_TIMEOUTS } from './route.ts';
import type { RouteTarget } from './route.ts';

function target(key: string, maxInFlight?: number): RouteTarget {
  const card = { id: key, created: 0, ownedBy: 'x', endpoints: [], capabilities: {} };
  const backend = { chat: () => Promise.reject(new Error('nobody calls it here')) };
  return { key, target: { id: key, card, backend }, weight: 1, maxInFlight, timeouts: DEFAULT_TIMEOUTS };
}

const A = target('a');

interface Desk {
  readonly book: HealthBook;
  readonly told: HealthChange[];
  pass(ms: number): void;
}

function desk(settings: Partial<BreakerSettings> = {}): Desk {
  let at = 1000;
  const book = createHealthBook({ settings: { ...DEFAULT_BREAKER, ...settings }, now: () => at });
  const told: HealthChange[] = [];
  book.onChange((change) => told.push(change));
  return { book, told, pass: (ms) => (at += ms) };
}

function enter(book: HealthBook, to = A): Ticket {
  const entry = book.enter(to);
  if (!entry.ok) return assert.fail(`refused: ${entry.why}`);
  return entry.ticket;
}

const error = (kind: ErrorKind = 'upstream', details: ErrorDetails = {}) => new GatewayError(kind, `it was ${kind}`, details);
const reported = (status: number, details: ErrorDetails = {}) =>
  error('reported', { ...details, reported: { status, type: 'invalid_request_error', code: null } });

function failures(book: HealthBook, count: number, of = error()): void {
  for (let at = 0; at < count; at++) enter(book).fail(of);
}

function succeed(book: HealthBook, count = 1): void {
  for (let at = 0; at < count; at++) enter(book).succeed();
}

test('health: a target that nobody used is closed and has no figures', () => {
  assert.deepEqual(desk().book.of('never seen'), {
    state: 'closed',
    inFlight: 0,
    latencyMs: undefined,
    p95Ms: undefined,
    consecutiveFailures: 0,
    failureRate: 0,
    retryAfterMs: undefined,
    lastError: undefined,
  });
});

test('health: five failures in a row open the breaker, four and a success do not', () => {
  const { book, told } = desk();
  failures(book, 4);
  succeed(book);
  failures(book, 4);
  assert.equal(book.of('a').state, 'closed');
  assert.equal(book.of('a').consecutiveFailures, 4);
  failures(book, 1);
  assert.equal(book.of('a').state, 'open');
  assert.equal(book.of('a').lastError, 'it was upstream');
  assert.deepEqual(book.enter(A), { ok: false, why: 'open', retryAfterMs: 10_000 });
  assert.deepEqual(told, [{ key: 'a', state: 'open', forMs: 10_000, reason: '5 failures in a row' }]);
});

test('health: one target open says nothing about another', () => {
  const { book } = desk();
  failures(book, 5);
  assert.equal(book.enter(target('b')).ok, true);
});

test('health: half of the results of a minute open the breaker, once there are ten', () => {
  const { book, told } = desk();
  for (let at = 0; at < 4; at++) {
    failures(book, 1);
    succeed(book);
  }
  failures(book, 1);
  assert.equal(book.of('a').state, 'closed', 'nine results are too few');
  succeed(book);
  assert.equal(book.of('a').failureRate, 0.5);
  failures(book, 1);
  assert.equal(book.of('a').state, 'open');
  assert.equal(told[0]?.reason, '6 of 11 requests failed');
});

test('health: failures that are older than the window are not counted', () => {
  const { book, pass } = desk({ failures: 0 });
  failures(book, 9);
  pass(60_000);
  failures(book, 9);
  assert.equal(book.of('a').state, 'closed');
  assert.equal(book.of('a').failureRate, 1);
  pass(60_000);
  assert.equal(book.of('a').failureRate, 0);
  assert.equal(book.of('a').consecutiveFailures, 18);
});

test('health: of a busy target the latest results decide, however many there were before', () => {
  const { book } = desk({ failures: 0 });
  succeed(book, 10_000);
  failures(book, 63);
  assert.equal(book.of('a').state, 'closed');
  failures(book, 1);
  assert.equal(book.of('a').state, 'open');
});

test('health: after the cool-down a single probe goes through, and its success closes and forgets', () => {
  const { book, told, pass } = desk();
  failures(book, 5);
  pass(9999);
  assert.deepEqual(book.enter(A), { ok: false, why: 'open', retryAfterMs: 1 });
  pass(1);
  assert.equal(book.of('a').state, 'half-open');
  assert.equal(book.of('a').retryAfterMs, undefined);
  const probe = enter(book);
  assert.equal(probe.probe, true);
  assert.deepEqual(book.enter(A), { ok: false, why: 'open', retryAfterMs: 1000 });
  assert.equal(book.of('a').retryAfterMs, 1000);
  probe.succeed();
  assert.deepEqual(told.at(-1), { key: 'a', state: 'closed', forMs: 0, reason: 'the probe was answered' });
  const { state, consecutiveFailures, failureRate, lastError } = book.of('a');
  assert.deepEqual(
    { state, consecutiveFailures, failureRate, lastError },
    { state: 'closed', consecutiveFailures: 0, failureRate: 0, lastError: undefined },
  );
  assert.equal(enter(book).probe, false);
  failures(book, 4);
  assert.equal(book.of('a').state, 'closed', 'counting starts anew');
});

test('health: each opening in a row lasts twice as long, to the maximum, and a whole answer starts over', () => {
  const { book, told, pass } = desk();
  failures(book, 5);
  for (let at = 0; at < 7; at++) {
    pass(told.at(-1)?.forMs ?? 0);
    enter(book).fail(error());
  }
  assert.deepEqual(
    told.map(({ forMs }) => forMs / 1000),
    [10, 20, 40, 80, 160, 300, 300, 300],
  );
  pass(300_000);
  succeed(book);
  failures(book, 5);
  assert.equal(told.at(-1)?.forMs, 10_000);
});

test('health: a cancelled probe frees its place for another', () => {
  const { book, told, pass } = desk();
  failures(book, 5);
  pass(10_000);
  enter(book).cancel();
  assert.equal(book.of('a').state, 'half-open');
  assert.equal(enter(book).probe, true);
  assert.equal(told.length, 1);
});

test('health: a probe that has no end makes way for another after as long as the target has rested', () => {
  const { book, pass } = desk();
  failures(book, 5);
  for (const restMs of [10_000, 20_000]) {
    pass(restMs);
    const slow = enter(book);
    pass(restMs - 1);
    assert.equal(book.enter(A).ok, false);
    pass(1);
    const next = enter(book);
    assert.equal(next.probe, true);
    slow.cancel();
    next.fail(error());
  }
});

test('health: the first output of a probe lets others in; a break after it opens again, for twice as long', () => {
  const { book, told, pass } = desk();
  failures(book, 5);
  pass(10_000);
  const probe = enter(book);
  probe.firstOutput(300);
  assert.equal(book.of('a').state, 'closed');
  assert.equal(enter(book).probe, false);
  probe.fail(error());
  assert.equal(book.of('a').state, 'open');
  assert.deepEqual(
    told.map(({ state, forMs }) => [state, forMs]),
    [
      ['open', 10_000],
      ['closed', 0],
      ['open', 20_000],
    ],
  );
});

test('health: a Retry-After counts where it is longer than the cool-down, that of an earlier failure too', () => {
  const { book, pass } = desk();
  failures(book, 1, error('overloaded', { retryAfterMs: 25_000 }));
  pass(5000);
  failures(book, 4, error('overloaded', { retryAfterMs: 3000 }));
  assert.equal(book.of('a').retryAfterMs, 20_000);
});

test('health: what a late failure of an earlier request asks for prolongs the rest, and nothing else', () => {
  const { book, told, pass } = desk();
  const late = [enter(book), enter(book), enter(book)];
  failures(book, 5);
  late[0]?.fail(error());
  assert.equal(book.of('a').retryAfterMs, 10_000);
  late[1]?.fail(error('overloaded', { retryAfterMs: 30_000 }));
  assert.equal(book.of('a').retryAfterMs, 30_000);
  late[2]?.succeed();
  assert.equal(book.of('a').state, 'open', 'it was sent before the trouble began');
  pass(30_000);
  enter(book).fail(error());
  assert.deepEqual(
    told.map(({ forMs }) => forMs),
    [10_000, 30_000, 20_000],
  );
});

test('health: failures of requests from before an opening do not open it again after it closed', () => {
  const { book, pass } = desk();
  const late = Array.from({ length: 8 }, () => enter(book));
  failures(book, 5);
  pass(10_000);
  succeed(book);
  for (const ticket of late) ticket.fail(error());
  assert.equal(book.of('a').state, 'closed');
});

for (const [name, of] of [
  ['the own kind', error('rate_limited_tokens', { retryAfterMs: 7000 })],
  ['as reported', reported(429, { retryAfterMs: 7000 })],
] as const) {
  test(`health: a rate limit with a Retry-After (${name}) is a rest at once, and no failure`, () => {
    const { book, told, pass } = desk();
    failures(book, 1, of);
    assert.deepEqual(told, [{ key: 'a', state: 'open', forMs: 7000, reason: RATE_LIMITED }]);
    assert.equal(book.of('a').consecutiveFailures, 0);
    assert.equal(book.of('a').failureRate, 0);
    pass(7000);
    enter(book).fail(of);
    assert.equal(told.at(-1)?.forMs, 7000, 'the second rest is no longer');
    pass(7000);
    succeed(book);
    assert.equal(book.of('a').state, 'closed');
  });
}

test('health: a storm of rate limits prolongs the rest but is told once', () => {
  const { book, told, pass } = desk();
  const all = Array.from({ length: 100 }, () => enter(book));
  for (const ticket of all) {
    ticket.fail(reported(429, { retryAfterMs: 5000 }));
    pass(5);
  }
  assert.equal(told.length, 1);
  assert.equal(book.of('a').retryAfterMs, 4995);
});

test('health: a rate limit without a Retry-After, or with one of 0, counts as a failure', () => {
  const { book } = desk();
  failures(book, 2, reported(429));
  failures(book, 2, reported(429, { retryAfterMs: 0 }));
  failures(book, 1, error('rate_limited_requests'));
  assert.equal(book.of('a').state, 'open');
});

test('health: nobody rests for longer than an hour, whatever the provider says', () => {
  const { book } = desk();
  failures(book, 1, reported(429, { retryAfterMs: 1e12 }));
  assert.equal(book.of('a').retryAfterMs, 3_600_000);
});

const targets = [
  ...(['upstream', 'upstream_timeout', 'overloaded', 'internal', 'insufficient_quota', 'model_not_found'] as const).map((kind) =>
    error(kind),
  ),
  ...[401, 402, 408, 425].map((status) => reported(status)),
  ...['model_not_found', 'DeploymentNotFound'].map(
    (code) => new GatewayError('reported', 'No.', { reported: { status: 404, type: 't', code } }),
  ),
  new GatewayError('reported', 'No.', { reported: { status: 404, type: 'not_found_error', code: null } }),
];
for (const of of targets) {
  test(`health: ${of.kind} (${of.status}) counts against the target`, () => {
    const { book } = desk();
    failures(book, 5, of);
    assert.equal(book.of('a').state, 'open');
  });
}

const clients = [
  ...(['context_length_exceeded', 'unsupported_value', 'invalid_value'] as const).map((kind) => error(kind)),
  ...[400, 409, 413, 422].map((status) => reported(status)),
];
for (const of of clients) {
  test(`health: ${of.kind} (${of.status}) is the client's fault and shows that the target works`, () => {
    const { book, pass } = desk();
    failures(book, 4);
    failures(book, 1, of);
    failures(book, 4);
    assert.equal(book.of('a').state, 'closed');
    assert.equal(book.of('a').latencyMs, undefined);
    failures(book, 1);
    pass(10_000);
    failures(book, 1, of);
    assert.equal(book.of('a').state, 'closed', 'as a probe it closes');
  });
}

for (const status of [403, 404]) {
  test(`health: a ${status} that may be about the request says neither good nor bad`, () => {
    const { book, pass } = desk();
    failures(book, 20, reported(status));
    assert.equal(book.of('a').state, 'closed');
    failures(book, 4);
    failures(book, 1, reported(status));
    failures(book, 1);
    assert.equal(book.of('a').state, 'open');
    pass(10_000);
    failures(book, 1, reported(status));
    assert.equal(book.of('a').state, 'half-open', 'the next request is the probe');
    assert.equal(book.of('a').inFlight, 0);
  });
}

test('health: one that loses against another took at least so long; one that had no time to win says nothing', () => {
  const { book, pass } = desk();
  for (let at = 0; at < 20; at++) {
    const ticket = enter(book);
    ticket.firstOutput(100);
    ticket.succeed();
  }
  const slow = enter(book);
  const late = enter(book);
  pass(50);
  late.lost();
  assert.equal(book.of('a').latencyMs, 100);
  pass(450);
  slow.lost();
  const { latencyMs, inFlight, consecutiveFailures } = book.of('a');
  assert.deepEqual([latencyMs, inFlight, consecutiveFailures], [200, 0, 0]);
});

test('health: a client that left says neither good nor bad', () => {
  const { book } = desk();
  failures(book, 4);
  enter(book).cancel();
  enter(book).fail(error('cancelled'));
  assert.equal(book.of('a').consecutiveFailures, 4);
  assert.equal(book.of('a').failureRate, 1);
  failures(book, 1);
  assert.equal(book.of('a').state, 'open');
});

test('health: streams that break off after their first output count as failures', () => {
  const { book } = desk();
  for (let at = 0; at < 5; at++) {
    const ticket = enter(book);
    ticket.firstOutput(100);
    ticket.fail(error());
  }
  assert.equal(book.of('a').state, 'open');
});

test('health: a ticket is settled once, by whichever comes first', () => {
  const { book } = desk();
  const ticket = enter(book);
  assert.equal(book.of('a').inFlight, 1);
  ticket.succeed();
  for (let at = 0; at < 9; at++) ticket.fail(error());
  ticket.cancel();
  ticket.firstOutput(1);
  const { inFlight, state, latencyMs, failureRate } = book.of('a');
  assert.deepEqual({ inFlight, state, latencyMs, failureRate }, { inFlight: 0, state: 'closed', latencyMs: undefined, failureRate: 0 });
});

test('health: a target that is full is busy, and says when by what its answers take', () => {
  const { book, pass } = desk();
  const two = target('two', 2);
  const first = enter(book, two);
  const second = enter(book, two);
  assert.deepEqual(book.enter(two), { ok: false, why: 'busy', retryAfterMs: 1000 });
  pass(6000);
  first.succeed();
  const third = enter(book, two);
  assert.deepEqual(book.enter(two), { ok: false, why: 'busy', retryAfterMs: 3000 });
  second.cancel();
  third.fail(error());
  assert.equal(book.of('two').inFlight, 0);
});

test('health: latency is a decaying average, and p95 there is from the twentieth on', () => {
  const { book } = desk();
  const say = (ms: number): void => {
    const ticket = enter(book);
    ticket.firstOutput(ms);
    ticket.firstOutput(1e9);
    ticket.succeed();
  };
  say(100);
  assert.equal(book.of('a').latencyMs, 100);
  say(200);
  assert.equal(book.of('a').latencyMs, 125);
  for (let ms = 3; ms <= 19; ms++) say(ms);
  assert.equal(book.of('a').p95Ms, undefined);
  say(20);
  assert.equal(book.of('a').p95Ms, 100);
});

test('health: p95 is that of the last hundred, also when the same figures come again and again', () => {
  const { book } = desk();
  const figures = Array.from({ length: 1000 }, (_, at) => (at * 37) % 41);
  figures.forEach((ms, at) => {
    const ticket = enter(book);
    ticket.firstOutput(ms);
    ticket.succeed();
    const last = figures.slice(Math.max(0, at - 99), at + 1).toSorted((a, b) => a - b);
    assert.equal(book.of('a').p95Ms, last.length < 20 ? undefined : last[Math.ceil(last.length * 0.95) - 1]);
  });
});

test('health: what is closed and idle for an hour is forgotten, what runs or rests is not', () => {
  const { book, pass } = desk();
  enter(book, target('idle')).succeed();
  enter(book, target('running'));
  pass(3_000_000);
  enter(book, target('resting')).fail(reported(429, { retryAfterMs: 3_600_000 }));
  enter(book, target('used')).succeed();
  pass(600_000);
  enter(book, target('new')).succeed();
  assert.deepEqual([...book.snapshot().keys()], ['running', 'resting', 'used', 'new']);
});

test('health: names without end do not fill the memory', () => {
  const { book } = desk();
  const held = enter(book, target('held'));
  for (let at = 0; at < 10_000; at++) enter(book, target(`made-up-${at}`)).fail(reported(404));
  const keys = book.snapshot();
  assert.equal(keys.size, 4096);
  assert.equal(keys.has('held'), true);
  assert.equal(keys.has('made-up-9999'), true);
  held.cancel();
});

test('health: another process is believed, and not told what it said', () => {
  const { book, told, pass } = desk();
  book.apply({ key: 'a', state: 'open', forMs: 4000, reason: 'they say so' });
  assert.deepEqual(book.enter(A), { ok: false, why: 'open', retryAfterMs: 4000 });
  assert.equal(book.of('a').lastError, 'they say so');
  book.apply({ key: 'a', state: 'open', forMs: 2000, reason: 'another one' });
  assert.equal(book.of('a').retryAfterMs, 4000, 'the longer holds');
  pass(4000);
  assert.equal(book.of('a').state, 'half-open');
  book.apply({ key: 'a', state: 'open', forMs: 8000, reason: 'their probe failed' });
  assert.equal(book.of('a').retryAfterMs, 8000);
  book.apply({ key: 'a', state: 'closed', forMs: 0, reason: 'their probe was answered' });
  assert.equal(enter(book).probe, false);
  assert.deepEqual(told, []);
});

test('health: openings that others told count for how long the next one lasts', () => {
  const { book, told, pass } = desk();
  book.apply({ key: 'a', state: 'open', forMs: 10_000, reason: 'x' });
  pass(10_000);
  enter(book).fail(error());
  assert.equal(told[0]?.forMs, 20_000);
});

test('health: a rest that others told does not make the next opening longer', () => {
  const { book, told, pass } = desk();
  book.apply({ key: 'a', state: 'open', forMs: 5000, reason: RATE_LIMITED });
  pass(5000);
  failures(book, 5);
  assert.equal(told[0]?.forMs, 10_000);
});

test('health: a rest that was asked for needs no probe when its time is over', () => {
  const { book, pass } = desk();
  book.apply({ key: 'a', state: 'open', forMs: 5000, reason: RATE_LIMITED });
  pass(5000);
  assert.equal(book.of('a').state, 'closed');
  enter(book);
  enter(book);
  assert.equal(book.of('a').inFlight, 2);
});

test('health: a closing that others told forgets what was before it', () => {
  const { book, pass } = desk();
  failures(book, 5);
  book.apply({ key: 'a', state: 'closed', forMs: 0, reason: 'their probe was answered' });
  pass(1000);
  failures(book, 4);
  assert.equal(book.of('a').state, 'closed');
  failures(book, 1);
  assert.equal(book.of('a').retryAfterMs, 10_000);
});

test('health: two processes that tell each other agree after each change', () => {
  let at = 0;
  const books = [0, 1].map(() => createHealthBook({ settings: DEFAULT_BREAKER, now: () => at }));
  const [one, other] = books as [HealthBook, HealthBook];
  one.onChange((change) => other.apply(change));
  other.onChange((change) => one.apply(change));
  failures(one, 5);
  assert.deepEqual([one.of('a').retryAfterMs, other.of('a').retryAfterMs], [10_000, 10_000]);
  at += 10_000;
  const probes = [enter(one), enter(other)];
  probes[0]?.fail(error());
  probes[1]?.fail(error());
  assert.deepEqual([one.of('a').retryAfterMs, other.of('a').retryAfterMs], [20_000, 20_000], 'one failure, not two');
  at += 20_000;
  succeed(other);
  assert.deepEqual([one.of('a').state, other.of('a').state], ['closed', 'closed']);
});

test('health: who stops listening is told no more', () => {
  const { book, told } = desk();
  const more: HealthChange[] = [];
  const stop = book.onChange((change) => more.push(change));
  stop();
  failures(book, 5);
  assert.equal(more.length, 0);
  assert.equal(told.length, 1);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Signal } from '../core/abort.ts';
import type { Call, Reply } from '../core/call.ts';
import type { GatewayError } from '../core/error.ts';
import type { Batch, ChatEvent } from '../core/event.ts';
import { unfold } from '../core/unfold.ts';
import { failed, inTime, reported, response, streamed, virtual, whole, world } from './attempts-testing.ts';
import { DEFAULT_BREAKER } from './health.ts';
import { DEFAULT_TIMEOUTS } from './route.ts';
for (const [error, wanted] of [
  [failed('upstream'), ['a', 'b']],
  [failed('upstream_timeout'), ['a', 'b']],
  [failed('overloaded'), ['a', 'b']],
  [reported(429), ['a', 'b']],
  [reported(401), ['a', 'b']],
  [reported(404), ['a', 'b']],
  [failed('insufficient_quota'), ['a', 'b']],
  [failed('internal'), ['a', 'b']],
  [failed('unsupported_value'), ['a', 'b']],
  [reported(400), ['a']],
  [reported(413), ['a']],
  [reported(422), ['a']],
  [failed('invalid_value'), ['a']],
] as const) {
  test(`attempts: after ${error.message} ${wanted.length === 1 ? 'nobody else is asked' : 'the next target is, at once'}`, async () => {
    const { answer, asked, textOf } = world({ a: [error], b: ['from b'] });
    if (wanted.length === 1) await assert.rejects(answer(), error);
    else assert.equal(await textOf(answer()), 'from b');
    assert.deepEqual(asked, wanted);
  });
}

test('attempts: the trace says what became of each, and who answered', async () => {
  const { answer, call } = world({ a: [failed('upstream')], b: ['x'] });
  await answer();
  assert.deepEqual(
    call.trace.attempts.map(({ target, outcome, error, hedge }) => [target, outcome, error?.kind, hedge]),
    [
      ['a', 'failed', 'upstream', false],
      ['b', 'answered', undefined, false],
    ],
  );
  assert.equal(call.trace.answeredBy?.target, 'b');
});

test('attempts: a single target is asked again after a wait, so often and no more', async (t) => {
  virtual(t);
  const { answer, asked } = world({ a: [failed('upstream')] }, { policy: { attempts: 3 } });
  await assert.rejects(inTime(t, answer()), { kind: 'upstream' });
  assert.deepEqual(asked, ['a', 'a', 'a']);
});

test('attempts: Retry-After is waited for, and one beyond the longest wait goes back to the client', async (t) => {
  virtual(t);
  const started = Date.now();
  const short = world({ a: [reported(429, 3000), 'at last'] }, { policy: { maxWaitMs: 5000 } });
  assert.equal(await inTime(t, short.textOf(short.answer())), 'at last');
  assert.ok(Date.now() - started >= 3000);
  const long = world({ a: [reported(429, 6000), 'at last'] }, { policy: { maxWaitMs: 5000 } });
  const before = Date.now();
  await assert.rejects(inTime(t, long.answer()), { status: 429, retryAfterMs: 6000 });
  assert.ok(Date.now() - before < 1000);
});

test('attempts: who has refused our account is not asked twice, while another one is', async (t) => {
  virtual(t);
  const { answer, asked } = world({ a: [reported(401)], b: [failed('upstream'), 'b again'] }, { policy: { attempts: 5 } });
  await inTime(t, answer());
  assert.deepEqual(asked, ['a', 'b', 'b']);
});

test('attempts: a prompt that is too long goes to a target with more context, or back', async () => {
  const windows = { a: { window: 8 }, b: { window: 8 }, c: { window: 32 } };
  const some = world({ a: [failed('context_length_exceeded')], b: ['b'], c: ['c'] }, { more: windows });
  assert.equal(await some.textOf(some.answer()), 'c');
  assert.deepEqual(some.asked, ['a', 'c']);
  const none = world({ a: [failed('context_length_exceeded')], b: ['b'] }, { more: windows });
  await assert.rejects(none.answer(), { kind: 'context_length_exceeded' });
});

test('attempts: a completion that is to be kept is not asked for twice where the first may have been carried out', async () => {
  const kept = world({ a: [failed('upstream')], b: ['b'] }, { body: { store: true } });
  await assert.rejects(kept.answer(), { kind: 'upstream' });
  const refused = world({ a: [reported(429)], b: ['b'] }, { body: { store: true } });
  assert.equal(await refused.textOf(refused.answer()), 'b');
});

test('attempts: no output in time is a time-out that says so, and the next target is asked', async (t) => {
  virtual(t);
  const timeouts = { ...DEFAULT_TIMEOUTS, firstOutputMs: 400 };
  const pair = world({ a: ['never'], b: ['b'] }, { more: { a: { timeouts } } });
  assert.equal(await inTime(t, pair.textOf(pair.answer())), 'b');
  const one = world({ a: ['never'] }, { more: { a: { timeouts } }, policy: { attempts: 1 } });
  await assert.rejects(inTime(t, one.answer()), { status: 504, message: /no output within 400 ms/ });
});

test('attempts: silence between two outputs ends the stream with an error, a slow reader does not', async (t) => {
  virtual(t);
  const [start, open, ...rest] = unfold(response('hello'));
  assert.ok(start && open);
  async function* stalls(): AsyncGenerator<Batch> {
    yield { events: [start as ChatEvent, open as ChatEvent] };
    await new Promise<never>(() => undefined);
  }
  const timeouts = { ...DEFAULT_TIMEOUTS, idleMs: 300 };
  const silent = world({ a: [{ kind: 'stream', batches: stalls(), ignored: [] }] }, { more: { a: { timeouts } } });
  await assert.rejects(inTime(t, silent.textOf(silent.answer())), { kind: 'upstream_timeout', message: /silent for 300 ms/ });
  assert.deepEqual(silent.outcomes(), ['failed']);

  const reader = world({ a: [streamed([start, open, ...rest])] }, { more: { a: { timeouts } } });
  const reply = await reader.answer();
  assert.ok(reply.kind === 'stream');
  for await (const batch of reply.batches) {
    assert.ok(batch.events.length > 0);
    t.mock.timers.tick(1000);
  }
  assert.deepEqual(reader.outcomes(), ['answered']);
});

test('attempts: the whole request has one deadline, waits included, and streams too', async (t) => {
  virtual(t);
  const { answer, asked } = world(
    { a: [reported(429, 900), reported(429, 900), 'never'] },
    { policy: { wholeMs: 2000, attempts: 50, maxWaitMs: 1000 } },
  );
  await assert.rejects(inTime(t, answer()), { kind: 'upstream_timeout', message: /not complete within 2 s/ });
  assert.equal(asked.length, 3);
});

test('attempts: a client that leaves ends the attempt, or the wait for the next one, at once', async () => {
  let seen: Signal | undefined;
  const hangs = async ({ signal }: Call): Promise<Reply> => {
    seen = signal;
    return new Promise<never>(() => undefined);
  };
  const busy = world({ a: [hangs] });
  const running = busy.answer();
  await new Promise(setImmediate);
  busy.leaving.abort(failed('cancelled'));
  await assert.rejects(running, { kind: 'cancelled' });
  assert.ok(seen?.aborted);
  assert.deepEqual(busy.outcomes(), ['cancelled']);
  assert.equal(busy.health.of('a').inFlight, 0);

  const waiting = world({ a: [reported(429, 5000)] });
  const held = waiting.answer();
  await new Promise(setImmediate);
  waiting.leaving.abort(failed('cancelled'));
  await assert.rejects(held, { kind: 'cancelled' });
});

test('attempts: a stream that breaks off after its first output is an error and counts as one', async () => {
  const cut = [...unfold(response('hello')).slice(0, 3), { type: 'error', error: failed('upstream') } as const];
  const { answer, textOf, asked, outcomes, health } = world({ a: [streamed(cut)], b: ['b'] });
  await assert.rejects(textOf(answer()), { kind: 'upstream' });
  assert.deepEqual([asked, outcomes()], [['a'], ['failed']]);
  assert.equal(health.of('a').inFlight, 0);
});

test('attempts: a target that keeps failing rests, and those who come then are told at once', async (t) => {
  virtual(t);
  const { answer, newCall, asked } = world({ a: [failed('upstream')] }, { policy: { attempts: 1 } });
  for (let i = 0; i < DEFAULT_BREAKER.failures; i++) await assert.rejects(answer(newCall()), { kind: 'upstream' });
  await assert.rejects(answer(newCall()), {
    kind: 'overloaded',
    message: /resting after failures, the last one a broken or missing answer\. Try again in/,
  });
  assert.equal(asked.length, DEFAULT_BREAKER.failures);
});

test('attempts: while a limit lasts, those who come get the limit’s own error with the time that is left', async (t) => {
  virtual(t);
  const { answer, newCall, asked } = world({ a: [reported(429, 20_000), 'later'] });
  await assert.rejects(answer(newCall()), { status: 429 });
  t.mock.timers.tick(5000);
  await assert.rejects(answer(newCall()), (error: GatewayError) => error.status === 429 && (error.retryAfterMs ?? 0) <= 15_000);
  assert.deepEqual(asked, ['a']);
  t.mock.timers.tick(10_000);
  assert.equal((await inTime(t, answer(newCall()))).kind, 'full', 'what is left is short enough to wait for');
});

test('attempts: a target at its limit is passed over; where all are, one waits for a place', async () => {
  const gate = Promise.withResolvers<Reply>();
  const one = world({ a: [() => gate.promise, 'second'], b: ['b'] }, { more: { a: { maxInFlight: 1 } } });
  const first = one.answer(one.newCall());
  assert.equal(await one.textOf(one.answer(one.newCall())), 'b');
  gate.resolve(whole('first'));
  assert.equal(await one.textOf(first), 'first');

  const hold = Promise.withResolvers<Reply>();
  const alone = world({ a: [() => hold.promise, 'second'] }, { more: { a: { maxInFlight: 1 } } });
  const running = alone.answer(alone.newCall());
  const waiting = alone.textOf(alone.answer(alone.newCall()));
  await new Promise(setImmediate);
  assert.deepEqual(alone.asked, ['a']);
  hold.resolve(whole('first'));
  await running;
  assert.equal(await waiting, 'second');
});

test('attempts: an answer that a filter withheld is asked for elsewhere where the route says so', async () => {
  const withheld: Reply = { kind: 'full', response: response('', 'content_filter'), ignored: [] };
  const on = world({ a: [withheld], b: ['b'] }, { policy: { onContentFilter: true } });
  assert.equal(await on.textOf(on.answer()), 'b');
  const off = world({ a: [withheld], b: ['b'] });
  assert.equal(await off.textOf(off.answer()), '');
  const both = world({ a: [withheld], b: [streamed(unfold(response('', 'content_filter')))] }, { policy: { onContentFilter: true } });
  assert.equal(await both.textOf(both.answer()), '', 'where all withhold theirs, that is the answer');
});

test('attempts: hedging starts a second target when the first is late; the loser is ended, and both are in the books', async (t) => {
  virtual(t);
  const signals: Signal[] = [];
  const late = async ({ signal }: Call): Promise<Reply> => {
    signals.push(signal);
    return new Promise<never>(() => undefined);
  };
  const quick = Array.from({ length: 25 }, () => 'quick');
  const { answer, newCall, call, textOf, outcomes, health } = world({ a: [...quick, late], b: ['from b'] }, { policy: { hedge: true } });
  for (let i = 0; i < 25; i++) await answer(newCall());
  assert.ok(health.of('a').p95Ms !== undefined);
  assert.equal(await inTime(t, textOf(answer())), 'from b');
  assert.deepEqual(outcomes(), ['lost', 'answered']);
  assert.ok(signals[0]?.aborted);
  assert.equal(call.trace.answeredBy?.hedge, true);
  assert.equal(health.of('a').inFlight + health.of('b').inFlight, 0);
});

test('attempts: where the reader leaves, an answer is ended, or read on for its usage where the route drains', async () => {
  const events = unfold(response('hello'));
  for (const drains of [false, true]) {
    const { answer, call, outcomes, health } = world({ a: [streamed(events)] }, { policy: { drains } });
    const reply = await answer();
    assert.ok(reply.kind === 'stream');
    for await (const batch of reply.batches) {
      assert.ok(batch);
      break;
    }
    await new Promise(setImmediate);
    assert.deepEqual(outcomes(), [drains ? 'answered' : 'cancelled']);
    assert.equal(call.trace.attempts[0]?.usage !== undefined, drains);
    assert.equal(health.of('a').inFlight, 0);
  }
});

const cutAfter = (text: string): Reply => streamed([...unfold(response(text)).slice(0, 3), { type: 'error', error: failed('upstream') }]);

test('attempts: where the route says so, another target goes on with a text that broke off, and nothing is shown twice', async () => {
  const asked: unknown[] = [];
  const goOn =
    (text: string) =>
    async ({ request }: Call): Promise<Reply> => {
      asked.push(request.messages.at(-1), (request.raw['messages'] as unknown[]).at(-1));
      return streamed(unfold(response(text)));
    };
  const setting = { policy: { continues: true }, body: { stream: true } };
  for (const [rest, wanted] of [
    [' world.', 'Hello there world.'],
    ['Hello there, says another.', 'Hello there, says another.'],
    ['Hello again.', 'Hello thereHello again.'],
    ['Hello', 'Hello there'],
  ] as const) {
    const { answer, textOf, outcomes } = world({ a: [cutAfter('Hello there')], b: [goOn(rest)] }, setting);
    assert.equal(await textOf(answer()), wanted);
    assert.deepEqual(outcomes(), ['failed', 'answered']);
  }
  assert.deepEqual(asked.slice(0, 2), [
    { role: 'assistant', blocks: [{ type: 'text', text: 'Hello there' }] },
    { role: 'assistant', content: 'Hello there' },
  ]);
  const nobody = world({ a: [cutAfter('Hello')] }, setting);
  await assert.rejects(nobody.textOf(nobody.answer()), { message: 'upstream happened' });
  const tools = world({ a: [cutAfter('Hello')], b: ['x'] }, { ...setting, body: { stream: true, logprobs: true } });
  await assert.rejects(tools.textOf(tools.answer()), { message: 'upstream happened' });
  assert.deepEqual(tools.asked, ['a']);
});

test('attempts: a model of this machine is not asked twice for what broke it, nor left alone after it', async () => {
  const { answer, newCall, asked, route } = world({ a: [failed('overloaded')] });
  const [local] = route.targets;
  assert.ok(local);
  const { id, created, ownedBy, endpoints, capabilities } = local.target.card;
  Object.assign(local.target, { card: { id, created, ownedBy, endpoints, capabilities } });
  for (let i = 0; i < 8; i++) await assert.rejects(answer(newCall()), { kind: 'overloaded', message: 'overloaded happened' });
  assert.equal(asked.length, 8);
});

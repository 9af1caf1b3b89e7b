/** Waits and deadlines of attempts, and what they are held against. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import type { Reply } from '../core/call.ts';
import { unfold } from '../core/unfold.ts';
import { inTime, reported, response, streamed, virtual, whole, world } from './attempts-testing.ts';

test('attempts: a Retry-After beyond the time for the whole request is not waited for', async (t) => {
  virtual(t);
  const { answer, asked } = world({ a: [reported(429, 5000)] }, { policy: { wholeMs: 2000 } });
  const startedAt = Date.now();
  await assert.rejects(inTime(t, answer()), { status: 429, retryAfterMs: 5000 });
  assert.deepEqual([asked, Date.now() - startedAt], [['a'], 0]);
});

test('attempts: the random wait comes on top of a Retry-After, so that those who were told the same time do not return at once', async (t) => {
  virtual(t);
  const { answer, call } = world({ a: [reported(429, 1000), 'done'] }, { random: () => 0.8 });
  await inTime(t, answer());
  const [first, second] = call.trace.attempts;
  assert.equal(Number(second?.startedAt) - Number(first?.startedAt), 1200);
});

test('attempts: a line that nobody may join does not keep the server busy while a target is waited for', async (t) => {
  virtual(t);
  const { answer, asked, health, route } = world(
    { a: [reported(429, 1000), 'done'], b: ['never'] },
    { more: { b: { maxInFlight: 1 } }, longestLine: 0 },
  );
  const [, b] = route.targets;
  assert.ok(b && health.enter(b).ok);
  const reply = answer();
  // the event loop turns: this comes back at all
  await new Promise(setImmediate);
  assert.deepEqual(asked, ['a']);
  assert.equal((await inTime(t, reply)).kind, 'full');
  assert.deepEqual(asked, ['a', 'a']);
});

for (const [what, moves, blamed] of [
  ['was silent', ['never'], true],
  ['was asked at last, after another wait', [reported(429, 1500), 'never'], false],
] as const) {
  test(`attempts: the end of the time for the whole request is held against a target that ${what}: ${blamed}`, async (t) => {
    virtual(t);
    const { answer, health, call } = world({ a: moves }, { policy: { wholeMs: 2000 } });
    await assert.rejects(inTime(t, answer()), { kind: 'upstream_timeout' });
    assert.equal(health.of('a').consecutiveFailures, Number(blamed));
    assert.equal(call.trace.attempts.at(-1)?.outcome, 'failed');
    assert.equal(health.of('a').inFlight, 0);
  });
}

test('attempts: nor against one whose answer nobody reads', async (t) => {
  virtual(t);
  const { answer, health } = world(
    { a: [streamed([{ type: 'start', id: '1', model: 'm', created: 1 }, { type: 'end' }])] },
    { policy: { wholeMs: 2000 } },
  );
  const reply = await answer();
  assert.ok(reply.kind === 'stream');
  const batches = reply.batches[Symbol.asyncIterator]();
  await batches.next();
  t.mock.timers.tick(2000);
  await assert.rejects(batches.next(), { kind: 'upstream_timeout' });
  assert.equal(health.of('a').consecutiveFailures, 0);
  assert.equal(health.of('a').inFlight, 0);
});

test('attempts: who is called to a target that rests by now tells the next in line, and nobody waits for nothing', async (t) => {
  virtual(t);
  const hold = Promise.withResolvers<Reply>();
  const { answer, asked, newCall, health } = world({ a: [() => hold.promise] }, { more: { a: { maxInFlight: 1 } } });
  const running = answer(newCall());
  const waiting = [1, 2, 3].map(async () => answer(newCall()).catch((cause: unknown) => cause));
  await new Promise(setImmediate);
  health.apply({ key: 'a', state: 'open', forMs: 60_000, reason: 'elsewhere' });
  hold.resolve(whole('done'));
  await running;
  for (const failure of await Promise.all(waiting)) assert.match(String(failure), /resting after failures/);
  assert.deepEqual(asked, ['a']);
});

test('attempts: where all withhold their answers, who is named is the one whose answer goes out', async () => {
  const withheld = () => streamed(unfold(response('', 'content_filter')));
  const { answer, call, textOf } = world({ a: [withheld()], b: [withheld()] }, { policy: { onContentFilter: true } });
  assert.equal(await textOf(answer()), '');
  assert.equal(call.trace.answeredBy?.target, 'a');
});

test('attempts: a request whose completion is to be kept is not hedged', async () => {
  const slow = async (): Promise<Reply> => {
    await setTimeout(20);
    return whole('from a');
  };
  const quick = Array.from({ length: 20 }, () => 'quick');
  const { answer, asked, newCall, textOf } = world(
    { a: [...quick, slow], b: ['from b'] },
    { policy: { hedge: true }, body: { store: true } },
  );
  for (let made = 0; made < quick.length; made++) await answer(newCall());
  assert.equal(await textOf(answer()), 'from a');
  assert.ok(!asked.includes('b'));
});

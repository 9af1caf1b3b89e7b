/** Workers that die or are replaced: what was answered is written down and charged once, what was held comes back, and nobody but their own clients notices. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { inspect } from 'node:util';
import { setTimeout as after } from 'node:timers/promises';
import { send, stall, well } from '../support/faulty-upstream.ts';
import type { Plan } from '../support/faulty-upstream.ts';
import { openConnection } from '../support/keep-alive.ts';
import type { Connection } from '../support/keep-alive.ts';
import { chat, costOf, eventually, priceOf, recordsOf, spendingOf, startLedger } from '../support/ledger.ts';
import type { Heard } from '../support/ledger.ts';
import { pick, seeded } from '../support/random.ts';
import { askFor, partsOf } from '../support/upstream-answers.ts';
import type { Asked } from '../support/upstream-answers.ts';
import { alive, authorized, workersMissing, workersOf } from '../support/worker-processes.ts';

const TWO = { PARLANCE_WORKERS: '2' };
/** `PARLANCE_TEST_KILLS=50` for a longer look. */
const KILLS = Number(process.env['PARLANCE_TEST_KILLS'] ?? 8);
const SEED = Number(process.env['PARLANCE_TEST_SEED'] ?? 7);
const BUDGET = 1_000_000_000n;

const planOf = (asked: Asked): Plan => {
  const { head, opening, shown, rest, last } = partsOf(asked);
  // a whole answer is not cut here: that might be in the middle of a character
  if (asked.token.startsWith('begins') && !asked.stream) return [send(head), stall, send(opening, shown, rest, last)];
  if (asked.token.startsWith('begins')) return [send(head, opening, shown), stall, send(rest, last)];
  return asked.token.startsWith('silent') ? [stall, ...well(asked)] : well(asked);
};

const STREAM = { stream: true, stream_options: { include_usage: true } };

describe('workers: ends', { skip: workersMissing, concurrency: 2 }, () => {
  test('a worker that is killed cuts its own streams, honestly, and no others; another one takes its place', async () => {
    await using ledger = await startLedger({ plan: planOf, env: TWO });
    const server = await ledger.serve();
    const { secret, id } = await ledger.key({ budgets: [{ period: 'total', nanos: BUDGET }], limits: { concurrent: 12 } });
    const before = workersOf(server);
    const streams: Promise<Heard>[] = [];
    let cuts = 0;
    // one after the other, so that neither worker can take them all
    for (let at = 0; at < 12; at++) {
      const stream = chat({ url: server.url, secret, token: `begins-${at}`, more: { ...STREAM, user: `begins-${at}` } });
      streams.push(stream);
      void stream.then(({ broke }) => (cuts += broke === undefined ? 0 : 1));
      await ledger.upstream.until(() => ledger.upstream.visits.length === at + 1);
    }
    const [victim = 0] = before;
    process.kill(victim, 'SIGKILL');
    const { pid } = await server.logged(({ msg }) => msg === 'worker started');
    const now = workersOf(server);
    assert.ok(now.includes(Number(pid)) && !now.includes(victim) && now.length === 2);

    const cutUpstream = () => ledger.upstream.visits.filter(({ endedAt }) => endedAt !== undefined).length;
    await eventually(
      () => Promise.resolve(cuts),
      (count) => count > 0 && count === cutUpstream(),
    );
    // what the dead one held is free again, what the other one holds is not
    const accepted = (token: string) =>
      eventually(
        () => chat({ url: server.url, secret, token }),
        ({ status }) => status === 200,
        30_000,
      );
    const begun = ledger.upstream.visits.length;
    const again = Array.from({ length: cuts }, (_, at) => accepted(`silent-${at}`));
    await ledger.upstream.until(() => ledger.upstream.visits.length === begun + again.length);
    assert.equal((await chat({ url: server.url, secret, token: 'one-more' })).status, 429);
    ledger.upstream.release();
    await Promise.all(again);
    const heard = await Promise.all(streams);
    const cut = heard.filter(({ broke }) => broke !== undefined);
    assert.ok(cut.length > 0 && cut.length < 12, `${cut.length} were cut`);
    for (const { text, complete } of cut) assert.ok(!complete && !text.includes('[DONE]') && !text.includes('"finish_reason":"'));
    for (const { status, complete } of heard.filter(({ broke }) => broke === undefined)) assert.ok(status === 200 && complete);

    const spending = await eventually(
      () => spendingOf(server.url, secret),
      ({ held }) => held === 0n,
    );
    const records = await recordsAsCounted(server.url, { root: ledger.root, id, spent: spending.spent });
    const complete = heard.filter((one) => one.complete).length;
    assert.equal(records.filter(({ end_user }) => end_user?.startsWith('begins') ?? false).length, complete);
    assert.equal(spending.spent % priceOf(12), 0n);
  });

  test('a worker that dies while a connection is handed to it, and messages wait behind that, takes nobody else with it', async () => {
    await using ledger = await startLedger({ env: TWO });
    const server = await ledger.serve();
    const { secret } = await ledger.key();
    const [victim = 0, other = 0] = workersOf(server);
    const from = server.log.length;
    process.kill(victim, 'SIGSTOP');
    const open = (): Connection => openConnection(server.url);
    const ask = (connection: Connection) => connection.ask('/v1/models', { headers: authorized(secret) });
    // of two connections one goes to the worker that stands still, and is not taken
    const waiting = [open(), open()].map(ask);
    await Promise.race(waiting);
    // a change of keys is told to both
    const made = await open().ask('/admin/v1/keys', { method: 'POST', headers: authorized(ledger.root), body: { name: 'one more' } });
    assert.equal(made.status, 201);
    process.kill(victim, 'SIGKILL');
    for (const { status } of await Promise.all(waiting)) assert.equal(status, 200);
    await server.logged(({ msg }) => msg === 'worker started', from);
    const now = workersOf(server);
    assert.ok(now.includes(other) && !now.includes(victim) && now.length === 2);
  });

  test('workers that are killed at any moment lose no record, and counters say what records say', { timeout: 580_000 }, async (t) => {
    const over = new Set<string>();
    // what comes when the others of its kind have been let go is not held up any more
    const plan = (asked: Asked): Plan => (over.has(asked.token.split('-')[1] ?? '') ? well(asked) : planOf(asked));
    await using ledger = await startLedger({ plan, env: TWO });
    const server = await ledger.serve();
    const { secret, id } = await ledger.key({ budgets: [{ period: 'total', nanos: BUDGET }], limits: { concurrent: 1000 } });
    const random = seeded(SEED);
    const story = new Map<string, { readonly words: number; readonly answer: Heard }>();
    for (let kill = 0; kill < KILLS; kill++) {
      const enough = Promise.withResolvers<void>();
      let missing = 1 + Math.floor(random() * 16);
      const one = async (kind: string, nth: number): Promise<void> => {
        const token = `${kind}-${kill}-${nth}`;
        const words = 5 + Math.floor(random() * 40);
        const answer = await chat({ url: server.url, secret, token, words, more: { user: token, ...(random() < 0.7 ? STREAM : {}) } });
        story.set(token, { words, answer });
        if (answer.complete && --missing === 0) enough.resolve();
      };
      const good = Array.from({ length: 24 }, (_, nth) => one('well', nth));
      const hanging = Array.from({ length: 6 }, (_, nth) => one(pick(['begins', 'silent'], random), nth));
      await Promise.race([enough.promise, Promise.all(good)]);
      const from = server.log.length;
      const victim = pick(workersOf(server), random);
      process.kill(victim, 'SIGKILL');
      await server.logged(({ msg }) => msg === 'worker started', from);
      over.add(String(kill));
      // again and again: one that came before may only be about to stall
      const release = setInterval(() => ledger.upstream.release(), 50);
      try {
        await Promise.all([...good, ...hanging]);
      } finally {
        clearInterval(release);
      }
    }
    const { spent } = await eventually(
      () => spendingOf(server.url, secret),
      ({ held }) => held === 0n,
    );
    const records = await recordsAsCounted(server.url, { root: ledger.root, id, spent });
    const byToken = Map.groupBy(records, ({ end_user }) => end_user ?? 'nobody');
    let complete = 0;
    for (const [token, { words, answer }] of story) {
      const own = byToken.get(token) ?? [];
      byToken.delete(token);
      assert.ok(own.length <= 1, `${token} was written down ${own.length} times`);
      if (answer.complete) assert.equal(own.length, 1, `${token} was answered, and there is no record`);
      if (answer.complete) complete++;
      const [record] = own;
      if (record?.outcome === 'ok') assert.equal(costOf([record]), priceOf(words));
    }
    assert.deepEqual([...byToken.keys()], [], 'records of nobody');
    t.diagnostic(`${KILLS} kills, seed ${SEED}: ${complete} of ${story.size} answers heard to their end, ${records.length} records`);
  });

  test(
    'on SIGUSR2 all workers are replaced, and no request of a client that keeps its connections is lost',
    { timeout: 300_000 },
    async () => {
      await using ledger = await startLedger({ plan: planOf, env: { ...TWO, PARLANCE_SERVER_SHUTDOWN_TIMEOUT: '4m' } });
      const server = await ledger.serve();
      const { secret } = await ledger.key();
      const before = workersOf(server);
      const long = Array.from({ length: 4 }, (_, at) => chat({ url: server.url, secret, token: `begins-${at}`, more: STREAM }));
      await ledger.upstream.until(() => ledger.upstream.visits.length === 4);

      const stop = { now: false };
      const problems: unknown[] = [];
      let answered = 0;
      const client = async (nth: number): Promise<void> => {
        const connection = openConnection(server.url);
        while (!stop.now) {
          const body = { model: 'p/priced', messages: [{ role: 'user', content: askFor(`k${nth}`) }], ...(nth % 2 === 0 ? STREAM : {}) };
          try {
            const { status, text } = await connection.ask('/v1/chat/completions', { method: 'POST', headers: authorized(secret), body });
            if (status !== 200 || (nth % 2 === 0 && !text.endsWith('data: [DONE]\n\n'))) problems.push({ status, text });
            answered++;
          } catch (cause) {
            problems.push(cause);
          }
          // some are quick to ask again, some take their time
          await after(nth * 40);
        }
        connection.close();
      };
      const clients = Array.from({ length: 8 }, (_, nth) => client(nth));
      server.kill('SIGUSR2');
      await server.logged(({ msg, instead }) => msg === 'worker started' && instead !== undefined);
      ledger.upstream.release();
      await server.logged(({ msg }) => msg === 'the workers are replaced');
      const asked = answered;
      await eventually(
        () => Promise.resolve(answered),
        (now) => now > asked + 20,
      );
      stop.now = true;
      await Promise.all(clients);
      assert.deepEqual(problems, []);
      for (const { status, complete, broke, text } of await Promise.all(long))
        assert.ok(status === 200 && complete, `${status} ${inspect(broke)} ${text}`);
      assert.deepEqual(alive(before), []);
      assert.equal(workersOf(server).length, 2);
      assert.ok(!server.log.some(({ msg }) => msg?.startsWith('a worker ended unexpectedly') ?? false));
      server.kill('SIGTERM');
      assert.equal(await server.ended, 0);
    },
  );
});

/** All records of a key, as soon as they cost what was counted. */
function recordsAsCounted(url: string, { root, id, spent }: { readonly root: string; readonly id: string; readonly spent: bigint }) {
  return eventually(
    () => recordsOf(url, root, id),
    (records) => costOf(records) === spent,
  );
}

/** Processes that are killed in the middle of streams: what was answered is written down and charged, once; what was held comes back. */
import assert from 'node:assert/strict';
import { setTimeout as after } from 'node:timers/promises';
import { describe, test } from 'node:test';
import { chat, costOf, eventually, priceOf, recordsOf, spendingOf, startLedger } from '../support/ledger.ts';
import type { Heard, LedgerOptions, LedgerProcesses, RecordView } from '../support/ledger.ts';
import { send, stall, well } from '../support/faulty-upstream.ts';
import type { Plan } from '../support/faulty-upstream.ts';
import { postgresMissing, startPostgres } from '../support/postgres.ts';
import { pick, seeded } from '../support/random.ts';
import { redisIsMissing, startRedis } from '../support/redis.ts';
import { partsOf } from '../support/upstream-answers.ts';
import type { Asked } from '../support/upstream-answers.ts';

/** `PARLANCE_TEST_KILLS=50` for a longer look. */
const asked = process.env['PARLANCE_TEST_KILLS'];
const KILLS = { sqlite: Number(asked ?? 10), redis: Number(asked ?? 5) };
const SEED = Number(process.env['PARLANCE_TEST_SEED'] ?? 6);
/** More than all of it costs. */
const BUDGET = 1_000_000_000n;
/** Requests in the life of each process: so many are answered at once, and so many never, of whom some have begun to hear. */
const EACH = { well: 12, hanging: 4 };
/** After so many answers as are drawn have been heard to their end, a process lives for so many milliseconds at most. */
const LIVES_MS = 10;
const LEASE_MS = 15_000;
/** A machine that is busy takes longer than what a lease has left. */
const MORE_MS = 60_000;

const planOf = (asked: Asked): Plan => {
  const { head, opening, shown } = partsOf(asked);
  if (asked.token.startsWith('begins')) return [send(head, opening, shown), stall];
  return asked.token.startsWith('silent') ? [stall] : well(asked);
};

/** What clients have heard, by the token of the request and so by the end user that is named like it. */
type Story = Map<string, { readonly words: number; readonly answer: Heard }>;

/** Asks again until somebody can say whether it fits: on a busy machine Redis may be away for a moment by itself. */
const decided = (ask: () => Promise<Heard>): Promise<Heard> => eventually(ask, ({ status }) => status !== 503);

/** Each life of a process: requests at once, and a kill at a random moment while they run. */
async function lives(ledger: LedgerProcesses, secret: string, kills: number): Promise<Story> {
  const random = seeded(SEED);
  const heard: Story = new Map();
  for (let life = 0; life < kills; life++) {
    const server = await ledger.serve();
    const enough = Promise.withResolvers<void>();
    let missing = 1 + Math.floor(random() * (EACH.well - 1));
    const ask = async (kind: string, nth: number): Promise<void> => {
      const token = `${kind}-${life}-${nth}`;
      const words = 5 + Math.floor(random() * 40);
      const more = { user: token, ...(random() < 0.7 ? { stream: true, stream_options: { include_usage: true } } : {}) };
      const answer = await decided(() => chat({ url: server.url, secret, token, words, more }));
      heard.set(token, { words, answer });
      if (answer.complete && --missing === 0) enough.resolve();
    };
    const hanging = Array.from({ length: EACH.hanging }, (_, nth) => ask(pick(['begins', 'silent'], random), nth));
    const good = Array.from({ length: EACH.well }, (_, nth) => ask('well', nth));
    await enough.promise;
    await after(random() * LIVES_MS);
    server.kill('SIGKILL');
    await server.ended;
    await Promise.all([...hanging, ...good]);
  }
  return heard;
}

/** Every answer that came to its end has its record, with what the upstream counted; none has two, and none is of a request that nobody made. */
function judge(heard: Story, ledger: LedgerProcesses, records: readonly RecordView[]): { readonly complete: number; readonly cut: number } {
  const byToken = Map.groupBy(records, ({ end_user }) => end_user ?? 'nobody');
  let complete = 0;
  let cut = 0;
  for (const [token, { words, answer }] of heard) {
    const own = byToken.get(token) ?? [];
    byToken.delete(token);
    assert.ok(own.length <= 1, `${token} was written down ${own.length} times`);
    const [record] = own;
    if (answer.complete) {
      complete++;
      assert.ok(record, `${token} was answered, and there is no record`);
    } else cut++;
    if (!record) continue;
    assert.equal(ledger.upstream.of(token).length, 1, `${token} is known to the upstream`);
    if (record.outcome !== 'ok') continue;
    const { prompt_tokens, completion_tokens, estimated, cost_usd } = record;
    assert.deepEqual({ prompt_tokens, completion_tokens, estimated }, { prompt_tokens: 7, completion_tokens: words, estimated: false });
    assert.equal(costOf([{ ...record, cost_usd }]), priceOf(words));
  }
  assert.deepEqual([...byToken.keys()], [], 'records of nobody');
  return { complete, cut };
}

async function crashes(options: LedgerOptions, { kills, leaseMs }: { readonly kills: number; readonly leaseMs: number }): Promise<string> {
  await using ledger = await startLedger({ ...options, plan: planOf });
  const { secret, id } = await ledger.key({ budgets: [{ period: 'total', nanos: BUDGET }], limits: { concurrent: 1000 } });
  const story = await lives(ledger, secret, kills);
  const { url } = await ledger.serve();
  // a journal of one that was killed is taken over by the next, before anything is answered or soon after;
  // with Redis what dead processes held is held until their leases end; what is charged is what is written down
  const done = [...story.values()].filter(({ answer }) => answer.complete).length;
  const { records, now } = await eventually(
    async () => ({ records: await recordsOf(url, ledger.root, id), now: await spendingOf(url, secret) }),
    ({ records, now }) => records.length >= done && now.held === 0n && now.spent === costOf(records),
    leaseMs + MORE_MS,
  );
  const { complete, cut } = judge(story, ledger, records);
  assert.ok(cut >= EACH.hanging * kills);
  assert.equal(now.left, BUDGET - now.spent);
  return `${kills} kills, seed ${SEED}: ${complete} answers heard to their end, ${cut} cut, ${records.length} records`;
}

// the one waits for leases to end while the other starts processes
describe('ledger: crashes', { concurrency: 2 }, () => {
  test('a process with SQLite that is killed in the middle of streams loses no record, and holds nothing', async (t) => {
    t.diagnostic(await crashes({}, { kills: KILLS.sqlite, leaseMs: 0 }));
  });

  test(
    'a process with Postgres and Redis that is killed in the middle of streams loses no record; holds end with its lease',
    { skip: postgresMissing || redisIsMissing },
    async (t) => {
      await using postgres = await startPostgres();
      await using redis = await startRedis();
      const options = { database: await postgres.createDatabase(), redis: redis.url };
      t.diagnostic(await crashes(options, { kills: KILLS.redis, leaseMs: LEASE_MS }));
    },
  );

  for (const heard of [true, false]) {
    const what = heard ? 'answered while Redis was away' : 'waits for a Redis that says nothing';
    test(`a process that ${what}, and is killed, has charged what it wrote down, once`, { skip: redisIsMissing }, async () => {
      await using redis = await startRedis();
      await using ledger = await startLedger({
        redis: redis.url,
        plan: (one) => (one.token.startsWith('long') ? [stall, ...well(one)] : well(one)),
      });
      const server = await ledger.serve();
      const { secret, id } = await ledger.key({ budgets: [{ period: 'total', nanos: BUDGET }] });
      const ask = (token: string): Promise<Heard> => chat({ url: server.url, secret, token, words: 10 });
      assert.equal((await decided(() => ask('well'))).status, 200);
      const many = Array.from({ length: 5 }, (_, nth) => decided(() => ask(`long${nth}`)));
      await ledger.upstream.until(() => ledger.upstream.visits.length === 6);
      redis.pause();
      ledger.upstream.release();
      if (heard) for (const answer of await Promise.all(many)) assert.equal(answer.status, 200);
      else
        await eventually(
          async () => ledger.upstream.visits.filter(({ complete }) => complete).length,
          (count) => count === 6,
        );
      server.kill('SIGKILL');
      await server.ended;
      await Promise.all(many);
      redis.resume();
      const { url } = await ledger.serve();
      const { records, spending } = await eventually(
        async () => ({ records: await recordsOf(url, ledger.root, id), spending: await spendingOf(url, secret) }),
        ({ records, spending }) => spending.held === 0n && spending.spent === costOf(records),
        LEASE_MS + MORE_MS,
      );
      if (heard) assert.equal(records.length, 6);
      assert.equal(spending.spent, priceOf(10) * BigInt(records.length));
    });
  }
});

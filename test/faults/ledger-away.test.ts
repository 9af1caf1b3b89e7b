/** Redis and Postgres away, slow and restarted while requests run: what is then refused and what is served is what docs/ say, and it ends by itself. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { inspect } from 'node:util';
import { stall, well } from '../support/faulty-upstream.ts';
import { chat, costOf, eventually, plainPriceOf, recordsOf, spendingOf, startLedger } from '../support/ledger.ts';
import type { Heard, LedgerProcesses } from '../support/ledger.ts';
import { postgresMissing, startPostgres } from '../support/postgres.ts';
import { redisIsMissing, startRedis } from '../support/redis.ts';
import type { ServeProcess } from '../support/serve-process.ts';

const WORDS = 12;
/** Whatever the prompt: what is held is what is paid. */
const PRICE = plainPriceOf(WORDS);
const MODEL = 'p/plain';
const TOTAL = 1_000_000_000n;
const budgetOf = (nanos: bigint) => ({ budgets: [{ period: 'total' as const, nanos }] });

let asked = 0;
const ask = (server: ServeProcess, secret: string, more: { readonly token?: string } = {}): Promise<Heard> =>
  chat({ url: server.url, secret, token: `a${++asked}`, words: WORDS, model: MODEL, ...more });

const many = (count: number, one: () => Promise<Heard>): Promise<readonly Heard[]> => Promise.all(Array.from({ length: count }, one));
const served = (answers: readonly Heard[]): number => answers.filter(({ status }) => status === 200).length;

function refusedForNow({ status, code, headers }: Heard): void {
  assert.deepEqual({ status, code }, { status: 503, code: 'server_is_overloaded' });
  assert.equal(headers.get('retry-after'), '1');
}

/** Sooner or later the counter says what the records say, and nothing is held. */
async function agree(
  server: ServeProcess,
  ledger: LedgerProcesses,
  key: { readonly secret: string; readonly id: string },
): Promise<bigint> {
  const isThere = async (): Promise<boolean> =>
    (await fetch(`${server.url}/v1/me`, { headers: { authorization: `Bearer ${key.secret}` } })).status === 200;
  await eventually(isThere, (there) => there);
  const { now } = await eventually(
    async () => {
      const records = await recordsOf(server.url, ledger.root, key.id);
      return {
        now: await spendingOf(server.url, key.secret),
        written: costOf(records),
        requests: new Set(records.map(({ id }) => id)).size,
        count: records.length,
      };
    },
    ({ now: { spent, held }, written, requests, count }) => held === 0n && spent === written && requests === count,
  );
  return now.spent;
}

/** Asks again until it is served: where the machine is busy, Redis and Postgres may be away for a moment by themselves. */
const again = (server: ServeProcess, secret: string, more?: { readonly token?: string }): Promise<Heard> =>
  eventually(
    () => ask(server, secret, more),
    ({ status }) => status === 200,
  );

/** Asks again until somebody can say whether it fits. */
const decided = (server: ServeProcess, secret: string): Promise<Heard> =>
  eventually(
    () => ask(server, secret),
    ({ status }) => status !== 503,
  );

describe('ledger: Redis away', { skip: redisIsMissing }, () => {
  test('refuse: whoever has limits is told to come again, others are served, and what ends meanwhile is charged once', async () => {
    await using redis = await startRedis();
    await using ledger = await startLedger({
      redis: redis.url,
      plan: (one) => (one.token.startsWith('long') ? [stall, ...well(one)] : well(one)),
    });
    const server = await ledger.serve();
    const limited = await ledger.key(budgetOf(TOTAL));
    const free = await ledger.key();
    await many(5, () => again(server, limited.secret));

    // away, held up, and back with nothing in it, each with a request under way
    const ways = [
      { leave: () => redis.stop(), back: () => redis.start() },
      { leave: async () => redis.pause(), back: async () => redis.resume() },
    ];
    for (const [at, { leave, back }] of ways.entries()) {
      const long = again(server, limited.secret, { token: `long${at}` });
      await ledger.upstream.until(() => ledger.upstream.of(`long${at}`).length === 1);
      await leave();
      for (const answer of await many(5, () => ask(server, limited.secret))) refusedForNow(answer);
      assert.equal(served(await many(5, () => ask(server, free.secret))), 5);
      ledger.upstream.release();
      assert.equal((await long).status, 200);
      await back();
      await again(server, limited.secret);
    }
    assert.equal(await agree(server, ledger, limited), PRICE * 9n);
  });

  test('allow: a part of each limit is served, to the request, and the rest when it is back', async () => {
    await using redis = await startRedis();
    await using ledger = await startLedger({
      redis: redis.url,
      env: { PARLANCE_REDIS_WHEN_DOWN: 'allow', PARLANCE_REDIS_ALLOWANCE: '0.5' },
    });
    const server = await ledger.serve();
    const budget = await ledger.key(budgetOf(PRICE * 20n));
    const rate = await ledger.key({ limits: { requestsPerMinute: 20 } });
    await many(2, () => again(server, budget.secret));
    await redis.stop();
    const from = server.log.length;
    const [meanwhile, requests] = await Promise.all([many(30, () => ask(server, budget.secret)), many(30, () => ask(server, rate.secret))]);
    assert.equal(served(meanwhile), 10);
    for (const answer of meanwhile.filter(({ status }) => status !== 200)) refusedForNow(answer);
    assert.equal(served(requests), 10);
    for (const { status } of requests.filter((answer) => answer.status !== 200))
      assert.ok(status === 503 || status === 429, String(status));

    await redis.start();
    await server.logged(({ msg }) => msg?.startsWith('Redis is there again: limits') ?? false, from);
    const rest = await many(30, () => decided(server, budget.secret));
    assert.equal(served(rest), 8);
    for (const { code } of rest.filter(({ status }) => status !== 200)) assert.equal(code, 'insufficient_quota');
    assert.equal(await agree(server, ledger, budget), PRICE * 20n);
  });
});

describe('ledger: Postgres away', { skip: postgresMissing }, () => {
  test('keys that were used lately go on, others are told to come again; records wait, outlive a kill, and are written', async () => {
    await using postgres = await startPostgres();
    await using ledger = await startLedger({ database: await postgres.createDatabase() });
    const first = await ledger.serve();
    const key = await ledger.key(budgetOf(PRICE * 20n));
    const other = await ledger.key();
    await again(first, key.secret);
    await postgres.stop();
    assert.equal(served(await many(5, () => ask(first, key.secret))), 5);
    refusedForNow(await ask(first, other.secret));
    await first.logged(({ msg }) => msg?.startsWith('The database takes no records') ?? false);
    await postgres.start();
    assert.equal((await again(first, other.secret)).status, 200);
    assert.equal(await agree(first, ledger, key), PRICE * 6n);

    await postgres.stop();
    assert.equal(served(await many(5, () => ask(first, key.secret))), 5);
    first.kill('SIGKILL');
    await first.ended;
    await postgres.start();
    const second = await ledger.serve();
    // of 20 there are 9 left: what was only in the journal counts, or else more would fit
    assert.equal(served(await many(20, () => decided(second, key.secret))), 9);
    assert.equal(await agree(second, ledger, key), PRICE * 20n);
  });

  test('data.outage of 0s: nobody is served until it is back', async () => {
    await using postgres = await startPostgres();
    await using ledger = await startLedger({ database: await postgres.createDatabase(), env: { PARLANCE_DATA_OUTAGE: '0s' } });
    const server = await ledger.serve();
    const key = await ledger.key(budgetOf(TOTAL));
    await again(server, key.secret);
    await postgres.stop();
    await eventually(
      () => ask(server, key.secret),
      ({ status }) => status !== 200,
    );
    for (const answer of await many(5, () => ask(server, key.secret))) refusedForNow(answer);
    await postgres.start();
    await again(server, key.secret);
    await agree(server, ledger, key);
  });
});

test(
  'ledger: both restarted again and again while two processes serve: no answer but served or refused, never more than fits, and at the end all agrees',
  { skip: postgresMissing || redisIsMissing },
  async (t) => {
    await using postgres = await startPostgres();
    await using redis = await startRedis(undefined, ['--appendonly', 'yes', '--appendfsync', 'always']);
    await using ledger = await startLedger({ database: await postgres.createDatabase(), redis: redis.url });
    const servers = await Promise.all([ledger.serve('one'), ledger.serve('two')]);
    const fits = 400n;
    const key = await ledger.key(budgetOf(PRICE * fits));
    const statuses: Record<number, number> = {};
    const failures: string[] = [];
    const over = new AbortController();
    const client = async (at: number): Promise<void> => {
      for (let turn = at; !over.signal.aborted; turn++) {
        const answer = await ask(servers[turn % servers.length] ?? assert.fail(), key.secret);
        statuses[answer.status] = (statuses[answer.status] ?? 0) + 1;
        if (![200, 503].includes(answer.status) && answer.code !== 'insufficient_quota')
          failures.push(`${answer.status} ${answer.text} ${inspect(answer.broke)}`);
      }
    };
    const clients = Array.from({ length: 8 }, (_, at) => client(at));
    const isServed = async (): Promise<void> => {
      const before = statuses[200] ?? 0;
      await eventually(
        async () => statuses,
        (now) => (now[200] ?? 0) >= before + 10 || (now[429] ?? 0) > 0,
      );
    };
    try {
      for (const server of [redis, postgres, redis]) {
        await isServed();
        await server.stop();
        await server.start();
      }
      await isServed();
    } finally {
      over.abort();
      await Promise.all(clients);
    }
    assert.deepEqual(failures, []);
    const spent = await agree(servers[0] ?? assert.fail(), ledger, key);
    assert.equal(spent, PRICE * BigInt(statuses[200] ?? 0));
    assert.ok(spent <= PRICE * fits);
    t.diagnostic(JSON.stringify(statuses));
  },
);

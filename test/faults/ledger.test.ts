/** Many at once against what fits only some of them: exactly those that fit are served, on one process, on workers and on three processes. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { chat, costOf, eventually, plainPriceOf, priceOf, recordsOf, spendingOf, startLedger } from '../support/ledger.ts';
import type { Heard, LedgerOptions, LedgerProcesses } from '../support/ledger.ts';
import { postgresMissing, startPostgres } from '../support/postgres.ts';
import { redisIsMissing, startRedis } from '../support/redis.ts';
import type { ServeProcess } from '../support/serve-process.ts';

const AT_ONCE = 200;
const FIT = 50;
const WORDS = 100;

interface Crowd {
  readonly ledger: LedgerProcesses;
  readonly servers: readonly ServeProcess[];
}

let asked = 0;

/** 200 at once, one after the other at each of the processes. */
function crowd({ servers }: Crowd, secret: string, more: { readonly model?: string; readonly stream?: boolean } = {}): Promise<Heard[]> {
  const { model = 'p/priced', stream = false } = more;
  return Promise.all(
    Array.from({ length: AT_ONCE }, (_, at) => {
      const { url } = servers[at % servers.length] ?? assert.fail();
      const extra = stream && at % 2 === 0 ? { stream: true, stream_options: { include_usage: true } } : {};
      return chat({ url, secret, token: `c${++asked}`, words: WORDS, model, more: extra });
    }),
  );
}

const TRIES = 10;

/**
 * Once more, with a key of its own, where a server said meanwhile that Redis was away: on a busy machine it may be, for a moment, and what
 * is refused then is another matter.
 */
async function undisturbed({ servers }: Crowd, round: () => Promise<void>): Promise<void> {
  for (let tries = 1; ; tries++) {
    const from = servers.map(({ log }) => log.length);
    try {
      return await round();
    } catch (cause) {
      const wasAway = servers.some(({ log }, at) =>
        log.slice(from[at]).some(({ msg }) => msg?.startsWith('Redis cannot be reached') ?? false),
      );
      if (cause instanceof TooMany || !wasAway || tries === TRIES) throw cause;
    }
  }
}

/** Of this no busy machine is an excuse. */
class TooMany extends Error {}

function servedOf(answers: readonly Heard[]): readonly Heard[] {
  const served = answers.filter(({ status }) => status === 200);
  if (served.length > FIT) throw new TooMany(tally(answers));
  assert.equal(served.length, FIT, tally(answers));
  return served;
}

async function budget(crowded: Crowd, t: TestContext, { model, price, nanos }: { model: string; price: bigint; nanos: bigint }) {
  const { ledger, servers } = crowded;
  const { secret, id } = await ledger.key({ budgets: [{ period: 'total', nanos }] });
  const visits = ledger.upstream.visits.length;
  const from = performance.now();
  const answers = await crowd(crowded, secret, { model, stream: true });
  t.diagnostic(`${model}: ${AT_ONCE} at once on ${servers.length} took ${Math.round(performance.now() - from)} ms`);

  const served = servedOf(answers);
  assert.ok(served.every(({ complete }) => complete));
  for (const answer of answers.filter(({ status }) => status !== 200)) {
    assert.equal(answer.status, 429, answer.text);
    assert.equal(answer.code, 'insufficient_quota', answer.text);
    assert.equal(answer.headers.get('x-should-retry'), 'false');
  }
  assert.equal(ledger.upstream.visits.length - visits, FIT, 'nobody else was asked for');
  const spent = price * BigInt(FIT);
  for (const { url } of servers) {
    const now = await spendingOf(url, secret);
    assert.deepEqual(now, { spent, held: 0n, left: nanos - spent });
  }
  const { url } = servers[0] ?? assert.fail();
  const records = await eventually(
    () => recordsOf(url, ledger.root, id),
    ({ length }) => length >= FIT,
  );
  assert.equal(records.length, FIT);
  assert.equal(new Set(records.map(({ request_id }) => request_id)).size, FIT);
  assert.equal(costOf(records), spent);
}

async function rate(crowded: Crowd): Promise<void> {
  const { secret } = await crowded.ledger.key({ limits: { requestsPerMinute: FIT } });
  const answers = await crowd(crowded, secret);
  servedOf(answers);
  for (const { status, code, headers } of answers.filter((answer) => answer.status !== 200)) {
    assert.deepEqual({ status, code }, { status: 429, code: 'rate_limit_exceeded' });
    assert.notEqual(headers.get('x-should-retry'), 'false');
    const wait = Number(headers.get('retry-after'));
    assert.ok(wait >= 1 && wait <= 60, String(wait));
  }
}

const tally = (answers: readonly Heard[]): string => {
  const counts: Record<string, number> = {};
  for (const { status, text } of answers) {
    const what = status === 200 ? '200' : `${status} ${text.slice(0, 200)}`;
    counts[what] = (counts[what] ?? 0) + 1;
  }
  return JSON.stringify(counts);
};

async function together(options: LedgerOptions, processes: number, t: TestContext): Promise<void> {
  // who waits for what others give back waits as long as they take
  const env = { PARLANCE_ROUTING_MAX_WAIT: '4m', ...options.env };
  await using ledger = await startLedger({ ...options, env });
  const servers = await Promise.all(Array.from({ length: processes }, (_, at) => ledger.serve(`s${at}`)));
  const crowded = { ledger, servers };
  // nothing is left at all: what is held is what is paid
  const plain = plainPriceOf(WORDS);
  await t.test('a budget of exactly 50 prices', (sub) =>
    undisturbed(crowded, () => budget(crowded, sub, { model: 'p/plain', price: plain, nanos: plain * BigInt(FIT) })),
  );
  // what is held is more than what is paid, so that some must wait for what others give back; a 51st never fits
  const price = priceOf(WORDS);
  await t.test('a budget of nearly 51 prices', (sub) =>
    undisturbed(crowded, () => budget(crowded, sub, { model: 'p/priced', price, nanos: price * BigInt(FIT + 1) - 1n })),
  );
  await t.test('a limit of 50 requests a minute', () => undisturbed(crowded, () => rate(crowded)));
}

test('ledger: 200 at once against what fits 50, on one process with SQLite', (t) => together({}, 1, t));

test('ledger: 200 at once against what fits 50, on three workers with SQLite', (t) => together({ env: { PARLANCE_WORKERS: '3' } }, 1, t));

test('ledger: 200 at once against what fits 50, on two workers that count in Redis', { skip: redisIsMissing }, async (t) => {
  await using redis = await startRedis();
  await together({ redis: redis.url, env: { PARLANCE_WORKERS: '2' } }, 1, t);
});

test(
  'ledger: 200 at once against what fits 50, on three processes with Postgres and Redis',
  { skip: postgresMissing || redisIsMissing },
  async (t) => {
    await using postgres = await startPostgres();
    await using redis = await startRedis();
    await together({ database: await postgres.createDatabase(), redis: redis.url }, 3, t);
  },
);

/** Limits, budgets and records of usage of a whole server, as clients and administrators see them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import OpenAI from 'openai';
import { parseChatRequest } from '../../src/protocols/openai-chat/accept.ts';
import { estimatePrompt } from '../../src/gateway/money.ts';
import { ANSWER_NANOS, PROMPT_NANOS, PROMPT_TOKENS, startCounted } from '../support/counted-server.ts';
import type { CountedServer } from '../support/counted-server.ts';
import { send, stall } from '../support/faulty-upstream.ts';
import { askFor, partsOf } from '../support/upstream-answers.ts';

const ACTUAL = PROMPT_TOKENS * PROMPT_NANOS + 12n * ANSWER_NANOS;
const total = (nanos: bigint) => [{ period: 'total' as const, nanos }];

/** What is held for a request of 12 words. */
function worst(): bigint {
  const body = { model: 'p/priced', messages: [{ role: 'user', content: askFor('t10') }], max_tokens: 12 };
  return BigInt(estimatePrompt(parseChatRequest(body, { strict: false })).tokens) * PROMPT_NANOS + 12n * ANSWER_NANOS;
}

/** What the upstream served, and what the records and `/v1/me` say, in nano-dollars. */
async function sums({ store, get }: CountedServer, { secret, id }: { readonly secret: string; readonly id: string }) {
  const recorded = await store.usage.spent({ keyId: id }, 0);
  const me = (await (await get(secret, '/v1/me')).json()) as { key: { budgets: readonly { spent_usd: string; held_usd: string }[] } };
  const [budget] = me.key.budgets;
  return { recorded, spent: budget?.spent_usd, held: budget?.held_usd };
}

test('limits: of 200 requests at once as many are served as the budget has money for, and not a nano-dollar over', async () => {
  // those for whom there may be money when others have ended wait for that, as long as it takes
  await using counted = await startCounted({ env: { PARLANCE_ROUTING_MAX_WAIT: '10m' } });
  const key = await counted.key({ budgets: total(49n * ACTUAL + worst()) });
  const answers = await Promise.all(
    Array.from({ length: 200 }, async (_, at) => {
      const response = await counted.chat(key.secret, at % 2 === 0 ? { stream: true } : {});
      return { status: response.status, text: await response.text(), headers: response.headers };
    }),
  );
  const served = answers.filter(({ status }) => status === 200);
  assert.equal(served.length, 50);
  assert.equal(counted.upstream.visits.length, 50);
  for (const { status, headers, text } of answers.filter((one) => one.status !== 200)) {
    assert.equal(status, 429);
    assert.equal(JSON.parse(text).error.type, 'insufficient_quota');
    assert.equal(headers.get('x-should-retry'), 'false');
  }
  const records = await counted.records(50);
  assert.equal(records.length, 50);
  assert.deepEqual(await sums(counted, key), { recorded: 50n * ACTUAL, spent: '0.00155', held: '0.00' });
});

test('limits: requests a minute to the request, with the headers that say so', async () => {
  await using counted = await startCounted();
  const { secret } = await counted.key({ limits: { requestsPerMinute: 5, tokensPerMinute: 100_000 } });
  const answers = await Promise.all(Array.from({ length: 20 }, () => counted.chat(secret)));
  const served = answers.filter(({ status }) => status === 200);
  assert.equal(served.length, 5);
  assert.deepEqual(served.map(({ headers }) => headers.get('x-ratelimit-remaining-requests')).toSorted(), ['0', '1', '2', '3', '4']);
  for (const { headers } of answers) {
    assert.equal(headers.get('x-ratelimit-limit-requests'), '5');
    assert.equal(headers.get('x-ratelimit-limit-tokens'), '100000');
    assert.match(headers.get('x-ratelimit-reset-requests') ?? '', /^(\d+m)?[\d.]+m?s$/);
  }
  for (const { headers } of answers.filter(({ status }) => status === 429)) {
    assert.ok(Number(headers.get('retry-after')) >= 1);
    assert.ok(Number(headers.get('retry-after-ms')) <= 60_000);
  }
  const { secret: free } = await counted.key();
  assert.equal((await counted.chat(free)).headers.get('x-ratelimit-limit-requests'), null);
});

test('limits: the openai package comes back after a limit at once, and gives up at once where the money is gone', async () => {
  let running = 0;
  await using counted = await startCounted({
    plan: (asked) => [...(running++ === 0 ? [stall] : []), send(...Object.values(partsOf(asked)))],
  });
  const busy = await counted.key({ limits: { concurrent: 1 } });
  const client = ({ secret }: { readonly secret: string }) =>
    new OpenAI({ baseURL: `${counted.server.url}/v1`, apiKey: secret, maxRetries: 10 });
  const ask = (key: { readonly secret: string }, token: string) =>
    client(key).chat.completions.create({
      model: 'p/priced',
      max_completion_tokens: 12,
      messages: [{ role: 'user', content: askFor(token) }],
    });
  const first = ask(busy, 'first');
  await counted.upstream.until(() => counted.upstream.visits.length === 1);
  const second = ask(busy, 'second');
  await counted.server.logged(({ status, error }) => status === 429 && error === 'rate_limited_concurrency');
  counted.upstream.release();
  await Promise.all([first, second]);

  const poor = await counted.key({ budgets: total(1n) });
  await assert.rejects(ask(poor, 'poor'), (error) => error instanceof OpenAI.RateLimitError && error.code === 'insufficient_quota');
  await counted.server.logged(({ error }) => error === 'insufficient_quota');
  const refusals = counted.server.log.filter(({ error }) => error === 'insufficient_quota');
  assert.equal(refusals.length, 1, 'it was not tried again');
});

test('limits: what fits is told, and where configured so, done', async () => {
  await using counted = await startCounted({ env: { PARLANCE_LIMITS_ON_TIGHT_BUDGET: 'lower' } });
  const { secret } = await counted.key({ budgets: total(worst() + 100n * ANSWER_NANOS) });
  const lowered = await counted.chat(secret, { max_tokens: 100_000 });
  assert.equal(lowered.status, 200);
  assert.equal(lowered.headers.get('x-parlance-max-tokens'), '112');
  assert.equal(counted.upstream.visits.length, 1);
});

test('limits: records say what the upstream served, however clients leave', async () => {
  const words = 10;
  await using counted = await startCounted({
    plan: (asked) => {
      const { head, opening, shown, rest, last } = partsOf(asked);
      return asked.token.startsWith('cut')
        ? [send(head, opening, shown), stall, send(rest, last)]
        : [send(head, opening, shown, rest, last)];
    },
  });
  const key = await counted.key({ budgets: total(10n ** 12n), limits: { concurrent: 40 } });
  const body = (token: string) => ({ messages: [{ role: 'user', content: askFor(token, words) }], stream: true });
  await Promise.all(
    Array.from({ length: 20 }, async (_, at) => {
      const leaving = new AbortController();
      const response = await counted.chat(key.secret, body(at % 2 === 0 ? `cut${at}` : `whole${at}`), { signal: leaving.signal });
      if (at % 2 !== 0) return response.text();
      await response.body?.getReader().read();
      leaving.abort();
      return undefined;
    }),
  );
  const records = await counted.records(20);
  assert.equal(records.length, 20);
  const whole = records.filter(({ outcome }) => outcome === 'ok');
  const cut = records.filter(({ outcome }) => outcome === 'cancelled');
  assert.deepEqual([whole.length, cut.length], [10, 10]);
  for (const record of whole) assert.deepEqual([record.promptTokens, record.completionTokens, record.estimated], [7, words, false]);
  for (const record of cut) {
    assert.ok(
      record.estimated && record.promptTokens > 0 && record.completionTokens > 0 && record.completionTokens <= 12,
      JSON.stringify(record, (_, value) => (typeof value === 'bigint' ? String(value) : value)),
    );
  }
  const { recorded, spent, held } = await sums(counted, key);
  assert.equal(
    recorded,
    records.reduce((sum, { costNanos }) => sum + costNanos, 0n),
  );
  assert.equal(held, '0.00');
  assert.equal(Math.round(Number(spent) * 1e9), Number(recorded));
});

test('limits: models without a price are marked, or refused', async () => {
  await using counted = await startCounted();
  const { secret } = await counted.key();
  assert.equal((await counted.chat(secret, { model: 'q/unpriced' })).status, 200);
  const [record] = await counted.records(1);
  assert.deepEqual([record?.unpriced, record?.costNanos, record?.promptTokens], [true, 0n, 7]);
  await using strict = await startCounted({ env: { PARLANCE_PRICES_UNPRICED: 'refuse' } });
  const other = await strict.key();
  const refused = await strict.chat(other.secret, { model: 'q/unpriced' });
  assert.equal(refused.status, 403);
  assert.equal(((await refused.json()) as { error: { code: string } }).error.code, 'model_not_allowed');
  assert.equal((await strict.chat(other.secret)).status, 200);
});

test('limits: blocked end users are refused, others of the same key are not', async () => {
  await using counted = await startCounted();
  const { secret } = await counted.key();
  await counted.administration.blockEndUser({ actor: 'system' }, { projectId: 'default', id: 'mallory' }, { blocked: true });
  assert.equal((await counted.chat(secret, { user: 'mallory' })).status, 403);
  assert.equal((await counted.chat(secret, { safety_identifier: 'ada', user: 'mallory' })).status, 200);
});

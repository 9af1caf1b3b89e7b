/** What the official SDK, as it comes, makes of limits: it waits as it is told and succeeds; of a budget that is spent it makes no second try. */
import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import { test } from 'node:test';
import OpenAI, { RateLimitError } from 'openai';
import { stall, well } from '../support/faulty-upstream.ts';
import { eventually, plainPriceOf, startLedger } from '../support/ledger.ts';
import { askFor, textOf } from '../support/upstream-answers.ts';

const LIMIT = 5;
const WORDS = 12;
const CLOCK = new URL('../support/clock-ahead.ts', import.meta.url);

interface Tried {
  readonly client: OpenAI;
  /** The status of every answer that the SDK has seen, its own retries included. */
  readonly statuses: number[];
}

/** `limited`: is told of an answer that refuses, before the SDK is. */
function clientOf(url: string, apiKey: string, limited: (answer: Response) => Promise<void> = async () => undefined): Tried {
  const statuses: number[] = [];
  const counted: typeof fetch = async (...request) => {
    const answer = await fetch(...request);
    statuses.push(answer.status);
    if (answer.status === 429) await limited(answer);
    return answer;
  };
  return { client: new OpenAI({ baseURL: `${url}/v1`, apiKey, maxRetries: 20, fetch: counted }), statuses };
}

const bodyOf = (token: string, model = 'p/priced') => ({
  model,
  messages: [{ role: 'user' as const, content: askFor(token, WORDS) }],
  max_tokens: WORDS,
});

test('ledger: the SDK backs off at a limit of requests a minute and succeeds, streams too', async () => {
  await using ledger = await startLedger();
  const server = await ledger.serve('one', { NODE_OPTIONS: `--import=${fileURLToPath(CLOCK)}` });
  const { secret } = await ledger.key({ limits: { requestsPerMinute: LIMIT } });
  const clock = async (does: string): Promise<void> => {
    server.kill('SIGUSR2');
    await server.logged(({ msg }) => msg === `clock ${does}`);
  };
  const told: number[] = [];
  const { client, statuses } = clientOf(server.url, secret, async ({ headers }) => {
    told.push(Number(headers.get('retry-after-ms')));
    if (told.length === 1) await clock('goes on');
  });
  const one = async (token: string, stream: boolean): Promise<string> => {
    if (!stream) return (await client.chat.completions.create(bodyOf(token))).choices[0]?.message.content ?? '';
    let text = '';
    for await (const chunk of await client.chat.completions.create({ ...bodyOf(token), stream }))
      text += chunk.choices[0]?.delta.content ?? '';
    return text;
  };
  const burst = async (name: string, count: number): Promise<void> => {
    const texts = await Promise.all(Array.from({ length: count }, (_, at) => one(`${name}${at}`, at % 2 === 0)));
    for (const [at, text] of texts.entries()) assert.equal(text, textOf('up', `${name}${at}`, WORDS));
  };
  await clock('stands');
  await burst('a', LIMIT);
  const all = Array.from({ length: LIMIT }, () => 200);
  assert.deepEqual(statuses.splice(0), all);
  // most of the minute passes; what is left of it, a second, the SDK has to wait for
  await clock('ahead');
  const from = performance.now();
  await one('alone', true);
  assert.deepEqual(statuses.splice(0), [429, 200], 'after waiting as told, a request passes');
  const [toldMs = 0] = told;
  assert.ok(toldMs >= 1000 && toldMs < 2000, `told to wait ${toldMs} ms`);
  const ms = performance.now() - from;
  assert.ok(ms >= 990, `waited ${ms} ms`);
  await burst('b', LIMIT - 1);
  assert.equal(statuses.filter((status) => status === 200).length, LIMIT - 1);
});

test('ledger: the SDK backs off at a limit of requests at once and succeeds', async () => {
  const limit = 2;
  let visits = 0;
  await using ledger = await startLedger({ plan: (asked) => (++visits <= limit ? [stall, ...well(asked)] : well(asked)) });
  const server = await ledger.serve();
  const { secret } = await ledger.key({ limits: { concurrent: limit } });
  const { client, statuses } = clientOf(server.url, secret);
  const answers = Promise.all(Array.from({ length: 4 }, (_, at) => client.chat.completions.create(bodyOf(`c${at}`))));
  // those that have a place stand at the upstream by then: what comes there after the release would stall for good
  await eventually(
    async () => ({ statuses, visits }),
    (seen) => seen.statuses.length >= 2 && seen.visits >= limit,
  );
  assert.deepEqual(new Set(statuses), new Set([429]));
  ledger.upstream.release();
  assert.equal((await answers).length, 4);
  assert.equal(statuses.filter((status) => status === 200).length, 4);
});

test('ledger: the SDK stops at once where a budget is spent', async () => {
  await using ledger = await startLedger();
  const server = await ledger.serve();
  const { secret } = await ledger.key({ budgets: [{ period: 'total', nanos: plainPriceOf(WORDS) }] });
  const { client, statuses } = clientOf(server.url, secret);
  await client.chat.completions.create(bodyOf('first', 'p/plain'));
  for (const stream of [false, true]) {
    await assert.rejects(client.chat.completions.create({ ...bodyOf('second', 'p/plain'), stream }), (error: unknown) => {
      assert.ok(error instanceof RateLimitError);
      assert.equal(error.code, 'insufficient_quota');
      return true;
    });
  }
  assert.deepEqual(statuses, [200, 429, 429], 'no retries');
  assert.equal(ledger.upstream.visits.length, 1);
});

/** `serve` processes that count together, before an upstream that says what it served; and what is read of them from outside. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as after } from 'node:timers/promises';
import { createAdministration } from '../../src/gateway/administration.ts';
import type { Administration, KeyInput } from '../../src/gateway/administration.ts';
import { ensureDefaultProject } from '../../src/gateway/first-start.ts';
import { openStore } from '../../src/store/open.ts';
import { providerAt, routedEnv } from './faulty-route.ts';
import { startFaultyUpstream, well } from './faulty-upstream.ts';
import type { FaultyUpstream, Plan } from './faulty-upstream.ts';
import { startServe } from './serve-process.ts';
import type { ServeProcess } from './serve-process.ts';
import { askFor } from './upstream-answers.ts';
import type { Asked } from './upstream-answers.ts';

/** Nano-dollars for a token of the prompt, and for one of the answer. The upstream counts 7 of the prompt and one for each word. */
const PROMPT_NANOS = 1000n;
const ANSWER_NANOS = 2000n;
const PROMPT_TOKENS = 7n;

/** What an answer of `p/priced` with so many words costs, in nano-dollars. */
export const priceOf = (words: number): bigint => PROMPT_TOKENS * PROMPT_NANOS + BigInt(words) * ANSWER_NANOS;

/** What one of `p/plain` costs: there a request has the same price whatever the prompt, so that the worst case is what is paid. */
export const plainPriceOf = (words: number): bigint => BigInt(words) * ANSWER_NANOS + 5000n;

const PRICES = { 'p/priced': { input: 1, output: 2 }, 'p/plain': { input: 0, output: 2, request: 0.000_005 } };

export interface LedgerOptions {
  readonly plan?: (asked: Asked) => Plan;
  /** A Postgres instead of the file of SQLite, which is in the folder that all processes have then. */
  readonly database?: string;
  readonly redis?: string;
  readonly env?: Readonly<Record<string, string>>;
}

export interface LedgerProcesses {
  readonly upstream: FaultyUpstream;
  readonly administration: Administration;
  /** The secret of an administrator's key. */
  readonly root: string;
  /** Makes a key; its secret, and its id. */
  key(input?: Partial<KeyInput>): Promise<{ readonly secret: string; readonly id: string }>;
  /** One more process over the same data, which ends with this. With Postgres each has a folder of its own, by its name; a restart has the same one. */
  serve(name?: string, env?: Readonly<Record<string, string>>): Promise<ServeProcess>;
  [Symbol.asyncDispose](): Promise<void>;
}

const SILENT = { info: () => undefined, warn: () => undefined, error: () => undefined };

export async function startLedger({ plan = well, database, redis, env = {} }: LedgerOptions = {}): Promise<LedgerProcesses> {
  const dir = await mkdtemp(join(tmpdir(), 'parlance-ledger-'));
  const store = await openStore({ url: database, dir, log: SILENT });
  await ensureDefaultProject(store.accounts, Date.now);
  const administration = createAdministration({ accounts: store.accounts, clock: Date.now, changed: () => undefined });
  const { secret: root } = await administration.createKey({ actor: 'system' }, { name: 'root', role: 'admin' });
  const upstream = await startFaultyUpstream('up', plan);
  const settings = routedEnv({
    providers: { p: providerAt(upstream.url, ['priced', 'plain', 'extra']) },
    routes: {},
    env: {
      PARLANCE_SERVER_REQUIRE_KEY: 'true',
      PARLANCE_PRICES_OVERRIDES: JSON.stringify(PRICES),
      DATABASE_URL: '',
      REDIS_URL: '',
      ...(database === undefined ? {} : { PARLANCE_DATA_URL: database }),
      ...(redis === undefined ? {} : { PARLANCE_REDIS_URL: redis }),
      ...env,
    },
  });
  let made = 0;
  const started: ServeProcess[] = [];
  return {
    upstream,
    administration,
    root,
    async key(input = {}) {
      const { key, secret } = await administration.createKey({ actor: 'system' }, { name: `k${++made}`, ...input });
      return { secret, id: key.id };
    },
    async serve(name = 'one', more = {}) {
      const server = await startServe({ ...settings, PARLANCE_DATA_DIR: database === undefined ? dir : join(dir, name), ...more });
      started.push(server);
      return server;
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(started.map((server) => server[Symbol.asyncDispose]()));
      await upstream[Symbol.asyncDispose]();
      await store.close();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

export interface Heard {
  /** 0 where the connection broke before a head. */
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  readonly code: string | undefined;
  /** Why the connection broke. */
  readonly broke?: unknown;
  /** The whole answer came: a body, or a stream to its `[DONE]`. */
  readonly complete: boolean;
}

export interface ChatAsk {
  readonly url: string;
  readonly secret: string;
  readonly token: string;
  readonly words?: number;
  readonly model?: string;
  /** More of the body. */
  readonly more?: Readonly<Record<string, unknown>>;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A completion of so many words, and no more. What breaks off is told as far as it came. */
export async function chat(ask: ChatAsk): Promise<Heard> {
  const { url, secret, token, words = 12, model = 'p/priced', more = {}, headers: said = {} } = ask;
  let text = '';
  let status = 0;
  let headers = new Headers();
  try {
    const answer = await fetch(`${url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${secret}`, ...said },
      body: JSON.stringify({ model, messages: [{ role: 'user', content: askFor(token, words) }], max_tokens: words, ...more }),
    });
    ({ status, headers } = answer);
    const decoder = new TextDecoder();
    for await (const chunk of answer.body ?? []) {
      text += decoder.decode(chunk, { stream: true });
    }
  } catch (cause) {
    return { status, headers, text, code: undefined, broke: cause, complete: text.includes('data: [DONE]') };
  }
  const isStream = (headers.get('content-type') ?? '').startsWith('text/event-stream');
  const complete = status === 200 && (isStream ? text.includes('data: [DONE]') : true);
  const code = status === 200 ? undefined : (JSON.parse(text) as { error: { code: string } }).error.code;
  return { status, headers, text, code, complete };
}

/** Dollars as text, in whole nano-dollars. */
export function nanosIn(dollars: string): bigint {
  const [, sign = '', whole = '', part = ''] = /^(-?)(\d+)(?:\.(\d{1,9}))?$/.exec(dollars) ?? assert.fail(`no dollars: ${dollars}`);
  const nanos = BigInt(whole) * 1_000_000_000n + BigInt(part.padEnd(9, '0'));
  return sign === '-' ? -nanos : nanos;
}

async function get<T>(url: string, secret: string): Promise<T> {
  const { status, text } = await eventually(
    async () => {
      const answer = await fetch(url, { headers: { authorization: `Bearer ${secret}` } });
      return { status: answer.status, text: await answer.text() };
    },
    // what is counted or written down cannot be read for a moment
    (answer) => answer.status !== 503,
  );
  assert.equal(status, 200, text);
  return JSON.parse(text) as T;
}

export interface Spending {
  readonly spent: bigint;
  readonly held: bigint;
  readonly left: bigint;
}

/** What `/v1/me` says of a key's only budget. */
export async function spendingOf(url: string, secret: string): Promise<Spending> {
  type Me = { key: { budgets: readonly { spent_usd: string; held_usd: string; remaining_usd: string }[] } };
  const { key } = await get<Me>(`${url}/v1/me`, secret);
  const [budget] = key.budgets;
  assert.ok(budget);
  return { spent: nanosIn(budget.spent_usd), held: nanosIn(budget.held_usd), left: nanosIn(budget.remaining_usd) };
}

export interface RecordView {
  readonly id: string;
  readonly request_id: string;
  readonly attempt: number;
  readonly end_user: string | null;
  readonly prompt_tokens: number;
  readonly completion_tokens: number;
  readonly estimated: boolean;
  readonly cost_usd: string;
  readonly outcome: string;
}

/** All records of a key, page by page, as an administrator sees them. */
export async function recordsOf(url: string, root: string, keyId: string): Promise<readonly RecordView[]> {
  const all: RecordView[] = [];
  let cursor = '';
  for (;;) {
    type List = { data: readonly RecordView[]; has_more: boolean; next_cursor?: string | null };
    const page = await get<List>(`${url}/admin/v1/usage/records?key_id=${keyId}&limit=100${cursor}`, root);
    all.push(...page.data);
    if (!page.has_more) return all;
    cursor = `&cursor=${encodeURIComponent(page.next_cursor ?? assert.fail('no cursor'))}`;
  }
}

export const costOf = (records: readonly RecordView[]): bigint => records.reduce((sum, { cost_usd }) => sum + nanosIn(cost_usd), 0n);

/** Looks again until what was asked for holds; then gives it, else fails with the latest. */
export async function eventually<T>(ask: () => Promise<T>, holds: (value: T) => boolean, withinMs = 60_000): Promise<T> {
  for (const until = performance.now() + withinMs; ; await after(25)) {
    const value = await ask();
    if (holds(value)) return value;
    assert.ok(
      performance.now() < until,
      `after ${withinMs} ms: ${JSON.stringify(value, (_, one: unknown) => (typeof one === 'bigint' ? String(one) : one))}`,
    );
  }
}

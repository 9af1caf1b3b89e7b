/** A whole server whose models have prices, over a database in a folder of its own, before an upstream that does as it is told. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createAdministration } from '../../src/gateway/administration.ts';
import type { KeyInput } from '../../src/gateway/administration.ts';
import type { UsageRecord } from '../../src/gateway/accounts.ts';
import { ensureDefaultProject } from '../../src/gateway/first-start.ts';
import type { Store } from '../../src/gateway/store-ports.ts';
import { openStore } from '../../src/store/open.ts';
import { providerAt, startRouted } from './faulty-route.ts';
import { startFaultyUpstream, well } from './faulty-upstream.ts';
import type { FaultyUpstream, Plan } from './faulty-upstream.ts';
import type { LiveServer } from './live-server.ts';
import { askFor } from './upstream-answers.ts';
import type { Asked } from './upstream-answers.ts';

/** Nano-dollars for a token of the prompt, and for one of the answer: the upstream's own count is 7 and a token for each word. */
export const PROMPT_NANOS = 1000n;
export const ANSWER_NANOS = 2000n;
export const PROMPT_TOKENS = 7n;

export interface CountedServer {
  readonly server: LiveServer;
  readonly upstream: FaultyUpstream;
  /** The same database, through connections of its own. */
  readonly store: Store;
  /** Makes a key; its secret, and its id. */
  key(input?: Omit<KeyInput, 'name'>): Promise<{ readonly secret: string; readonly id: string }>;
  readonly administration: ReturnType<typeof createAdministration>;
  /** A completion of `p/priced`, of so many words. */
  chat(
    secret: string,
    more?: Readonly<Record<string, unknown>>,
    how?: { readonly signal?: AbortSignal; readonly words?: number },
  ): Promise<Response>;
  get(secret: string, path: string): Promise<Response>;
  /** All records of usage, as soon as the database has so many. */
  records(count: number): Promise<readonly UsageRecord[]>;
  [Symbol.asyncDispose](): Promise<void>;
}

export interface CountedOptions {
  readonly plan?: (asked: Asked) => Plan;
  readonly env?: Readonly<Record<string, string>>;
}

const SILENT = { info: () => undefined, warn: () => undefined, error: () => undefined };

export async function startCounted({ plan = well, env = {} }: CountedOptions = {}): Promise<CountedServer> {
  const dir = await mkdtemp(join(tmpdir(), 'parlance-counted-'));
  const store = await openStore({ dir, log: SILENT });
  await ensureDefaultProject(store.accounts, Date.now);
  const administration = createAdministration({ accounts: store.accounts, clock: Date.now, changed: () => undefined });
  const upstream = await startFaultyUpstream('up', plan);
  const server = await startRouted({
    providers: { p: providerAt(upstream.url, ['priced', 'other']), q: providerAt(upstream.url, ['unpriced']) },
    routes: {},
    env: {
      PARLANCE_DATA_DIR: dir,
      PARLANCE_SERVER_REQUIRE_KEY: 'true',
      PARLANCE_PRICES_OVERRIDES: JSON.stringify({ 'p/*': { input: 1, output: 2 } }),
      ...env,
    },
  });
  let made = 0;
  return {
    server,
    upstream,
    store,
    administration,
    async key(input = {}) {
      const { key, secret } = await administration.createKey({ actor: 'system' }, { name: `k${++made}`, ...input });
      return { secret, id: key.id };
    },
    chat: (secret, more = {}, { signal, words = 12 } = {}) =>
      server.post(
        { model: 'p/priced', messages: [{ role: 'user', content: askFor(`t${++made}`, words) }], max_tokens: 12, ...more },
        { headers: { authorization: `Bearer ${secret}` }, ...(signal ? { signal } : {}) },
      ),
    get: (secret, path) => fetch(server.url + path, { headers: { authorization: `Bearer ${secret}` } }),
    async records(count) {
      for (const until = performance.now() + 60_000; ; await new Promise((resolve) => setTimeout(resolve, 20))) {
        const { items } = await store.usage.records({}, { limit: 1000 });
        if (items.length >= count || performance.now() > until) return items;
      }
    },
    async [Symbol.asyncDispose]() {
      await server.close();
      await upstream[Symbol.asyncDispose]();
      await store.close();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

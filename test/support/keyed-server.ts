/** A whole server that needs keys, over a database in a folder of its own, with an upstream behind it and an administrator before it. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createAdministration } from '../../src/gateway/administration.ts';
import type { Administration } from '../../src/gateway/administration.ts';
import { ensureDefaultProject } from '../../src/gateway/first-start.ts';
import { openStore } from '../../src/store/open.ts';
import { providerAt, startRouted } from './faulty-route.ts';
import { startFaultyUpstream } from './faulty-upstream.ts';
import type { LiveServer } from './live-server.ts';
import { askFor } from './upstream-answers.ts';

export interface Answered {
  readonly status: number;
  readonly headers: Headers;
  // the shapes are what the tests are about
  readonly body: any; // oxlint-disable-line typescript/no-explicit-any
}

export interface KeyedServer {
  readonly server: LiveServer;
  /** The folder of its database. */
  readonly dir: string;
  /** The secret of an administrator's key. */
  readonly root: string;
  /** Changes the same database through connections of its own, as another process does: the server is told nothing. */
  readonly elsewhere: Administration;
  ask(
    key: string | undefined,
    method: string,
    path: string,
    more?: { readonly body?: unknown; readonly headers?: Record<string, string> },
  ): Promise<Answered>;
  /** With the administrator's key, below `/admin/v1`. */
  admin(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answered>;
  /** A completion of this model. */
  chat(key: string | undefined, model?: string, more?: Readonly<Record<string, unknown>>): Promise<Answered>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Its models are `p/small` and `p/large`, `q/other`, the alias `any` of `p/small` and `q/other`, and the route `small-first`. */
export async function startKeyed(env: Readonly<Record<string, string>> = {}): Promise<KeyedServer> {
  const dir = await mkdtemp(join(tmpdir(), 'parlance-keys-'));
  const store = await openStore({ dir, log: { info: () => undefined, warn: () => undefined, error: () => undefined } });
  await ensureDefaultProject(store.accounts, Date.now);
  const elsewhere = createAdministration({ accounts: store.accounts, clock: Date.now, changed: () => undefined });
  const { secret: root } = await elsewhere.createKey({ actor: 'system' }, { name: 'root', role: 'admin' });
  const upstream = await startFaultyUpstream('up');
  const server = await startRouted({
    providers: { p: providerAt(upstream.url, ['small', 'large']), q: providerAt(upstream.url, ['other']) },
    routes: { 'small-first': { targets: ['p/small', 'p/large'] } },
    env: {
      PARLANCE_DATA_DIR: dir,
      PARLANCE_SERVER_REQUIRE_KEY: 'true',
      PARLANCE_MODELS_ALIASES: JSON.stringify({ any: ['p/small', 'q/other'] }),
      ...env,
    },
  });
  let asked = 0;

  const ask: KeyedServer['ask'] = async (key, method, path, { body, headers = {} } = {}) => {
    const response = await fetch(server.url + path, {
      method,
      headers: {
        ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, headers: response.headers, body: text === '' ? undefined : JSON.parse(text) };
  };
  return {
    server,
    dir,
    root,
    elsewhere,
    ask,
    admin: (method, path, body, headers) => ask(root, method, `/admin/v1${path}`, { body, ...(headers ? { headers } : {}) }),
    chat: (key, model = 'p/small', more = {}) =>
      ask(key, 'POST', '/v1/chat/completions', {
        body: { model, messages: [{ role: 'user', content: askFor(`k${++asked}`) }], ...more },
      }),
    async [Symbol.asyncDispose]() {
      await server.close();
      await upstream[Symbol.asyncDispose]();
      await store.close();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

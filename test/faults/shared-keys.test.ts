/** That keys were changed, told by Redis: heard by the others without a look at the clock, also by workers, also from the command line. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { setTimeout as after } from 'node:timers/promises';
import { promisify } from 'node:util';
import { pino } from 'pino';
import { createClient } from 'redis';
import { programVersion } from '../../src/commands/output.ts';
import { openData } from '../../src/compose-parts.ts';
import { startServer } from '../../src/compose-root.ts';
import { loadConfig } from '../../src/config.ts';
import { createAdministration } from '../../src/gateway/administration.ts';
import type { Store } from '../../src/gateway/store-ports.ts';
import { startWorkers } from '../../src/workers/start.ts';
import { openConnection } from '../support/keep-alive.ts';
import { eventually } from '../support/ledger.ts';
import { SMALL } from '../support/live-server.ts';
import { redisIsMissing, startRedis } from '../support/redis.ts';
import { authorized } from '../support/worker-processes.ts';

const skip = redisIsMissing;
const CLOCK = new URL('../support/clock-still.ts', import.meta.url);
const run = promisify(execFile);
const repository = fileURLToPath(new URL('../..', import.meta.url));
const silent = pino({ level: 'silent' });

/** The settings of servers over one database in a folder of the test's own. */
async function settings(t: TestContext, redis: string, more: Readonly<Record<string, string>> = {}) {
  const dir = await mkdtemp(join(tmpdir(), 'parlance-shared-keys-'));
  t.after(() => rm(dir, { recursive: true, force: true }));
  const env = {
    ...SMALL,
    XDG_CONFIG_HOME: dir,
    PARLANCE_DATA_DIR: dir,
    PARLANCE_MODELS_DIR: dir,
    PARLANCE_MODELS_BUILT_IN: 'false',
    PARLANCE_SERVER_REQUIRE_KEY: 'true',
    PARLANCE_REDIS_URL: redis,
    ...more,
  };
  return { env, dir, config: loadConfig({ env, flags: {} }) };
}

/** The same, with its questions for the version counted. */
function counting(store: Store): { readonly store: Store; looks(): number } {
  let looks = 0;
  const version = (): Promise<number> => {
    looks += 1;
    return store.accounts.version();
  };
  return { store: { ...store, accounts: { ...store.accounts, version } }, looks: () => looks };
}

const statusOf = async (url: string, secret: string): Promise<number> => {
  const answer = await fetch(`${url}/v1/models`, { headers: authorized(secret) });
  await answer.arrayBuffer();
  return answer.status;
};

/** 401 as soon as it is; else the last status, after so many tries. */
async function untilRefused(url: string, secret: string): Promise<number> {
  for (let tries = 1; ; tries += 1) {
    const status = await statusOf(url, secret);
    if (status === 401 || tries === 4000) return status;
    await after(10);
  }
}

test('shared keys: what is revoked at one server, or by parlance keys, the other refuses while time stands still', { skip }, async (t) => {
  await using redis = await startRedis();
  // nobody looks at the version because it is time to
  t.mock.timers.enable({ apis: ['setInterval'] });
  const { env, config } = await settings(t, redis.url);
  const stores = [await openData(config, silent), await openData(config, silent)];
  const [first, second] = stores;
  assert.ok(first && second);
  const administration = createAdministration({ accounts: first.accounts, clock: Date.now, changed: () => undefined });
  const by = { actor: 'system' };
  const [root, one, two] = [
    await administration.createKey(by, { name: 'root', role: 'admin' }),
    await administration.createKey(by, { name: 'one' }),
    await administration.createKey(by, { name: 'two' }),
  ];
  const servers = await Promise.all([first, second].map((store) => startServer({ config, version: '0.0.0', store, log: silent })));
  const [here, there] = servers;
  assert.ok(here && there);
  const keys = [root, one, two];
  try {
    // both listen: what each does is heard by the other
    const spy = createClient({ url: redis.url, RESP: 2 });
    await spy.connect();
    await eventually(
      async () => (await spy.pubSubNumSub('parlance:accounts'))['parlance:accounts'],
      (listeners) => Number(listeners) === 2,
    );
    spy.destroy();
    for (const { secret } of keys) assert.equal(await statusOf(there.url, secret), 200);

    // nor because what is known is old
    const frozen = performance.now();
    t.mock.method(performance, 'now', () => frozen);
    assert.equal(await statusOf(there.url, one.secret), 200);
    const answer = await fetch(`${here.url}/admin/v1/keys/${one.key.id}/revoke`, { method: 'POST', headers: authorized(root.secret) });
    assert.equal(answer.status, 200, await answer.text());
    assert.equal(await untilRefused(there.url, one.secret), 401);
    assert.equal(await statusOf(there.url, two.secret), 200);

    await run(process.execPath, ['src/main.ts', 'keys', 'revoke', two.key.id], { cwd: repository, env: { ...process.env, ...env } });
    assert.equal(await untilRefused(there.url, two.secret), 401);
    assert.equal(await untilRefused(there.url, one.secret), 401);
  } finally {
    t.mock.restoreAll();
    await Promise.all(servers.map((server) => server.close({ deadlineMs: 1000 })));
    await Promise.all([first.close(), second.close()]);
  }
});

test('shared keys: the process above several workers hears it, and has each of them look before its next request', { skip }, async (t) => {
  await using redis = await startRedis();
  const { config } = await settings(t, redis.url, { PARLANCE_WORKERS: '2' });
  const opened = await openData(config, silent);
  assert.ok(opened);
  const { store, looks } = counting(opened);
  const administration = createAdministration({ accounts: store.accounts, clock: Date.now, changed: () => undefined });
  const { key, secret } = await administration.createKey({ actor: 'system' }, { name: 'one' });
  // no worker looks because it is time to
  const before = process.env['NODE_OPTIONS'];
  process.env['NODE_OPTIONS'] = `${before ?? ''} --import=${fileURLToPath(CLOCK)}`;
  t.after(() => {
    if (before === undefined) delete process.env['NODE_OPTIONS'];
    else process.env['NODE_OPTIONS'] = before;
  });
  const server = await startWorkers({ config, version: programVersion(), store, log: silent, onLine: () => undefined });
  const other = createClient({ url: redis.url, RESP: 2 });
  const connections = [openConnection(server.url), openConnection(server.url)];
  try {
    await other.connect();
    const ask = (): Promise<number[]> =>
      Promise.all(connections.map(async (one) => (await one.ask('/v1/models', { headers: authorized(secret) })).status));
    // both listen, and have looked once
    await eventually(
      async () => (await other.pubSubNumSub('parlance:accounts'))['parlance:accounts'],
      (listeners) => Number(listeners) >= 1,
    );
    assert.deepEqual(await ask(), [200, 200]);
    const looksBefore = looks();
    for (let round = 0; round < 20; round += 1) assert.deepEqual(await ask(), [200, 200]);
    assert.equal(looks(), looksBefore, 'nobody looks without being told');
    for (let round = 0; round < 20; round += 1) {
      const enough = looks() + 2;
      await other.publish('parlance:accounts', 'somebody');
      // it is told to each of them while requests come
      await eventually(ask, (statuses) => {
        assert.deepEqual(statuses, [200, 200]);
        return looks() >= enough;
      });
    }
    await administration.revokeKey({ actor: 'system' }, key.id);
    await other.publish('parlance:accounts', 'somebody');
    for (const connection of connections) {
      await eventually(
        async () => (await connection.ask('/v1/models', { headers: authorized(secret) })).status,
        (status) => status === 401,
      );
    }
  } finally {
    other.destroy();
    for (const connection of connections) connection.close();
    await server.close();
    await opened.close();
  }
});

test('shared keys: what is changed at a worker is told to others', { skip }, async (t) => {
  await using redis = await startRedis();
  const { config } = await settings(t, redis.url, { PARLANCE_WORKERS: '2' });
  const store = await openData(config, silent);
  assert.ok(store);
  const administration = createAdministration({ accounts: store.accounts, clock: Date.now, changed: () => undefined });
  const { secret } = await administration.createKey({ actor: 'system' }, { name: 'root', role: 'admin' });
  const server = await startWorkers({ config, version: programVersion(), store, log: silent, onLine: () => undefined });
  const ear = createClient({ url: redis.url, RESP: 2 });
  try {
    await ear.connect();
    const heard = Promise.withResolvers<string>();
    await ear.subscribe('parlance:accounts', heard.resolve);
    // told only when the process above is connected: until then there is nobody to hear it
    await eventually(
      async () => {
        const answer = await fetch(`${server.url}/admin/v1/keys`, {
          method: 'POST',
          headers: { ...authorized(secret), 'content-type': 'application/json' },
          body: JSON.stringify({ name: 'made' }),
        });
        assert.equal(answer.status, 201, await answer.text());
        return Promise.race([heard.promise.then(() => true), after(50, false)]);
      },
      (isHeard) => isHeard,
    );
    assert.match(await heard.promise, /^[0-9a-f-]{36}$/);
  } finally {
    ear.destroy();
    await server.close();
    await store.close();
  }
});

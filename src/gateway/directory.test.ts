import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { GatewayError } from '../core/error.ts';
import type { VirtualKey } from './accounts.ts';
import { createDirectory } from './directory.ts';
import type { Account, Directory } from './directory.ts';
import type { AccountStore } from './store-ports.ts';

const PROJECT = { id: 'proj_a', name: 'A', limits: {}, budgets: [], models: [], createdAt: 0, disabledAt: undefined };

const keyOf = (more: Partial<VirtualKey> = {}): VirtualKey => ({
  id: 'key_1',
  projectId: 'proj_a',
  name: 'one',
  owner: undefined,
  role: 'member',
  hash: 'h1',
  hint: 'pk-1',
  limits: {},
  budgets: [],
  models: [],
  addresses: [],
  createdAt: 0,
  expiresAt: undefined,
  revokedAt: undefined,
  rotatedTo: undefined,
  lastUsedAt: undefined,
  ...more,
});

interface Fake {
  readonly directory: Directory;
  /** What was asked of the store, in order. */
  readonly asked: string[];
  readonly failures: unknown[];
  key: VirtualKey | undefined;
  /** What it was before. */
  former: VirtualKey | undefined;
  version: number;
  away: boolean;
  hangs: boolean;
  touched: ReadonlyMap<string, number>[];
  /** Lets time pass, and what it sets going. */
  pass(ms: number): Promise<void>;
}

/** A directory over one key, its clock in the test's hands. */
function fake(t: TestContext, outageMs = 60_000): Fake {
  t.mock.timers.enable({ apis: ['setTimeout', 'setInterval'] });
  let time = 0;
  const asked: string[] = [];
  const failures: unknown[] = [];
  const ask = async <T>(what: string, answer: () => T): Promise<T> => {
    asked.push(what);
    if (made.hangs) return new Promise(() => undefined);
    if (made.away) throw new Error('the store is away');
    return answer();
  };
  const accounts: Partial<AccountStore> = {
    version: () => ask('version', () => made.version),
    keyByHash: (hash) => ask(`hash ${hash}`, () => [made.key, made.former].find((one) => one?.hash === hash)),
    key: (id) => ask(`id ${id}`, () => (made.key?.id === id ? made.key : undefined)),
    project: (id) => ask(`project ${id}`, () => (id === PROJECT.id ? PROJECT : undefined)),
    endUser: (project, id) => ask(`user ${project} ${id}`, () => undefined),
    modelLimits: () => ask('models', () => [{ model: 'm', limits: { concurrent: 2 } }]),
    touchKeys: (batch) =>
      ask('touch', () => {
        made.touched.push(batch);
      }),
  };
  const directory = createDirectory({
    accounts: accounts as AccountStore,
    now: () => time,
    clock: () => 1_000_000 + time,
    outageMs,
    failed: (cause) => failures.push(cause),
  });
  const made: Fake = {
    directory,
    asked,
    failures,
    key: keyOf(),
    former: undefined,
    version: 1,
    away: false,
    hangs: false,
    touched: [],
    async pass(ms) {
      for (let left = ms; left > 0; left -= 100) {
        time += Math.min(100, left);
        t.mock.timers.tick(Math.min(100, left));
        await settled();
      }
    },
  };
  t.after(() => directory.close());
  return made;
}

/** Everything that waits for nothing but promises has run. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const idOf = (account: Account | undefined): string | undefined => account?.key.id;

test('directory: a known key is there at once, without a question to the store', async (t) => {
  const store = fake(t);
  const first = store.directory.byHash('h1');
  assert.ok(first instanceof Promise);
  assert.equal(idOf(await first), 'key_1');
  assert.deepEqual(store.asked, ['version', 'hash h1', 'project proj_a']);
  const second = store.directory.byHash('h1');
  assert.ok(!(second instanceof Promise));
  assert.equal(idOf(second), 'key_1');
  assert.equal(store.asked.length, 3);
});

test('directory: many who ask for the same key at once are one question', async (t) => {
  const store = fake(t);
  const all = await Promise.all(Array.from({ length: 50 }, async () => store.directory.byHash('h1')));
  assert.deepEqual([...new Set(all.map(idOf))], ['key_1']);
  assert.deepEqual(store.asked, ['version', 'hash h1', 'project proj_a']);
});

test('directory: what another process changes holds within a second while requests come', async (t) => {
  const store = fake(t);
  await store.directory.byHash('h1');
  await store.pass(700);
  store.key = keyOf({ revokedAt: 5 });
  store.version = 2;
  let passed = 0;
  for (;;) {
    const account = await store.directory.byHash('h1');
    if (account?.key.revokedAt === 5) break;
    await store.pass(100);
    passed += 100;
    assert.ok(passed < 1000, 'the key is still good after a second');
  }
});

test('directory: after a rest, what was known is confirmed before it is used', async (t) => {
  const store = fake(t);
  await store.directory.byHash('h1');
  await store.pass(60_000);
  const looks = store.asked.filter((one) => one === 'version').length;
  assert.ok(looks < 15, `the store was asked ${looks} times by nobody's wish`);
  store.key = keyOf({ revokedAt: 5 });
  store.version = 2;
  assert.equal((await store.directory.byHash('h1'))?.key.revokedAt, 5);
});

test('directory: what this process changes holds at once', async (t) => {
  const store = fake(t);
  await store.directory.byHash('h1');
  store.key = keyOf({ revokedAt: 7 });
  store.directory.changed();
  assert.equal((await store.directory.byHash('h1'))?.key.revokedAt, 7);
});

test('directory: what it hears of is looked at before a known key is used again', async (t) => {
  const store = fake(t);
  await store.directory.byHash('h1');
  const before = store.asked.length;
  // nothing was changed: one look, and the key is still known
  store.directory.heard();
  assert.equal(idOf(await store.directory.byHash('h1')), 'key_1');
  assert.ok(!(store.directory.byHash('h1') instanceof Promise));
  assert.deepEqual(store.asked.slice(before), ['version']);
  store.key = keyOf({ revokedAt: 7 });
  store.version = 2;
  assert.equal((await store.directory.byHash('h1'))?.key.revokedAt, undefined, 'nobody has said so yet');
  store.directory.heard();
  assert.equal((await store.directory.byHash('h1'))?.key.revokedAt, 7);
});

test('directory: a look that began before a change was heard of does not stand for one after it', async (t) => {
  const store = fake(t);
  const first = store.directory.byHash('h1');
  store.directory.heard();
  await first;
  const looks = store.asked.filter((one) => one === 'version').length;
  assert.equal(looks, 2);
});

test('directory: what is heard while the store is away stops no known key', async (t) => {
  const store = fake(t, 10_000);
  await store.directory.byHash('h1');
  store.away = true;
  store.directory.heard();
  assert.equal(idOf(await store.directory.byHash('h1')), 'key_1');
  await store.pass(5000);
  store.directory.heard();
  assert.equal(idOf(await store.directory.byHash('h1')), 'key_1');
  store.away = false;
  store.key = keyOf({ revokedAt: 7 });
  store.version = 2;
  await store.pass(600);
  assert.equal((await store.directory.byHash('h1'))?.key.revokedAt, 7);
});

test('directory: an answer that was under way when something changed is not kept', async (t) => {
  const store = fake(t);
  await store.directory.byHash('none');
  const old = store.directory.byHash('h1');
  store.directory.changed();
  await old;
  store.key = keyOf({ revokedAt: 7 });
  assert.equal((await store.directory.byHash('h1'))?.key.revokedAt, 7);
});

test('directory: what is not there is remembered as well, and found once it is', async (t) => {
  const store = fake(t);
  store.key = undefined;
  assert.equal(await store.directory.byHash('h1'), undefined);
  assert.equal(store.directory.byHash('h1'), undefined);
  assert.equal(store.asked.filter((one) => one === 'hash h1').length, 1);
  store.key = keyOf();
  store.version = 2;
  await store.pass(1000);
  assert.equal(idOf(await store.directory.byHash('h1')), 'key_1');
});

test('directory: while the store is away, known keys hold for the time that is set, and no longer', async (t) => {
  const store = fake(t, 10_000);
  await store.directory.byHash('h1');
  store.away = true;
  await store.pass(5000);
  assert.equal(idOf(await store.directory.byHash('h1')), 'key_1');
  await assert.rejects(async () => store.directory.byHash('h2'), { kind: 'overloaded' });
  assert.equal(store.failures.length, 1);
  await store.pass(6000);
  await assert.rejects(
    async () => store.directory.byHash('h1'),
    (error: unknown) => error instanceof GatewayError && error.status === 503 && error.retryAfterMs === 1000,
  );
  store.away = false;
  await store.pass(600);
  assert.equal(idOf(await store.directory.byHash('h1')), 'key_1');
});

test('directory: a store that hangs keeps nobody waiting for longer than a second', async (t) => {
  const store = fake(t);
  await store.directory.byHash('h1');
  store.hangs = true;
  await store.pass(3000);
  const account = store.directory.byHash('h1');
  await store.pass(1000);
  assert.equal(idOf(await account), 'key_1');
});

test('directory: end users and limits of models come from memory too', async (t) => {
  const { directory, asked } = fake(t);
  assert.equal(await directory.endUser('proj_a', 'u'), undefined);
  assert.equal((await directory.modelLimits()).get('m')?.concurrent, 2);
  const before = asked.length;
  assert.equal(directory.endUser('proj_a', 'u'), undefined);
  const again = directory.modelLimits();
  assert.ok(!(again instanceof Promise));
  assert.equal(again.get('m')?.concurrent, 2);
  assert.equal(asked.length, before);
});

test('directory: when keys were last used is written in batches, again after a failure, and at the end', async (t) => {
  const store = fake(t);
  store.directory.used('key_1');
  await store.pass(100);
  store.directory.used('key_1');
  store.directory.used('key_2');
  await store.pass(10_000);
  assert.deepEqual(
    store.touched.map((batch) => [...batch]),
    [
      [
        ['key_1', 1_000_100],
        ['key_2', 1_000_100],
      ],
    ],
  );
  store.away = true;
  store.directory.used('key_3');
  await store.pass(10_000);
  assert.equal(store.touched.length, 1);
  store.away = false;
  await store.directory.close();
  assert.deepEqual([...(store.touched[1]?.keys() ?? [])], ['key_3']);
});

test('directory: the former secret of a key leads to the key as it is now', async (t) => {
  const store = fake(t);
  store.former = keyOf({ id: 'key_0', hash: 'h0', rotatedTo: 'key_1', expiresAt: 5, models: ['old'] });
  const account = await store.directory.byHash('h0');
  assert.equal(idOf(account), 'key_1');
  assert.deepEqual(account?.key.models, []);
  assert.equal(account?.presented.expiresAt, 5);
});

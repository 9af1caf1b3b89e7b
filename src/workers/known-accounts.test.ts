import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GatewayError } from '../core/error.ts';
import type { AccountStore } from '../gateway/store-ports.ts';
import { createKnownAccounts } from './known-accounts.ts';

type Project = NonNullable<Awaited<ReturnType<AccountStore['project']>>>;

function start() {
  const state = { away: false, version: 1, name: 'first' };
  const answer = async <T>(value: () => T): Promise<T> => {
    if (state.away) throw new Error('connection refused');
    return value();
  };
  const store = {
    project: (id: string) => answer(() => (id === 'none' ? undefined : ({ id, name: state.name } as Project))),
    putProject: () => answer(() => undefined),
    version: () => answer(() => state.version),
    keys: () => Promise.reject(new GatewayError('invalid_value', 'no cursor')),
  } as unknown as AccountStore;
  return { state, known: createKnownAccounts(store) };
}

const nameOf = async (known: AccountStore, id = 'p'): Promise<string | undefined> => (await known.project(id))?.name;

test('known accounts: while the database is away, what it said under this version goes on to hold; what was not asked is not known', async () => {
  const { state, known } = start();
  await known.version();
  assert.deepEqual([await nameOf(known), await nameOf(known, 'none')], ['first', undefined]);
  state.away = true;
  assert.deepEqual([await nameOf(known), await nameOf(known, 'none')], ['first', undefined]);
  await assert.rejects(nameOf(known, 'other'), /connection refused/);
  await assert.rejects(known.version(), /connection refused/);
});

test('known accounts: nothing outlives a change, here or elsewhere, made or perhaps made', async () => {
  for (const change of ['elsewhere', 'here', 'failed'] as const) {
    const { state, known } = start();
    await known.version();
    await nameOf(known);
    if (change === 'elsewhere') {
      state.version = 2;
      await known.version();
    }
    if (change === 'failed') state.away = true;
    if (change !== 'elsewhere') await known.putProject({} as Project, {} as never).catch(() => undefined);
    state.away = true;
    await assert.rejects(nameOf(known), /connection refused/, change);
  }
});

test('known accounts: while the database is there, it is asked', async () => {
  const { state, known } = start();
  await nameOf(known);
  state.name = 'second';
  assert.equal(await nameOf(known), 'second');
});

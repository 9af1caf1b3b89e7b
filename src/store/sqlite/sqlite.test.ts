import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { sql } from 'kysely';
import { record, quiet, withStore } from '../../../test/store/both.ts';
import { openDatabase, openStore } from '../open.ts';
import { backupSqlite } from './backup.ts';
import { openConnection } from './connection.ts';
import { openSqlite } from './open.ts';

let dir = '';
beforeEach(() => (dir = mkdtempSync(join(tmpdir(), 'parlance-sqlite-'))));
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const modeOf = (path: string): number => statSync(path).mode & 0o777;

test('sqlite: a folder that is made and every file in it are for their owner only', async () => {
  const inner = join(dir, 'deep', 'data');
  const store = await openStore({ dir: inner, log: quiet });
  await store.usage.add([record('a:1')]);
  const files = readdirSync(inner).toSorted();
  assert.deepEqual(files, ['parlance.db', 'parlance.db-shm', 'parlance.db-wal']);
  assert.equal(modeOf(inner), 0o700);
  for (const file of files) assert.equal(modeOf(join(inner, file)), 0o600, file);
  await store.close();
  assert.deepEqual(readdirSync(inner), ['parlance.db']);
});

test('sqlite: a folder and a file that are there keep their modes', async () => {
  const inner = join(dir, 'data');
  mkdirSync(inner);
  chmodSync(inner, 0o750);
  writeFileSync(join(inner, 'parlance.db'), '');
  chmodSync(join(inner, 'parlance.db'), 0o640);
  await (await openStore({ dir: inner, log: quiet })).close();
  assert.deepEqual([modeOf(inner), modeOf(join(inner, 'parlance.db'))], [0o750, 0o640]);
});

test('sqlite: what is no database is refused by its name, and left alone', async () => {
  const file = join(dir, 'parlance.db');
  writeFileSync(file, 'no database at all, though long enough to be looked at'.repeat(50));
  await assert.rejects(openStore({ dir, log: quiet }), (error: Error) => {
    assert.ok(error.message.startsWith(`${file} cannot be opened: `), error.message);
    assert.ok(error.cause instanceof Error);
    return true;
  });
  assert.equal(statSync(file).size, 54 * 50);
});

test('sqlite: a check finds that the file was taken away or exchanged', async () => {
  const store = await openStore({ dir, log: quiet });
  await store.check();
  const file = join(dir, 'parlance.db');
  renameSync(file, `${file}.old`);
  await assert.rejects(store.check(), /ENOENT/);
  writeFileSync(file, '');
  await assert.rejects(store.check(), /is not the file that was opened/);
  await store.close();
});

test('sqlite: a file whose schema is up to date is opened, and read, without a thread', async () => {
  const fresh = await openStore({ dir, log: quiet });
  await fresh.close();
  let threads = 0;
  const started = (): void => void threads++;
  process.on('worker', started);
  const store = await openStore({ dir, log: quiet });
  assert.equal(await store.accounts.endUser('nobody', 'nobody'), undefined);
  assert.equal(threads, 0);
  await store.check();
  assert.equal(threads, 1, 'to write takes one');
  process.off('worker', started);
  await store.close();
});

test('sqlite: foreign keys hold, readers cannot write, and the file is in WAL mode', async () => {
  const db = openSqlite(dir);
  const one = async (query: string): Promise<unknown> => Object.values((await sql.raw(query).execute(db.report)).rows[0] as object)[0];
  assert.equal(await one('pragma foreign_keys'), 1n);
  assert.equal(await one('pragma journal_mode'), 'wal');
  for (const reader of [db.read, db.report]) await assert.rejects(sql`create table x (id integer)`.execute(reader), /readonly/);
  await db.transaction((tx) => sql`create table x (id integer)`.execute(tx));
  await db.close();
});

test('sqlite: a durable transaction syncs at its end, one that is none does not, and neither changes the other', async () => {
  const db = openSqlite(dir);
  const level = (durable: boolean) =>
    db.transaction(async (tx) => (await sql<{ synchronous: bigint }>`pragma synchronous`.execute(tx)).rows[0]?.synchronous, { durable });
  assert.deepEqual([await level(true), await level(false), await level(true)], [2n, 1n, 2n]);
  await assert.rejects(
    db.transaction(() => Promise.reject(new Error('no')), { durable: true }),
    /no/,
  );
  assert.equal(await level(false), 1n);
  await db.close();
});

test('sqlite: a step of the schema waits for another process for minutes, what comes after it does not', async () => {
  const db = openSqlite(dir);
  const waits = async (patient: boolean): Promise<bigint> =>
    db.transaction(async (tx) => (await sql<{ timeout: bigint }>`pragma busy_timeout`.execute(tx)).rows[0]?.timeout ?? 0n, { patient });
  const usual = await waits(false);
  assert.ok(usual <= 60_000n);
  assert.ok((await waits(true)) >= 600_000n);
  await assert.rejects(
    db.transaction(() => Promise.reject(new Error('no')), { patient: true }),
    /no/,
  );
  assert.equal(await waits(false), usual);
  await db.close();
});

test('sqlite: errors of statements come back with the codes of SQLite', async () => {
  const db = await openDatabase({ dir, log: quiet });
  await db.transaction((tx) => sql`create table x (id integer primary key)`.execute(tx));
  const twice = db.transaction((tx) => sql`insert into x (id) values (1), (1)`.execute(tx));
  await assert.rejects(twice, { code: 'ERR_SQLITE_ERROR', errcode: 1555 });
  const huge = db.transaction((tx) => sql`insert into x (id) values (${2n ** 70n})`.execute(tx));
  await assert.rejects(huge, { code: 'ERR_INVALID_ARG_VALUE' });
  assert.deepEqual((await sql`select * from x`.execute(db.read)).rows, []);
  await db.close();
});

test('sqlite: statements after the end reject; ending does not wait for anything', async () => {
  const db = openSqlite(dir);
  await db.close();
  await assert.rejects(sql`select 1`.execute(db.report));
  await assert.rejects(db.transaction((tx) => sql`select 1`.execute(tx)));
});

test('sqlite: while another process holds the lock this one goes on, reads, and writes when it may', async () => {
  const program = `
    const { DatabaseSync } = await import('node:sqlite');
    const db = new DatabaseSync(process.argv[1]);
    db.exec('begin immediate');
    console.log('held');
    process.stdin.once('data', () => { db.exec('commit'); process.exit(0); });`;
  await withStore({ url: undefined, dir }, async ({ usage }) => {
    const other = spawn(process.execPath, ['--input-type=module', '--eval', program, join(dir, 'parlance.db')], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    await once(other.stdout, 'data');
    let written = false;
    const write = usage.add([record('a:1')]).then(() => (written = true));
    // this thread turns, and reads do not wait
    assert.equal((await usage.records({}, { limit: 1 })).items.length, 0);
    assert.equal(written, false);
    other.stdin.write('go');
    await write;
    assert.equal((await usage.records({}, { limit: 1 })).items.length, 1);
  });
});

test('sqlite: more statements than are kept, and one that is asked again after it was dropped', () => {
  const connection = openConnection({ file: join(dir, 'x.db'), waitMs: 0, write: true });
  const answers = Array.from({ length: 450 }, (_, at) => connection.run(`select ${at % 225} as number`, []).rows[0]);
  assert.deepEqual(
    answers.map((row) => (row as { number: bigint }).number),
    Array.from({ length: 450 }, (_, at) => BigInt(at % 225)),
  );
  connection.close();
});

test('sqlite: a backup taken while records are written is whole, opens, and is for its owner only', async () => {
  const to = join(dir, 'copy', 'parlance.db');
  mkdirSync(join(dir, 'copy'));
  await withStore({ url: undefined, dir }, async ({ usage }) => {
    let at = 0;
    const some = (): Promise<void> => usage.add(Array.from({ length: 40 }, () => record(`r${at++}:1`, { costNanos: 3n })));
    for (let batch = 0; batch < 20; batch++) await some();
    const copy = backupSqlite(dir, to);
    const copied = copy.then(() => true);
    while (!(await Promise.race([copied, some().then(() => false)])));
    await copy;
    assert.equal(modeOf(to), 0o600);
    await assert.rejects(backupSqlite(dir, to), { code: 'EEXIST' });
  });
  await withStore({ url: undefined, dir: join(dir, 'copy') }, async ({ usage, check }) => {
    await check();
    const [sum] = await usage.sums({}, []);
    const { items } = await usage.records({}, { limit: 100_000 });
    // of one moment: records and their sums agree, and no transaction is there by half
    assert.equal(sum?.attempts, items.length);
    assert.equal(sum.costNanos, 3n * BigInt(items.length));
    assert.ok(items.length >= 800);
    assert.equal(items.length % 40, 0);
    await usage.add([record('after:1')]);
  });
});

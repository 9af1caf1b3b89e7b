import assert from 'node:assert/strict';
import { copyFile, mkdir, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { quiet, record } from '../../test/store/both.ts';
import { main } from '../main.ts';
import { openStore } from '../store/open.ts';
import { fakeIo } from './output-testing.ts';

async function folder(context: TestContext): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'parlance-backup-'));
  context.after(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

async function parlance(words: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const io = fakeIo({ env });
  const code = await main(words, io);
  return { code, out: io.out(), err: io.err() };
}

test('backup: made while others write, it restores: keys are good, records and their sums agree', async (context) => {
  const dir = await folder(context);
  const [data, restored, copy] = [join(dir, 'data'), join(dir, 'restored'), join(dir, 'copy.db')];
  const made = await parlance(['keys', 'create', '--name', 'ci', '--data-dir', data]);
  assert.equal(made.code, 0, made.err);

  const store = await openStore({ dir: data, log: quiet });
  let at = 0;
  const some = (): Promise<void> => store.usage.add(Array.from({ length: 25 }, () => record(`r${at++}:1`, { costNanos: 3n })));
  for (let batch = 0; batch < 20; batch++) await some();
  const before = at;
  const backup = parlance(['backup', copy, '--data-dir', data]);
  const ended = backup.then(() => true);
  while (!(await Promise.race([ended, some().then(() => false)])));
  const { code, out, err } = await backup;
  assert.equal(code, 0, err);
  assert.match(out, /copy\.db, [\d.]+ [kM]?B\n$/);
  assert.equal((await stat(copy)).mode & 0o777, 0o600);
  await store.close();

  await mkdir(restored);
  await copyFile(copy, join(restored, 'parlance.db'));
  assert.match((await parlance(['keys', '--data-dir', restored])).out, /^key_\S+ +ci +default +member/m);
  const again = await openStore({ dir: restored, log: quiet });
  const [sum] = await again.usage.sums({}, []);
  const { items } = await again.usage.records({}, { limit: 100_000 });
  await again.close();
  assert.ok(items.length >= before && items.length <= at && items.length % 25 === 0, `${before} ${items.length} ${at}`);
  assert.deepEqual([sum?.attempts, sum?.costNanos], [items.length, 3n * BigInt(items.length)]);
});

test('backup: of a database that no server uses, as JSON; nothing is left beside it', async (context) => {
  const dir = await folder(context);
  const data = join(dir, 'data');
  await parlance(['keys', 'create', '--name', 'ci', '--data-dir', data]);
  const { out } = await parlance(['backup', join(dir, 'copy.db'), '--json', '--data-dir', data]);
  const { file, bytes } = JSON.parse(out);
  assert.deepEqual([file, bytes], [join(dir, 'copy.db'), (await stat(file)).size]);
  assert.deepEqual((await readdir(dir)).toSorted(), ['copy.db', 'data']);
});

test('backup: what cannot be is said, and makes no file', async (context) => {
  const dir = await folder(context);
  const data = join(dir, 'data');
  await parlance(['keys', 'create', '--name', 'ci', '--data-dir', data]);
  const failing = async (words: readonly string[], env: Readonly<Record<string, string>> = {}) => {
    const { code, err, out } = await parlance(['backup', ...words], env);
    assert.equal(out, '');
    return [code, err.split('\n')[0]];
  };
  assert.deepEqual(await failing([]), [2, 'error: backup needs the name of the file to make, as in parlance backup copy.db']);
  assert.deepEqual(await failing(['a.db', 'b.db']), [2, 'error: backup makes one file, not also "b.db"']);
  await writeFile(join(dir, 'old.db'), 'something');
  assert.deepEqual(await failing([join(dir, 'old.db'), '--data-dir', data]), [
    1,
    `error: ${join(dir, 'old.db')} is there already: backup overwrites nothing`,
  ]);
  const nowhere = join(dir, 'nowhere');
  assert.deepEqual(await failing([join(dir, 'new.db'), '--data-dir', nowhere]), [
    1,
    `error: there is no database at ${join(nowhere, 'parlance.db')}`,
  ]);
  await mkdir(nowhere);
  await writeFile(join(nowhere, 'parlance.db'), 'this is no database, though it has the name of one'.repeat(40));
  assert.equal((await failing([join(dir, 'new.db'), '--data-dir', nowhere]))[0], 1);
  const postgres = { DATABASE_URL: 'postgres://u:secret@127.0.0.1:1/none' };
  assert.deepEqual(await failing([join(dir, 'new.db')], postgres), [
    1,
    'error: the database is Postgres, whose own tool copies it: pg_dump --format=custom --file FILE "$DATABASE_URL"',
  ]);
  assert.deepEqual((await readdir(dir)).toSorted(), ['data', 'nowhere', 'old.db']);
});

/** How the schema comes to be: the same in both databases. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { sql } from 'kysely';
import type { Database } from '../../src/store/database.ts';
import { MIGRATIONS } from '../../src/store/migrations/all.ts';
import { migrate } from '../../src/store/migrations/migrate.ts';
import { statementsFor } from '../../src/store/migrations/migration.ts';
import type { Migration } from '../../src/store/migrations/migration.ts';
import { openDatabase, openStore } from '../../src/store/open.ts';
import { auditOf, completion, heard, key, overBoth, project, quiet, record, withStore } from './both.ts';
import type { Place } from './both.ts';

async function withDatabase<T>(place: Place, run: (db: Database) => Promise<T>): Promise<T> {
  const db = await openDatabase({ ...place, log: quiet });
  try {
    return await run(db);
  } finally {
    await db.close();
  }
}

/** All tables, columns and indexes, as text. */
async function schemaOf(db: Database): Promise<readonly string[]> {
  const query =
    db.kind === 'sqlite'
      ? sql<{
          what: string;
        }>`select name || ': ' || coalesce(sql, '') as what from sqlite_master where name not like 'sqlite_stat%' order by 1`
      : sql<{ what: string }>`
          select table_name || '.' || column_name || ' ' || data_type || ' ' || is_nullable as what
          from information_schema.columns where table_schema = 'public'
          union all select indexdef from pg_indexes where schemaname = 'public' order by 1`;
  return (await query.execute(db.report)).rows.map(({ what }) => what);
}

const appliedOf = async (db: Database): Promise<readonly number[]> => {
  const rows = await db.report.selectFrom('schema_migrations').select('number').orderBy('number').execute();
  return rows.map(({ number }) => Number(number));
};

const step = (number: number, name: string, statements: readonly string[]): Migration => ({ number, name, statements: () => statements });

/** What a step of an earlier version left behind, by its number. */
const LEFT: Readonly<Record<number, string>> = {
  1: "insert into projects (id, name, limits, budgets, models, created_at) values ('proj_old', 'Old', '{}', '[]', '[]', 5)",
  2: `insert into usage_days (
    day, project_id, key_id, model, provider, outcome, requests, attempts, prompt_tokens, completion_tokens, cached_tokens,
    cache_write_tokens, reasoning_tokens, audio_tokens, cost_nanos, estimated, unpriced
  ) values (19700, 'proj_old', 'key_old', 'm', '', 'ok', 1, 1, 10, 20, 0, 0, 0, 0, 9007199254740993, 0, 0)`,
  3: `insert into usage_records (
    id, request_id, attempt, at, key_id, project_id, model_asked, model, prompt_tokens, completion_tokens, cached_tokens,
    cache_write_tokens, reasoning_tokens, audio_tokens, estimated, cost_nanos, unpriced, stream, outcome, status, queue_ms, total_ms
  ) values ('req_0:1', 'req_0', 1, 1702080000000, 'key_old', 'proj_old', 'm', 'm', 10, 20, 0, 0, 0, 0, 0, 9007199254740993, 0, 0, 'ok', 200, 0, 9)`,
};

/** The numbers of this version's steps, and that of a step which it does not know. */
const KNOWN = MIGRATIONS.map(({ number }) => number);
const NEXT = MIGRATIONS.length + 1;

overBoth('migrations', (check) => {
  for (let have = 0; have < MIGRATIONS.length; have++) {
    check(`from schema ${have} to the present one, with all that was in it`, async (place) => {
      const old = MIGRATIONS.slice(0, have);
      await withDatabase(place, async (db) => {
        await migrate(db, old, quiet);
        for (const { number } of old) await db.transaction((tx) => sql.raw(LEFT[number] ?? 'select 1').execute(tx));
      });
      await withStore(place, async ({ accounts, usage, completions }) => {
        assert.equal((await accounts.project('proj_old'))?.name, have >= 1 ? 'Old' : undefined);
        assert.equal(await usage.spent({ keyId: 'key_old' }, 0), have >= 2 ? 9_007_199_254_740_993n : 0n);
        await accounts.putProject(project('proj_a'), auditOf('a'));
        await accounts.putKey(key('key_a'), auditOf('key_a'));
        await usage.add([record('req_1:1')]);
        const wanted = record('req_1:1');
        const kept = (await usage.records({}, { limit: 9 })).items;
        assert.deepEqual(
          kept.filter(({ id }) => id === wanted.id),
          [wanted],
        );
        const old = kept.find(({ id }) => id === 'req_0:1');
        assert.deepEqual([old?.promptTokens, old?.imageTokens], have >= 3 ? [10, 0] : [undefined, undefined]);
        const [sum] = await usage.sums({}, []);
        assert.deepEqual([sum?.imageTokens, sum?.promptTokens], [9n, have >= 2 ? 110n : 100n]);
        await completions.put(completion('chatcmpl-1'));
      });
    });
  }

  check('starting again changes nothing, and says nothing', async (place) => {
    await withStore(place, () => Promise.resolve());
    const schema = await withDatabase(place, schemaOf);
    const log = heard();
    await (await openStore({ ...place, log })).close();
    assert.deepEqual(await withDatabase(place, schemaOf), schema);
    assert.deepEqual(log.lines, []);
  });

  check('processes that start at once take each step once, and all of them start', async (place) => {
    const program = `
      const { openStore } = await import(${JSON.stringify(new URL('../../src/store/open.ts', import.meta.url).href)});
      const log = { info: (about) => console.log(about.number), warn: () => {}, error: () => {} };
      process.stdin.once('data', async () => {
        const store = await openStore({ ...JSON.parse(process.env.PLACE), log });
        await store.check();
        await store.close();
        process.exit(0);
      });
      console.log('here');`;
    const processes = Array.from({ length: 3 }, () => {
      const child = spawn(process.execPath, ['--input-type=module', '--eval', program], {
        env: { ...process.env, PLACE: JSON.stringify(place) },
        stdio: ['pipe', 'pipe', 'inherit'],
      });
      let said = '';
      child.stdout.setEncoding('utf8').on('data', (text: string) => (said += text));
      return { child, said: () => said, ready: once(child.stdout, 'data'), ended: once(child, 'close') };
    });
    await Promise.all(processes.map(({ ready }) => ready));
    for (const { child } of processes) child.stdin.write('go');
    const ends = await Promise.all(processes.map(({ ended }) => ended));
    assert.deepEqual(
      ends.map(([code]) => code as unknown),
      [0, 0, 0],
    );
    const steps = processes.flatMap(({ said }) => said().match(/\d+/g) ?? []);
    assert.deepEqual(steps.toSorted(), KNOWN.map(String));
    assert.deepEqual(await withDatabase(place, appliedOf), KNOWN);
  });

  check('a schema that is newer than the program is refused, with both numbers, and left alone', async (place) => {
    const later = [...MIGRATIONS, step(NEXT, 'later', ['create table later (id integer)'])];
    const schema = await withDatabase(place, async (db) => {
      await migrate(db, later, quiet);
      return schemaOf(db);
    });
    const refusal = new RegExp(`has number ${NEXT}, but this version of Parlance knows schemas up to ${MIGRATIONS.length} only`);
    await assert.rejects(openStore({ ...place, log: quiet }), refusal);
    assert.deepEqual(await withDatabase(place, schemaOf), schema);
  });

  check('a step that fails stops the start with its name, and leaves the schema as it was', async (place) => {
    await withDatabase(place, async (db) => {
      await migrate(db, MIGRATIONS, quiet);
      const before = await schemaOf(db);
      const broken = step(NEXT, 'broken-thing', ['create table half (id integer)', 'alter table nowhere add column x integer']);
      await assert.rejects(migrate(db, [...MIGRATIONS, broken], quiet), (error: Error) => {
        assert.match(error.message, new RegExp(`^Step ${NEXT} \\(broken-thing\\) of the schema of the database .* failed: .*nowhere`));
        assert.ok(error.cause instanceof Error);
        return true;
      });
      assert.deepEqual(await schemaOf(db), before);
      assert.deepEqual(await appliedOf(db), KNOWN);
      // and what is right afterwards is taken
      await migrate(db, [...MIGRATIONS, step(NEXT, 'right', ['create table half (id integer)'])], quiet);
      assert.deepEqual(await appliedOf(db), [...KNOWN, NEXT]);
    });
  });

  check('a step that was taken in another form is refused', async (place) => {
    await withDatabase(place, async (db) => {
      await migrate(db, [step(1, 'accounts', ['create table other (id integer)'])], quiet);
    });
    await assert.rejects(openStore({ ...place, log: quiet }), /Step 1 \(accounts\) .* is not the one that this version knows/);
  });
});

test('steps are numbered from 1 without gaps, and those that were released stay as they are', () => {
  const known = MIGRATIONS.map((migration) => {
    const sums = (['sqlite', 'postgres'] as const).map((kind) => statementsFor(migration, kind).checksum.slice(0, 12));
    return [migration.number, migration.name, ...sums];
  });
  assert.deepEqual(known, [
    [1, 'accounts', '5ee6b8dd5f69', 'fcb9c8c5ab42'],
    [2, 'usage', '7443658d35a5', '6139dd66f374'],
    [3, 'completions', '127bc05e841a', '281d87b0459a'],
    [4, 'end user defaults', '176db340c511', '176db340c511'],
    [5, 'kinds of tokens', '3a85608105e7', '3e72421e70ce'],
  ]);
});

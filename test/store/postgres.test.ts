/** What is Postgres’ own: connections that break, and what may not be said of them. */
import assert from 'node:assert/strict';
import { inspect } from 'node:util';
import { after, before, describe, test } from 'node:test';
import { sql } from 'kysely';
import { openDatabase, openStore } from '../../src/store/open.ts';
import { createUsageWriter } from '../../src/store/journal/usage-writer.ts';
import { postgresMissing, startPostgres } from '../support/postgres.ts';
import type { PostgresServer } from '../support/postgres.ts';
import { auditOf, heard, inFolder, project, quiet, record } from './both.ts';

describe('postgres', { skip: postgresMissing }, () => {
  let server: PostgresServer;
  before(async () => {
    server = await startPostgres();
  });
  after(() => server[Symbol.asyncDispose]());

  test('postgres: statements have an end, of the server’s', async () => {
    const db = await openDatabase({ url: await server.createDatabase(), dir: '', log: quiet });
    const { rows } = await sql<{ statement_timeout: string }>`show statement_timeout`.execute(db.read);
    assert.equal(rows[0]?.statement_timeout, '30s');
    await db.close();
  });

  test('postgres: there are ten connections at most, however many ask', async () => {
    const db = await openDatabase({ url: await server.createDatabase(), dir: '', log: quiet });
    const counts = await Promise.all(
      Array.from({ length: 40 }, async () => {
        const query = sql<{
          count: bigint;
        }>`select count(*) as count, pg_sleep(0.01) from pg_stat_activity where datname = current_database() and backend_type = 'client backend'`;
        return Number((await query.execute(db.read)).rows[0]?.count);
      }),
    );
    assert.ok(Math.max(...counts) <= 10, String(counts));
    await db.close();
  });

  test('postgres: a check fails where the database may only be read', async () => {
    const url = await server.createDatabase();
    const store = await openStore({ url, dir: '', log: quiet });
    await store.check();
    await store.close();
    const readOnly = await openStore({ url: `${url}?options=-c%20default_transaction_read_only%3Don`, dir: '', log: quiet }).catch(
      (error: unknown) => error,
    );
    assert.ok(readOnly instanceof Error, 'it cannot even look whether a step is missing');
    assert.match(readOnly.message, /read-only transaction/);
  });

  test('postgres: no password in errors and in the log, wherever it fails', async () => {
    const url = new URL(await server.createDatabase());
    const log = heard();
    const failures: unknown[] = [];
    const refused = async (change: (url: URL) => string): Promise<void> => {
      const opened = await openStore({ url: change(new URL(url)), dir: '', log }).catch((error: unknown) => error);
      assert.ok(opened instanceof Error);
      failures.push(opened);
    };
    const secret = 'sec%20ret-&-word';
    const withSecret = (change: (url: URL) => void) => (one: URL) => {
      one.password = secret;
      change(one);
      return one.href;
    };
    await refused(withSecret(() => undefined));
    await refused(withSecret((one) => (one.port = '1')));
    await refused(withSecret((one) => (one.hostname = 'nowhere.invalid')));
    await refused(() => `postgres://u:${secret}@host:notaport/x`);
    await refused(() => `mysql://u:${secret}@host/x`);
    assert.equal(failures.length, 5);
    for (const text of [inspect(failures, { depth: 9 }), inspect(log.lines, { depth: 9 })]) {
      assert.doesNotMatch(text, /sec(%20| )ret/);
      assert.doesNotMatch(text, /only-for-tests/);
    }
    const [first] = failures;
    assert.match((first as Error).message, new RegExp(`^Postgres at 127\\.0\\.0\\.1:${server.port}/test_\\d+ cannot be used: password`));
  });

  test('postgres: away and back again, what asked fails meanwhile and works afterwards, and no record of usage is lost', () =>
    inFolder(async (dir) => {
      const log = heard();
      const store = await openStore({ url: await server.createDatabase(), dir, log });
      const writer = createUsageWriter({ store: store.usage, dir, log, everyMs: 1, retryMs: 5, batch: 7, mostInMemory: 20 });
      await store.accounts.putProject(project('proj_a'), auditOf('a'));
      writer.add(record('r0:1'));
      await writer.flush();

      await server.stop();
      await assert.rejects(store.check());
      await assert.rejects(store.accounts.project('proj_a'));
      for (let at = 1; at < 100; at++) writer.add(record(`r${at}:1`));
      await assert.rejects(writer.flush());

      await server.start();
      // connections that broke unseen fail once each
      let tries = 0;
      const works = async (): Promise<boolean> =>
        store.check().then(
          () => true,
          () => false,
        );
      while (!(await works())) assert.ok(++tries < 100);
      while (writer.pending() > 0) await writer.flush().catch(() => assert.ok(++tries < 100));
      assert.equal((await store.accounts.project('proj_a'))?.id, 'proj_a');
      assert.equal((await store.usage.sums({}, []))[0]?.attempts, 100);
      assert.equal(log.lines.filter(([level, message]) => level === 'error' && message.includes('takes no records')).length, 1);
      assert.doesNotMatch(inspect(log.lines, { depth: 9 }), /only-for-tests/);
      await writer.close();
      await store.close();
    }));
});

test('postgres: a URL of something else is refused', async () => {
  await assert.rejects(openStore({ url: 'mysql://user:word@host/x', dir: '', log: quiet }), /must begin with postgres:\/\//);
});

/** Connections to Postgres that break while they are in use. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sql } from 'kysely';
import { openPostgres } from '../../src/store/postgres/open.ts';
import { postgresMissing, startPostgres } from '../support/postgres.ts';

const SILENT = { info: () => undefined, warn: () => undefined, error: () => undefined };

test(
  'postgres: a connection that breaks between two statements fails the transaction, and nothing else',
  { skip: postgresMissing },
  async () => {
    await using postgres = await startPostgres();
    const database = await openPostgres(await postgres.createDatabase(), SILENT);
    try {
      const broken = database.transaction(async (tx) => {
        await sql`select 1`.execute(tx);
        await postgres.stop();
        await postgres.start();
        await sql`select 2`.execute(tx);
      });
      await assert.rejects(broken);
      await sql`select 3`.execute(database.read);
    } finally {
      await database.close();
    }
  },
);

/** What Parlance keeps, in SQLite or Postgres. */
import { sql } from 'kysely';
import type { Store } from '../gateway/store-ports.ts';
import { createAccountStore } from './accounts.ts';
import { createCompletionStore } from './completions.ts';
import type { Database, StoreLog } from './database.ts';
import { MIGRATIONS } from './migrations/all.ts';
import { migrate } from './migrations/migrate.ts';
import { createUsageStore } from './usage.ts';

export interface StoreOptions {
  /** `postgres://…` or `postgresql://…`; without it SQLite in `dir`. */
  readonly url?: string | undefined;
  /** The data directory; made where it is not there, if it is needed. */
  readonly dir: string;
  readonly log: StoreLog;
}

/**
 * Opens the database and brings its schema up to date. Rejects with an `Error` for people, without secrets: where the database
 * cannot be opened, where its schema is newer than the program, and where a step of the schema fails.
 */
export async function openStore({ url, dir, log }: StoreOptions): Promise<Store> {
  const db = await openDatabase({ url, dir, log });
  try {
    await migrate(db, MIGRATIONS, log);
  } catch (error) {
    await db.close();
    throw error;
  }
  return {
    accounts: createAccountStore(db),
    usage: createUsageStore(db),
    completions: createCompletionStore(db),
    async check() {
      await db.present();
      // touches no row; a database that may only be read refuses it all the same
      await db.transaction((tx) =>
        tx
          .updateTable('accounts_version')
          .set({ number: sql`number` })
          .where('id', '=', 0n)
          .execute(),
      );
    },
    close: () => db.close(),
  };
}

/** The database as it is, without a look at its schema. */
export async function openDatabase({ url, dir, log }: StoreOptions): Promise<Database> {
  // each is loaded only where it is used
  if (url === undefined || url === '') return (await import('./sqlite/open.ts')).openSqlite(dir);
  if (/^postgres(ql)?:\/\//i.test(url)) return (await import('./postgres/open.ts')).openPostgres(url, log);
  throw new Error('The URL of the database must begin with postgres:// or postgresql://; without one, SQLite is used.');
}

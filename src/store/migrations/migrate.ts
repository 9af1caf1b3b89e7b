/** Brings a database's schema up to the program's. */
import { sql } from 'kysely';
import type { Kysely, Transaction } from 'kysely';
import type { Database, StoreLog } from '../database.ts';
import type { Schema } from '../schema.ts';
import { statementsFor } from './migration.ts';
import type { Migration } from './migration.ts';

/**
 * Takes the steps that are missing, each in a transaction and under a lock, so that of several processes that start at once one
 * takes a step and the others find it taken. Rejects, with the schema as it was before the step that failed:
 * where a step fails, with its name; where the schema is newer than the program, with both numbers; where a step that was taken
 * is not the one that the program knows.
 */
export async function migrate(db: Database, migrations: readonly Migration[], log: StoreLog): Promise<void> {
  // a file was found to be writable when it was opened; of a server only a transaction tells
  if (db.kind === 'sqlite' && (await isCurrent(db, migrations))) return;
  for (;;) {
    const taken = await db.transaction(
      async (tx) => {
        await db.lockSchema(tx);
        const next = await nextStep(tx, db, migrations);
        if (next) await take(tx, db, next);
        return next;
      },
      { durable: true, patient: true },
    );
    if (!taken) return;
    log.info({ place: db.place, number: taken.number, name: taken.name }, 'The schema of the database was brought a step further.');
  }
}

async function nextStep(tx: Transaction<Schema>, db: Database, migrations: readonly Migration[]): Promise<Migration | undefined> {
  await sql`create table if not exists schema_migrations (
    number integer primary key, name text not null, checksum text not null, applied_at bigint not null
  )`.execute(tx);
  return migrations[await stepsTaken(tx, db, migrations)];
}

/** Most starts find nothing to do, and need no lock to see it. */
async function isCurrent(db: Database, migrations: readonly Migration[]): Promise<boolean> {
  try {
    return (await stepsTaken(db.read, db, migrations)) === migrations.length;
  } catch {
    // there is no table yet, or something is wrong, which is told where it is looked at under the lock
    return false;
  }
}

async function stepsTaken(from: Kysely<Schema>, db: Database, migrations: readonly Migration[]): Promise<number> {
  const applied = await from.selectFrom('schema_migrations').selectAll().orderBy('number').execute();
  const has = Number(applied.at(-1)?.number ?? 0);
  const known = migrations.length;
  if (has > known) {
    throw new Error(
      `The schema of the database (${db.place}) has number ${has}, but this version of Parlance knows schemas up to ${known} only. ` +
        'Start the newer version of Parlance, or one with a database of its own.',
    );
  }
  for (const [at, row] of applied.entries()) {
    const migration = migrations[at];
    if (migration && Number(row.number) === migration.number && statementsFor(migration, db.kind).checksum === row.checksum) continue;
    throw new Error(`Step ${row.number} (${row.name}) of the schema of the database (${db.place}) is not the one that this version knows.`);
  }
  return applied.length;
}

async function take(tx: Transaction<Schema>, db: Database, migration: Migration): Promise<void> {
  const { statements, checksum } = statementsFor(migration, db.kind);
  try {
    for (const statement of statements) await sql.raw(statement).execute(tx);
    const row = { number: migration.number, name: migration.name, checksum, applied_at: Date.now() };
    await tx.insertInto('schema_migrations').values(row).execute();
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`Step ${migration.number} (${migration.name}) of the schema of the database (${db.place}) failed: ${why}`, { cause });
  }
}

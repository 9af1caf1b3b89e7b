/** Opens the SQLite file: one connection to write, one to read, in WAL mode. */
import { closeSync, mkdirSync, openSync, statSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as wait } from 'node:timers/promises';
import { Kysely } from 'kysely';
import type { Database } from '../database.ts';
import type { Schema } from '../schema.ts';
import { isBusy, nodeSqliteDialect } from './dialect.ts';

export const SQLITE_FILE = 'parlance.db';

/** Milliseconds that SQLite may hold up the whole process for another's lock. */
const HOLD_UP_MS = 20;
const OPEN_WITHIN_MS = 15_000;

/**
 * `dir/parlance.db`, made where it is not there: the file for its owner only, the folder too where it is made.
 * Throws an `Error` that names the file, with the cause.
 */
export async function openSqlite(dir: string): Promise<Database> {
  const file = join(dir, SQLITE_FILE);
  try {
    return await openFile(dir, file);
  } catch (cause) {
    throw new Error(`${file} cannot be opened: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  }
}

async function openFile(dir: string, file: string): Promise<Database> {
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  makeFile(file);
  const { dev, ino } = statSync(file);
  const writer = await connect(file);
  const reader = await connect(file);
  reader.exec('pragma query_only = on');
  const write = new Kysely<Schema>({ dialect: nodeSqliteDialect(writer) });
  const read = new Kysely<Schema>({ dialect: nodeSqliteDialect(reader) });

  return {
    kind: 'sqlite',
    place: file,
    read,
    async transaction(work, options) {
      if (!options?.durable) return write.transaction().execute(work);
      return write.connection().execute(async (connection) => {
        // pragmas take effect while they are compiled, so a kept statement would do nothing; and within a transaction they may not
        writer.exec('pragma synchronous = full');
        try {
          return await connection.transaction().execute(work);
        } finally {
          writer.exec('pragma synchronous = normal');
        }
      });
    },
    // the transaction has the only write lock already
    lockSchema: () => Promise.resolve(),
    async present() {
      const now = await stat(file);
      if (now.dev !== dev || now.ino !== ino) throw new Error(`${file} is not the file that was opened.`);
    },
    async tidy() {
      await write.connection().execute(async () => writer.exec('pragma optimize'));
    },
    async close() {
      await read.destroy();
      await write.destroy();
    },
  };
}

/**
 * SQLite gives its other files (-wal, -shm) the same mode. A file that is there is left alone: a descriptor of our own would, when it
 * is closed, give back every lock that this process has on it (POSIX).
 */
function makeFile(file: string): void {
  try {
    closeSync(openSync(file, 'wx', 0o600));
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
  }
}

/** Two processes that make the file at the same time: one of them finds it locked for a moment while it becomes a WAL file. */
async function connect(file: string): Promise<DatabaseSync> {
  const db = new DatabaseSync(file, { timeout: HOLD_UP_MS, enableForeignKeyConstraints: true });
  const deadline = performance.now() + OPEN_WITHIN_MS;
  for (;;) {
    try {
      db.exec('pragma journal_mode = wal');
      db.exec('pragma synchronous = normal');
      db.exec('pragma cache_size = -16000');
      return db;
    } catch (error) {
      if (!isBusy(error) || performance.now() > deadline) {
        db.close();
        throw error;
      }
    }
    await wait(10);
  }
}

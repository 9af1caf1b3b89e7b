/** Opens the SQLite file: a connection to write, one for reports, and one for questions that are answered in microseconds. */
import { closeSync, mkdirSync, openSync, statSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Kysely } from 'kysely';
import type { Database } from '../database.ts';
import type { Schema } from '../schema.ts';
import { isBusy, openConnection } from './connection.ts';
import type { Connection } from './connection.ts';
import { sqliteDialect } from './dialect.ts';
import { startConnection, whenAsked } from './thread.ts';
import type { ConnectionThread } from './thread.ts';

export const SQLITE_FILE = 'parlance.db';

/** All tables that have changed much, not only those that this connection asked; looks at a part of each. */
const OPTIMIZE = 'pragma optimize = 0x10002';
/** How long a transaction waits for those of other processes. */
const WAIT_MS = 15_000;
/** At the start, where this thread waits itself. */
const FIRST_WAIT_MS = 1000;
/** And for a step of the schema that another process takes. */
const PATIENT_MS = 1_800_000;

/**
 * `dir/parlance.db`, made where it is not there: the file for its owner only, the folder too where it is made.
 * Throws an `Error` that names the file, with the cause.
 */
export function openSqlite(dir: string): Database {
  const file = join(dir, SQLITE_FILE);
  try {
    return openFile(dir, file);
  } catch (cause) {
    throw new Error(`${file} cannot be opened: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  }
}

function openFile(dir: string, file: string): Database {
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  makeFile(file);
  const { dev, ino } = statSync(file);
  const { writer, reader, near } = connect(file);
  const read = new Kysely<Schema>({ dialect: sqliteDialect(near) });
  const write = new Kysely<Schema>({ dialect: sqliteDialect(writer) });
  const report = new Kysely<Schema>({ dialect: sqliteDialect(reader) });

  return {
    kind: 'sqlite',
    place: file,
    read,
    report,
    async transaction(work, options) {
      const { durable = false, patient = false } = options ?? {};
      if (!durable && !patient) return write.transaction().execute(work);
      return write.connection().execute(async (connection) => {
        // within a transaction it may not be changed
        if (durable) await writer.exec('pragma synchronous = full');
        if (patient) await writer.exec(`pragma busy_timeout = ${PATIENT_MS}`);
        try {
          return await connection.transaction().execute(work);
        } finally {
          if (durable) await writer.exec('pragma synchronous = normal');
          if (patient) await writer.exec(`pragma busy_timeout = ${WAIT_MS}`);
        }
      });
    },
    async addUsage(texts) {
      if (texts.length > 0) await write.connection().execute(() => writer.addUsage(texts));
    },
    // the transaction has the only write lock already
    lockSchema: () => Promise.resolve(),
    async present() {
      const now = await stat(file);
      if (now.dev !== dev || now.ino !== ino) throw new Error(`${file} is not the file that was opened.`);
    },
    async tidy() {
      await write.connection().execute(() => writer.exec(OPTIMIZE));
    },
    async close() {
      await Promise.all([read.destroy(), report.destroy(), write.destroy()]);
      near.close();
      await reader.close();
      // the last one copies all that is in the -wal file
      await writer.close();
    },
  };
}

/** A thread takes 20 MB, and many a server is never asked for a report, or has nothing to write for long. */
function connect(file: string): { readonly writer: ConnectionThread; readonly reader: ConnectionThread; readonly near: Connection } {
  makeReady(file);
  return {
    writer: whenAsked(() => startConnection({ file, waitMs: WAIT_MS, write: true })),
    // readers of a WAL file wait for nobody
    reader: whenAsked(() => startConnection({ file, waitMs: 100, write: false })),
    near: openConnection({ file, waitMs: 100, write: false }),
  };
}

/** Before anybody reads: readers see the statistics that are there when they open the file. Throws where it cannot be written. */
function makeReady(file: string): void {
  const connection = openConnection({ file, waitMs: FIRST_WAIT_MS, write: true });
  try {
    connection.exec('begin immediate');
    connection.exec('rollback');
    connection.exec(OPTIMIZE);
  } catch (error) {
    // somebody else writes: so it can be written, and statistics may be old
    if (!isBusy(error)) throw error;
  } finally {
    connection.close();
  }
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

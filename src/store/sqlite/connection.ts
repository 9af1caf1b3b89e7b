/** One connection to a SQLite file: statements are synchronous, and prepared once. */
import { DatabaseSync } from 'node:sqlite';
import type { SQLInputValue, StatementSync } from 'node:sqlite';

export interface ConnectionOptions {
  readonly file: string;
  /** Milliseconds to wait for locks of others; the thread stands still meanwhile. */
  readonly waitMs: number;
  readonly write: boolean;
}

export interface StatementResult {
  readonly rows: readonly unknown[];
  /** Rows changed, where the statement gives none. */
  readonly changes: bigint | undefined;
}

export interface Connection {
  run(sql: string, parameters: readonly unknown[]): StatementResult;
  /** For who keeps it; whole numbers are given as numbers. */
  prepare(sql: string): StatementSync;
  /** Without a result; not prepared, since pragmas take effect while they are compiled. */
  exec(sql: string): void;
  /** Nothing where there is no transaction: a full disk, for one, ends it by itself. */
  rollback(): void;
  close(): void;
}

const SQLITE_BUSY = 5;
/** Prepared statements that are kept; the one not used for longest goes first. */
const MOST_STATEMENTS = 200;
const OPEN_WITHIN_MS = 15_000;
/**
 * Pages of 4 KiB in the -wal file before it is copied into the database. Pages of indexes are changed again and again, and copied
 * once.
 */
const CHECKPOINT_PAGES = 8_000;
/** The -wal file grows while a reader takes long; afterwards it is cut to this. */
const MOST_WAL_BYTES = 64 * 1024 * 1024;

/** Another connection holds the lock. */
export function isBusy(error: unknown): boolean {
  const code = error instanceof Error && 'errcode' in error ? error.errcode : undefined;
  // extended codes have the plain one in their low byte
  return typeof code === 'number' && (code & 0xff) === SQLITE_BUSY;
}

export function openConnection({ file, waitMs, write }: ConnectionOptions): Connection {
  const db = new DatabaseSync(file, { timeout: waitMs, enableForeignKeyConstraints: true });
  try {
    becomeWal(db);
    db.exec('pragma synchronous = normal; pragma cache_size = -32000');
    db.exec(`pragma wal_autocheckpoint = ${CHECKPOINT_PAGES}; pragma journal_size_limit = ${MOST_WAL_BYTES}`);
    if (!write) db.exec('pragma query_only = on');
  } catch (error) {
    db.close();
    throw error;
  }
  const prepared = createStatements(db);
  return {
    run(sql, parameters) {
      const { statement, gives } = prepared(sql);
      const values = parameters as readonly SQLInputValue[];
      if (gives) return { rows: statement.all(...values), changes: undefined };
      return { rows: [], changes: BigInt(statement.run(...values).changes) };
    },
    prepare: (sql) => db.prepare(sql),
    exec: (sql) => db.exec(sql),
    rollback() {
      if (db.isTransaction) db.exec('rollback');
    },
    close: () => db.close(),
  };
}

/** Of two processes that make the file at the same time, one finds it locked for a moment, and SQLite does not wait for that. */
function becomeWal(db: DatabaseSync): void {
  const deadline = performance.now() + OPEN_WITHIN_MS;
  for (;;) {
    try {
      db.exec('pragma journal_mode = wal');
      return;
    } catch (error) {
      if (!isBusy(error) || performance.now() > deadline) throw error;
    }
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
  }
}

function createStatements(db: DatabaseSync): (sql: string) => { readonly statement: StatementSync; readonly gives: boolean } {
  const statements = new Map<string, { readonly statement: StatementSync; readonly gives: boolean }>();
  return (sql) => {
    const known = statements.get(sql);
    if (known) {
      statements.delete(sql);
      statements.set(sql, known);
      return known;
    }
    const statement = db.prepare(sql);
    statement.setReadBigInts(true);
    const fresh = { statement, gives: statement.columns().length > 0 };
    statements.set(sql, fresh);
    const oldest = statements.size > MOST_STATEMENTS ? statements.keys().next().value : undefined;
    if (oldest !== undefined) statements.delete(oldest);
    return fresh;
  };
}

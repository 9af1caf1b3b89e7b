/** A kysely dialect over node:sqlite: one connection, synchronous statements, prepared once. */
import { setTimeout as wait } from 'node:timers/promises';
import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite';
import { SqliteAdapter, SqliteIntrospector, SqliteQueryCompiler } from 'kysely';
import type { CompiledQuery, DatabaseConnection, Dialect, Driver, QueryResult } from 'kysely';
import { storable } from '../database.ts';

/** Prepared statements that are kept; the one not used for longest goes first. */
const MOST_STATEMENTS = 200;
const SQLITE_BUSY = 5;
/** How long a transaction waits for those of other processes. */
const BUSY_FOR_MS = 15_000;

/** Another connection holds the lock. */
export function isBusy(error: unknown): boolean {
  const code = error instanceof Error && 'errcode' in error ? error.errcode : undefined;
  // extended codes have the plain one in their low byte
  return typeof code === 'number' && (code & 0xff) === SQLITE_BUSY;
}

/** Takes the write lock at the beginning, so that a transaction never fails half-way for another's sake. Closes `db` at the end. */
export function nodeSqliteDialect(db: DatabaseSync): Dialect {
  return {
    createAdapter: () => new SqliteAdapter(),
    createDriver: () => createDriver(db),
    createIntrospector: (kysely) => new SqliteIntrospector(kysely),
    createQueryCompiler: () => new SqliteQueryCompiler(),
  };
}

function createDriver(db: DatabaseSync): Driver {
  const connection = createConnection(db);
  return {
    init: () => Promise.resolve(),
    acquireConnection: () => Promise.resolve(connection),
    releaseConnection: () => Promise.resolve(),
    beginTransaction: () => beginImmediate(db),
    commitTransaction: async () => db.exec('commit'),
    rollbackTransaction: async () => {
      // a full disk, for one, ends a transaction by itself
      if (db.isTransaction) db.exec('rollback');
    },
    destroy: async () => db.close(),
  };
}

/** SQLite's own waiting stops the whole process, so it is kept short (`timeout` of the connection) and repeated from here. */
async function beginImmediate(db: DatabaseSync): Promise<void> {
  const deadline = performance.now() + BUSY_FOR_MS;
  for (let pause = 2; ; pause = Math.min(pause * 2, 50)) {
    try {
      db.exec('begin immediate');
      return;
    } catch (error) {
      if (!isBusy(error) || performance.now() > deadline) throw error;
    }
    await wait(pause);
  }
}

function createConnection(db: DatabaseSync): DatabaseConnection {
  const statements = new Map<string, { readonly statement: StatementSync; readonly gives: boolean }>();
  const prepared = (sql: string) => {
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
    const oldest = statements.size > MOST_STATEMENTS ? statements.keys().next() : undefined;
    if (oldest?.value !== undefined) statements.delete(oldest.value);
    return fresh;
  };
  return {
    async executeQuery<R>({ sql, parameters }: CompiledQuery): Promise<QueryResult<R>> {
      const { statement, gives } = prepared(sql);
      const values = parameters.map((value) => storable(value) as SQLInputValue);
      if (gives) return { rows: statement.all(...values) as R[] };
      const { changes } = statement.run(...values);
      return { rows: [], numAffectedRows: BigInt(changes) };
    },
    async *streamQuery<R>({ sql, parameters }: CompiledQuery): AsyncIterableIterator<QueryResult<R>> {
      // a statement of its own: a kept one would begin anew when the same query is asked again meanwhile
      const statement = db.prepare(sql);
      statement.setReadBigInts(true);
      for (const row of statement.iterate(...parameters.map((value) => storable(value) as SQLInputValue))) yield { rows: [row as R] };
    },
  };
}

/** A kysely dialect over one connection of node:sqlite, in this thread or in one of its own. */
import { SqliteAdapter, SqliteIntrospector, SqliteQueryCompiler } from 'kysely';
import type { CompiledQuery, DatabaseConnection, Dialect, Driver, QueryResult } from 'kysely';
import { storable } from '../database.ts';
import type { Connection } from './connection.ts';
import type { ConnectionThread } from './thread.ts';

/** Takes the write lock at the beginning, so that a transaction never fails half-way for another's sake. */
export function sqliteDialect(connection: Connection | ConnectionThread): Dialect {
  return {
    createAdapter: () => new SqliteAdapter(),
    createDriver: () => driverOf(connection),
    createIntrospector: (kysely) => new SqliteIntrospector(kysely),
    createQueryCompiler: () => new SqliteQueryCompiler(),
  };
}

function driverOf(connection: Connection | ConnectionThread): Driver {
  const only: DatabaseConnection = {
    async executeQuery<R>({ sql, parameters }: CompiledQuery): Promise<QueryResult<R>> {
      const { rows, changes } = await connection.run(sql, parameters.map(storable));
      return { rows: rows as R[], ...(changes !== undefined && { numAffectedRows: changes }) };
    },
    async *streamQuery<R>({ sql, parameters }: CompiledQuery, size: number): AsyncIterableIterator<QueryResult<R>> {
      const { rows } = await connection.run(sql, parameters.map(storable));
      for (let at = 0; at < rows.length; at += size) yield { rows: rows.slice(at, at + size) as R[] };
    },
  };
  return {
    init: () => Promise.resolve(),
    acquireConnection: () => Promise.resolve(only),
    releaseConnection: () => Promise.resolve(),
    beginTransaction: async () => connection.exec('begin immediate'),
    commitTransaction: async () => connection.exec('commit'),
    rollbackTransaction: async () => connection.rollback(),
    // who opened the connection closes it: kysely does not, where it was never asked anything
    destroy: () => Promise.resolve(),
  };
}

/** Inserts of many rows: a few sizes of one statement, each compiled by kysely and prepared by the database once. */
import type { CompiledQuery, Transaction } from 'kysely';
import type { Schema } from './schema.ts';

/** Rows a statement has; Postgres and SQLite both take more parameters than the largest has with a hundred columns. */
const SIZES = [256, 32, 4, 1] as const;

export type Row<Column extends string> = Readonly<Record<Column, unknown>>;
export type InsertMany<Column extends string> = (tx: Transaction<Schema>, rows: readonly Row<Column>[]) => Promise<readonly unknown[]>;

/**
 * `compile` is given rows whose values do not matter, and says what is to be done with as many. The result gives what the
 * statements return, if they return something.
 */
export function insertMany<Column extends string>(
  columns: readonly Column[],
  compile: (tx: Transaction<Schema>, rows: readonly Record<Column, never>[]) => CompiledQuery,
): InsertMany<Column> {
  const compiled = new Map<number, CompiledQuery>();
  const queryFor = (tx: Transaction<Schema>, size: number): CompiledQuery => {
    const known = compiled.get(size);
    if (known) return known;
    const blank = Object.fromEntries(columns.map((column) => [column, ''])) as Record<Column, never>;
    const fresh = compile(
      tx,
      Array.from({ length: size }, () => blank),
    );
    compiled.set(size, fresh);
    return fresh;
  };
  return async (tx, rows) => {
    const returned: unknown[] = [];
    for (let at = 0; at < rows.length;) {
      const size = SIZES.find((each) => each <= rows.length - at) ?? 1;
      const parameters = rows.slice(at, at + size).flatMap((row) => columns.map((column) => row[column]));
      const result = await tx.executeQuery({ ...queryFor(tx, size), parameters });
      returned.push(...result.rows);
      at += size;
    }
    return returned;
  };
}

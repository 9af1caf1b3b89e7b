/** What SQLite and Postgres look like to all that is above them. */
import type { Kysely, Transaction } from 'kysely';
import type { Schema } from './schema.ts';

export type DatabaseKind = 'sqlite' | 'postgres';

/** What is said to the log; pino's `Logger` is one. */
export interface StoreLog {
  info(about: object, message: string): void;
  warn(about: object, message: string): void;
  error(about: object, message: string): void;
}

export interface TransactionOptions {
  /** It is on the disk when this resolves, even if the power goes. */
  readonly durable?: boolean;
  /** Waits for others for minutes: a step of the schema reads large tables. */
  readonly patient?: boolean;
}

export interface Database {
  readonly kind: DatabaseKind;
  /** For people: the file, or host, port and database; no user and no password. */
  readonly place: string;
  /** For single statements that read a few rows by an index; in SQLite this thread reads them itself. */
  readonly read: Kysely<Schema>;
  /** For statements that may take their time. */
  readonly report: Kysely<Schema>;
  /** All that writes goes through this. */
  transaction<T>(work: (tx: Transaction<Schema>) => Promise<T>, options?: TransactionOptions): Promise<T>;
  /**
   * Adds records of usage to their table and to the sums, in a transaction of its own; those that are there already are left as they
   * are. Given as texts of the journal. Only where this is less work than statement by statement.
   */
  readonly addUsage?: (texts: readonly string[]) => Promise<void>;
  /** Within a transaction: nobody else migrates until it ends, and it may take its time. */
  lockSchema(tx: Transaction<Schema>): Promise<void>;
  /** Rejects where the database is not the one that was opened any more. */
  present(): Promise<void>;
  /** Brings the planner's statistics up to date where they are far off; cheap. */
  tidy(): Promise<void>;
  close(): Promise<void>;
}

/** NUL has no place in Postgres' text; both databases keep and look for the replacement character instead. */
export function storable<Value>(value: Value): Value {
  return typeof value === 'string' && value.includes('\0') ? (value.replaceAll('\0', '\uFFFD') as Value) : value;
}

/** What a step of the schema is, and the words that SQLite and Postgres have for the same thing. */
import { createHash } from 'node:crypto';
import type { DatabaseKind } from '../database.ts';

export interface Migration {
  /** From 1, without gaps. */
  readonly number: number;
  readonly name: string;
  /** SQL statements in order. Never changed once released: add another step instead. */
  statements(words: Words): readonly string[];
}

export interface Words {
  /** A key of a table that counts up by itself. */
  readonly counting: string;
  /** The end of an index in whose order that key counts; SQLite's indexes end with it anyway. */
  readonly thenSeq: string;
  /** Whole numbers of 64 bits. */
  readonly whole: string;
  /** Text that is compared byte by byte, in every locale. */
  readonly text: string;
  /** After the columns: a column takes values of its type only. Without it SQLite would keep a sum that overflows as a rounded one. */
  readonly strict: string;
  /** The same, and the rows lie in the order of the primary key. */
  readonly clustered: string;
}

const WORDS: Readonly<Record<DatabaseKind, Words>> = {
  sqlite: {
    counting: 'integer primary key',
    thenSeq: '',
    whole: 'integer',
    text: 'text',
    strict: ' strict',
    clustered: ' without rowid, strict',
  },
  postgres: {
    counting: 'bigint generated always as identity primary key',
    thenSeq: ', seq',
    whole: 'bigint',
    text: 'text collate "C"',
    strict: '',
    clustered: '',
  },
};

/** The statements of a step for a database, and what they are known by. */
export function statementsFor(
  migration: Migration,
  kind: DatabaseKind,
): { readonly statements: readonly string[]; readonly checksum: string } {
  const statements = migration.statements(WORDS[kind]).map((statement) => statement.trim().replaceAll(/\s+/g, ' '));
  return { statements, checksum: createHash('sha256').update(statements.join(';\n')).digest('hex') };
}

/** `parlance backup`: a copy of the database, whether a server runs on it or not. */
import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import { loadConfig } from '../config.ts';
import { backupSqlite } from '../store/sqlite/backup.ts';
import { readArgs, UsageError } from './args.ts';
import { BACKUP } from './help-pages.ts';
import { EXIT, printable, sizeText, writeJson, writeLine, type Io } from './output.ts';

export async function run(argv: readonly string[], io: Io): Promise<number> {
  const args = readArgs(BACKUP, argv);
  const [file, extra] = args.positionals;
  if (file === undefined || file === '') throw new UsageError('backup needs the name of the file to make, as in parlance backup copy.db');
  if (extra !== undefined) throw new UsageError(`backup makes one file, not also ${JSON.stringify(extra)}`);
  const { data } = loadConfig({ file: args.text('config'), env: io.env, flags: { 'data-dir': args.text('data-dir') } });
  if (!data) throw new Error('data.enabled is false: there is no database');
  if (data.url) throw new Error('the database is Postgres, whose own tool copies it: pg_dump --format=custom --file FILE "$DATABASE_URL"');

  const to = resolve(file);
  try {
    await backupSqlite(data.dir, to);
  } catch (cause) {
    if (!isThere(cause)) throw cause;
    throw new Error(`${to} is there already: backup overwrites nothing`, { cause });
  }
  const bytes = statSync(to).size;
  if (args.has('json')) writeJson(io, { file: to, bytes });
  else writeLine(io.stdout, `${printable(to)}, ${sizeText(bytes)}`);
  return EXIT.ok;
}

const isThere = (cause: unknown): boolean => cause instanceof Error && 'code' in cause && cause.code === 'EEXIST';

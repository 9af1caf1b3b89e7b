/** A copy of the SQLite file, taken while others write to it. */
import { closeSync, existsSync, openSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { backup, DatabaseSync } from 'node:sqlite';
import { SQLITE_FILE } from './open.ts';

/**
 * Copies `dir/parlance.db` to the new file `to`, as it is at one moment. Reads in a thread of its own and stops no writer.
 * All pages in one step: a copy in several steps begins anew whenever somebody writes in between.
 * Rejects where there is no database, and where `to` is there already; a copy that failed leaves no file.
 */
export async function backupSqlite(dir: string, to: string): Promise<void> {
  const from = join(dir, SQLITE_FILE);
  if (!existsSync(from)) throw new Error(`there is no database at ${from}`);
  closeSync(openSync(to, 'wx', 0o600));
  try {
    await copy(from, to);
  } catch (cause) {
    rmSync(to, { force: true });
    throw cause;
  }
}

async function copy(from: string, to: string): Promise<void> {
  const source = new DatabaseSync(from, { readOnly: true, timeout: 1_000 });
  try {
    await backup(source, to, { rate: 2 ** 31 - 1 });
  } finally {
    source.close();
  }
}

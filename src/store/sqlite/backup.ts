/** A copy of the SQLite file, taken while others write to it. */
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { backup, DatabaseSync } from 'node:sqlite';
import { SQLITE_FILE } from './open.ts';

/**
 * Copies `dir/parlance.db` to the new file `to`, as it is at one moment. Reads in a thread of its own and stops no writer.
 * All pages in one step: a copy in several steps begins anew whenever somebody writes in between.
 * Rejects where `to` is there already.
 */
export async function backupSqlite(dir: string, to: string): Promise<void> {
  closeSync(openSync(to, 'wx', 0o600));
  const source = new DatabaseSync(join(dir, SQLITE_FILE), { readOnly: true, timeout: 1_000 });
  try {
    await backup(source, to, { rate: 2 ** 31 - 1 });
  } finally {
    source.close();
  }
}

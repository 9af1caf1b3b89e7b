/**
 * A lock that ends with the process that holds it, however it ends. Node has no flock; an exclusive transaction of SQLite on an empty
 * file is one: the system gives it back when the process dies, so that no process id is ever asked after, which another process may
 * have got meanwhile, or another container has too.
 */
import { rmSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { isBusy } from '../sqlite/connection.ts';

export interface FileLock {
  /** Lets it go, and removes its file. */
  release(): void;
}

/** Undefined where somebody holds it. Throws what the file system throws. */
export function tryLock(file: string): FileLock | undefined {
  // SQLite makes the file: a descriptor of our own would, when it is closed, give back every lock that this process has on it (POSIX)
  const db = new DatabaseSync(file, { timeout: 0 });
  try {
    db.exec('begin exclusive');
  } catch (error) {
    db.close();
    if (isBusy(error)) return undefined;
    throw error;
  }
  return {
    release: () => {
      db.close();
      rmSync(file, { force: true });
    },
  };
}

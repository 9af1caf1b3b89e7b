/** Tells when a file has other contents than before. */
import { readFileSync, realpathSync, statSync, watch } from 'node:fs';
import type { FSWatcher } from 'node:fs';
import { dirname } from 'node:path';

export interface FileWatch {
  /** Begins to look; does nothing where it looks already. */
  start(): void;
  stop(): void;
}

export interface FileWatchOptions {
  /** Absolute; the first of them that is there counts. Asked for anew each time. */
  readonly places: () => readonly string[];
  /** Called when the contents, or the place, have changed and then stayed the same for a moment. Also when the file is gone. */
  readonly changed: () => void;
  readonly times?: WatchTimes;
}

/** Milliseconds. */
export interface WatchTimes {
  /** How long contents must stay the same: an editor may empty a file before it fills it. */
  readonly settleMs: number;
  /** The same where there is nothing: a program that writes the file may be held up in between, and no contents are a configuration too. */
  readonly emptyMs: number;
  /** Network and shared folders tell nothing of changes, so the file is looked at this often besides. */
  readonly pollMs: number;
}

const TIMES: WatchTimes = { settleMs: 150, emptyMs: 2000, pollMs: 5000 };

/**
 * What is there when this is called counts as known. Folders are watched, not the file: editors put a new file in the place of
 * the old one, and Kubernetes swaps a link beside it.
 */
export function watchFile({ places, changed, times = TIMES }: FileWatchOptions): FileWatch {
  let known = contents(places());
  let seen: string | undefined;
  let seenAt = 0;
  let stamp = '';
  let watchers: FSWatcher[] = [];
  let poll: NodeJS.Timeout | undefined;
  let settle: NodeJS.Timeout | undefined;

  const look = (): void => {
    settle = undefined;
    const now = contents(places());
    // twice the same, or nobody is sure that it is written to its end
    const settled = now === seen && (!isEmpty(now) || performance.now() - seenAt >= times.emptyMs);
    if (now !== seen) seenAt = performance.now();
    seen = now === known ? undefined : now;
    if (now === known) return;
    if (!settled) return lookSoon();
    known = now;
    changed();
    if (!poll) return;
    // a folder may have been swapped as well; what happens meanwhile is seen by one look more
    watchFolders();
    lookSoon();
  };
  const lookSoon = (): void => {
    settle ??= setTimeout(look, times.settleMs).unref();
  };
  const lookAtStamp = (): void => {
    const now = places().map(stampOf).join('\n');
    if (now === stamp) return;
    stamp = now;
    lookSoon();
  };

  const forget = (): void => {
    for (const watcher of watchers) watcher.close();
    watchers = [];
  };
  const watchFolders = (): void => {
    forget();
    watchers = [...new Set(places().flatMap(foldersOf))].flatMap((folder) => watchFolder(folder, lookSoon) ?? []);
  };

  return {
    start() {
      if (poll) return;
      poll = setInterval(lookAtStamp, times.pollMs).unref();
      watchFolders();
      // what changed since the contents were taken
      lookSoon();
    },
    stop() {
      clearInterval(poll);
      clearTimeout(settle);
      poll = undefined;
      settle = undefined;
      forget();
    },
  };
}

/** Undefined where the folder cannot be watched: it is not there, or the system has no watches left. The poll looks at it. */
function watchFolder(folder: string, changed: () => void): FSWatcher | undefined {
  try {
    const watcher = watch(folder, { persistent: false }, changed);
    watcher.on('error', () => watcher.close());
    return watcher;
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause) return undefined;
    throw cause;
  }
}

/** The folder in which the file stands, and the one where it really is. */
function foldersOf(place: string): readonly string[] {
  const folder = dirname(place);
  try {
    return [folder, dirname(realpathSync(place))];
  } catch {
    return [folder]; // it is not there, or not now
  }
}

function stampOf(place: string): string {
  const stat = statSync(place, { throwIfNoEntry: false });
  return stat ? `${stat.ino} ${stat.size} ${stat.mtimeMs}` : '';
}

/** By what `contents` gives: an empty file, or none. */
const isEmpty = (text: string): boolean => !text.includes('\0') && text.slice(text.indexOf('\n') + 1).trim() === '';

/** Of the first that is there, with its place; a file that cannot be read has a content of its own. */
function contents(places: readonly string[]): string {
  for (const place of places) {
    try {
      return `${place}\n${readFileSync(place, 'utf8')}`;
    } catch (cause) {
      const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown';
      if (code !== 'ENOENT' && code !== 'ENOTDIR') return `${place}\0${code}`;
    }
  }
  return '';
}

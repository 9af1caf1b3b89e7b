/**
 * Records of usage on their way into the database: each is in a file of this process, its journal, when `add` returns, and in the
 * database soon after. A process that is killed leaves its journal behind, and the next one, or another that shares the folder, takes
 * it over. Records may be sent twice on the way; the database takes each id once.
 */
import { randomUUID } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { UsageRecord } from '../../gateway/accounts.ts';
import type { UsageStore } from '../../gateway/store-ports.ts';
import type { StoreLog } from '../database.ts';
import { tryLock } from './lock.ts';
import { openSegment } from './segment.ts';
import type { Segment } from './segment.ts';
import { addAll, lockFile, replay, segmentFiles, takeOver } from './take-over.ts';

export interface UsageWriterOptions {
  readonly store: Pick<UsageStore, 'add'>;
  /** The data directory; journals are in its folder `journal`. */
  readonly dir: string;
  readonly log: StoreLog;
  /** Milliseconds that a record waits for others. */
  readonly everyMs?: number;
  /** Records in a transaction. */
  readonly batch?: number;
  /** Records in memory; those beyond are in the journal only until the database takes them. */
  readonly mostInMemory?: number;
  /** Milliseconds until the first try again where the database takes nothing; each pause is twice the one before, up to 10 s. */
  readonly retryMs?: number;
}

export interface UsageWriter {
  /** Returns at once, and never throws. */
  add(record: UsageRecord): void;
  /** Resolves when all that was added before is in the database; rejects with its error where it takes nothing. */
  flush(): Promise<void>;
  /** Records that are not known to be in the database. */
  pending(): number;
  /** Resolves when journals of dead processes were looked for once, whether or not the database took what is in them. */
  readonly recovered: Promise<void>;
  /** Writes what it can; what the database does not take stays in the journal. */
  close(): Promise<void>;
}

const EVERY_MS = 250;
const BATCH = 500;
const MOST_IN_MEMORY = 20_000;
const FIRST_RETRY_MS = 250;
const LAST_RETRY_MS = 10_000;
/** How often journals of processes that died are looked for. */
const LOOK_EVERY_MS = 10_000;

/** Throws what the file system throws where a journal cannot be made. */
export function createUsageWriter(options: UsageWriterOptions): UsageWriter {
  const { store, dir, log, everyMs = EVERY_MS, batch = BATCH, mostInMemory = MOST_IN_MEMORY, retryMs = FIRST_RETRY_MS } = options;
  const folder = join(dir, 'journal');
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const id = randomUUID();
  const lock = tryLock(lockFile(folder, id));
  if (!lock) throw new Error(`${folder}: somebody holds a lock that is new.`);
  const to = { store, folder, batch, log };

  const [one, other] = segmentFiles(folder, id).map(openSegment) as [Segment, Segment];
  let current = one;
  /** What is being written; it stays so until the database has all of it. */
  let leaving: Segment | undefined;
  let inMemory = 0;
  let failing = false;
  let journalFails = false;
  let pauseMs = retryMs;
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<void> | undefined;
  let closed = false;

  const writeOne = async (): Promise<void> => {
    if (!leaving) {
      leaving = current;
      current = current === one ? other : one;
    }
    const { records } = leaving;
    while (records.length > 0) {
      const next = records.slice(0, batch);
      await addAll(next, to);
      records.splice(0, next.length);
      inMemory -= next.length;
    }
    // again those that were in memory: the database knows them
    if (leaving.spilled) await replay(leaving.file, to);
    leaving.clear();
    leaving = undefined;
  };
  const writeAll = async (): Promise<void> => {
    try {
      do await writeOne();
      while (current.count >= batch);
    } catch (error) {
      if (!failing) log.error({ err: error, waiting: pending() }, 'The database takes no records of usage; they wait in the journal.');
      failing = true;
      throw error;
    }
    if (failing) log.info({}, 'The database takes records of usage again.');
    failing = false;
  };
  const run = (): Promise<void> => {
    clearTimeout(timer);
    timer = undefined;
    running ??= writeAll().finally(() => {
      running = undefined;
      if (pending() > 0) runIn(failing ? pauseMs : everyMs);
      pauseMs = failing ? Math.min(pauseMs * 2, LAST_RETRY_MS) : retryMs;
    });
    return running;
  };
  const runIn = (ms: number): void => {
    if (closed || timer || running) return;
    timer = setTimeout(() => {
      // the log has said it, and the next time is set
      run().catch(() => undefined);
    }, ms);
    timer.unref();
  };
  const pending = (): number => one.count + other.count;

  const keep = (record: UsageRecord): void => {
    current.count++;
    let written = true;
    try {
      current.append(record);
      journalFails = false;
    } catch (error) {
      written = false;
      if (!journalFails)
        log.error({ err: error, file: current.file }, 'The journal of usage cannot be written; records are in memory only.');
      journalFails = true;
    }
    if (inMemory < mostInMemory) {
      current.records.push(record);
      inMemory++;
      return;
    }
    current.spilled = true;
    if (!written) log.error({ record: record.id }, 'A record of usage is lost: neither the database nor the journal takes it.');
  };

  const ended = new AbortController();
  let looking = Promise.resolve();
  let lookFails = false;
  const look = async (): Promise<void> => {
    try {
      await takeOver({ ...to, signal: ended.signal });
      lookFails = false;
    } catch (error) {
      // nothing is lost: it goes on at the next start
      if (closed) return;
      if (!lookFails) log.error({ err: error, folder }, 'Journals of usage of earlier processes cannot be taken over yet.');
      lookFails = true;
    }
  };
  const lookAgain = (): Promise<void> => (looking = looking.then(look));
  const recovered = lookAgain();
  const looks = setInterval(() => void lookAgain(), LOOK_EVERY_MS).unref();

  const flush = async (): Promise<void> => {
    await running;
    if (leaving) await run();
    if (current.count > 0) await run();
  };

  return {
    add(record) {
      if (closed) {
        log.error({ record: record.id }, 'A record of usage is lost: it came after the end.');
        return;
      }
      keep(record);
      if (current.count === batch && !failing) {
        clearTimeout(timer);
        timer = undefined;
        runIn(0);
        return;
      }
      runIn(failing ? pauseMs : everyMs);
    },
    flush,
    pending,
    recovered,
    async close() {
      if (closed) return;
      closed = true;
      clearInterval(looks);
      clearTimeout(timer);
      ended.abort();
      await looking;
      try {
        await flush();
      } catch (error) {
        log.warn({ err: error, waiting: pending() }, 'Records of usage stay in the journal until the next start.');
      }
      for (const segment of [one, other]) {
        if (segment.count === 0) segment.remove();
        else segment.close();
      }
      lock.release();
    },
  };
}

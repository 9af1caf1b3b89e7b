/**
 * Records of usage on their way into the database: each is in a file of this process, its journal, when `add` returns, and in the
 * database soon after. A process that is killed leaves its journal behind, and the next one, or another that shares the folder, takes
 * it over. Records may be sent twice on the way; the database takes each id once.
 */
import { randomUUID } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { UsageRecord } from '../../gateway/accounts.ts';
import type { Bequest, LastingCounters, UsageStore } from '../../gateway/store-ports.ts';
import type { StoreLog } from '../database.ts';
import { isRefusal } from '../refusal.ts';
import { recordOfText, spentText, textOf, toldText } from './lines.ts';
import { tryLock } from './lock.ts';
import { openSegment } from './segment.ts';
import type { Segment } from './segment.ts';
import { addAll, journalFiles, lockFile, replay, takeOver } from './take-over.ts';

export interface UsageWriterOptions {
  readonly store: Pick<UsageStore, 'add' | 'addLines'>;
  /** The data directory; journals are in its folder `journal`. */
  readonly dir: string;
  readonly log: StoreLog;
  /** Where what is counted outlives processes: what dead ones have spent is charged there before it goes into the database. */
  readonly lasting?: LastingCounters | undefined;
  /** Milliseconds that a record waits for others. */
  readonly everyMs?: number;
  /** Records in a transaction. */
  readonly batch?: number;
  /** Records in memory; those beyond are in the journal only until the database takes them. */
  readonly mostInMemory?: number;
  /** Milliseconds until the first try again where the database takes nothing; each pause is twice the one before, up to 10 s. */
  readonly retryMs?: number;
}

/** Records that are in the journal, and not to go into the database before they are charged. Never throws. */
export interface Spending {
  /** They may go: they are charged, or the counters will be told of them later. */
  write(): void;
  /** The counters have it: nobody has to settle it in the place of this process. */
  told(): void;
}

export interface UsageWriter {
  /** Returns at once, and never throws. */
  add(record: UsageRecord): void;
  /** Records with what they have to be charged to first: from now on somebody will do so, even if this process dies. */
  spend(bequest: Bequest, records: readonly UsageRecord[]): Spending;
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

/** What was spent, and its records, which are not to go into the database yet. */
interface Spent {
  readonly bequest: Bequest;
  readonly records: readonly UsageRecord[];
  /** Of the records, in the same order. */
  readonly texts: readonly string[];
  /** Where its line is; undefined where it could not be written. */
  segment: Segment | undefined;
  isTold: boolean;
}

/** Throws what the file system throws where a journal cannot be made. */
export function createUsageWriter(options: UsageWriterOptions): UsageWriter {
  const { store, dir, log, lasting, everyMs = EVERY_MS, batch = BATCH } = options;
  const { mostInMemory = MOST_IN_MEMORY, retryMs = FIRST_RETRY_MS } = options;
  const folder = join(dir, 'journal');
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const id = randomUUID();
  const lock = tryLock(lockFile(folder, id));
  if (!lock) throw new Error(`${folder}: somebody holds a lock that is new.`);
  const to = { store, folder, batch, log };

  const [one, other, late] = journalFiles(folder, id).map(openSegment) as [Segment, Segment, Segment];
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
  const unsettled = new Map<string, Spent>();
  /** Holds of which the counters are to be told, whose records go into the database meanwhile: those in `late`. */
  const untold = new Set<string>();

  const addTexts = async (texts: readonly string[]): Promise<void> => {
    try {
      await store.addLines(texts);
    } catch (error) {
      if (!isRefusal(error)) throw error;
      // finds out which one it is
      await addAll(texts.map(recordOfText), to);
    }
  };
  const writeOne = async (): Promise<void> => {
    if (!leaving) {
      leaving = current;
      current = current === one ? other : one;
    }
    const { records } = leaving;
    while (records.length > 0) {
      const next = records.slice(0, batch);
      await addTexts(next);
      records.splice(0, next.length);
      inMemory -= next.length;
    }
    // again those that were in memory: the database knows them
    if (leaving.spilled) await replay(leaving.file, to, ({ bequest, records }) => (unsettled.has(bequest.holdId) ? [] : records));
    // what is not settled stays in the journal
    for (const spent of unsettled.values()) if (spent.segment === leaving) put(spent);
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

  /** False where the file system does not take it. */
  const append = (text: string, to = current): boolean => {
    try {
      to.append(text);
      journalFails = false;
      return true;
    } catch (error) {
      if (!journalFails) log.error({ err: error, file: to.file }, 'The journal of usage cannot be written; records are in memory only.');
      journalFails = true;
      return false;
    }
  };
  /** Into the database soon. `isThere`: it is in the file of `current`. */
  const keep = ({ id }: UsageRecord, text: string, isThere: boolean): void => {
    current.count++;
    if (inMemory < mostInMemory) {
      current.records.push(text);
      inMemory++;
    } else {
      current.spilled = true;
      if (!isThere) log.error({ record: id }, 'A record of usage is lost: neither the database nor the journal takes it.');
    }
    if (current.count === batch && !failing) {
      clearTimeout(timer);
      timer = undefined;
      runIn(0);
      return;
    }
    runIn(failing ? pauseMs : everyMs);
  };

  const put = (spent: Spent): void => {
    const to = current;
    spent.segment = append(spentText(spent.bequest, spent.texts)) ? to : undefined;
  };
  const write = (spent: Spent): void => {
    const { bequest, records, texts, segment, isTold } = spent;
    // after the end: whoever takes over the journal finds it
    if (closed || unsettled.get(bequest.holdId) !== spent) return;
    // before its records go: from then on a budget that is read from them may have it
    if (!isTold) {
      untold.add(bequest.holdId);
      append(spentText(bequest, []), late);
    }
    for (const [at, record] of records.entries()) {
      const text = texts[at] ?? textOf(record);
      keep(record, text, segment === current || append(text));
    }
    unsettled.delete(bequest.holdId);
  };
  const told = (spent: Spent): void => {
    spent.isTold = true;
    if (closed || !untold.delete(spent.bequest.holdId)) return;
    append(toldText(spent.bequest.holdId), late);
    if (untold.size === 0) late.clear();
  };

  const ended = new AbortController();
  let looking = Promise.resolve();
  let lookFails = false;
  const look = async (): Promise<void> => {
    try {
      await takeOver({ ...to, signal: ended.signal }, lasting);
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
      const text = textOf(record);
      keep(record, text, append(text));
    },
    spend(bequest, records) {
      if (closed) {
        log.error({ records: records.map(({ id }) => id) }, 'Records of usage are lost: they came after the end.');
        return { write: () => undefined, told: () => undefined };
      }
      const spent: Spent = { bequest, records, texts: records.map(textOf), segment: undefined, isTold: false };
      unsettled.set(bequest.holdId, spent);
      put(spent);
      return { write: () => write(spent), told: () => told(spent) };
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
      for (const segment of [one, other, late]) segment.close();
      lock.release();
    },
  };
}

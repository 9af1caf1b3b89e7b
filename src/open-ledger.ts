/** What is counted and written down of requests: counters, the journal of records, and what deletes old ones. */
import type { Logger } from 'pino';
import type { Config } from './config/settings.ts';
import { spenderOf } from './gateway/applying.ts';
import { createBooks } from './gateway/books.ts';
import { memoryCounters } from './gateway/counters.ts';
import { createLine } from './gateway/line.ts';
import type { CounterStore, Store } from './gateway/store-ports.ts';
import type { Ledger } from './runtime.ts';

/** What requests that just ended have to be settled. */
const LAST_SETTLEMENTS_MS = 1000;

export interface LedgerParts {
  readonly store: Store;
  readonly log: Logger;
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number;
  /** Those of a process above this one, which closes them; absent: its own, or Redis. */
  readonly counters?: CounterStore | undefined;
}

export interface OpenLedger extends Ledger {
  /** All records that there are so far are in the store when it resolves. Rejects where the store takes none. */
  flush(): Promise<void>;
  /** Writes what is left to write. */
  close(): Promise<void>;
}

/** Loads what it needs of the storage. Throws what the file system throws where a journal cannot be made. */
export async function openLedger({ data, redis, workers }: Config, { store, log, now, counters: given }: LedgerParts): Promise<OpenLedger> {
  if (!data) throw new Error('a store without a place for its journal');
  const { createUsageWriter } = await import('./store/journal/usage-writer.ts');
  const counters = given ?? (await openCounters({ redis, workers }, log));
  const { lasting } = counters;
  const writer = createUsageWriter({ store: store.usage, dir: data.dir, log, lasting });
  const flush = async (): Promise<void> => {
    // what a process that was killed has left
    await writer.recovered;
    await writer.flush();
  };
  counters.seed(async (budget) => {
    // what was spent lately may not be in the database yet
    await writer.flush();
    return store.usage.spent(spenderOf(budget), budget.since);
  }, writer.recovered);
  const books = createBooks({
    counters,
    record: writer.add,
    spend: lasting && (({ holdId, charges }, records) => writer.spend({ holdId, charges, ...lasting.note(holdId) }, records)),
    now,
    clock: Date.now,
    failed: (cause) => log.error({ err: cause }, 'what a request used could not be counted'),
  });
  return {
    counters,
    books,
    completions: store.completions,
    line: createLine(Infinity),
    flush,
    async close() {
      await books.quiet(LAST_SETTLEMENTS_MS);
      await counters.close();
      await writer.close();
    },
  };
}

async function openCounters({ redis, workers }: Pick<Config, 'redis' | 'workers'>, log: Logger): Promise<CounterStore> {
  if (!redis) return memoryCounters();
  const { redisCounters } = await import('./store/redis/counters.ts');
  const { url, prefix, whenDown, allowance } = redis;
  return redisCounters({
    url: url.reveal(),
    prefix,
    log,
    least: workers,
    whenDown: whenDown === 'refuse' ? 'refuse' : { allow: allowance },
  });
}

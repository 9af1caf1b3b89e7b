/** Journals of workers that are gone: read at once, and again until they are. */
import { join } from 'node:path';
import type { Logger } from 'pino';
import type { Store } from '../gateway/store-ports.ts';
import type { Leases } from './leases.ts';

export interface Journals {
  /** Resolves when those of processes before this one were looked for. */
  readonly recovered: Promise<void>;
  /** Of the worker with this name. Resolves when it has been read, or cannot be for now: then it is tried again. Does not reject. */
  takeOver(by: string): Promise<void>;
  /** Resolves when no taking over is under way. */
  settled(): Promise<void>;
  close(): Promise<void>;
}

export interface JournalsParts {
  readonly store: Store;
  /** The data directory. */
  readonly dir: string;
  readonly log: Logger;
  readonly leases: Leases;
}

const BATCH = 500;

/** Throws what the file system throws where there can be no journals. */
export async function openJournals({ store, dir, log, leases }: JournalsParts): Promise<Journals> {
  const { createUsageWriter } = await import('../store/journal/usage-writer.ts');
  const { takeOver } = await import('../store/journal/take-over.ts');
  const lasting = {
    ...leases.lasting,
    // nothing is taken in this process
    note: () => ({ by: '', how: '' }),
  };
  // writes nothing itself, and looks for what others have left from time to time
  const writer = createUsageWriter({ store: store.usage, dir, log, lasting });
  const running = new Set<Promise<void>>();

  const read = async (by: string): Promise<void> => {
    try {
      await takeOver({ store: store.usage, folder: join(dir, 'journal'), batch: BATCH, log }, lasting);
      await leases.lasting.forget(by);
    } catch (cause) {
      log.error({ err: cause }, 'The journal of a worker that is gone cannot be read for now.');
    }
  };
  return {
    recovered: writer.recovered,
    takeOver(by) {
      const reading = read(by).finally(() => running.delete(reading));
      running.add(reading);
      return reading;
    },
    async settled() {
      await Promise.all(running);
    },
    async close() {
      await Promise.all(running);
      await writer.close();
    },
  };
}

/** Deletes records of usage that are older than they are to be kept: a few at a time, with rests, so that nobody waits for it. */
import type { UsageStore } from './store-ports.ts';

export interface RetentionParts {
  readonly usage: Pick<UsageStore, 'prune'>;
  /** How long records are kept, as it is configured now; undefined: for ever. */
  readonly keepMs: () => number | undefined;
  /** Unix milliseconds. */
  readonly clock: () => number;
  readonly failed: (cause: unknown) => void;
  readonly times?: RetentionTimes;
}

/** Milliseconds. */
export interface RetentionTimes {
  readonly firstMs: number;
  readonly everyMs: number;
  /** Between two steps of the same round. */
  readonly restMs: number;
}

const TIMES: RetentionTimes = { firstMs: 60_000, everyMs: 3_600_000, restMs: 100 };

/** Records deleted in one transaction. */
export const STEP = 1000;

export interface Retention {
  /** Ends it; resolves when nothing of it is under way. */
  close(): Promise<void>;
}

export function startRetention({ usage, keepMs, clock, failed, times = TIMES }: RetentionParts): Retention {
  let closed = false;
  let running: Promise<void> | undefined;
  let timer: NodeJS.Timeout | undefined;

  const next = (ms: number): void => {
    if (closed) return;
    timer = setTimeout(() => {
      running = step();
    }, ms);
    timer.unref();
  };
  const step = async (): Promise<void> => {
    next(await prune());
  };
  /** Resolves with how long to wait until the next time. */
  const prune = async (): Promise<number> => {
    const keep = keepMs();
    if (keep === undefined) return times.everyMs;
    try {
      const gone = await usage.prune(clock() - keep, STEP);
      return gone < STEP ? times.everyMs : times.restMs;
    } catch (cause) {
      failed(cause);
      return times.everyMs;
    }
  };
  next(times.firstMs);
  return {
    async close() {
      closed = true;
      clearTimeout(timer);
      await running;
    },
  };
}

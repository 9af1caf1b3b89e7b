/** Keeps so many workers at work: replaces those that die, and all of them, one after the other, where that is asked for. */
import type { Logger } from 'pino';

/** One worker, from its start to its end. */
export interface WorkerProcess {
  /** How the log calls it; never used again for another one. */
  readonly name: string;
  readonly pid: number | undefined;
  /** Resolves when it accepts connections; rejects where it cannot start, or ends before. */
  readonly ready: Promise<void>;
  /** Resolves when it is gone and everything it said has been heard, with words for the log. */
  readonly gone: Promise<string>;
  /** It has what it works on come to its end, for so many milliseconds at most, and ends. `linger`: so that no client notices. */
  end(deadlineMs: number, linger: boolean): void;
  kill(): void;
}

export interface HerdParts {
  readonly size: number;
  readonly start: () => WorkerProcess;
  readonly log: Logger;
  /** Milliseconds, never going back. */
  readonly now: () => number;
  /** How long a worker has to end what it works on. Asked each time. */
  readonly shutdownMs: () => number;
  /** Is told how many serve, when that has changed. */
  readonly changed?: (serving: number) => void;
  readonly times?: HerdTimes;
}

export interface HerdTimes {
  /** A worker that served for a shorter time is one more failure in a row. */
  readonly stableMs: number;
  /** The pause after the second failure in a row; each is twice the one before, up to `mostMs`. */
  readonly firstMs: number;
  readonly mostMs: number;
  /** What a worker has beyond its deadline before it is killed. */
  readonly graceMs: number;
}

export interface Herd {
  /** Resolves when all accept connections. Rejects, and ends those that there are, with what the first that failed failed with. */
  start(): Promise<void>;
  /** Those that serve, the oldest first. */
  serving(): readonly WorkerProcess[];
  /** A new worker accepts before an old one stops. Resolves when all are new; rejects, and leaves the rest as it is, where a new one cannot start. */
  roll(): Promise<void>;
  /** Resolves when all are gone. */
  close(): Promise<void>;
  /** Rejects when no worker is left and none can be started. */
  readonly failed: Promise<never>;
}

const TIMES: HerdTimes = { stableMs: 1000, firstMs: 250, mostMs: 30_000, graceMs: 3000 };
/** Starts in a row that fail while nobody serves, before it is given up. */
const MOST_FAILURES = 5;

export function createHerd({ size, start: launch, log, now, shutdownMs, changed, times = TIMES }: HerdParts): Herd {
  const serving = new Set<WorkerProcess>();
  const all = new Set<WorkerProcess>();
  /** Told to end. */
  const leaving = new Set<WorkerProcess>();
  const failed = Promise.withResolvers<never>();
  failed.promise.catch(() => undefined);
  let failures = 0;
  let closed = false;
  let rolling: Promise<void> | undefined;

  /** Resolves with the worker when it serves. */
  const begin = async (): Promise<WorkerProcess> => {
    const worker = launch();
    let from = now();
    all.add(worker);
    const gone = worker.gone.then((words) => {
      all.delete(worker);
      const served = serving.delete(worker);
      if (served) changed?.(serving.size);
      if (!served || closed || leaving.has(worker)) return;
      log.error({ worker: worker.name, pid: worker.pid, why: words }, 'a worker ended unexpectedly; another one takes its place');
      failures = now() - from < times.stableMs ? failures + 1 : 0;
      void replace();
    });
    try {
      await worker.ready;
    } catch (cause) {
      worker.kill();
      await gone;
      throw cause;
    }
    // it may have ended in the moment in which it was ready
    if (!all.has(worker)) throw new Error('The worker ended as soon as it was ready.');
    from = now();
    serving.add(worker);
    changed?.(serving.size);
    return worker;
  };

  const replace = async (): Promise<void> => {
    for (;;) {
      const pause = failures < 2 ? 0 : Math.min(times.mostMs, times.firstMs * 2 ** (failures - 2));
      if (pause > 0) await new Promise((resolve) => setTimeout(resolve, pause).unref());
      if (closed || serving.size >= size) return;
      try {
        const { name, pid } = await begin();
        log.info({ worker: name, pid }, 'worker started');
        return;
      } catch (cause) {
        if (closed) return;
        failures++;
        log.error({ err: cause, failures }, 'a worker could not be started');
        if (serving.size > 0 || failures < MOST_FAILURES) continue;
        failed.reject(cause);
        return;
      }
    }
  };

  const end = async (worker: WorkerProcess, linger: boolean): Promise<void> => {
    leaving.add(worker);
    const deadlineMs = shutdownMs();
    worker.end(deadlineMs, linger);
    const timer = setTimeout(() => {
      log.warn({ worker: worker.name, pid: worker.pid }, 'a worker did not end in time');
      worker.kill();
    }, deadlineMs + times.graceMs);
    await worker.gone;
    clearTimeout(timer);
    leaving.delete(worker);
  };

  const rollAll = async (): Promise<void> => {
    const former = [...serving];
    for (const old of former) {
      if (closed) return;
      // it died meanwhile, and its place is taken by a new one
      if (!serving.has(old)) continue;
      const fresh = await begin();
      log.info({ worker: fresh.name, pid: fresh.pid, instead: old.name }, 'worker started');
      const spare = serving.has(old) ? old : fresh;
      if (serving.size <= size || !serving.delete(spare)) continue;
      changed?.(serving.size);
      await end(spare, true);
    }
  };

  return {
    async start() {
      const started = await Promise.allSettled(Array.from({ length: size }, begin));
      const bad = started.find((one) => one.status === 'rejected');
      if (!bad) return;
      closed = true;
      await Promise.all([...all].map((worker) => end(worker, false)));
      throw bad.reason;
    },
    serving: () => [...serving],
    roll() {
      rolling ??= rollAll().finally(() => {
        rolling = undefined;
        // one that died when there was one too many was not replaced
        if (serving.size < size && !closed) void replace();
      });
      return rolling;
    },
    async close() {
      closed = true;
      serving.clear();
      await Promise.all([...all].map((worker) => end(worker, false)));
    },
    failed: failed.promise,
  };
}

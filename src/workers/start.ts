/** The process above the workers: it has what there is only once, and serves no requests itself. */
import type { Logger } from 'pino';
import { openMetricsAside, openTalk, startManager } from '../compose-parts.ts';
import type { Applied } from '../compose-root.ts';
import { afterRestart, refuseLive } from '../config/live.ts';
import type { Config } from '../config/settings.ts';
import { GatewayError } from '../core/error.ts';
import { spenderOf } from '../gateway/applying.ts';
import { memoryCounters } from '../gateway/counters.ts';
import { startRetention } from '../gateway/retention.ts';
import type { Store } from '../gateway/store-ports.ts';
import { createFigures } from './figures.ts';
import { createHealthRelay } from './health-relay.ts';
import { createHerd } from './herd.ts';
import { openJournals } from './journals.ts';
import { createKnownAccounts } from './known-accounts.ts';
import { createLeases } from './leases.ts';
import type { Brief } from './main.ts';
import { offerTo } from './offer.ts';
import type { Desk } from './offer.ts';
import type { Answerer, Peer } from './peer.ts';
import { packConfig } from './config-message.ts';
import { createPlaces } from './places.ts';
import { partOf } from './part.ts';
import { spawnWorker } from './spawn.ts';
import type { SpawnedWorker } from './spawn.ts';
import { within } from './within.ts';

export interface WorkersOptions {
  readonly config: Config;
  readonly version: string;
  readonly store: Store | undefined;
  readonly log: Logger;
  /** Is given each line of the workers' logs; absent: they write to the standard output of this process themselves. */
  readonly onLine?: (line: string) => void;
}

export interface RunningWorkers {
  readonly url: string;
  readonly metricsUrl: string | undefined;
  /** Resolves when every worker serves by the configuration. Rejects, and changes nothing, where it cannot hold while the server runs. */
  apply(config: Config): Promise<Applied>;
  /** Replaces all workers, one after the other: no request is lost. Rejects where a new one cannot start; the old ones then stay. */
  restart(): Promise<void>;
  /** Lets running answers end within the deadline, then ends everything. */
  close(): Promise<void>;
  /** Rejects when no worker is left and none can be started. */
  readonly failed: Promise<never>;
  /** Process ids of those that serve. */
  pids(): readonly number[];
}

/** What a worker may take to tell something about itself. */
const ANSWER_MS = 1000;
/** What it may take to write down what it has. */
const FLUSH_MS = 3000;

export async function startWorkers({ config: started, version, store: opened, log, onLine }: WorkersOptions): Promise<RunningWorkers> {
  const store = opened && { ...opened, accounts: createKnownAccounts(opened.accounts) };
  const now = (): number => performance.now();
  let config = started;
  const manager = startManager(started, log);
  const counters = store && !started.redis ? memoryCounters() : undefined;
  const leases = counters && createLeases(counters);
  const journals = store && started.data && leases ? await openJournals({ store, dir: started.data.dir, log, leases }) : undefined;
  const workers = new Set<SpawnedWorker>();
  const ask = (worker: SpawnedWorker, what: string, ms: number): Promise<unknown> => within(ms, worker.peer.call(what, []));

  counters?.seed(async (budget) => {
    // what was spent lately may not be in the database yet
    await flush();
    return store?.usage.spent(spenderOf(budget), budget.since) ?? 0n;
  }, journals?.recovered);

  const figures = createFigures({
    version,
    enabled: started.metrics.enabled,
    engines: () => manager.figures(),
    workers: () => Array.from(workers, (worker) => ({ name: worker.name, ask: () => ask(worker, 'figures', ANSWER_MS) })),
  });
  const readiness = async () => {
    const loads = await Promise.all(
      herd.serving().map(async (worker) => {
        const load = await ask(worker as SpawnedWorker, 'load', ANSWER_MS).catch(() => undefined);
        return (load ?? { running: 0, waiting: 0 }) as { readonly running: number; readonly waiting: number };
      }),
    );
    return {
      workers: { serving: loads.length, of: size },
      engines: manager.status().map(({ pid: _, ...status }) => status),
      running: loads.reduce((sum, { running }) => sum + running, 0),
      waiting: loads.reduce((sum, { waiting }) => sum + waiting, 0),
    };
  };
  /** All records so far are in the store. */
  const flush = async (): Promise<void> => {
    await Promise.all(Array.from(workers, flushOne));
    // those of workers that are gone
    await journals?.settled();
  };
  const flushOne = async (worker: SpawnedWorker): Promise<void> => {
    try {
      await ask(worker, 'flush', FLUSH_MS);
    } catch (cause) {
      if (!worker.peer.isOpen()) return;
      throw new GatewayError('overloaded', 'What a worker used last is not written down yet. Try again.', { retryAfterMs: 1000, cause });
    }
  };
  const places = createPlaces(started.routing.maxInFlight, () => [...workers]);
  const more: Readonly<Record<string, Answerer>> = { readiness, flush, figures: () => figures.all() };

  const failed = (cause: unknown): void => log.error({ err: cause }, 'a message of a worker could not be taken in');
  const launch = (): SpawnedWorker => {
    const worker = spawnWorker({ offer: offerWith, failed, onLine });
    workers.add(worker);
    void worker.gone.then(() => workers.delete(worker));
    return worker;
  };
  const offerWith = (worker: SpawnedWorker) => {
    const { name, peer } = worker;
    const by = `${RUN}/${name}`;
    const desk: Desk = {
      manager,
      engine: started.engine,
      relay,
      store,
      leases,
      keysChanged: (changer: Peer) => {
        for (const other of workers) if (other.peer !== changer) other.peer.tell('keys.changed', []);
        talk?.accounts.tell();
      },
      inherited: async () => journals?.takeOver(by),
      more: {
        ...more,
        'worker.begin': ([theirs]): Brief => {
          if (theirs !== version)
            throw new Error(`The worker is of version ${String(theirs)}, the process above of ${version}: restart it.`);
          return {
            name,
            by,
            started: packConfig(partOf(started, size)),
            config: packConfig(partOf(config, size)),
            hasStore: store !== undefined,
            hasCounters: leases !== undefined,
          };
        },
        'places.more': () => places.more(worker),
        'worker.end': ([last]) => figures.keep(name, last),
      },
    };
    const { answers, gone } = offerTo(by, peer, desk);
    return {
      answers,
      gone() {
        gone();
        places.leave(worker);
        figures.gone(name);
      },
    };
  };

  const relay = createHealthRelay(now);
  const size = started.workers;
  const herd = createHerd({
    size,
    start: launch,
    log,
    now,
    shutdownMs: () => config.server.shutdownTimeoutMs,
    changed: (serving) => {
      for (const { peer } of workers) peer.tell('workers', [{ serving, of: size }]);
    },
  });
  const closeParts = async (): Promise<void> => {
    talk?.close();
    await Promise.all([manager.close(), aside?.server.close()]);
    await journals?.close();
    await counters?.close();
  };
  for (const notice of started.notices) log.warn(notice);
  const aside = await openMetricsAside(figures.readable(started.metrics), log);
  // how targets do, workers tell each other there by themselves
  const talk = store && started.redis && (await openTalk(started.redis, log));
  talk?.accounts.subscribe(() => {
    for (const { peer } of workers) peer.tell('keys.heard', []);
  });
  try {
    await herd.start();
  } catch (cause) {
    await closeParts();
    throw cause;
  }
  const retention =
    store &&
    startRetention({
      usage: store.usage,
      keepMs: () => config.data?.retentionMs,
      clock: Date.now,
      failed: (cause) => log.error({ err: cause }, 'old records of usage could not be deleted'),
    });
  const url = [...workers].find((worker) => worker.url() !== undefined)?.url() ?? '';

  return {
    url,
    metricsUrl: aside?.url,
    async apply(next) {
      refuseLive(next, started);
      const packed = packConfig(partOf(next, size));
      // what one of them refuses, all would
      for (const { peer } of herd.serving() as readonly SpawnedWorker[]) {
        try {
          await peer.call('config', [packed]);
          break;
        } catch (cause) {
          // of one that died meanwhile the next one says it
          if (peer.isOpen()) throw cause;
        }
      }
      const before = config;
      config = next;
      const all = [...workers];
      const taken = await Promise.allSettled(all.map(({ peer }) => peer.call('config', [packed])));
      for (const [index, { status }] of taken.entries()) if (status === 'rejected') all[index]?.kill();
      places.tune(next.routing.maxInFlight);
      log.level = next.log.level;
      for (const notice of next.notices) if (!before.notices.includes(notice)) log.warn(notice);
      return { afterRestart: afterRestart(next, started) };
    },
    restart: () => herd.roll(),
    async close() {
      try {
        await herd.close();
      } finally {
        await retention?.close();
        await closeParts();
      }
    },
    failed: herd.failed,
    pids: () => herd.serving().flatMap(({ pid }) => pid ?? []),
  };
}

/** Sets the workers of this process apart from those of one before it, in whose journals names of the same form stand. */
const RUN = crypto.randomUUID();

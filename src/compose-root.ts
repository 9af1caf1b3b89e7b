/** The only place that builds the parts and joins them. */
import type { Logger } from 'pino';
import { afterRestart, refuseLive } from './config/live.ts';
import type { Config } from './config/settings.ts';
import { openMetricsAside, openSharedCache, openTalk, startManager, urlOf } from './compose-parts.ts';
import { createAdmission } from './gateway/admission.ts';
import type { SharedPlaces } from './gateway/admission.ts';
import { createAttempts } from './gateway/attempts.ts';
import { createAdministration } from './gateway/administration.ts';
import { createDirectory } from './gateway/directory.ts';
import { createHealthBook, DEFAULT_BREAKER } from './gateway/health.ts';
import type { BreakerSettings } from './gateway/health.ts';
import { startRetention } from './gateway/retention.ts';
import { createLine } from './gateway/line.ts';
import type { AccountNews, HealthBus } from './gateway/ports.ts';
import type { CounterStore, Store } from './gateway/store-ports.ts';
import { createProber } from './gateway/prober.ts';
import type { EngineManager } from './providers/llama/manager.ts';
import { createHttp } from './providers/http.ts';
import { createImageFetcher } from './providers/image-fetcher.ts';
import { changedProviders, createRuntime } from './runtime.ts';
import type { Lasting } from './runtime.ts';
import { openLedger } from './open-ledger.ts';
import { createServer } from './server/server.ts';
import { createLogger, requestLog } from './telemetry/log.ts';
import { giveBackMemory } from './telemetry/memory.ts';
import { createMetrics } from './telemetry/metrics.ts';
import type { Snapshot } from './telemetry/together.ts';

/** What starting needed is not needed so long after it. */
const SETTLED_MS = 2000;

export interface StartOptions {
  readonly config: Config;
  readonly version: string;
  /** What is kept, as `openData` gives it; whoever opened it closes it. Absent: only keys of the configuration are known. */
  readonly store?: Store | undefined;
  /** Where to log; absent: a logger made from the configuration. */
  readonly log?: Logger;
  /** Where this process is one of several that serve together. */
  readonly shared?: Shared;
}

/** What a process that serves together with others has from the one above them, in the place of its own. */
export interface Shared {
  readonly manager: EngineManager;
  /** Absent: they count together elsewhere. */
  readonly counters: CounterStore | undefined;
  readonly health: HealthBus;
  /** How many serve, of how many. */
  readonly workers: () => Readonly<Record<'serving' | 'of', number>> | undefined;
  readonly places: SharedPlaces;
  /** Records of usage of all of them are in the store when it resolves. */
  readonly flush: () => Promise<void>;
  /** What `/ready` says of all of them. */
  readonly readiness: () => Promise<Readonly<Record<string, unknown>>>;
  /** The metrics of all of them. */
  readonly metrics: () => Promise<string>;
}

/** What became of a configuration that was taken while the server runs. */
export interface Applied {
  /** Settings that differ from those at the start and hold only after a restart. */
  readonly afterRestart: readonly string[];
}

export interface RunningServer {
  /** `http://127.0.0.1:11435`, without a trailing slash. */
  readonly url: string;
  /** Where the metrics are, where they have an address of their own. */
  readonly metricsUrl: string | undefined;
  /**
   * Serves requests that begin from now on by another configuration; those under way keep theirs. Throws a ConfigError, and
   * changes nothing, where it cannot hold while the server runs.
   */
  apply(config: Config): Applied;
  /**
   * Lets running answers end within the deadline, that of the configuration where none is given, then ends everything. `linger`: clients
   * go on to be served on the connections that they have, for a while, and are told to take another one.
   */
  close(how?: { readonly deadlineMs?: number; readonly linger?: boolean }): Promise<void>;
  /** For the process above this one. */
  readonly inside: Inside;
}

/** What a process that serves says of itself, and is told. */
export interface Inside {
  /** Completions that run, and that wait for a place. */
  load(): { readonly running: number; readonly waiting: number };
  /** Gives up places of those that are shared, for others; how many. */
  spare(): number;
  figures(): Promise<Snapshot | undefined>;
  /** All records of usage so far are in the store when it resolves. */
  flush(): Promise<void>;
  /** Keys, or what belongs to them, have been changed by another of those that serve together. */
  keysChanged(): void;
  /** They may have been changed by somebody else. */
  keysHeard(): void;
}

/** Starts a whole server. Rejects where the address cannot be had. */
export async function startServer({
  config: started,
  version,
  store,
  log = createLogger(started.log),
  shared,
}: StartOptions): Promise<RunningServer> {
  const manager = shared?.manager ?? startManager(started, log);
  const userAgent = `parlance/${version}`;
  const http = createHttp({ userAgent, env: process.env });
  const fetcher = createImageFetcher({ userAgent });
  const now = (): number => performance.now();
  const health = createHealthBook({ settings: breakerOf(started), now });
  const admission = createAdmission(started.routing, shared?.places);
  const line = createLine(started.routing.queue);
  const attempts = createAttempts({ health, now, random: Math.random, line });
  const directory =
    store &&
    createDirectory({
      accounts: store.accounts,
      now,
      clock: () => Date.now(),
      outageMs: started.data?.outageMs ?? 0,
      failed: (cause) => log.error({ err: cause }, 'the database does not answer: keys that are known go on to work for a while'),
    });
  // from now on it knows the version under which others know keys, should the database be away when the first request comes
  if (shared) await directory?.modelLimits();
  // of those that serve together, the one above them tells
  let news: AccountNews | undefined;
  const changed = (): void => {
    directory?.changed();
    news?.tell();
  };
  const administration = store && directory && createAdministration({ accounts: store.accounts, clock: () => Date.now(), changed });
  const ledger = store && (await openLedger(started, { store, log, now, counters: shared?.counters }));
  const together = shared?.readiness;
  const answers = await openSharedCache(started.redis, log);
  const lasting: Lasting = {
    started,
    version,
    log,
    http,
    fetcher,
    manager,
    health,
    admission,
    directory,
    ledger,
    answers,
    attempts,
    together,
  };

  let config = started;
  let runtime = createRuntime(started, lasting);
  for (const notice of started.notices) log.warn(notice);
  const load = () => ({ running: admission.running(), waiting: admission.waiting() + line.waiting() });
  const figures = started.metrics.enabled
    ? createMetrics({
        version,
        admission: load,
        targets: () => health.snapshot(),
        engines: () => manager.figures(),
      })
    : undefined;
  const metrics = figures && { text: shared?.metrics ?? figures.text, contentType: figures.contentType, settings: started.metrics };
  const server = await createServer({
    log,
    logRequest: requestLog(log),
    version,
    current: () => runtime,
    ...(shared ? { workers: shared.workers } : {}),
    ...(directory && administration ? { directory, administration } : {}),
    ...(store && directory && ledger
      ? { desk: { ...store, ...ledger, flush: shared?.flush ?? ledger.flush, directory, clock: Date.now } }
      : {}),
    ...(figures && metrics ? { observe: figures.observe, metrics } : {}),
  });
  const aside = shared ? undefined : await openMetricsAside(metrics, log);
  const url = urlOf(
    await server.listen().catch(async (cause: unknown) => {
      await Promise.all([aside?.server.close(), ledger?.close()]);
      throw cause;
    }),
  );
  // where there is load already, V8 knows best what it needs
  const settled = setTimeout(() => admission.running() === 0 && giveBackMemory(), SETTLED_MS).unref();
  const prober = createProber({
    health,
    find: (id) => runtime.target(id),
    withinMs: () => config.routing.probeMs,
    now,
    probed: (id, error) => log.info({ target: id, ...(error ? { err: error } : {}) }, 'target probed'),
  });
  health.onChange(prober.heed);
  const retention =
    store &&
    !shared &&
    startRetention({
      usage: store.usage,
      keepMs: () => config.data?.retentionMs,
      clock: Date.now,
      failed: (cause) => log.error({ err: cause }, 'old records of usage could not be deleted'),
    });
  // no request has been read yet: nothing is missed
  const talk = started.redis && (await openTalk(started.redis, log));
  const bus = talk?.health ?? shared?.health;
  if (bus) {
    health.onChange(bus.publish);
    bus.subscribe(health.apply);
  }
  if (talk && directory && !shared) {
    news = talk.accounts;
    news.subscribe(directory.heard);
  }

  const apply = (next: Config): Applied => {
    refuseLive(next, started);
    const before = runtime;
    // all that can fail is above the first change
    const after = createRuntime(next, lasting, before);
    runtime = after;
    before.retire();
    for (const id of changedProviders(before, after)) {
      for (const key of health.snapshot().keys()) {
        if (key.startsWith(`${id}/`)) health.apply({ key, state: 'closed', forMs: 0, reason: 'its provider has other settings' });
      }
    }
    health.tune(breakerOf(next));
    admission.tune(next.routing);
    line.tune(next.routing.queue);
    server.tune(next.server);
    log.level = next.log.level;
    for (const notice of next.notices) if (!config.notices.includes(notice)) log.warn(notice);
    config = next;
    return { afterRestart: afterRestart(next, started) };
  };

  return {
    url,
    metricsUrl: aside?.url,
    apply,
    inside: {
      load,
      spare: admission.spare,
      figures: async () => figures?.snapshot(),
      flush: async () => ledger?.flush(),
      keysChanged: () => directory?.changed(),
      keysHeard: () => directory?.heard(),
    },
    async close({ deadlineMs = config.server.shutdownTimeoutMs, linger = false } = {}) {
      try {
        await server.close(deadlineMs, linger);
      } finally {
        clearTimeout(settled);
        prober.close();
        runtime.retire();
        await Promise.all([manager.close(), http.close(), fetcher.close(), aside?.server.close(), bus?.close(), directory?.close()]);
        talk?.close();
        answers?.close();
        if (retention) await retention.close();
        // last: what ended just now is charged and written down
        await ledger?.close();
      }
    },
  };
}

function breakerOf({ routing: { breaker, probeMs } }: Config): BreakerSettings {
  return { ...DEFAULT_BREAKER, ...breaker, probeMs };
}

/** What one configuration makes of the gateway. It never changes: the next configuration makes the next one. */
import { isDeepStrictEqual } from 'node:util';
import type { Logger } from 'pino';
import { isLoopback } from './config/loopback.ts';
import type { Config, ConfiguredProvider, RoutingSettings } from './config/settings.ts';
import { compose } from './core/call.ts';
import type { Backend, Call, Reply, Target } from './core/call.ts';
import { GatewayError } from './core/error.ts';
import type { Soon } from './core/soon.ts';
import type { Admission } from './gateway/admission.ts';
import type { Books } from './gateway/books.ts';
import { answerScope } from './answer-scope.ts';
import { cached } from './gateway/cache.ts';
import type { Directory } from './gateway/directory.ts';
import type { HealthBook } from './gateway/health.ts';
import { limited } from './gateway/limited.ts';
import type { Line } from './gateway/line.ts';
import { metered } from './gateway/metered.ts';
import { createModelAccess } from './gateway/model-access.ts';
import type { CacheStore, SharedCache, TargetSource } from './gateway/ports.ts';
import { pricedBy } from './gateway/pricing.ts';
import { DEFAULT_POLICY } from './gateway/route.ts';
import type { Route } from './gateway/route.ts';
import { createCatalog, createRouteOf, routed } from './gateway/router.ts';
import type { RouteDefaults } from './gateway/routes.ts';
import type { CompletionStore, CounterStore } from './gateway/store-ports.ts';
import { stored } from './gateway/stored.ts';
import { encodeResponse } from './protocols/openai-chat/response.ts';
import { createLlamaBackend } from './providers/llama/backend.ts';
import { createLibrary } from './providers/llama/library.ts';
import type { EngineManager } from './providers/llama/manager.ts';
import { localTargets } from './providers/llama/targets.ts';
import type { Http } from './providers/http.ts';
import type { ImageFetcher } from './providers/image-fetcher.ts';
import { inlineImages } from './providers/media.ts';
import { buildProvider } from './providers/remote/build.ts';
import { LIST_TIMES } from './providers/remote/listed.ts';
import { createRemoteSource } from './providers/remote/source.ts';
import type { RemoteSource } from './providers/remote/source.ts';
import type { Service } from './server/parts.ts';

/** What outlives any configuration. */
export interface Lasting {
  /** The configuration at the start: what the engine and the models' folder are until the process ends. */
  readonly started: Config;
  /** Of the program. */
  readonly version: string;
  readonly log: Logger;
  readonly http: Http;
  readonly fetcher: ImageFetcher;
  readonly manager: EngineManager;
  readonly health: HealthBook;
  readonly admission: Admission;
  /** Absent where nothing is kept. */
  readonly directory: Directory | undefined;
  /** Absent with the directory. */
  readonly ledger: Ledger | undefined;
  /** Answers that other processes have as well; absent where nothing is shared. */
  readonly answers: SharedCache | undefined;
  readonly attempts: (route: Route, call: Call) => Promise<Reply>;
  /** What is so of all processes that serve together; absent where it is this one alone. */
  readonly together: (() => Promise<Readonly<Record<string, unknown>>>) | undefined;
}

/** What is counted and written down of requests. */
export interface Ledger {
  readonly counters: CounterStore;
  readonly books: Books;
  readonly completions: CompletionStore;
  /** For money that others hold. */
  readonly line: Line;
}

export interface Runtime extends Service {
  /** Its place is another's now: it ends with the last request that it serves. */
  retire(): void;
  /** The model of this id, as its source has it now. */
  target(id: string): Promise<Target | undefined>;
  /** For the one that follows, which takes over what stays the same. */
  readonly parts: Parts;
}

interface Parts {
  readonly providers: ReadonlyMap<string, Held>;
  readonly local: Local;
}

/** A provider's models, used by one runtime or by several that follow each other. */
interface Held {
  readonly planned: ConfiguredProvider;
  readonly source: RemoteSource;
  readonly ending: AbortController;
  users: number;
}

interface Local {
  readonly builtIn: boolean;
  readonly source: TargetSource;
}

/** Builds the runtime of a configuration; `before` is the one whose place it takes. */
export function createRuntime(config: Config, lasting: Lasting, before?: Runtime): Runtime {
  const { health, admission, directory, ledger, attempts, manager, log } = lasting;
  const parts = partsOf(config, lasting, before?.parts);
  const { providers, local } = parts;
  const sources = [local.source, ...Array.from(providers.values(), ({ source }) => source)];
  const catalog = createCatalog(sources, {
    names: config.models.names,
    routes: config.models.routes,
    defaults: defaultsOf(config.routing),
    pricing: pricedBy(config.prices),
  });
  const cache = cached({
    settings: config.cache,
    now: () => performance.now(),
    failed: (cause) => log.warn({ err: cause }, 'the cache of answers failed; the answer went out without it'),
    shared: sharedAnswers(config, lasting),
  });
  const access = createModelAccess(catalog, directory);
  const routeOf = createRouteOf(catalog, {
    pricedOnly: config.prices.unpriced === 'refuse',
    ...(ledger ? { held: (call: Call) => ledger.books.of(call)?.route } : {}),
  });
  const { counted, noted } = layersOf(config, lasting, routeOf);
  for (const held of providers.values()) held.users++;
  let requests = 0;
  let retired = false;
  const endIfUnused = (): void => {
    if (!retired || requests > 0) return;
    for (const held of providers.values()) leave(held);
  };

  return {
    server: config.server,
    keys: config.keys,
    // what a key may not use is not for it in the cache either; a hit needs no place, and so it waits for none
    handler: compose(access.layer, ...counted, cache, ...noted, admission.layer)(routed(routeOf, attempts)),
    models: access,
    async ready() {
      const models = await catalog.list();
      return {
        ready: models.length > 0,
        detail: {
          models: models.length,
          engines: manager.status().map(({ pid: _, ...status }) => status),
          running: admission.running(),
          waiting: admission.waiting(),
          // nobody needs a key to ask whether the server is ready: what is said of targets is for this machine alone
          ...(isLoopback(config.server.host) ? { targets: targetStates(health) } : {}),
          ...(await lasting.together?.()),
        },
      };
    },
    enter() {
      requests++;
    },
    leave() {
      requests--;
      endIfUnused();
    },
    async target(id) {
      for (const source of sources) {
        const target = await source.find(id);
        if (target) return target;
      }
      return undefined;
    },
    retire() {
      if (retired) return;
      retired = true;
      endIfUnused();
    },
    parts,
  };
}

/** Where answers are kept for other processes too; undefined where they are not. */
function sharedAnswers(config: Config, { answers, started, version }: Lasting): CacheStore | undefined {
  const { inRedis, ttlMs, maxBytes } = config.cache;
  if (!answers || !inRedis) return undefined;
  // of several workers each has its part of the memory; in Redis there is the whole of it for all
  return answers.of({ scope: answerScope(config, version), ttlMs, room: maxBytes * started.workers });
}

/** What is counted before the cache is asked, and what is noted behind it; nothing where nothing is kept. */
function layersOf({ limits, routing, data }: Config, { directory, ledger, log }: Lasting, routeOf: (call: Call) => Soon<Route>) {
  if (!directory || !ledger) return { counted: [], noted: [] };
  const { counters, books, line, completions } = ledger;
  const settings = { ...limits, maxWaitMs: routing.maxWaitMs, mostWaiting: routing.queue };
  const failed = (cause: unknown): void => log.error({ err: cause }, 'a completion could not be kept');
  const keeps = data?.storeCompletions === true ? [stored({ completions, encode: encodeResponse, clock: Date.now, failed })] : [];
  return {
    counted: [...keeps, limited({ counters, directory, books, routeOf, settings, line, clock: Date.now })],
    noted: [metered(books)],
  };
}

/** Without what a provider said last: that is for the log. */
function targetStates(health: HealthBook) {
  return Object.fromEntries([...health.snapshot()].map(([key, { lastError: _, ...state }]) => [key, state]));
}

function leave(held: Held): void {
  held.users--;
  if (held.users === 0) held.ending.abort(new GatewayError('cancelled', 'The provider is not used any more.'));
}

function defaultsOf(routing: RoutingSettings): RouteDefaults {
  const { attempts, maxWaitMs, wholeMs, hedge, onContentFilter, continues, drains, firstOutputMs, idleMs } = routing;
  const policy = { ...DEFAULT_POLICY, attempts, maxWaitMs, wholeMs, hedge, onContentFilter, continues, drains };
  return { policy, timeouts: { firstOutputMs, idleMs } };
}

/** In a function of its own: nothing that a runtime keeps may hold on to the one before it, and so to all before that. */
function partsOf(config: Config, lasting: Lasting, before: Parts | undefined): Parts {
  const providers = new Map(config.providers.map((planned) => [planned.id, heldOf(planned, lasting, before?.providers)]));
  return { providers, local: localOf(config, lasting, before?.local) };
}

/** The same source, with its list of models, where nothing about the provider has changed. */
function heldOf(planned: ConfiguredProvider, lasting: Lasting, before: ReadonlyMap<string, Held> | undefined): Held {
  const known = before?.get(planned.id);
  if (known && sameProvider(known.planned, planned)) return known;
  const ending = new AbortController();
  return { planned, source: remoteSource(planned, lasting, ending.signal), ending, users: 0 };
}

/** Providers of both runtimes whose settings differ: what is known of their health says nothing any more. */
export function changedProviders({ parts: before }: Runtime, { parts: after }: Runtime): readonly string[] {
  return [...after.providers].flatMap(([id, held]) => (before.providers.has(id) && before.providers.get(id) !== held ? id : []));
}

function sameProvider({ key: one, ...a }: ConfiguredProvider, { key: other, ...b }: ConfiguredProvider): boolean {
  return one?.reveal() === other?.reveal() && isDeepStrictEqual(a, b);
}

/** A configured provider, with what it needs to prove who we are. */
function remoteSource(planned: ConfiguredProvider, { http, fetcher, log }: Lasting, signal: AbortSignal): RemoteSource {
  const { provider, scrub } = buildProvider(planned, process.env);
  return createRemoteSource(provider, {
    http,
    inlineImages: (request, inTime) => inlineImages(request, { fetcher, signal: inTime }),
    scrub,
    times: LIST_TIMES,
    now: () => performance.now(),
    failed: (id, error) => {
      if (!signal.aborted) log.warn({ provider: id, err: error }, 'models of a provider could not be listed');
    },
    signal,
  });
}

/** The models of this machine. Where they lie and how they are run does not change while the process lives. */
function localOf({ models: { builtIn } }: Config, { started, manager }: Lasting, before: Local | undefined): Local {
  if (before?.builtIn === builtIn) return before;
  const library = createLibrary({ dir: started.models.dir, builtIn });
  const backend: Backend = createLlamaBackend({ library, manager, settings: started.engine });
  return { builtIn, source: localTargets(library, backend, started.engine) };
}

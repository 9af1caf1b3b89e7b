/** The only place that builds the parts and joins them. */
import type { Logger } from 'pino';
import type { Config, RoutingSettings } from './config/settings.ts';
import { compose } from './core/call.ts';
import type { Handler } from './core/call.ts';
import { GatewayError } from './core/error.ts';
import { createAdmission } from './gateway/admission.ts';
import { createAttempts } from './gateway/attempts.ts';
import { createHealthBook, DEFAULT_BREAKER } from './gateway/health.ts';
import { createLine } from './gateway/line.ts';
import { DEFAULT_POLICY } from './gateway/route.ts';
import { createCatalog, routed } from './gateway/router.ts';
import type { RouteDefaults } from './gateway/routes.ts';
import { createLlamaBackend } from './providers/llama/backend.ts';
import { verifyChecksum } from './providers/llama/builtin.ts';
import { startEngine } from './providers/llama/engine-process.ts';
import { createLibrary } from './providers/llama/library.ts';
import { createEngineManager } from './providers/llama/manager.ts';
import { localTargets } from './providers/llama/targets.ts';
import { createHttp } from './providers/http.ts';
import type { Http } from './providers/http.ts';
import { createImageFetcher } from './providers/image-fetcher.ts';
import type { ImageFetcher } from './providers/image-fetcher.ts';
import { inlineImages } from './providers/media.ts';
import { buildProvider } from './providers/remote/build.ts';
import { LIST_TIMES } from './providers/remote/listed.ts';
import { createRemoteSource } from './providers/remote/source.ts';
import type { RemoteSource } from './providers/remote/source.ts';
import { createServer } from './server/server.ts';
import { createLogger } from './telemetry/log.ts';

export interface StartOptions {
  readonly config: Config;
  readonly version: string;
  /** Where to log; absent: a logger made from the configuration. */
  readonly log?: Logger;
}

export interface RunningServer {
  /** `http://127.0.0.1:11435`, without a trailing slash. */
  readonly url: string;
  /** Lets running answers end within the deadline, then ends everything. */
  close(): Promise<void>;
}

function defaultsOf(routing: RoutingSettings): RouteDefaults {
  const { attempts, maxWaitMs, wholeMs, hedge, onContentFilter, continues, drains, firstOutputMs, idleMs } = routing;
  const policy = { ...DEFAULT_POLICY, attempts, maxWaitMs, wholeMs, hedge, onContentFilter, continues, drains };
  return { policy, timeouts: { firstOutputMs, idleMs } };
}

interface RemoteSettings {
  readonly config: Config;
  readonly http: Http;
  readonly fetcher: ImageFetcher;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/** The configured providers, each with what it needs to prove who we are. */
function remoteSources({ config, http, fetcher, log, signal }: RemoteSettings): RemoteSource[] {
  return config.providers.map((configured) => {
    const { provider, scrub } = buildProvider(configured, process.env);
    return createRemoteSource(provider, {
      http,
      inlineImages: (request, inTime) => inlineImages(request, { fetcher, signal: inTime }),
      scrub,
      times: LIST_TIMES,
      now: () => performance.now(),
      failed: (id, error) => log.warn({ provider: id, err: error }, 'models of a provider could not be listed'),
      signal,
    });
  });
}

/** Starts a whole server. Rejects where the address cannot be had. */
export async function startServer({ config, version, log = createLogger(config.log) }: StartOptions): Promise<RunningServer> {
  const library = createLibrary({ dir: config.models.dir, builtIn: config.models.builtIn });
  const manager = createEngineManager({
    settings: config.engine,
    log,
    start: startEngine,
    verify: async (model, signal) => {
      if (model.sha256 !== undefined) await verifyChecksum(model.path, model.sha256, signal);
    },
  });
  const backend = createLlamaBackend({ library, manager, settings: config.engine });
  const ending = new AbortController();
  const userAgent = `parlance/${version}`;
  const http = createHttp({ userAgent, env: process.env });
  const fetcher = createImageFetcher({ userAgent });
  const remote = remoteSources({ config, http, fetcher, log, signal: ending.signal });
  const { routing } = config;
  const catalog = createCatalog([localTargets(library, backend, config.engine), ...remote], {
    names: config.models.names,
    routes: config.models.routes,
    defaults: defaultsOf(routing),
  });
  const now = (): number => performance.now();
  const health = createHealthBook({ settings: { ...DEFAULT_BREAKER, ...routing.breaker }, now });
  const admission = createAdmission(routing);
  const attempts = createAttempts({ health, now, random: Math.random, line: createLine(routing.queue) });
  for (const notice of config.notices) log.warn(notice);
  const handler: Handler = compose(admission.layer)(routed(catalog, attempts));
  const server = await createServer({
    config,
    log,
    version,
    handler,
    models: {
      list: () => catalog.list(),
      find: (id) => catalog.card(id),
    },
    ready: async () => {
      const models = await catalog.list();
      return {
        ready: models.length > 0,
        detail: {
          models: models.length,
          engines: manager.status().map(({ pid: _, ...status }) => status),
          running: admission.running(),
          waiting: admission.waiting(),
          targets: Object.fromEntries(health.snapshot()),
        },
      };
    },
  });
  const { host, port } = await server.listen();
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${port}`,
    async close() {
      try {
        await server.close(config.server.shutdownTimeoutMs);
      } finally {
        ending.abort(new GatewayError('cancelled', 'The server is stopping.'));
        await Promise.all([manager.close(), http.close(), fetcher.close()]);
      }
    },
  };
}

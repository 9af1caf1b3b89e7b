/** Parts that are built in the same way by whoever needs them: a server, the process above several of them, commands. Light to load. */
import type { Logger } from 'pino';
import type { Config, RedisSettings } from './config/settings.ts';
import { ensureDefaultProject } from './gateway/first-start.ts';
import type { AccountNews, HealthBus, SharedCache } from './gateway/ports.ts';
import type { Store } from './gateway/store-ports.ts';
import { verifyChecksum } from './providers/llama/builtin.ts';
import { startEngine } from './providers/llama/engine-process.ts';
import { createEngineManager } from './providers/llama/manager.ts';
import type { EngineManager } from './providers/llama/manager.ts';
import { createMetricsServer } from './server/metrics-server.ts';
import type { MetricsServer } from './server/metrics-server.ts';
import type { ReadableMetrics } from './server/parts.ts';

/**
 * What is kept, opened and up to date; undefined where the configuration says that nothing is. Rejects with an `Error` for people
 * where it cannot be opened. Loaded only where it is used.
 */
export async function openData({ data }: Config, log: Logger): Promise<Store | undefined> {
  if (!data) return undefined;
  const { openStore } = await import('./store/open.ts');
  const store = await openStore({ url: data.url?.reveal(), dir: data.dir, log });
  try {
    await ensureDefaultProject(store.accounts, Date.now);
    return store;
  } catch (cause) {
    await store.close();
    throw cause;
  }
}

/** What processes tell each other by Redis. */
export interface Talk {
  readonly health: HealthBus;
  readonly accounts: AccountNews;
  close(): void;
}

/** Connects in the background. Loaded only where it is used. */
export async function openTalk({ url, prefix }: RedisSettings, log: Logger): Promise<Talk> {
  const [talks, health, news] = await Promise.all([
    import('./store/redis/talk.ts'),
    import('./store/redis/health-bus.ts'),
    import('./store/redis/account-news.ts'),
  ]);
  const talk = talks.openTalk({ url: url.reveal(), prefix, log });
  return { health: health.createRedisHealthBus(talk), accounts: news.createRedisAccountNews(talk), close: talk.close };
}

/** The answers that processes share, where they share a Redis. Connects when it is first asked. */
export async function openSharedCache(redis: RedisSettings | undefined, log: Logger): Promise<SharedCache | undefined> {
  if (!redis) return undefined;
  const { redisCache } = await import('./store/redis/cache.ts');
  return redisCache({ url: redis.url.reveal(), prefix: redis.prefix, log });
}

/** Nobody waits longer than this for what others find out by themselves within a second. */
const TELL_MS = 500;

/** Tells servers that keys were changed, by a process that is not one. False where they have to find out by themselves. */
export async function tellAccountsChanged({ redis }: Config): Promise<boolean> {
  if (!redis) return false;
  const { tellOnce } = await import('./store/redis/account-news.ts');
  return tellOnce({ url: redis.url.reveal(), prefix: redis.prefix }, TELL_MS).then(
    () => true,
    () => false,
  );
}

/** The engines of this process. */
export function startManager({ engine }: Config, log: Logger): EngineManager {
  return createEngineManager({
    settings: engine,
    log,
    start: startEngine,
    verify: async (model, signal) => {
      if (model.sha256 !== undefined) await verifyChecksum(model.path, model.sha256, signal);
    },
  });
}

/** The metrics' own server, where they have one. Rejects where its address cannot be had. */
export async function openMetricsAside(
  metrics: ReadableMetrics | undefined,
  log: Logger,
): Promise<{ readonly server: MetricsServer; readonly url: string } | undefined> {
  const port = metrics?.settings.port;
  if (!metrics || port === undefined) return undefined;
  const server = createMetricsServer(metrics, log);
  const url = `${urlOf(await server.listen(port))}/metrics`;
  log.info({ url }, 'metrics');
  return { server, url };
}

export function urlOf({ host, port }: { readonly host: string; readonly port: number }): string {
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
}

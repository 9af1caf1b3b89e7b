/** Parts that are built in the same way by whoever needs them: a server, the process above several of them, commands. Light to load. */
import type { Logger } from 'pino';
import type { Config } from './config/settings.ts';
import { ensureDefaultProject } from './gateway/first-start.ts';
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

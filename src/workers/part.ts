/** What one of several workers has of what is configured for all of them together. */
import type { Config } from '../config/settings.ts';

/**
 * The room of the cache, the line and connections are divided; so is what a target may have in flight, of which each worker has one at least.
 * What administrators are to know is said once, and not by each.
 */
export function partOf(config: Config, workers: number): Config {
  const { server, routing, cache, models } = config;
  const { maxConnections } = server;
  const part = (all: number): number => Math.ceil(all / workers);
  const routes = Object.entries(models.routes).map(([name, route]) => {
    const targets = route.targets.map((target) =>
      'maxInFlight' in target && target.maxInFlight !== undefined
        ? { ...target, maxInFlight: Math.max(1, Math.floor(target.maxInFlight / workers)) }
        : target,
    );
    return [name, { ...route, targets }] as const;
  });
  return {
    ...config,
    notices: [],
    server: { ...server, maxConnections: maxConnections === undefined ? undefined : part(maxConnections) },
    routing: { ...routing, queue: part(routing.queue) },
    cache: { ...cache, maxBytes: Math.floor(cache.maxBytes / workers) },
    models: { ...models, routes: Object.fromEntries(routes) },
  };
}

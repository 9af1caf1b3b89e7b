/** What may change while the server runs, and what not. */
import { ConfigError } from './problems.ts';
import { isLoopback } from './loopback.ts';
import type { Config } from './settings.ts';

/** Settings in `next` that differ from those the process was started with and cannot change while it lives. */
export function afterRestart(next: Config, started: Config): readonly string[] {
  const fixed = fixedSettings(started);
  return Object.entries(fixedSettings(next)).flatMap(([path, value]) => (value === fixed[path] ? [] : path));
}

/** By their paths in the configuration. */
function fixedSettings({ server, workers, models, engine, log, metrics, data, redis }: Config): Readonly<Record<string, unknown>> {
  const engineSettings = Object.entries(engine).map(([name, value]) => [`engine.${name.replace(/Ms$/, '')}`, value] as const);
  return {
    'server.host': server.host,
    'server.port': server.port,
    workers,
    'models.dir': models.dir,
    'log.format': log.format,
    'data.enabled': data !== undefined,
    'data.dir': data?.dir,
    'data.url': data?.url?.reveal(),
    'data.outage': data?.outageMs,
    'redis.url': redis?.url.reveal(),
    'redis.prefix': redis?.prefix,
    'redis.whenDown': redis?.whenDown,
    'redis.allowance': redis?.allowance,
    'metrics.enabled': metrics.enabled,
    'metrics.host': metrics.host,
    'metrics.port': metrics.port,
    'metrics.key': metrics.keySha256,
    ...Object.fromEntries(engineSettings),
  };
}

/** Throws a ConfigError for what would be sound at a start, and is not for a server that listens where this one does. */
export function refuseLive(next: Config, { server: { host } }: Config): void {
  if (next.server.requireKey || isLoopback(host)) return;
  const file = next.file === undefined ? 'server.requireKey' : `${next.file}: server.requireKey`;
  throw new ConfigError([
    `${file}: the server can be reached from other machines at "${host}", and would need no key any more. ` +
      'To do without keys, restart it with server.host: 127.0.0.1.',
  ]);
}

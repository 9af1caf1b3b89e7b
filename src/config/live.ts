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
function fixedSettings({ server, models, engine, log, metrics, redis }: Config): Readonly<Record<string, unknown>> {
  const engineSettings = Object.entries(engine).map(([name, value]) => [`engine.${name.replace(/Ms$/, '')}`, value] as const);
  return {
    'server.host': server.host,
    'server.port': server.port,
    'models.dir': models.dir,
    'log.format': log.format,
    'redis.url': redis?.url.reveal(),
    'redis.prefix': redis?.prefix,
    'metrics.enabled': metrics.enabled,
    'metrics.host': metrics.host,
    'metrics.port': metrics.port,
    'metrics.key': metrics.keySha256,
    ...Object.fromEntries(engineSettings),
  };
}

/** Throws a ConfigError for what would be sound at a start, and is not for a server that listens where this one does. */
export function refuseLive(next: Config, { server: { host } }: Config): void {
  if (next.keys.length > 0 || isLoopback(host)) return;
  const file = next.file === undefined ? 'keys' : `${next.file}: keys`;
  throw new ConfigError([
    `${file}: the server can be reached from other machines at "${host}", and no API key would be left. ` +
      'To take the last key away, restart it with server.host: 127.0.0.1.',
  ]);
}

/** A server that follows its configuration file, and SIGHUP, while it runs. */
import { closeSync, openSync } from 'node:fs';
import type { Logger } from 'pino';
import type { Applied } from '../compose-root.ts';
import { ConfigError, filePlaces, loadConfig } from '../config.ts';
import type { ConfigSources } from '../config.ts';
import type { Config } from '../config/settings.ts';
import { watchFile } from '../config/watch.ts';
import type { WatchTimes } from '../config/watch.ts';

interface Applier {
  apply(config: Config): Applied | Promise<Applied>;
}

export interface Follower {
  /** Begins, with the configuration that the server was started with. */
  follow(server: Applier, started: Config, log: Logger): void;
  /** Reads and applies the configuration, after those that came before; `why` is for the log. */
  reload(why: string): Promise<void>;
  stop(): void;
}

/**
 * Created before the configuration is read for the first time, so that no change of the file is missed. A file that was read
 * once stays the one; where there was none, any of the usual places will do.
 */
export function createFollower(sources: ConfigSources, times?: WatchTimes): Follower {
  let running: { readonly server: Applier; readonly log: Logger } | undefined;
  let config: Config | undefined;
  const file = (): string | undefined => config?.file ?? sources.file;

  const watcher = watchFile({
    places: () => filePlaces(file(), sources.env).places,
    changed: () => void reload('the file has changed'),
    ...(times ? { times } : {}),
  });
  const watchAsSaid = (): void => (config?.watch === false ? watcher.stop() : watcher.start());
  let last = Promise.resolve();
  const reload = (why: string): Promise<void> => (last = last.then(() => reloadNow(why)));
  const reloadNow = async (why: string): Promise<void> => {
    if (!running) return;
    const { server, log } = running;
    try {
      const next = loadConfig({ ...sources, file: file() });
      const { afterRestart } = await server.apply(next);
      config = next;
      log.info({ why, file: next.file }, 'configuration taken');
      if (afterRestart.length > 0) log.warn({ settings: afterRestart }, 'these settings take effect after a restart');
    } catch (cause) {
      const problems = cause instanceof ConfigError ? { problems: cause.problems } : { err: cause };
      log.error({ why, file: file(), ...problems }, 'the configuration cannot be used, the old one stays');
    }
    watchAsSaid();
  };

  return {
    follow(server, started, log) {
      running = { server, log };
      config = started;
      watchAsSaid();
    },
    reload,
    stop() {
      running = undefined;
      watcher.stop();
    },
  };
}

/** SIGHUP has two senses: read your configuration, and your terminal is gone. */
export function terminalIsGone(): boolean {
  try {
    closeSync(openSync('/dev/tty', 'r'));
    return false;
  } catch {
    return true;
  }
}

/** `parlance serve`: the server, until it is told to end. */
import { openData } from '../compose-parts.ts';
import type { Applied } from '../compose-root.ts';
import type { Logger } from 'pino';
import { ConfigError, loadConfig } from '../config.ts';
import type { ConfigSources } from '../config.ts';
import { CONFIG_FLAGS } from '../config/schema.ts';
import type { Config } from '../config/settings.ts';
import { createAdministration } from '../gateway/administration.ts';
import { createFirstKey } from '../gateway/first-start.ts';
import type { Store } from '../gateway/store-ports.ts';
import { createLogger } from '../telemetry/log.ts';
import { createFollower, terminalIsGone } from './reload.ts';
import { readArgs, UsageError } from './args.ts';
import { SERVE } from './help-pages.ts';
import { EXIT, programVersion, styleFor, writeError, writeLine, type Io } from './output.ts';

function sourcesFrom(argv: readonly string[], env: Io['env']): ConfigSources {
  const args = readArgs(SERVE, argv);
  const [extra] = args.positionals;
  if (extra !== undefined) throw new UsageError(`serve takes flags alone, not ${JSON.stringify(extra)}`);
  const flags = Object.fromEntries(Object.keys(CONFIG_FLAGS).map((flag) => [flag, args.text(flag) ?? (args.has(flag) || undefined)]));
  return { file: args.text('config'), env, flags };
}

interface Started {
  readonly url: string;
  readonly config: Config;
  /** The first admin key, where it was made just now. */
  readonly secret: string | undefined;
}

/** What somebody at a terminal wants to know first. Logs have it as fields, but for the key. */
function writeBanner(io: Io, { url, config, secret }: Started): void {
  const style = styleFor(io, 'stdout');
  writeLine(io.stdout);
  writeLine(io.stdout, `  ${style.bold('Parlance')} ${programVersion()} answers at ${style.bold(`${url}/v1`)}`);
  writeLine(io.stdout, `  Reference to try requests in: ${url}/docs`);
  if (!config.server.requireKey) writeLine(io.stdout, '  No API key is needed: it serves this machine only.');
  if (secret !== undefined) {
    writeLine(io.stdout);
    writeLine(io.stdout, `  The first admin key, shown this once: ${style.bold(secret)}`);
    writeLine(io.stdout, '  It makes other keys at /admin/v1; parlance keys makes them too.');
  }
  writeLine(io.stdout);
}

function addressProblem(cause: unknown, { server, metrics }: Config): string | undefined {
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
  const port = cause instanceof Error && 'port' in cause ? cause.port : undefined;
  if (code === 'EADDRINUSE' && port === metrics.port && port !== server.port) {
    return `port ${metrics.port} is in use already; choose another for the metrics with metrics.port`;
  }
  if (code === 'EADDRINUSE') return `port ${server.port} is in use already, perhaps by another Parlance; choose another with --port`;
  if (code === 'EACCES') return `port ${server.port} may not be used by this user; choose one above 1023 with --port`;
  if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND') return `${server.host} is no address of this machine; choose another with --host`;
  return undefined;
}

/** A server, or several that are one. */
interface Served {
  readonly url: string;
  apply(config: Config): Applied | Promise<Applied>;
  close(): Promise<void>;
  /** Replaces what serves, without a lost request. */
  restart(): Promise<void>;
  /** Rejects where nothing serves any more. */
  readonly failed: Promise<never>;
}

interface Starting {
  readonly config: Config;
  readonly store: Store | undefined;
  readonly log: Logger;
}

async function startServed({ config, store, log }: Starting): Promise<Served> {
  const version = programVersion();
  if (config.workers > 1) {
    const { startWorkers } = await import('../workers/start.ts');
    return startWorkers({ config, version, store, log });
  }
  // loaded where it is used: the process above several workers has no use for most of it
  const { startServer } = await import('../compose-root.ts');
  const server = await startServer({ config, version, store, log });
  const restart = (): Promise<never> =>
    Promise.reject(new Error('One process cannot take its own place: that needs workers of 2 or more.'));
  return { ...server, restart, failed: new Promise(() => undefined) };
}

/** Resolves at the first signal to end; a second one ends the process at once. SIGHUP is one where it says that the terminal is gone. */
function untilSignal(atTerminal: boolean, { reload, restart }: Readonly<Record<'reload' | 'restart', () => void>>): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  let asked = false;
  const end = (signal: string): void => {
    if (asked) process.exit(EXIT.interrupted);
    asked = true;
    resolve(signal);
  };
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => end(signal));
  process.on('SIGHUP', () => (atTerminal && terminalIsGone() ? end('SIGHUP') : reload()));
  process.on('SIGUSR2', restart);
  return promise;
}

/** Runs the server. Gives the exit code: 0 after a shutdown, 1 where it cannot start or the configuration is wrong, 2 for wrong flags. */
export async function serve(argv: readonly string[], io: Io): Promise<number> {
  const sources = sourcesFrom(argv, io.env);
  const follower = createFollower(sources);
  let restart = (): void => undefined;
  const stop = untilSignal(io.isTerminal.stdout, { reload: () => void follower.reload('SIGHUP'), restart: () => restart() });
  let config: Config;
  try {
    config = loadConfig(sources);
  } catch (cause) {
    if (!(cause instanceof ConfigError)) throw cause;
    for (const problem of cause.problems) writeError(io, problem);
    return cause.problems.every((problem) => problem.startsWith('--')) ? EXIT.usage : EXIT.failure;
  }
  const log = createLogger(config.log, { together: config.workers > 1 });
  let store: Store | undefined;
  try {
    store = await openData(config, log);
    const server = await startServed({ config, store, log });
    if (io.isTerminal.stdout) writeBanner(io, { url: server.url, config, secret: await firstKey(store) });
    const where = config.server.requireKey ? 'listening' : 'listening, for this machine only: no API key is needed';
    log.info({ url: server.url, keys: config.keys.length, models: config.models.dir }, where);
    follower.follow(server, config, log);
    restart = () => restartServed(server, log);
    const signal = await Promise.race([
      stop,
      server.failed.catch((cause: unknown) => log.fatal({ err: cause }, 'nothing serves any more')),
    ]);
    log.info({ signal }, 'shutting down');
    follower.stop();
    await server.close();
    log.info('stopped');
    return signal === undefined ? EXIT.failure : EXIT.ok;
  } catch (cause) {
    const words = addressProblem(cause, config);
    if (words === undefined) throw cause;
    writeError(io, words);
    return EXIT.failure;
  } finally {
    await store?.close();
  }
}

function restartServed(server: Served, log: Logger): void {
  log.info('replacing the workers');
  server.restart().then(
    () => log.info('the workers are replaced'),
    (cause: unknown) => log.error({ err: cause }, 'the workers are not replaced'),
  );
}

/** Made only where somebody is there to read it: it goes to the terminal, and nowhere else. */
async function firstKey(store: Store | undefined): Promise<string | undefined> {
  if (!store) return undefined;
  const administration = createAdministration({ accounts: store.accounts, clock: Date.now, changed: () => undefined });
  return (await createFirstKey(administration))?.secret;
}

/** `parlance serve`: the server, until it is told to end. */
import { startServer } from '../compose-root.ts';
import { ConfigError, loadConfig } from '../config.ts';
import type { ConfigSources } from '../config.ts';
import { CONFIG_FLAGS } from '../config/schema.ts';
import type { Config } from '../config/settings.ts';
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

/** What somebody at a terminal wants to know first. Logs have it as fields. */
function writeBanner(io: Io, url: string, { keys }: Config): void {
  const style = styleFor(io, 'stdout');
  writeLine(io.stdout);
  writeLine(io.stdout, `  ${style.bold('Parlance')} ${programVersion()} answers at ${style.bold(`${url}/v1`)}`);
  writeLine(io.stdout, `  Reference to try requests in: ${url}/docs`);
  if (keys.length === 0) writeLine(io.stdout, '  No API keys are set: it serves this machine only.');
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

/** Resolves at the first signal to end; a second one ends the process at once. SIGHUP is one where it says that the terminal is gone. */
function untilSignal(atTerminal: boolean, reload: () => void): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  let asked = false;
  const end = (signal: string): void => {
    if (asked) process.exit(EXIT.interrupted);
    asked = true;
    resolve(signal);
  };
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => end(signal));
  process.on('SIGHUP', () => (atTerminal && terminalIsGone() ? end('SIGHUP') : reload()));
  return promise;
}

/** Runs the server. Gives the exit code: 0 after a shutdown, 1 where it cannot start or the configuration is wrong, 2 for wrong flags. */
export async function serve(argv: readonly string[], io: Io): Promise<number> {
  const sources = sourcesFrom(argv, io.env);
  const follower = createFollower(sources);
  const stop = untilSignal(io.isTerminal.stdout, () => follower.reload('SIGHUP'));
  let config: Config;
  try {
    config = loadConfig(sources);
  } catch (cause) {
    if (!(cause instanceof ConfigError)) throw cause;
    for (const problem of cause.problems) writeError(io, problem);
    return cause.problems.every((problem) => problem.startsWith('--')) ? EXIT.usage : EXIT.failure;
  }
  const log = createLogger(config.log);
  try {
    const server = await startServer({ config, version: programVersion(), log });
    if (io.isTerminal.stdout) writeBanner(io, server.url, config);
    const where = config.keys.length > 0 ? 'listening' : 'listening, for this machine only: no API keys are set';
    log.info({ url: server.url, keys: config.keys.length, models: config.models.dir }, where);
    follower.follow(server, config, log);
    log.info({ signal: await stop }, 'shutting down');
    follower.stop();
    await server.close();
    log.info('stopped');
    return EXIT.ok;
  } catch (cause) {
    const words = addressProblem(cause, config);
    if (words === undefined) throw cause;
    writeError(io, words);
    return EXIT.failure;
  }
}

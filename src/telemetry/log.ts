/** The log: JSON lines, or lines for people on a terminal. Writing never waits for the reader. */
import { fstatSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { pino } from 'pino';
import type { DestinationStream, Logger, LoggerOptions } from 'pino';
import type pinoPretty from 'pino-pretty';
import type { LogSettings } from '../config/settings.ts';

/** Bytes that may wait for a slow reader; lines beyond are dropped. */
const MOST_WAITING = 16 * 1024 * 1024;
const STDOUT = 1;
const OUTPUT = { dest: STDOUT, sync: false, maxLength: MOST_WAITING };
/** Lines are written together, at the latest after so many milliseconds: a call of the system for each costs more than the line. */
const WRITE_EVERY_MS = 100;
/** To hand a piece over to a thread that waits for the reader costs as much as twenty lines. */
const ALONE = 64 * 1024;
/** A pipe takes so much in one piece (PIPE_BUF), whoever else writes to it: lines of several processes are never mixed. */
const TOGETHER = 4096;

export interface LogOptions {
  /** Where to write; absent: standard output. */
  readonly stream?: DestinationStream;
  /** Other processes write to the same output. */
  readonly together?: boolean;
  /** In every line. */
  readonly bindings?: Readonly<Record<string, string>>;
}

/**
 * A pino logger. It writes without blocking; what still waits at exit is written then.
 * Nothing is redacted here: message contents and keys are never passed to it.
 */
export function createLogger({ level, format }: LogSettings, { stream, together = false, bindings }: LogOptions = {}): Logger {
  const options: LoggerOptions = {
    level,
    base: bindings ?? null,
    timestamp,
    formatters: { level: (label) => ({ level: label }) },
  };
  const pretty = format === 'pretty' || (format === 'auto' && stream === undefined && process.stdout.isTTY);
  // somebody reads along
  if (pretty) return pino(options, prettyStream(stream ?? pino.destination(OUTPUT), stream === undefined && process.stdout.isTTY));
  const destination = stream ?? batchedOutput(together ? TOGETHER : ALONE);
  const logger = pino(options, destination);
  outputs.set(logger, { destination, bindings: bindings ? `,${JSON.stringify(bindings).slice(1, -1)}` : '' });
  return logger;
}

/** Where loggers that write JSON write it, and what stands in each of their lines. */
const outputs = new WeakMap<Logger, { readonly destination: DestinationStream; readonly bindings: string }>();

/**
 * Writes the lines of requests, as `log[level](fields, 'request')` does where that level is enabled. Pino makes them field by field;
 * here it is one call for all of them. The fields are plain JSON, with no error among them.
 */
export function requestLog(log: Logger): (level: 'info' | 'debug' | 'error', fields: object) => void {
  const output = outputs.get(log);
  if (!output) return (level, fields) => log[level](fields, 'request');
  const { destination, bindings } = output;
  return (level, fields) => {
    destination.write(`{"level":"${level}"${timestamp()}${bindings},${JSON.stringify(fields).slice(1, -1)},"msg":"request"}\n`);
  };
}

/** Lines in pieces of at most so many characters, but for one that is longer. */
function batchedOutput(most: number): DestinationStream {
  // it begins to write when it is told to: what it had begun at the very end would be lost
  const out = pino.destination({ ...OUTPUT, minLength: most - 1, maxWrite: most, sync: takesAtOnce(STDOUT) });
  let piece = '';
  let timer: NodeJS.Timeout | undefined;
  const handOver = (): void => {
    clearTimeout(timer);
    timer = undefined;
    if (piece !== '') out.write(piece);
    piece = '';
  };
  const flush = (): void => {
    handOver();
    out.flush();
  };
  process.on('exit', () => {
    handOver();
    out.flushSync();
  });
  return {
    write(line) {
      if (piece.length + line.length > most) flush();
      piece += line;
      timer ??= setTimeout(flush, WRITE_EVERY_MS).unref();
    },
  };
}

/** A file, and what throws all away, never lets a writer wait for a reader. */
function takesAtOnce(fd: number): boolean {
  try {
    const stats = fstatSync(fd);
    return stats.isFile() || (stats.isCharacterDevice() && stats.rdev === statSync('/dev/null').rdev);
  } catch {
    // it is closed, or this system has no such file
    return false;
  }
}

let stampedAt = 0;
let stamp = '';

/** As pino's own isoTime, made once a millisecond. */
function timestamp(): string {
  const now = Date.now();
  if (now === stampedAt) return stamp;
  stampedAt = now;
  stamp = `,"time":"${new Date(now).toISOString()}"`;
  return stamp;
}

/** Loaded only where it is used: it takes longer to load than all the rest of the log. */
function prettyStream(destination: DestinationStream, colorize: boolean): DestinationStream {
  const pretty = createRequire(import.meta.url)('pino-pretty') as typeof pinoPretty;
  return pretty({
    destination,
    colorize,
    singleLine: true,
    translateTime: 'SYS:HH:MM:ss',
    ignore: 'pid,hostname',
    errorLikeObjectKeys: ['err'],
  });
}

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
const ALONE = { minLength: 32 * 1024, maxWrite: 64 * 1024 };
/** A pipe takes so much in one piece (PIPE_BUF), whoever else writes to it: lines of several processes are never mixed. */
const TOGETHER = { minLength: 3072, maxWrite: 4096 };

/**
 * A pino logger. It writes to `stream`, else to standard output without blocking; what still waits at exit is written then.
 * `together`: other processes write to the same output.
 * Nothing is redacted here: message contents and keys are never passed to it.
 */
export function createLogger({ level, format }: LogSettings, stream?: DestinationStream, together = false): Logger {
  const options: LoggerOptions = {
    level,
    base: null,
    timestamp,
    formatters: { level: (label) => ({ level: label }) },
  };
  const pretty = format === 'pretty' || (format === 'auto' && stream === undefined && process.stdout.isTTY);
  if (!pretty) return pino(options, stream ?? batchedOutput(together ? TOGETHER : ALONE));
  // somebody reads along
  return pino(options, prettyStream(stream ?? pino.destination(OUTPUT), stream === undefined && process.stdout.isTTY));
}

function batchedOutput(pieces: typeof ALONE): DestinationStream {
  const out = pino.destination({ ...OUTPUT, ...pieces, sync: takesAtOnce(STDOUT) });
  let timer: NodeJS.Timeout | undefined;
  const flush = (): void => {
    timer = undefined;
    out.flush();
  };
  return {
    write(line) {
      timer ??= setTimeout(flush, WRITE_EVERY_MS).unref();
      out.write(line);
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

/** A Redis of a test's own, on a free port, which keeps nothing. */
import { execFileSync, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { freePort } from './free-port.ts';

const PROGRAM = process.env['REDIS_SERVER_PATH'] ?? 'redis-server';

function isThere(): boolean {
  try {
    execFileSync(PROGRAM, ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/** With CI=true the tests run, and fail, without one. */
export const redisIsMissing = !isThere() && process.env['CI'] !== 'true';

if (redisIsMissing)
  console.log(`What is shared by Redis is not tested: there is no ${PROGRAM} (apt install redis-server, or set REDIS_SERVER_PATH).`);

export interface TestRedis {
  readonly url: string;
  /** Ends it, everything that it holds included. */
  stop(): Promise<void>;
  /** Starts it at the same port, with nothing in it. */
  start(): Promise<void>;
  /** Holds it up, connections and all, until `resume`. */
  pause(): void;
  resume(): void;
  [Symbol.asyncDispose](): Promise<void>;
}

/** `password`: what clients must know. `more`: settings, as `['--cluster-enabled', 'yes']`. */
export async function startRedis(password?: string, more: readonly string[] = []): Promise<TestRedis> {
  let port = 0;
  const folder = await mkdtemp(join(tmpdir(), 'parlance-redis-'));
  let child: ChildProcess | undefined;

  const start = async (): Promise<void> => {
    const settings = ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--save', '', '--appendonly', 'no', ...more];
    const started = spawn(PROGRAM, password === undefined ? settings : [...settings, '--requirepass', password], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    child = started;
    const failed = once(started, 'exit').then(() => Promise.reject(new Error('redis-server ended')));
    const ready = Promise.withResolvers<void>();
    createInterface({ input: started.stdout }).on('line', (line) => {
      if (line.includes('Ready to accept connections')) ready.resolve();
    });
    await Promise.race([ready.promise, failed]);
    failed.catch(() => undefined);
  };
  const stop = async (): Promise<void> => {
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  };
  for (let tries = 1; ; tries += 1) {
    port = await freePort();
    try {
      await start();
      break;
    } catch (cause) {
      // somebody else may have taken the port meanwhile
      if (tries === 5) throw cause;
    }
  }
  return {
    url: `redis://${password === undefined ? '' : `:${encodeURIComponent(password)}@`}127.0.0.1:${port}`,
    start,
    stop,
    pause: () => child?.kill('SIGSTOP'),
    resume: () => child?.kill('SIGCONT'),
    async [Symbol.asyncDispose]() {
      await stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

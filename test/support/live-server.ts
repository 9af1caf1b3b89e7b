/** A whole server with the built-in model in this process, for tests that talk to it as clients do. */
import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { programVersion } from '../../src/commands/output.ts';
import { openData } from '../../src/compose-parts.ts';
import { startServer } from '../../src/compose-root.ts';
import type { Applied } from '../../src/compose-root.ts';
import { loadConfig } from '../../src/config.ts';
import type { Config } from '../../src/config/settings.ts';
import { startWorkers } from '../../src/workers/start.ts';
import { freePort } from './free-port.ts';

export const MODEL = 'smollm2-135m-instruct';

export interface LogLine {
  readonly msg?: string;
  readonly [field: string]: unknown;
}

export interface EngineStatus {
  readonly id: string;
  readonly state: 'loading' | 'loaded';
  readonly progress: number;
  readonly inFlight: number;
}

export interface LiveServer {
  /** `http://127.0.0.1:PORT`. */
  readonly url: string;
  readonly port: number;
  /** Where the metrics are, where they have an address of their own. */
  readonly metricsUrl: string | undefined;
  /** Everything logged so far. */
  readonly log: readonly LogLine[];
  /** The first line, from the `after`th on, that the condition holds for; waits for it up to a minute. */
  logged(condition: (line: LogLine) => boolean, after?: number): Promise<LogLine>;
  /** The engines as `/ready` shows them. */
  engines(): Promise<readonly EngineStatus[]>;
  /** Waits until the engines are as wanted; fails with what they are after a while. */
  until(condition: (engines: readonly EngineStatus[]) => boolean, withinMs?: number): Promise<void>;
  post(
    body: unknown,
    how?: { readonly headers?: Record<string, string>; readonly signal?: AbortSignal; readonly path?: string },
  ): Promise<Response>;
  /** Has it go on with another configuration; `env` stands in for the one that it was started with. */
  apply(env: Readonly<Record<string, string>>): Promise<Applied & { readonly config: Config }>;
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Small enough to load fast, and one thread, so that two test files can run side by side on two cores. */
export const SMALL = {
  PARLANCE_PORT: '0',
  PARLANCE_ENGINE_THREADS: '1',
  PARLANCE_ENGINE_GPU: 'off',
  PARLANCE_ENGINE_CONTEXT_SIZE: '1024',
  PARLANCE_LOG_LEVEL: 'debug',
  PARLANCE_SERVER_SHUTDOWN_TIMEOUT: '2s',
};

/** `TEST_WORKERS=2`: whatever starts a server starts one with so many workers, unless it says otherwise. */
export function workersAsked(): Readonly<Record<string, string>> {
  const workers = process.env['TEST_WORKERS'];
  return workers === undefined ? {} : { PARLANCE_WORKERS: workers };
}

/** `env` holds settings by their environment variables; `modelsDir` is an empty folder where it is left out. */
export async function startLiveServer(env: Readonly<Record<string, string>> = {}, modelsDir?: string): Promise<LiveServer> {
  const home = await mkdtemp(join(tmpdir(), 'parlance-test-'));
  const file = join(home, 'parlance.yaml');
  await writeFile(file, '');
  const lines: LogLine[] = [];
  const news = new EventEmitter().setMaxListeners(0);
  const write = (text: string): void => {
    lines.push(JSON.parse(text) as LogLine);
    news.emit('line');
  };
  // a file of our own: the one of whoever runs the tests must not change what they see
  const configOf = (settings: Readonly<Record<string, string>>): Config =>
    loadConfig({ file, env: { ...SMALL, ...workersAsked(), PARLANCE_MODELS_DIR: modelsDir ?? home, ...settings }, flags: {} });
  // workers of one process share what listens on port 0, whichever server they belong to
  const port = workersAsked()['PARLANCE_WORKERS'] === undefined ? {} : { PARLANCE_PORT: String(await freePort()) };
  const config = configOf({ ...port, ...env });
  const log = pino({ level: config.log.level, base: null }, { write });
  // most tests have nothing to keep
  const store = env['PARLANCE_DATA_DIR'] === undefined ? undefined : await openData(config, log);
  const options = { config, version: '0.0.0', store, log };
  const server =
    config.workers > 1 ? await startWorkers({ ...options, version: programVersion(), onLine: write }) : await startServer(options);
  const { url } = server;

  const engines = async (): Promise<readonly EngineStatus[]> => {
    const body = (await (await fetch(`${url}/ready`)).json()) as { engines: readonly EngineStatus[] };
    return body.engines;
  };
  const end = async (): Promise<void> => {
    await server.close();
    await store?.close();
    await rm(home, { recursive: true, force: true });
  };
  let ending: Promise<void> | undefined;
  const close = (): Promise<void> => (ending ??= end());
  return {
    url,
    port: Number(new URL(url).port),
    metricsUrl: server.metricsUrl,
    log: lines,
    async logged(condition, after = 0) {
      const deadline = AbortSignal.timeout(60_000);
      for (let at = after; ; at++) {
        while (at >= lines.length) await once(news, 'line', { signal: deadline });
        const line = lines[at];
        if (line && condition(line)) return line;
      }
    },
    engines,
    async until(condition, withinMs = 60_000) {
      const deadline = performance.now() + withinMs;
      for (;;) {
        const now = await engines();
        if (condition(now)) return;
        assert.ok(performance.now() < deadline, `after ${withinMs} ms the engines were ${JSON.stringify(now)}`);
      }
    },
    post: (body, { headers = {}, signal, path = '/v1/chat/completions' } = {}) =>
      fetch(url + path, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body: typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body),
        ...(signal ? { signal } : {}),
      }),
    async apply(settings) {
      const next = configOf(settings);
      return { ...(await server.apply(next)), config: next };
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** Nothing runs or waits in the engine. */
export const idle = (engines: readonly EngineStatus[]): boolean => engines.every((engine) => engine.inFlight === 0);

/** So many requests run or wait. */
export const busyWith =
  (count: number) =>
  (engines: readonly EngineStatus[]): boolean =>
    engines.reduce((sum, engine) => sum + engine.inFlight, 0) === count;

/** The model's name and one short question. */
export const ask = (more: Readonly<Record<string, unknown>> = {}): Record<string, unknown> => ({
  model: MODEL,
  messages: [{ role: 'user', content: 'Say hello.' }],
  max_tokens: 16,
  ...more,
});

/** An answer that goes on for long: the end is banned, and the limit far away. */
export const askLong = (more: Readonly<Record<string, unknown>> = {}): Record<string, unknown> =>
  ask({ max_tokens: 900, logit_bias: { 0: -100, 2: -100 }, ...more });

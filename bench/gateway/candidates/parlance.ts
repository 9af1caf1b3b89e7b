/** Parlance as its users have it, with everything off and with everything on. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { accepting, freePort, start } from '../../lib/process.ts';
import { programArgs, withCompileCache } from '../../../scripts/node.mjs';
import { ROOT } from '../../lib/report.ts';
import type { Cores, Upstreams } from '../upstreams.ts';

const MODEL = { id: 'bench', contextWindow: 200_000, maxOutputTokens: 32_000, pricing: { input: 0.5, output: 1.5 } };

/** Providers by the kind of their answers; `passing-…` gives what comes as it came, the others are written anew. */
function providersAt({ constant, timed }: Upstreams, paceMs: number): Readonly<Record<string, object>> {
  const kinds = { short: constant, stream: constant, paced: timed, held: timed };
  const rows = Object.entries(kinds).flatMap(([kind, url]) => {
    const path = kind === 'paced' ? `paced-${paceMs}` : kind;
    const at = (type: string, version: string): object => ({
      type,
      key: 'sk-upstream',
      baseUrl: `${url}/${path}/${version}`,
      listModels: false,
      models: [MODEL],
    });
    return [
      [`${kind}-openai`, { ...at('openai', 'v1'), quirks: { faithful: true } }],
      [`${kind}-encoded`, { ...at('openai', 'v1'), quirks: { faithful: false } }],
      [`${kind}-anthropic`, at('anthropic', 'v1')],
      [`${kind}-gemini`, at('google', 'v1beta')],
    ] as const;
  });
  return Object.fromEntries(rows);
}

const COMMON = {
  PARLANCE_MODELS_BUILT_IN: 'false',
  PARLANCE_LOG_FORMAT: 'json',
  // more than any case has open
  PARLANCE_ROUTING_MAX_IN_FLIGHT: '20000',
  DATABASE_URL: '',
  REDIS_URL: '',
  NODE_ENV: 'production',
};

const OFF = { PARLANCE_DATA_ENABLED: 'false', PARLANCE_METRICS_ENABLED: 'false', PARLANCE_LOG_LEVEL: 'warn' };
const ON = { PARLANCE_SERVER_REQUIRE_KEY: 'true', PARLANCE_LOG_LEVEL: 'info' };

/** Three limits and a budget that are counted and never reached. */
const KEY = [
  '--limits',
  'requests-per-minute=100000000,tokens-per-minute=100000000000,concurrent=1000000',
  '--budget',
  'month=900000',
] as const;

export interface ParlanceOptions {
  readonly upstreams: Upstreams;
  readonly cores: Cores | undefined;
  /** On: a key with three limits and a budget, records of usage in SQLite, metrics, the log. */
  readonly on: boolean;
  /** Milliseconds between the words of its paced streams. */
  readonly paceMs: number;
  /** Flags of Node itself. */
  readonly nodeFlags?: readonly string[];
  /** What runs: the sources, or what `npm run build` makes of them. */
  readonly program?: 'src/main.ts' | 'dist/main.js';
  /** More settings. */
  readonly env?: Readonly<Record<string, string>>;
}

export interface RunningParlance {
  readonly url: string;
  readonly pid: number;
  readonly key: string;
  stop(): Promise<void>;
}

export async function startParlance(options: ParlanceOptions): Promise<RunningParlance> {
  const { upstreams, cores, on, paceMs, nodeFlags = [], program: file = 'src/main.ts', env: more = {} } = options;
  const folder = mkdtempSync(join(tmpdir(), 'parlance-bench-'));
  const port = await freePort();
  const main = join(ROOT, file);
  const env = {
    ...COMMON,
    ...(on ? ON : OFF),
    PARLANCE_DATA_DIR: join(folder, 'data'),
    PARLANCE_MODELS_DIR: join(folder, 'models'),
    // no configuration of whoever runs the bench
    XDG_CONFIG_HOME: folder,
    PARLANCE_PORT: String(port),
    PARLANCE_PROVIDERS: JSON.stringify(providersAt(upstreams, paceMs)),
    ...more,
  };
  const key = on ? makeKey(main, env, folder) : 'sk-bench';
  // as `npm start` and `parlance` start it
  const args = [...nodeFlags, ...programArgs(main, ['serve'])];
  const program = start({ command: process.execPath, args, env: withCompileCache(env), cwd: folder, cores: cores?.server, quiet: true });
  await accepting(port, { withinMs: 120_000, program });
  return {
    url: `http://127.0.0.1:${port}`,
    pid: program.pid,
    key,
    async stop() {
      await program.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function makeKey(main: string, env: Readonly<Record<string, string>>, cwd: string): string {
  const made = spawnSync(process.execPath, [main, 'keys', 'create', '--name', 'bench', ...KEY], {
    encoding: 'utf8',
    cwd,
    env: { ...process.env, ...env },
  });
  const key = /^pk-\w+$/m.exec(made.stdout)?.[0];
  if (key === undefined) throw new Error(`no key was made: ${made.stdout}${made.stderr}`);
  return key;
}

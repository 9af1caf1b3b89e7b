/** LiteLLM's proxy, from PyPI, in a virtual environment of its own. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { accepting, freePort, hasCommand, start } from '../../lib/process.ts';
import type { Format } from '../answers.ts';
import { FORMATS } from '../answers.ts';
import { headersOf } from '../asked.ts';
import { prefixOf } from '../cases.ts';
import type { Answers } from '../cases.ts';
import { bodyOf } from '../requests.ts';
import type { Upstreams } from '../upstreams.ts';
import type { Kind } from './candidate.ts';

const VERSION = '1.106.2';
const FOLDER = fileURLToPath(new URL('../../.cache/litellm', import.meta.url));
const PROGRAM = join(FOLDER, 'bin', 'litellm');
const KEY = 'sk-bench';

/** Its providers, and what of their usual addresses its own paths begin behind. */
const PROVIDERS: Readonly<Record<Format, { readonly provider: string; readonly path: string }>> = {
  openai: { provider: 'openai', path: '/v1' },
  anthropic: { provider: 'anthropic', path: '' },
  gemini: { provider: 'gemini', path: '/v1beta' },
};

function config({ constant, timed }: Upstreams): string {
  const kinds: readonly (readonly [Answers, string])[] = [
    ['short', constant],
    ['stream', constant],
    ['paced', timed],
    ['held', timed],
  ];
  const models = kinds.flatMap(([answers, origin]) =>
    FORMATS.map((format) => ({
      model_name: `${answers}-${format}`,
      litellm_params: {
        model: `${PROVIDERS[format].provider}/bench`,
        api_base: `${origin}/${prefixOf(answers)}${PROVIDERS[format].path}`,
        api_key: 'sk-upstream',
      },
    })),
  );
  // JSON is YAML too
  return JSON.stringify({ model_list: models, general_settings: { master_key: KEY } });
}

/** Why it is not there; undefined where it is. */
function missing(quick: boolean): string | undefined {
  if (existsSync(PROGRAM)) return undefined;
  if (quick) return 'LiteLLM is left out: a short run installs nothing';
  if (!hasCommand('python3')) return 'LiteLLM is left out: there is no python3';
  process.stderr.write(`pip installs litellm[proxy] ${VERSION} into bench/.cache; that takes a few minutes.\n`);
  const made = spawnSync('python3', ['-m', 'venv', FOLDER], { stdio: ['ignore', 2, 2] });
  const pip = join(FOLDER, 'bin', 'pip');
  const status =
    made.status === 0 ? spawnSync(pip, ['install', '--quiet', `litellm[proxy]==${VERSION}`], { stdio: ['ignore', 2, 2] }).status : 1;
  return status === 0 ? undefined : 'LiteLLM is left out: it could not be installed';
}

export const LITELLM: Kind = {
  id: 'litellm',
  async start({ upstreams, cores, quick }) {
    const absent = missing(quick);
    if (absent !== undefined) return { absent };
    const folder = mkdtempSync(join(tmpdir(), 'parlance-bench-'));
    const file = join(folder, 'config.yaml');
    writeFileSync(file, config(upstreams));
    const port = await freePort();
    const program = start({
      command: PROGRAM,
      args: ['--config', file, '--host', '127.0.0.1', '--port', String(port), '--num_workers', '1', '--telemetry', 'False'],
      cores: cores?.server,
      cwd: folder,
      // its table of prices comes from the network otherwise
      env: { LITELLM_LOCAL_MODEL_COST_MAP: 'True', LITELLM_LOG: 'ERROR', DATABASE_URL: undefined },
      quiet: true,
    });
    await accepting(port, { withinMs: 120_000, program });
    const name = 'LiteLLM';
    return {
      id: 'litellm',
      name,
      version: VERSION,
      pids: [program.pid],
      asked({ content, answers, format }) {
        const stream = content === 'stream';
        return {
          name,
          url: `http://127.0.0.1:${port}/v1/chat/completions`,
          headers: headersOf(KEY, stream),
          body: bodyOf(content, `${answers}-${format}`),
          stream,
          pid: program.pid,
        };
      },
      async stop() {
        await program.stop();
        rmSync(folder, { recursive: true, force: true });
      },
    };
  },
};

/** A gateway in Rust, from crates.io. It knows one address of each provider, so that there is a process for each kind of answers. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { accepting, freePort, hasCommand, start } from '../../lib/process.ts';
import type { Program } from '../../lib/process.ts';
import { headersOf } from '../asked.ts';
import { prefixOf } from '../cases.ts';
import type { Answers } from '../cases.ts';
import { bodyOf } from '../requests.ts';
import type { Kind, Setting } from './candidate.ts';

const CRATE = 'noveum-ai-gateway';
const VERSION = '2.0.1';
const FOLDER = fileURLToPath(new URL('../../.cache/rust', import.meta.url));
const PROGRAM = join(FOLDER, 'bin', CRATE);
const KINDS: readonly Answers[] = ['short', 'stream', 'paced', 'held'];

/** Why it is not there; undefined where it is. */
function missing(quick: boolean): string | undefined {
  if (existsSync(PROGRAM)) return undefined;
  if (quick) return `${CRATE} is left out: a short run installs nothing`;
  if (!hasCommand('cargo')) return `${CRATE} is left out: there is no cargo`;
  process.stderr.write(`cargo builds ${CRATE} ${VERSION} in bench/.cache; that takes several minutes.\n`);
  const { status } = spawnSync('cargo', ['install', CRATE, '--version', VERSION, '--root', FOLDER, '--quiet'], { stdio: ['ignore', 2, 2] });
  return status === 0 ? undefined : `${CRATE} is left out: it could not be built`;
}

interface Started {
  readonly port: number;
  readonly program: Program;
}

async function startFor(answers: Answers, { upstreams, cores }: Setting): Promise<Started> {
  const origin = answers === 'short' || answers === 'stream' ? upstreams.constant : upstreams.timed;
  const base = `${origin}/${prefixOf(answers)}`;
  const port = await freePort();
  const env = {
    PORT: String(port),
    HOST: '127.0.0.1',
    WORKER_THREADS: '1',
    OPENAI_BASE_URL: base,
    ANTHROPIC_BASE_URL: base,
    RUST_LOG: 'warn',
  };
  const program = start({ command: PROGRAM, args: [], cores: cores?.server, env, quiet: true });
  await accepting(port, { withinMs: 20_000, program });
  return { port, program };
}

export const RUST: Kind = {
  id: 'rust',
  async start(setting) {
    const absent = missing(setting.quick);
    if (absent !== undefined) return { absent };
    const started = new Map<Answers, Started>();
    for (const answers of KINDS) started.set(answers, await startFor(answers, setting));
    const all = [...started.values()];
    const name = `${CRATE} (Rust)`;
    return {
      id: 'rust',
      name,
      version: VERSION,
      // the others rest meanwhile
      pids: all.slice(0, 1).map(({ program }) => program.pid),
      asked({ content, answers, format }) {
        const one = started.get(answers);
        if (!one || format === 'gemini') return undefined;
        const stream = content === 'stream';
        return {
          name,
          url: `http://127.0.0.1:${one.port}/v1/chat/completions`,
          headers: { ...headersOf('sk-bench', stream), 'x-provider': format },
          body: bodyOf(content, 'bench'),
          stream,
          pid: one.program.pid,
        };
      },
      async stop() {
        for (const { program } of all) await program.stop();
      },
    };
  },
};

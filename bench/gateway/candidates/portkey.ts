/** Portkey's gateway, from npm. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Format } from '../answers.ts';
import { headersOf } from '../asked.ts';
import { accepting, freePort, start } from '../../lib/process.ts';
import { versionOf } from '../../lib/report.ts';
import { prefixOf } from '../cases.ts';
import { bodyOf } from '../requests.ts';
import type { Kind } from './candidate.ts';

const BENCH = fileURLToPath(new URL('../..', import.meta.url));
const SCRIPT = join(BENCH, 'node_modules', '@portkey-ai', 'gateway', 'build', 'start-server.js');

/** Its providers, and what of their usual addresses its own paths begin behind. */
const PROVIDERS: Readonly<Record<Format, { readonly provider: string; readonly path: string }>> = {
  openai: { provider: 'openai', path: '/v1' },
  anthropic: { provider: 'anthropic', path: '/v1' },
  gemini: { provider: 'google', path: '' },
};

export const PORTKEY: Kind = {
  id: 'portkey',
  async start({ upstreams, cores }) {
    if (!existsSync(SCRIPT)) return { absent: 'Portkey is not installed: npm ci in bench/' };
    const port = await freePort();
    const program = start({
      command: process.execPath,
      args: [SCRIPT, '--headless', `--port=${port}`],
      cores: cores?.server,
      env: { NODE_ENV: 'production' },
      quiet: true,
    });
    await accepting(port, { withinMs: 120_000, program });
    const name = 'Portkey';
    return {
      id: 'portkey',
      name,
      version: versionOf('@portkey-ai/gateway', BENCH),
      pids: [program.pid],
      asked({ content, answers, format }) {
        const stream = content === 'stream';
        const origin = answers === 'short' || answers === 'stream' ? upstreams.constant : upstreams.timed;
        const { provider, path } = PROVIDERS[format];
        return {
          name,
          url: `http://127.0.0.1:${port}/v1/chat/completions`,
          headers: {
            ...headersOf('sk-bench', stream),
            'x-portkey-provider': provider,
            'x-portkey-custom-host': `${origin}/${prefixOf(answers)}${path}`,
          },
          body: bodyOf(content, 'bench'),
          stream,
          pid: program.pid,
        };
      },
      stop: () => program.stop(),
    };
  },
};

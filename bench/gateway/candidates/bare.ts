/** The upstream itself, and the proxies that do nothing but pass things on. */
import { fileURLToPath } from 'node:url';
import { accepting, freePort, start } from '../../lib/process.ts';
import { headersOf } from '../asked.ts';
import type { Asked } from '../asked.ts';
import { prefixOf } from '../cases.ts';
import type { Case } from '../cases.ts';
import { bodyOf } from '../requests.ts';
import type { Upstreams } from '../upstreams.ts';
import type { Candidate, Kind, Setting } from './candidate.ts';

/** The upstream without anybody between. */
export function direct({ constant, timed }: Upstreams, { content, answers }: Case): Asked {
  const stream = content === 'stream';
  const origin = answers === 'short' || answers === 'stream' ? constant : timed;
  return {
    name: 'the upstream itself',
    url: `${origin}/${prefixOf(answers)}/v1/chat/completions`,
    headers: headersOf('sk-bench', stream),
    body: bodyOf(content, 'bench'),
    stream,
    pid: undefined,
  };
}

async function startBare(
  { upstreams, cores }: Setting,
  { id, name, script }: { id: string; name: string; script: string },
): Promise<Candidate> {
  const port = await freePort();
  const file = fileURLToPath(new URL(`../${script}`, import.meta.url));
  const program = start({
    command: process.execPath,
    args: [file, String(port), upstreams.constant, upstreams.timed],
    cores: cores?.server,
    env: { NODE_ENV: 'production' },
  });
  await accepting(port, { withinMs: 120_000, program });
  return {
    id,
    name,
    pids: [program.pid],
    asked(of) {
      if (of.format !== 'openai') return undefined;
      const asked = direct(upstreams, of);
      return { ...asked, name, url: `http://127.0.0.1:${port}${new URL(asked.url).pathname}`, pid: program.pid };
    },
    stop: () => program.stop(),
  };
}

export const BARE: readonly Kind[] = [
  { id: 'bare', name: 'bare node:http + undici', script: 'bare-node.mjs' },
  { id: 'bare-fastify', name: 'bare Fastify + undici', script: 'bare-fastify.mjs' },
].map((one) => ({ id: one.id, start: (setting) => startBare(setting, one) }));

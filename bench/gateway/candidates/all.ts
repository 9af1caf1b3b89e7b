/** Who is compared, in the order of the tables. */
import { spawnSync } from 'node:child_process';
import { existsSync, globSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../../lib/report.ts';
import { headersOf } from '../asked.ts';
import { PACE_MS } from '../cases.ts';
import { bodyOf } from '../requests.ts';
import { BARE } from './bare.ts';
import type { Kind } from './candidate.ts';
import { LITELLM } from './litellm.ts';
import { startParlance } from './parlance.ts';
import { PORTKEY } from './portkey.ts';
import { RUST } from './rust.ts';

/** What `npm run build` makes, made anew where a source is newer: that is what users run. */
export function built(): 'dist/main.js' {
  const main = join(ROOT, 'dist', 'main.js');
  const madeAt = existsSync(main) ? statSync(main).mtimeMs : 0;
  const newest = Math.max(...globSync('src/**/*', { cwd: ROOT }).map((file) => statSync(join(ROOT, file)).mtimeMs));
  if (newest > madeAt) {
    const { status } = spawnSync(process.execPath, [join(ROOT, 'scripts', 'build.mjs')], { stdio: ['ignore', 2, 2] });
    if (status !== 0) throw new Error('Parlance could not be built');
  }
  return 'dist/main.js';
}

const ours = (id: string, name: string, on: boolean): Kind => ({
  id,
  async start({ upstreams, cores, quick }) {
    const server = await startParlance({ upstreams, cores, on, paceMs: PACE_MS, program: quick ? 'src/main.ts' : built() });
    return {
      id,
      name,
      pids: [server.pid],
      asked({ content, answers, format }) {
        const stream = content === 'stream';
        return {
          name,
          url: `${server.url}/v1/chat/completions`,
          headers: headersOf(server.key, stream),
          body: bodyOf(content, `${answers}-${format}/bench`),
          stream,
          pid: server.pid,
        };
      },
      stop: server.stop,
    };
  },
});

export const KINDS: readonly Kind[] = [
  ...BARE,
  ours('off', 'Parlance, all off', false),
  ours('on', 'Parlance, all on', true),
  PORTKEY,
  LITELLM,
  RUST,
];

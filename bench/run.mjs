// npm run bench: sets up what is missing and runs a bench with Node 24; without a name the one beside other gateways.
// Plain JavaScript for Node 20.
//   npm run bench -- --quick
//   npm run bench -- engine --quick
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { becomeNode, findNode, nodeMissing } from '../scripts/node.mjs';
import { ensureInstalled } from '../scripts/setup.mjs';

const here = fileURLToPath(new URL('.', import.meta.url));
const benches = {
  engine: 'engine/main.ts',
  gateway: 'gateway/main.ts',
  hot: 'gateway/hot.ts',
  workers: 'gateway/workers.ts',
  memory: 'memory/main.ts',
  page: 'gateway/page.ts',
  translate: 'translate/main.ts',
  router: 'router/main.ts',
  soak: 'soak/main.ts',
  store: 'store/main.ts',
};
/** Those that compare with packages of bench/package.json. */
const withPeers = ['gateway', 'hot'];

/** The peers are no dependency of the project: they have a lock file and a node_modules of their own. */
function peersInstalled() {
  const { dependencies } = JSON.parse(readFileSync(join(here, 'package.json'), 'utf8'));
  return Object.entries(dependencies).every(([name, version]) => {
    const file = join(here, 'node_modules', name, 'package.json');
    return existsSync(file) && JSON.parse(readFileSync(file, 'utf8')).version === version;
  });
}

function installPeers() {
  if (peersInstalled()) return true;
  console.error('npm installs what the bench compares with into bench/node_modules.');
  const { status } = spawnSync('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'], {
    cwd: here,
    stdio: ['ignore', 2, 2],
    shell: process.platform === 'win32',
  });
  return status === 0;
}

const words = process.argv.slice(2);
const named = words[0] !== undefined && !words[0].startsWith('-');
const [bench, ...args] = named ? words : ['gateway', ...words];
if (!Object.hasOwn(benches, bench ?? '')) {
  console.error(`Which bench? ${Object.keys(benches).join(', ')}`);
  process.exitCode = 2;
} else if (!(await ensureInstalled({ dev: bench === 'soak' })) || (withPeers.includes(bench) && !installPeers())) {
  process.exitCode = 1;
} else {
  const node = findNode();
  if (node !== undefined) becomeNode(node, [join(here, benches[bench]), ...args]);
  console.error(nodeMissing());
  process.exitCode = 1;
}

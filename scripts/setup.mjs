// Sees to it that node_modules is what package-lock.json says, before anything else runs. Plain JavaScript for Node 20.
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { withLock } from './lock.mjs';
import { createProgress } from './progress.mjs';

export const root = fileURLToPath(new URL('..', import.meta.url));

/** What a first install costs on Linux x64: megabytes over the network, and on the disk. Measured; other platforms differ by some 20. */
const DOWNLOAD_MB = 230;
const DISK_MB = 740;

/** npm's own waits before it tries again, 10 and 60 seconds, are long for somebody who is offline and not told so. */
const patience = ['--fetch-retries=3', '--fetch-retry-mintimeout=1000', '--fetch-retry-maxtimeout=5000'];

/**
 * Installs what package-lock.json names, unless it is all there; then no network is touched. `dev: false` is content without the
 * packages that only development needs, but an install always brings both. False when it failed; why is on stderr by then.
 */
export async function ensureInstalled({ dev }) {
  if (missingPackage(dev) === undefined) return true;
  try {
    return await withLock(join(root, '.setup.lock'), () => {
      const missing = missingPackage(dev); // another start may have installed it while this one waited
      return missing === undefined ? true : install(missing);
    });
  } catch (cause) {
    if (!['EACCES', 'EPERM', 'EROFS'].includes(cause.code)) throw cause;
    console.error(adviceFor(cause.code, 1));
    return false;
  }
}

/** The first package that is not installed as package-lock.json has it; optional ones may be absent. */
function missingPackage(dev) {
  const wanted = readLock('package-lock.json');
  if (wanted === undefined) throw new Error(`${join(root, 'package-lock.json')} is missing: this is not a whole checkout`);
  const installed = readLock(join('node_modules', '.package-lock.json')) ?? {};
  for (const [path, entry] of Object.entries(wanted)) {
    if (!path.startsWith('node_modules/') || (entry.dev && !dev)) continue;
    const found = installed[path];
    if (found === undefined && entry.optional) continue;
    const same =
      found !== undefined && found.version === entry.version && found.integrity === entry.integrity && found.resolved === entry.resolved;
    if (!same || !existsSync(join(root, path, 'package.json'))) return path.slice('node_modules/'.length);
  }
  return undefined;
}

function readLock(file) {
  try {
    return JSON.parse(readFileSync(join(root, file), 'utf8')).packages;
  } catch (cause) {
    if (cause.code === 'ENOENT' || cause instanceof SyntaxError) return undefined;
    throw cause;
  }
}

async function install(missing) {
  const first = !existsSync(join(root, 'node_modules'));
  const why = first ? 'First start' : `${missing} is not installed as package-lock.json has it`;
  console.error(`${why}: npm installs what Parlance needs into ${join(root, 'node_modules')}.`);
  console.error(
    `At most ${DOWNLOAD_MB} MB to download (less where npm has some in its cache), ${DISK_MB} MB on disk. Node 24 and the engine are the most of it.`,
  );
  const started = Date.now();
  const { code, errors } = await runNpm(['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=http', ...patience]);
  if (code === 0) {
    console.error(`Installed in ${Math.round((Date.now() - started) / 1000)} s.\n`);
    return true;
  }
  console.error(`\n${adviceFor(errors, code)}`);
  return false;
}

function adviceFor(errors, code) {
  if (/EAI_AGAIN|ENOTFOUND|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|ENOTCACHED|EHOSTUNREACH/.test(errors)) {
    return 'The npm registry cannot be reached. Parlance needs it once, for this; afterwards it runs offline. Behind a proxy: npm config set proxy URL.';
  }
  if (/EACCES|EPERM|EROFS/.test(errors))
    return `npm may not write into ${root}. Make the folder yours, or run npm ci --ignore-scripts as its owner.`;
  if (/ENOSPC/.test(errors)) return `The disk is full: ${DISK_MB} MB are needed for node_modules, and npm's cache grows as well.`;
  if (/could not be started/.test(errors)) return 'npm is needed; it comes with Node.';
  return `npm ci failed with exit code ${code}; its own words are above. Nothing was started.`;
}

/** Runs npm, shows a progress bar for its downloads and passes on what else it says. Gives its exit code and all its error lines. */
function runNpm(args) {
  const total = Object.entries(readLock('package-lock.json')).filter(
    ([path, entry]) => path.startsWith('node_modules/') && fits(entry),
  ).length;
  const progress = createProgress(total);
  const { command, first, shell } = npmCommand();
  return new Promise((resolve) => {
    const npm = spawn(command, [...first, ...args], { cwd: root, stdio: ['ignore', 'ignore', 'pipe'], shell });
    let errors = '';
    let rest = '';
    npm.stderr.setEncoding('utf8').on('data', (text) => {
      const lines = (rest + text).split('\n');
      rest = lines.pop();
      for (const line of lines) read(line);
    });
    function read(line) {
      if (/^npm http (fetch|cache) .*\.tgz/.test(line)) return progress.step();
      // The engines that packages ask for are those of the Node 24 that is being installed, not of the one that runs npm.
      if (/^npm (http|warn|notice)/.test(line) || line === '') return undefined;
      errors += `${line}\n`;
      return progress.say(line);
    }
    npm.on('error', (cause) => {
      progress.end();
      resolve({ code: 1, errors: `npm could not be started: ${cause.message}` });
    });
    npm.on('close', (code) => {
      if (rest !== '') read(rest);
      progress.end();
      resolve({ code: code ?? 1, errors });
    });
    for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => npm.kill(signal));
  });
}

/** Whether a package is for this platform, as npm decides it. */
function fits({ os, cpu, link }) {
  const allows = (list, value) => list === undefined || [list].flat().includes(value);
  return !link && allows(os, process.platform) && allows(cpu, process.arch);
}

/** Under `npm start` the npm that runs us, else the one on PATH. */
function npmCommand() {
  const { npm_execpath: cli, npm_node_execpath: node } = process.env;
  if (cli?.endsWith('npm-cli.js') && existsSync(cli)) return { command: node ?? process.execPath, first: [cli], shell: false };
  return process.platform === 'win32' ? { command: 'npm.cmd', first: [], shell: true } : { command: 'npm', first: [], shell: false };
}

/** Checks of what somebody set up: configuration, models folder, port, keys. */
import { constants, existsSync } from 'node:fs';
import { access, stat, statfs } from 'node:fs/promises';
import { createServer } from 'node:net';
import { dirname } from 'node:path';
import { ConfigError, loadConfig, type ConfigSources } from '../config.ts';
import { isLoopback } from '../config/loopback.ts';
import type { Config } from '../config/settings.ts';
import { createLibrary } from '../providers/llama/library.ts';
import { localUrl } from './chat-address.ts';
import { whoAnswers } from './chat-client.ts';
import { findingOf, type Finding } from './doctor-machine.ts';
import { sizeText } from './output.ts';

/** The configuration, where it is valid, and a finding for each of its problems. */
export function checkConfig(sources: ConfigSources): { readonly config?: Config; readonly findings: readonly Finding[] } {
  const find = findingOf('configuration');
  try {
    const config = loadConfig(sources);
    return { config, findings: [find('ok', config.file ?? 'no parlance.yaml; defaults, environment and flags')] };
  } catch (cause) {
    if (!(cause instanceof ConfigError)) throw cause;
    return { findings: cause.problems.map((problem) => find('fail', problem, 'docs/configuration.md lists all settings.')) };
  }
}

/** Room below which the next download will fail. */
const LITTLE_ROOM = 2e9;

export async function checkModels({ models, providers }: Config): Promise<readonly Finding[]> {
  const find = findingOf('models');
  const { dir } = models;
  const library = createLibrary({ dir, builtIn: models.builtIn });
  const list = await library.list();
  const problems = (await library.problems()).map(({ path, message }) => find('warn', `${path}: ${message}`, 'Mend or delete it.'));
  const amount = list.length === 1 ? '1 model' : `${list.length} models`;
  const findings = [await checkFolder(dir, amount), ...problems];
  if (list.length > 0 || providers.length > 0) return findings;
  return [...findings, find('fail', 'there is no model to answer with', 'parlance models pull hf:USER/REPO, or models.builtIn: true')];
}

async function checkFolder(dir: string, amount: string): Promise<Finding> {
  const find = findingOf('models folder');
  let at = dir;
  while (!existsSync(at) && dirname(at) !== at) at = dirname(at);
  const there = at === dir;
  if (there && !(await stat(dir)).isDirectory()) return find('fail', `${dir} is no folder`, 'Set models.dir to one.');
  if (there && !(await may(dir, constants.R_OK | constants.X_OK))) {
    return find('fail', `${dir} may not be read by this user`, 'Change its permissions, or set models.dir to another.');
  }
  if (!(await may(at, constants.W_OK))) {
    return find(
      'warn',
      `${dir} ${there ? 'may not be written' : 'cannot be made'} by this user; ${amount}`,
      'models pull will fail; set models.dir to another folder.',
    );
  }
  const { bavail, bsize } = await statfs(at);
  const facts = `${dir}${there ? '' : ' (made when it is needed)'}; ${amount}, ${sizeText(bavail * bsize)} free`;
  if (bavail * bsize < LITTLE_ROOM)
    return find('warn', facts, 'Few models are smaller than that; make room, or set models.dir to another disk.');
  return find('ok', facts);
}

async function may(path: string, mode: number): Promise<boolean> {
  try {
    await access(path, mode);
    return true;
  } catch {
    return false; // why not is the same to the person: the next line says what to do
  }
}

export async function checkPort(config: Config): Promise<Finding> {
  const find = findingOf('port');
  const { host, port } = config.server;
  if (port === 0) return find('ok', 'any free one (server.port is 0)');
  const url = localUrl(config);
  const answering = await whoAnswers(url);
  if (answering.who === 'parlance') return find('ok', `Parlance ${answering.version} answers at ${url}`);
  const failure = await tryListening(host, port);
  if (failure === undefined) return find('ok', `${port} on ${host} is free`);
  if (failure === 'EADDRINUSE')
    return find('fail', `another program answers at ${host}:${port}`, 'End it, or choose another with server.port or --port.');
  if (failure === 'EACCES') return find('fail', `this user may not listen on port ${port}`, 'Choose one above 1023.');
  return find(
    'fail',
    `listening on ${host}:${port} fails (${failure})`,
    'Set server.host to an address of this machine, such as 127.0.0.1.',
  );
}

/** The code of the failure, or undefined where it works. */
async function tryListening(host: string, port: number): Promise<string | undefined> {
  const server = createServer();
  try {
    return await new Promise((resolve) => {
      server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
      server.listen(port, host, () => resolve(undefined));
    });
  } finally {
    if (server.listening) await new Promise((resolve) => server.close(resolve));
  }
}

export function checkAccess({ server: { host, requireKey }, keys, data }: Config): Finding {
  const find = findingOf('access');
  const configured = keys.length === 1 ? '1 key' : `${keys.length} keys`;
  const amount = data ? `${configured} in the configuration, and those of parlance keys` : configured;
  if (isLoopback(host)) return find('ok', requireKey ? `this machine only, with ${amount}` : 'this machine only, without a key');
  return find(
    'ok',
    `reachable from other machines at ${host}, with ${amount}; traffic is not encrypted: put a TLS proxy before it on networks you do not trust`,
  );
}

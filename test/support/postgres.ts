/** A Postgres of a test's own: a throw-away cluster in a temporary folder, on a free port. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { chown, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { Client } from 'pg';
import { freePort } from './free-port.ts';

const START_WITHIN_MS = 120_000;
const PASSWORD = 'only-for-tests';

export interface PostgresServer {
  readonly port: number;
  /** The URL of a new, empty database. */
  createDatabase(): Promise<string>;
  /** All connections break; nothing is answered until `start`. */
  stop(): Promise<void>;
  start(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Where Postgres' programs are; undefined where they are not installed. */
function programs(): string | undefined {
  const debian = '/usr/lib/postgresql';
  const versions = existsSync(debian) ? readdirSync(debian).sort((one, other) => Number(other) - Number(one)) : [];
  const places = [...versions.map((version) => join(debian, version, 'bin')), ...(process.env['PATH'] ?? '').split(':')];
  return places.find((place) => existsSync(join(place, 'initdb')) && existsSync(join(place, 'postgres')));
}

/** Why tests with Postgres are skipped; false where they are not. In CI they never are. */
export const postgresMissing: string | false =
  programs() !== undefined || process.env['CI'] === 'true' ? false : 'Postgres is not installed here (Debian: postgresql)';

/** Rejects where Postgres is not installed. */
export async function startPostgres(): Promise<PostgresServer> {
  const bin = programs();
  if (bin === undefined) throw new Error('Postgres is not installed (Debian: postgresql).');
  const owner = ownerOfServer();
  const home = await mkdtemp(join(tmpdir(), 'parlance-postgres-'));
  const data = join(home, 'data');
  const passwordFile = join(home, 'password');
  await writeFile(passwordFile, PASSWORD);
  if (owner) {
    await chown(home, owner.uid, owner.gid);
    await chown(passwordFile, owner.uid, owner.gid);
  }
  const options = [
    '-D',
    data,
    '-U',
    'parlance',
    `--pwfile=${passwordFile}`,
    '-A',
    'scram-sha-256',
    '-E',
    'UTF8',
    '--locale=C',
    '--no-sync',
  ];
  const made = spawnSync(join(bin, 'initdb'), options, { ...owner, cwd: home, encoding: 'utf8' });
  if (made.status !== 0) throw new Error(`initdb failed: ${made.stdout}${made.stderr}`);

  const port = await freePort();
  const urlOf = (database: string): string => `postgres://parlance:${PASSWORD}@127.0.0.1:${port}/${database}`;
  let databases = 0;
  let server = await run({ bin, data, home, port, owner, url: urlOf('postgres') });
  return {
    port,
    async createDatabase() {
      const name = `test_${++databases}`;
      const client = new Client(urlOf('postgres'));
      await client.connect();
      try {
        await client.query(`create database ${name}`);
      } finally {
        await client.end();
      }
      return urlOf(name);
    },
    stop: () => server.stop(),
    async start() {
      server = await run({ bin, data, home, port, owner, url: urlOf('postgres') });
    },
    async [Symbol.asyncDispose]() {
      await server.stop();
      await rm(home, { recursive: true, force: true });
    },
  };
}

interface Owner {
  readonly uid: number;
  readonly gid: number;
}

/** Postgres refuses to run as root. */
function ownerOfServer(): Owner | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const idOf = (option: string): number => Number(spawnSync('id', [option, 'postgres'], { encoding: 'utf8' }).stdout);
  return { uid: idOf('-u'), gid: idOf('-g') };
}

interface Start {
  readonly bin: string;
  readonly data: string;
  readonly home: string;
  readonly port: number;
  readonly owner: Owner | undefined;
  readonly url: string;
}

async function run({ bin, data, home, port, owner, url }: Start): Promise<{ stop(): Promise<void> }> {
  const settings = ['fsync=off', 'full_page_writes=off', 'max_connections=60', 'listen_addresses=127.0.0.1'];
  const words = [join(bin, 'postgres'), '-D', data, '-p', String(port), '-k', home, ...settings.flatMap((setting) => ['-c', setting])];
  // The shell ends the server when its standard input ends, which it does too when this process is killed.
  const script = '"$@" </dev/null & server=$!; (cat >/dev/null; kill -QUIT $server) & wait $server';
  const child = spawn('/bin/sh', ['-c', `exec 3<&0; ${script.replace('cat', 'cat <&3')}`, 'sh', ...words], {
    ...owner,
    cwd: home,
    stdio: ['pipe', 'ignore', 'pipe'],
  });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said = (said + text).slice(-10_000)));
  const closed = once(child, 'close');
  const stop = async (): Promise<void> => {
    child.stdin.end();
    await closed;
  };
  const deadline = performance.now() + START_WITHIN_MS;
  for (;;) {
    const client = new Client(url);
    try {
      await client.connect();
      await client.end();
      return { stop };
    } catch (cause) {
      if (child.exitCode !== null || performance.now() > deadline) {
        await stop();
        throw new Error(`Postgres did not start: ${said}`, { cause });
      }
    }
    await wait(50);
  }
}

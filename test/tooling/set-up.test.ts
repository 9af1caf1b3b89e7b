import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const scripts = fileURLToPath(new URL('../../scripts', import.meta.url));

const lock = {
  packages: {
    '': { name: 'parlance' },
    'models/small': { name: '@parlance/small', version: '0.1.0' },
    'node_modules/@parlance/small': { resolved: 'models/small', link: true },
    'node_modules/fastify': { version: '5.0.0', integrity: 'sha512-f' },
    'node_modules/typescript': { version: '7.0.0', integrity: 'sha512-t', dev: true },
    'node_modules/node-other-os': { version: '24.0.0', integrity: 'sha512-n', optional: true, os: ['other'] },
  },
};

/** Stands in for npm: notes each call, then installs by writing what npm would, or fails as it does without a network. `FAKE_UNTIL`: as soon as that file is there. */
const fakeNpm = `
  const { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } = require('node:fs');
  appendFileSync('calls', process.argv.slice(2).join(' ') + '\\n');
  if (process.env.FAKE_OFFLINE) {
    console.error('npm error code ENOTFOUND');
    process.exit(1);
  }
  const install = () => {
    if (process.env.FAKE_UNTIL && !existsSync(process.env.FAKE_UNTIL)) return void setTimeout(install, 20);
    const { packages } = JSON.parse(readFileSync('package-lock.json', 'utf8'));
    const installed = {};
    for (const [path, entry] of Object.entries(packages)) {
      if (path === '' || entry.os) continue;
      installed[path] = entry;
      mkdirSync(path, { recursive: true });
      writeFileSync(path + '/package.json', '{}');
    }
    writeFileSync('node_modules/.package-lock.json', JSON.stringify({ packages: installed }));
  };
  install();
`;

const mainProgram = `
  const [word] = process.argv.slice(2);
  if (word === 'wait') {
    process.on('SIGTERM', () => process.exit(7));
    setInterval(() => {}, 1000);
  }
  console.log('ran ' + process.argv.slice(2).join(' '));
  if (word === 'fail') process.exitCode = 3;
`;

describe('set-up', () => {
  let folder = '';

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'parlance-set-up-'));
    cpSync(scripts, join(folder, 'scripts'), { recursive: true });
    write('package-lock.json', JSON.stringify(lock));
    write('npm-cli.js', fakeNpm);
    write('src/main.ts', mainProgram);
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  function write(file: string, text: string): void {
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    writeFileSync(join(folder, file), text);
  }

  function start(args: readonly string[], env: Record<string, string> = {}): ChildProcess {
    const npm = { npm_execpath: join(folder, 'npm-cli.js'), npm_node_execpath: process.execPath, CI: '1' };
    return spawn(process.execPath, [join(folder, 'scripts', 'run.mjs'), ...args], {
      cwd: tmpdir(),
      env: { ...process.env, ...npm, ...env },
    });
  }

  async function outcome(child: ChildProcess): Promise<{ code: number | null; stdout: string; stderr: string }> {
    let stdout = '';
    let stderr = '';
    child.stdout?.on('data', (bytes: Buffer) => (stdout += bytes.toString()));
    child.stderr?.on('data', (bytes: Buffer) => (stderr += bytes.toString()));
    const [code] = (await once(child, 'close')) as [number | null];
    return { code, stdout, stderr };
  }

  const run = (args: readonly string[], env: Record<string, string> = {}) => outcome(start(args, env));
  const calls = (): string[] => (existsSync(join(folder, 'calls')) ? readFileSync(join(folder, 'calls'), 'utf8').trim().split('\n') : []);

  test('set-up: nothing installed, npm ci runs once without install scripts, says its size, and the command follows', async () => {
    const { code, stdout, stderr } = await run(['serve', '--port', '8080']);
    assert.equal(stdout, 'ran serve --port 8080\n');
    assert.equal(code, 0);
    assert.equal(calls().length, 1);
    assert.match(calls()[0] ?? '', /^ci --ignore-scripts/);
    assert.match(stderr, /\d+ MB to download/);
  });

  test('set-up: everything installed, npm is not run', async () => {
    await run([]);
    const { stdout, stderr } = await run(['again'], { FAKE_OFFLINE: '1' });
    assert.equal(stdout, 'ran again\n');
    assert.equal(stderr, '');
    assert.equal(calls().length, 1);
  });

  test('set-up: without the development packages the command runs and npm is not run', async () => {
    await run([]);
    const file = 'node_modules/.package-lock.json';
    const installed = JSON.parse(readFileSync(join(folder, file), 'utf8')) as typeof lock;
    write(file, JSON.stringify({ packages: { ...installed.packages, 'node_modules/typescript': undefined } }));
    assert.equal((await run(['x'])).stdout, 'ran x\n');
    assert.equal(calls().length, 1);
  });

  test('set-up: another version in package-lock.json than installed, npm runs again', async () => {
    await run([]);
    const packages = { ...lock.packages, 'node_modules/fastify': { version: '5.0.1', integrity: 'sha512-g' } };
    write('package-lock.json', JSON.stringify({ packages }));
    const { stderr } = await run([]);
    assert.match(stderr, /fastify is not installed as package-lock.json has it/);
    assert.equal(calls().length, 2);
  });

  test('set-up: a package whose folder was deleted, npm runs again', async () => {
    await run([]);
    rmSync(join(folder, 'node_modules/fastify'), { recursive: true });
    await run([]);
    assert.equal(calls().length, 2);
  });

  test('set-up: offline and nothing installed, it says so, starts nothing and fails', async () => {
    const { code, stdout, stderr } = await run(['serve'], { FAKE_OFFLINE: '1' });
    assert.equal(code, 1);
    assert.equal(stdout, '');
    assert.match(stderr, /npm error code ENOTFOUND/);
    assert.match(stderr, /registry cannot be reached/);
    assert.equal(existsSync(join(folder, '.setup.lock')), false);
  });

  test('set-up: two starts at once make one install, and both run', async () => {
    const env = { FAKE_UNTIL: join(folder, 'go') };
    const starts = [start(['one'], env), start(['two'], env)];
    const both = starts.map(outcome);
    // npm is not done before one of them has said that it waits for the other
    await new Promise<void>((resolve) => {
      for (const { stderr } of starts) {
        let said = '';
        stderr?.on('data', (bytes: Buffer) => {
          said += bytes.toString();
          if (/waiting for it/.test(said)) resolve();
        });
      }
    });
    write('go', '');
    assert.deepEqual(
      (await Promise.all(both)).map(({ stdout }) => stdout),
      ['ran one\n', 'ran two\n'],
    );
    assert.equal(calls().length, 1);
  });

  test('set-up: the lock of a process that is gone does not block', async () => {
    const gone = spawn(process.execPath, ['-e', '']);
    await once(gone, 'exit');
    write('.setup.lock', String(gone.pid));
    assert.equal((await run(['x'])).stdout, 'ran x\n');
  });

  test('run: the exit code is the command’s own', async () => {
    assert.equal((await run(['fail'])).code, 3);
  });

  test('run: SIGTERM reaches the command, which ends in its own way', async () => {
    await run([]);
    const child = start(['wait']);
    const ended = outcome(child);
    await once(child.stdout as NonNullable<typeof child.stdout>, 'data');
    child.kill('SIGTERM');
    assert.equal((await ended).code, 7);
  });

  test(
    'run: under npm, the command ends when the shell that npm started for it is gone',
    { skip: process.platform === 'win32' },
    async () => {
      await run([]);
      // As npm does it: a shell that stays between, and gets the signal.
      const line = `"${process.execPath}" "${join(folder, 'scripts', 'run.mjs')}" wait; true`;
      const shell = spawn('/bin/sh', ['-c', line], { env: { ...process.env, npm_lifecycle_event: 'start' } });
      const closed = once(shell.stdout, 'close');
      await once(shell.stdout, 'data');
      shell.kill('SIGTERM');
      await closed; // the pipe is open for as long as the command lives
    },
  );
});

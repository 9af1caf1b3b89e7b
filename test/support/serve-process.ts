/** `parlance serve` as a process of its own, for tests of how it starts and ends. */
import { spawn } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { SMALL, workersAsked, type LogLine } from './live-server.ts';

export interface ServeProcess {
  readonly pid: number;
  readonly url: string;
  /** Its configuration file. */
  readonly file: string;
  /** Puts another configuration in the file's place, whole at once as editors do: no half of it is seen, however slow that is. */
  write(yaml: string): Promise<void>;
  readonly log: readonly LogLine[];
  /** The first line, from the `after`th on, that the condition holds for; waits for it up to a minute. */
  logged(condition: (line: LogLine) => boolean, after?: number): Promise<LogLine>;
  kill(signal: NodeJS.Signals): void;
  /** As a terminal does on Ctrl-C: to the server and to all that it has started. */
  killGroup(signal: NodeJS.Signals): void;
  /** The exit code, or the signal that ended it. */
  readonly ended: Promise<number | NodeJS.Signals>;
  [Symbol.asyncDispose](): Promise<void>;
}

const root = fileURLToPath(new URL('../..', import.meta.url));

/** `yaml` is what its file holds at first. Rejects where it ends before it listens. */
export async function startServe(env: Readonly<Record<string, string>> = {}, yaml = ''): Promise<ServeProcess> {
  const home = await mkdtemp(join(tmpdir(), 'parlance-test-'));
  const file = join(home, 'parlance.yaml');
  await writeFile(file, yaml);
  const inherited = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('PARLANCE_')));
  const child = spawn(process.execPath, ['src/main.ts', 'serve', '--port', '0', '--config', file], {
    cwd: root,
    // a process group of its own, as a shell gives to what it starts
    detached: true,
    env: {
      ...inherited,
      ...SMALL,
      ...workersAsked(),
      PARLANCE_MODELS_DIR: home,
      PARLANCE_DATA_DIR: home,
      PARLANCE_LOG_FORMAT: 'json',
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const lines: LogLine[] = [];
  let other = '';
  const news = new EventEmitter().setMaxListeners(0);
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on('line', (line) => {
      if (line.startsWith('{')) lines.push(JSON.parse(line) as LogLine);
      else other += `${line}\n`;
      news.emit('line');
    });
  }
  const exited = Promise.withResolvers<number | NodeJS.Signals>();
  child.on('error', exited.reject);
  child.on('close', (code, signal) => exited.resolve(code ?? signal ?? 'SIGKILL'));
  const ended = exited.promise.then(async (how) => {
    await rm(home, { recursive: true, force: true });
    return how;
  });

  const logged = async (condition: (line: LogLine) => boolean, after = 0): Promise<LogLine> => {
    const deadline = AbortSignal.timeout(60_000);
    for (let at = after; ; at++) {
      while (at >= lines.length) await once(news, 'line', { signal: deadline });
      const line = lines[at];
      if (line && condition(line)) return line;
    }
  };
  const listening = logged(({ url }) => url !== undefined);
  const early = ended.then((how) => Promise.reject(new Error(`it ended with ${how}: ${other}${JSON.stringify(lines)}`)));
  const line = await Promise.race([listening, early]);
  early.catch(() => undefined);
  return {
    pid: child.pid ?? 0,
    url: String(line['url']),
    file,
    async write(text) {
      await writeFile(`${file}.new`, text);
      await rename(`${file}.new`, file);
    },
    log: lines,
    logged,
    kill: (signal) => child.kill(signal),
    killGroup: (signal) => process.kill(-(child.pid ?? Number.NaN), signal),
    ended,
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await ended;
    },
  };
}

/** Starts the programs that are compared, waits until they answer, and ends them: by their own ids only. */
import { spawn, spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';

export interface Command {
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly cwd?: string;
  /** Cores it may run on, as `taskset -c` has them. */
  readonly cores?: string | undefined;
  /** Throws away what it writes to its standard output, as `/dev/null` does; what goes to the other one is kept. */
  readonly quiet?: boolean;
}

export interface Program {
  readonly pid: number;
  /** What it wrote so far, both streams. */
  output(): string;
  /** It has ended. */
  ended(): boolean;
  /** Resolves with the output as soon as `pattern` is in it. Rejects when the program ends before. */
  until(pattern: RegExp): Promise<RegExpExecArray>;
  stop(): Promise<void>;
}

/** Is there a command of that name? */
export function hasCommand(name: string): boolean {
  return spawnSync('sh', ['-c', `command -v ${name}`], { stdio: 'ignore' }).status === 0;
}

/** What a command prints, trimmed; undefined where it cannot be run. */
export function outputOf(command: string, args: readonly string[]): string | undefined {
  const { error, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8' });
  return error ? undefined : `${stdout}${stderr}`.trim();
}

/** A port of 127.0.0.1 that was free just now. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (typeof address !== 'object' || !address) throw new Error('no port');
  return address.port;
}

const running = new Set<ChildProcess>();
// An interrupted bench leaves nothing behind.
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(130));

/** For programs that were started elsewhere: they end with the bench. */
export function endsWithUs(child: ChildProcess): void {
  running.add(child);
  child.once('exit', () => running.delete(child));
}

/** Starts a program. With `cores`, `taskset` becomes it, so that the id is the program's own. */
export function start({ command, args, env = {}, cwd, cores, quiet = false }: Command): Program {
  const words = cores === undefined ? [command, ...args] : ['taskset', '-c', cores, command, ...args];
  const child = spawn(words[0] ?? command, words.slice(1), {
    stdio: ['ignore', quiet ? 'ignore' : 'pipe', 'pipe'],
    env: { ...process.env, ...env },
    ...(cwd === undefined ? {} : { cwd }),
  });
  endsWithUs(child);
  const waiting = new Set<() => void>();
  let output = '';
  let ended = false;
  const news = (): void => {
    for (const look of waiting) look();
  };
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      output = (output + text).slice(-1_000_000);
      news();
    });
  }
  const gone = new Promise<void>((resolve) => {
    const end = (): void => {
      ended = true;
      news();
      resolve();
    };
    child.once('error', (cause) => {
      output += `\n${cause.message}`;
      end();
    });
    child.once('exit', end);
  });
  const program = `${command} ${args.join(' ')}`;

  return {
    pid: child.pid ?? -1,
    output: () => output,
    ended: () => ended,
    until(pattern) {
      const { promise, resolve, reject } = Promise.withResolvers<RegExpExecArray>();
      const look = (): void => {
        const found = pattern.exec(output);
        if (found) resolve(found);
        else if (ended) reject(new Error(`${program} ended before it said ${String(pattern)}:\n${output.slice(-2000)}`));
      };
      waiting.add(look);
      look();
      return promise.finally(() => waiting.delete(look));
    },
    async stop() {
      if (ended) return;
      child.kill('SIGTERM');
      const kill = setTimeout(() => child.kill('SIGKILL'), 5000);
      await gone;
      clearTimeout(kill);
    },
  };
}

export interface Patience {
  readonly withinMs: number;
  /** Whose port it is: nobody waits longer than it runs. */
  readonly program?: Program;
}

/** Resolves as soon as somebody accepts connections on the port. Asks again every 2 ms, so that the time can be taken. */
export async function accepting(port: number, { withinMs, program }: Patience): Promise<void> {
  const until = performance.now() + withinMs;
  for (;;) {
    const socket = connect(port, '127.0.0.1');
    const connected = await new Promise<boolean>((resolve) => {
      socket.once('connect', () => resolve(true));
      socket.once('error', () => resolve(false));
    });
    socket.destroy();
    if (connected) return;
    if (program?.ended()) throw new Error(`it ended before it listened: ${program.output().slice(-2000)}`);
    if (performance.now() > until) throw new Error(`nobody listens on port ${port}`);
    await pause(2);
  }
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

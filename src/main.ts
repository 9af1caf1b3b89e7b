/** The command line: finds the command, and turns what it throws into a message and an exit code. */
import { pathToFileURL } from 'node:url';
import { realpathSync } from 'node:fs';
import { enableCompileCache } from 'node:module';
import { GLOBAL_FLAGS, UsageError } from './commands/args.ts';
import { overview, pageOf, pageText, run as help } from './commands/help.ts';
import { EXIT, messageOf, processIo, programVersion, writeError, writeLine, type Io } from './commands/output.ts';

type Run = (argv: readonly string[], io: Io) => Promise<number>;

/** Loaded when they are called: help need not wait for a server's parts. */
const COMMANDS: Readonly<Record<string, () => Promise<Run>>> = {
  serve: async () => (await import('./commands/serve.ts')).serve,
  chat: async () => (await import('./commands/chat.ts')).run,
  models: async () => (await import('./commands/models.ts')).run,
  keys: async () => (await import('./commands/keys.ts')).run,
  backup: async () => (await import('./commands/backup.ts')).run,
  doctor: async () => (await import('./commands/doctor.ts')).run,
  help: async () => help,
};

/** Runs one command line; the result is the exit code. Never throws. */
export async function main(argv: readonly string[], io: Io): Promise<number> {
  let name: string | undefined;
  try {
    const { command, rest } = split(argv);
    name = command;
    if (name === undefined) {
      if (rest.includes('--version') || rest.includes('-v')) {
        writeLine(io.stdout, programVersion());
        return EXIT.ok;
      }
      if (rest.includes('--help') || rest.includes('-h')) {
        writeLine(io.stdout, overview(io));
        return EXIT.ok;
      }
      const [unknown] = rest;
      if (unknown !== undefined) throw new UsageError(`a command is missing before ${unknown}`);
      writeLine(io.stderr, overview(io));
      return EXIT.usage;
    }
    const page = pageOf(name);
    const end = rest.indexOf('--');
    const own = end === -1 ? rest : rest.slice(0, end);
    if (own.includes('--help') || own.includes('-h')) {
      writeLine(io.stdout, pageText(page, io));
      return EXIT.ok;
    }
    const load = COMMANDS[name];
    if (!load) throw new UsageError(`unknown command ${JSON.stringify(name)}`);
    const run = await load();
    return await run(rest, io);
  } catch (cause) {
    for (const problem of problemsOf(cause)) writeError(io, problem);
    if (!(cause instanceof UsageError)) return EXIT.failure;
    writeLine(io.stderr, `See: parlance ${name === undefined || !Object.hasOwn(COMMANDS, name) ? '--help' : `help ${name}`}`);
    return EXIT.usage;
  }
}

/** A ConfigError brings several, each a message of its own. */
function problemsOf(cause: unknown): readonly string[] {
  const problems = cause instanceof Error && 'problems' in cause ? cause.problems : undefined;
  return Array.isArray(problems) ? problems.map(String) : [messageOf(cause)];
}

/** The command, and everything else in its order: flags for all commands may stand before it. */
function split(argv: readonly string[]): { readonly command: string | undefined; readonly rest: readonly string[] } {
  for (let index = 0; index < argv.length; index += 1) {
    const word = argv[index] ?? '';
    if (!word.startsWith('-')) return { command: word, rest: [...argv.slice(index + 1), ...argv.slice(0, index)] };
    if (GLOBAL_FLAGS[word.replace(/^--/, '')]?.value !== undefined) index += 1;
  }
  return { command: undefined, rest: argv };
}

/** Was this file started, and not imported by a test? */
function isProgram(): boolean {
  const [, started] = process.argv;
  return started !== undefined && pathToFileURL(realpathSync(started)).href === import.meta.url;
}

if (isProgram()) {
  // half of the time to start is compiling; with the cache only the first start of all compiles
  enableCompileCache();
  // a reader that has seen enough (`parlance models | head -1`) is no failure
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(EXIT.ok);
    throw error;
  });
  process.exitCode = await main(process.argv.slice(2), processIo());
}

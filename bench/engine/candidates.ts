/** Who is compared: the bare loop, our own server, and llama-server where the environment names one. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { accepting, endsWithUs, freePort, outputOf, pause, start } from '../lib/process.ts';
import type { Program } from '../lib/process.ts';
import { cpuSeconds, peakMemory } from '../lib/proc.ts';
import { ROOT } from '../lib/report.ts';
import { parseChatRequest } from '../../src/protocols/openai-chat/accept.ts';
import { planChat } from '../../src/providers/llama/formats/index.ts';
import type { ModelTraits } from '../../src/providers/llama/formats/plan.ts';
import { readGguf } from '../../src/providers/llama/gguf.ts';
import type { GgufSummary } from '../../src/providers/llama/model.ts';
import type { FromBare, ToBare } from './bare.ts';
import { LLAMA_SERVER_SAMPLING } from './cases.ts';
import type { ChatBody } from './cases.ts';
import { streamed } from './streamed.ts';

export const MODEL = 'smollm2-135m-instruct';
export const MODEL_FILE = join(ROOT, 'models', MODEL, 'SmolLM2-135M-Instruct.Q4_1.gguf');
/** The same for everybody: threads, sequences, tokens per sequence, tokens per decode. */
export const SIZES = { threads: Number(process.env['BENCH_THREADS'] ?? 2), sequences: 8, contextSize: 2304, batchSize: 512 };

/** One measurement, all its streams together. */
export interface Measured {
  readonly tokensPerSecond: number;
  /** Of each stream; of all of them together where they cannot be told apart. */
  readonly firstTokenMs: readonly number[];
  /** Milliseconds between tokens, of all streams. */
  readonly gaps: readonly number[];
  readonly promptTokens: number;
  readonly tokens: number;
  /** CPU time of all the candidate's processes, prompts included, by generated tokens. */
  readonly cpuMsPerToken: number;
}

/** What the processes took for `run`, by each of its tokens. */
async function withCpu(pids: () => readonly number[], run: () => Promise<Omit<Measured, 'cpuMsPerToken'>>): Promise<Measured> {
  const seconds = (): number => pids().reduce((sum, pid) => sum + cpuSeconds(pid), 0);
  const before = seconds();
  const value = await run();
  return { ...value, cpuMsPerToken: ((seconds() - before) * 1000) / value.tokens };
}

export interface Candidate {
  readonly name: string;
  readonly version: string;
  pids(): readonly number[];
  run(bodies: readonly ChatBody[]): Promise<Measured>;
  /** Where it listens, if it does, and what it must be sent for the same work. */
  readonly served?: { readonly base: string; readonly change: (body: ChatBody) => ChatBody };
  /** MiB at most so far, by process. */
  memory(): Readonly<Record<string, number>>;
  stop(): Promise<void>;
}

export interface Bare extends Candidate {
  /** All tokens with which this model ends an answer. */
  readonly endTokens: readonly number[];
}

export async function startBare(): Promise<Bare> {
  const child = fork(fileURLToPath(new URL('./bare.ts', import.meta.url)), {
    env: { ...process.env, UV_THREADPOOL_SIZE: '1' },
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    execArgv: [],
  });
  endsWithUs(child);
  const ask = async (message: ToBare): Promise<FromBare> => {
    child.send(message);
    const [answer] = (await once(child, 'message')) as [FromBare];
    if (answer.type === 'failed') throw new Error(`the bare loop: ${answer.message}`);
    return answer;
  };
  const ready = await ask({ type: 'load', options: { ...SIZES, modelPath: MODEL_FILE, gpu: 'off' } });
  const pid = child.pid ?? -1;
  return {
    name: 'bare loop',
    version: '',
    endTokens: ready.type === 'ready' ? ready.endTokens : [],
    pids: () => [pid],
    run: (bodies) =>
      withCpu(
        () => [pid],
        async () => {
          const answer = await ask({ type: 'run', bodies });
          if (answer.type !== 'result') throw new Error(`the bare loop answered ${answer.type}`);
          const { ms, firstTokenMs, ...rest } = answer.result;
          return { ...rest, tokensPerSecond: (rest.tokens / ms) * 1000, firstTokenMs: [firstTokenMs] };
        },
      ),
    memory: () => ({ 'bare loop': peakMemory(pid) }),
    async stop() {
      const gone = once(child, 'exit');
      child.disconnect();
      await gone;
    },
  };
}

/** Tokens of a template's fixed beginning. */
const MOST_CACHED = 4;

async function measured(base: string, bodies: readonly ChatBody[]): Promise<Omit<Measured, 'cpuMsPerToken'>> {
  const streams = await Promise.all(bodies.map((body) => streamed(base, body)));
  const tokens = streams.reduce((sum, stream) => sum + stream.tokens, 0);
  const ms = Math.max(...streams.map((stream) => stream.endedAt)) - Math.min(...streams.map((stream) => stream.startedAt));
  // a template's fixed beginning is allowed to be reused; more would be the answer to another question
  const cached = Math.max(...streams.map((stream) => stream.cachedTokens));
  if (cached > MOST_CACHED) throw new Error(`${base} took ${cached} tokens of a prompt from its cache`);
  return {
    tokensPerSecond: (tokens / ms) * 1000,
    firstTokenMs: streams.map((stream) => stream.firstAt - stream.startedAt).filter((ms) => !Number.isNaN(ms)),
    gaps: streams.flatMap((stream) => stream.gaps),
    promptTokens: streams[0]?.promptTokens ?? 0,
    tokens,
  };
}

export interface Parlance extends Candidate {
  readonly base: string;
  /** From the start of the process until somebody could connect. */
  readonly listeningMs: number;
  /** By `performance.now()`. */
  readonly startedAt: number;
}

/** The environment without this user's own Parlance settings. */
function cleanEnvironment(): Record<string, undefined> {
  return Object.fromEntries(
    Object.keys(process.env)
      .filter((name) => name.startsWith('PARLANCE_'))
      .map((name) => [name, undefined]),
  );
}

/** The real server as `parlance serve` starts it; BENCH_ENTRY names another main program, that of a build for instance. */
export async function startParlance(): Promise<Parlance> {
  const folder = mkdtempSync(join(tmpdir(), 'parlance-bench-'));
  const port = await freePort();
  const entry = process.env['BENCH_ENTRY'] ?? join(ROOT, 'src', 'main.ts');
  const startedAt = performance.now();
  const program = start({
    command: process.execPath,
    args: [entry, 'serve', '--port', String(port)],
    cwd: folder,
    env: {
      ...cleanEnvironment(),
      XDG_CONFIG_HOME: folder,
      PARLANCE_MODELS_DIR: join(folder, 'models'),
      PARLANCE_DATA_DIR: join(folder, 'data'),
      PARLANCE_LOG_FORMAT: 'json',
      PARLANCE_ENGINE_GPU: 'off',
      PARLANCE_ENGINE_THREADS: String(SIZES.threads),
      PARLANCE_ENGINE_SEQUENCES: String(SIZES.sequences),
      PARLANCE_ENGINE_CONTEXT_SIZE: String(SIZES.contextSize),
    },
  });
  await listening(program, port);
  const listeningMs = performance.now() - startedAt;
  const base = `http://127.0.0.1:${port}`;
  const engine = (): number | undefined => loadedPid(program.output());
  const pids = (): readonly number[] => [program.pid, engine() ?? -1].filter((pid) => pid > 0);
  return {
    name: 'Parlance',
    version: '',
    base,
    served: { base, change: (body) => body },
    listeningMs,
    startedAt,
    pids,
    run: (bodies) => withCpu(pids, () => measured(base, bodies)),
    memory() {
      const pid = engine();
      return { 'Parlance, server': peakMemory(program.pid), ...(pid === undefined ? {} : { 'Parlance, engine': peakMemory(pid) }) };
    },
    async stop() {
      await program.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Rejects at once where the program ends instead of listening. */
async function listening(program: Program, port: number): Promise<void> {
  const never = program.until(/(?!)/).then(() => undefined);
  await Promise.race([accepting(port, { withinMs: 60_000 }), never]);
  never.catch(() => undefined);
}

/** The engine's process as the server's log has it. */
function loadedPid(log: string): number | undefined {
  for (const line of log.split('\n')) {
    if (!line.includes('"model loaded"')) continue;
    const { pid } = JSON.parse(line) as { pid?: number };
    if (pid !== undefined) return pid;
  }
  return undefined;
}

function traitsOf({ chatTemplate, bosToken, eosToken, architecture }: GgufSummary): ModelTraits {
  return { template: chatTemplate, bosToken, eosToken, architecture };
}

/** The same work for llama-server: its own sampling defaults off; schemas and tools told to the model as Parlance tells them. */
function forLlamaServer(body: ChatBody, traits: ModelTraits): ChatBody {
  const { messages } = planChat(parseChatRequest(body, { strict: true }), traits).render;
  return { ...LLAMA_SERVER_SAMPLING, ...body, messages };
}

/**
 * llama-server on the same file with the same sizes, and without flash attention, which Parlance's engine does not use
 * on a CPU. LLAMA_SERVER_ARGS are put behind ours.
 */
export async function startLlamaServer(binary: string): Promise<Candidate> {
  const port = await freePort();
  const { threads, sequences, contextSize, batchSize } = SIZES;
  const sizes = ['-t', threads, '-tb', threads, '-np', sequences, '-c', contextSize * sequences, '-b', batchSize, '-ub', batchSize];
  const more = (process.env['LLAMA_SERVER_ARGS'] ?? '').split(' ').filter((word) => word !== '');
  const program = start({
    command: binary,
    args: [
      '-m',
      MODEL_FILE,
      '--host',
      '127.0.0.1',
      '--port',
      String(port),
      ...sizes.map(String),
      '--cache-ram',
      '0',
      '-fa',
      'off',
      ...more,
    ],
  });
  const base = `http://127.0.0.1:${port}`;
  const traits = traitsOf(await readGguf(MODEL_FILE));
  const change = (body: ChatBody): ChatBody => forLlamaServer(body, traits);
  await listening(program, port);
  while (!(await fetch(`${base}/health`)).ok) await pause(100);
  return {
    name: 'llama-server',
    version: /version: (.+)/.exec(outputOf(binary, ['--version']) ?? '')?.[1] ?? '',
    served: { base, change },
    pids: () => [program.pid],
    run: (bodies) =>
      withCpu(
        () => [program.pid],
        () => measured(base, bodies.map(change)),
      ),
    memory: () => ({ 'llama-server': peakMemory(program.pid) }),
    stop: () => program.stop(),
  };
}

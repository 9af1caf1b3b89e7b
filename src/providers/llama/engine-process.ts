/** Our side of one engine process: it is started, told jobs, listened to, and may die at any moment. */
import { fork, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Signal } from '../../core/abort.ts';
import { GatewayError } from '../../core/error.ts';
import { createQueue, type Queue } from '../../core/queue.ts';
import { NO_WORK } from './protocol.ts';
import type { EngineWork, FromEngine, Job, JobUsage, LoadOptions, Output, ToEngine } from './protocol.ts';

/** What a running job says: outputs as they come, then how much it took. */
export type JobEvent =
  | { readonly type: 'outputs'; readonly outputs: readonly Output[] }
  | { readonly type: 'done'; readonly usage: JobUsage };

export interface EngineProcess {
  readonly pid: number | undefined;
  readonly contextSize: number;
  readonly vocabulary: number;
  readonly warnings: readonly string[];
  /** Sequences that it can run at the same time. */
  readonly sequences: number;
  /** Its own figures, as it told them last; a quarter of a second old at most. */
  work(): EngineWork;
  /** Jobs that are not finished. */
  inFlight(): number;
  /**
   * Hands over a job and waits for its first output. Rejects with a GatewayError where it is refused.
   * Leaving the iteration early, or the signal, cancels the job within one step.
   */
  run(job: Omit<Job, 'id'>, signal: Signal): Promise<AsyncIterable<JobEvent>>;
  /** Ends the process; jobs in flight fail. Resolves when it is gone. */
  stop(): Promise<void>;
  /** Resolves when the process is gone, for whatever reason, with words for the log. */
  readonly gone: Promise<string>;
}

export interface StartEngine {
  readonly options: LoadOptions;
  /** Ends the wait for loading, and the process with it. */
  readonly signal: AbortSignal;
  readonly onProgress: (fraction: number) => void;
  /** A line that the native library wrote. */
  readonly onOutput: (line: string) => void;
}

interface Running {
  readonly queue: Queue<JobEvent>;
  readonly first: PromiseWithResolvers<void>;
}

const REFUSALS = {
  context_length_exceeded: 'context_length_exceeded',
  template: 'invalid_value',
  grammar: 'internal',
  invalid_token: 'invalid_value',
  internal: 'internal',
} as const;

/** What an engine has no use for. */
const SECRET: ReadonlySet<string> = new Set(['PARLANCE_API_KEYS', 'PARLANCE_HUB_TOKEN', 'PARLANCE_METRICS_KEY', 'HF_TOKEN']);

function spawnEngine(onOutput: (line: string) => void): ChildProcess {
  const entry = new URL(import.meta.url.endsWith('.ts') ? './child/main.ts' : './child/main.js', import.meta.url);
  // One thread in libuv's pool: decodes and draws then always run on the same one, which doubles the speed of a single stream.
  const environment = Object.fromEntries(Object.entries(process.env).filter(([name]) => !SECRET.has(name)));
  const child = fork(fileURLToPath(entry), {
    env: { ...environment, UV_THREADPOOL_SIZE: '1' },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    execArgv: ['--expose-gc'],
  });
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      for (const line of text.split('\n')) if (line.trim() !== '') onOutput(line.slice(0, 500));
    });
  }
  return child;
}

function lost(): GatewayError {
  return new GatewayError('overloaded', 'The engine that ran this model stopped; it is started again for the next request.', {
    retryAfterMs: 1000,
  });
}

/** Starts a process and loads the model into it. Rejects with `overloaded` where loading fails, with the signal's reason where it fires. */
export async function startEngine({ options, signal, onProgress, onOutput }: StartEngine): Promise<EngineProcess> {
  signal.throwIfAborted();
  const child = spawnEngine(onOutput);
  const jobs = new Map<number, Running>();
  const ready = Promise.withResolvers<Extract<FromEngine, { type: 'ready' }>>();
  const gone = Promise.withResolvers<string>();
  let nextJob = 1;
  let work = NO_WORK;
  let alive = true;

  const send = (message: ToEngine): void => {
    if (alive && child.connected) child.send(message, () => undefined);
  };
  const endJob = (id: number, cause?: GatewayError): void => {
    const job = jobs.get(id);
    jobs.delete(id);
    if (!job) return;
    if (cause) {
      job.first.reject(cause);
      job.queue.fail(cause);
      return;
    }
    job.first.resolve();
    job.queue.close();
  };
  const onGone = (words: string): void => {
    if (!alive) return;
    alive = false;
    for (const id of jobs.keys()) endJob(id, lost());
    ready.reject(
      new GatewayError('overloaded', 'The model could not be loaded: its engine stopped while loading.', { retryAfterMs: 5000 }),
    );
    gone.resolve(words);
  };

  const onStep = (outputs: readonly Output[]): void => {
    const byJob = Map.groupBy(outputs, (output) => output.job);
    for (const [id, own] of byJob) {
      const job = jobs.get(id);
      job?.queue.push({ type: 'outputs', outputs: own });
      job?.first.resolve();
    }
  };

  child.on('message', (message: FromEngine) => {
    switch (message.type) {
      case 'progress':
        onProgress(message.fraction);
        return;
      case 'ready':
        ready.resolve(message);
        return;
      case 'load_failed':
        ready.reject(new GatewayError('overloaded', `The model could not be loaded: ${message.message}`, { retryAfterMs: 30_000 }));
        return;
      case 'accepted':
        return;
      case 'refused':
        endJob(message.job, new GatewayError(REFUSALS[message.reason], message.message, { param: message.param }));
        return;
      case 'step':
        onStep(message.outputs);
        return;
      case 'work':
        work = message.work;
        return;
      case 'done':
        jobs.get(message.job)?.queue.push({ type: 'done', usage: message.usage });
        endJob(message.job);
        return;
      case 'cancelled':
        endJob(message.job, new GatewayError('cancelled', 'The request was cancelled.'));
        return;
      case 'failed':
        endJob(
          message.job,
          new GatewayError('internal', 'The engine failed to generate an answer.', { cause: new Error(message.message) }),
        );
    }
  });
  child.on('error', (cause) => {
    child.kill('SIGKILL');
    onGone(`could not be reached: ${cause.message}`);
  });
  child.on('exit', (code, killedBy) => onGone(killedBy ? `killed by ${killedBy}` : `exit code ${code}`));

  const abort = (): void => {
    child.kill('SIGKILL');
    ready.reject(signal.reason instanceof Error ? signal.reason : new GatewayError('cancelled', 'Loading was cancelled.'));
  };
  signal.addEventListener('abort', abort, { once: true });
  send({ type: 'load', options });
  try {
    const { contextSize, vocabulary, warnings } = await ready.promise;
    return {
      pid: child.pid,
      contextSize,
      vocabulary,
      warnings,
      gone: gone.promise,
      sequences: options.sequences,
      work: () => work,
      inFlight: () => jobs.size,
      async run(job, jobSignal) {
        jobSignal.throwIfAborted();
        if (!alive) throw lost();
        const id = nextJob++;
        const cancel = (): void => send({ type: 'cancel', job: id });
        const running: Running = { queue: createQueue<JobEvent>(cancel), first: Promise.withResolvers<void>() };
        jobs.set(id, running);
        jobSignal.addEventListener('abort', cancel, { once: true });
        const unhook = (): void => jobSignal.removeEventListener('abort', cancel);
        running.first.promise.catch(unhook);
        send({ type: 'run', job: { ...job, id } });
        await running.first.promise;
        return unhookAfter(running.queue, unhook);
      },
      async stop() {
        if (!alive) return;
        send({ type: 'stop' });
        const kill = setTimeout(() => child.kill('SIGKILL'), 2000);
        await gone.promise;
        clearTimeout(kill);
      },
    };
  } catch (cause) {
    child.kill('SIGKILL');
    throw cause;
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

/** The same items; `done` is called once, however the reading ends. */
async function* unhookAfter<T>(items: AsyncIterable<T>, done: () => void): AsyncGenerator<T> {
  try {
    yield* items;
  } finally {
    done();
  }
}

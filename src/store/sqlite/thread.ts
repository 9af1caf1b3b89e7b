/** A connection in a thread of its own, seen from outside: neither a long statement nor a slow disk stops this thread. */
import { Worker } from 'node:worker_threads';
import type { ConnectionOptions, StatementResult } from './connection.ts';

/** What the thread is asked, one after the other. */
export type Question =
  | { readonly do: 'run'; readonly sql: string; readonly parameters: readonly unknown[] }
  | { readonly do: 'exec'; readonly sql: string }
  | { readonly do: 'rollback' }
  | { readonly do: 'addUsage'; readonly records: readonly string[] }
  | { readonly do: 'close' };

/** Errors lose what SQLite adds to them when they go from thread to thread. */
export type Answer =
  | { readonly ok: true; readonly result: StatementResult | undefined }
  | {
      readonly ok: false;
      readonly error: { readonly name: string; readonly message: string; readonly code: unknown; readonly errcode: unknown };
    };

export interface ConnectionThread {
  run(sql: string, parameters: readonly unknown[]): Promise<StatementResult>;
  exec(sql: string): Promise<void>;
  rollback(): Promise<void>;
  /**
   * Records of usage, each as JSON, in a transaction of their own. From thread to thread a text costs less than what is in it, and many
   * small ones less than one large one.
   */
  addUsage(records: readonly string[]): Promise<void>;
  close(): Promise<void>;
}

const CLOSED = 'The connection to the SQLite file is closed.';
/** As the process itself does: without the cache each thread would keep a compiler of TypeScript in memory. */
const BOOT = `
  require('node:module').enableCompileCache();
  import(require('node:worker_threads').workerData.program);
`;
/** Statements come and go in small numbers. */
const YOUNG_MIB = 8;

/** Opened when it is first asked something. */
export function whenAsked(start: () => Promise<ConnectionThread>): ConnectionThread {
  let started: Promise<ConnectionThread> | undefined;
  let closed = false;
  const thread = (): Promise<ConnectionThread> => {
    if (closed) return Promise.reject(new Error(CLOSED));
    started ??= start().catch((cause: unknown) => {
      // the next one who asks tries again
      started = undefined;
      throw cause;
    });
    return started;
  };
  return {
    run: async (sql, parameters) => (await thread()).run(sql, parameters),
    exec: async (sql) => (await thread()).exec(sql),
    rollback: async () => (await thread()).rollback(),
    addUsage: async (records) => (await thread()).addUsage(records),
    async close() {
      closed = true;
      // what did not start needs no end
      await (await started?.catch(() => undefined))?.close();
    },
  };
}

/** Resolves when the connection is open. */
export async function startConnection(options: ConnectionOptions): Promise<ConnectionThread> {
  const program = new URL(import.meta.url.endsWith('.ts') ? './thread-main.ts' : './thread-main.js', import.meta.url);
  // what the process was started with (a program on the command line, a debugger) is not for its threads
  const worker = new Worker(BOOT, {
    eval: true,
    workerData: { ...options, program: program.href },
    execArgv: [],
    resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MIB },
  });
  const waiting: PromiseWithResolvers<StatementResult | undefined>[] = [];
  let ended: Error | undefined;

  const end = (error: Error): void => {
    ended ??= error;
    for (const one of waiting.splice(0)) one.reject(ended);
  };
  worker.on('message', (answer: Answer) => {
    const asked = waiting.shift();
    // an idle thread keeps no process from its end
    if (waiting.length === 0) worker.unref();
    if (answer.ok) asked?.resolve(answer.result);
    else asked?.reject(revived(answer.error));
  });
  worker.on('error', end);
  worker.on('exit', () => end(new Error(CLOSED)));

  const expect = (): Promise<StatementResult | undefined> => {
    if (ended) return Promise.reject(ended);
    const one = Promise.withResolvers<StatementResult | undefined>();
    waiting.push(one);
    worker.ref();
    return one.promise;
  };
  const ask = (question: Question): Promise<StatementResult | undefined> => {
    const answer = expect();
    if (!ended) worker.postMessage(question);
    return answer;
  };
  // the first message says that it is open, or why it is not
  await expect();
  return {
    async run(sql, parameters) {
      return (await ask({ do: 'run', sql, parameters })) ?? { rows: [], changes: undefined };
    },
    async exec(sql) {
      await ask({ do: 'exec', sql });
    },
    async rollback() {
      await ask({ do: 'rollback' });
    },
    async addUsage(records) {
      await ask({ do: 'addUsage', records });
    },
    async close() {
      if (!ended) await ask({ do: 'close' });
      await worker.terminate();
    },
  };
}

const KINDS: Readonly<Record<string, (message: string) => Error>> = {
  RangeError: (message) => new RangeError(message),
  TypeError: (message) => new TypeError(message),
};

function revived({ name, message, code, errcode }: Extract<Answer, { ok: false }>['error']): Error {
  const error = KINDS[name]?.(message) ?? new Error(message);
  return Object.assign(error, { code, errcode });
}

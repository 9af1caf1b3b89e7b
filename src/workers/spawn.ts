/** Workers as processes of Node's own cluster: one listening socket, whose connections the process above deals out in turn. */
import cluster from 'node:cluster';
import type { Worker } from 'node:cluster';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { revived } from './failure.ts';
import type { Failure } from './failure.ts';
import { watchHandover } from './handover.ts';
import type { Handover } from './handover.ts';
import type { WorkerProcess } from './herd.ts';
import { createLink } from './link.ts';
import { isBatch } from './message.ts';
import { createPeer } from './peer.ts';
import type { Answerer, Peer } from './peer.ts';

/** What is there for one worker, and ends with it. */
export interface Offer {
  readonly answers: Readonly<Record<string, Answerer>>;
  /** It is gone, and everything it said was heard. */
  gone(): void;
}

export interface SpawnOptions {
  readonly offer: (worker: SpawnedWorker) => Offer;
  /** What was told could not be taken in. */
  readonly failed: (cause: unknown) => void;
  /** Is given each line that the worker writes to its standard output; absent: it writes where this process does. */
  readonly onLine?: ((line: string) => void) | undefined;
}

export interface SpawnedWorker extends WorkerProcess {
  readonly peer: Peer;
  /** Where it listens, once it is ready. */
  url(): string | undefined;
  /** It gives up places that it does not use; how many. */
  readonly spare: () => Promise<number>;
}

let started = 0;

export function spawnWorker({ offer, failed, onLine }: SpawnOptions): SpawnedWorker {
  const program = new URL(import.meta.url.endsWith('.ts') ? './main.ts' : './main.js', import.meta.url);
  // in turn, on every system: each worker gets as many connections as any other, and none is lost when one stops accepting
  cluster.schedulingPolicy = cluster.SCHED_RR;
  cluster.setupPrimary({
    exec: fileURLToPath(program),
    args: [],
    serialization: 'advanced',
    stdio: ['ignore', onLine ? 'pipe' : 'inherit', 'inherit', 'ipc'],
  });
  const name = `w${++started}`;
  const worker = cluster.fork();
  if (onLine && worker.process.stdout) createInterface({ input: worker.process.stdout }).on('line', onLine);
  const ready = Promise.withResolvers<void>();
  ready.promise.catch(() => undefined);
  let url: string | undefined;

  const link = createLink(
    (batch) => {
      if (worker.isConnected()) worker.process.send?.(batch, undefined, undefined, () => undefined);
    },
    (message, cause) => peer.unsendable(message, cause),
  );
  const answers: Record<string, Answerer> = {
    'worker.ready': ([where]) => {
      url = where as string;
      ready.resolve();
    },
    'worker.failed': ([failure]) => ready.reject(revived(failure as Failure)),
  };
  const peer = createPeer({ post: link.post, answers, failed });
  worker.process.on('message', (message: unknown) => {
    if (isBatch(message)) peer.receive(message);
  });
  // a message that cannot be sent: the worker is about to be gone
  worker.on('error', () => undefined);

  const spawned: SpawnedWorker = {
    name,
    pid: worker.process.pid,
    ready: ready.promise,
    gone: goneOf(worker, watchHandover(worker)).then((words) => {
      ready.reject(new Error(`The worker ended before it was ready: ${words}.`));
      peer.close(new Error('The worker is gone.'));
      offered.gone();
      return words;
    }),
    peer,
    url: () => url,
    spare: () => peer.call('spare', []) as Promise<number>,
    end(deadlineMs, linger) {
      peer.tell('end', [deadlineMs, linger]);
    },
    kill() {
      worker.process.kill('SIGKILL');
    },
  };
  const offered = offer(spawned);
  Object.assign(answers, offered.answers);
  return spawned;
}

/** Its last messages come before the channel is closed, which may be after its end. */
async function goneOf({ process: child }: Worker, handover: Handover): Promise<string> {
  const closed = once(child, 'disconnect');
  const [code, signal] = (await once(child, 'exit')) as [number | null, string | null];
  const looking = setInterval(handover.settle, LOOK_MS);
  await closed;
  clearInterval(looking);
  handover.settle();
  return signal === null ? `exit code ${code}` : `killed by ${signal}`;
}

const LOOK_MS = 20;

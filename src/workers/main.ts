/** The program of a worker: a whole server, of which what there is only once is in the process that has started it. */
import { enableCompileCache } from 'node:module';
import { programVersion } from '../commands/output.ts';
import { startServer } from '../compose-root.ts';
import type { RunningServer } from '../compose-root.ts';
import type { HealthChange } from '../gateway/ports.ts';
import { joined, textOf } from '../telemetry/together.ts';
import type { Snapshot } from '../telemetry/together.ts';
import { createLogger } from '../telemetry/log.ts';
import { unpackConfig } from './config-message.ts';
import { failureOf } from './failure.ts';
import { createLink } from './link.ts';
import { isBatch } from './message.ts';
import { createPeer } from './peer.ts';
import type { Answerer } from './peer.ts';
import { remoteEngines } from './remote-engines.ts';
import { remoteCounters, remoteHealth, remoteStore } from './remote-ports.ts';

/** What a worker is told when it says that it is there. */
export interface Brief {
  /** For the log. */
  readonly name: string;
  /** What its journal calls it. */
  readonly by: string;
  /** As packed: the configuration of the start, which says what cannot change, and the one that holds now. */
  readonly started: unknown;
  readonly config: unknown;
  readonly hasStore: boolean;
  /** Counters are with the process above; else each worker counts with the others in Redis. */
  readonly hasCounters: boolean;
}

/** How many workers serve, of how many. */
export interface Serving {
  readonly serving: number;
  readonly of: number;
}

enableCompileCache();
// a terminal sends these to the whole group, a service manager to all processes; when to end is for the process above to say
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGUSR2'] as const) process.on(signal, () => undefined);

const link = createLink(
  (batch) => {
    // where the channel is closed this process is about to end: Node's cluster sees to that
    if (process.connected) process.send?.(batch, undefined, undefined, () => undefined);
  },
  (message, cause) => peer.unsendable(message, cause),
);
const here: { server?: RunningServer; /** As packed: the latest, told before it could be applied. */ told?: unknown; workers?: Serving } =
  {};
let failed = (cause: unknown): void => {
  throw cause;
};
const answers: Readonly<Record<string, Answerer>> = {
  config: ([packed]) => {
    if (here.server) here.server.apply(unpackConfig(packed));
    else here.told = packed;
  },
  workers: ([serving]) => void (here.workers = serving as Serving),
  figures: () => here.server?.inside.figures(),
  load: () => here.server?.inside.load() ?? { running: 0, waiting: 0 },
  flush: () => here.server?.inside.flush(),
  spare: () => here.server?.inside.spare() ?? 0,
  'keys.changed': () => here.server?.inside.keysChanged(),
  'keys.heard': () => here.server?.inside.keysHeard(),
  'health.heard': ([change]) => health.heard(change as HealthChange),
  end: async ([deadlineMs, linger]) => {
    await here.server?.close({ deadlineMs: deadlineMs as number, linger: linger as boolean });
    await peer.call('worker.end', [await here.server?.inside.figures()]);
    process.exit(0);
  },
};
const peer = createPeer({ post: link.post, answers, failed: (cause) => failed(cause) });
const health = remoteHealth(peer);
process.on('message', (message: unknown) => {
  if (isBatch(message)) peer.receive(message);
});

const fail = (cause: unknown): never => {
  peer.tell('worker.failed', [failureOf(cause)]);
  link.flush();
  // what was sent goes out first
  process.disconnect();
  throw cause;
};

const version = programVersion();
const brief = (await peer.call('worker.begin', [version]).catch(fail)) as Brief;
const config = unpackConfig(brief.config);
const log = createLogger(config.log, { together: true, bindings: { worker: brief.name } });
failed = (cause) => log.error({ err: cause }, 'a message of the process above could not be taken in');

const server = await startServer({
  config: unpackConfig(brief.started),
  version,
  store: brief.hasStore ? remoteStore(peer) : undefined,
  log,
  shared: {
    manager: remoteEngines(peer),
    counters: brief.hasCounters ? remoteCounters(peer, brief.by) : undefined,
    health,
    workers: () => here.workers,
    places: { more: () => peer.call('places.more', []) as Promise<number> },
    flush: () => peer.call('flush', []) as Promise<void>,
    readiness: () => peer.call('readiness', []) as Promise<Readonly<Record<string, unknown>>>,
    metrics: async () => textOf(joined((await peer.call('figures', [])) as readonly Snapshot[])),
  },
}).catch(fail);
here.server = server;
server.apply(here.told === undefined ? config : unpackConfig(here.told));
peer.tell('worker.ready', [server.url]);

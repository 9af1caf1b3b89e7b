/** The gateway's ports in a worker: each of their methods is a call of the process that has what stands behind them. */
import type { HealthBus, HealthChange } from '../gateway/ports.ts';
import type { AccountStore, CompletionStore, CounterStore, HoldNote, Store, UsageStore } from '../gateway/store-ports.ts';
import type { Peer } from './peer.ts';

/** Methods by the name of their port, so that nothing else of an object can be called from outside. */
export const METHODS = {
  accounts: [
    'projects',
    'project',
    'putProject',
    'keys',
    'key',
    'keyByHash',
    'putKey',
    'rotateKey',
    'touchKeys',
    'endUser',
    'endUsers',
    'putEndUser',
    'modelLimits',
    'putModelLimits',
    'audit',
    'version',
  ] satisfies (keyof AccountStore)[],
  usage: ['add', 'addLines', 'records', 'sums', 'spent', 'prune'] satisfies (keyof UsageStore)[],
  completions: ['put', 'get', 'list', 'setMetadata', 'delete'] satisfies (keyof CompletionStore)[],
} as const;

type Methods<T> = readonly (keyof T & string)[];

/** `port.method` of the other end for each of the methods. Theirs are all asynchronous, and take and give plain data. */
function remote<T extends object>(peer: Pick<Peer, 'call'>, port: string, methods: Methods<T>): T {
  return Object.fromEntries(
    methods.map((method) => {
      const name = `${port}.${method}`;
      return [method, (...args: readonly unknown[]) => peer.call(name, args)];
    }),
  ) as unknown as T;
}

/** The one store of all workers. It is opened and closed elsewhere. */
export function remoteStore(peer: Pick<Peer, 'call'>): Store {
  return {
    accounts: remote<AccountStore>(peer, 'accounts', METHODS.accounts),
    usage: remote<UsageStore>(peer, 'usage', METHODS.usage),
    completions: remote<CompletionStore>(peer, 'completions', METHODS.completions),
    check: () => peer.call('store.check', []) as Promise<void>,
    close: () => Promise.resolve(),
  };
}

/** How targets do, told to all workers and heard from them. */
export function remoteHealth(peer: Pick<Peer, 'tell'>): HealthBus & { heard(change: HealthChange): void } {
  const listeners = new Set<(change: HealthChange) => void>();
  return {
    publish: (change) => peer.tell('health.publish', [change]),
    subscribe(listener) {
      listeners.add(listener);
      if (listeners.size === 1) peer.tell('health.subscribe', []);
      return () => listeners.delete(listener);
    },
    heard(change) {
      for (const listener of listeners) listener(change);
    },
    async close() {
      listeners.clear();
    },
  };
}

/** The counters of all workers. What a worker holds comes back when it dies. `by`: how the other end knows this worker. */
export function remoteCounters(peer: Pick<Peer, 'call'>, by: string): CounterStore {
  const note: HoldNote = { by, how: '' };
  return {
    take: (holdId, takes) => peer.call('counters.take', [holdId, takes]) as ReturnType<CounterStore['take']>,
    async settle(holdId, actual, told) {
      await peer.call('counters.settle', [holdId, actual]);
      told?.();
    },
    states: (counters) => peer.call('counters.states', [counters]) as ReturnType<CounterStore['states']>,
    // what was spent is read where the counters are
    seed: () => undefined,
    lasting: {
      note: () => note,
      inherit: (bequest, isWritten) => peer.call('counters.inherit', [bequest, isWritten]) as Promise<void>,
      forget: (dead) => peer.call('counters.forget', [dead]) as Promise<void>,
    },
    close: () => Promise.resolve(),
  };
}

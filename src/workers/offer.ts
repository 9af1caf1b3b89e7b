/** What the process above its workers does for one of them. */
import type { HealthChange } from '../gateway/ports.ts';
import type { Store, Take, Counter, Bequest } from '../gateway/store-ports.ts';
import type { EngineManager } from '../providers/llama/manager.ts';
import type { EngineSettings } from '../providers/llama/settings.ts';
import type { HealthRelay } from './health-relay.ts';
import type { Leases } from './leases.ts';
import { offerEngines } from './offered-engines.ts';
import type { Answerer, Peer } from './peer.ts';
import { METHODS } from './remote-ports.ts';
import type { Offer } from './spawn.ts';

export interface Desk {
  readonly manager: EngineManager;
  readonly engine: EngineSettings;
  readonly relay: HealthRelay;
  /** Absent where nothing is kept. */
  readonly store: Store | undefined;
  /** Absent where nothing is counted here. */
  readonly leases: Leases | undefined;
  /** Keys, projects, limits: something was changed by this worker. */
  readonly keysChanged: (by: Peer) => void;
  /** The worker is gone. Resolves when what its journal says has been read, or cannot be. */
  readonly inherited: () => Promise<void>;
  /** More that workers may ask for. */
  readonly more: Readonly<Record<string, Answerer>>;
}

/** `name`: what the worker's journal calls it. */
export function offerTo(name: string, peer: Peer, desk: Desk): Offer {
  const engines = offerEngines(desk.manager, desk.engine);
  const leased = desk.leases?.lease(name);
  const { leases } = desk;
  let seat: ReturnType<HealthRelay['join']> | undefined;

  const counting: Record<string, Answerer> =
    leased && leases
      ? {
          'counters.take': ([holdId, takes]) => leased.take(holdId as string, takes as readonly Take[]),
          'counters.settle': ([holdId, actual]) => leased.settle(holdId as string, actual as readonly Take[]),
          'counters.states': ([counters]) => leased.states(counters as readonly Counter[]),
          'counters.inherit': ([bequest, isWritten]) => leases.lasting.inherit(bequest as Bequest, isWritten as boolean),
          'counters.forget': ([dead]) => leases.lasting.forget(dead as string),
        }
      : {};
  return {
    answers: {
      ...engines.answers,
      ...(desk.store ? storeAnswers(desk.store, () => desk.keysChanged(peer)) : {}),
      ...counting,
      'health.subscribe': () => {
        seat ??= desk.relay.join((change) => peer.tell('health.heard', [change]));
      },
      'health.publish': ([change]) => seat?.publish(change as HealthChange),
      ...desk.more,
    },
    gone() {
      engines.close();
      seat?.leave();
      void leased?.end(desk.inherited());
    },
  };
}

function storeAnswers(store: Store, keysChanged: () => void): Readonly<Record<string, Answerer>> {
  const answers: Record<string, Answerer> = { 'store.check': () => store.check() };
  for (const port of ['accounts', 'usage', 'completions'] as const) {
    for (const method of METHODS[port]) {
      const of = store[port] as unknown as Readonly<Record<string, (...args: readonly unknown[]) => Promise<unknown>>>;
      const changes = port === 'accounts' && /^(put|rotate)/.test(method);
      answers[`${port}.${method}`] = async (args) => {
        const result = await of[method]?.(...args);
        // before whoever made the change hears that it is made
        if (changes) keysChanged();
        return result;
      };
    }
  }
  return answers;
}

/**
 * Health of targets by Redis: changes go through a channel, and what rests stands under a key until its rest is over, so
 * that a process which starts later learns of it.
 */
import type { HealthBus, HealthChange } from '../../gateway/ports.ts';
import type { RedisTalk } from './talk.ts';

/** Longer than any rest: then the list of keys goes as well. */
const LIST_S = 7200;
const LONGEST_REASON = 500;
/** Openings that are told later, where Redis is away now. */
const MOST_UNTOLD = 1000;

interface Untold {
  readonly change: HealthChange;
  /** By the clock of this process. */
  readonly until: number;
}

/** Nothing waits for it: what cannot be told now is told when both connections are there again, where that still helps. */
export function createRedisHealthBus({ me, prefix, client, hear, whenReady, lost, isClosed }: RedisTalk): HealthBus {
  const channel = `${prefix}health`;
  const list = `${prefix}health:resting`;
  const keyOf = (target: string): string => `${prefix}health:resting:${target}`;
  const listeners = new Set<(change: HealthChange) => void>();
  const untold = new Map<string, Untold>();
  /** Targets heard of while what was told before is still being read: those news are newer. */
  const heard = new Set<Set<string>>();

  const tell = (change: HealthChange): void => {
    for (const listener of listeners) listener(change);
  };

  const send = ({ key, state, forMs, reason }: HealthChange): Promise<unknown> => {
    const text = JSON.stringify({ from: me, key, state, forMs, reason: reason.slice(0, LONGEST_REASON) });
    const all = client.multi();
    if (state === 'open') all.set(keyOf(key), text, { expiration: { type: 'PX', value: Math.max(1, Math.ceil(forMs)) } });
    else all.del(keyOf(key));
    return all.sAdd(list, key).expire(list, LIST_S).publish(channel, text).exec();
  };

  const publish = (change: HealthChange): void => {
    const { key, state, forMs } = change;
    untold.delete(key);
    const later = (): void => {
      // a closing that is told late might undo what others have found since
      if (isClosed() || state === 'closed' || untold.has(key) || untold.size >= MOST_UNTOLD) return;
      untold.set(key, { change, until });
    };
    const until = performance.now() + forMs;
    if (!client.isReady) return later();
    send(change).catch((cause: unknown) => {
      later();
      lost(cause);
    });
  };

  const tellLate = (): void => {
    const now = performance.now();
    const waiting = [...untold.values()];
    untold.clear();
    for (const { change, until } of waiting) {
      if (until > now) publish({ ...change, forMs: until - now });
    }
  };

  const onMessage = (text: string): void => {
    const message = readMessage(text);
    if (!message || message.from === me) return;
    for (const meanwhile of heard) meanwhile.add(message.change.key);
    tell(message.change);
  };

  /** What others told before this process could hear it. */
  const catchUp = async (): Promise<void> => {
    const meanwhile = new Set<string>();
    heard.add(meanwhile);
    try {
      for (const target of await client.sMembers(list)) {
        const [text, leftMs] = await Promise.all([client.get(keyOf(target)), client.pTTL(keyOf(target))]);
        const message = text === null ? undefined : readMessage(text);
        if (!message || message.from === me || leftMs <= 0 || meanwhile.has(target)) continue;
        tell({ ...message.change, forMs: leftMs });
      }
    } finally {
      heard.delete(meanwhile);
    }
  };

  hear(channel, onMessage);
  whenReady(() => {
    tellLate();
    catchUp().catch(lost);
  });

  return {
    publish,
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    async close() {
      listeners.clear();
      untold.clear();
    },
  };
}

/** Undefined for what is no message of ours: others may write there too. */
function readMessage(text: string): { readonly from: string; readonly change: HealthChange } | undefined {
  let read: Readonly<Record<string, unknown>> | null;
  try {
    read = JSON.parse(text) as Readonly<Record<string, unknown>> | null;
  } catch {
    return undefined;
  }
  const { from, key, state, forMs, reason } = read ?? {};
  if (typeof from !== 'string' || typeof key !== 'string' || typeof reason !== 'string') return undefined;
  if ((state !== 'open' && state !== 'closed') || typeof forMs !== 'number' || !(forMs >= 0)) return undefined;
  return { from, change: { key, state, forMs, reason } };
}

/**
 * Health of targets by Redis: changes go through a channel, and what rests stands under a key until its rest is over, so
 * that a process which starts later learns of it.
 */
import { randomUUID } from 'node:crypto';
import type { HealthBus, HealthChange } from '../../gateway/ports.ts';
import { openClient } from './client.ts';

export interface RedisLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

export interface RedisOptions {
  /** `redis://` or `rediss://`, a user and a password in it. Never logged. */
  readonly url: string;
  /** Of all keys and channels: processes that share nothing else may share a Redis. */
  readonly prefix: string;
  readonly log: RedisLog;
}

/** Bounds of the wait before another try to connect; between them it doubles. */
const AGAIN_MS = { first: 100, most: 5000 };
/** Commands that may wait for a Redis that is connected and says nothing; more are dropped. */
const MOST_WAITING = 1000;
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

/** Connects in the background, again and again where it must; a Redis that is away is logged once. */
export function createRedisHealthBus({ url, prefix, log }: RedisOptions): HealthBus {
  const me = randomUUID();
  const channel = `${prefix}health`;
  const list = `${prefix}health:resting`;
  const keyOf = (target: string): string => `${prefix}health:resting:${target}`;
  const listeners = new Set<(change: HealthChange) => void>();
  const untold = new Map<string, Untold>();
  /** Targets heard of while what was told before is still being read: those news are newer. */
  const heard = new Set<Set<string>>();
  let away = false;
  let closed = false;

  const client = openClient({ url, againMs: AGAIN_MS, mostWaiting: MOST_WAITING });
  const ear = client.duplicate();

  const lost = (cause: unknown): void => {
    if (closed || away) return;
    away = true;
    log.warn({ err: cause }, 'Redis cannot be reached: the health of targets is not shared until it can');
  };
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
      if (closed || state === 'closed' || untold.has(key) || untold.size >= MOST_UNTOLD) return;
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

  const whenBothAreReady = (): void => {
    if (!client.isReady || !ear.isReady) return;
    if (away) log.info({}, 'Redis is there again');
    away = false;
    tellLate();
    catchUp().catch(lost);
  };
  for (const one of [client, ear]) one.on('error', lost).on('ready', whenBothAreReady);

  client.connect().catch(lost);
  // a subscription is kept over reconnections
  ear
    .connect()
    .then(() => ear.subscribe(channel, onMessage))
    .then(whenBothAreReady, lost);

  return {
    publish,
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    async close() {
      closed = true;
      listeners.clear();
      untold.clear();
      for (const one of [client, ear]) if (one.isOpen) one.destroy();
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

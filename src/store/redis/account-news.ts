/**
 * That keys were changed, told by Redis: at once, but without a promise, for who is not listening at that moment does not hear of it.
 * A message says who tells it, and nothing else. Whoever hears it asks the database.
 */
import { openClient } from './client.ts';
import type { AccountNews } from '../../gateway/ports.ts';
import { within } from './scripts.ts';
import type { RedisOptions, RedisTalk } from './talk.ts';

/** Many changes, one after the other, are told together: each has everybody ask the database anew. */
const PAUSE_MS = 50;

const channelOf = (prefix: string): string => `${prefix}accounts`;

export function createRedisAccountNews({ me, prefix, client, hear, whenReady, lost }: RedisTalk): AccountNews {
  const channel = channelOf(prefix);
  const listeners = new Set<() => void>();
  const heard = (): void => {
    for (const listener of listeners) listener();
  };
  hear(channel, (from) => {
    if (from !== me) heard();
  });
  // what was told meanwhile was told to nobody
  whenReady(heard);
  let pause: NodeJS.Timeout | undefined;
  let more = false;
  const tell = (): void => {
    more = pause !== undefined;
    if (more) return;
    if (client.isReady) client.publish(channel, me).catch(lost);
    pause = setTimeout(() => {
      pause = undefined;
      if (more) tell();
    }, PAUSE_MS).unref();
  };
  return {
    tell,
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

const AGAIN_MS = { first: 50, most: 100 };

/** For a process that ends after its change. Resolves when Redis has it; rejects where it does not within that time. */
export async function tellOnce({ url, prefix }: Omit<RedisOptions, 'log'>, withinMs: number): Promise<void> {
  const client = openClient({ url, againMs: AGAIN_MS, mostWaiting: 1 });
  // connecting says what went wrong, or takes too long
  client.on('error', () => undefined);
  try {
    await within(
      withinMs,
      client.connect().then(() => client.publish(channelOf(prefix), 'once')),
    );
  } finally {
    if (client.isOpen) client.destroy();
  }
}

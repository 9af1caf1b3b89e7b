/** Connections to Redis: never waited for, tried for again and again. */
import { createClient } from 'redis';

export interface ClientOptions {
  readonly url: string;
  /** Bounds of the wait before another try to connect, in milliseconds; between them it doubles, and is jittered. */
  readonly againMs: { readonly first: number; readonly most: number };
  /** Commands that may wait for a Redis that is connected and says nothing; more fail. */
  readonly mostWaiting: number;
}

const CONNECT_MS = 3000;

/** Not connected yet. Commands fail at once while there is no connection. */
export function openClient({ url, againMs, mostWaiting }: ClientOptions) {
  return createClient({
    url,
    RESP: 2,
    disableOfflineQueue: true,
    commandsQueueMaxLength: mostWaiting,
    socket: {
      connectTimeout: CONNECT_MS,
      reconnectStrategy: (tries: number) => Math.min(againMs.most, againMs.first * 2 ** Math.min(tries, 10)) * (0.5 + Math.random() / 2),
    },
  });
}

/** Two connections for what processes tell each other: one to say it, one to hear it. */
import { randomUUID } from 'node:crypto';
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

export interface RedisTalk {
  /** Sets this process apart from the others. */
  readonly me: string;
  readonly prefix: string;
  readonly client: ReturnType<typeof openClient>;
  /** What is said in the channel, this process's own words included. Kept over reconnections. */
  hear(channel: string, listener: (text: string) => void): void;
  /** Is told whenever both connections are there: at first, and after each time that one of them was not. */
  whenReady(listener: () => void): void;
  /** A command failed. */
  lost(cause: unknown): void;
  isClosed(): boolean;
  close(): void;
}

/** Bounds of the wait before another try to connect; between them it doubles. */
const AGAIN_MS = { first: 100, most: 5000 };
/** Commands that may wait for a Redis that is connected and says nothing; more are dropped. */
const MOST_WAITING = 1000;

/** Connects in the background, again and again where it must; a Redis that is away is logged once. */
export function openTalk({ url, prefix, log }: RedisOptions): RedisTalk {
  const channels = new Map<string, (text: string) => void>();
  const waiting = new Set<() => void>();
  /** It has been heard once: from then on the client keeps it over reconnections. */
  let hears = false;
  let away = false;
  let closed = false;

  const client = openClient({ url, againMs: AGAIN_MS, mostWaiting: MOST_WAITING });
  const ear = client.duplicate();

  const lost = (cause: unknown): void => {
    if (closed || away) return;
    away = true;
    log.warn({ err: cause }, 'Redis cannot be reached: what this process learns is not told to others until it can');
  };
  const whenBothAreReady = (): void => {
    if (!client.isReady || !ear.isReady || !hears) return;
    if (away) log.info({}, 'Redis is there again');
    away = false;
    for (const listener of waiting) listener();
  };
  const listen = async (): Promise<void> => {
    try {
      if (!hears) await Promise.all(Array.from(channels, ([channel, listener]) => ear.subscribe(channel, listener)));
      hears = true;
      whenBothAreReady();
    } catch (cause) {
      lost(cause);
    }
  };
  client.on('error', lost).on('ready', whenBothAreReady);
  ear.on('error', lost).on('ready', () => void listen());
  for (const one of [client, ear]) one.connect().catch(lost);

  return {
    me: randomUUID(),
    prefix,
    client,
    hear: (channel, listener) => void channels.set(channel, listener),
    whenReady: (listener) => void waiting.add(listener),
    lost,
    isClosed: () => closed,
    close() {
      closed = true;
      for (const one of [client, ear]) if (one.isOpen) one.destroy();
    },
  };
}

/**
 * Answers in a Redis, for all processes that share it. One that is slow or away is a cache that has nothing: it is not asked again until
 * it answers. The connection is of its own, so that a large answer holds up no counter.
 */
import type { CacheStore, SharedCache } from '../../gateway/ports.ts';
import { ErrorReply } from 'redis';
import { KEEP } from './cache-lua.ts';
import { openClient } from './client.ts';
import { scriptOf, within } from './scripts.ts';
import type { RedisOptions } from './talk.ts';

export interface RedisCacheOptions extends RedisOptions {
  /** A request waits so long for an answer that may be there. Default 100. */
  readonly timeoutMs?: number;
}

/** Of what is kept, and under which names. A change of either makes it another one: nobody reads what another version wrote otherwise. */
const FORM = 1;
const AGAIN_MS = { first: 50, most: 1000 };
const MOST_WAITING = 10_000;
const PROBE_MS = 200;
/** What has no end of its own does not stay for ever where nobody writes any more. */
const LONGEST_MS = 7 * 24 * 3_600_000;
const SCRIPT = scriptOf(KEEP);

/** Connects when it is first asked. */
export function redisCache({ url, prefix, log, timeoutMs = 100 }: RedisCacheOptions): SharedCache {
  // one hash tag: an answer and the list of all change in one step on a cluster as well
  const base = `{${prefix}answers}:${FORM}:`;
  const index = `${base}index`;
  const client = openClient({ url, againMs: AGAIN_MS, mostWaiting: MOST_WAITING });
  /** Of the first connection, no longer than a request may wait. */
  let starting: Promise<unknown> | undefined;
  let opened = false;
  const connected = Promise.withResolvers<void>();
  let away = false;
  let closed = false;
  let refused = false;
  let probes: NodeJS.Timeout | undefined;
  let probing: Promise<unknown> | undefined;

  const wentAway = (cause: unknown): void => {
    if (away || closed) return;
    away = true;
    connected.resolve();
    log.warn({ err: cause }, 'Redis cannot be reached: the cache of answers has nothing until it can');
    probes = setInterval(() => void look(), PROBE_MS).unref();
  };
  const look = async (): Promise<void> => {
    if (probing || !client.isReady) return;
    // as what is asked for otherwise, so that a Redis that refuses the one refuses the other
    probing = client.get(`${base}probe`).finally(() => (probing = undefined));
    try {
      await within(timeoutMs, probing);
    } catch {
      // away still, and said once
      return;
    }
    if (closed) return;
    clearInterval(probes);
    away = false;
    log.info({}, 'Redis is there again: the cache of answers is shared');
  };
  client.on('error', wentAway);
  // before anything else is asked: what is set must not need a second try, which would come after a question for it.
  // Where this fails it is sent with its text.
  client.on('ready', () => void client.scriptLoad(SCRIPT.text).catch(() => undefined));

  const open = (): void => {
    if (opened || closed) return;
    opened = true;
    client.connect().then(() => connected.resolve(), wentAway);
    starting = within(timeoutMs, connected.promise)
      // it goes on to try
      .catch(() => undefined)
      .finally(() => (starting = undefined));
  };

  const read = async (name: string): Promise<string | undefined> => {
    if (starting) await starting;
    if (!client.isReady) return undefined;
    try {
      return (await client.get(base + name)) ?? undefined;
    } catch (cause) {
      // something of somebody else's, under a name of ours
      if (saysRedis(cause, 'WRONGTYPE')) return undefined;
      throw cause;
    }
  };
  const find = async (name: string): Promise<string | undefined> => {
    try {
      return await within(timeoutMs, read(name));
    } catch (cause) {
      wentAway(cause);
      return undefined;
    }
  };

  const send = async (name: string, args: readonly string[]): Promise<unknown> => {
    const given = { keys: [base + name, index], arguments: [name, base, ...args] };
    try {
      return await client.evalSha(SCRIPT.sha, given);
    } catch (cause) {
      if (!saysRedis(cause, 'NOSCRIPT')) throw cause;
      return client.eval(SCRIPT.text, given);
    }
  };
  const keep = async (name: string, args: readonly string[]): Promise<void> => {
    try {
      if (starting) await starting;
      if (!client.isReady) return;
      await send(name, args);
      refused = false;
    } catch (cause) {
      // of a connection that broke the client says it itself
      if (closed || !saysRedis(cause)) return;
      if (!refused) log.warn({ err: cause }, 'Redis takes no answers into the cache');
      refused = true;
      // what it was to replace is old
      client.del(base + name).catch(wentAway);
    }
  };

  return {
    of({ scope, ttlMs, room }): CacheStore {
      const livesMs = ttlMs === 0 ? LONGEST_MS : Math.min(ttlMs, LONGEST_MS);
      return {
        get(name) {
          open();
          return away || closed ? undefined : find(`${scope}:${name}`);
        },
        set(name, text) {
          open();
          return away || closed ? undefined : keep(`${scope}:${name}`, [String(Math.ceil(livesMs)), String(room), text]);
        },
      };
    },
    close() {
      closed = true;
      clearInterval(probes);
      if (client.isOpen) client.destroy();
    },
  };
}

/** It is an answer of Redis, with this code where one is given; not a connection that broke. */
function saysRedis(cause: unknown, code = ''): boolean {
  return cause instanceof ErrorReply && cause.message.startsWith(code);
}

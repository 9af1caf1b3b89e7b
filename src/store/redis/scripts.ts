/** Runs scripts on a Redis that may be slow, or away: every one has its answer within a time or fails. */
import { createHash } from 'node:crypto';
import { openClient } from './client.ts';

export interface Script {
  readonly text: string;
  readonly sha: string;
}

export function scriptOf(text: string): Script {
  return { text, sha: createHash('sha1').update(text).digest('hex') };
}

/** Redis did not answer, or could not do it. What was asked may have been done all the same. */
export class RedisAway extends Error {
  override readonly name = 'RedisAway';
}

export interface Scripts {
  readonly isReady: () => boolean;
  /** Resolves with the first connection; it is tried for again and again, also when it is lost later. */
  connect(): Promise<unknown>;
  /** Texts and numbers. Rejects with `RedisAway`. */
  run(script: Script, keys: readonly string[], args: readonly string[]): Promise<readonly unknown[]>;
  close(): void;
}

const AGAIN_MS = { first: 50, most: 1000 };
const MOST_WAITING = 10_000;

export function createScripts({ url, timeoutMs }: { readonly url: string; readonly timeoutMs: number }): Scripts {
  const client = openClient({ url, againMs: AGAIN_MS, mostWaiting: MOST_WAITING });
  // commands say what went wrong; without a listener this would end the process
  client.on('error', () => undefined);

  const ask = async (script: Script, keys: string[], args: string[]): Promise<unknown> => {
    const given = { keys, arguments: args };
    try {
      return await client.evalSha(script.sha, given);
    } catch (cause) {
      if (!(cause instanceof Error) || !cause.message.startsWith('NOSCRIPT')) throw cause;
      return client.eval(script.text, given);
    }
  };

  return {
    isReady: () => client.isReady,
    connect: () => client.connect(),
    async run(script, keys, args) {
      if (!client.isReady) throw new RedisAway('there is no connection to Redis');
      try {
        const reply: unknown = await within(timeoutMs, ask(script, [...keys], [...args]));
        return Array.isArray(reply) ? (reply as readonly unknown[]) : [reply];
      } catch (cause) {
        throw new RedisAway(cause instanceof Error ? cause.message : 'Redis failed', { cause });
      }
    },
    close() {
      if (client.isOpen) client.destroy();
    },
  };
}

/** In so many parts a time is counted. */
const PARTS = 4;

/**
 * Rejects after that time. Time in which this process itself was too busy to look does not count in full: what was asked may not even
 * have been sent, or the answer be there and not read. So it is counted in parts, each a turn of the loop at least.
 */
export async function within<T>(ms: number, work: Promise<T>): Promise<T> {
  const late = Promise.withResolvers<never>();
  let left = PARTS;
  let timer: NodeJS.Timeout | undefined;
  const count = (): void => {
    timer = setTimeout(() => {
      left--;
      if (left > 0) return count();
      setImmediate(() => late.reject(new Error(`no answer within ${ms} ms`)));
    }, ms / PARTS);
  };
  count();
  try {
    return await Promise.race([work, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

/** Where Redis is. The address may hold a password, so no message quotes it. */
import { fromEnv } from './keys.ts';
import type { Given } from './sources.ts';

/** The address, where one was given and it is one; what is wrong with it goes to `problems`. `REDIS_URL` is where none was given. */
export function readRedisUrl(
  given: Given | undefined,
  env: Readonly<Record<string, string | undefined>>,
  problems: string[],
): string | undefined {
  if (!given) return isRedis(env['REDIS_URL']) ? env['REDIS_URL'] : undefined;
  const text = String(given.value);
  const url = fromEnv(text, env);
  if (url === undefined) {
    problems.push(`${given.where}: redis.url: the environment variable ${text.slice('env:'.length)} is not set`);
    return undefined;
  }
  if (isRedis(url)) return url;
  problems.push(`${given.where}: redis.url: must be an address that begins with redis:// or rediss://`);
  return undefined;
}

const isRedis = (url: string | undefined): boolean => /^rediss?:$/.test(URL.parse(url ?? '')?.protocol ?? '');

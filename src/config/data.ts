/** Where the database is. Its address may hold a password, so no message quotes it. */
import { fromEnv } from './keys.ts';
import type { Given } from './sources.ts';

type Env = Readonly<Record<string, string | undefined>>;

const POSTGRES = /^postgres(ql)?:\/\//i;

/**
 * The address of a Postgres, where one was given; what is wrong with it goes to `problems`. `DATABASE_URL` is anybody's variable:
 * the address of another kind of database there is for another program.
 */
export function readDatabaseUrl(given: Given | undefined, env: Env, problems: string[]): string | undefined {
  if (!given) return POSTGRES.test(env['DATABASE_URL'] ?? '') ? env['DATABASE_URL'] : undefined;
  const text = String(given.value);
  const url = fromEnv(text, env);
  if (url === undefined) {
    problems.push(`${given.where}: data.url: the environment variable ${text.slice('env:'.length)} is not set`);
    return undefined;
  }
  if (POSTGRES.test(url)) return url;
  problems.push(`${given.where}: data.url: must be an address that begins with postgres://; without one, SQLite is used`);
  return undefined;
}

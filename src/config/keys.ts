/** API keys as they are configured. Only their hashes are kept. */
import { createHash } from 'node:crypto';
import type { Given } from './sources.ts';

/** `name` stands for the key in logs; `sha256` is the hash of the key, in lower-case hex. */
export interface ApiKey {
  readonly name: string;
  readonly sha256: string;
}

type Env = Readonly<Record<string, string | undefined>>;

/** The SHA-256 of a key, in hex. */
export function hashKey(key: string): string {
  return createHash('sha256').update(key, 'utf8').digest('hex');
}

/** Hashes the keys of a checked `keys` list; what is wrong with one goes to `problems`, never with the key itself. */
export function readKeys(given: Given | undefined, env: Env, problems: string[]): readonly ApiKey[] {
  if (!given) return [];
  const names = new Set<string>();
  const keys: ApiKey[] = [];
  for (const [index, entry] of (given.value as readonly (string | { name: string; key: string })[]).entries()) {
    const label = `${given.whereIn([index])}: keys[${index}]`;
    const name = typeof entry === 'string' ? `key-${index + 1}` : entry.name;
    if (name === 'local') problems.push(`${label}: the name "local" is that of requests without a key`);
    if (names.has(name)) problems.push(`${label}: the name "${name}" is taken by another key`);
    names.add(name);
    const hash = readKey(typeof entry === 'string' ? entry : entry.key, env);
    if ('problem' in hash) {
      problems.push(`${label}: ${hash.problem}`);
      continue;
    }
    keys.push({ name, sha256: hash.sha256 });
  }
  return keys;
}

/** The hash of one key as it is written in the configuration, or what is wrong with it, without the key. */
export function readKey(text: string, env: Env): { sha256: string } | { problem: string } {
  if (text.startsWith('sha256:')) {
    const hex = text.slice('sha256:'.length).toLowerCase();
    return /^[0-9a-f]{64}$/.test(hex) ? { sha256: hex } : { problem: 'sha256: must be followed by 64 hex digits' };
  }
  const key = fromEnv(text, env);
  if (key === undefined) return { problem: `the environment variable ${text.slice('env:'.length)} is not set` };
  // a key travels in a header: what cannot stand there can never match
  if (!/^[\x21-\x7e]+$/.test(key)) return { problem: 'a key is made of printable ASCII characters without spaces' };
  return { sha256: hashKey(key) };
}

/** The text itself, or the variable that `env:NAME` names; undefined where that is not set. */
export function fromEnv(text: string, env: Env): string | undefined {
  if (!text.startsWith('env:')) return text;
  const value = env[text.slice('env:'.length)];
  return value === '' ? undefined : value;
}

import { isIP } from 'node:net';
import type { Given } from './sources.ts';

/** The list as it is; entries that are neither an address nor a CIDR range go to `problems`. */
export function readProxies(given: Given | undefined, problems: string[]): readonly string[] {
  if (!given) return [];
  const list = given.value as readonly string[];
  for (const [at, entry] of list.entries()) {
    if (isRange(entry)) continue;
    problems.push(
      `${given.whereIn([at])}: server.trustedProxies[${at}]: must be an address or a range such as 10.0.0.0/8, not ${JSON.stringify(entry.slice(0, 60))}`,
    );
  }
  return [...list];
}

function isRange(entry: string): boolean {
  const [address = '', length, ...more] = entry.split('/');
  const version = isIP(address);
  if (version === 0 || address.includes('%') || more.length > 0) return false;
  return length === undefined || (/^\d{1,3}$/.test(length) && Number(length) <= (version === 4 ? 32 : 128));
}

import type { IncomingMessage } from 'node:http';
import { allowsAddress } from '../gateway/addresses.ts';

/**
 * Where a request comes from: the other end of the connection, or, where that is a proxy that is trusted, whom the proxies name.
 * Read from the right, where the nearest proxy writes; what stands left of the first address that is not trusted is anybody's word.
 */
export function clientAddress({ socket, headers }: Pick<IncomingMessage, 'socket' | 'headers'>, trusted: readonly string[]): string {
  let address = socket.remoteAddress ?? '';
  if (trusted.length === 0 || !allowsAddress(trusted, address)) return address;
  const named = [headers['x-forwarded-for'] ?? []].flat().join(',').split(',');
  for (const one of named.reverse()) {
    const next = one.trim();
    if (next === '') break;
    address = next;
    if (!allowsAddress(trusted, address)) break;
  }
  return address;
}

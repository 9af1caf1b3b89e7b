/** What a client wants of the cache of answers, in a header of its own. */
import type { IncomingHttpHeaders } from 'node:http';
import type { Call } from '../core/call.ts';
import { GatewayError } from '../core/error.ts';

export const CACHE_HEADER = 'x-parlance-cache';

const MODES: readonly NonNullable<Call['cache']>[] = ['use', 'skip', 'refresh'];

/** Nothing where the header is not there. Throws `invalid_value` for a word that it does not know. */
export function readCacheHeader(headers: IncomingHttpHeaders): Pick<Call, 'cache'> {
  const given = headers[CACHE_HEADER];
  if (given === undefined) return {};
  const word = String(given).trim().toLowerCase();
  const cache = MODES.find((mode) => mode === word);
  if (cache) return { cache };
  throw new GatewayError(
    'invalid_value',
    `Invalid header '${CACHE_HEADER}': expected one of 'use', 'skip' and 'refresh', but got ${JSON.stringify(word.slice(0, 40))} instead.`,
    { param: CACHE_HEADER },
  );
}

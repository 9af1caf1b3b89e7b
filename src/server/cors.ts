/** What browsers are told: who may call, with which headers, and which headers they may read. */
import { isLocalOrigin, LOCAL } from '../config/loopback.ts';
import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http';

const EXPOSED = [
  'x-request-id',
  'openai-processing-ms',
  'retry-after',
  'retry-after-ms',
  'x-should-retry',
  ...['limit', 'remaining', 'reset'].flatMap((what) => [`x-ratelimit-${what}-requests`, `x-ratelimit-${what}-tokens`]),
  'x-parlance-ignored-params',
  'x-parlance-provider',
  'x-parlance-attempts',
  'x-parlance-cache',
  'x-parlance-max-tokens',
].join(', ');

const ANY: OutgoingHttpHeaders = { 'access-control-allow-origin': '*' };
const ANY_BROWSER: OutgoingHttpHeaders = { ...ANY, 'access-control-expose-headers': EXPOSED };

/** May a page of this origin call? `*` in the list is any origin, `local` those of this machine. */
export function allowsOrigin(origin: string, origins: readonly string[]): boolean {
  return origins.includes('*') || origins.includes(origin) || (origins.includes(LOCAL) && isLocalOrigin(origin));
}

/** For any answer. */
export function corsHeaders(origin: string | undefined, origins: readonly string[]): OutgoingHttpHeaders {
  if (origins.includes('*')) return origin === undefined ? ANY : ANY_BROWSER;
  if (origin === undefined || !allowsOrigin(origin, origins)) return { vary: 'Origin' };
  return { 'access-control-allow-origin': origin, 'access-control-expose-headers': EXPOSED, vary: 'Origin' };
}

/** Always allowed, asked for or not; what the SDKs add to every request is beside them in `STAINLESS`. */
const ALLOWED = [
  'authorization',
  'content-type',
  'x-api-key',
  'x-client-request-id',
  'x-parlance-cache',
  'openai-organization',
  'openai-project',
  'openai-beta',
];
const STAINLESS = /^x-stainless-[a-z0-9-]{1,64}$/;
const MOST_NAMES = 64;

/** For a preflight: the CORS headers of any answer do the rest. */
export function preflightHeaders(request: IncomingHttpHeaders, methods: readonly string[]): OutgoingHttpHeaders {
  const asked = (request['access-control-request-headers'] ?? '').toLowerCase().split(',', MOST_NAMES);
  const stainless = asked.map((name) => name.trim()).filter((name) => STAINLESS.test(name));
  return {
    'access-control-allow-methods': methods.join(', '),
    'access-control-allow-headers': [...ALLOWED, ...stainless].join(', '),
    'access-control-max-age': '86400',
    ...(request['access-control-request-private-network'] === 'true' ? { 'access-control-allow-private-network': 'true' } : {}),
  };
}

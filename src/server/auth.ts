/** Who may ask: a key where keys are configured, this machine alone where none are. */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import type { ApiKey } from '../config/keys.ts';
import { isLoopback } from '../config/loopback.ts';
import type { Principal } from '../core/call.ts';
import { GatewayError } from '../core/error.ts';

/** Who it is, or the refusal. */
export type Authenticate = (headers: IncomingHttpHeaders) => Principal | GatewayError;

const LOCAL: Principal = { id: 'local', projectId: 'default', role: 'member' };

/** Without keys everybody is `local`, whatever key is sent. */
export function createAuthenticator(keys: readonly ApiKey[]): Authenticate {
  if (keys.length === 0) return () => LOCAL;
  const known = keys.map(({ name, sha256 }) => ({
    principal: { id: name, projectId: 'default', role: 'member' as const },
    hash: Buffer.from(sha256, 'hex'),
  }));
  return (headers) => {
    const key = presentedKey(headers);
    if (key === undefined) {
      return new GatewayError('no_key', 'No API key was sent. Send one in the Authorization header: "Authorization: Bearer YOUR_KEY".');
    }
    const hash = createHash('sha256').update(key, 'utf8').digest();
    let found: Principal | undefined;
    // every key is compared, so that the time tells nothing of which one it was
    for (const { principal, hash: expected } of known) if (timingSafeEqual(hash, expected)) found = principal;
    return found ?? new GatewayError('invalid_api_key', 'The API key is not known here. Check the key that your client sends.');
  };
}

/** The key that a client sent, in either of the two headers. */
export function presentedKey(headers: IncomingHttpHeaders): string | undefined {
  const [, bearer] = /^Bearer +(\S+) *$/i.exec(headers.authorization ?? '') ?? [];
  if (bearer !== undefined) return bearer;
  const other = headers['x-api-key'];
  return typeof other === 'string' && other !== '' ? other : undefined;
}

/**
 * Is the request meant for this server? Without keys it serves this machine only, but a web page anywhere can have its own
 * name resolve to 127.0.0.1 (DNS rebinding). The Host header then still names the page's host, and is refused here.
 */
export function checkHost(host: string, allowed: readonly string[]): GatewayError | undefined {
  const name = host.replace(/:\d*$/, '').toLowerCase();
  if (isLoopback(name) || allowed.some((one) => one.toLowerCase() === name)) return undefined;
  const shown = JSON.stringify(name.slice(0, 100));
  return new GatewayError(
    'bad_request',
    `This server has no API keys and answers to localhost only, not to the host name ${shown}. Name it in server.allowedHosts, or set a key.`,
  );
}

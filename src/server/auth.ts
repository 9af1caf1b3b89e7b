/** Who may ask: whoever has a key, and on a server that needs none everybody on this machine. */
import { timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import type { ApiKey } from '../config/keys.ts';
import { isLoopback } from '../config/loopback.ts';
import type { Principal } from '../core/call.ts';
import { GatewayError } from '../core/error.ts';
import type { Soon } from '../core/soon.ts';
import { allowsAddress } from '../gateway/addresses.ts';
import { DEFAULT_PROJECT } from '../gateway/accounts.ts';
import type { Project, VirtualKey } from '../gateway/accounts.ts';
import type { Account, Directory } from '../gateway/directory.ts';
import { hashOf, looksLikeKey } from '../gateway/key-format.ts';

/** Without a key on a server that needs none. Not an administrator: a page in a browser might ask, too. */
const LOCAL: Principal = { id: 'local', projectId: DEFAULT_PROJECT, role: 'member' };

/** Whoever makes up keys with a right checksum fills no more than this. */
const MOST_REMEMBERED = 10_000;

export interface AuthOptions {
  /** Those of the configuration. */
  readonly keys: readonly ApiKey[];
  readonly requireKey: boolean;
  /** Knows the keys in the store; absent: there is none. */
  readonly directory: Directory | undefined;
  /** Unix milliseconds. */
  readonly clock: () => number;
}

/** What of a request says who asks. */
export interface Asking {
  readonly headers: IncomingHttpHeaders;
  readonly method: string;
  /** The client's. */
  readonly address: string;
  /** It asks for what only administrators get. */
  readonly administers: boolean;
}

/** Who it is, or the refusal. At once, but for a key that is not in memory yet. */
export type Authenticate = (asking: Asking) => Soon<Principal | GatewayError>;

export function createAuthenticator({ keys, requireKey, directory, clock }: AuthOptions): Authenticate {
  const known = keys.map(({ name, sha256 }) => ({
    principal: { id: name, projectId: DEFAULT_PROJECT, role: 'member' as const },
    hash: Buffer.from(sha256, 'hex'),
  }));

  const configured = (hex: string): Principal | undefined => {
    if (known.length === 0) return undefined;
    const hash = Buffer.from(hex, 'hex');
    let found: Principal | undefined;
    // every key is compared, so that the time tells nothing of which one it was
    for (const { principal, hash: expected } of known) if (timingSafeEqual(hash, expected)) found = principal;
    return found;
  };
  /** Hashes of keys whose checksum is right: it costs another hash to see that. */
  const wellFormed = new Set<string>();
  const isKey = (key: string, hash: string): boolean => {
    if (wellFormed.has(hash)) return true;
    if (!directory || !looksLikeKey(key)) return false;
    if (wellFormed.size >= MOST_REMEMBERED) wellFormed.clear();
    wellFormed.add(hash);
    return true;
  };
  /** A text that is no key of ours is as good as none where none is needed: clients must send something. */
  const stranger = (): Soon<Principal | GatewayError> => (requireKey ? UNKNOWN() : member(LOCAL));
  /** Of the project `default`, as long as it is on. */
  const member = (principal: Principal): Soon<Principal | GatewayError> => {
    const project = directory?.project(DEFAULT_PROJECT);
    const decide = (found: Project | undefined) => (found?.disabledAt === undefined ? principal : SWITCHED_OFF());
    return project instanceof Promise ? project.then(decide) : decide(project);
  };

  /** What the requests of a connection present: those that begin alike share their headers. */
  const shown = new WeakMap<IncomingHttpHeaders, Presented>();
  const presented = (headers: IncomingHttpHeaders): Presented => {
    const before = shown.get(headers);
    if (before) return before;
    const key = presentedKey(headers);
    const hash = key === undefined || (known.length === 0 && !directory) ? undefined : hashOf(key);
    const now = { isThere: key !== undefined, hash, isKey: key !== undefined && hash !== undefined && isKey(key, hash) };
    shown.set(headers, now);
    return now;
  };

  return (asking) => {
    const { isThere, hash, isKey: isOurs } = presented(asking.headers);
    if (!isThere) return requireKey ? NO_KEY() : member(LOCAL);
    if (hash === undefined) return stranger();
    const fixed = configured(hash);
    if (fixed) return member(fixed);
    if (!directory || !isOurs) return stranger();
    const decide = (account: Account | undefined): Principal | GatewayError => {
      if (!account) return UNKNOWN();
      const refusal = refusalOf(account, asking, clock());
      if (refusal) return refusal;
      directory.used(account.key.id);
      return principalOf(account);
    };
    // found by a hash that nobody can aim at, so the time it takes says nothing
    const account = directory.byHash(hash);
    return account instanceof Promise ? account.then(decide) : decide(account);
  };
}

interface Presented {
  readonly isThere: boolean;
  /** Of the key, where anybody knows keys. */
  readonly hash: string | undefined;
  /** It looks like one of ours. */
  readonly isKey: boolean;
}

function principalOf({ key }: Account): Principal {
  return { id: key.id, keyId: key.id, projectId: key.projectId, role: key.role };
}

const NO_KEY = (): GatewayError =>
  new GatewayError('no_key', 'No API key was sent. Send one in the Authorization header: "Authorization: Bearer YOUR_KEY".');
const UNKNOWN = (): GatewayError =>
  new GatewayError('invalid_api_key', 'The API key is not known here. Check the key that your client sends.');
const SWITCHED_OFF = (): GatewayError => new GatewayError('project_disabled', 'The project of this API key is switched off.');

/** Whoever has the key may know what became of it. */
function refusalOf({ key, project, presented }: Account, { method, address, administers }: Asking, now: number): GatewayError | undefined {
  const isOver = ({ expiresAt }: VirtualKey): boolean => expiresAt !== undefined && now >= expiresAt;
  if (key.revokedAt !== undefined || presented.revokedAt !== undefined) {
    return new GatewayError('invalid_api_key', 'The API key has been revoked. Ask for a new one.');
  }
  if (isOver(key)) return new GatewayError('invalid_api_key', 'The API key has expired. Ask for a new one.');
  if (isOver(presented)) return new GatewayError('invalid_api_key', 'The API key has been replaced by another one. Use that one.');
  // who switched it off must be able to switch it on again
  if (project.disabledAt !== undefined && !(administers && key.role === 'admin')) return SWITCHED_OFF();
  if (!allowsAddress(key.addresses, address)) {
    return new GatewayError('address_not_allowed', `This API key may not be used from the address ${address}.`);
  }
  if (key.role === 'read-only' && method !== 'GET' && method !== 'HEAD') {
    return new GatewayError('role_not_allowed', 'This API key may only read: it cannot be used for requests that do something.');
  }
  return undefined;
}

/** The refusal of whoever is no administrator. */
export function refuseAdministration({ role, keyId }: Principal): GatewayError | undefined {
  if (role === 'admin' && keyId !== undefined) return undefined;
  return new GatewayError('role_not_allowed', 'Administration needs a key with the role admin. `parlance keys create --admin` makes one.');
}

/** The key that a client sent, in either of the two headers. */
export function presentedKey(headers: IncomingHttpHeaders): string | undefined {
  const [, bearer] = /^Bearer +(\S+) *$/i.exec(headers.authorization ?? '') ?? [];
  if (bearer !== undefined) return bearer;
  const other = headers['x-api-key'];
  return typeof other === 'string' && other !== '' ? other : undefined;
}

/**
 * Is the request meant for this server? Where no key is needed it serves this machine only, but a web page anywhere can have
 * its own name resolve to 127.0.0.1 (DNS rebinding). The Host header then still names the page's host, and is refused here.
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

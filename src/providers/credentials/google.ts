/** Access tokens for Google Cloud. */
import { readFile } from 'node:fs/promises';
import type { AuthClient } from 'google-auth-library';
import type { Authorizer } from '../provider.ts';
import { keyProblem, notSetUp, notToBeHad, sharing, until } from './problem.ts';

export interface GoogleOptions {
  readonly provider: string;
  /** An access token, or the text of a service account's key file. */
  readonly key?: { reveal(): string } | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
}

const SCOPE = 'https://www.googleapis.com/auth/cloud-platform';
const TOKEN_URL = 'https://oauth2.googleapis.com/token';
/** Google's servers answer in tens of milliseconds; without a limit a lost packet holds all requests. */
const TOKEN_TIMEOUT_MS = 20_000;

/**
 * The token is kept and renewed five minutes before it ends; all who wait for one share one request. The project that is
 * charged comes along where the credentials name one (`x-goog-user-project`).
 */
export function googleAuthorizer({ provider, key, env }: GoogleOptions): Authorizer {
  const given = key?.reveal().trim() ?? '';
  if (given !== '' && !given.startsWith('{')) {
    const problem = keyProblem(given);
    return async () => {
      if (problem !== undefined) throw notSetUp(provider, problem);
      return { authorization: `Bearer ${given}` };
    };
  }
  let client: AuthClient | undefined;
  const headers = sharing(async () => {
    try {
      client ??= await clientOf(given, env);
      return Object.fromEntries(await client.getRequestHeaders());
    } catch (cause) {
      throw failure(provider, cause);
    }
  });
  return (_call, signal) => until(headers, signal);
}

interface ServiceAccount {
  readonly email: string;
  readonly key: string;
  readonly keyId: string | undefined;
  readonly tokenUrl: string;
  readonly quotaProject: string | undefined;
  readonly universe: string | undefined;
}

class Unusable extends Error {
  override readonly name = 'Unusable';
}

/** A key file of a service account is read here, so that its own token address counts; the library knows all other kinds. */
async function clientOf(text: string, env: GoogleOptions['env']): Promise<AuthClient> {
  const path = env['GOOGLE_APPLICATION_CREDENTIALS'] ?? '';
  const content = text === '' && path !== '' ? await contentOf(path) : text;
  const library = await import('google-auth-library');
  const account = content === '' ? undefined : serviceAccount(content);
  if (account) return new library.JWT(jwtOptions(account));
  if (text !== '') throw new Unusable('is given credentials that are no key of a service account.');
  return new library.GoogleAuth({ scopes: SCOPE, clientOptions: { transporterOptions: { timeout: TOKEN_TIMEOUT_MS } } }).getClient();
}

async function contentOf(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    throw new Unusable('cannot read its credentials: GOOGLE_APPLICATION_CREDENTIALS must name a file that the server may read.', { cause });
  }
}

/** Undefined where it is credentials of another kind. */
function serviceAccount(content: string): ServiceAccount | undefined {
  const file = parsed(content);
  const of = (name: string): string | undefined => (typeof file[name] === 'string' && file[name] !== '' ? file[name] : undefined);
  if (of('type') !== 'service_account') return undefined;
  const [email, key] = [of('client_email'), of('private_key')];
  if (email === undefined || key === undefined) throw new Unusable('has a key file without client_email or private_key.');
  return {
    email,
    // in an environment variable the line ends often come twice escaped
    key: key.replaceAll('\\n', '\n'),
    keyId: of('private_key_id'),
    tokenUrl: of('token_uri') ?? TOKEN_URL,
    quotaProject: of('quota_project_id'),
    universe: of('universe_domain'),
  };
}

function parsed(content: string): Readonly<Record<string, unknown>> {
  try {
    const file: unknown = JSON.parse(content);
    if (typeof file === 'object' && file !== null) return file as Readonly<Record<string, unknown>>;
  } catch {
    // a parser's message quotes what it read: here, a private key
  }
  throw new Unusable('has credentials that are no JSON.');
}

function jwtOptions(account: ServiceAccount) {
  const { email, key, keyId, tokenUrl, quotaProject, universe } = account;
  const elsewhere = tokenUrl !== TOKEN_URL;
  return {
    email,
    key,
    scopes: [SCOPE],
    ...(keyId === undefined ? {} : { keyId }),
    ...(quotaProject === undefined ? {} : { quotaProjectId: quotaProject }),
    ...(universe === undefined ? {} : { universeDomain: universe }),
    // the library always asks Google's own address: another one is put in its place on the way
    ...(elsewhere ? { additionalClaims: { aud: tokenUrl } } : {}),
    transporterOptions: {
      timeout: TOKEN_TIMEOUT_MS,
      ...(elsewhere ? { fetchImplementation: (_url: unknown, init?: RequestInit) => fetch(tokenUrl, init) } : {}),
    },
  };
}

function failure(provider: string, cause: unknown): Error {
  if (cause instanceof Unusable) return notSetUp(provider, cause.message, cause.cause);
  const status = statusOf(cause);
  if (status !== undefined && status >= 400 && status < 500 && status !== 408 && status !== 429) {
    return notSetUp(provider, 'has Google Cloud credentials that were refused.', cause);
  }
  if (cause instanceof Error && cause.message.startsWith('Could not load the default credentials')) {
    return notSetUp(provider, 'has no Google Cloud credentials: set GOOGLE_APPLICATION_CREDENTIALS, or log in with gcloud.', cause);
  }
  if (cause instanceof Error && 'code' in cause && /^ERR_OSSL|^ERR_CRYPTO/.test(String(cause.code))) {
    return notSetUp(provider, 'has a key file whose private key cannot be read.', cause);
  }
  return notToBeHad(provider, 'could not get an access token from Google Cloud.', cause);
}

function statusOf(cause: unknown): number | undefined {
  if (!(cause instanceof Error) || !('response' in cause)) return undefined;
  const { response } = cause;
  const known = typeof response === 'object' && response !== null && 'status' in response && typeof response.status === 'number';
  return known ? (response.status as number) : undefined;
}

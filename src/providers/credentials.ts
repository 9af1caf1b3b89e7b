/** What proves to a provider who we are, and how it is kept out of messages. */
import { awsAuthorizer } from './credentials/aws.ts';
import { googleAuthorizer } from './credentials/google.ts';
import { keyProblem, notSetUp } from './credentials/problem.ts';
import type { Authorizer } from './provider.ts';
import type { Auth } from './row.ts';

/** A text that is revealed at the last moment only. */
export interface Secret {
  reveal(): string;
}

export type Env = Readonly<Record<string, string | undefined>>;

export interface KeySource {
  /** The configuration's; goes before the environment. */
  readonly key?: Secret | undefined;
  /** Variables that may hold it, the usual one first. */
  readonly keyEnv?: readonly string[];
  readonly env: Env;
}

export interface AuthorizerOptions extends KeySource {
  /** Id of the configured provider, for messages. */
  readonly provider: string;
  readonly auth: Auth;
  /** For signatures, where the host's name does not tell. */
  readonly region?: string | undefined;
}

/**
 * Finds nothing out before it is asked: a missing or malformed credential is a GatewayError of each request, kind `internal`,
 * which says what to set. It is the server's fault, not the client's, and the SDKs shall not try again, as they would after a
 * 502. What cannot be had for the moment (a token server that is down) is `upstream`.
 *
 * `bearer` and `header` send the key. `aws`: a key is Bedrock's own API key, sent as a bearer token; else the request is
 * signed (SigV4) with what the environment, a profile, or the machine's role gives. `google`: a key is an access token, or
 * the text of a credentials file; else GOOGLE_APPLICATION_CREDENTIALS, the login of gcloud, or the machine's service account.
 */
export function createAuthorizer(options: AuthorizerOptions): Authorizer {
  const { auth } = options;
  switch (auth.scheme) {
    case 'bearer':
      return keyAuthorizer(options, auth.optional ?? false, (key) => ({ authorization: `Bearer ${key}` }));
    case 'header':
      return keyAuthorizer(options, auth.optional ?? false, (key) => ({ [auth.name.toLowerCase()]: key }));
    case 'aws':
      return awsAuthorizer({ ...options, service: auth.service, key: findKey({ ...options, keyEnv: ['AWS_BEARER_TOKEN_BEDROCK'] }) });
    case 'google':
      return googleAuthorizer(options);
  }
}

/** The key, without spaces and line ends around it; undefined where there is none, or an empty one. */
export function findKey({ key, keyEnv = [], env }: KeySource): Secret | undefined {
  const texts = [key?.reveal(), ...keyEnv.map((name) => env[name])];
  const text = texts.map((given) => given?.trim()).find((given) => given !== undefined && given !== '');
  return text === undefined ? undefined : { reveal: () => text };
}

function keyAuthorizer(
  options: AuthorizerOptions,
  optional: boolean,
  write: (key: string) => Readonly<Record<string, string>>,
): Authorizer {
  const { provider, keyEnv = [] } = options;
  const key = findKey(options)?.reveal();
  const headers = key === undefined || keyProblem(key) !== undefined ? {} : write(key);
  const problem = key === undefined ? missing(keyEnv, optional) : keyProblem(key);
  return async () => {
    if (problem !== undefined) throw notSetUp(provider, problem);
    return headers;
  };
}

function missing(keyEnv: readonly string[], optional: boolean): string | undefined {
  if (optional) return undefined;
  const [usual] = keyEnv;
  return usual === undefined ? `has no API key: give it one in the configuration.` : `has no API key: set ${usual}.`;
}

/** Headers whose values are as secret as a key. */
const SECRET_HEADER = /auth|key|token|secret|cookie|credential|password/i;

/** All that a provider is told and nobody else may be: keys, whether the configuration has them or the environment, and headers. */
export function secretsOf({ key, keyEnv = [], env }: KeySource, headers: Readonly<Record<string, string>>): readonly Secret[] {
  const written = Object.entries(headers).flatMap(([name, value]) => (SECRET_HEADER.test(name) ? [value] : []));
  const texts = [...keyEnv.map((name) => env[name] ?? ''), ...written].filter((text) => text !== '');
  return [...(key ? [key] : []), ...texts.map((text) => ({ reveal: () => text }))];
}

/** Shorter ones (`none`, `ollama`) are no secrets, and are parts of words. */
const SHORTEST_SECRET = 8;

/** The text with each of these secrets replaced by `[key]`, wherever a provider quotes it. */
export function blot(text: string, secrets: readonly Secret[]): string {
  const words = secrets.map((secret) => secret.reveal().trim()).filter((word) => word.length >= SHORTEST_SECRET);
  // the longest first: one may be the beginning of another
  return words.sort((a, b) => b.length - a.length).reduce((clean, word) => clean.replaceAll(word, '[key]'), text);
}

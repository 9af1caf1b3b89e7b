/** Requests to AWS: an API key of Bedrock, or Signature Version 4. */
import { createHash, createHmac } from 'node:crypto';
import { wholeText } from '../../core/json-pieces.ts';
import type { Authorizer, OutgoingCall } from '../provider.ts';
import { keyProblem, notSetUp, notToBeHad, sharing, until } from './problem.ts';

export interface AwsOptions {
  readonly provider: string;
  /** `bedrock` */
  readonly service: string;
  readonly key?: { reveal(): string } | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly region?: string | undefined;
  /** The time that is signed; for tests. */
  readonly now?: () => Date;
}

interface AwsCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

/** The URL and the body are signed as they are: a model's name in the path must be percent-encoded already. */
export function awsAuthorizer(options: AwsOptions): Authorizer {
  const { provider, service, env, now = () => new Date() } = options;
  const key = options.key?.reveal();
  if (key !== undefined) {
    const problem = keyProblem(key);
    return async () => {
      if (problem !== undefined) throw notSetUp(provider, problem);
      return { authorization: `Bearer ${key}` };
    };
  }
  const credentials = credentialChain(options);
  // the chain asks files and servers by itself, the signer only what it is given
  return async (call, signal) => {
    const url = new URL(call.url);
    const region = regionOf(url.hostname, options.region, env);
    if (region === undefined) throw notSetUp(provider, 'has no region: set AWS_REGION.');
    const identity = await until(credentials, signal);
    const { SignatureV4 } = await import('@smithy/signature-v4');
    const signer = new SignatureV4({ service, region, credentials: identity, sha256: Sha256 });
    const signed = await signer.sign(requestOf(call, url), { signingDate: now() });
    const own = new Set(['host', ...Object.keys(call.headers).map((name) => name.toLowerCase())]);
    return Object.fromEntries(Object.entries(signed.headers).filter(([name]) => !own.has(name.toLowerCase())));
  };
}

function requestOf(call: OutgoingCall, url: URL) {
  const query: Record<string, string[]> = {};
  for (const [name, value] of url.searchParams) (query[name] ??= []).push(value);
  return {
    method: call.method,
    protocol: url.protocol,
    hostname: url.hostname,
    path: url.pathname,
    query,
    headers: { ...call.headers, host: url.host },
    body: call.method === 'POST' ? wholeText(call.body) : '',
  };
}

/** A host's name tells the region it expects in the signature, whatever is set elsewhere. */
function regionOf(hostname: string, given: string | undefined, env: Readonly<Record<string, string | undefined>>): string | undefined {
  const named = /\.([a-z]{2,3}(?:-[a-z]+)+-\d+)\./.exec(hostname)?.[1];
  return named ?? [given, env['AWS_REGION'], env['AWS_DEFAULT_REGION']].find((region) => region !== undefined && region !== '');
}

/**
 * Keys of the environment are read anew each time and need nothing else. Otherwise AWS's own chain is loaded: profiles with
 * roles, SSO and processes, web identities, containers and instances. It keeps what it found until five minutes before
 * its end, and asks once for all who wait.
 */
function credentialChain({ provider, env }: AwsOptions): () => Promise<AwsCredentials> {
  const profile = env['AWS_PROFILE'];
  const load = sharing(async () => {
    const { defaultProvider } = await import('@aws-sdk/credential-provider-node');
    return defaultProvider({
      ...(profile ? { profile } : {}),
      ...(env['AWS_SHARED_CREDENTIALS_FILE'] ? { filepath: env['AWS_SHARED_CREDENTIALS_FILE'] } : {}),
      ...(env['AWS_CONFIG_FILE'] ? { configFilepath: env['AWS_CONFIG_FILE'] } : {}),
    });
  });
  let chain: Awaited<ReturnType<typeof load>> | undefined;
  return async () => {
    // a named profile goes before keys, as in AWS's own tools
    const accessKeyId = env['AWS_ACCESS_KEY_ID']?.trim();
    const secretAccessKey = env['AWS_SECRET_ACCESS_KEY']?.trim();
    const sessionToken = env['AWS_SESSION_TOKEN']?.trim();
    if (!profile && accessKeyId && secretAccessKey) {
      return { accessKeyId, secretAccessKey, ...(sessionToken ? { sessionToken } : {}) };
    }
    try {
      chain ??= await load();
      return await chain();
    } catch (cause) {
      // the chain's own word for "there are none here"; anything else is a server that did not answer
      if (cause instanceof Error && cause.name.endsWith('ProviderError')) {
        const how = 'set AWS_BEARER_TOKEN_BEDROCK, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE.';
        throw notSetUp(provider, `has no AWS credentials: ${how}`, cause);
      }
      throw notToBeHad(provider, 'could not get its AWS credentials.', cause);
    }
  };
}

type State = ReturnType<typeof createHash | typeof createHmac>;

/** Node's own SHA-256: requests with images are megabytes. */
class Sha256 {
  #state: State;
  readonly #secret: Uint8Array | undefined;

  constructor(secret?: string | ArrayBuffer | ArrayBufferView) {
    this.#secret = secret === undefined ? undefined : bytesOf(secret);
    this.#state = this.#fresh();
  }

  update(data: string | ArrayBuffer | ArrayBufferView): void {
    this.#state.update(bytesOf(data));
  }

  async digest(): Promise<Uint8Array> {
    return this.#state.digest();
  }

  reset(): void {
    this.#state = this.#fresh();
  }

  #fresh(): State {
    return this.#secret === undefined ? createHash('sha256') : createHmac('sha256', this.#secret);
  }
}

function bytesOf(data: string | ArrayBuffer | ArrayBufferView): Uint8Array {
  if (typeof data === 'string') return Buffer.from(data);
  return ArrayBuffer.isView(data) ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength) : new Uint8Array(data);
}

/**
 * The only outbound HTTP for models. HTTP/1.1 with kept-alive connections, one request on each at a time and as many as are
 * needed: a stream never waits behind another, as streams of one HTTP/2 connection do for each other's windows and losses.
 */
import { Agent, EnvHttpProxyAgent, Pool } from 'undici';
import type { Dispatcher } from 'undici';
import type { Signal } from '../core/abort.ts';
import { GatewayError } from '../core/error.ts';
import { exchange } from './exchange.ts';
import type { HttpAnswer } from './exchange.ts';
import type { OutgoingCall, Timeouts } from './provider.ts';

export type { HttpAnswer } from './exchange.ts';

export interface HttpOptions {
  /** `parlance/1.2.3` */
  readonly userAgent: string;
  /** Where HTTPS_PROXY, HTTP_PROXY and NO_PROXY are looked up, in either case. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Certificates to trust instead of Node's own (which NODE_EXTRA_CA_CERTS adds to), PEM. */
  readonly ca?: string;
}

export interface SendOptions {
  readonly timeouts: Timeouts;
  /** Ends the request whenever it fires; what waits for it is rejected with its reason. */
  readonly signal: Signal;
  /** Called when a connection is there and the request goes out on it. */
  readonly sent?: (() => void) | undefined;
}

export interface Http {
  /**
   * Sends the request as it is, with a `user-agent` and `accept-encoding: identity` where it has none. Resolves with the
   * answer of any status but a redirect. Rejects with the signal's reason or a GatewayError: `upstream_timeout`, or `upstream`
   * where the host was not reached, its answer broke off, redirects, or is compressed all the same. Redirects are not
   * followed: credentials go to the configured host alone.
   */
  send(call: OutgoingCall, options: SendOptions): Promise<HttpAnswer>;
  /** Closes all connections. Requests under way fail. */
  close(): Promise<void>;
}

const LONGEST_HEAD = 64 * 1024;
/** Nearly all requests go to a few URLs. */
const MOST_URLS = 1000;
/** Below the minute after which load balancers close; servers that close sooner mostly say so in `keep-alive`. */
const KEEP_ALIVE_MS = 30_000;
/** Node's 250 ms give up an address on another continent before it could answer. */
const NEXT_ADDRESS_MS = 500;

/** Throws an Error where a proxy's variable is no URL. */
export function createHttp({ userAgent, env = {}, ca }: HttpOptions): Http {
  const proxies = proxiesOf(env);
  const dispatchers = new Map<string, Dispatcher>();

  // the time for connecting belongs to a pool, all other limits to a request
  function dispatcherOf(connectMs: number, proxied: boolean): Dispatcher {
    const key = `${connectMs} ${proxied}`;
    const known = dispatchers.get(key);
    if (known) return known;
    const made = proxied && proxies ? proxyAgent(proxies, connectMs, ca) : new Agent(poolOptions(connectMs, ca));
    dispatchers.set(key, made);
    return made;
  }

  const urls = new Map<string, URL>();
  const parsed = (text: string): URL => {
    const known = urls.get(text);
    if (known) return known;
    if (urls.size >= MOST_URLS) urls.clear();
    const url = new URL(text);
    urls.set(text, url);
    return url;
  };

  return {
    async send(call, { timeouts, signal, sent }) {
      const url = parsed(call.url);
      const answer = await exchange({
        connectMs: timeouts.connectMs,
        dispatcher: dispatcherOf(timeouts.connectMs, proxies !== undefined && !isThisMachine(url.hostname)),
        url,
        method: call.method,
        headers: { 'user-agent': userAgent, 'accept-encoding': 'identity', ...lowerCased(call.headers) },
        ...(call.method === 'POST' ? { body: call.body } : {}),
        headersMs: timeouts.headersMs,
        idleMs: timeouts.idleMs,
        signal,
        sent,
      });
      const refusal = unusable(answer, url);
      if (!refusal) return answer;
      answer.cancel();
      throw refusal;
    },
    async close() {
      await Promise.all(dispatchers.values().map((dispatcher) => dispatcher.destroy()));
    },
  };
}

/** A configuration may write `User-Agent`, which replaces ours instead of standing beside it. */
function lowerCased(headers: Readonly<Record<string, string>>): Record<string, string> {
  const lower: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) lower[name.toLowerCase()] = value;
  return lower;
}

function poolOptions(connectMs: number, ca: string | undefined): Agent.Options {
  return {
    allowH2: false,
    pipelining: 1,
    maxHeaderSize: LONGEST_HEAD,
    keepAliveTimeout: KEEP_ALIVE_MS,
    connect: {
      timeout: connectMs,
      autoSelectFamily: true,
      autoSelectFamilyAttemptTimeout: NEXT_ADDRESS_MS,
      ...(ca === undefined ? {} : { ca }),
    },
  };
}

interface Proxies {
  readonly httpProxy: string;
  readonly httpsProxy: string;
  readonly noProxy: string;
}

/** Undefined where no proxy is named. Names in lower case come first, as with curl. */
function proxiesOf(env: Readonly<Record<string, string | undefined>>): Proxies | undefined {
  const of = (name: string): string => (env[name.toLowerCase()] ?? env[name] ?? '').trim();
  const httpProxy = proxyUrl('HTTP_PROXY', of('HTTP_PROXY'));
  const httpsProxy = proxyUrl('HTTPS_PROXY', of('HTTPS_PROXY'));
  if (httpProxy === '' && httpsProxy === '') return undefined;
  return { httpProxy, httpsProxy, noProxy: of('NO_PROXY') };
}

function proxyUrl(name: string, given: string): string {
  if (given === '') return '';
  const url = given.includes('://') ? given : `http://${given}`;
  // the value may hold a password: it is never quoted
  if (!URL.canParse(url) || !/^(?:https?|socks5?):$/.test(new URL(url).protocol))
    throw new Error(`${name} must be the URL of a proxy, as http://proxy.example:3128`);
  return url;
}

function proxyAgent(proxies: Proxies, connectMs: number, ca: string | undefined): Dispatcher {
  const { connect, ...options } = poolOptions(connectMs, ca);
  const trust = ca === undefined ? {} : { ca };
  return new EnvHttpProxyAgent({
    ...options,
    ...proxies,
    connect: connect ?? {},
    connectTimeout: connectMs,
    proxyTls: { allowH2: false },
    requestTls: { allowH2: false, ...trust },
    // the answer to CONNECT is part of connecting
    clientFactory: (origin, own) => new Pool(origin, { ...own, headersTimeout: connectMs }),
  });
}

/** A proxy never reaches a server of this machine. `0.0.0.0` is what such servers say they listen on, and people copy it. */
function isThisMachine(hostname: string): boolean {
  const name = hostname.replace(/\.$/, '');
  if (name === '0.0.0.0' || name === '[::]') return true;
  return name === 'localhost' || name.endsWith('.localhost') || name === '[::1]' || /^127(?:\.\d{1,3}){3}$/.test(name);
}

function unusable(answer: HttpAnswer, url: URL): GatewayError | undefined {
  const { status, headers } = answer;
  if (status >= 300 && status < 400) {
    const to = headers['location'] ?? '';
    const where = URL.canParse(to, url.href) ? ` to ${new URL(to, url).origin}` : '';
    return new GatewayError('upstream', `${url.host} answers with a redirect${where} (${status}), which is not followed.`);
  }
  const encoding = (headers['content-encoding'] ?? 'identity').trim().toLowerCase();
  if (encoding === 'identity' || encoding === '') return undefined;
  return new GatewayError('upstream', `${url.host} compressed its answer (${encoding.slice(0, 40)}) although it was asked not to.`);
}

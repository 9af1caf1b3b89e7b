/**
 * The only outbound HTTP for models. HTTP/1.1 with kept-alive connections, one request on each at a time and as many as are
 * needed: a stream never waits behind another, as streams of one HTTP/2 connection do for each other's windows and losses.
 */
import { EnvHttpProxyAgent, Pool } from 'undici';
import type { Agent, Dispatcher } from 'undici';
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
  /** Headers that prove who we are. */
  readonly proof?: Readonly<Record<string, string>>;
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

  /** One pool for each origin, and one agent for all that goes by way of a proxy. */
  const dispatcherOf = ({ origin, hostname }: URL, connectMs: number): Dispatcher => {
    const key = proxies && !isThisMachine(hostname) ? `${connectMs}` : `${connectMs} ${origin}`;
    const known = dispatchers.get(key);
    if (known) return known;
    const made = proxies && !isThisMachine(hostname) ? proxyAgent(proxies, connectMs, ca) : new Pool(origin, poolOptions(connectMs, ca));
    dispatchers.set(key, made);
    return made;
  };

  const places = new Map<string, Place>();
  const placeOf = (text: string, connectMs: number): Place => {
    const known = places.get(text);
    if (known?.connectMs === connectMs) return known;
    if (places.size >= MOST_URLS) places.clear();
    const url = new URL(text);
    // the time for connecting belongs to a pool, all other limits to a request
    const place = { url, connectMs, dispatcher: dispatcherOf(url, connectMs) };
    places.set(text, place);
    return place;
  };

  return {
    async send(call, { timeouts, signal, sent, proof }) {
      const { url, dispatcher, connectMs } = placeOf(call.url, timeouts.connectMs);
      const headers: Record<string, string> = { 'user-agent': userAgent, 'accept-encoding': 'identity' };
      addLowerCased(headers, call.headers);
      if (proof) addLowerCased(headers, proof);
      return exchange({
        connectMs,
        dispatcher,
        url,
        method: call.method,
        headers,
        body: call.method === 'POST' ? call.body : undefined,
        headersMs: timeouts.headersMs,
        idleMs: timeouts.idleMs,
        signal,
        sent,
        refuse: (answer) => unusable(answer, url),
      });
    },
    async close() {
      await Promise.all(dispatchers.values().map((dispatcher) => dispatcher.destroy()));
    },
  };
}

/** Where requests to a URL go. */
interface Place {
  readonly url: URL;
  readonly connectMs: number;
  readonly dispatcher: Dispatcher;
}

/** A configuration may write `User-Agent`, which replaces ours instead of standing beside it. */
function addLowerCased(headers: Record<string, string>, more: Readonly<Record<string, string>>): void {
  for (const name in more) {
    const value = more[name];
    if (value !== undefined) headers[name.toLowerCase()] = value;
  }
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

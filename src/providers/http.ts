/**
 * The only outbound HTTP for models. HTTP/1.1 with kept-alive connections, one request on each at a time and as many as are
 * needed: a stream never waits behind another, as streams of one HTTP/2 connection do for each other's windows and losses.
 */
import type { Signal } from '../core/abort.ts';
import { GatewayError } from '../core/error.ts';
import { exchange } from './exchange.ts';
import type { HttpAnswer } from './exchange.ts';
import { createClient } from './http1/client.ts';
import type { Transport } from './http1/transfer.ts';
import type { OutgoingCall, Timeouts } from './provider.ts';
import { isThisMachine, proxiesOf, throughProxies } from './proxies.ts';

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

/** Nearly all requests go to a few URLs. */
const MOST_URLS = 1000;

/** Throws an Error where a proxy's variable is no URL. */
export function createHttp({ userAgent, env = {}, ca }: HttpOptions): Http {
  const proxies = proxiesOf(env);
  const direct = createClient({ ca });
  const proxied = proxies && throughProxies({ proxies, ca });

  const places = new Map<string, Place>();
  const placeOf = (text: string): Place => {
    const known = places.get(text);
    if (known) return known;
    if (places.size >= MOST_URLS) places.clear();
    const url = new URL(text);
    const place = { url, transport: proxied && !isThisMachine(url.hostname) ? proxied : direct };
    places.set(text, place);
    return place;
  };

  return {
    async send(call, { timeouts, signal, sent, proof }) {
      const { url, transport } = placeOf(call.url);
      const headers: Record<string, string> = { 'user-agent': userAgent, 'accept-encoding': 'identity' };
      addLowerCased(headers, call.headers);
      if (proof) addLowerCased(headers, proof);
      return exchange({
        transport,
        url,
        method: call.method,
        headers,
        body: call.method === 'POST' ? call.body : undefined,
        connectMs: timeouts.connectMs,
        headersMs: timeouts.headersMs,
        idleMs: timeouts.idleMs,
        signal,
        sent,
        refuse: (answer) => unusable(answer, url),
      });
    },
    async close() {
      await Promise.all([direct.close(), proxied?.close()]);
    },
  };
}

/** Where requests to a URL go. */
interface Place {
  readonly url: URL;
  readonly transport: Transport;
}

/** A configuration may write `User-Agent`, which replaces ours instead of standing beside it. */
function addLowerCased(headers: Record<string, string>, more: Readonly<Record<string, string>>): void {
  for (const name in more) {
    const value = more[name];
    if (value !== undefined) headers[name.toLowerCase()] = value;
  }
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

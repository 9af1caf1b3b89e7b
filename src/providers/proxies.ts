/** Requests by way of the proxies that the environment names. Where it names none, undici is not even loaded. */
import type { Dispatcher } from 'undici';
import { wholeText } from '../core/json-pieces.ts';
import { NEXT_ADDRESS_MS } from './http1/client.ts';
import type { Receiver, Transfer, TransferRequest, Transport } from './http1/transfer.ts';

export interface Proxies {
  readonly httpProxy: string;
  readonly httpsProxy: string;
  readonly noProxy: string;
}

export interface ProxyOptions {
  readonly proxies: Proxies;
  /** Certificates to trust instead of Node's own, PEM. */
  readonly ca?: string | undefined;
}

const LONGEST_HEAD = 64 * 1024;
const KEEP_ALIVE_MS = 30_000;

/** Undefined where no proxy is named. Names in lower case come first, as with curl. Throws an Error where one is no URL. */
export function proxiesOf(env: Readonly<Record<string, string | undefined>>): Proxies | undefined {
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

/** A proxy never reaches a server of this machine. `0.0.0.0` is what such servers say they listen on, and people copy it. */
export function isThisMachine(hostname: string): boolean {
  const name = hostname.replace(/\.$/, '');
  if (name === '0.0.0.0' || name === '[::]') return true;
  return name === 'localhost' || name.endsWith('.localhost') || name === '[::1]' || /^127(?:\.\d{1,3}){3}$/.test(name);
}

export function throughProxies(options: ProxyOptions): Transport {
  /** By the time for connecting, which is an agent's own. */
  const agents = new Map<number, Promise<Dispatcher>>();
  const agentOf = (connectMs: number): Promise<Dispatcher> => {
    const known = agents.get(connectMs);
    if (known) return known;
    const made = agentFor(connectMs, options).catch((cause: unknown) => {
      // the next one who asks tries again
      agents.delete(connectMs);
      throw cause;
    });
    agents.set(connectMs, made);
    return made;
  };

  const dispatch = async (request: TransferRequest, receiver: Receiver): Promise<void> => {
    try {
      const agent = await agentOf(request.connectMs);
      if (receiver.isOver) return;
      const { url, method, headers, body, headersMs, idleMs } = request;
      const { origin, pathname, search } = url;
      agent.dispatch(
        {
          origin,
          path: pathname + search,
          method,
          headers,
          body: body === undefined ? null : wholeText(body),
          headersTimeout: headersMs,
          bodyTimeout: idleMs,
        },
        handlerOf(receiver),
      );
    } catch (cause) {
      receiver.fail(cause);
    }
  };

  return {
    send: (request, receiver) => void dispatch(request, receiver),
    async close() {
      await Promise.allSettled(agents.values().map(async (agent) => (await agent).destroy()));
    },
  };
}

async function agentFor(connectMs: number, { proxies, ca }: ProxyOptions): Promise<Dispatcher> {
  const { EnvHttpProxyAgent, Pool } = await import('undici');
  return new EnvHttpProxyAgent({
    ...proxies,
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
    connectTimeout: connectMs,
    proxyTls: { allowH2: false },
    requestTls: { allowH2: false, ...(ca === undefined ? {} : { ca }) },
    // the answer to CONNECT is part of connecting
    clientFactory: (origin, own) => new Pool(origin, { ...own, headersTimeout: connectMs }),
  });
}

/** What undici tells of an answer, as a receiver hears it. */
function handlerOf(receiver: Receiver): Dispatcher.DispatchHandler {
  return {
    onRequestStart(controller) {
      // one that waited in a queue meanwhile
      if (receiver.isOver) controller.abort(notWanted());
      else receiver.started(transferOf(controller));
    },
    onResponseStart(_controller, status, headers) {
      if (status >= 200) receiver.head(status, flatten(headers));
    },
    onResponseData: (_controller, chunk) => receiver.piece(chunk),
    onResponseEnd: () => receiver.end(),
    onResponseError: (_controller, error) => receiver.fail(error),
  };
}

function transferOf(controller: Dispatcher.DispatchController): Transfer {
  return {
    get isPaused() {
      return controller.paused;
    },
    pause: () => controller.pause(),
    resume: () => controller.resume(),
    cancel: () => controller.abort(notWanted()),
  };
}

const notWanted = (): Error => new Error('the answer is not wanted any more');

/** Names come in lower case, and nearly always once each. */
function flatten(headers: Readonly<Record<string, string | string[] | undefined>>): Readonly<Record<string, string>> {
  const flat: Record<string, string> = {};
  for (const name in headers) {
    const value = headers[name];
    if (value !== undefined) flat[name] = typeof value === 'string' ? value : value.join(', ');
  }
  return flat;
}

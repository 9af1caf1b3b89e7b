/**
 * HTTP/1.1 over sockets, for what every completion needs: one request at a time on a kept connection, as many connections as there are
 * requests under way. Node's own client and undici are more, and cost more.
 */
import { connect as connectTcp, isIP } from 'node:net';
import type { LookupFunction, Socket } from 'node:net';
import { connect as connectTls, createSecureContext } from 'node:tls';
import type { SecureContext } from 'node:tls';
import { Connection } from './connection.ts';
import { createDeadlines } from './deadlines.ts';
import type { Awaited } from './deadlines.ts';
import { fault } from './faults.ts';
import { requestText } from './request-text.ts';
import type { RequestText } from './request-text.ts';
import type { Receiver, TransferRequest, Transport } from './transfer.ts';

export interface ClientOptions {
  /** Certificates to trust instead of Node's own (which NODE_EXTRA_CA_CERTS adds to), PEM. */
  readonly ca?: string | undefined;
  /** Finds the addresses of a name, instead of the system. */
  readonly lookup?: LookupFunction;
  /** How long a connection may wait for its next request at most; 10 minutes where its server says so and none is given. */
  readonly mostKeptMs?: number;
}

/** Node's 250 ms give up an address on another continent before it could answer. */
export const NEXT_ADDRESS_MS = 500;
/** Before the system asks a silent connection whether it is still there. */
const PROBE_MS = 60_000;
const READ_BYTES = 64 * 1024;
const MOST_KEPT_MS = 600_000;
/** Beyond them, one is forgotten with its last connection; until then its TLS session is kept for the next. */
const MOST_ORIGINS = 100;

interface Origin {
  readonly url: URL;
  readonly idle: Connection[];
  /** Never more than connections that are being made. */
  readonly waiting: Waiting[];
  making: number;
  /** Connections, also those that are being made. */
  open: number;
  /** Of TLS: the next connection needs no whole handshake. */
  session: Buffer | undefined;
}

interface Waiting {
  readonly request: TransferRequest;
  readonly text: RequestText;
  readonly receiver: Receiver;
}

export function createClient({ ca, lookup, mostKeptMs = MOST_KEPT_MS }: ClientOptions = {}): Transport {
  const origins = new Map<string, Origin>();
  /** The same by the URLs that are asked for again and again: to make an origin of one costs more than to look it up. */
  const byUrl = new WeakMap<URL, Origin>();
  const deadlines = createDeadlines();
  const connections = new Set<{ end(why: Error): void }>();
  let trust: SecureContext | undefined;
  let isClosed = false;

  const originOf = (url: URL): Origin => {
    const known = byUrl.get(url);
    if (known) return known;
    const found = origins.get(url.origin) ?? { url, idle: [], waiting: [], making: 0, open: 0, session: undefined };
    origins.set(url.origin, found);
    byUrl.set(url, found);
    return found;
  };

  const closed = (origin: Origin): void => {
    origin.open -= 1;
    if (origin.open === 0 && origins.size > MOST_ORIGINS) origins.delete(origin.url.origin);
  };

  /** Gives a connection to whoever waits longest. */
  const free = (origin: Origin, connection: Connection): void => {
    for (let next = origin.waiting.shift(); next; next = origin.waiting.shift()) {
      if (!next.receiver.isOver) return connection.send(next.request, next.text, next.receiver);
    }
    origin.idle.push(connection);
  };

  const gone = (origin: Origin, connection: Connection): void => {
    const at = origin.idle.indexOf(connection);
    if (at >= 0) origin.idle.splice(at, 1);
    connections.delete(connection);
    closed(origin);
  };

  const begin = (origin: Origin, connectMs: number): void => {
    let connection: Connection | undefined;
    const take = (bytes: Buffer): void => connection?.take(bytes);
    const isTls = origin.url.protocol === 'https:';
    const socket = isTls ? overTls(origin, take) : overTcp(origin, take);
    origin.open += 1;
    origin.making += 1;

    const awaited: Awaited & { end(why: Error): void } = {
      deadline: connectMs > 0 ? performance.now() + connectMs : Infinity,
      late: () => awaited.end(fault('LATE_CONNECTION', 'no connection was made in time')),
      end: (why) => {
        leave();
        socket.on('error', () => undefined).destroy();
        origin.session = undefined;
        // the others that are being made may be enough: some who had waited got one that was free
        const first = origin.waiting.length > origin.making ? origin.waiting.shift() : undefined;
        closed(origin);
        first?.receiver.fail(why);
      },
    };
    const onClose = (): void => awaited.end(fault('CUT', 'the connection was closed while it was made'));
    const onReady = (): void => {
      leave();
      connection = new Connection({
        socket,
        deadlines,
        mostKeptMs,
        free: (freed) => free(origin, freed),
        gone: (ended) => gone(origin, ended),
      });
      connections.add(connection);
      free(origin, connection);
    };
    const leave = (): void => {
      origin.making -= 1;
      deadlines.delete(awaited);
      connections.delete(awaited);
      socket
        .off('error', awaited.end)
        .off('close', onClose)
        .off(isTls ? 'secureConnect' : 'connect', onReady);
    };
    socket
      .on('error', awaited.end)
      .on('close', onClose)
      .on(isTls ? 'secureConnect' : 'connect', onReady);
    connections.add(awaited);
    deadlines.add(awaited);
    deadlines.expect(awaited.deadline);
  };

  const overTcp = ({ url }: Origin, take: (bytes: Buffer) => void): Socket =>
    connectTcp({ ...addressOf(url, 80), ...socketOptions(lookup), onread: readInto(take) });

  const overTls = (origin: Origin, take: (bytes: Buffer) => void): Socket => {
    const address = addressOf(origin.url, 443);
    trust ??= createSecureContext(ca === undefined ? {} : { ca });
    const options = {
      ...address,
      ...socketOptions(lookup),
      secureContext: trust,
      // a server is not to be asked for an address by its name (RFC 6066, 3)
      servername: isIP(address.host) === 0 ? address.host.replace(/\.$/, '') : '',
      ALPNProtocols: ['http/1.1'],
      ...(origin.session ? { session: origin.session } : {}),
      // sockets have it, and pass it on; Node's types know it of TCP alone
      onread: readInto(take),
    };
    // before some version of Node 24, connections over TLS did not pass these on
    const socket = connectTls(options).setNoDelay(true).setKeepAlive(true, PROBE_MS);
    return socket.on('session', (session) => {
      origin.session = session;
    });
  };

  return {
    send(request, receiver) {
      if (isClosed) return receiver.fail(ended());
      const text = requestText(request);
      const origin = originOf(request.url);
      const connection = origin.idle.pop();
      if (connection) return connection.send(request, text, receiver);
      // first: what is wrong with the certificates to trust is thrown here
      begin(origin, request.connectMs);
      origin.waiting.push({ request, text, receiver });
    },
    async close() {
      isClosed = true;
      for (const connection of connections) connection.end(ended());
    },
  };
}

function addressOf(url: URL, port: number): { readonly host: string; readonly port: number } {
  return { host: url.hostname.replace(/^\[|\]$/g, ''), port: url.port === '' ? port : Number(url.port) };
}

function socketOptions(lookup: LookupFunction | undefined) {
  return {
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: PROBE_MS,
    autoSelectFamily: true,
    autoSelectFamilyAttemptTimeout: NEXT_ADDRESS_MS,
    ...(lookup ? { lookup } : {}),
  };
}

let shared: Buffer | undefined;

/**
 * All connections read into the same bytes, of which each read is worked off before the next begins: a buffer for each read is most of what
 * a small read costs. Windows is given the buffer before there is something to read, so there each connection has one.
 */
function readInto(take: (bytes: Buffer) => void): { buffer: Buffer; callback: (length: number, bytes: Uint8Array) => boolean } {
  const buffer = process.platform === 'win32' ? Buffer.allocUnsafeSlow(READ_BYTES) : (shared ??= Buffer.allocUnsafeSlow(READ_BYTES));
  return {
    buffer,
    callback: (length) => {
      take(buffer.subarray(0, length));
      return true;
    },
  };
}

const ended = (): Error => fault('CLOSED', 'the connections were closed');

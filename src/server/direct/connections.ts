/**
 * Plain requests for one path, taken straight from their sockets: the head comes in one piece, and it is one that `readHead` understands.
 * Whatever else comes on a connection is left to `node:http`, and so is all that follows on it: no byte is lost or read twice.
 */
import type { IncomingHttpHeaders } from 'node:http';
import type { Socket } from 'node:net';
import type { ServerSettings } from '../../config/settings.ts';
import type { ClientRequest, ClientResponse } from '../exchange.ts';
import { readHead } from './head.ts';
import type { Head, HeadLimits } from './head.ts';
import { DirectResponse } from './response.ts';

export interface DirectOptions {
  /** Of the requests that are taken here; all are POST. */
  readonly path: string;
  readonly limits: () => Pick<ServerSettings, 'headerLimit' | 'bodyLimit'>;
  readonly times: () => DirectTimes;
  /** How long a connection may be idle between two requests. */
  readonly keepAliveMs: number;
  /** Serves a request whose body is there. */
  readonly serve: (request: ClientRequest, response: ClientResponse, body: Buffer) => void;
  /** Goes on with a connection: what was not taken of it comes as its next `data`. */
  readonly handOver: (socket: Socket) => void;
  /** A request that does not become whole, and why, as `node:http` tells `clientError`. */
  readonly broken: (error: NodeJS.ErrnoException, socket: Socket) => void;
}

/** Milliseconds, 0 for no limit. */
export interface DirectTimes {
  /** For the first byte of a connection. */
  readonly headersTimeout: number;
  /** For the rest of a request. */
  readonly requestTimeout: number;
}

export interface DirectConnections {
  accept(socket: Socket): void;
  /** Looks for connections that have been waited for too long. */
  sweep(): void;
  /** Ends those that have no request. */
  closeIdle(): void;
}

/** Longer bodies are read piece by piece, after the checks that need none. */
const LONGEST_BODY = 256 * 1024;
const END_OF_HEAD = '\r\n\r\n';
/** Bytes of further requests that are read while an answer is under way. */
const MOST_EARLY = 64 * 1024;

/** A request of which a part is still to come. */
interface Partial {
  readonly head: Head;
  readonly pieces: Buffer[];
  received: number;
}

interface Connection {
  readonly socket: Socket;
  /** By `performance.now()`: since when the next request is waited for, or its rest. */
  since: number;
  /** The first request has not begun. */
  isNew: boolean;
  coming: Partial | undefined;
  /** The answer that is under way. */
  response: DirectResponse | undefined;
  /** What came while that was so. */
  early: Buffer | undefined;
  /** Clients send the same head again and again. */
  lastText: string;
  lastHead: Head | undefined;
  /** Takes our listeners off its socket. */
  readonly detach: () => void;
}

export function createDirectConnections(options: DirectOptions): DirectConnections {
  const connections = new Map<Socket, Connection>();
  const start = `POST ${options.path} HTTP/1.1`;
  const limits = (): HeadLimits => {
    const { headerLimit, bodyLimit } = options.limits();
    return { head: headerLimit, body: Math.min(bodyLimit, LONGEST_BODY) };
  };

  const leave = (connection: Connection): void => {
    connections.delete(connection.socket);
    connection.detach();
  };

  /** What it still sends is read, and thrown away. */
  const giveUp = (connection: Connection, error: NodeJS.ErrnoException): void => {
    const { socket } = connection;
    leave(connection);
    socket.on('error', () => socket.destroy());
    options.broken(error, socket);
  };

  const handOver = (connection: Connection, bytes: Buffer): void => {
    const { socket } = connection;
    leave(connection);
    options.handOver(socket);
    // at once, and not by way of the stream's buffer: what is a request by now is known before anything else happens
    socket.emit('data', bytes);
  };

  /** Bytes that begin a request. */
  const begin = (connection: Connection, bytes: Buffer): void => {
    const headEnd = bytes.indexOf(END_OF_HEAD);
    const head = headEnd < 0 ? undefined : headOf(connection, bytes.toString('latin1', 0, headEnd));
    if (!head) return handOver(connection, bytes);
    connection.isNew = false;
    const from = headEnd + END_OF_HEAD.length;
    const there = bytes.length - from;
    // several at once are answered in their order by somebody who knows how
    if (there > head.length) return handOver(connection, bytes);
    if (there === head.length) return serve(connection, head, bytes.subarray(from));
    connection.since = performance.now();
    connection.coming = { head, pieces: [bytes.subarray(from)], received: there };
  };

  const headOf = (connection: Connection, text: string): Head | undefined => {
    if (text === connection.lastText) return connection.lastHead;
    const head = readHead(text, start, limits());
    connection.lastText = text;
    connection.lastHead = head;
    return head;
  };

  const goOn = (connection: Connection, coming: Partial, bytes: Buffer): void => {
    const missing = coming.head.length - coming.received;
    coming.pieces.push(bytes.length <= missing ? bytes : bytes.subarray(0, missing));
    coming.received += Math.min(bytes.length, missing);
    if (bytes.length < missing) return;
    connection.coming = undefined;
    if (bytes.length > missing) wait(connection, bytes.subarray(missing));
    serve(connection, coming.head, Buffer.concat(coming.pieces, coming.head.length));
  };

  /** What comes before its turn. */
  const wait = (connection: Connection, bytes: Buffer): void => {
    connection.early = connection.early ? Buffer.concat([connection.early, bytes]) : bytes;
    if (connection.early.length >= MOST_EARLY) connection.socket.pause();
  };

  const serve = (connection: Connection, { headers, keepAlive }: Head, body: Buffer): void => {
    const { socket } = connection;
    const response = new DirectResponse(socket, { keepAlive, keepAliveMs: options.keepAliveMs, over: () => next(connection, response) });
    connection.response = response;
    options.serve(new DirectRequest(socket, headers, options.path), response, body);
  };

  /** After an answer. */
  const next = (connection: Connection, response: DirectResponse): void => {
    connection.response = undefined;
    connection.since = performance.now();
    const { socket, early } = connection;
    if (socket.destroyed) return;
    if (!response.shouldKeepAlive) return void socket.end();
    if (!early) return;
    connection.early = undefined;
    socket.resume();
    begin(connection, early);
  };

  const take = (connection: Connection, bytes: Buffer): void => {
    if (connection.response) wait(connection, bytes);
    else if (connection.coming) goOn(connection, connection.coming, bytes);
    else begin(connection, bytes);
  };

  return {
    accept(socket) {
      const onData = (bytes: Buffer): void => take(connection, bytes);
      const onEnd = (): void => {
        if (connection.coming) giveUp(connection, failure('HPE_INVALID_EOF_STATE'));
        else socket.end();
      };
      const onError = (error: Error): void => options.broken(error, socket);
      const onClose = (): void => {
        leave(connection);
        connection.response?.closed();
      };
      const connection: Connection = {
        socket,
        since: performance.now(),
        isNew: true,
        coming: undefined,
        response: undefined,
        early: undefined,
        lastText: '',
        lastHead: undefined,
        detach: () => socket.off('data', onData).off('end', onEnd).off('error', onError).off('close', onClose),
      };
      connections.set(socket, connection);
      socket.on('data', onData).on('end', onEnd).on('error', onError).on('close', onClose);
    },
    sweep() {
      const { headersTimeout, requestTimeout } = options.times();
      const now = performance.now();
      for (const connection of connections.values()) {
        const { socket, since, isNew, coming, response } = connection;
        if (response) continue;
        const limit = coming ? requestTimeout : isNew ? headersTimeout : options.keepAliveMs;
        if (limit === 0 || now - since < limit) continue;
        if (coming || isNew) giveUp(connection, failure('ERR_HTTP_REQUEST_TIMEOUT'));
        else socket.destroy();
      }
    },
    closeIdle() {
      for (const { socket, coming, response } of connections.values()) if (!coming && !response) socket.end();
    },
  };
}

/** As `node:http` says it. */
function failure(code: string): NodeJS.ErrnoException {
  return Object.assign(new Error('the request did not become whole'), { code });
}

/** What of `IncomingMessage` completions ask for. */
class DirectRequest implements ClientRequest {
  readonly socket: Socket;
  readonly headers: IncomingHttpHeaders;
  readonly url: string;

  constructor(socket: Socket, headers: IncomingHttpHeaders, url: string) {
    this.socket = socket;
    this.headers = headers;
    this.url = url;
  }

  get method(): string {
    return 'POST';
  }

  get httpVersion(): string {
    return '1.1';
  }
}

/** One request and its answer, from the head of the one to the last byte of the other; and all of those there are. */
import type { IncomingMessage, OutgoingHttpHeaders } from 'node:http';
import type { Socket } from 'node:net';
import type { CallTrace, Principal } from '../core/call.ts';
import type { StopReason, Usage } from '../core/chat.ts';
import { GatewayError } from '../core/error.ts';
import type { Gaps } from '../core/gaps.ts';
import { randomText } from '../core/random.ts';
import type { Service } from './parts.ts';

/** What the log will say of an exchange; filled in on the way. */
export interface Facts {
  route: string;
  /** Requests of machines that watch us are only of interest to those who look for them. */
  level: 'info' | 'debug';
  principal?: Principal;
  model?: string;
  user?: string;
  stream?: boolean;
  usage?: Usage;
  /** When the first token went out, as `startedAt`. */
  firstTokenAt?: number;
  /** Between the outputs after the first. */
  gaps?: Gaps;
  finishReasons?: readonly StopReason[];
  error?: GatewayError;
  readonly trace: CallTrace;
}

/** What is asked of a request, whoever has read it. */
export type ClientRequest = Pick<IncomingMessage, 'headers' | 'httpVersion' | 'method' | 'socket' | 'url'>;

/** What is asked of a response, whoever writes it; each as `http.ServerResponse` does it. */
export interface ClientResponse {
  readonly headersSent: boolean;
  readonly statusCode: number;
  readonly writableEnded: boolean;
  /** Null while it waits for the one before it on its connection. */
  readonly socket: Pick<Socket, 'writableLength'> | null;
  /** False: the connection ends with this response. */
  shouldKeepAlive: boolean;
  writeHead(status: number, headers: OutgoingHttpHeaders): unknown;
  /** False where the reader is behind: there is room again when `drain` is told. */
  write(text: string): boolean;
  end(body?: string | Buffer): unknown;
  /** `finish`: the system has all of it. `close`: it is over, sent or not. */
  once(event: 'drain' | 'finish' | 'close', listener: () => void): unknown;
  off(event: 'drain' | 'finish' | 'close', listener: () => void): unknown;
  destroy(): unknown;
}

export interface Exchange {
  /** `req_…`, in the answer's x-request-id and in the log. */
  readonly id: string;
  readonly request: ClientRequest;
  readonly response: ClientResponse;
  /** What serves it, whatever comes after. */
  readonly service: Service;
  /** By `performance.now()`. */
  readonly startedAt: number;
  readonly facts: Facts;
  /** Fires when nobody waits for the answer any more; its reason is a GatewayError. */
  signal(): AbortSignal;
  abort(reason: GatewayError): void;
  /** The answer went out whole, or the connection is gone. */
  isOver(): boolean;
}

/**
 * A new id, as answers and log lines carry it: the time in milliseconds, then 80 random bits, so that ids grow. Records of usage are
 * found by it, and an index of ids that come in no order costs more than all the others.
 */
export function newRequestId(): string {
  return `req_${Date.now().toString(16).padStart(12, '0')}${randomText(10, 'hex')}`;
}

export interface Exchanges {
  open(request: ClientRequest, response: ClientResponse, service: Service): Exchange;
  /** Those of one connection that are not over, in the order of their requests. */
  on(socket: Socket): readonly Exchange[];
  abortAll(reason: GatewayError): void;
  /** The connections of all these, kept alive so far, close after their answers. */
  closeAfterwards(): void;
  /** Resolves as soon as there is none. */
  none(): Promise<void>;
}

/** `ended` is called once for each exchange; `sent` is false where the connection broke before the last byte was out. */
export function createExchanges(ended: (exchange: Exchange, sent: boolean) => void): Exchanges {
  const connections = new Map<Socket, Exchange[]>();
  let waiting: (() => void)[] = [];

  const finish = (exchange: Exchange, socket: Socket, sent: boolean): void => {
    const mine = connections.get(socket);
    const at = mine?.indexOf(exchange) ?? -1;
    if (!mine || at < 0) return;
    mine.splice(at, 1);
    if (mine.length === 0) connections.delete(socket);
    exchange.service.leave();
    ended(exchange, sent);
    if (connections.size > 0) return;
    for (const resolve of waiting) resolve();
    waiting = [];
  };

  /** One listener per connection: a queued (pipelined) response hears nothing of its socket's end. */
  const track = (socket: Socket): Exchange[] => {
    const there = connections.get(socket);
    if (there) return there;
    const fresh: Exchange[] = [];
    connections.set(socket, fresh);
    if (!watched.has(socket)) {
      watched.add(socket);
      socket.once('close', () => {
        for (const exchange of connections.get(socket)?.slice() ?? []) {
          exchange.abort(new GatewayError('cancelled', 'The client closed the connection.'));
          finish(exchange, socket, false);
        }
      });
    }
    return fresh;
  };
  const watched = new WeakSet<Socket>();

  return {
    open(request, response, service) {
      const { socket } = request;
      const isOver = (): boolean => !(connections.get(socket)?.includes(exchange) ?? false);
      const exchange = createExchange({ request, response, service, isOver });
      service.enter();
      track(socket).push(exchange);
      response.once('finish', () => finish(exchange, socket, true));
      return exchange;
    },
    on: (socket) => [...(connections.get(socket) ?? [])],
    abortAll(reason) {
      for (const exchange of [...connections.values()].flat()) exchange.abort(reason);
    },
    closeAfterwards() {
      for (const { response } of [...connections.values()].flat()) if (!response.headersSent) response.shouldKeepAlive = false;
    },
    none: () => (connections.size === 0 ? Promise.resolve() : new Promise((resolve) => waiting.push(resolve))),
  };
}

function createExchange(parts: Pick<Exchange, 'request' | 'response' | 'service' | 'isOver'>): Exchange {
  let controller: AbortController | undefined;
  let reason: GatewayError | undefined;
  return {
    ...parts,
    id: newRequestId(),
    startedAt: performance.now(),
    facts: { route: '', level: 'info', trace: { attempts: [] } },
    signal() {
      controller ??= new AbortController();
      if (reason) controller.abort(reason);
      return controller.signal;
    },
    abort(why) {
      reason ??= why;
      controller?.abort(reason);
    },
  };
}

/** Who asks, where the route is not open to everybody. */
export function principalOf({ facts: { principal } }: Exchange): Principal {
  if (!principal) throw new Error('a request that nobody asked who makes it');
  return principal;
}

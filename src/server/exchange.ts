/** One request and its answer, from the head of the one to the last byte of the other; and all of those there are. */
import type { IncomingMessage, OutgoingHttpHeaders } from 'node:http';
import type { Socket } from 'node:net';
import { Abort } from '../core/abort.ts';
import type { Signal } from '../core/abort.ts';
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
  signal(): Signal;
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
  /** Of each connection that has had any. */
  const connections = new Map<Socket, OpenExchange[]>();
  let count = 0;
  let waiting: (() => void)[] = [];

  const finish = (exchange: OpenExchange, sent: boolean): void => {
    if (exchange.isOver()) return;
    exchange.end();
    const mine = connections.get(exchange.request.socket) ?? [];
    mine.splice(mine.indexOf(exchange), 1);
    count--;
    exchange.service.leave();
    ended(exchange, sent);
    if (count > 0) return;
    for (const resolve of waiting) resolve();
    waiting = [];
  };

  /** One listener per connection: a queued (pipelined) response hears nothing of its socket's end. */
  const track = (socket: Socket): OpenExchange[] => {
    const there = connections.get(socket);
    if (there) return there;
    const fresh: OpenExchange[] = [];
    connections.set(socket, fresh);
    socket.once('close', () => {
      connections.delete(socket);
      for (const exchange of fresh.slice()) {
        exchange.abort(new GatewayError('cancelled', 'The client closed the connection.'));
        finish(exchange, false);
      }
    });
    return fresh;
  };
  const all = (): readonly OpenExchange[] => [...connections.values()].flat();

  return {
    open(request, response, service) {
      const exchange = new OpenExchange(request, response, service);
      service.enter();
      count++;
      track(request.socket).push(exchange);
      response.once('finish', () => finish(exchange, true));
      return exchange;
    },
    on: (socket) => connections.get(socket) ?? NONE,
    abortAll(reason) {
      for (const exchange of all()) exchange.abort(reason);
    },
    closeAfterwards() {
      for (const { response } of all()) if (!response.headersSent) response.shouldKeepAlive = false;
    },
    none: () => (count === 0 ? Promise.resolve() : new Promise((resolve) => waiting.push(resolve))),
  };
}

const NONE: readonly Exchange[] = [];

/** A class, because there is one for each request: a single object. */
class OpenExchange implements Exchange {
  readonly id = newRequestId();
  readonly startedAt = performance.now();
  readonly facts: Facts = { route: '', level: 'info', trace: { attempts: [] } };
  readonly request: ClientRequest;
  readonly response: ClientResponse;
  readonly service: Service;
  readonly #signal = new Abort();
  #isOver = false;

  constructor(request: ClientRequest, response: ClientResponse, service: Service) {
    this.request = request;
    this.response = response;
    this.service = service;
  }

  signal(): Signal {
    return this.#signal;
  }

  abort(reason: GatewayError): void {
    this.#signal.abort(reason);
  }

  isOver(): boolean {
    return this.#isOver;
  }

  end(): void {
    this.#isOver = true;
  }
}

/** Who asks, where the route is not open to everybody. */
export function principalOf({ facts: { principal } }: Exchange): Principal {
  if (!principal) throw new Error('a request that nobody asked who makes it');
  return principal;
}

/** The HTTP server: routes, the checks before them, and a clean end. */
import type { IncomingHttpHeaders } from 'node:http';
import { Server as NetServer } from 'node:net';
import type { Socket } from 'node:net';
import { setTimeout as after } from 'node:timers/promises';
import { fastify } from 'fastify';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { ServerSettings } from '../config/settings.ts';
import { GatewayError } from '../core/error.ts';
import { logExchange } from './access-log.ts';
import { answerError } from './answer.ts';
import { brokenRequestHandler, fromFramework, refuseConnect } from './broken-requests.ts';
import { readBody } from './body.ts';
import type { BodySize } from './body.ts';
import { createDirectConnections } from './direct/connections.ts';
import { createExchanges } from './exchange.ts';
import type { ClientRequest, ClientResponse, Exchange } from './exchange.ts';
import { finished } from './finished.ts';
import { createGate } from './gate.ts';
import type { ServerParts } from './parts.ts';
import { admin } from './routes/admin.ts';
import { chatCompletions } from './routes/chat-completions.ts';
import { docs } from './routes/docs.ts';
import { health } from './routes/health.ts';
import { home } from './routes/home.ts';
import { adminUsage } from './routes/admin-usage.ts';
import { me } from './routes/me.ts';
import { metrics } from './routes/metrics.ts';
import { models } from './routes/models.ts';
import { openapi } from './routes/openapi.ts';
import type { Route } from './routes/route.ts';
import { storedCompletions } from './routes/stored-completions.ts';
import { unroutedHandler } from './unrouted.ts';

declare module 'fastify' {
  interface FastifyRequest {
    exchange: Exchange | null;
  }
}

export interface Server {
  /** Starts to accept. Fails as `net.Server.listen` does, with EADDRINUSE for instance. */
  listen(): Promise<{ readonly host: string; readonly port: number }>;
  /** Takes the limits of connections from these settings: for requests yet to come, but for the size of heads, which a connection keeps. */
  tune(settings: ServerSettings): void;
  /**
   * Stops: no new connections, no new completions; running answers have `deadlineMs` to end, then they are ended with
   * an error. Resolves when every connection is closed. Calling it again waits for the first call.
   * `linger`: somebody else accepts at the same address. Until connections have been idle for a while, requests that come
   * on them are answered, each as the last of its connection, so that none is lost.
   */
  close(deadlineMs: number, linger?: boolean): Promise<void>;
  readonly app: FastifyInstance;
}

/** Longer than a proxy in front of us keeps its own connections, so that the proxy is the one to close them. */
const KEEP_ALIVE_MS = 65_000;
/** Model ids stand in paths; anything longer is nobody's id. */
const LONGEST_PARAM = 4096;
/** What clients ask for; other spellings of it go by way of the framework. */
const DIRECT_PATH = '/v1/chat/completions';
/** What an answer that was ended has to get its last bytes out. */
const LAST_BYTES_MS = 1000;
/** A client that has not used a connection for so long is not about to, when we linger; but no longer than half of the deadline. */
const LINGER_MS = 5000;
const LOOK_MS = 50;

export async function createServer(parts: ServerParts): Promise<Server> {
  const { log } = parts;
  const accessLog = { log, write: parts.logRequest };
  const settings = parts.current().server;
  let draining = false;
  /** While we linger: how long a connection may be idle. */
  let lingerMs: number | undefined;

  const exchanges = createExchanges((exchange, sent) => {
    logExchange(accessLog, exchange, sent);
    try {
      parts.observe?.(finished(exchange, sent));
    } catch (cause) {
      log.error({ err: cause }, 'a request could not be counted');
    }
    const { socket } = exchange.request;
    if (draining && exchanges.on(socket).length === 0) socket.end();
    else if (lingerMs !== undefined) endIfIdle(socket, lingerMs);
  });
  const endIfIdle = (socket: Socket, ms: number): void => {
    const { bytesRead } = socket;
    setTimeout(() => {
      if (socket.bytesRead === bytesRead && exchanges.on(socket).length === 0) socket.end();
    }, ms).unref();
  };
  const fail = (exchange: Exchange, cause: unknown): void => answerError(exchange, exchange.service.server, cause);

  const broken = brokenRequestHandler(exchanges, log);
  const app = fastify({
    ...httpOptions(settings),
    frameworkErrors: (error, request, reply) => {
      reply.hijack();
      const exchange = exchanges.open(request.raw, reply.raw, parts.current());
      exchange.facts.route = '(bad url)';
      fail(exchange, fromFramework(error));
    },
    clientErrorHandler: broken,
  });
  const tune = (next: ServerSettings): void => {
    const { headersTimeout, requestTimeout } = timesOf(next);
    Object.assign(app.server, { headersTimeout, requestTimeout, maxHeaderSize: next.headerLimit, maxConnections: next.maxConnections });
  };
  tune(settings);
  // an expectation that nobody here knows may be ignored (RFC 9110, 10.1.1); Node would answer 417 without our envelope
  app.server.on('checkExpectation', (request, response) => app.server.emit('request', request, response));

  app.server.on('connect', (_request, socket) => refuseConnect(log, socket));

  // the body stays as it came: it is parsed where its route says, after the checks
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', (request, payload, done) => {
    readBody(payload, sizeOf(request.headers, request.exchange?.service.server ?? settings), done);
  });
  app.decorateRequest('exchange', null);
  app.setErrorHandler((error, request, reply) => {
    reply.hijack();
    if (request.exchange) fail(request.exchange, fromFramework(error));
  });

  const isDraining = (): boolean => draining;
  const gate = createGate({ isDraining, directory: parts.directory });
  const completions = chatCompletions();
  const routes: readonly Route[] = [
    completions,
    ...models(),
    ...health(parts, isDraining),
    openapi(parts),
    ...docs(),
    home(parts),
    ...metricsRoutes(parts, settings),
    ...(parts.administration ? admin(parts.administration) : []),
    ...(parts.desk ? [me(parts.desk), ...storedCompletions(parts.desk.completions), ...adminUsage(parts.desk)] : []),
  ];
  const begin = (request: ClientRequest, response: ClientResponse): Exchange => {
    const exchange = exchanges.open(request, response, parts.current());
    if (draining || lingerMs !== undefined) response.shouldKeepAlive = false;
    return exchange;
  };
  const open = (request: FastifyRequest, reply: FastifyReply): Exchange => {
    const exchange = begin(request.raw, reply.raw);
    request.exchange = exchange;
    return exchange;
  };
  /** The checks before the body. */
  const check = (route: Route, exchange: Exchange, decided: (refusal: GatewayError | undefined) => void): void => {
    exchange.facts.route = route.paths[0] ?? '';
    exchange.facts.level = route.level;
    const refusal = gate.refuse(route, exchange);
    if (refusal instanceof Promise) void refusal.then(decided);
    else decided(refusal);
  };
  /** The way of nearly all requests: the framework has nothing to add to it, and `node:http` costs as much as all that is done here. */
  const serve = (request: ClientRequest, response: ClientResponse, body: Buffer): void => {
    const exchange = begin(request, response);
    check(completions, exchange, (refusal) => {
      if (refusal) return fail(exchange, refusal);
      completions.handle(exchange, { body }).catch((cause: unknown) => fail(exchange, cause));
    });
  };
  for (const route of routes) {
    for (const url of route.paths) {
      app.route({
        method: route.method,
        url,
        onRequest: (request, reply, done) => {
          const exchange = open(request, reply);
          check(route, exchange, (refusal) => {
            if (!refusal) return done();
            reply.hijack();
            fail(exchange, refusal);
          });
        },
        handler: (request, reply) => {
          reply.hijack();
          const { exchange } = request;
          if (exchange) route.handle(exchange, request).catch((cause: unknown) => fail(exchange, cause));
        },
      });
    }
  }
  const [viaNode] = app.server.listeners('connection');
  const direct = createDirectConnections({
    path: DIRECT_PATH,
    limits: () => parts.current().server,
    times: () => timesOf(parts.current().server),
    keepAliveMs: KEEP_ALIVE_MS,
    serve,
    handOver: (socket) => void viaNode?.call(app.server, socket),
    broken,
  });
  const sweeps = setInterval(direct.sweep, checkEveryMs(settings)).unref();
  const sockets = new Set<Socket>();
  app.server.off('connection', viaNode as (socket: Socket) => void).on('connection', (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    direct.accept(socket);
  });
  const answerUnrouted = unroutedHandler(routes);
  app.addHook('onRequest', (request, reply, done) => {
    if (!request.is404) return done();
    reply.hijack();
    const exchange = open(request, reply);
    const misled = gate.refuseHost(exchange);
    if (misled) return fail(exchange, misled);
    answerUnrouted(exchange);
  });
  await app.ready();

  /** Resolves when no connection is left, or after `deadlineMs`. */
  const lingering = async (deadlineMs: number): Promise<void> => {
    lingerMs = Math.min(LINGER_MS, deadlineMs / 2);
    exchanges.closeAfterwards();
    // not as `http.Server` does it, which would close idle connections at once, under requests that are on their way
    NetServer.prototype.close.call(app.server);
    for (const socket of sockets) if (exchanges.on(socket).length === 0) endIfIdle(socket, lingerMs);
    const over = performance.now() + deadlineMs;
    while (sockets.size > 0 && performance.now() < over) await after(LOOK_MS);
  };
  const drain = async (deadlineMs: number, linger: boolean): Promise<void> => {
    const from = performance.now();
    if (linger) await lingering(deadlineMs);
    await drainNow(Math.max(0, deadlineMs - (performance.now() - from)));
  };
  const drainNow = async (deadlineMs: number): Promise<void> => {
    draining = true;
    exchanges.closeAfterwards();
    const closed = app.close();
    direct.closeIdle();
    await within(deadlineMs, exchanges.none());
    exchanges.abortAll(new GatewayError('overloaded', 'The server is shutting down before the answer was complete.'));
    await within(LAST_BYTES_MS, exchanges.none());
    for (const socket of sockets) socket.destroy();
    await closed;
    clearInterval(sweeps);
  };
  let closing: Promise<void> | undefined;

  return {
    async listen() {
      await app.listen({ host: settings.host, port: settings.port });
      const address = app.server.address();
      return { host: settings.host, port: typeof address === 'object' && address ? address.port : settings.port };
    },
    tune,
    close: (deadlineMs, linger = false) => (closing ??= drain(deadlineMs, linger)),
    app,
  };
}

function sizeOf(headers: IncomingHttpHeaders, { bodyLimit }: ServerSettings): BodySize {
  return { length: Number(headers['content-length']), limit: bodyLimit };
}

/** None where they are nobody's to read, or have an address of their own. */
function metricsRoutes({ metrics: readable }: ServerParts, { host }: ServerSettings): readonly Route[] {
  if (!readable || readable.settings.port !== undefined) return [];
  return [metrics(readable, { keySha256: readable.settings.keySha256, host })];
}

/** Node counts both from a request's first byte, and wants the one for the whole request to be the longer one. */
function timesOf({ headersTimeoutMs, bodyTimeoutMs }: ServerSettings) {
  return { headersTimeout: headersTimeoutMs, requestTimeout: bodyTimeoutMs === 0 ? 0 : Math.max(bodyTimeoutMs, headersTimeoutMs) };
}

/** A tenth of the shortest limit is how late it may strike. */
function checkEveryMs(settings: ServerSettings): number {
  const { headersTimeout, requestTimeout } = timesOf(settings);
  const timeouts = [headersTimeout, requestTimeout].filter((ms) => ms > 0);
  return Math.min(1000, Math.max(20, Math.min(...timeouts, 10_000) / 10));
}

function noSchemas(): never {
  throw new Error('a route has a schema for Fastify to compile');
}

function httpOptions(settings: ServerSettings) {
  const { headersTimeout, requestTimeout } = timesOf(settings);
  return {
    logger: false,
    // ours are compiled where they are used; Fastify's own compilers take 4 MB, and are loaded unless others are named
    schemaController: { compilersFactory: { buildValidator: () => noSchemas, buildSerializer: () => noSchemas } },
    requestTimeout,
    keepAliveTimeout: KEEP_ALIVE_MS,
    return503OnClosing: false,
    routerOptions: { ignoreTrailingSlash: true, ignoreDuplicateSlashes: true, maxParamLength: LONGEST_PARAM },
    http: {
      maxHeaderSize: settings.headerLimit,
      headersTimeout,
      requestTimeout,
      connectionsCheckingInterval: checkEveryMs(settings),
      noDelay: true,
      // Node would answer a request without Host by itself, and not in our envelope
      requireHostHeader: false,
    },
  };
}

/** Resolves with the promise or after `ms`, whichever comes first. */
async function within(ms: number, work: Promise<void>): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  await Promise.race([work, promise]);
  clearTimeout(timer);
}

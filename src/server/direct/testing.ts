/** For tests: direct connections on a port of their own, and what becomes of them. */
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { Socket } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import type { ClientRequest, ClientResponse } from '../exchange.ts';
import { connectRaw } from '../testing.ts';
import type { RawClient } from '../testing.ts';
import { createDirectConnections } from './connections.ts';
import type { DirectConnections, DirectOptions } from './connections.ts';

export const KEEP_ALIVE_MS = 65_000;
export const TIMES = { headersTimeout: 10_000, requestTimeout: 60_000 };

interface Served {
  readonly request: ClientRequest;
  readonly response: ClientResponse;
  readonly body: string;
}

export interface Fixture extends AsyncDisposable {
  readonly direct: DirectConnections;
  readonly served: readonly Served[];
  /** Our side of the connections, in the order in which they came. */
  readonly sockets: readonly Socket[];
  /** What came on connections that were handed over. */
  readonly handed: () => string;
  readonly broken: readonly (string | undefined)[];
  connect(send?: string): Promise<RawClient>;
}

/** Answers what it serves with its body, unless the test does so itself. */
export async function start(options: Partial<DirectOptions> = {}): Promise<Fixture> {
  const served: Served[] = [];
  const sockets: Socket[] = [];
  const broken: (string | undefined)[] = [];
  let handed = '';
  const direct = createDirectConnections({
    path: '/v1/chat/completions',
    limits: () => LIMITS,
    times: () => TIMES,
    keepAliveMs: KEEP_ALIVE_MS,
    handOver: (socket) => socket.on('error', () => undefined).on('data', (bytes) => (handed += bytes.toString('latin1'))),
    broken(error, socket) {
      broken.push(error.code);
      socket.destroy();
    },
    ...options,
    serve(request, response, body) {
      served.push({ request, response, body: body.toString('latin1') });
      if (options.serve) options.serve(request, response, body);
      else reply(response, body);
    },
  });
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    sockets.push(socket);
    direct.accept(socket);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = address && typeof address === 'object' ? address.port : 0;
  return {
    direct,
    served,
    sockets,
    broken,
    handed: () => handed,
    async connect(send = '') {
      const count = sockets.length;
      const client = await connectRaw(port, send);
      // pieces go out as they are written
      client.socket.setNoDelay(true);
      await until(() => sockets.length > count);
      return client;
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

export const LIMITS = { headerLimit: 16 * 1024, bodyLimit: 1024 * 1024 };
/** For `serve`: the test answers. */
export const later = (): void => undefined;

export function reply(response: ClientResponse, body: Buffer | string): void {
  response.writeHead(200, { 'content-length': Buffer.byteLength(body) });
  response.end(body);
}

/** Fails where it does not come to be within half a minute of this process's own work, whatever the clock of the test says. */
export async function until(isSo: () => boolean): Promise<void> {
  const { user } = process.cpuUsage();
  while (!isSo()) {
    if (process.cpuUsage().user - user > MOST_MICROSECONDS) throw new Error(`it did not become so: ${String(isSo)}`);
    await turn();
  }
}

const MOST_MICROSECONDS = 30_000_000;

/** Until the server has read so many bytes, and done with them what it does. */
export async function untilRead(socket: Socket | undefined, bytes: number): Promise<void> {
  await until(() => (socket?.bytesRead ?? 0) >= bytes);
  await turn();
}

/** For tests: a server on a free port with a handler of the test's own, and clients that see every byte. */
import { EventEmitter, once } from 'node:events';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { pino } from 'pino';
import { hashKey } from '../config/keys.ts';
import type { ServerSettings } from '../config/settings.ts';
import type { Call, Handler, ModelCard, Reply } from '../core/call.ts';
import type { Batch, ChatEvent } from '../core/event.ts';
import type { Readiness, ServerParts, Service } from './parts.ts';
import { modelNotFound } from '../gateway/router.ts';
import { createServer } from './server.ts';
import type { Server } from './server.ts';

const SETTINGS: ServerSettings = {
  host: '127.0.0.1',
  port: 0,
  requireKey: false,
  trustedProxies: [],
  allowedHosts: [],
  bodyLimit: 1024 * 1024,
  headerLimit: 16 * 1024,
  jsonDepth: 128,
  headersTimeoutMs: 10_000,
  bodyTimeoutMs: 60_000,
  writeTimeoutMs: 60_000,
  shutdownTimeoutMs: 30_000,
  maxConnections: undefined,
  pingMs: 0,
  strict: false,
  corsOrigins: ['*'],
};

export interface TestServer extends Server {
  readonly port: number;
  /** `http://127.0.0.1:PORT`. */
  readonly base: string;
  /** The log's lines, parsed, as soon as there are so many. */
  logged(count: number): Promise<readonly Readonly<Record<string, unknown>>[]>;
  /** From now on these settings, as after a change of the configuration. */
  change(settings: Partial<ServerSettings>): void;
  post(body: unknown, headers?: Record<string, string>, path?: string): Promise<Response>;
  [Symbol.asyncDispose](): Promise<void>;
}

export interface TestOptions {
  readonly handler?: Handler;
  readonly settings?: Partial<ServerSettings>;
  readonly keys?: readonly string[];
  readonly models?: readonly ModelCard[];
  readonly ready?: () => Promise<Readiness>;
  readonly observe?: ServerParts['observe'];
  readonly metrics?: ServerParts['metrics'];
}

export async function startTestServer(options: TestOptions = {}): Promise<TestServer> {
  const { handler = answering('Hello', ' world'), settings, keys = [], models = [] } = options;
  const lines: Record<string, unknown>[] = [];
  const news = new EventEmitter();
  const write = (line: string): void => {
    lines.push(JSON.parse(line) as Record<string, unknown>);
    news.emit('line');
  };
  const log = pino({ level: 'trace', base: null }, { write });
  let service: Service = {
    server: { ...SETTINGS, requireKey: keys.length > 0, ...settings },
    keys: keys.map((key, index) => ({ name: `key-${index + 1}`, sha256: hashKey(key) })),
    handler,
    models: {
      list: async () => models,
      async find(id) {
        const card = models.find((model) => model.id === id);
        if (!card) throw modelNotFound(id, models);
        return card;
      },
    },
    ready: options.ready ?? (async () => ({ ready: true, detail: {} })),
    enter: () => undefined,
    leave: () => undefined,
  };
  const server = await createServer({
    log,
    version: '0.0.0',
    current: () => service,
    ...(options.observe ? { observe: options.observe } : {}),
    ...(options.metrics ? { metrics: options.metrics } : {}),
  });
  const { port } = await server.listen();
  const base = `http://127.0.0.1:${port}`;
  return {
    ...server,
    port,
    base,
    async logged(count) {
      while (lines.length < count) await once(news, 'line');
      return lines;
    },
    change(more) {
      service = { ...service, server: { ...service.server, ...more } };
      server.tune(service.server);
    },
    post: (body, headers = {}, path = '/v1/chat/completions') =>
      fetch(base + path, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body: typeof body === 'string' || body instanceof Uint8Array ? body : JSON.stringify(body),
      }),
    [Symbol.asyncDispose]: () => server.close(0),
  };
}

export const START: ChatEvent = { type: 'start', id: 'chatcmpl-test', model: 'test', created: 1 };
export const OPEN: ChatEvent = { type: 'block_start', choice: 0, block: 0, of: { type: 'text' } };
export const END: readonly ChatEvent[] = [
  { type: 'block_end', choice: 0, block: 0 },
  { type: 'finish', choice: 0, reason: 'stop' },
  { type: 'usage', usage: { promptTokens: 7, completionTokens: 2, cachedTokens: 3, reasoningTokens: 0 } },
  { type: 'end' },
];

export const delta = (text: string): ChatEvent => ({ type: 'block_delta', choice: 0, block: 0, text });

/** A handler that streams what the generator yields. */
export function streaming(batches: (call: Call) => AsyncGenerator<readonly ChatEvent[]>): Handler {
  return async (call): Promise<Reply> => ({ kind: 'stream', batches: asBatches(batches(call)), ignored: call.request.extras });
}

async function* asBatches(events: AsyncIterable<readonly ChatEvent[]>): AsyncGenerator<Batch> {
  for await (const batch of events) yield { events: batch };
}

/** A handler whose answer has these pieces, a batch each. */
export function answering(...texts: readonly string[]): Handler {
  return streaming(async function* () {
    yield [START, OPEN];
    for (const text of texts) yield [delta(text)];
    yield END;
  });
}

export const CHAT = { model: 'test', messages: [{ role: 'user', content: 'Hi' }] };

/** A whole HTTP request as it stands on the wire. */
export function wire(body: string, { path = '/v1/chat/completions', headers = [] as readonly string[] } = {}): string {
  return [
    `POST ${path} HTTP/1.1`,
    'Host: localhost',
    'Content-Type: application/json',
    `Content-Length: ${Buffer.byteLength(body)}`,
    ...headers,
    '',
    body,
  ].join('\r\n');
}

export interface RawClient {
  readonly socket: Socket;
  /** Everything received so far, once it has `what` in it. Rejects where the connection closes without. */
  until(what: string): Promise<string>;
  /** Everything, once the server has closed the connection. */
  whole(): Promise<string>;
}

export async function connectRaw(port: number, send = ''): Promise<RawClient> {
  const socket = connect({ port, host: '127.0.0.1' });
  socket.on('error', () => undefined);
  let text = '';
  socket.on('data', (chunk) => (text += chunk.toString('latin1')));
  await once(socket, 'connect');
  socket.write(send);
  const closed = new Promise<void>((resolve) => {
    socket.once('end', () => socket.destroy());
    socket.once('close', () => resolve());
  });
  return {
    socket,
    async until(what) {
      for (let from = 0; !text.includes(what, from);) {
        from = Math.max(0, text.length - what.length);
        if (socket.destroyed) throw new Error(`closed after ${JSON.stringify(text)}`);
        await Promise.race([once(socket, 'data'), closed]);
      }
      return text;
    },
    async whole() {
      await closed;
      return text;
    },
  };
}

/** The JSON body of the first response in what a connection received. */
export function bodyOf(received: string): unknown {
  return JSON.parse(received.slice(received.indexOf('\r\n\r\n') + 4));
}

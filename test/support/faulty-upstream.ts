/**
 * A provider that can do anything wrong: it speaks chat completions on raw sockets, and for each request does step by step
 * what its plan says. It keeps no time: what stalls goes on when the test says so or the peer has left.
 */
import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { setImmediate } from 'node:timers/promises';
import { answerWith, understand, wellBytes } from './upstream-answers.ts';
import type { Asked } from './upstream-answers.ts';

export type Step =
  | { readonly do: 'send'; readonly bytes: string | Uint8Array }
  /** The same, so many bytes in each packet. */
  | { readonly do: 'trickle'; readonly bytes: string | Uint8Array; readonly size: number }
  /** Nothing, until `release()` or the peer leaves. */
  | { readonly do: 'stall' }
  /** The connection breaks (RST). What was sent before may be lost on its way, as on any network. */
  | { readonly do: 'reset' }
  /** The connection is closed in order (FIN). */
  | { readonly do: 'close' };

/** A plan without `reset` and `close` leaves the connection open for the next request. */
export type Plan = readonly Step[];

export const send = (...bytes: readonly string[]): Step => ({ do: 'send', bytes: bytes.join('') });
export const trickle = (bytes: string, size = 1): Step => ({ do: 'trickle', bytes, size });
export const stall: Step = { do: 'stall' };
export const reset: Step = { do: 'reset' };
export const close: Step = { do: 'close' };

/** The right answer. */
export const well = (asked: Asked): Plan => [send(wellBytes(asked))];

/** One request. Times by `performance.now()`. */
export interface Visit {
  readonly asked: Asked;
  readonly startedAt: number;
  /** When all steps were done. */
  endedAt?: number;
  /** When the connection was seen to end, from the other side or by a reset. */
  leftAt?: number;
  /** All steps were done while the peer was there. */
  complete: boolean;
  /** Bytes of the answer that the system has taken. */
  bytes: number;
}

export interface FaultyUpstream {
  readonly name: string;
  readonly port: number;
  /** `http://127.0.0.1:PORT` */
  readonly url: string;
  /** All requests so far, in the order in which they came; `forget` empties it. */
  readonly visits: readonly Visit[];
  of(token: string): readonly Visit[];
  forget(): void;
  /** Connections open now, and those of them with a request that is not answered yet. */
  sockets(): { readonly open: number; readonly busy: number };
  /** Connections there have been. */
  connections(): number;
  /** Lets everything that stalls go on. */
  release(): void;
  /** Resolves as soon as the condition holds, looked at whenever something happens here; fails with what there is after a while. */
  until(condition: () => boolean, withinMs?: number): Promise<void>;
  /** Resolves when no request is in work. */
  quiet(withinMs?: number): Promise<void>;
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

export async function startFaultyUpstream(name: string, plan: (asked: Asked) => Plan = well): Promise<FaultyUpstream> {
  const news = new EventEmitter().setMaxListeners(0);
  const sockets = new Map<Socket, boolean>();
  const timesAsked = new Map<string, number>();
  let visits: Visit[] = [];
  let connections = 0;

  const visit = (body: string, onConnection: number): Visit | undefined => {
    const understood = understand(body);
    if (!understood) return undefined;
    const nth = timesAsked.get(understood.token) ?? 0;
    timesAsked.set(understood.token, nth + 1);
    const made: Visit = {
      asked: { ...understood, upstream: name, nth, onConnection },
      startedAt: performance.now(),
      complete: false,
      bytes: 0,
    };
    visits.push(made);
    return made;
  };

  const server = createServer({ noDelay: true }, (socket) => {
    connections++;
    sockets.set(socket, false);
    let received = Buffer.alloc(0);
    let requests = 0;
    let current: Visit | undefined;
    const gone = Promise.withResolvers<void>();
    const left = (): void => {
      if (current) current.leftAt ??= performance.now();
      gone.resolve();
      news.emit('news');
    };
    const released = async (): Promise<void> => {
      const leaving = new AbortController();
      await Promise.race([gone.promise, once(news, 'release', { signal: leaving.signal }).catch(() => undefined)]);
      leaving.abort();
    };

    const answer = async (body: string): Promise<void> => {
      sockets.set(socket, true);
      current = visit(body, requests++);
      news.emit('news');
      // asked for its models, it has none to tell, and so leaves any name to be tried
      const steps = current ? plan(current.asked) : [send(answerWith(200, '{"object":"list","data":[]}'))];
      for (const step of steps) {
        await perform(socket, step, { released, took: (bytes) => current && (current.bytes += bytes) });
        if (socket.writable) continue;
        // a write that failed is told before the event that says why
        if (step.do !== 'close' && step.do !== 'reset') left();
        break;
      }
      if (current) {
        current.complete = current.leftAt === undefined;
        current.endedAt = performance.now();
      }
      current = undefined;
      if (sockets.has(socket)) sockets.set(socket, false);
      news.emit('news');
      look();
    };
    /** One request at a time: what comes meanwhile waits. */
    const look = (): void => {
      if (sockets.get(socket) !== false) return;
      // a greeting of TLS is answered as any server without TLS does
      if (received[0] === 0x16) return void socket.end('HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n');
      const body = takeRequest(received);
      if (!body) return;
      received = received.subarray(body.length);
      void answer(body.text);
    };

    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk]);
      look();
    });
    socket.on('error', () => undefined); // cut on purpose, here or there
    socket.once('end', left);
    socket.once('close', () => {
      sockets.delete(socket);
      left();
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;

  const count = () => ({ open: sockets.size, busy: [...sockets.values()].filter(Boolean).length });
  const until = async (condition: () => boolean, withinMs = 60_000): Promise<void> => {
    const signal = AbortSignal.timeout(withinMs);
    while (!condition()) {
      await once(news, 'news', { signal }).catch((cause: unknown) => {
        const running = visits.filter(({ endedAt }) => endedAt === undefined).map(({ asked }) => `${asked.model} #${asked.token}`);
        assert.fail(`after ${withinMs} ms upstream ${name}: ${JSON.stringify({ ...count(), running, cause: String(cause) })}`);
      });
    }
  };
  const end = async (): Promise<void> => {
    for (const socket of sockets.keys()) socket.destroy();
    const closed = once(server, 'close');
    server.close();
    await closed;
  };

  return {
    name,
    port,
    url: `http://127.0.0.1:${port}`,
    get visits() {
      return visits;
    },
    of: (token) => visits.filter(({ asked }) => asked.token === token),
    forget() {
      visits = [];
      timesAsked.clear();
    },
    sockets: count,
    connections: () => connections,
    release: () => void news.emit('release'),
    until,
    quiet: (withinMs) => until(() => count().busy === 0, withinMs),
    close: end,
    [Symbol.asyncDispose]: end,
  };
}

const WRITES_AT_ONCE = 32;

interface Performing {
  readonly released: () => Promise<void>;
  readonly took: (bytes: number) => void;
}

async function perform(socket: Socket, step: Step, { released, took }: Performing): Promise<void> {
  switch (step.do) {
    case 'send':
      await written(socket, step.bytes);
      took(Buffer.byteLength(step.bytes));
      // the server that is tested is in this process: it reads this before the next step
      await setImmediate();
      await setImmediate();
      return;
    case 'trickle': {
      const bytes = Buffer.from(step.bytes as string);
      for (let at = 0, writes = 1; at < bytes.length && socket.writable; at += step.size, writes++) {
        const piece = bytes.subarray(at, at + step.size);
        await written(socket, piece);
        took(piece.length);
        // what the system takes at once keeps everybody else waiting
        if (writes % WRITES_AT_ONCE === 0) await setImmediate();
      }
      return;
    }
    case 'stall':
      return released();
    case 'reset':
      socket.resetAndDestroy();
      return;
    case 'close':
      socket.end();
  }
}

/** Resolves when the system has taken the bytes, or the connection is gone. */
function written(socket: Socket, bytes: string | Uint8Array): Promise<void> {
  return new Promise((resolve) => {
    socket.write(bytes, () => resolve());
  });
}

/** The body of the first request in the buffer, and how long it is with its head; undefined while it is not all there. */
function takeRequest(received: Buffer): { readonly text: string; readonly length: number } | undefined {
  const end = received.indexOf('\r\n\r\n');
  if (end < 0) return undefined;
  const length = Number(/^content-length: *(\d+)/im.exec(received.toString('latin1', 0, end))?.[1] ?? 0);
  const from = end + 4;
  if (received.length < from + length) return undefined;
  return { text: received.toString('utf8', from, from + length), length: from + length };
}

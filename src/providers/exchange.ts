/** One HTTP request over undici and its answer: read at the reader's pace, ended by a signal at any time. */
import type { Dispatcher } from 'undici';
import type { Signal } from '../core/abort.ts';
import { GatewayError } from '../core/error.ts';
import { notReached } from './unreached.ts';

/** The head of an answer, and its body, which is read once: by `text`, by `read`, or not at all by `cancel`. */
export interface HttpAnswer {
  readonly status: number;
  /** Names in lower case; several values of one name are joined by commas. */
  readonly headers: Readonly<Record<string, string>>;
  /**
   * The whole body. One longer than `limit` bytes (64 MiB where none is given) is a GatewayError of kind `upstream`; that of
   * an answer without success is cut there instead (at 1 MiB).
   */
  text(limit?: number): Promise<string>;
  /**
   * The body as it comes. Nothing more is taken from the socket while 64 KiB wait for the reader. Leaving the loop ends the
   * request. Throws the signal's reason, or a GatewayError `upstream` or `upstream_timeout` where the body breaks off.
   */
  read(): Bytes;
  /** The rest is not wanted: the connection is closed, unless the answer was over. */
  cancel(): void;
}

export interface Bytes extends AsyncIterable<Uint8Array> {
  /**
   * All that was wanted has been read: what little may follow is let in and thrown away, so that the connection is kept for the next
   * request. Many providers send the end of their last message only, and the end of the body a moment later.
   */
  finish?(): void;
}

export interface Exchange {
  readonly dispatcher: Dispatcher;
  readonly url: URL;
  readonly method: 'GET' | 'POST';
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Milliseconds, 0 for no limit. The first is the dispatcher's own, known here for messages. */
  readonly connectMs: number;
  readonly headersMs: number;
  readonly idleMs: number;
  readonly signal: Signal;
  /** Called when a connection is there and the request goes out on it. */
  readonly sent?: (() => void) | undefined;
}

const MIB = 1024 * 1024;
const LONGEST_BODY = 64 * MIB;
const LONGEST_FAILURE = MIB;
const ENOUGH_WAITING = 64 * 1024;
/** What may follow after all that was wanted; a new connection costs less than more. */
const MOST_LEFT_BYTES = 16 * 1024;
const LEFT_WITHIN_MS = 1000;

/**
 * Resolves with the head of the answer, whatever its status. Rejects with the signal's reason, or with a GatewayError that
 * names the host: `upstream_timeout`, or `upstream` where it was not reached or what came is no HTTP.
 */
export async function exchange(request: Exchange): Promise<HttpAnswer> {
  const { dispatcher, url, method, headers, body, connectMs, headersMs, idleMs, signal, sent } = request;
  signal.throwIfAborted();
  const { promise, resolve, reject } = Promise.withResolvers<HttpAnswer>();
  const flow = createFlow(signal, (cause) => notReached(cause, { host: url.host, connectMs, headersMs, idleMs }));
  let answered = false;

  // a request in the pool's queue knows no controller yet: it is ended as soon as it has one
  flow.whenFailed(reject);
  const handler: Dispatcher.DispatchHandler = {
    onRequestStart(controller) {
      sent?.();
      flow.start(controller);
    },
    onResponseStart(_controller, status, received) {
      if (status < 200 || answered) return;
      answered = true;
      resolve(answerOf({ status, headers: flatten(received), host: url.host, flow }));
    },
    onResponseData: (_controller, chunk) => flow.data(chunk),
    onResponseEnd: () => flow.end(),
    onResponseError: (_controller, error) => flow.fail(error),
  };
  try {
    dispatcher.dispatch(
      {
        origin: url.origin,
        path: url.pathname + url.search,
        method,
        headers,
        ...(body === undefined ? {} : { body }),
        headersTimeout: headersMs,
        bodyTimeout: idleMs,
      },
      handler,
    );
  } catch (cause) {
    flow.fail(cause);
  }
  return promise;
}

interface Flow {
  start(controller: Dispatcher.DispatchController): void;
  data(chunk: Uint8Array): void;
  end(): void;
  fail(cause: unknown): void;
  /** Called once where the request fails, before the head of the answer or after. */
  whenFailed(listener: (reason: unknown) => void): void;
  /** The next piece of the body, undefined at its end. One reader at a time. */
  next(): Promise<Uint8Array | undefined>;
  cancel(): void;
  /** What follows is thrown away; the connection is kept if that is soon over. */
  finish(): void;
}

/** What lies between the socket and the reader. */
function createFlow(signal: Signal, explain: (cause: unknown) => unknown): Flow {
  let controller: Dispatcher.DispatchController | undefined;
  const waiting: Uint8Array[] = [];
  let bytes = 0;
  let state: 'open' | 'finishing' | 'ended' | 'failed' = 'open';
  let patience: NodeJS.Timeout | undefined;
  let reason: unknown;
  let reader: { resolve: (chunk: Uint8Array | undefined) => void; reject: (reason: unknown) => void } | undefined;
  let listener: (reason: unknown) => void = () => undefined;

  const settle = (next: 'ended' | 'failed', why?: unknown): void => {
    state = next;
    reason = why;
    clearTimeout(patience);
    signal.removeEventListener('abort', onAbort);
    if (next === 'ended') reader?.resolve(undefined);
    else {
      reader?.reject(why);
      listener(why);
    }
    reader = undefined;
  };
  /** Ends it from our side: what was received and not read is let go. */
  const stop = (why: unknown): void => {
    waiting.length = 0;
    if (state !== 'open' && state !== 'finishing') return;
    settle('failed', why);
    controller?.abort(new Error('the answer is not wanted any more'));
  };
  const onAbort = (): void => stop(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });

  return {
    start(own) {
      controller = own;
      if (state === 'failed') own.abort(new Error('the answer is not wanted any more'));
    },
    data(chunk) {
      if (state === 'finishing') {
        bytes += chunk.length;
        if (bytes > MOST_LEFT_BYTES) stop(unwanted());
      }
      if (state !== 'open') return;
      if (reader) {
        reader.resolve(chunk);
        reader = undefined;
        return;
      }
      waiting.push(chunk);
      bytes += chunk.length;
      if (bytes >= ENOUGH_WAITING) controller?.pause();
    },
    end() {
      if (state === 'open' || state === 'finishing') settle('ended');
    },
    fail(cause) {
      if (state === 'finishing') settle('ended');
      else if (state === 'open') settle('failed', explain(cause));
    },
    whenFailed(own) {
      listener = own;
    },
    async next() {
      signal.throwIfAborted();
      const chunk = waiting.shift();
      if (chunk) {
        bytes -= chunk.length;
        // asked for before the last piece is worked on, so that the socket is not idle meanwhile
        if (waiting.length === 0 && controller?.paused) controller.resume();
        return chunk;
      }
      if (state === 'failed') throw reason;
      if (state !== 'open') return undefined;
      const { promise, resolve, reject } = Promise.withResolvers<Uint8Array | undefined>();
      reader = { resolve, reject };
      return promise;
    },
    cancel() {
      waiting.length = 0;
      if (state === 'open') stop(unwanted());
    },
    finish() {
      if (state !== 'open') return;
      state = 'finishing';
      waiting.length = 0;
      bytes = 0;
      patience = setTimeout(() => stop(unwanted()), LEFT_WITHIN_MS).unref();
      if (controller?.paused) controller.resume();
    },
  };
}

const unwanted = (): GatewayError => new GatewayError('cancelled', 'The answer was not wanted any more.');

const utf8 = new TextDecoder();

interface Answered {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly host: string;
  readonly flow: Flow;
}

function answerOf({ status, headers, host, flow }: Answered): HttpAnswer {
  const success = status >= 200 && status < 300;
  return {
    status,
    headers,
    async text(limit = success ? LONGEST_BODY : LONGEST_FAILURE) {
      const chunks: Uint8Array[] = [];
      let length = 0;
      for (let chunk = await flow.next(); chunk; chunk = await flow.next()) {
        chunks.push(chunk);
        length += chunk.length;
        if (length <= limit) continue;
        flow.cancel();
        if (success) throw new GatewayError('upstream', `${host} sent an answer of more than ${limit} bytes.`);
        break;
      }
      // TextDecoder leaves a byte order mark out, which JSON.parse would stumble over
      return utf8.decode(chunks.length === 1 && chunks[0] && length <= limit ? chunks[0] : Buffer.concat(chunks, Math.min(length, limit)));
    },
    read: () => ({ [Symbol.asyncIterator]: () => iteratorOf(flow), finish: () => flow.finish() }),
    cancel: () => flow.cancel(),
  };
}

/** By hand: a generator that was never started would not end the request when it is left. */
function iteratorOf(flow: Flow): AsyncIterator<Uint8Array> {
  return {
    async next() {
      const value = await flow.next();
      return value === undefined ? { done: true, value } : { done: false, value };
    },
    async return() {
      flow.cancel();
      return { done: true, value: undefined };
    },
  };
}

function flatten(headers: Readonly<Record<string, string | string[] | undefined>>): Record<string, string> {
  const flat: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined) flat[name] = typeof value === 'string' ? value : value.join(', ');
  }
  return flat;
}

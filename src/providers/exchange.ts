/** One HTTP request and its answer: read at the reader's pace, ended by a signal at any time. */
import type { Signal } from '../core/abort.ts';
import { GatewayError } from '../core/error.ts';
import type { Receiver, Transfer, TransferRequest, Transport } from './http1/transfer.ts';
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

export interface Exchange extends TransferRequest {
  readonly transport: Transport;
  readonly signal: Signal;
  /** Called when a connection is there and the request goes out on it. */
  readonly sent?: (() => void) | undefined;
  /** What is wrong with an answer, by its head; undefined where nothing is. */
  readonly refuse?: ((answer: HttpAnswer) => GatewayError | undefined) | undefined;
}

const MIB = 1024 * 1024;
const LONGEST_BODY = 64 * MIB;
const LONGEST_FAILURE = MIB;
const ENOUGH_WAITING = 64 * 1024;
/** What may follow after all that was wanted; a new connection costs less than more. */
const MOST_LEFT_BYTES = 16 * 1024;
const LEFT_WITHIN_MS = 1000;

/**
 * Resolves with the head of the answer, whatever its status. Rejects with the signal's reason, with what `refuse` gives, or with a
 * GatewayError that names the host: `upstream_timeout`, or `upstream` where it was not reached or what came is no HTTP.
 */
export function exchange(request: Exchange): Promise<HttpAnswer> {
  if (request.signal.aborted) return Promise.reject(request.signal.reason as Error);
  return new Promise((resolve, reject) => {
    const answer = new Answer(request, { resolve, reject });
    try {
      request.transport.send(request, answer);
    } catch (cause) {
      answer.fail(cause);
    }
  });
}

interface Waiting<T> {
  readonly resolve: (value: T) => void;
  readonly reject: (reason: unknown) => void;
}

/** Who waits for the whole body. */
interface Collecting extends Waiting<string> {
  /** Bytes. */
  readonly limit: number;
}

const END = { done: true, value: undefined } as const;
const utf8 = new TextDecoder();

/**
 * What lies between the connection and the reader. A class, because there is one for each request: a single object is what the
 * connection tells of the answer, the answer itself, and the iterator over its body.
 */
class Answer implements Receiver, HttpAnswer, Bytes, AsyncIterator<Uint8Array, undefined> {
  status = 0;
  headers: Readonly<Record<string, string>> = {};
  readonly #request: Exchange;
  readonly #onAbort = (): void => this.#stop(this.#request.signal.reason);
  #transfer: Transfer | undefined;
  #state: 'open' | 'finishing' | 'ended' | 'failed' = 'open';
  #reason: AbortSignal['reason'];
  /** Who waits for the head, for the next piece of the body, or for all of it. */
  #head: Waiting<HttpAnswer> | undefined;
  #reader: Waiting<IteratorResult<Uint8Array, undefined>> | undefined;
  #collecting: Collecting | undefined;
  #pieces: Uint8Array[] = [];
  #bytes = 0;
  #patience: NodeJS.Timeout | undefined;

  constructor(request: Exchange, head: Waiting<HttpAnswer>) {
    this.#request = request;
    this.#head = head;
    request.signal.addEventListener('abort', this.#onAbort);
  }

  get isOver(): boolean {
    return this.#state === 'ended' || this.#state === 'failed';
  }

  started(transfer: Transfer): void {
    this.#transfer = transfer;
    this.#request.sent?.();
  }

  head(status: number, headers: Readonly<Record<string, string>>): void {
    const waiting = this.#head;
    if (!waiting) return;
    this.#head = undefined;
    this.status = status;
    this.headers = headers;
    const refusal = this.#request.refuse?.(this);
    if (!refusal) return waiting.resolve(this);
    waiting.reject(refusal);
    this.cancel();
  }

  piece(bytes: Uint8Array): void {
    if (this.#state === 'finishing') {
      this.#bytes += bytes.length;
      if (this.#bytes > MOST_LEFT_BYTES) this.#stop(unwanted());
    }
    if (this.#state !== 'open') return;
    const reader = this.#reader;
    if (reader) {
      this.#reader = undefined;
      return reader.resolve({ done: false, value: bytes });
    }
    this.#pieces.push(bytes);
    this.#bytes += bytes.length;
    if (this.#collecting) this.#collect(this.#collecting);
    else if (this.#bytes >= ENOUGH_WAITING) this.#transfer?.pause();
  }

  end(): void {
    if (!this.isOver) this.#settle('ended');
  }

  fail(cause: unknown): void {
    const { url, connectMs, headersMs, idleMs } = this.#request;
    if (this.#state === 'finishing') this.#settle('ended');
    else if (this.#state === 'open') this.#settle('failed', notReached(cause, { host: url.host, connectMs, headersMs, idleMs }));
  }

  text(limit = this.#isSuccess() ? LONGEST_BODY : LONGEST_FAILURE): Promise<string> {
    return new Promise((resolve, reject) => {
      const collecting = { limit, resolve, reject };
      this.#collecting = collecting;
      if (this.#transfer?.isPaused) this.#transfer.resume();
      this.#collect(collecting);
    });
  }

  read(): Bytes {
    return this;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<Uint8Array, undefined>> {
    const { signal } = this.#request;
    if (signal.aborted) return Promise.reject(signal.reason as Error);
    const piece = this.#pieces.shift();
    if (piece) {
      this.#bytes -= piece.length;
      // asked for before the last piece is worked on, so that the socket is not idle meanwhile
      if (this.#pieces.length === 0 && this.#transfer?.isPaused) this.#transfer.resume();
      return Promise.resolve({ done: false, value: piece });
    }
    if (this.#state === 'failed') return Promise.reject(this.#reason as Error);
    if (this.#state !== 'open') return Promise.resolve(END);
    return new Promise((resolve, reject) => {
      this.#reader = { resolve, reject };
    });
  }

  return(): Promise<IteratorResult<Uint8Array, undefined>> {
    this.cancel();
    return Promise.resolve(END);
  }

  cancel(): void {
    this.#pieces = [];
    if (this.#state === 'open') this.#stop(unwanted());
  }

  finish(): void {
    if (this.#state !== 'open') return;
    this.#state = 'finishing';
    this.#pieces = [];
    this.#bytes = 0;
    this.#patience = setTimeout(() => this.#stop(unwanted()), LEFT_WITHIN_MS).unref();
    if (this.#transfer?.isPaused) this.#transfer.resume();
  }

  #isSuccess(): boolean {
    return this.status >= 200 && this.status < 300;
  }

  /** Tells who waits for the whole body, where it is there, or will never be. */
  #collect(waiting: Collecting): void {
    const { limit, resolve, reject } = waiting;
    const isTooLong = this.#bytes > limit;
    if (this.#state === 'failed' && !isTooLong) return reject(this.#reason);
    if (this.#state === 'open' && !isTooLong) return;
    const pieces = this.#pieces;
    this.#collecting = undefined;
    if (isTooLong) this.cancel();
    if (isTooLong && this.#isSuccess()) {
      return reject(new GatewayError('upstream', `${this.#request.url.host} sent an answer of more than ${limit} bytes.`));
    }
    const [first] = pieces;
    // TextDecoder leaves a byte order mark out, which JSON.parse would stumble over
    resolve(utf8.decode(first && pieces.length === 1 && !isTooLong ? first : Buffer.concat(pieces, Math.min(this.#bytes, limit))));
  }

  #settle(next: 'ended' | 'failed', why?: unknown): void {
    this.#state = next;
    this.#reason = why;
    // the connection may be another's from now on
    this.#transfer = undefined;
    clearTimeout(this.#patience);
    this.#request.signal.removeEventListener('abort', this.#onAbort);
    if (this.#collecting) this.#collect(this.#collecting);
    const reader = this.#reader;
    this.#reader = undefined;
    if (next === 'ended') return reader?.resolve(END);
    reader?.reject(why);
    this.#head?.reject(why);
    this.#head = undefined;
  }

  /** Ends it from our side: what was received and not read is let go. */
  #stop(why: unknown): void {
    this.#pieces = [];
    if (this.isOver) return;
    const transfer = this.#transfer;
    this.#settle('failed', why);
    transfer?.cancel();
  }
}

const unwanted = (): GatewayError => new GatewayError('cancelled', 'The answer was not wanted any more.');

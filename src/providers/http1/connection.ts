/** A connection to an origin: one request at a time, and its answer taken apart as it comes. */
import type { Socket } from 'node:net';
import { readAnswerHead } from './answer-head.ts';
import type { AnswerHead } from './answer-head.ts';
import { createChunked } from './chunked.ts';
import type { Chunked } from './chunked.ts';
import type { Awaited, Deadlines } from './deadlines.ts';
import { fault } from './faults.ts';
import type { RequestText } from './request-text.ts';
import type { Receiver, Transfer, TransferRequest } from './transfer.ts';

export interface ConnectionOptions {
  readonly socket: Socket;
  readonly deadlines: Deadlines;
  /** It waits for its next request. */
  readonly free: (connection: Connection) => void;
  /** It is closed, or will be without another request. */
  readonly gone: (connection: Connection) => void;
  /** How long it may wait for a request at most, whatever its server says. */
  readonly mostKeptMs: number;
}

const LONGEST_HEAD = 64 * 1024;
const END_OF_HEAD = '\r\n\r\n';
/** What every answer begins with. */
const START = 'HTTP/1.';
/** Below the minute after which load balancers close; servers that close sooner mostly say so in `keep-alive`. */
const KEEP_ALIVE_MS = 30_000;
/** A server that closes after the time it has said closes sooner than we see it. */
const KEEP_ALIVE_MARGIN_MS = 2000;
const NOTHING = Buffer.alloc(0);

/** How the body that is being read ends. */
type Body = 'none' | 'counted' | 'chunked' | 'until-close';

/** A class, because it stands for one socket, whose listeners call it, and is all that a request on it needs. */
export class Connection implements Transfer, Awaited {
  deadline = Infinity;
  isPaused = false;
  readonly #socket: Socket;
  readonly #options: ConnectionOptions;
  #receiver: Receiver | undefined;
  #method = '';
  #idleMs = 0;
  /** What of a head has come; nothing while none is waited for. */
  #early: Buffer = NOTHING;
  #isAtHead = false;
  #body: Body = 'none';
  #left = 0;
  #chunks: Chunked | undefined;
  #keepAlive = false;
  #keptMs: number;
  #isClosed = false;

  constructor(options: ConnectionOptions) {
    this.#options = options;
    this.#socket = options.socket;
    this.#keptMs = Math.min(KEEP_ALIVE_MS, options.mostKeptMs);
    options.deadlines.add(this);
    options.socket
      .on('end', () => this.#ended())
      .on('error', (error) => this.#broke(error))
      .on('close', () => this.#broke(cut()));
    // nobody may want it any more
    this.#await(this.#keptMs);
  }

  /** For a connection that waits for one. */
  send(request: TransferRequest, text: RequestText, receiver: Receiver): void {
    this.#receiver = receiver;
    this.#method = request.method;
    this.#idleMs = request.idleMs;
    this.#isAtHead = true;
    this.#await(request.headersMs);
    receiver.started(this);
    const socket = this.#socket;
    if (text.rest.length === 0) return void socket.write(text.text, text.encoding);
    // all of it goes out at once, and the client's own bytes without a copy
    socket.cork();
    socket.write(text.text, text.encoding);
    for (const piece of text.rest) socket.write(piece, 'utf8');
    socket.uncork();
  }

  /** What has come from the socket; the bytes are another's after the call. */
  take(bytes: Buffer): void {
    if (!this.#receiver) return this.#close();
    if (this.#isAtHead) this.#takeHead(bytes);
    else this.#takeBody(bytes, 0);
  }

  pause(): void {
    this.isPaused = true;
    // the provider is not late while it is held back
    this.deadline = Infinity;
    this.#socket.pause();
  }

  resume(): void {
    this.isPaused = false;
    if (this.#receiver) this.#await(this.#idleMs);
    this.#socket.resume();
  }

  cancel(): void {
    this.#receiver = undefined;
    this.#close();
  }

  late(): void {
    if (!this.#receiver) this.#close();
    else if (this.#isAtHead) this.#broke(fault('LATE_HEAD', 'no head of an answer came in time'));
    else this.#broke(fault('LATE_BODY', 'nothing more of the answer came in time'));
  }

  /** Closes it from our side; who waits for an answer is told why. */
  end(why: Error): void {
    this.#broke(why);
  }

  #takeHead(received: Buffer): void {
    const bytes = this.#early === NOTHING ? received : Buffer.concat([this.#early, received]);
    const end = bytes.indexOf(END_OF_HEAD, Math.max(this.#early.length - END_OF_HEAD.length, 0), 'latin1');
    if (end < 0 || end > LONGEST_HEAD) return this.#waitForHead(bytes);
    const head = readAnswerHead(bytes.toString('latin1', 0, end), this.#method);
    this.#early = NOTHING;
    if (head instanceof Error) return this.#broke(head);
    const from = end + END_OF_HEAD.length;
    if (head.status === 101) return this.#broke(fault('OTHER_PROTOCOL', 'the answer changes to another protocol'));
    // an interim answer
    if (head.status < 200) return from < bytes.length ? this.#takeHead(bytes.subarray(from)) : undefined;
    this.#begin(head);
    this.#receiver?.head(head.status, head.headers);
    // who does not want it has closed the connection
    if (!this.#receiver) return;
    if (this.#body === 'none') this.#over(from < bytes.length);
    else if (from < bytes.length) this.#takeBody(bytes, from);
  }

  #waitForHead(bytes: Buffer): void {
    if (bytes.length > LONGEST_HEAD) return this.#broke(fault('LONG_HEAD', `the head of the answer has more than ${LONGEST_HEAD} bytes`));
    if (!START.startsWith(bytes.toString('latin1', 0, START.length))) return this.#broke(fault('NOT_HTTP', 'the answer is not HTTP'));
    this.#early = Buffer.from(bytes);
  }

  #begin({ body, headers, keepAlive }: AnswerHead): void {
    this.#isAtHead = false;
    this.#keepAlive = keepAlive;
    const hint = headers['keep-alive'];
    if (hint !== undefined) this.#keptMs = Math.min(keptFor(hint), this.#options.mostKeptMs);
    if (typeof body === 'number') {
      this.#body = body === 0 ? 'none' : 'counted';
      this.#left = body;
    } else {
      this.#body = body;
      this.#chunks = body === 'chunked' ? createChunked() : undefined;
    }
    this.#await(this.#idleMs);
  }

  #takeBody(bytes: Buffer, from: number): void {
    const receiver = this.#receiver;
    if (!receiver) return;
    if (this.#idleMs > 0 && !this.isPaused) this.deadline = performance.now() + this.#idleMs;
    if (this.#chunks) return this.#takeChunks(this.#chunks, bytes, from);
    const isCounted = this.#body === 'counted';
    const to = isCounted ? Math.min(bytes.length, from + this.#left) : bytes.length;
    this.#left -= to - from;
    receiver.piece(Buffer.from(bytes.subarray(from, to)));
    if (isCounted && this.#left === 0) this.#over(to < bytes.length);
  }

  #takeChunks(chunks: Chunked, bytes: Buffer, from: number): void {
    const { piece, end, isBroken } = chunks.take(bytes, from);
    if (piece) this.#receiver?.piece(piece);
    if (isBroken) this.#broke(fault('NOT_HTTP', 'the body of the answer is not in chunks as its head says'));
    else if (end !== undefined) this.#over(end < bytes.length);
  }

  /** The whole answer is there. What follows it unasked makes the connection useless. */
  #over(isFollowed: boolean): void {
    const receiver = this.#receiver;
    if (!receiver) return;
    this.#receiver = undefined;
    this.#chunks = undefined;
    this.#body = 'none';
    if (this.isPaused) this.resume();
    // first: from the next line on it may be another's
    receiver.end();
    // a request that is not out whole although its answer is cannot be followed by another
    if (isFollowed || !this.#keepAlive || this.#keptMs <= 0 || this.#socket.writableLength > 0) return this.#close();
    this.#await(this.#keptMs);
    this.#options.free(this);
  }

  /** The other side sends nothing more. */
  #ended(): void {
    if (this.#body === 'until-close' && this.#receiver) this.#over(false);
    else this.#broke(cut());
  }

  #broke(why: Error): void {
    const receiver = this.#receiver;
    this.#receiver = undefined;
    this.#close();
    receiver?.fail(why);
  }

  #close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.deadline = Infinity;
    this.#options.deadlines.delete(this);
    this.#socket.destroy();
    this.#options.gone(this);
  }

  /** From now on; 0 is no limit. */
  #await(ms: number): void {
    this.deadline = ms > 0 ? performance.now() + ms : Infinity;
    this.#options.deadlines.expect(this.deadline);
  }
}

/** How long a connection may be kept by `timeout=` seconds of the header `keep-alive`. */
function keptFor(hint: string): number {
  const seconds = /(?:^|[ ,;])timeout=(\d{1,6})/i.exec(hint)?.[1];
  return seconds === undefined ? KEEP_ALIVE_MS : Number(seconds) * 1000 - KEEP_ALIVE_MARGIN_MS;
}

const cut = (): Error => fault('CUT', 'the connection was closed before the answer was over');

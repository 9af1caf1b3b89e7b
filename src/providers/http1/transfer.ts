/** What a request over HTTP is to those who send it: what goes out, who is told of the answer, and how it is held back or ended. */
import type { JsonText } from '../../core/json-pieces.ts';

export interface TransferRequest {
  readonly url: URL;
  readonly method: 'GET' | 'POST';
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: JsonText | undefined;
  /** Milliseconds, 0 for no limit: for a connection, until the head of the answer, and between two pieces of its body. */
  readonly connectMs: number;
  readonly headersMs: number;
  readonly idleMs: number;
}

/** Who is told of an answer: `started`, `head`, `piece` for each piece, then `end`; or `fail` at any time, and nothing after it. */
export interface Receiver {
  /** Nobody waits for it any more: where it has not been sent, it never is. */
  readonly isOver: boolean;
  /** A connection is there, and the request goes out on it. */
  started(transfer: Transfer): void;
  /** Of the final answer. Names in lower case; several values of one name are joined by commas. */
  head(status: number, headers: Readonly<Record<string, string>>): void;
  /** Of the body, without its framing. The bytes are the receiver's own. */
  piece(bytes: Uint8Array): void;
  end(): void;
  /** The error says in its code what happened, as `faults.ts` has it or as the system does. */
  fail(cause: unknown): void;
}

/** A request that has gone out. */
export interface Transfer {
  readonly isPaused: boolean;
  /** Nothing more is read from the connection. */
  pause(): void;
  resume(): void;
  /** Closes the connection. The receiver is not told anything more. */
  cancel(): void;
}

export interface Transport {
  /** Throws where the request cannot be written down. */
  send(request: TransferRequest, receiver: Receiver): void;
  /** Closes all connections. Requests under way fail. */
  close(): Promise<void>;
}

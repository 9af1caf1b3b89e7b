/** Requests that never became one: malformed HTTP, heads that are too large, senders that are too slow. */
import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Logger } from 'pino';
import { GatewayError, toGatewayError } from '../core/error.ts';
import { encodeError } from '../protocols/openai-chat/error.ts';
import { noteError } from './answer.ts';
import { newRequestId } from './exchange.ts';
import type { Exchanges } from './exchange.ts';

/** How long we go on reading what the client still sends: a connection closed on unread bytes loses our answer as well. */
const LINGER_MS = 1000;

/** Node's `clientError`: answers in the contract's envelope where an answer is still possible, and closes the connection. */
export function brokenRequestHandler(exchanges: Exchanges, log: Logger): (error: NodeJS.ErrnoException, socket: Socket) => void {
  const answered = new WeakSet<Socket>();
  return (error, socket) => {
    // what comes after a broken request is broken as well
    if (answered.has(socket)) return;
    answered.add(socket);
    const open = exchanges.on(socket);
    if (error.code === 'ECONNRESET' || !socket.writable || open.some(({ response }) => response.headersSent)) {
      socket.destroy();
      return;
    }
    const failure = toFailure(error);
    const id = open[0]?.id ?? newRequestId();
    for (const exchange of open) noteError(exchange, failure);
    if (open.length === 0) {
      log.info({ id, route: '(malformed)', status: failure.status, outcome: 'client_error', error: failure.kind }, 'request');
    }
    const linger = setTimeout(() => socket.destroy(), LINGER_MS);
    linger.unref();
    socket.once('close', () => clearTimeout(linger));
    socket.end(rawResponse(failure, id));
  };
}

/** Node's `connect`: a proxy is asked for here, and this is none. */
export function refuseConnect(log: Logger, socket: Duplex): void {
  const failure = new GatewayError('method_not_allowed', 'CONNECT is not possible: this server is no proxy.');
  const id = newRequestId();
  log.info({ id, method: 'CONNECT', route: '(none)', status: failure.status, outcome: 'client_error', error: failure.kind }, 'request');
  socket.on('error', () => socket.destroy());
  socket.end(rawResponse(failure, id), () => socket.destroy());
}

function toFailure({ code }: NodeJS.ErrnoException): GatewayError {
  switch (code) {
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return new GatewayError('request_timeout', 'The request did not arrive in time.');
    case 'HPE_HEADER_OVERFLOW':
      return new GatewayError('headers_too_large', 'The request head is too large: shorten the URL and the headers.');
    case 'HPE_CHUNK_EXTENSIONS_OVERFLOW':
      return new GatewayError('request_too_large', 'The chunk extensions of the request body are too large.');
    default:
      return new GatewayError('bad_request', 'The request is not valid HTTP.');
  }
}

/** A whole HTTP response as text, for connections whose request could not be read; it closes them. */
export function rawResponse(error: GatewayError, id: string): string {
  const body = JSON.stringify(encodeError(error));
  const lines = [
    `HTTP/1.1 ${error.status} ${STATUS_CODES[error.status] ?? 'Error'}`,
    `Date: ${new Date().toUTCString()}`,
    'Content-Type: application/json',
    `Content-Length: ${Buffer.byteLength(body)}`,
    `x-request-id: ${id}`,
    'openai-processing-ms: 0',
    'Connection: close',
  ];
  return `${lines.join('\r\n')}\r\n\r\n${body}`;
}

/** A failure of the framework, or of reading a body, as one of ours. */
export function fromFramework(error: unknown): GatewayError {
  switch (error instanceof Error && 'code' in error ? error.code : undefined) {
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
      return new GatewayError('unsupported_media_type', 'The Content-Type must be application/json, in UTF-8.');
    case 'FST_ERR_BAD_URL':
      return new GatewayError('bad_request', 'The URL is not valid: after each % there must be two hex digits that make UTF-8.');
    case 'FST_ERR_MAX_PARAM_LENGTH':
      return new GatewayError('bad_request', 'The URL is too long.');
    case 'ECONNRESET':
      return new GatewayError('cancelled', 'The client closed the connection.', { cause: error });
    default:
      return toGatewayError(error);
  }
}

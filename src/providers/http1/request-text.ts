/** A request as it goes out on a connection. */
import { HEADER_VALUE } from '../../core/header-text.ts';
import { bytesOf } from '../../core/json-pieces.ts';
import { fault } from './faults.ts';
import type { TransferRequest } from './transfer.ts';

export interface RequestText {
  /** The head and, where one encoding fits both, the body. */
  readonly text: string;
  readonly encoding: 'latin1' | 'utf8';
  /** What follows, in UTF-8. */
  readonly rest: readonly (string | Uint8Array)[];
}

/** A token (RFC 9110, 5.6.2) in lower case, so that no spelling gets by the names below. */
const NAME = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/;
const ASCII = /^[\t\r\n\x20-\x7e]*$/;
/** They say where the request ends, and what the connection is for, which is not for a configuration to say. */
const OURS: ReadonlySet<string> = new Set([
  'content-length',
  'transfer-encoding',
  'connection',
  'keep-alive',
  'upgrade',
  'expect',
  'trailer',
]);

const NOTHING: readonly never[] = Object.freeze([]);

/** Throws where a header cannot be sent; its value is not told. */
export function requestText({ method, url, headers, body }: TransferRequest): RequestText {
  let head = `${method} ${url.pathname}${url.search} HTTP/1.1\r\n`;
  if (headers['host'] === undefined) head += `host: ${url.host}\r\n`;
  head += 'connection: keep-alive\r\n';
  for (const name in headers) {
    const value = headers[name] ?? '';
    if (!NAME.test(name) || OURS.has(name))
      throw fault('UNSENDABLE', `a request cannot have the header ${JSON.stringify(name.slice(0, 100))}`);
    if (!HEADER_VALUE.test(value)) throw fault('UNSENDABLE', `the header ${name} has a character that none may have`);
    head += `${name}: ${value}\r\n`;
  }
  if (body === undefined) return { text: `${head}\r\n`, encoding: 'latin1', rest: NOTHING };
  const length = bytesOf(body);
  head += `content-length: ${length}\r\n\r\n`;
  if (typeof body !== 'string') return { text: head, encoding: 'latin1', rest: body };
  // as many bytes as characters: all are of ASCII, which is copied as it is
  if (length === body.length) return { text: head + body, encoding: 'latin1', rest: NOTHING };
  if (ASCII.test(head)) return { text: head + body, encoding: 'utf8', rest: NOTHING };
  return { text: head, encoding: 'latin1', rest: [body] };
}

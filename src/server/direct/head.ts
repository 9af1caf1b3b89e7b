/**
 * The head of a plain request, read by a stricter rule than HTTP's: what it does not understand to the letter is none, and left to
 * somebody who knows all of HTTP. So it need not decide anything that two readers of one request might decide differently.
 */
import type { IncomingHttpHeaders } from 'node:http';
import { HEADER_NAME, HEADER_VALUE, endOfLine, withoutBlanks } from '../../core/header-text.ts';

export interface Head {
  /** Names in lower case, each there once, as `IncomingMessage.headers` has them. */
  readonly headers: IncomingHttpHeaders;
  /** Bytes of the body. */
  readonly length: number;
  readonly keepAlive: boolean;
}

export interface HeadLimits {
  /** Bytes of the head at most. */
  readonly head: number;
  /** Bytes of the body at most. */
  readonly body: number;
}

/** More lines than any client sends; each costs time. */
const MOST_LINES = 100;
const LENGTH = /^\d{1,9}$/;
/** They change what follows the head, or what is expected before it follows; the last two are no plain texts where Node reads them. */
const FOREIGN: ReadonlySet<string> = new Set([
  'transfer-encoding',
  'expect',
  'upgrade',
  'te',
  'trailer',
  'proxy-connection',
  'set-cookie',
  '__proto__',
]);

/**
 * The head that `text` is: latin1, from the request line up to the empty line and without it. `start` is the request line that it must
 * have. Undefined where it has another, breaks a rule, or is larger than `limits`.
 */
export function readHead(text: string, start: string, limits: HeadLimits): Head | undefined {
  if (text.length > limits.head || !text.startsWith(start) || !text.startsWith('\r\n', start.length)) return undefined;
  const headers: IncomingHttpHeaders = {};
  let from = start.length + 2;
  for (let lines = 0; from < text.length; lines++) {
    if (lines === MOST_LINES) return undefined;
    const end = endOfLine(text, from);
    const colon = text.indexOf(':', from);
    if (colon < 0 || colon >= end) return undefined;
    const name = text.slice(from, colon).toLowerCase();
    const value = text.slice(colon + 1, end);
    if (!HEADER_NAME.test(name) || !HEADER_VALUE.test(value) || FOREIGN.has(name) || Object.hasOwn(headers, name)) return undefined;
    headers[name] = withoutBlanks(value);
    from = end + 2;
  }
  return headOf(headers, limits);
}

function headOf(headers: IncomingHttpHeaders, limits: HeadLimits): Head | undefined {
  const { connection = 'keep-alive', 'content-length': announced = '' } = headers;
  const wish = connection.toLowerCase();
  if (wish !== 'keep-alive' && wish !== 'close') return undefined;
  const length = LENGTH.test(announced) ? Number(announced) : NaN;
  if (!(length <= limits.body)) return undefined;
  // the requests of one connection share it
  return { headers: Object.freeze(headers), length, keepAlive: wish === 'keep-alive' };
}

/** The head of an answer and where its body ends (RFC 9112). What breaks a rule is refused: a guess could take the next answer for this one's. */
import { HEADER_NAME, HEADER_VALUE, endOfLine, withoutBlanks } from '../../core/header-text.ts';
import { fault } from './faults.ts';
import type { Fault } from './faults.ts';

export interface AnswerHead {
  readonly status: number;
  /** Names in lower case; several values of one name are joined by commas. */
  readonly headers: Readonly<Record<string, string>>;
  /** Bytes of the body, or by what its end is known: chunks, or the end of the connection. */
  readonly body: number | 'chunked' | 'until-close';
  /** The connection may be used again. */
  readonly keepAlive: boolean;
}

const START = /^HTTP\/1\.([01]) (\d{3})(?: [\t\x20-\x7e\x80-\xff]*)?$/;
const LENGTH = /^\d{1,15}$/;

/** The head that `text` is: latin1, from the status line up to the empty line and without it. */
export function readAnswerHead(text: string, method: string): AnswerHead | Fault {
  const startEnd = endOfLine(text, 0);
  const start = START.exec(text.slice(0, startEnd));
  if (!start) return notHttp('its status line is none');
  const headers: Record<string, string> = {};
  for (let from = startEnd + 2; from < text.length;) {
    const end = endOfLine(text, from);
    const colon = text.indexOf(':', from);
    if (colon < 0 || colon >= end) return notHttp('a header has no colon');
    const name = text.slice(from, colon).toLowerCase();
    const value = text.slice(colon + 1, end);
    if (!HEADER_NAME.test(name) || !HEADER_VALUE.test(value)) return notHttp('a header has a character that none may have');
    add(headers, name, withoutBlanks(value));
    from = end + 2;
  }
  return headOf(Number(start[2]), headers, { isOld: start[1] === '0', method });
}

function add(headers: Record<string, string>, name: string, value: string): void {
  // an object would take it for something else than a header
  if (name === '__proto__') return;
  headers[name] = Object.hasOwn(headers, name) ? `${headers[name]}, ${value}` : value;
}

interface Context {
  /** HTTP/1.0, whose connections end with the answer where nothing else is said. */
  readonly isOld: boolean;
  readonly method: string;
}

function headOf(status: number, headers: Readonly<Record<string, string>>, { isOld, method }: Context): AnswerHead | Fault {
  const { 'transfer-encoding': coding, 'content-length': announced } = headers;
  const wishes = headers['connection']?.toLowerCase() ?? '';
  const keepAlive = isOld ? names(wishes, 'keep-alive') : !names(wishes, 'close');
  // without a body whatever the head says (RFC 9112, 6.3)
  if (status < 200 || status === 204 || status === 304 || method === 'HEAD') return { status, headers, body: 0, keepAlive };
  if (coding !== undefined) {
    if (announced !== undefined) return notHttp('its length is said in two ways');
    if (coding.toLowerCase() !== 'chunked' || isOld) return notHttp('its transfer coding is not known');
    return { status, headers, body: 'chunked', keepAlive };
  }
  if (announced === undefined) return { status, headers, body: 'until-close', keepAlive: false };
  const [length, ...others] = announced.split(', ');
  if (length === undefined || !LENGTH.test(length) || others.some((other) => other !== length)) return notHttp('its length is no number');
  return { status, headers, body: Number(length), keepAlive };
}

/** Whether a list of words has one of them. */
function names(list: string, word: string): boolean {
  return list === word || (list.includes(word) && list.split(',').some((one) => one.trim() === word));
}

const notHttp = (what: string): Fault => fault('NOT_HTTP', `the answer is not HTTP: ${what}`);

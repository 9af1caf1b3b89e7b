/** HTTP/1.1 to one server over raw sockets, so that asking costs little beside being asked. */
import { connect } from 'node:net';
import type { Socket } from 'node:net';

export interface Answer {
  readonly status: number;
  /** When the request went out, when the first word of the answer was there, and its end; milliseconds of `clock`. */
  readonly sentAt: number;
  readonly firstWordAt: number;
  readonly endedAt: number;
  /** Of a stream whose words are times: when each was sent, and when it was read. */
  readonly words: readonly { readonly sentAt: number; readonly readAt: number }[];
  /** The body, where the answer was an error. */
  readonly text: string;
}

export interface Watcher {
  /** The first word has come. */
  begun?(): void;
  ended(answer: Answer): void;
  failed(cause: Error): void;
}

export interface Connection {
  /** One request at a time. `timed`: the words of the answer are times, and are noted. */
  ask(watcher: Watcher, timed: boolean): void;
  close(): void;
}

export interface Request {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** Milliseconds since 1970, with their fractions; the same in all processes of this machine. */
export const clock = (): number => performance.timeOrigin + performance.now();

export function bytesOf({ url, headers, body }: Request): Buffer {
  const { host, pathname, search } = new URL(url);
  const lines = Object.entries({ ...headers, host, 'content-length': Buffer.byteLength(body) }).map(([name, value]) => `${name}: ${value}`);
  return Buffer.from(`POST ${pathname}${search} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n${body}`);
}

const HEAD_END = '\r\n\r\n';
/** A word of a stream, or the whole text of a completion: OpenAI's answers, as everybody writes them to clients. */
const WORD = /"content": ?"[^"]/;
const TIMED_WORD = /"content": ?" ([\d.]+)"/g;

interface Reading {
  readonly watcher: Watcher;
  readonly timed: boolean;
  /** Something of the answer has come. */
  heard: boolean;
  readonly sentAt: number;
  firstWordAt: number;
  readonly words: { sentAt: number; readAt: number }[];
  status: number;
  /** Bytes that were read and not yet understood: a piece of a head, or of a size of a chunk. */
  pending: string;
  inBody: boolean;
  /** Bytes of the body, or of a chunk with its line end, that are still to come; -1 where a size comes next. */
  left: number;
  chunked: boolean;
  lastChunk: boolean;
  text: string;
}

/** Answers are read as Latin-1, so that a character is a byte. */
export function openConnection(port: number, request: Buffer): Connection {
  let reading: Reading | undefined;
  let socket: Socket | undefined;
  /** The socket has had an answer before, so that the server may close it at any moment. */
  let used = false;

  const fail = (cause: Error): void => {
    const failed = reading;
    socket?.destroy();
    socket = undefined;
    // closed as idle just when it was used again: as clients do, on another one
    const again = failed && used && !failed.heard;
    used = false;
    if (again) {
      socket = open();
      socket.write(request);
      return;
    }
    reading = undefined;
    failed?.watcher.failed(cause);
  };

  const end = (done: Reading): void => {
    reading = undefined;
    used = true;
    const { status, sentAt, firstWordAt, words, text } = done;
    done.watcher.ended({ status, sentAt, firstWordAt, words, endedAt: clock(), text: status === 200 ? '' : text });
  };

  const open = (): Socket => {
    const opened = connect({ port, host: '127.0.0.1', noDelay: true });
    opened.setEncoding('latin1');
    opened.on('data', (text: string) => {
      if (!reading) return;
      reading.heard = true;
      read(reading, text);
      if (reading.inBody && reading.left === 0 && (!reading.chunked || reading.lastChunk)) end(reading);
    });
    opened.on('error', (cause) => opened === socket && fail(cause));
    opened.on('close', () => {
      if (opened !== socket) return;
      if (!reading) {
        socket = undefined;
        used = false;
      } else fail(new Error('the connection was closed within an answer'));
    });
    return opened;
  };

  return {
    ask(watcher, timed) {
      reading = {
        watcher,
        timed,
        heard: false,
        sentAt: clock(),
        firstWordAt: Number.NaN,
        words: [],
        status: 0,
        pending: '',
        inBody: false,
        left: -1,
        chunked: false,
        lastChunk: false,
        text: '',
      };
      socket ??= open();
      socket.write(request);
    },
    close() {
      const closed = socket;
      socket = undefined;
      reading = undefined;
      closed?.destroy();
    },
  };
}

function read(reading: Reading, bytes: string): void {
  let rest = reading.pending + bytes;
  reading.pending = '';
  if (!reading.inBody) {
    const at = rest.indexOf(HEAD_END);
    if (at < 0) {
      reading.pending = rest;
      return;
    }
    readHead(reading, rest.slice(0, at));
    rest = rest.slice(at + HEAD_END.length);
  }
  const body = reading.chunked ? unchunked(reading, rest) : plain(reading, rest);
  if (body !== '') note(reading, body);
}

function readHead(reading: Reading, head: string): void {
  reading.inBody = true;
  reading.status = Number(head.slice(9, 12));
  reading.chunked = /^transfer-encoding: *chunked/im.test(head);
  if (reading.chunked) return;
  const length = /^content-length: *(\d+)/im.exec(head)?.[1];
  if (length === undefined) throw new Error('an answer of unknown length');
  reading.left = Number(length);
}

function plain(reading: Reading, body: string): string {
  reading.left -= body.length;
  return body;
}

/** What the chunks hold that are in these bytes. */
function unchunked(reading: Reading, bytes: string): string {
  let body = '';
  let at = 0;
  while (at < bytes.length) {
    if (reading.left < 0) {
      const line = bytes.indexOf('\r\n', at);
      if (line < 0) {
        reading.pending = bytes.slice(at);
        return body;
      }
      const size = Number.parseInt(bytes.slice(at, line), 16);
      reading.lastChunk = size === 0;
      // the line end behind the chunk is counted with it
      reading.left = size + 2;
      at = line + 2;
    }
    const here = Math.min(reading.left, bytes.length - at);
    body += bytes.slice(at, at + Math.min(here, Math.max(0, reading.left - 2)));
    reading.left -= here;
    at += here;
    if (reading.left === 0 && !reading.lastChunk) reading.left = -1;
  }
  return body;
}

function note(reading: Reading, body: string): void {
  const readAt = clock();
  if (reading.status !== 200) {
    reading.text = (reading.text + body).slice(0, 500);
    return;
  }
  const begun = !Number.isNaN(reading.firstWordAt);
  if (begun && !reading.timed) return;
  const text = reading.text + body;
  if (!begun && WORD.test(text)) {
    reading.firstWordAt = readAt;
    reading.watcher.begun?.();
  }
  if (!reading.timed) {
    // a word may be cut in two
    reading.text = text.slice(-500);
    return;
  }
  // what a line without its end holds is looked at when that has come
  const whole = text.lastIndexOf('\n') + 1;
  for (const [, sentAt] of text.slice(0, whole).matchAll(TIMED_WORD)) reading.words.push({ sentAt: Number(sentAt), readAt });
  reading.text = text.slice(whole);
}

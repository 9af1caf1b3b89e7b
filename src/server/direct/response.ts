/** An answer written to its socket as text: what `http.ServerResponse` does for the few things that completions ask of it. */
import { STATUS_CODES } from 'node:http';
import type { OutgoingHttpHeaders } from 'node:http';
import type { Socket } from 'node:net';
import { HEADER_VALUE } from '../../core/header-text.ts';
import type { ClientResponse } from '../exchange.ts';

type Event = 'drain' | 'finish' | 'close';
type Encoding = 'utf8' | 'latin1';

const ASCII = /^[\t\x20-\x7e]*$/;

/** A class, because there is one for each request, and it stands in for one of Node's. */
export class DirectResponse implements ClientResponse {
  readonly socket: Socket;
  shouldKeepAlive: boolean;
  statusCode = 200;
  headersSent = false;
  writableEnded = false;
  readonly #keepAliveSeconds: number;
  /** It is over, whether or not it was sent whole. */
  readonly #over: () => void;
  #head = '';
  #isChunked = false;
  /** The head so far. */
  #isAscii = true;
  /** Bytes of the body, where the head says so. */
  #length: number | undefined;
  #isOver = false;
  #listeners: { readonly event: Event; readonly tell: () => void }[] | undefined;

  constructor(socket: Socket, how: { readonly keepAlive: boolean; readonly keepAliveMs: number; readonly over: () => void }) {
    this.socket = socket;
    this.shouldKeepAlive = how.keepAlive;
    this.#keepAliveSeconds = Math.floor(how.keepAliveMs / 1000);
    this.#over = how.over;
  }

  /** Goes out with the first bytes of the body. */
  writeHead(status: number, headers: OutgoingHttpHeaders): void {
    if (this.headersSent) throw new Error('the head of this response has been written before');
    let head = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'Unknown'}\r\n`;
    for (const name in headers) {
      const value = String(headers[name]);
      if (!ASCII.test(value)) this.#isAscii = false;
      if (!this.#isAscii && !HEADER_VALUE.test(value)) throw new TypeError(`the header ${name} has a character that no header may have`);
      head += `${name}: ${value}\r\n`;
    }
    const length = headers['content-length'];
    this.#isChunked = length === undefined;
    this.#length = typeof length === 'number' ? length : undefined;
    if (this.#isChunked) head += 'transfer-encoding: chunked\r\n';
    this.#head = head + dateLine() + connectionLines(this.shouldKeepAlive, this.#keepAliveSeconds);
    // only now: what could not be written leaves room for another answer
    this.statusCode = status;
    this.headersSent = true;
  }

  write(text: string): boolean {
    // it would stand in the next answer
    if (this.writableEnded) throw new Error('this response has ended');
    return this.#send(this.#isChunked ? chunkOf(text, 'utf8') : text, 'utf8');
  }

  end(body: string | Buffer = ''): void {
    if (this.writableEnded) return;
    this.writableEnded = true;
    // as many bytes as characters: all are of ASCII, which is copied as it is
    const isAscii = this.#isAscii && body.length === this.#length;
    const encoding = typeof body === 'string' && !isAscii ? 'utf8' : 'latin1';
    const text = typeof body === 'string' ? body : body.toString('latin1');
    this.#send(this.#isChunked ? `${chunkOf(text, encoding)}0\r\n\r\n` : text, encoding);
    // what the system has taken at once needs no waiting for
    const { writable, writableLength } = this.socket;
    if (writableLength === 0 || !writable) return this.#finish(writable);
    this.socket.write('', (error) => this.#finish(!error));
  }

  once(event: Event, tell: () => void): void {
    if (event === 'drain') this.socket.once('drain', tell);
    else (this.#listeners ??= []).push({ event, tell });
  }

  off(event: Event, tell: () => void): void {
    if (event === 'drain') this.socket.off('drain', tell);
    else this.#listeners = this.#listeners?.filter((one) => one.event !== event || one.tell !== tell);
  }

  destroy(): void {
    this.socket.destroy();
  }

  /** For the connection: nobody reads any more. */
  closed(): void {
    this.#finish(false);
  }

  #send(text: string, encoding: Encoding): boolean {
    const whole = this.#head + text;
    this.#head = '';
    // the client may have ended its side: the answer is not for anybody then
    return !this.socket.writable || this.socket.write(whole, encoding);
  }

  #finish(sent: boolean): void {
    if (this.#isOver) return;
    this.#isOver = true;
    const listeners = this.#listeners ?? [];
    this.#listeners = undefined;
    // first: a request that has come meanwhile is under way before this one is known to be over
    this.#over();
    if (sent) for (const { event, tell } of listeners) if (event === 'finish') tell();
    for (const { event, tell } of listeners) if (event === 'close') tell();
  }
}

function chunkOf(text: string, encoding: Encoding): string {
  return text === '' ? '' : `${Buffer.byteLength(text, encoding).toString(16)}\r\n${text}\r\n`;
}

function connectionLines(keepAlive: boolean, seconds: number): string {
  return keepAlive ? `connection: keep-alive\r\nkeep-alive: timeout=${seconds}\r\n\r\n` : 'connection: close\r\n\r\n';
}

let datedAt = 0;
let dated = '';

/** Made once a second. */
function dateLine(): string {
  const second = Math.floor(Date.now() / 1000);
  if (second === datedAt) return dated;
  datedAt = second;
  dated = `date: ${new Date(second * 1000).toUTCString()}\r\n`;
  return dated;
}

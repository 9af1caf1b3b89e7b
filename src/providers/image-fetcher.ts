/** Gets images from the web for clients who may name any address: from public hosts only, and only so much. */
import { lookup as systemLookup } from 'node:dns';
import type { LookupAddress, LookupAllOptions } from 'node:dns';
import { isIP } from 'node:net';
import type { LookupFunction } from 'node:net';
import { following } from '../core/abort.ts';
import type { Signal } from '../core/abort.ts';
import { GatewayError } from '../core/error.ts';
import { exchange } from './exchange.ts';
import type { HttpAnswer } from './exchange.ts';
import { createClient } from './http1/client.ts';
import { isPublicAddress } from './private-address.ts';

type Resolve = (
  hostname: string,
  options: LookupAllOptions,
  callback: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
) => void;

export interface FetcherOptions {
  readonly userAgent: string;
  /** Addresses of this machine and network may be asked, at any port. */
  readonly allowPrivate?: boolean;
  /** For one image with all its redirects, in milliseconds; 20 s where none is given. */
  readonly timeoutMs?: number;
  /** Bytes of one image at most; 20 MiB where none is given. */
  readonly maxBytes?: number;
  /** Which addresses may be connected to, instead of the public ones, and at any port; for tests. */
  readonly mayConnect?: (address: string) => boolean;
  /** Instead of the system's; for tests. */
  readonly resolve?: Resolve;
}

export interface Image {
  readonly mime: string;
  readonly bytes: Buffer;
}

export interface FetchOptions {
  /** Where the client wrote the address, for messages. */
  readonly param: string;
  /** Called with each piece's length; throws where it is too much. */
  readonly take: (bytes: number) => void;
  readonly signal: Signal;
}

export interface ImageFetcher {
  /** A PNG, JPEG, GIF or WebP image. Rejects with the signal's reason or a GatewayError (400) that says why not. */
  get(url: string, options: FetchOptions): Promise<Image>;
  close(): Promise<void>;
}

const MIB = 1024 * 1024;
const MAX_REDIRECTS = 3;
/** Any host may be asked, and few are asked twice. */
const KEPT_MS = 4000;

/** One for all that cannot or may not be reached: a client shall not learn which hosts and ports there are inside. */
const UNREACHABLE = 'the address cannot be reached from this server, or may not be.';

export function createImageFetcher(options: FetcherOptions): ImageFetcher {
  const { userAgent, allowPrivate = false, timeoutMs = 20_000, maxBytes = 20 * MIB } = options;
  const mayConnect = options.mayConnect ?? (allowPrivate ? () => true : isPublicAddress);
  const lookup = checkedLookup(options.resolve ?? systemLookup, mayConnect);
  const transport = createClient({ lookup, mostKeptMs: KEPT_MS });

  /** Throws where the address may not be asked; names are checked when they are connected to. */
  function checked(text: string, base: string | undefined, no: Refusal): URL {
    const url = URL.canParse(text, base) ? new URL(text, base) : undefined;
    if (!url || !/^https?:$/.test(url.protocol)) throw no('its address is not an http or https URL.');
    if (url.username !== '' || url.password !== '') throw no('its address has a user name or password in it.');
    if (!allowPrivate && !['', '80', '443'].includes(url.port) && !options.mayConnect) throw no(UNREACHABLE);
    const host = url.hostname.replace(/^\[|\]$/g, '');
    if (isIP(host) !== 0 && !mayConnect(host)) throw no(UNREACHABLE);
    return url;
  }

  async function follow(text: string, no: Refusal, signal: Signal): Promise<HttpAnswer> {
    const headers = { 'user-agent': userAgent, accept: 'image/png,image/jpeg,image/webp,image/gif', 'accept-encoding': 'identity' };
    let url = checked(text, undefined, no);
    for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects += 1) {
      const answer = await exchange({ transport, url, method: 'GET', headers, connectMs: timeoutMs, headersMs: 0, idleMs: 0, signal });
      const { status } = answer;
      if (status === 200) return answer;
      answer.cancel();
      const to = answer.headers['location'];
      if (![301, 302, 303, 307, 308].includes(status) || to === undefined) throw no(`its server answers with status ${status}.`);
      url = checked(to, url.href, no);
    }
    throw no(`its address redirects more than ${MAX_REDIRECTS} times.`);
  }

  async function read(answer: HttpAnswer, no: Refusal, take: (bytes: number) => void): Promise<Image> {
    const tooLong = (): GatewayError => no(`it has more than ${maxBytes} bytes.`);
    try {
      if (Number(answer.headers['content-length'] ?? 0) > maxBytes) throw tooLong();
      const chunks: Uint8Array[] = [];
      let length = 0;
      for await (const chunk of answer.read()) {
        take(chunk.length);
        length += chunk.length;
        if (length > maxBytes) throw tooLong();
        chunks.push(chunk);
      }
      const bytes = Buffer.concat(chunks, length);
      const mime = imageType(bytes);
      if (mime === undefined) throw no('it is not a PNG, JPEG, GIF or WebP image.');
      return { mime, bytes };
    } finally {
      answer.cancel();
    }
  }

  return {
    async get(url, { param, take, signal }) {
      const no: Refusal = (why, cause) =>
        new GatewayError('invalid_value', `Invalid image at '${param}': ${why}`, { param, ...(cause === undefined ? {} : { cause }) });
      const { control, leave } = following(signal);
      let isLate = false;
      const deadline = setTimeout(() => {
        isLate = true;
        control.abort(new Error('it takes too long'));
      }, timeoutMs);
      try {
        const answer = await follow(url, no, control);
        return await read(answer, no, take);
      } catch (cause) {
        signal.throwIfAborted();
        if (isLate) throw no(`it could not be had within ${timeoutMs} ms.`, cause);
        if (cause instanceof GatewayError && !cause.kind.startsWith('upstream')) throw cause;
        throw no(UNREACHABLE, cause);
      } finally {
        clearTimeout(deadline);
        leave();
      }
    },
    close: () => transport.close(),
  };
}

type Refusal = (why: string, cause?: unknown) => GatewayError;

/** The addresses that are returned are those connected to: a name that changes its address between two looks gains nothing. */
function checkedLookup(resolve: Resolve, mayConnect: (address: string) => boolean): LookupFunction {
  return (hostname, options, callback) => {
    resolve(hostname, { ...options, all: true }, (error, addresses) => {
      const open = error ? [] : addresses.filter(({ address }) => mayConnect(address));
      const [first] = open;
      if (!first) {
        callback(error ?? new Error(`${hostname} has no address that may be connected to`), []);
        return;
      }
      if (options.all) callback(null, open);
      else callback(null, first.address, first.family);
    });
  };
}

/** By the first bytes, whatever the server calls it. SVG is text and a program, and is none of them. */
function imageType(bytes: Buffer): string | undefined {
  const starts = (hex: string): boolean => bytes.subarray(0, hex.length / 2).toString('hex') === hex;
  if (starts('89504e470d0a1a0a')) return 'image/png';
  if (starts('ffd8ff')) return 'image/jpeg';
  if (/^GIF8[79]a$/.test(bytes.toString('latin1', 0, 6))) return 'image/gif';
  return /^RIFF[^]{4}WEBP$/.test(bytes.toString('latin1', 0, 12)) ? 'image/webp' : undefined;
}

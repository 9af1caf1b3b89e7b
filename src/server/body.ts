/** From the bytes of a request body to JSON, or to a failure that says what is wrong with them. */
import { isUtf8 } from 'node:buffer';
import type { IncomingHttpHeaders } from 'node:http';
import type { Readable } from 'node:stream';
import { GatewayError } from '../core/error.ts';
import { BodyMemory, MESSAGES } from './body-memory.ts';
import type { KnownPart, Sender } from './body-memory.ts';
import { LARGE, outlineOf } from './body-outline.ts';

/** Refuses bodies that say they are something else than JSON in UTF-8. A body that says nothing is taken for JSON. */
export function checkMedia(headers: IncomingHttpHeaders): GatewayError | undefined {
  const encoding = headers['content-encoding'];
  if (encoding !== undefined && encoding.toLowerCase() !== 'identity') {
    return new GatewayError(
      'unsupported_media_type',
      'Compressed request bodies are not supported: send the body without Content-Encoding.',
    );
  }
  const type = headers['content-type'];
  if (type === undefined || isJson(type)) return undefined;
  return new GatewayError('unsupported_media_type', 'The Content-Type must be application/json, in UTF-8.');
}

function isJson(contentType: string): boolean {
  const [media = '', ...parameters] = contentType.toLowerCase().split(';');
  if (!/^application\/([\w.-]+\+)?json$/.test(media.trim())) return false;
  return parameters.every((parameter) => !parameter.trim().startsWith('charset=') || /^charset="?utf-?8"?$/.test(parameter.trim()));
}

export interface BodySize {
  /** What Content-Length says; NaN where there is none. */
  readonly length: number;
  readonly limit: number;
}

/** Collects a body. Told `request_too_large` as soon as it is, and `bad_request` where Content-Length lied. */
export function readBody(payload: Readable, { length, limit }: BodySize, done: (error: Error | null, body?: Buffer) => void): void {
  const tooLarge = (): GatewayError =>
    new GatewayError('request_too_large', `The request body is larger than this server takes: ${limit} bytes.`);
  if (length > limit) return done(tooLarge());
  const pieces: Buffer[] = [];
  let received = 0;
  const settle = (error: Error | null, body?: Buffer): void => {
    payload.off('data', onData).off('end', onEnd).off('error', settle);
    done(error, body);
  };
  const onData = (piece: Buffer): void => {
    received += piece.length;
    if (received > limit) return settle(tooLarge());
    pieces.push(piece);
  };
  const onEnd = (): void => {
    if (!Number.isNaN(length) && received !== length) {
      return settle(new GatewayError('bad_request', 'The request body is not as long as Content-Length says.'));
    }
    settle(null, pieces.length === 1 ? pieces[0] : Buffer.concat(pieces, received));
  };
  payload.on('data', onData).on('end', onEnd).on('error', settle);
}

export interface ParsedBody {
  readonly value: unknown;
  /** Where it is an object: its large fields as they were written, by name. */
  readonly written: ReadonlyMap<string, Uint8Array> | undefined;
}

/** The value of a JSON body nested at most `depth` deep. Throws `invalid_json`. */
export function parseJson(body: Buffer | undefined, depth: number): unknown {
  return parseBody(body, depth).value;
}

/** The same, with what need not be written again to be sent on. */
export function parseBody(body: Buffer | undefined, depth: number, sender?: Sender): ParsedBody {
  if (!body || body.length === 0) throw invalid('The request body is empty: a JSON object is expected.');
  if (!isUtf8(body)) throw invalid('The request body is not valid UTF-8.');
  const bytes = body[0] === 0xef && body[1] === 0xbb && body[2] === 0xbf ? body.subarray(3) : body;
  const text = bytes.toString('utf8');
  const byteAt = placesInBytes(text, bytes);
  // nothing is known of what is small
  const memory = sender && bytes.length >= LARGE ? new BodyMemory({ text, bytes, byteAt }, sender, depth) : undefined;
  const outline = outlineOf(text, depth, memory && { knownUpTo: (name, from) => memory.knownUpTo(name, from), commasOf: MESSAGES });
  if (!outline) throw invalid(`The request body is nested more than ${depth} levels deep.`);
  const { places } = outline;
  if (places.size === 0) return { value: parse(text), written: undefined };
  const written = new Map<string, Uint8Array>();
  for (const [name, { from, to }] of places) written.set(name, bytes.subarray(byteAt(from), byteAt(to)));
  if (!memory) return { value: parse(text), written };
  const value = parseWithout(text, memory.parts(outline)) ?? parse(text);
  memory.keep(value as Readonly<Record<string, unknown>>, outline);
  return { value, written };
}

/** The value, without that what is known is parsed again; undefined where nothing is, and where what is wrong has to be told of the whole. */
function parseWithout(text: string, known: readonly KnownPart[]): object | undefined {
  if (known.length === 0) return undefined;
  let shorter = '';
  let at = 0;
  for (const { from, to, instead } of known) {
    shorter += text.slice(at, from) + instead;
    at = to;
  }
  try {
    const value = JSON.parse(shorter + text.slice(at)) as Record<string, unknown>;
    for (const { complete } of known) complete(value);
    return value;
  } catch {
    return undefined;
  }
}

function parse(text: string): object {
  try {
    return JSON.parse(text) as object;
  } catch (cause) {
    throw invalid(`The request body is not valid JSON: ${reasonOf(cause)}.`, cause);
  }
}

/** Which byte a character is: the same, where all of them are one byte each. */
function placesInBytes(text: string, { length }: Buffer): (at: number) => number {
  return text.length === length ? (at) => at : (at) => Buffer.byteLength(text.slice(0, at));
}

function invalid(message: string, cause?: unknown): GatewayError {
  return new GatewayError('invalid_json', message, { cause });
}

/** The parser's own words, which quote a few characters of the client's body back to the client. */
function reasonOf(cause: unknown): string {
  return cause instanceof Error ? cause.message.slice(0, 200) : 'it cannot be parsed';
}

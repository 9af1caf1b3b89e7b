/**
 * Real answers of providers, kept outside the project, put through a wire as a server would: in reads of 1 byte, 7 bytes
 * and whole, to the frames that a client gets, judged by the oracle.
 */
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { EventStreamCodec } from '@smithy/eventstream-codec';
import type { ChatRequest, ChatResponse } from '../../src/core/chat.ts';
import { GatewayError } from '../../src/core/error.ts';
import { createFolder } from '../../src/core/event.ts';
import type { ChatEvent } from '../../src/core/event.ts';
import { unfold } from '../../src/core/unfold.ts';
import { createSseReader } from '../../src/protocols/framing/sse.ts';
import type { FrameReader } from '../../src/protocols/framing/sse.ts';
import { encodeResponse } from '../../src/protocols/openai-chat/response.ts';
import { createStreamEncoder } from '../../src/protocols/openai-chat/stream.ts';
import type { Frame, Prepared } from '../../src/protocols/wire.ts';
import { asRead, framesOf, loadOracle, outside, readBack } from './openai-chat.ts';

const root = outside('fixtures/recorded');
const oracle = await loadOracle();

/** Whether both recordings and oracle are there; tests that need them skip with `WHY_NOT` where not. */
export const haveRecordings = root !== undefined && oracle !== undefined;
export const WHY_NOT = 'no ../shared/fixtures or ../shared/oracle on this machine';

/** Names of the recordings of `groq/main`, say: `groq-text.json`, `groq-text.chunks.txt`. Empty where there are none. */
export function recordingsOf(folder: string): readonly string[] {
  return root === undefined ? [] : readdirSync(join(root, folder)).toSorted();
}

export function readRecording(folder: string, name: string): string {
  assert.ok(root, WHY_NOT);
  return readFileSync(join(root, folder, name), 'utf8');
}

/** The events of a `.chunks.txt`, parsed. */
export function recordedEvents(folder: string, name: string): unknown[] {
  const lines = readRecording(folder, name).split('\n');
  return lines.filter((line) => line.trim() !== '').map((line): unknown => JSON.parse(line));
}

/** How the lines of a `.chunks.txt` were framed on the wire. */
export type Envelope = 'data' | 'data-done' | 'event-data' | 'aws';

const utf8 = new TextEncoder();

/** The bytes as the provider sent them. `aws`: each line is `{"contentBlockDelta": {…}}`, the name and what it holds. */
export function framed(lines: readonly unknown[], envelope: Envelope): Uint8Array {
  if (envelope === 'aws') return Buffer.concat(lines.map(awsFrame));
  const frames = lines.map((line) => {
    const name = envelope === 'event-data' ? `event: ${String((line as { type?: unknown }).type)}\n` : '';
    return `${name}data: ${JSON.stringify(line)}\n\n`;
  });
  if (envelope === 'data-done') frames.push('data: [DONE]\n\n');
  return utf8.encode(frames.join(''));
}

const codec = new EventStreamCodec(
  (bytes) => Buffer.from(bytes as Uint8Array).toString('utf8'),
  (text) => utf8.encode(text),
);

function awsFrame(line: unknown): Uint8Array {
  const [[type, payload] = ['', {}]] = Object.entries(line as Record<string, unknown>);
  const header = (value: string) => ({ type: 'string' as const, value });
  return codec.encode({
    headers: { ':event-type': header(type), ':content-type': header('application/json'), ':message-type': header('event') },
    body: utf8.encode(JSON.stringify(payload)),
  });
}

/** What a client got of one recording. */
export interface Judged {
  /** As `readBack` and `asRead` of openai-chat.ts say it: one for each choice. */
  readonly choices: readonly { message: Record<string, unknown>; finish_reason: string | null; tokens: unknown[] }[];
  readonly usage: Record<string, unknown> | undefined;
  readonly response: ChatResponse;
  readonly violations: readonly string[];
}

const throughSteps = (prepared: Prepared): ((events: readonly ChatEvent[]) => readonly ChatEvent[]) => {
  const steps = prepared.reshape.map((make) => make());
  return (events) => steps.reduce((now, step) => step.push(now), events);
};

/** A whole answer: parsed, reshaped, encoded, judged. `usage: false` where the recording holds none. */
export function judgeWhole(body: unknown, { prepared, request }: { prepared: Prepared; request: ChatRequest }): Judged {
  const { response: answered, raw } = prepared.response(body);
  const folder = createFolder();
  folder.push(throughSteps(prepared)(unfold(answered)));
  const response = folder.end();
  const encoded: unknown = raw === undefined ? JSON.parse(JSON.stringify(encodeResponse(response, request))) : JSON.parse(raw);
  const violations = oracle?.checkCompletion(encoded, { n: response.choices.length }) ?? [];
  const usage = (encoded as { usage?: Record<string, unknown> }).usage;
  return { choices: asRead(encoded) as Judged['choices'], usage, response, violations };
}

export interface Streamed {
  /** A new reader of the envelope; server-sent events where it is left out. */
  readonly reader?: () => FrameReader;
  /** A fresh one each time it is called. */
  readonly prepare: () => Prepared;
  readonly request: ChatRequest;
}

/**
 * A stream, in reads of 1 byte, 7 bytes and whole, each judged; the three must say the same. Violations of all are
 * joined. Throws the GatewayError that ended it, where one did.
 */
export function judgeStream(bytes: Uint8Array, { reader = createSseReader, prepare, request }: Streamed): Judged {
  const all = [1, 7, bytes.length].map((size) => judgeReads(bytes, size, { reader, prepare, request }));
  const [first, ...others] = all;
  assert.ok(first);
  for (const other of others) {
    assert.deepEqual(other.choices, first.choices, 'the split of the bytes changes what is said');
    assert.deepEqual(other.usage, first.usage, 'the split of the bytes changes the usage');
  }
  return { ...first, violations: all.flatMap(({ violations }) => violations) };
}

function judgeReads(bytes: Uint8Array, size: number, { reader, prepare, request }: Required<Streamed>): Judged {
  const frames = reader();
  const prepared = prepare();
  const decoder = prepared.decoder();
  const steps = throughSteps(prepared);
  const encoder = createStreamEncoder(request);
  const folder = createFolder();
  let text = '';
  const take = (batch: { readonly events: readonly ChatEvent[]; readonly raw?: string }): void => {
    const events = steps(batch.events);
    folder.push(events);
    text += batch.raw === undefined ? encoder.push(events) : encoder.pass(events, batch.raw);
  };
  const read = (list: readonly Frame[]): void => {
    for (const frame of list) take(decoder.push(frame));
  };
  for (let at = 0; at < bytes.length; at += size) read(frames.push(bytes.subarray(at, at + size)));
  read(frames.end());
  take(decoder.end());
  text += encoder.end();
  const response = folder.end();
  const violations = oracle?.checkStream(text, { n: response.choices.length, includeUsage: request.includeUsage }) ?? [];
  const { chunks } = framesOf(text);
  const usage = chunks.at(-1)?.usage as Record<string, unknown> | undefined;
  return { choices: readBack(chunks) as Judged['choices'], usage, response, violations };
}

/** The error that reading a recording ends in; fails where it ends well. */
export function errorOf(read: () => unknown): GatewayError {
  try {
    read();
  } catch (error) {
    assert.ok(error instanceof GatewayError, String(error));
    return error;
  }
  return assert.fail('it was read without an error');
}

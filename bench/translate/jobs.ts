/** What is measured: for each wire the way of streams, of whole answers and of requests, and the bare parse beside it. */
import { wholeText } from '../../src/core/json-pieces.ts';
import type { GatewayError } from '../../src/core/error.ts';
import { createFolder } from '../../src/core/event.ts';
import { unfold } from '../../src/core/unfold.ts';
import { parseChatRequest } from '../../src/protocols/openai-chat/accept.ts';
import { encodeResponse } from '../../src/protocols/openai-chat/response.ts';
import { createStreamEncoder } from '../../src/protocols/openai-chat/stream.ts';
import { readBatches, reshaper } from '../../src/providers/remote/read-answer.ts';
import { parseEvents } from './bare.ts';
import { answerOf } from './content.ts';
import type { Kind, Said } from './content.ts';
import { ASKED, LONG, SMALL, STREAMED } from './requests.ts';
import type { Candidate } from './wires.ts';

export interface Job {
  /** Units of one run: events of a stream; 1 of an answer, of a request. */
  readonly units: number;
  /** Bytes of one run. */
  readonly bytes: number;
  run(): void | Promise<void>;
}

/** A way of ours, and the bare parse of the same bytes. */
export interface Pair {
  readonly table: 'stream' | 'whole' | 'request';
  readonly wire: string;
  readonly what: string;
  /** Microseconds that a unit may cost, where there is an aim. */
  readonly aim: number | undefined;
  readonly ours: Job;
  readonly bare: Job;
  /** What the client gets or the provider is sent; for `checkPair`. */
  output(): Promise<string> | string;
  readonly said: Said | undefined;
}

/** Reads of a network: what one packet of Ethernet holds, and what a socket gives at most. */
export const READS: readonly (readonly [name: string, bytes: number])[] = [
  ['1.4 KB', 1400],
  ['64 KB', 65_536],
];
export const KINDS: readonly (readonly [Kind, string])[] = [
  ['text', 'text'],
  ['mixed', 'reasoning, text and 2 calls'],
];
export const BODIES: readonly (readonly [name: string, body: string])[] = [
  ['small', SMALL],
  ['long', LONG],
];

/** Where frames and bodies are written as bytes, as a socket does: text that is only joined on paper has cost nothing yet. */
const socket = Buffer.allocUnsafe(4 * 1024 * 1024);
const write = (text: string): void => void socket.write(text);

const unchanged = (error: GatewayError): GatewayError => error;

function cut(bytes: Uint8Array, size: number): readonly Uint8Array[] {
  return Array.from({ length: Math.ceil(bytes.length / size) }, (_, at) => bytes.subarray(at * size, (at + 1) * size));
}

async function* asRead(reads: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* reads;
}

function streamPair(candidate: Candidate, [kind, what]: (typeof KINDS)[number], [readName, size]: (typeof READS)[number]): Pair {
  const { name, form, aim, asks } = candidate;
  const said = answerOf(kind, form.words);
  const events = form.stream(said);
  const all = Buffer.concat(events);
  const reads = cut(all, size);
  const request = parseChatRequest({ ...ASKED, ...STREAMED, ...asks }, { strict: false });
  const prepared = candidate.prepare(request);
  const each = async (take: (frames: string) => void): Promise<void> => {
    const encoder = createStreamEncoder(request);
    for await (const { events: now, raw } of readBatches(prepared, asRead(reads), unchanged)) {
      take(raw === undefined ? encoder.push(now) : encoder.pass(now, raw));
    }
    take(encoder.end());
  };
  const measured = { units: events.length, bytes: all.length };
  return {
    table: 'stream',
    wire: name,
    what: `${what}, reads of ${readName}`,
    aim,
    said,
    ours: { ...measured, run: () => each(write) },
    bare: { ...measured, run: () => void parseEvents[form.framing](reads) },
    async output() {
      let frames = '';
      await each((more) => void (frames += more));
      return frames;
    },
  };
}

function wholePair(candidate: Candidate, [kind, what]: (typeof KINDS)[number]): Pair {
  const { name, form, asks } = candidate;
  const said = answerOf(kind, 1);
  const text = JSON.stringify(form.whole(said));
  const request = parseChatRequest({ ...ASKED, ...asks }, { strict: false });
  const prepared = candidate.prepare(request);
  const answer = (): string => {
    const { response, raw } = prepared.response(JSON.parse(text));
    if (raw !== undefined) return raw;
    if (prepared.reshape.length === 0) return JSON.stringify(encodeResponse(response, request));
    const folder = createFolder();
    folder.push(reshaper(prepared)(unfold(response)));
    return JSON.stringify(encodeResponse(folder.end(), request));
  };
  const size = { units: 1, bytes: Buffer.byteLength(text) };
  return {
    table: 'whole',
    wire: name,
    what,
    aim: undefined,
    said,
    ours: { ...size, run: () => write(answer()) },
    bare: { ...size, run: () => void JSON.parse(text) },
    output: answer,
  };
}

function requestPair(candidate: Candidate, [what, body]: (typeof BODIES)[number]): Pair {
  const { asks } = candidate;
  const text = asks ? JSON.stringify({ ...(JSON.parse(body) as object), ...asks }) : body;
  const prepare = (): string => wholeText(candidate.prepare(parseChatRequest(JSON.parse(text), { strict: false })).call.body);
  const size = { units: 1, bytes: Buffer.byteLength(text) };
  return {
    table: 'request',
    wire: candidate.name,
    what,
    aim: undefined,
    said: undefined,
    ours: { ...size, run: () => write(prepare()) },
    bare: { ...size, run: () => write(JSON.stringify(JSON.parse(text))) },
    output: prepare,
  };
}

export function pairsOf(candidate: Candidate): readonly Pair[] {
  return [
    ...KINDS.flatMap((kind) => READS.map((read) => streamPair(candidate, kind, read))),
    ...KINDS.map((kind) => wholePair(candidate, kind)),
    ...BODIES.map((body) => requestPair(candidate, body)),
  ];
}

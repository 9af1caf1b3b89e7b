/** A Reply on its way to the client: whole, or as a stream of server-sent events. */
import { unlessAborted } from '../core/abort.ts';
import type { Call, Handler, Reply } from '../core/call.ts';
import type { ChatResponse } from '../core/chat.ts';
import type { ServerSettings } from '../config/settings.ts';
import { GatewayError } from '../core/error.ts';
import { fold } from '../core/event.ts';
import type { Batch, ChatEvent } from '../core/event.ts';
import { createGaps, noteGap } from '../core/gaps.ts';
import { unfold } from '../core/unfold.ts';
import { watched } from '../core/watched.ts';
import { encodeResponse } from '../protocols/openai-chat/response.ts';
import { createStreamEncoder } from '../protocols/openai-chat/stream.ts';
import { answer, answerError, commonHeaders, noteError, watchReader } from './answer.ts';
import type { Exchange } from './exchange.ts';

export interface Sending {
  readonly exchange: Exchange;
  readonly call: Call;
  readonly handler: Handler;
  readonly settings: ServerSettings;
}

/** Answers with one JSON body. Throws what the handler throws. */
export async function sendWhole({ exchange, call, handler, settings }: Sending): Promise<void> {
  const reply = await unlessAborted(handler(call), call.signal);
  const response = reply.kind === 'full' ? reply.response : await unlessAborted(fold(observed(exchange, reply.batches)), call.signal);
  noteResponse(exchange, response);
  const raw = reply.kind === 'full' ? reply.raw : undefined;
  answer(exchange, settings, {
    status: 200,
    headers: ignoredHeader(reply.ignored),
    body: raw ?? JSON.stringify(encodeResponse(response, call.request)),
  });
}

/**
 * Answers with a stream. What fails before its first frame is answered with a status; what fails later, the client's
 * absence included, ends the stream with an error frame.
 */
export async function sendStream({ exchange, call, handler, settings }: Sending): Promise<void> {
  const { signal } = call;
  const encoder = createStreamEncoder(call.request);
  const stream = openStream(exchange, settings);
  const run = async (): Promise<void> => {
    const reply = await handler(call);
    const ignored = ignoredHeader(reply.ignored);
    // a comment line went out first, and the head with it: what it should have said is said in another one
    if (stream.hasBegun()) for (const [name, value] of Object.entries(ignored)) await stream.write(`: ${name}: ${value}\n\n`, {});
    for await (const batch of batchesOf(reply)) {
      if (signal.aborted) return;
      note(exchange, batch.events);
      const failed = batch.events.find((event) => event.type === 'error');
      if (failed && !stream.hasBegun()) throw failed.error;
      const frames = batch.raw === undefined ? encoder.push(batch.events) : encoder.pass(batch.events, batch.raw);
      if (frames !== '') await stream.write(frames, ignored);
      if (failed) break;
    }
    const rest = encoder.end();
    if (rest === '') return;
    noteError(exchange, new GatewayError('upstream', 'The model stopped before the end of its answer.'));
    await stream.write(rest, ignored);
  };
  try {
    await unlessAborted(run(), signal);
  } catch (cause) {
    // the reason of an abort says more than what the abort broke
    const error = noteError(exchange, signal.aborted ? signal.reason : cause);
    if (!stream.hasBegun()) return answerError(exchange, settings, error);
    await stream.write(encoder.push([{ type: 'error', error }]), {});
  } finally {
    stream.end();
  }
}

function batchesOf(reply: Reply): AsyncIterable<Batch> | Iterable<Batch> {
  return reply.kind === 'stream' ? reply.batches : [{ events: unfold(reply.response) }];
}

interface EventStream {
  /** Sends frames, after the head where they are the first. Resolves when there is room for more, or nobody left to read. */
  write(frames: string, headers: Readonly<Record<string, string>>): Promise<void>;
  hasBegun(): boolean;
  end(): void;
}

function openStream(exchange: Exchange, settings: ServerSettings): EventStream {
  const { response } = exchange;
  let begun = false;
  let blocked = false;

  const begin = (headers: Readonly<Record<string, string>>): void => {
    begun = true;
    response.writeHead(200, {
      ...commonHeaders(exchange, settings),
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-cache, no-transform',
      'x-accel-buffering': 'no',
      ...headers,
    });
  };
  const beat = (): void => {
    if (exchange.isOver()) return;
    if (!begun) begin({});
    if (!blocked) response.write(': ping\n\n');
    ping?.refresh();
  };
  const ping = settings.pingMs > 0 ? setTimeout(beat, settings.pingMs).unref() : undefined;

  return {
    async write(frames, headers) {
      if (exchange.isOver() || response.writableEnded) return;
      if (!begun) begin(headers);
      ping?.refresh();
      if (response.write(frames)) return;
      blocked = true;
      await roomToWrite(exchange, settings.writeTimeoutMs);
      blocked = false;
    },
    hasBegun: () => begun,
    end() {
      clearTimeout(ping);
      if (!begun || exchange.isOver()) return;
      const settle = watchReader(exchange, settings.writeTimeoutMs);
      response.once('close', settle);
      response.end();
    },
  };
}

/** Until what was written has gone out, or the exchange is given up. A client that reads nothing for so long is cut off. */
export function roomToWrite(exchange: Exchange, timeoutMs: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const signal = exchange.signal();
  const settle = watchReader(exchange, timeoutMs);
  const done = (): void => {
    settle();
    exchange.response.off('drain', done);
    signal.removeEventListener('abort', done);
    resolve();
  };
  exchange.response.once('drain', done);
  signal.addEventListener('abort', done, { once: true });
  if (signal.aborted) done();
  return promise;
}

/** The same batches, noted for the log as they pass. */
function observed(exchange: Exchange, batches: AsyncIterable<Batch>): AsyncIterable<Batch> {
  return watched(batches, {
    pass(batch) {
      note(exchange, batch.events);
      return batch;
    },
  });
}

function note({ facts }: Exchange, events: readonly ChatEvent[]): void {
  let grew = false;
  for (const event of events) {
    if (event.type === 'block_delta') grew = true;
    if (event.type === 'usage') facts.usage = event.usage;
    if (event.type === 'finish') facts.finishReasons = [...(facts.finishReasons ?? []), event.reason];
    if (event.type === 'error') facts.error ??= event.error;
  }
  if (!grew) return;
  const now = performance.now();
  facts.firstTokenAt ??= now;
  if (facts.gaps) noteGap(facts.gaps, now);
  else facts.gaps = createGaps(now);
}

function noteResponse({ facts }: Exchange, response: ChatResponse): void {
  facts.finishReasons = response.choices.map((choice) => choice.reason);
  if (response.usage) facts.usage = response.usage;
}

const LONGEST_HEADER = 2000;

/** Names the request's fields that had no effect; beyond 2,000 bytes, how many more there are. */
function ignoredHeader(ignored: readonly string[]): Record<string, string> {
  if (ignored.length === 0) return {};
  const names: string[] = [];
  let length = 0;
  for (const name of ignored) {
    const safe = name.toWellFormed().replace(/[^\w.[\]-]/gu, encodeURIComponent);
    length += safe.length + 2;
    if (length > LONGEST_HEADER) break;
    names.push(safe);
  }
  const more = ignored.length - names.length;
  if (more > 0) names.push(`...+${more}`);
  return { 'x-parlance-ignored-params': names.join(', ') };
}

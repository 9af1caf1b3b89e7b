/** From the bytes of a provider's answer to the batches of a reply. One loop of push decoders, no chain of generators. */
import { GatewayError, toGatewayError } from '../../core/error.ts';
import { isOver } from '../../core/event.ts';
import type { Batch, ChatEvent } from '../../core/event.ts';
import { unfold } from '../../core/unfold.ts';
import { createAwsEventStreamReader } from '../../protocols/framing/aws-eventstream.ts';
import { createSseReader } from '../../protocols/framing/sse.ts';
import type { FrameReader } from '../../protocols/framing/sse.ts';
import type { Frame, Prepared } from '../../protocols/wire.ts';
import type { Bytes } from '../exchange.ts';
import { createForeign, wholeOf } from './foreign-body.ts';

const READERS: Readonly<Record<Prepared['framing'], () => FrameReader>> = {
  sse: createSseReader,
  'aws-eventstream': createAwsEventStreamReader,
};

/** The steps of a request's `reshape` as one function, with state of its own. */
export function reshaper(prepared: Prepared): (events: readonly ChatEvent[]) => readonly ChatEvent[] {
  const steps = prepared.reshape.map((make) => make());
  return (events) => steps.reduce((now, step) => step.push(now), events);
}

/** Does the client see something of this? What comes before may still be taken back. */
function isOutput(event: ChatEvent): boolean {
  switch (event.type) {
    case 'block_delta':
      return event.text !== '';
    case 'block_start':
      return event.of.type === 'tool_call';
    case 'speech_delta':
    case 'annotations':
    case 'finish':
    case 'end':
      return true;
    default:
      return false;
  }
}

/**
 * The batches of a streamed answer, one for each read of bytes. Raw frames pass where the decoder gives them and no step
 * reshapes the answer; then all of the stream is raw, but for an error. Ends after the `end` or `error` event; whatever
 * breaks the reading is the last batch's `error`.
 */
export async function* readBatches(
  prepared: Prepared,
  bytes: Bytes,
  scrub: (error: GatewayError) => GatewayError,
): AsyncGenerator<Batch, undefined> {
  const frames = READERS[prepared.framing]();
  const decoder = prepared.decoder();
  const reshape = reshaper(prepared);
  const mayPass = prepared.reshape.length === 0;
  const foreign = createForeign();
  let passing = false;

  try {
    for await (const chunk of bytes) {
      const list = frames.push(chunk);
      foreign.see(chunk, list.length);
      const batch = decodeAll(list);
      if (batch.events.length > 0 || batch.raw) yield batch;
      if (isOver(batch.events)) {
        if (batch.events.at(-1)?.type === 'end') bytes.finish?.();
        return;
      }
    }
    const left = frames.end();
    const page = left.length === 0 && prepared.framing === 'sse' ? foreign.page() : undefined;
    if (page !== undefined) {
      yield { events: reshape(unfold(wholeOf(prepared, page))) };
      return;
    }
    const rest = decodeAll(left);
    if (rest.events.length > 0 || rest.raw) yield rest;
    if (isOver(rest.events)) return;
    const last: ChatEvent[] = [];
    const raw = take(decoder.end(), last);
    yield passing ? { events: last, raw } : { events: last };
  } catch (cause) {
    yield { events: [{ type: 'error', error: scrub(toGatewayError(cause)) }] };
  }

  /** A frame that a raw stream leaves out (usage that nobody asked for) has events and no raw text. */
  function decodeAll(list: readonly Frame[]): Batch {
    const events: ChatEvent[] = [];
    let raw = '';
    for (const frame of list) {
      raw += take(decoder.push(frame), events);
      if (isOver(events)) break;
    }
    return passing ? { events, raw } : { events };
  }

  /** Adds the batch's events; gives its raw text, '' where it has none. */
  function take(batch: Batch, events: ChatEvent[]): string {
    for (const event of reshape(batch.events)) events.push(event.type === 'error' ? { type: 'error', error: scrub(event.error) } : event);
    if (batch.raw === undefined) return '';
    passing ||= mayPass;
    return batch.raw;
  }
}

/**
 * The same batches, once the first of them that a client sees something of is there. Rejects with the error of a stream
 * that fails before: such a failure still has a status of its own, and another target may take over.
 */
export async function fromFirstOutput(batches: AsyncGenerator<Batch, undefined>): Promise<AsyncIterable<Batch>> {
  const held: Batch[] = [];
  for (;;) {
    const result: IteratorResult<Batch, undefined> = await batches.next();
    if (result.done === true) throw new GatewayError('upstream', 'The provider stopped before the first word of its answer.');
    const { value } = result;
    const failed = value.events.find((event) => event.type === 'error');
    if (failed) {
      await batches.return(undefined);
      throw failed.error;
    }
    held.push(value);
    if (value.events.some(isOutput)) break;
  }
  return {
    [Symbol.asyncIterator]: () => ({
      async next() {
        const first = held.shift();
        return first ? { done: false, value: first } : batches.next();
      },
      async return() {
        held.length = 0;
        return batches.return(undefined);
      },
    }),
  };
}

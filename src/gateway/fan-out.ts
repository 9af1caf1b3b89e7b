/** One stream for several readers, each at its own pace. */
import type { Signal } from '../core/abort.ts';
import { GatewayError, toGatewayError } from '../core/error.ts';
import type { Batch } from '../core/event.ts';
import { bytesOf } from './recording.ts';

export interface FanOutOptions {
  /** Bytes that are kept for those who come later or read slower. */
  readonly limit: number;
  /** Takes memory, and gives it back with a negative number; false where there is none left. */
  readonly hold: (bytes: number) => boolean;
  /** Nobody may enter any more: the beginning is no longer there, or all is over. Called once. */
  readonly closed: () => void;
  /** The last reader left before the end; the reason is why. */
  readonly abandoned: (reason: GatewayError) => void;
}

export interface Reader {
  readonly batches: AsyncIterable<Batch>;
  /** Wants no more. Does nothing the second time. */
  leave(): void;
}

export interface FanOut {
  /** A reader of the whole stream, until it is closed. The signal makes it leave. */
  enter(signal: Signal): Reader;
  /** The stream is here. Nothing of it is asked for before a reader wants it. */
  start(batches: AsyncIterable<Batch>): void;
  /** There is no stream. */
  end(): void;
}

interface Place {
  /** The number of the next batch, counted from the stream's first. */
  at: number;
  state: 'reads' | 'left' | 'too slow';
}

interface Kept {
  readonly batch: Batch;
  readonly bytes: number;
  /** What of it was taken by `hold`. */
  readonly held: number;
}

/** A batch's objects, beside its text. */
const BATCH_OVERHEAD = 128;

/**
 * The stream is read as fast as its fastest reader wants it, within limits. Where the oldest reader is behind by more than
 * what may be kept, the others wait for it, so that it has its own pace as if it were alone. Any other that falls
 * behind so far gets an error.
 */
export function createFanOut({ limit, hold, closed, abandoned }: FanOutOptions): FanOut {
  /** In the order of their coming. */
  const readers = new Set<Place>();
  const kept: Kept[] = [];
  /** The number of the first one kept. */
  let first = 0;
  let bytes = 0;
  let isOpen = true;
  let source: AsyncIterator<Batch> | undefined;
  let over: { readonly cause?: unknown } | undefined;
  let pulling = false;
  let stalled = false;
  let news = Promise.withResolvers<void>();

  const tell = (): void => {
    stalled = false;
    news.resolve();
    news = Promise.withResolvers();
  };
  /** Forgets what every reader has; as long as others may come, they need it all. */
  const trim = (): void => {
    if (isOpen) return;
    let needed = first + kept.length;
    for (const { at } of readers) needed = Math.min(needed, at);
    if (needed === first) return;
    for (const gone of kept.splice(0, needed - first)) {
      bytes -= gone.bytes;
      hold(-gone.held);
    }
    first = needed;
  };
  const close = (): void => {
    if (!isOpen) return;
    isOpen = false;
    closed();
    trim();
  };
  const finish = (how: { readonly cause?: unknown }): void => {
    over ??= how;
    close();
    tell();
  };

  /** Is there room for one more batch? Lets slow readers go where that makes room. */
  const hasRoom = (): boolean => {
    if (bytes < limit) return true;
    close();
    const [oldest] = readers;
    for (const place of [...readers].toSorted((a, b) => a.at - b.at)) {
      if (bytes < limit) return true;
      if (!oldest || place.at >= oldest.at) return false;
      place.state = 'too slow';
      readers.delete(place);
      trim();
    }
    return bytes < limit;
  };
  const keep = (batch: Batch): void => {
    const size = bytesOf(batch.events) + (batch.raw?.length ?? 0) + BATCH_OVERHEAD;
    const held = hold(size);
    kept.push({ batch, bytes: size, held: held ? size : 0 });
    bytes += size;
    if (!held) close();
  };
  const pull = async (from: AsyncIterator<Batch>): Promise<void> => {
    if (pulling || over) return;
    if (!hasRoom()) {
      stalled = true;
      return;
    }
    pulling = true;
    try {
      const result = await from.next();
      if (result.done === true) finish({});
      else if (!over) keep(result.value);
    } catch (cause) {
      finish({ cause });
    } finally {
      pulling = false;
      tell();
    }
  };
  const giveUp = (reason: GatewayError): void => {
    finish({});
    abandoned(reason);
    if (source) dismiss(source);
  };

  return {
    enter(signal) {
      const place: Place = { at: 0, state: 'reads' };
      readers.add(place);
      const leave = (reason: GatewayError): void => {
        signal.removeEventListener('abort', gone);
        if (place.state !== 'reads') return;
        place.state = 'left';
        readers.delete(place);
        if (readers.size === 0 && !over) return giveUp(reason);
        trim();
        tell();
      };
      const gone = (): void => leave(toGatewayError(signal.reason));
      if (signal.aborted) gone();
      else signal.addEventListener('abort', gone, { once: true });

      const next = async (): Promise<IteratorResult<Batch, undefined>> => {
        for (;;) {
          if (place.state === 'left') return { done: true, value: undefined };
          if (place.state === 'too slow') {
            leave(UNWANTED);
            throw new GatewayError('overloaded', 'The answer is shared with a faster reader, and this one fell too far behind.');
          }
          const here = kept[place.at - first];
          if (here) {
            place.at++;
            trim();
            if (stalled) tell();
            return { done: false, value: here.batch };
          }
          if (over) {
            leave(UNWANTED);
            if ('cause' in over) throw over.cause;
            return { done: true, value: undefined };
          }
          const heard = news.promise;
          if (source) void pull(source);
          await heard;
        }
      };
      const batches: AsyncIterable<Batch> = {
        [Symbol.asyncIterator]: () => ({
          next,
          async return() {
            leave(UNWANTED);
            return { done: true, value: undefined };
          },
        }),
      };
      return { batches, leave: () => leave(UNWANTED) };
    },
    start(batches) {
      const iterator = batches[Symbol.asyncIterator]();
      if (over) return dismiss(iterator);
      source = iterator;
      tell();
    },
    end: () => finish({}),
  };
}

const UNWANTED = new GatewayError('cancelled', 'The rest of the answer is not wanted.');

/** Nobody waits for it, and what it fails with is nobody's concern: the readers have left. */
function dismiss(iterator: AsyncIterator<Batch>): void {
  iterator.return?.().then(undefined, () => undefined);
}

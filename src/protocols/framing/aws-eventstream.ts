/**
 * AWS event streams (`application/vnd.amazon.eventstream`): binary messages to frames. A message is a prelude (its length,
 * the length of its headers, a CRC of both), headers, a payload and a CRC of all; both are checked.
 */
import type * as Smithy from '@smithy/eventstream-codec';
import { GatewayError } from '../../core/error.ts';
import { onDemand } from '../../core/on-demand.ts';
import type { Frame } from '../wire.ts';
import { LARGEST_FRAME } from './sse.ts';
import type { FrameReader } from './sse.ts';

const smithy = onDemand<typeof Smithy>('@smithy/eventstream-codec');

/** Length, length of the headers, CRC. */
const PRELUDE = 12;
/** A message without headers and payload. */
const SHORTEST = 16;

/**
 * A reader for one stream; `limit` is what one message may have in bytes. `:message-type` `event` is a frame named by its
 * `:event-type`; `exception` and `error` are frames with `exception` set, named by the `:exception-type` or
 * `:error-code`. Throws `upstream` where a message is too long, where a CRC does not match, and at the end where half a
 * message is left.
 */
export function createAwsEventStreamReader(limit = LARGEST_FRAME): FrameReader {
  const utf8 = new TextDecoder();
  const codec = new (smithy().EventStreamCodec)(
    (bytes: Uint8Array | string) => (typeof bytes === 'string' ? bytes : utf8.decode(bytes)),
    (text: string) => new TextEncoder().encode(text),
  );
  /** The beginning of a message that is not whole yet: the first `held` bytes of `room`. */
  let room = new Uint8Array(1024);
  let held = 0;

  return {
    push(bytes) {
      const frames: Frame[] = [];
      let from = 0;
      while (held > 0 && from < bytes.length) {
        from += hold(bytes, from, (held < PRELUDE ? PRELUDE : lengthOf(room, 0)) - held);
        if (held < PRELUDE || held < lengthOf(room, 0)) continue;
        // the frame keeps nothing of these bytes: `room` is free for the next
        frames.push(toFrame(room.subarray(0, held)));
        held = 0;
      }
      while (bytes.length - from >= PRELUDE) {
        const length = lengthOf(bytes, from);
        if (bytes.length - from < length) break;
        frames.push(toFrame(bytes.subarray(from, from + length)));
        from += length;
      }
      if (from < bytes.length) hold(bytes, from, bytes.length - from);
      return frames;
    },
    end() {
      if (held > 0) throw broken('ended in the middle of a message');
      return [];
    },
  };

  /** Takes up to `wanted` bytes; says how many there were. */
  function hold(bytes: Uint8Array, from: number, wanted: number): number {
    const more = bytes.subarray(from, from + wanted);
    if (held + more.length > room.length) {
      const larger = new Uint8Array(Math.max(held + more.length, room.length * 2));
      larger.set(room.subarray(0, held));
      room = larger;
    }
    room.set(more, held);
    held += more.length;
    return more.length;
  }

  function lengthOf(bytes: Uint8Array, at: number): number {
    const length = new DataView(bytes.buffer, bytes.byteOffset + at, 4).getUint32(0, false);
    if (length < SHORTEST) throw broken('holds a message of an impossible length');
    if (length > limit) throw new GatewayError('upstream', `The provider sent an event of more than ${limit} bytes.`);
    return length;
  }

  function toFrame(message: Uint8Array): Frame {
    const { headers, body } = decode(message);
    const named = (name: string): string => {
      const value = headers[name]?.value;
      return typeof value === 'string' ? value : '';
    };
    const type = named(':message-type');
    if (type === 'exception') return { event: named(':exception-type'), data: utf8.decode(body), exception: true };
    if (type !== 'error') return { event: named(':event-type'), data: utf8.decode(body) };
    return { event: named(':error-code'), data: JSON.stringify({ message: named(':error-message') }), exception: true };
  }

  function decode(message: Uint8Array): ReturnType<Smithy.EventStreamCodec['decode']> {
    try {
      return codec.decode(message);
    } catch (cause) {
      throw broken('holds a message that is damaged', cause);
    }
  }
}

function broken(how: string, cause?: unknown): GatewayError {
  return new GatewayError('upstream', `The provider's event stream ${how}.`, { cause });
}

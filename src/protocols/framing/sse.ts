/** Server-sent events: bytes to frames, by the rules of the HTML standard (§ 9.2.6), whatever the bytes are split by. */
import { GatewayError } from '../../core/error.ts';
import type { Frame } from '../wire.ts';

export interface FrameReader {
  /** The frames that these bytes complete. Throws `upstream` where one grows beyond the limit. */
  push(bytes: Uint8Array): Frame[];
  /** Frames that the end of the bytes completes: a last one without its empty line counts. */
  end(): Frame[];
}

/** Characters that one frame may have (bytes, of a line that is not whole). A frame is held in memory until it is whole. */
export const LARGEST_FRAME = 16 * 1024 * 1024;

const LF = 10;
const CR = 13;

/**
 * Bytes that are made text at once. One character beyond Latin-1 makes the whole of a text take two bytes for each, and
 * reading and writing such a text costs half as much again: so texts are kept short, and begin with a line.
 */
const PORTION = 2048;

/**
 * A reader for one stream. Lines end with LF, CR or CRLF; a byte order mark at the start is skipped; comments and
 * the fields `id` and `retry` say nothing here.
 */
export function createSseReader(limit = LARGEST_FRAME): FrameReader {
  /** The beginning of a line that is not whole yet: the first `held` bytes of `room`. */
  let room = Buffer.alloc(1024);
  let held = 0;
  let begun = false;
  /** The last line ended with a CR, which may be half of a CRLF. */
  let halfEnd = false;
  let event = '';
  let data: string | undefined;

  return {
    push(given) {
      const bytes = Buffer.from(given.buffer, given.byteOffset, given.length);
      const frames: Frame[] = [];
      const end = lastLineEnd(bytes);
      let from = 0;
      if (held > 0 && end > 0) {
        // only the line that was begun is copied, not all that came after it
        from = firstLineEnd(bytes);
        hold(bytes, 0, from);
        readHeld(frames);
      }
      while (from < end) {
        const to = from + PORTION < end ? nextLineEnd(bytes, from + PORTION, end) : end;
        readLines(bytes.toString('utf8', from, to), frames);
        from = to;
      }
      hold(bytes, end, bytes.length);
      if (held + (data?.length ?? 0) > limit) {
        throw new GatewayError('upstream', `The provider sent an event of more than ${limit} characters.`);
      }
      return frames;
    },
    end() {
      const frames: Frame[] = [];
      readHeld(frames);
      dispatch(frames);
      return frames;
    },
  };

  function hold(bytes: Buffer, from: number, to: number): void {
    const size = held + to - from;
    if (size > room.length) {
      const larger = Buffer.alloc(Math.max(size, room.length * 2));
      room.copy(larger, 0, 0, held);
      room = larger;
    }
    bytes.copy(room, held, from, to);
    held = size;
  }

  function readHeld(frames: Frame[]): void {
    const text = room.toString('utf8', 0, held);
    held = 0;
    readLines(text, frames);
  }

  /** Whole lines, but for the last of all, which may lack its end. */
  function readLines(text: string, frames: Frame[]): void {
    if (text === '') return;
    let from = (halfEnd && text.startsWith('\n')) || (!begun && text.startsWith('\uFEFF')) ? 1 : 0;
    begun = true;
    halfEnd = text.endsWith('\r');
    // each is looked for again only once it is passed: most streams have no CR at all
    let lf = find(text, '\n', from);
    let cr = find(text, '\r', from);
    while (from < text.length) {
      const end = Math.min(lf, cr, text.length);
      if (end === from) dispatch(frames);
      else takeLine(text, from, end);
      from = end + (end === cr && lf === end + 1 ? 2 : 1);
      if (lf < from) lf = find(text, '\n', from);
      if (cr < from) cr = find(text, '\r', from);
    }
  }

  function takeLine(text: string, from: number, end: number): void {
    if (text.startsWith('data:', from)) {
      const value = valueOf(text, from + 5, end);
      data = data === undefined ? value : `${data}\n${value}`;
      return;
    }
    if (text.startsWith('event:', from)) {
      event = valueOf(text, from + 6, end);
      return;
    }
    const line = text.slice(from, end);
    if (line === 'data') data = data === undefined ? '' : `${data}\n`;
    else if (line === 'event') event = '';
  }

  function dispatch(frames: Frame[]): void {
    if (data !== undefined) frames.push({ event, data });
    data = undefined;
    event = '';
  }
}

function find(text: string, end: string, from: number): number {
  const at = text.indexOf(end, from);
  return at < 0 ? Infinity : at;
}

/** What stands behind the colon, without one blank. */
function valueOf(text: string, from: number, end: number): string {
  return text.slice(from < end && text.charCodeAt(from) === 32 ? from + 1 : from, end);
}

/** Where the last line that has an end ends, behind that end; 0 where none does. */
function lastLineEnd(bytes: Buffer): number {
  const lf = bytes.lastIndexOf(LF);
  // a CR counts where no LF comes after it
  return Math.max(lf, lf + 1 + bytes.subarray(lf + 1).lastIndexOf(CR)) + 1;
}

/** The same of the first line, in bytes in which one ends. */
function firstLineEnd(bytes: Buffer): number {
  const lf = bytes.indexOf(LF);
  const cr = (lf < 0 ? bytes : bytes.subarray(0, lf)).indexOf(CR);
  return (cr < 0 ? lf : cr) + 1;
}

/** Behind the first LF that is not before `from`, or `end`: what has no LF stays one text. */
function nextLineEnd(bytes: Buffer, from: number, end: number): number {
  const lf = bytes.indexOf(LF, from);
  return lf < 0 || lf >= end ? end : lf + 1;
}

/** Server-sent events: bytes to frames, by the rules of the HTML standard (§ 9.2.6), whatever the bytes are split by. */
import { GatewayError } from '../../core/error.ts';
import type { Frame } from '../wire.ts';

export interface FrameReader {
  /** The frames that these bytes complete. Throws `upstream` where one grows beyond the limit. */
  push(bytes: Uint8Array): Frame[];
  /** Frames that the end of the bytes completes: a last one without its empty line counts. */
  end(): Frame[];
}

/** Characters that one frame may have. A frame is held in memory until it is whole. */
export const LARGEST_FRAME = 16 * 1024 * 1024;

/**
 * A reader for one stream. Lines end with LF, CR or CRLF; a byte order mark at the start is skipped; comments and
 * the fields `id` and `retry` say nothing here.
 */
export function createSseReader(limit = LARGEST_FRAME): FrameReader {
  const decoder = new TextDecoder();
  let rest = '';
  /** How much of `rest` is known to hold no line's end. */
  let searched = 0;
  let event = '';
  let data: string | undefined;

  return {
    push: (bytes) => read(decoder.decode(bytes, { stream: true }), false),
    end() {
      const frames = read(decoder.decode(), true);
      if (rest !== '') takeLine(rest);
      rest = '';
      dispatch(frames);
      return frames;
    },
  };

  function read(text: string, last: boolean): Frame[] {
    const frames: Frame[] = [];
    rest = rest === '' ? text : rest + text;
    let from = 0;
    // each is looked for again only once it is passed: most streams have no CR at all
    let lf = find('\n', searched);
    let cr = find('\r', searched);
    for (;;) {
      const end = Math.min(lf, cr);
      // a CR at the very end may be half of a CRLF
      if (end === Infinity || (end === cr && end + 1 === rest.length && !last)) break;
      const line = rest.slice(from, end);
      from = end + (end === cr && lf === end + 1 ? 2 : 1);
      if (lf < from) lf = find('\n', from);
      if (cr < from) cr = find('\r', from);
      if (line === '') dispatch(frames);
      else takeLine(line);
    }
    if (from > 0) rest = rest.slice(from);
    searched = rest.endsWith('\r') ? rest.length - 1 : rest.length;
    const held = rest.length + (data?.length ?? 0);
    if (held > limit) throw new GatewayError('upstream', `The provider sent an event of more than ${limit} characters.`);
    return frames;
  }

  function find(end: string, from: number): number {
    const at = rest.indexOf(end, from);
    return at < 0 ? Infinity : at;
  }

  function takeLine(line: string): void {
    if (line.startsWith('data:')) {
      const value = line.charCodeAt(5) === 32 ? line.slice(6) : line.slice(5);
      data = data === undefined ? value : `${data}\n${value}`;
      return;
    }
    if (line.startsWith('event:')) event = line.charCodeAt(6) === 32 ? line.slice(7) : line.slice(6);
    else if (line === 'data') data = data === undefined ? '' : `${data}\n`;
    else if (line === 'event') event = '';
  }

  function dispatch(frames: Frame[]): void {
    if (data !== undefined) frames.push({ event, data });
    data = undefined;
    event = '';
  }
}

/** The least that anybody does with the same bytes: cut out each event's JSON by the simplest means, and parse it. */
import type { Form } from './form.ts';

/** Lines that end with LF, one `data:` line an event: less than server-sent events may be. */
function parseSse(reads: readonly Uint8Array[]): number {
  const utf8 = new TextDecoder();
  let rest = '';
  let parsed = 0;
  for (const read of reads) {
    const lines = (rest + utf8.decode(read, { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      if (!line.startsWith('data: {')) continue;
      JSON.parse(line.slice(6));
      parsed++;
    }
  }
  return parsed;
}

/** By the lengths that a message begins with; neither CRCs nor headers are looked at. */
function parseEventStream(reads: readonly Uint8Array[]): number {
  let rest: Buffer = Buffer.alloc(0);
  let parsed = 0;
  for (const read of reads) {
    rest = rest.length === 0 ? Buffer.from(read.buffer, read.byteOffset, read.length) : Buffer.concat([rest, read]);
    while (rest.length >= 12 && rest.length >= rest.readUInt32BE(0)) {
      const length = rest.readUInt32BE(0);
      JSON.parse(rest.toString('utf8', 12 + rest.readUInt32BE(4), length - 4));
      parsed++;
      rest = rest.subarray(length);
    }
  }
  return parsed;
}

/** Parses all events, and says how many there were. */
export const parseEvents: Readonly<Record<Form['framing'], (reads: readonly Uint8Array[]) => number>> = {
  sse: parseSse,
  'aws-eventstream': parseEventStream,
};

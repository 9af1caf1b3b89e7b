/** One file of a journal: records that are not known to be in the database, and what is not known to be charged. */
import { closeSync, ftruncateSync, openSync, rmSync, writeSync } from 'node:fs';

export interface Segment {
  readonly file: string;
  /** Those that are in memory too, and not yet in the database: the texts of their lines. */
  readonly records: string[];
  /** All that were added since it was cleared. */
  count: number;
  /** Some are in the file only. */
  spilled: boolean;
  /**
   * The line, given without its end, is in the file when this returns: handed to the system, so that it outlives the process, if not
   * the machine. Throws what the file system throws.
   */
  append(text: string): void;
  /** Forgets all. */
  clear(): void;
  /** Closed, and gone where it is empty. */
  close(): void;
}

/** For one line at a time. A buffer of its own for each, and a copy of it with its end, would take half as long as the writing. */
const room = Buffer.allocUnsafeSlow(64 * 1024);
const NEWLINE = 10;
/** UTF-8 has up to three bytes for a unit of UTF-16. */
const LONGEST_IN_ROOM = (room.length - 1) / 3;

function bytesOf(text: string): Buffer {
  if (text.length > LONGEST_IN_ROOM) return Buffer.from(`${text}\n`);
  const length = room.write(text);
  room[length] = NEWLINE;
  return room.subarray(0, length + 1);
}

/** Throws what the file system throws. */
export function openSegment(file: string): Segment {
  const fd = openSync(file, 'a', 0o600);
  let torn = false;
  let isEmpty = true;
  const segment: Segment = {
    file,
    records: [],
    count: 0,
    spilled: false,
    append(text) {
      // what was written of a line when the disk was full must not spoil the next one
      const bytes = bytesOf(torn ? `\n${text}` : text);
      torn = true;
      isEmpty = false;
      for (let at = 0; at < bytes.length;) at += writeSync(fd, bytes, at);
      torn = false;
    },
    clear() {
      segment.records.length = 0;
      segment.count = 0;
      segment.spilled = false;
      torn = false;
      isEmpty = true;
      ftruncateSync(fd, 0);
    },
    close() {
      closeSync(fd);
      if (isEmpty && segment.count === 0) rmSync(file, { force: true });
    },
  };
  return segment;
}

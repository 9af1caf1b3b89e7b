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
   * The line is in the file when this returns: handed to the system, so that it outlives the process, if not the machine.
   * Throws what the file system throws.
   */
  append(line: string): void;
  /** Forgets all. */
  clear(): void;
  /** Closed, and gone where it is empty. */
  close(): void;
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
    append(line) {
      // what was written of a line when the disk was full must not spoil the next one
      const bytes = Buffer.from(torn ? `\n${line}` : line);
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

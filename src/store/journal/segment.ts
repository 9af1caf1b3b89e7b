/** One file of a journal: records that are not known to be in the database. */
import { closeSync, ftruncateSync, openSync, rmSync, writeSync } from 'node:fs';
import type { UsageRecord } from '../../gateway/accounts.ts';
import { lineOf } from './lines.ts';

export interface Segment {
  readonly file: string;
  /** Those that are in memory too, and not yet in the database. */
  readonly records: UsageRecord[];
  /** All that were added since it was cleared. */
  count: number;
  /** Some are in the file only. */
  spilled: boolean;
  /**
   * The record is in the file when this returns: handed to the system, so that it outlives the process, if not the machine.
   * Throws what the file system throws.
   */
  append(record: UsageRecord): void;
  /** Forgets all. */
  clear(): void;
  close(): void;
  /** Closed, and gone. */
  remove(): void;
}

/** Throws what the file system throws. */
export function openSegment(file: string): Segment {
  const fd = openSync(file, 'a', 0o600);
  let torn = false;
  const segment: Segment = {
    file,
    records: [],
    count: 0,
    spilled: false,
    append(record) {
      // what was written of a line when the disk was full must not spoil the next one
      const line = Buffer.from(torn ? `\n${lineOf(record)}` : lineOf(record));
      torn = true;
      for (let at = 0; at < line.length;) at += writeSync(fd, line, at);
      torn = false;
    },
    clear() {
      segment.records.length = 0;
      segment.count = 0;
      segment.spilled = false;
      torn = false;
      ftruncateSync(fd, 0);
    },
    close: () => closeSync(fd),
    remove() {
      closeSync(fd);
      rmSync(file, { force: true });
    },
  };
  return segment;
}

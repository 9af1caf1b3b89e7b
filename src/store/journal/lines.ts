/** Records of usage as lines of a journal. */
import { open } from 'node:fs/promises';
import type { UsageRecord } from '../../gateway/accounts.ts';

const READ_BYTES = 256 * 1024;
const NEWLINE = 10;

/** One line, with its end. */
export const lineOf = (record: UsageRecord): string => `${JSON.stringify({ ...record, costNanos: String(record.costNanos) })}\n`;

/** Undefined for what is no record. */
function recordOf(line: string): UsageRecord | undefined {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null || !('id' in value) || !('costNanos' in value)) return undefined;
  if (typeof value.id !== 'string' || typeof value.costNanos !== 'string' || !/^-?\d+$/.test(value.costNanos)) return undefined;
  return { ...(value as UsageRecord), costNanos: BigInt(value.costNanos) };
}

/**
 * The records of a journal, and `undefined` for each line in its middle that is none. What comes after the last line's end was not
 * written to its end and is left out: whoever wrote it died before it was recorded. No file: no records.
 */
export async function* recordsOf(file: string): AsyncGenerator<UsageRecord | undefined> {
  const handle = await open(file, 'r').catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (!handle) return;
  try {
    let rest = Buffer.alloc(0);
    for (;;) {
      // a buffer of its own for each read: `rest` may be a part of the one before
      const { bytesRead, buffer } = await handle.read(Buffer.alloc(READ_BYTES), 0, READ_BYTES, null);
      if (bytesRead === 0) return;
      const bytes = Buffer.concat([rest, buffer.subarray(0, bytesRead)]);
      let start = 0;
      for (let end = bytes.indexOf(NEWLINE); end !== -1; end = bytes.indexOf(NEWLINE, start)) {
        if (end > start) yield recordOf(bytes.toString('utf8', start, end));
        start = end + 1;
      }
      rest = bytes.subarray(start);
    }
  } finally {
    await handle.close();
  }
}

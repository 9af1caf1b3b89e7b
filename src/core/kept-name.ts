/** Names that clients choose, as they are kept and compared. */
import { createHash } from 'node:crypto';

/** Longest name of a client's own that is kept and counted under as it is, in characters. */
const LONGEST_NAME = 400;

/**
 * A name that a client chose, as it is kept: halves of characters and NUL become replacement characters. Names may be of any length,
 * but an entry of an index of Postgres may not: of longer ones the beginning is kept, and a hash of the whole.
 */
export function keptName(text: string): string {
  const kept = text.replaceAll('\0', '\uFFFD').toWellFormed();
  if (kept.length <= LONGEST_NAME) return kept;
  return `${kept.slice(0, LONGEST_NAME - 100).toWellFormed()}… sha256:${createHash('sha256').update(kept).digest('hex')}`;
}

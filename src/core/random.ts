/** Random ids. What the system's generator gives is asked for in large pieces: a call for each id costs ten times as much. */
import { randomFillSync } from 'node:crypto';

const pool = Buffer.allocUnsafe(8192);
let used = pool.length;

/** So many random bytes, as text. Each byte is used once. At most 64. */
export function randomText(bytes: number, encoding: 'hex' | 'base64url'): string {
  if (bytes > 64) throw new RangeError(`${bytes} bytes are more than an id has`);
  if (used + bytes > pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  const text = pool.toString(encoding, used, used + bytes);
  // what an id was made of is nowhere else
  pool.fill(0, used, used + bytes);
  used += bytes;
  return text;
}

/** For tests of what is kept in Redis. */
import assert from 'node:assert/strict';

/** For a Redis that is there: no machine is so busy that it would not answer within this. */
export const PATIENT_MS = 20_000;
/** For tests in which a Redis falls silent: they wait for so long, and a Redis that is there answers sooner on a busy machine too. */
export const SILENT_MS = 3000;
/** What hangs is to fail; nothing else is told from a clock. */
const MOST_MS = 120_000;

/** Until it holds; fails the test where it never does. */
export async function eventually(what: string, holds: () => Promise<boolean> | boolean): Promise<void> {
  for (const until = performance.now() + MOST_MS; performance.now() < until;) {
    if (await holds()) return;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  assert.fail(`never: ${what}`);
}

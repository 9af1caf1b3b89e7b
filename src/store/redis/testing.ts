/** For tests of what is kept in Redis. */
import assert from 'node:assert/strict';

/** Until it holds; fails the test where it never does. */
export async function eventually(what: string, holds: () => Promise<boolean> | boolean): Promise<void> {
  for (let tries = 0; tries < 400; tries += 1) {
    if (await holds()) return;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  assert.fail(`never: ${what}`);
}

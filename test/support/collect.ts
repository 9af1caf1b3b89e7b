/** Garbage collection at a test's word. */
import assert from 'node:assert/strict';
import { setImmediate } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** What still ends by itself, as connections do, may take so long on a busy machine. */
const ENDS_WITHIN_MS = 30_000;

/** Collects until nothing of these is left but `allowed` of them; fails after a number of tries, and a time. */
export async function collected(refs: readonly WeakRef<object>[], allowed = 0): Promise<void> {
  const until = performance.now() + ENDS_WITHIN_MS;
  for (let tries = 0; ; tries++) {
    // a reference that was looked at lives until the end of the turn
    await setImmediate();
    collect();
    await setImmediate();
    const left = refs.flatMap((ref, at) => (ref.deref() ? at : []));
    if (left.length <= allowed) return;
    assert.ok(tries < 50 || performance.now() < until, `${left.length} of ${refs.length} are still held: ${left.join(', ')}`);
  }
}

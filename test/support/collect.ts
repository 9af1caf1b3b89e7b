/** Garbage collection at a test's word. */
import assert from 'node:assert/strict';
import { setImmediate } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/** Collects until nothing of these is left but `allowed` of them; fails after a number of tries. */
export async function collected(refs: readonly WeakRef<object>[], allowed = 0): Promise<void> {
  for (let tries = 0; ; tries++) {
    // a reference that was looked at lives until the end of the turn
    await setImmediate();
    collect();
    await setImmediate();
    const left = refs.flatMap((ref, at) => (ref.deref() ? at : []));
    if (left.length <= allowed) return;
    assert.ok(tries < 50, `${left.length} of ${refs.length} are still held: ${left.join(', ')}`);
  }
}

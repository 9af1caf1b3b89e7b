/** What a server says of its own load. */
import assert from 'node:assert/strict';
import { setImmediate } from 'node:timers/promises';

export interface Load {
  readonly running: number;
  readonly waiting: number;
  readonly targets: Readonly<Record<string, { readonly inFlight: number; readonly state: string }>>;
}

export async function loadOf(url: string): Promise<Load> {
  return (await (await fetch(`${url}/ready`)).json()) as Load;
}

/** Waits until nothing runs, nothing waits, and no target is said to be in use; fails with what there is after a while. */
export async function restful(url: string, withinMs = 60_000): Promise<void> {
  const deadline = performance.now() + withinMs;
  for (;;) {
    const { running, waiting, targets } = await loadOf(url);
    const used = Object.entries(targets).filter(([, { inFlight }]) => inFlight !== 0);
    if (running === 0 && waiting === 0 && used.length === 0) return;
    assert.ok(performance.now() < deadline, `after ${withinMs} ms: ${JSON.stringify({ running, waiting, used })}`);
    await setImmediate();
  }
}

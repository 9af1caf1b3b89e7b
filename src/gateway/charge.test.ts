import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Attempt } from '../core/call.ts';
import { chargeOf } from './charge.ts';

const attempt = (more: Partial<Attempt>): Attempt => ({ target: 't', startedAt: 0, hedge: false, ...more });
const usage = { promptTokens: 3, completionTokens: 4, cachedTokens: 1, reasoningTokens: 2 };
const estimate = { promptTokens: 100, completionTokens: 10 };

/** By the rule of docs/usage.md: tokens of prompt and answer, and whether they are counted by us. */
const CASES: readonly (readonly [string, Partial<Attempt>, readonly [number, number, boolean]])[] = [
  ['whole, with usage', { outcome: 'answered', firstOutputAt: 1, usage }, [3, 4, false]],
  ['whole, without', { outcome: 'answered', firstOutputAt: 1, producedBytes: 9 }, [100, 3, true]],
  ['cut, with usage', { outcome: 'failed', firstOutputAt: 1, producedBytes: 900, usage }, [3, 4, false]],
  ['cut, without', { outcome: 'failed', firstOutputAt: 1, producedBytes: 12 }, [100, 3, true]],
  ['cut after more than was allowed', { outcome: 'failed', firstOutputAt: 1, producedBytes: 900 }, [100, 10, true]],
  ['begun, with nothing to count', { outcome: 'cancelled', firstOutputAt: 1 }, [100, 0, true]],
  ['left before output', { outcome: 'cancelled', reached: true }, [100, 0, true]],
  ['left before the provider had it', { outcome: 'cancelled' }, [0, 0, false]],
  ['lost to a faster one', { outcome: 'lost', reached: true }, [100, 0, true]],
  ['failed before output', { outcome: 'failed', reached: true }, [0, 0, false]],
];

for (const [name, given, [promptTokens, completionTokens, estimated]] of CASES) {
  test(`charge: ${name}`, () => {
    const charge = chargeOf(attempt(given), estimate);
    assert.deepEqual(
      [charge.usage.promptTokens, charge.usage.completionTokens, charge.estimated],
      [promptTokens, completionTokens, estimated],
    );
  });
}

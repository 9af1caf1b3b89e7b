import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createGaps, GAP_BOUNDS, noteGap } from './gaps.ts';

test('gaps: each is in the first bucket whose end it does not pass, and in the sum', () => {
  const gaps = createGaps(100);
  assert.deepEqual(gaps.counts, [], 'one output alone has no gap');
  for (const at of [101, 101.5, 111.5, 111.5 + 41_000]) noteGap(gaps, at);
  const expected = GAP_BOUNDS.map(() => 0);
  expected[0] = 2;
  expected[GAP_BOUNDS.indexOf(0.01)] = 1;
  assert.deepEqual(gaps.counts, [...expected, 1]);
  assert.equal(gaps.sumMs, 41_011.5);
});

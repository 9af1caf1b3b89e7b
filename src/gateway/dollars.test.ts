import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { dollarsText, nanosOfDollars } from './dollars.ts';

test('dollars: amounts are read to the last nano-dollar, and others not at all', () => {
  assert.equal(nanosOfDollars('25'), 25_000_000_000n);
  assert.equal(nanosOfDollars('0.000000001'), 1n);
  assert.equal(nanosOfDollars('999999999.999999999'), 999_999_999_999_999_999n);
  for (const wrong of ['', '-1', '1e3', '.5', '1.', '1,50', '0.0000000001', '1000000000', ' 1'])
    assert.equal(nanosOfDollars(wrong), undefined);
});

test('dollars: cents at least, and no zeros beyond them', () => {
  assert.equal(dollarsText(25_000_000_000n), '25.00');
  assert.equal(dollarsText(1_500_000_000n), '1.50');
  assert.equal(dollarsText(1n), '0.000000001');
  assert.equal(dollarsText(1_230_000_000n), '1.23');
  assert.equal(dollarsText(1_234_000_000n), '1.234');
  assert.equal(dollarsText(-500_000_000n), '-0.50');
});

test('dollars: what is written is read as the same', () => {
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: 999_999_999_999_999_999n }), (nanos) => {
      assert.equal(nanosOfDollars(dollarsText(nanos)), nanos);
    }),
  );
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { faultsOf } from './nested.ts';
import { duration } from './schema-kit.ts';
import type { SchemaNode } from './schema-kit.ts';

test('config: a time within a section is no longer than timers can count, beyond which they strike at once', () => {
  const node = duration('10m', 'A time.') as SchemaNode;
  for (const fine of ['576h', '34560m', '2073600s', '2073600000ms', '0s']) assert.deepEqual(faultsOf(node, fine), [], fine);
  for (const wrong of ['577h', '34561m', '2073601s', '2073600001ms']) {
    assert.deepEqual(faultsOf(node, wrong, ['whole']), [{ path: ['whole'], message: 'must be at most 24 days' }], wrong);
  }
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hashKey } from './keys.ts';
import { load, problems } from './testing.ts';

test('config: a port of its own for the metrics that others can reach needs a key; on loopback none', () => {
  assert.deepEqual(load('').metrics, { enabled: true, host: '127.0.0.1', port: undefined, keySha256: undefined });
  assert.deepEqual(problems('metrics:\n  port: 9464\n  host: 0.0.0.0'), [
    'parlance.yaml:3: metrics.host: "0.0.0.0" can be reached from other machines, and no metrics.key is set. ' +
      'Set PARLANCE_METRICS_KEY (or metrics.key in parlance.yaml), or listen on 127.0.0.1.',
  ]);
  assert.equal(load('metrics:\n  port: 9464').metrics.port, 9464);
  assert.deepEqual(problems('metrics:\n  enabled: false\n  port: 9464\n  host: 0.0.0.0'), []);
  assert.deepEqual(problems('metrics:\n  port: 11435'), [
    'parlance.yaml:2: metrics.port: 11435 is the port of the API. Leave it out: the metrics are at /metrics there.',
  ]);
  const { metrics } = load('metrics:\n  port: 0\n  host: 0.0.0.0\n  key: env:SCRAPE', { SCRAPE: 'mk-1' });
  assert.equal(metrics.keySha256, hashKey('mk-1'));
  assert.equal(load('', { PARLANCE_METRICS_KEY: `sha256:${hashKey('mk-1')}` }).metrics.keySha256, hashKey('mk-1'));
});

test('config: a key for the metrics that is none is reported, and never shown', () => {
  assert.deepEqual(problems('metrics:\n  key: env:SCRAPE'), ['parlance.yaml:2: metrics.key: the environment variable SCRAPE is not set']);
  assert.deepEqual(problems('metrics:\n  key: "mk 1"'), [
    'parlance.yaml:2: metrics.key: a key is made of printable ASCII characters without spaces',
  ]);
  assert.deepEqual(problems('metrics:\n  key: 12345'), ['parlance.yaml:2: metrics.key: must be a text']);
});

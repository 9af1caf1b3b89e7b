import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readExposition, total } from './exposition-testing.ts';
import { createMetrics } from './metrics.ts';
import type { Metrics } from './metrics.ts';
import { joined, lasting, textOf } from './together.ts';

function processWith(requests: number, state: 'closed' | 'open'): Metrics {
  const metrics = createMetrics({
    version: '1.2.3',
    admission: () => ({ running: requests, waiting: 1 }),
    targets: () => new Map([['p/m', { state, inFlight: requests, latencyMs: 5 }]]),
    engines: () => [],
  });
  for (let at = 0; at < requests; at++) {
    metrics.observe({ route: '/v1/models', startedAt: 0, endedAt: 100, sent: true, trace: { attempts: [] } });
    metrics.observe({
      route: '/v1/chat/completions',
      model: 'm',
      startedAt: 0,
      endedAt: 1500,
      sent: true,
      trace: { attempts: [] },
      usage: { promptTokens: 10, completionTokens: 5, cachedTokens: 0, reasoningTokens: 0 },
    });
  }
  return metrics;
}

test('together: what several processes count is one count, in buckets too; states are the worst, facts are there once', async () => {
  const snapshots = await Promise.all([processWith(3, 'closed').snapshot(), processWith(4, 'open').snapshot()]);
  const all = readExposition(await textOf(joined(snapshots)));
  assert.equal(total(all, 'parlance_requests_total', { route: '/v1/models' }), 7);
  assert.equal(total(all, 'gen_ai_server_request_duration_seconds_count'), 7);
  assert.equal(total(all, 'gen_ai_server_request_duration_seconds_sum'), 10.5);
  assert.equal(total(all, 'gen_ai_server_request_duration_seconds_bucket', { le: '1.28' }), 0);
  assert.equal(total(all, 'gen_ai_server_request_duration_seconds_bucket', { le: '2.56' }), 7);
  assert.equal(total(all, 'parlance_completions_running'), 7);
  assert.equal(total(all, 'parlance_completions_waiting'), 2);
  assert.equal(total(all, 'parlance_target_breaker_state'), 2);
  assert.equal(total(all, 'parlance_target_requests_in_flight'), 7);
  assert.equal(total(all, 'parlance_build_info', { version: '1.2.3' }), 1);
});

test('together: one process alone shows what it shows by itself', async () => {
  const metrics = processWith(2, 'closed');
  const own = (text: string) => new Set(text.split('\n').filter((line) => /^(parlance|gen_ai)_/.test(line)));
  assert.deepEqual(own(await textOf(joined([await metrics.snapshot()]))), own(await metrics.text()));
});

test('together: of a process that is gone, totals stay and states go', async () => {
  const gone = lasting(await processWith(3, 'open').snapshot());
  const all = readExposition(await textOf(joined([await processWith(1, 'closed').snapshot(), gone])));
  assert.equal(total(all, 'parlance_requests_total', { route: '/v1/models' }), 4);
  assert.equal(total(all, 'parlance_target_breaker_state'), 0);
  assert.equal(total(all, 'parlance_completions_running'), 1);
});

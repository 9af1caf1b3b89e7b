import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import { test } from 'node:test';
import { readExposition, total } from '../../src/telemetry/exposition-testing.ts';
import type { Exposition } from '../../src/telemetry/exposition-testing.ts';
import { MODEL, startLiveServer } from '../support/live-server.ts';
import type { LiveServer } from '../support/live-server.ts';

const scrape = async (url: string): Promise<Exposition> => readExposition(await (await fetch(url)).text());

/** The metrics as soon as the condition holds for them. */
async function until(server: LiveServer, condition: (read: Exposition) => boolean): Promise<Exposition> {
  for (const deadline = performance.now() + 120_000; ;) {
    const read = await scrape(`${server.url}/metrics`);
    if (condition(read)) return read;
    assert.ok(performance.now() < deadline, 'the metrics never showed it');
    await pause(20);
  }
}

const PROMPT = [{ role: 'user', content: 'Tell me a long story about a ship, a storm and a lighthouse by the sea.' }];
const chat = (over: object = {}): object => ({ model: MODEL, max_tokens: 24, temperature: 0, messages: PROMPT, ...over });

test('metrics: the engine’s figures move with the work, and come to rest', { timeout: 500_000 }, async () => {
  await using server = await startLiveServer({ PARLANCE_ENGINE_SEQUENCES: '4' });
  assert.equal((await scrape(`${server.url}/metrics`)).get('parlance_engine_loaded')?.samples.length, 0, 'no model is loaded yet');

  await (await server.post(chat())).text();
  const alone = await scrape(`${server.url}/metrics`);
  const generated = (read: Exposition, name: string): number => total(read, `parlance_engine_${name}_total`, { kind: 'generate' });
  const leave = new AbortController();
  const streams = await Promise.all(
    // they do not end by themselves
    [1, 2].map(() =>
      server.post(chat({ stream: true, max_tokens: 900, stop: ['\u0000'], logit_bias: { 0: -100, 2: -100 } }), { signal: leave.signal }),
    ),
  );
  const model = { gen_ai_request_model: MODEL };
  // and go until both have had their part in many a step
  const busy = await until(
    server,
    (read) =>
      total(read, 'parlance_engine_sequences_busy', model) === 2 &&
      generated(read, 'tokens') > generated(read, 'steps') &&
      generated(read, 'steps') > generated(alone, 'steps') + 40,
  );
  assert.equal(total(busy, 'parlance_engine_loaded', model), 1);
  assert.equal(total(busy, 'parlance_engine_sequences', model), 4);
  assert.equal(total(busy, 'parlance_completions_running'), 2);
  leave.abort();
  await Promise.allSettled(streams.map((stream) => stream.text()));

  const idle = await until(
    server,
    (read) =>
      total(read, 'parlance_engine_sequences_busy') === 0 &&
      total(read, 'parlance_requests_total', { ...model, outcome: 'cancelled' }) === 2,
  );
  const engine = (name: string, kind: string): number => total(idle, `parlance_engine_${name}_total`, { ...model, kind });
  assert.ok(engine('steps', 'generate') >= 24);
  assert.ok(engine('tokens', 'generate') > engine('steps', 'generate'), 'some steps had tokens of two answers');
  assert.ok(engine('tokens', 'prompt') > 10);
  assert.ok(engine('tokens', 'reused') > 10, 'the second time, the prompt was there already');
  assert.equal(total(idle, 'parlance_completions_running'), 0);
  assert.equal(total(idle, 'parlance_engine_jobs_waiting'), 0);
  assert.equal(total(idle, 'parlance_target_requests_in_flight'), 0);
  const local = { ...model, gen_ai_provider_name: 'local' };
  assert.equal(total(idle, 'parlance_requests_total', { ...local, outcome: 'ok' }), 1);
  assert.equal(total(idle, 'gen_ai_client_token_usage_sum', { ...local, gen_ai_token_type: 'output' }), 24);
  assert.ok(total(idle, 'gen_ai_client_operation_time_per_output_chunk_seconds_count', local) >= 20);
});

test('metrics: a port of their own serves them with the key; the API does not', { timeout: 300_000 }, async () => {
  const server = await startLiveServer({ PARLANCE_METRICS_PORT: '0', PARLANCE_METRICS_KEY: 'mk-secret' });
  const { url, metricsUrl = '' } = server;
  try {
    assert.equal((await fetch(metricsUrl)).status, 401);
    const response = await fetch(metricsUrl, { headers: { authorization: 'Bearer mk-secret' } });
    assert.equal(total(readExposition(await response.text()), 'parlance_build_info', { version: '0.0.0' }), 1);
    assert.equal((await fetch(`${url}/metrics`)).status, 404);
  } finally {
    await server.close();
  }
  await assert.rejects(fetch(metricsUrl), 'nothing listens any more');
});

test('metrics: switched off there are none', { timeout: 300_000 }, async () => {
  await using server = await startLiveServer({ PARLANCE_METRICS_ENABLED: 'false' });
  assert.equal((await fetch(`${server.url}/metrics`)).status, 404);
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Attempt } from '../core/call.ts';
import { GatewayError } from '../core/error.ts';
import type { FinishedRequest } from '../gateway/ports.ts';
import { labelValues, readExposition, total } from './exposition-testing.ts';
import type { EngineState, TargetState } from './gauges.ts';
import { createMetrics, MOST_NAMES } from './metrics.ts';
import { failureOf } from './outcome.ts';

const REST = { running: 0, waiting: 0 };

/** Metrics whose gauges show what the test sets, and how they read now. */
function fixture() {
  const now: { admission: typeof REST; targets: Record<string, TargetState>; engines: EngineState[] } = {
    admission: REST,
    targets: {},
    engines: [],
  };
  const metrics = createMetrics({
    version: '1.2.3',
    admission: () => now.admission,
    targets: () => new Map(Object.entries(now.targets)),
    engines: () => now.engines,
  });
  return { now, observe: metrics.observe, scrape: async () => readExposition(await metrics.text()) };
}

const attempt = (over: Partial<Attempt> = {}): Attempt => ({
  target: 'acme/large',
  provider: 'acme',
  startedAt: 1000,
  firstOutputAt: 1200,
  endedAt: 3000,
  hedge: false,
  outcome: 'answered',
  usage: { promptTokens: 100, completionTokens: 11, cachedTokens: 40, reasoningTokens: 5 },
  ...over,
});

function request(over: Partial<FinishedRequest> = {}, attempts: Attempt[] = [attempt()]): FinishedRequest {
  const answeredBy = attempts.find(({ outcome }) => outcome === 'answered');
  return {
    route: '/v1/chat/completions',
    model: 'large',
    startedAt: 1000,
    endedAt: 3000,
    sent: true,
    trace: { attempts, ...(answeredBy ? { answeredBy } : {}) },
    ...over,
  };
}

const COMPLETION = { gen_ai_operation_name: 'chat', gen_ai_request_model: 'large', gen_ai_provider_name: 'acme' };

test('metrics: a request that was answered is in every figure of its model and provider', async () => {
  const { observe, scrape } = fixture();
  const usage = { promptTokens: 100, completionTokens: 11, cachedTokens: 40, reasoningTokens: 5 };
  observe(request({ firstTokenAt: 1250, usage, gaps: { counts: [0, 2, 0, 1], sumMs: 12, lastAt: 2900 } }));
  const read = await scrape();
  const ok = { gen_ai_request_model: 'large', gen_ai_provider_name: 'acme' };
  assert.equal(total(read, 'parlance_requests_total', { ...ok, route: '/v1/chat/completions', outcome: 'ok' }), 1);
  assert.equal(total(read, 'gen_ai_server_request_duration_seconds_sum', { ...COMPLETION, error_type: '' }), 2);
  assert.equal(total(read, 'gen_ai_server_request_duration_seconds_bucket', { ...COMPLETION, le: '1.28' }), 0);
  assert.equal(total(read, 'gen_ai_server_request_duration_seconds_bucket', { ...COMPLETION, le: '2.56' }), 1);
  assert.equal(total(read, 'gen_ai_server_time_to_first_token_seconds_sum', COMPLETION), 0.25);
  assert.equal(total(read, 'gen_ai_server_time_per_output_token_seconds_sum', COMPLETION), 0.175, '1.75 s for ten tokens');
  assert.equal(total(read, 'gen_ai_client_operation_time_per_output_chunk_seconds_count', COMPLETION), 3);
  assert.equal(total(read, 'gen_ai_client_operation_time_per_output_chunk_seconds_bucket', { ...COMPLETION, le: '0.0025' }), 2);
  assert.equal(total(read, 'gen_ai_client_operation_time_per_output_chunk_seconds_sum', COMPLETION), 0.012);
  assert.equal(total(read, 'gen_ai_client_operation_duration_seconds_count', COMPLETION), 1);
  assert.equal(total(read, 'gen_ai_client_token_usage_sum', { ...COMPLETION, gen_ai_token_type: 'input' }), 100);
  assert.equal(total(read, 'gen_ai_client_token_usage_sum', { ...COMPLETION, gen_ai_token_type: 'output' }), 11);
  for (const [kind, tokens] of Object.entries({ input: 100, output: 11, cache_read_input: 40, reasoning_output: 5 })) {
    assert.equal(total(read, `gen_ai_client_inference_usage_${kind}_tokens_total`, COMPLETION), tokens, kind);
  }
  assert.equal(total(read, 'parlance_attempts_total', { target: 'acme/large', reason: 'first', outcome: 'ok' }), 1);
  assert.equal(total(read, 'parlance_build_info', { version: '1.2.3' }), 1);
  assert.ok(total(read, 'process_resident_memory_bytes') > 1e6);
  assert.ok(
    read.has('process_cpu_seconds_total') && read.has('nodejs_eventloop_lag_p99_seconds') && read.has('nodejs_gc_duration_seconds'),
  );
});

test('metrics: buckets hold all that is smaller, and end with all there is', async () => {
  const { observe, scrape } = fixture();
  for (const seconds of [0.01, 0.05, 3, 100_000]) observe(request({ endedAt: 1000 + seconds * 1000 }));
  const read = await scrape();
  const buckets = read.get('gen_ai_server_request_duration_seconds')?.samples.filter(({ name }) => name.endsWith('_bucket')) ?? [];
  const values = buckets.map(({ value }) => value);
  assert.deepEqual(
    values,
    values.toSorted((a, b) => a - b),
  );
  assert.deepEqual([values[0], buckets[0]?.labels['le']], [1, '0.01'], 'an end belongs to its bucket');
  assert.deepEqual([values.at(-1), buckets.at(-1)?.labels['le'], values.at(-2)], [4, '+Inf', 3]);
});

test('metrics: retries, fallbacks and hedges are told apart, and each attempt counts what it used', async () => {
  const { observe, scrape } = fixture();
  const failed = attempt({ outcome: 'failed', error: new GatewayError('upstream', 'broken') });
  delete failed.usage;
  const lost = attempt({ target: 'other/large', provider: 'other', hedge: true, outcome: 'lost' });
  observe(request({}, [failed, attempt(), { ...failed, target: 'other/large', provider: 'other' }, lost]));
  const read = await scrape();
  const count = (labels: Record<string, string>): number => total(read, 'parlance_attempts_total', labels);
  assert.equal(count({ target: 'acme/large', reason: 'first', outcome: 'upstream_error' }), 1);
  assert.equal(count({ target: 'acme/large', reason: 'retry', outcome: 'ok' }), 1);
  assert.equal(count({ target: 'other/large', gen_ai_provider_name: 'other', reason: 'fallback', outcome: 'upstream_error' }), 1);
  assert.equal(count({ target: 'other/large', reason: 'hedge', outcome: 'lost' }), 1);
  assert.equal(count({}), 4);
  assert.equal(total(read, 'gen_ai_client_inference_usage_input_tokens_total', { gen_ai_provider_name: 'acme' }), 100);
  assert.equal(total(read, 'gen_ai_client_inference_usage_input_tokens_total', { gen_ai_provider_name: 'other' }), 100, 'the lost one too');
});

test('metrics: an attempt that is read to its end after its request is counted when it is over, once', async () => {
  const { observe, scrape } = fixture();
  const drained = attempt();
  const { usage } = drained;
  for (const field of ['outcome', 'endedAt', 'usage'] as const) delete drained[field];
  observe(request({ sent: false }, [drained]));
  assert.equal(total(await scrape(), 'parlance_attempts_total'), 0);
  Object.assign(drained, { outcome: 'answered', endedAt: 5000, usage });
  for (let i = 0; i < 2; i++) {
    const read = await scrape();
    assert.equal(total(read, 'parlance_attempts_total', { outcome: 'ok' }), 1);
    assert.equal(total(read, 'gen_ai_client_inference_usage_output_tokens_total'), 11);
    assert.equal(total(read, 'parlance_requests_total', { outcome: 'cancelled' }), 1);
  }
});

test('metrics: failures are told apart by what can be done about them', () => {
  const of = (...[kind, message, details]: ConstructorParameters<typeof GatewayError>) =>
    failureOf(new GatewayError(kind, message, details));
  const reported = (status: number) => of('reported', 'no', { reported: { status, type: 'x', code: null } });
  assert.equal(of('invalid_value', 'no'), 'client_error');
  assert.equal(of('no_key', 'no'), 'client_error');
  assert.equal(of('rate_limited_tokens', 'no'), 'rate_limited');
  assert.equal(of('insufficient_quota', 'no'), 'rate_limited');
  assert.equal(of('overloaded', 'no'), 'overloaded');
  assert.equal(of('upstream_timeout', 'no'), 'timeout');
  assert.equal(of('upstream', 'no'), 'upstream_error');
  assert.equal(of('internal', 'no'), 'internal_error');
  assert.equal(of('cancelled', 'no'), 'cancelled');
  assert.deepEqual(
    [reported(400), reported(429), reported(503), reported(504)],
    ['client_error', 'rate_limited', 'upstream_error', 'timeout'],
  );
});

test('metrics: names that nobody knows are one label, whatever clients invent', async () => {
  const { observe, scrape } = fixture();
  observe(request());
  for (let i = 0; i < 2000; i++) {
    observe(request({ model: `invented-${i}`, error: new GatewayError('model_not_found', 'no') }, []));
    const asked = attempt({ target: `acme/invented-${i}`, outcome: 'failed', error: new GatewayError('model_not_found', 'no') });
    delete asked.firstOutputAt;
    observe(request({ model: `acme/invented-${i}`, error: new GatewayError('model_not_found', 'no') }, [asked]));
  }
  const read = await scrape();
  assert.deepEqual(labelValues(read, 'parlance_requests_total', 'gen_ai_request_model'), ['large', 'unknown']);
  assert.deepEqual(labelValues(read, 'gen_ai_server_request_duration_seconds_count', 'gen_ai_request_model'), ['large', 'unknown']);
  assert.deepEqual(labelValues(read, 'parlance_attempts_total', 'target'), ['acme/large', 'unknown']);
  assert.equal(total(read, 'parlance_requests_total', { gen_ai_request_model: 'unknown', outcome: 'client_error' }), 4000);
});

test('metrics: beyond 500 names that are real, the rest are together; those that came first stay', async () => {
  const { now, observe, scrape } = fixture();
  for (let i = 0; i < 2000; i++) {
    observe(request({ model: `model-${i}` }, [attempt({ target: `acme/model-${i}` })]));
    now.targets[`acme/model-${i}`] = { state: i === 1999 ? 'open' : 'closed', inFlight: 1, latencyMs: 5 };
  }
  observe(request({ model: 'model-7' }));
  const read = await scrape();
  for (const [name, label] of [
    ['parlance_requests_total', 'gen_ai_request_model'],
    ['parlance_attempts_total', 'target'],
    ['parlance_target_requests_in_flight', 'target'],
  ] as const) {
    const values = labelValues(read, name, label);
    assert.ok(values.length <= MOST_NAMES + 1, `${name}: ${values.length}`);
    assert.ok(values.includes('other'));
  }
  assert.equal(total(read, 'parlance_requests_total', { gen_ai_request_model: 'model-7' }), 2);
  assert.equal(total(read, 'parlance_requests_total', { gen_ai_request_model: 'other' }), 1500);
  assert.equal(total(read, 'parlance_target_requests_in_flight'), 2000);
  assert.equal(total(read, 'parlance_target_breaker_state', { target: 'other' }), 2, 'the worst of them');
});

test('metrics: names that a client makes up while a provider is away take no labels from those that answer later', async () => {
  const { observe, scrape } = fixture();
  const error = new GatewayError('upstream', 'could not be reached');
  for (let i = 0; i < 2000; i++) {
    const asked = attempt({ target: `acme/made-up-${i}`, outcome: 'failed', error });
    delete asked.firstOutputAt;
    observe(request({ model: `made-up-${i}`, error }, [asked]));
  }
  for (let i = 0; i < 300; i++) observe(request({ model: `real-${i}` }, [attempt({ target: `acme/real-${i}` })]));
  observe(request({ model: 'made-up-7' }, [attempt({ target: 'acme/made-up-7' })]));
  const read = await scrape();
  for (const [name, label, prefix] of [
    ['parlance_requests_total', 'gen_ai_request_model', ''],
    ['parlance_attempts_total', 'target', 'acme/'],
  ] as const) {
    const values = new Set(labelValues(read, name, label));
    assert.ok(values.has(`${prefix}real-299`) && values.has(`${prefix}made-up-7`));
    assert.equal([...values].filter((value) => value.startsWith(`${prefix}made-up`)).length, MOST_NAMES / 5);
  }
});

test('metrics: a name may hold anything and stays one label', async () => {
  const { observe, scrape } = fixture();
  const name = 'a"b\\c\nd{e="f"},é\ud800';
  observe(request({ model: name }));
  observe(request({ model: 'x'.repeat(5000) }));
  const read = await scrape();
  assert.deepEqual(labelValues(read, 'parlance_requests_total', 'gen_ai_request_model'), ['a"b\\c\nd{e="f"},é\ufffd', 'x'.repeat(128)]);
});

test('metrics: requests for other things than completions are counted without a model', async () => {
  const { observe, scrape } = fixture();
  observe({ route: '/v1/models', startedAt: 1000, endedAt: 1001, sent: true, trace: { attempts: [] } });
  const read = await scrape();
  assert.equal(total(read, 'parlance_requests_total', { route: '/v1/models', gen_ai_request_model: '', gen_ai_provider_name: '' }), 1);
  assert.equal(total(read, 'gen_ai_server_request_duration_seconds_count'), 0);
});

test('metrics: the cache’s hits and misses are counted, and a hit costs no tokens', async () => {
  const { observe, scrape } = fixture();
  observe(request({ trace: { attempts: [attempt()], cache: 'miss' } }));
  observe(request({ trace: { attempts: [], cache: 'hit' } }));
  const read = await scrape();
  assert.equal(total(read, 'parlance_cache_requests_total', { gen_ai_request_model: 'large', result: 'hit' }), 1);
  assert.equal(total(read, 'parlance_cache_requests_total', { gen_ai_request_model: 'large', result: 'miss' }), 1);
  assert.equal(total(read, 'gen_ai_client_inference_usage_input_tokens_total'), 100);
});

test('metrics: gauges show what is so now, and nothing that was', async () => {
  const { now, scrape } = fixture();
  now.admission = { running: 3, waiting: 2 };
  now.targets = {
    'acme/a': { state: 'open', inFlight: 0, latencyMs: undefined },
    'acme/b': { state: 'half-open', inFlight: 1, latencyMs: undefined },
    'acme/c': { state: 'closed', inFlight: 4, latencyMs: 10 },
    'acme/never-answered': { state: 'closed', inFlight: 1, latencyMs: undefined },
  };
  const work = { promptSteps: 2, promptTokens: 20, reusedTokens: 5, generateSteps: 10, generatedTokens: 30 };
  now.engines = [{ id: 'small', loaded: true, sequences: 4, busy: 3, waiting: 1, ...work }];
  const busy = await scrape();
  assert.equal(total(busy, 'parlance_completions_running'), 3);
  assert.equal(total(busy, 'parlance_completions_waiting'), 2);
  const states = ['acme/a', 'acme/b', 'acme/c'].map((target) => total(busy, 'parlance_target_breaker_state', { target }));
  assert.deepEqual(states, [2, 1, 0]);
  assert.equal(total(busy, 'parlance_target_requests_in_flight', { target: 'acme/c' }), 4);
  assert.equal(total(busy, 'parlance_target_requests_in_flight', { target: 'unknown' }), 1);
  assert.equal(total(busy, 'parlance_engine_sequences_busy', { gen_ai_request_model: 'small' }), 3);
  assert.equal(total(busy, 'parlance_engine_jobs_waiting'), 1);
  assert.equal(
    total(busy, 'parlance_engine_tokens_total', { kind: 'generate' }) / total(busy, 'parlance_engine_steps_total', { kind: 'generate' }),
    3,
  );
  assert.equal(total(busy, 'parlance_engine_tokens_total', { kind: 'reused' }), 5);

  now.admission = REST;
  now.targets = {};
  now.engines = [];
  const quiet = await scrape();
  assert.equal(total(quiet, 'parlance_completions_running'), 0);
  assert.deepEqual(quiet.get('parlance_target_requests_in_flight')?.samples, []);
  assert.deepEqual(quiet.get('parlance_engine_sequences_busy')?.samples, []);
});

test('metrics: two servers in one process count for themselves, beside the one process', async () => {
  const one = fixture();
  const other = fixture();
  one.observe(request());
  assert.equal(total(await one.scrape(), 'parlance_requests_total'), 1);
  assert.equal(total(await other.scrape(), 'parlance_requests_total'), 0);
  assert.ok(total(await other.scrape(), 'process_resident_memory_bytes') > 0);
});

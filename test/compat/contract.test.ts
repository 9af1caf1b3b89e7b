/** Where servers that call themselves compatible go wrong: a test for each of the complaints that their users have. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import OpenAI from 'openai';
import { GatewayError } from '../../src/core/error.ts';
import { QWEN25 } from '../../src/providers/llama/formats/known-templates.fixture.ts';
import { END as ENDING, OPEN, START, delta, startTestServer, streaming } from '../../src/server/testing.ts';
import {
  cityTool,
  completionOf,
  errorOf,
  finishIn,
  functionTool,
  named,
  refusalOf,
  schemaFormat,
  streamOf,
  textIn,
} from '../support/chat-client.ts';
import { MODEL, ask, askLong, idle, startLiveServer } from '../support/live-server.ts';
import { framesOf, type CallDelta } from '../support/openai-chat.ts';
import { addWithTemplate } from '../support/other-models.ts';

const models = await mkdtemp(join(tmpdir(), 'parlance-models-'));
// the built-in model's own template knows no tools, and so it makes one call at a time; this twin may make more
const TWIN = 'hermes-twin';
await addWithTemplate(models, TWIN, QWEN25);
const server = await startLiveServer({}, models);
after(async () => {
  await server.close();
  await rm(models, { recursive: true });
});

const say = [{ role: 'user', content: 'Say hello.' }];
const calling = { tools: [cityTool, functionTool('noop')], tool_choice: 'required', temperature: 0 };
/** No token ends the answer: 0 to 16 are the vocabulary's special ones. */
const neverEnding = { logit_bias: Object.fromEntries(Array.from({ length: 17 }, (_, token) => [token, -100])) };
const withUsage = { stream_options: { include_usage: true } };

test('compat: calls in a stream have indexes that count up, and name, id and type once each', async () => {
  // the end is banned: once a call is complete, only another one can follow
  const { chunks } = await streamOf(server, ask({ model: TWIN, ...calling, ...neverEnding, max_tokens: 110 }));
  const calls = new Map<number, CallDelta[]>();
  for (const call of chunks.flatMap((chunk) => chunk.choices[0]?.delta.tool_calls ?? [])) {
    assert.ok(Number.isInteger(call.index), JSON.stringify(call));
    const deltas = calls.get(call.index ?? -1) ?? [];
    calls.set(call.index ?? -1, [...deltas, call]);
  }
  assert.ok(calls.size >= 2, `${calls.size} calls`);
  assert.deepEqual(
    [...calls.keys()],
    Array.from({ length: calls.size }, (_, index) => index),
  );
  for (const [first, ...later] of calls.values()) {
    assert.match(first?.id ?? '', /^call_\w+/);
    assert.deepEqual([first?.type, typeof first?.function?.name, first?.function?.arguments], ['function', 'string', '']);
    for (const more of later) assert.deepEqual(Object.keys(more).toSorted(), ['function', 'index']);
    for (const more of later) assert.deepEqual(Object.keys(more.function ?? {}), ['arguments']);
  }
  assert.equal(new Set([...calls.values()].map(([first]) => first?.id)).size, calls.size);
  const complete = [...calls.values()].slice(0, -1);
  for (const deltas of complete) assert.doesNotThrow(() => JSON.parse(deltas.map((one) => one.function?.arguments ?? '').join('')));
});

test('compat: the reason of the end is tool_calls exactly where the model chose to call', async () => {
  const one = { ...calling, parallel_tool_calls: false, max_tokens: 90 };
  assert.equal(finishIn((await streamOf(server, ask(one))).chunks), 'tool_calls');
  const [chosen] = (await completionOf(server, ask(one))).choices;
  assert.deepEqual([chosen?.finish_reason, chosen?.message.tool_calls?.length], ['tool_calls', 1]);
  // a call that the client named is a plain stop, as OpenAI has it
  const [forced] = (await completionOf(server, ask({ ...one, tool_choice: named('get_weather') }))).choices;
  assert.deepEqual([forced?.finish_reason, forced?.message.tool_calls?.length], ['stop', 1]);
  const [none] = (await completionOf(server, ask({ tools: [cityTool], tool_choice: 'none', logit_bias: { 2: 100 } }))).choices;
  assert.deepEqual([none?.finish_reason, none?.message.tool_calls], ['stop', undefined]);
});

test('compat: finish_reason is null until it is sent, once a choice, and never empty', async () => {
  const { chunks } = await streamOf(server, ask({ n: 2, temperature: 1, max_tokens: 6, ...withUsage }));
  const reasons = chunks.flatMap((chunk) => chunk.choices);
  for (const choice of reasons) assert.ok('finish_reason' in choice);
  for (const index of [0, 1]) {
    const own = reasons.filter((choice) => choice.index === index).map((choice) => choice.finish_reason);
    assert.ok(own.slice(0, -1).every((reason) => reason === null));
    assert.match(own.at(-1) ?? '', /^(stop|length)$/);
  }
});

test('compat: a stop by length is told as one', async () => {
  const cut = ask({ max_tokens: 2, ...neverEnding });
  assert.equal((await completionOf(server, cut)).choices[0]?.finish_reason, 'length');
  assert.equal(finishIn((await streamOf(server, cut)).chunks), 'length');
  const [call] = (await completionOf(server, ask({ ...calling, max_tokens: 14 }))).choices;
  assert.equal(call?.finish_reason, 'length');
});

test('compat: id, created and model are the same in all chunks, and the id is new with each answer', async () => {
  const ids = new Set<string>();
  for (let answer = 0; answer < 2; answer++) {
    const { chunks } = await streamOf(server, ask({ max_tokens: 4, ...withUsage }));
    assert.equal(new Set(chunks.map(({ id, created, model, object }) => `${id} ${created} ${model} ${object}`)).size, 1);
    assert.deepEqual([chunks[0]?.model, chunks[0]?.object], [MODEL, 'chat.completion.chunk']);
    ids.add(chunks[0]?.id ?? '');
  }
  assert.ok(ids.size === 2 && !ids.has(''));
});

test('compat: a choice keeps its index, and begins with its role, choice 0 first', async () => {
  const { chunks } = await streamOf(server, ask({ n: 3, max_tokens: 4, temperature: 1, ...neverEnding }));
  const choices = chunks.flatMap((chunk) => chunk.choices);
  assert.deepEqual([...new Set(choices.map((choice) => choice.index))].toSorted(), [0, 1, 2]);
  assert.equal(choices[0]?.index, 0);
  for (const index of [0, 1, 2]) {
    const [first, ...rest] = choices.filter((choice) => choice.index === index);
    assert.deepEqual(first?.delta, { role: 'assistant', content: '', refusal: null });
    assert.ok(rest.every((choice) => choice.delta.role === undefined));
    assert.ok(textIn(chunks, index).length > 0);
  }
});

test('compat: usage comes once, last, with no choices, and only where it was asked for', async () => {
  const asked = (await streamOf(server, ask({ max_tokens: 4, ...withUsage }))).chunks;
  assert.deepEqual(asked.at(-1)?.choices, []);
  assert.ok(asked.at(-1)?.usage);
  for (const chunk of asked.slice(0, -1)) assert.ok('usage' in chunk && chunk.usage === null && chunk.choices.length > 0);
  const unasked = (await streamOf(server, ask({ max_tokens: 4 }))).chunks;
  for (const chunk of unasked) assert.ok(!('usage' in chunk) && chunk.choices.length > 0);
});

test('compat: usage that nobody measured is not told as zero', async () => {
  await using silent = await startTestServer({
    handler: streaming(async function* () {
      yield [START, OPEN, delta('Hello'), ...ENDING.filter((event) => event.type !== 'usage')];
    }),
  });
  const body = { model: 'test', messages: say };
  const whole = (await (await silent.post(body)).json()) as { usage?: unknown };
  assert.ok(whole.usage === undefined || whole.usage === null, JSON.stringify(whole));
  const { chunks, done } = framesOf(await (await silent.post({ ...body, stream: true, ...withUsage })).text());
  assert.ok(done);
  assert.ok(chunks.every((chunk) => chunk.usage === null));
});

test('compat: n is honoured, whole and streamed', async () => {
  const three = ask({ n: 3, max_tokens: 5, temperature: 1.5, seed: 1 });
  const { choices, usage } = await completionOf(server, three);
  assert.deepEqual(
    choices.map((choice) => choice.index),
    [0, 1, 2],
  );
  assert.ok(usage.completion_tokens > 5);
  const { chunks } = await streamOf(server, three);
  for (const { index, message } of choices) assert.equal(textIn(chunks, index), message.content);
});

test('compat: an assistant turn may lack its content, have null, or have a call without arguments', async () => {
  const call = { id: 'call_1', type: 'function', function: { name: 'noop', arguments: '' } };
  const result = { role: 'tool', tool_call_id: 'call_1', content: 'done' };
  for (const turn of [{ tool_calls: [call] }, { content: null, tool_calls: [call] }, { content: '', tool_calls: [call] }]) {
    const messages = [...say, { role: 'assistant', ...turn }, result];
    await completionOf(server, ask({ messages, tools: [functionTool('noop')], tool_choice: 'none', max_tokens: 1 }));
  }
});

test('compat: text parts are the text, in every role', async () => {
  const parts = (content: string) => content.split(/(?<= )/).map((text) => ({ type: 'text', text }));
  const call = { id: 'call_1', type: 'function', function: { name: 'noop', arguments: '{}' } };
  const conversation = (content: (text: string) => unknown) => [
    { role: 'system', content: content('You are very brief.') },
    { role: 'user', content: content('Use the tool now.') },
    { role: 'assistant', content: content('I call it.'), tool_calls: [call] },
    { role: 'tool', tool_call_id: 'call_1', content: content('It rains in Oslo.') },
  ];
  const same = { temperature: 0, max_tokens: 6, tools: [functionTool('noop')], tool_choice: 'none' };
  const plain = await completionOf(server, ask({ ...same, messages: conversation((text) => text) }));
  const inParts = await completionOf(server, ask({ ...same, messages: conversation(parts) }));
  assert.equal(inParts.usage.prompt_tokens, plain.usage.prompt_tokens);
  assert.equal(inParts.choices[0]?.message.content, plain.choices[0]?.message.content);
});

test('compat: developer is a role, and means what system means', async () => {
  const as = async (role: string) =>
    completionOf(server, ask({ temperature: 0, max_tokens: 6, messages: [{ role, content: 'Answer in Norwegian.' }, ...say] }));
  const [developer, system] = [await as('developer'), await as('system')];
  assert.equal(developer.usage.prompt_tokens, system.usage.prompt_tokens);
  assert.equal(developer.choices[0]?.message.content, system.choices[0]?.message.content);
});

test('compat: a call without arguments has an empty object of them', async () => {
  const body = ask({ tools: [functionTool('noop')], tool_choice: named('noop'), max_tokens: 60, temperature: 0 });
  assert.equal((await completionOf(server, body)).choices[0]?.message.tool_calls?.[0]?.function?.arguments, '{}');
  const { chunks } = await streamOf(server, body);
  const deltas = chunks.flatMap((chunk) => chunk.choices[0]?.delta.tool_calls ?? []);
  assert.equal(deltas.map((call) => call.function?.arguments ?? '').join(''), '{}');
});

test('compat: every failure is in the envelope, its code a text or null', async () => {
  const get = { method: 'GET' };
  const answers = [
    await server.post('{"model":'),
    await server.post('[]'),
    await server.post(''),
    await server.post({ model: MODEL }),
    await server.post(ask({ temperature: 'hot' })),
    await server.post(ask({ model: 'nobody' })),
    await server.post(ask(), { headers: { 'content-type': 'text/plain' } }),
    await server.post(ask(), { path: '/v1/nowhere' }),
    await fetch(`${server.url}/v1/chat/completions`, get),
    await fetch(`${server.url}/v1/models/nobody`, get),
    await fetch(`${server.url}/v1/models/%E0%A4%A`, get),
  ];
  const statuses: number[] = [];
  for (const answer of answers) {
    statuses.push(answer.status);
    assert.equal(answer.headers.get('content-type'), 'application/json');
    assert.match(answer.headers.get('x-request-id') ?? '', /^req_/);
    errorOf(await answer.text());
  }
  assert.deepEqual(statuses, [400, 400, 400, 400, 400, 404, 415, 404, 405, 404, 400]);
});

test('compat: a failure in mid-stream is a frame, and no [DONE] follows', async () => {
  await using failing = await startTestServer({
    handler: streaming(async function* () {
      yield [START, OPEN, delta('Hel')];
      throw new GatewayError('upstream', 'It broke.');
    }),
  });
  const text = await (await failing.post({ model: 'test', messages: say, stream: true })).text();
  assert.doesNotMatch(text, /\[DONE\]/);
  const last = text.split('\n\n').findLast((frame) => frame !== '') ?? '';
  assert.deepEqual([errorOf(last.replace(/^data: /, '')).code, textIn(framesOf(text).chunks.slice(0, -1))], ['upstream_error', 'Hel']);
  const client = new OpenAI({ baseURL: `${failing.base}/v1`, apiKey: 'any', maxRetries: 0 });
  const stream = await client.chat.completions.create({ model: 'test', messages: [{ role: 'user', content: 'Hi' }], stream: true });
  await assert.rejects(async () => {
    for await (const chunk of stream) assert.ok(chunk.choices[0]);
  }, OpenAI.APIError);
});

test('compat: a stream is not compressed, not buffered, and has data lines alone', async () => {
  const stop = new AbortController();
  const response = await server.post(askLong({ stream: true }), { headers: { 'accept-encoding': 'gzip, br, zstd' }, signal: stop.signal });
  assert.equal(response.headers.get('content-encoding'), null);
  assert.equal(response.headers.get('content-length'), null);
  assert.deepEqual(
    ['cache-control', 'x-accel-buffering'].map((name) => response.headers.get(name)),
    ['no-cache, no-transform', 'no'],
  );
  let text = '';
  // a loop that is left would close the connection, and end the answer by that
  const reader = response.body?.getReader();
  while (text.length <= 2000) {
    const { value } = (await reader?.read()) ?? {};
    assert.ok(value, 'it ended early');
    text += Buffer.from(value).toString('utf8');
    // whole frames, each as soon as it is made: the answer is far from its end
    assert.ok(text.endsWith('\n\n'), text.slice(-80));
  }
  assert.ok((await server.engines()).some((engine) => engine.inFlight === 1));
  stop.abort();
  for (const line of text.split('\n')) assert.match(line, /^(data: \{.*)?$/);
  await server.until(idle);
});

test('compat: a client that goes away stops the generation, streamed or not', async () => {
  for (const stream of [true, false]) {
    const from = server.log.length;
    const stop = new AbortController();
    const asked = server.post(askLong({ stream }), { signal: stop.signal });
    await server.until((engines) => engines.some((engine) => engine.inFlight === 1));
    stop.abort();
    await assert.rejects(asked.then((response) => response.text()));
    await server.until(idle);
    const line = await server.logged((one) => one['route'] === '/v1/chat/completions', from);
    assert.equal(line['outcome'], 'cancelled');
  }
});

test('compat: no character is split over two chunks', async () => {
  const letters = '👩‍👩‍👧‍👦 你好 𝄞 é';
  const schema = { type: 'object', properties: { text: { const: letters } }, required: ['text'], additionalProperties: false };
  const { chunks } = await streamOf(server, ask({ ...schemaFormat(schema), max_tokens: 100, logprobs: true }));
  for (const { delta: one } of chunks.flatMap((chunk) => chunk.choices)) {
    const { content = '' } = one;
    assert.ok(content?.isWellFormed() && !content.includes('\uFFFD'), JSON.stringify(content));
  }
  const value = JSON.parse(textIn(chunks)) as { text: string };
  assert.equal(value.text, letters);
});

test('compat: stop strings stop a stream before any of their text is out', async () => {
  const base = ask({ temperature: 0, max_tokens: 20, ...neverEnding });
  const said = textIn((await streamOf(server, base)).chunks);
  for (const [from, to] of [
    [1, 3],
    [4, 9],
    [10, 22],
  ]) {
    const stop = said.slice(from, to);
    const { chunks } = await streamOf(server, { ...base, stop });
    assert.equal(textIn(chunks), said.slice(0, said.indexOf(stop)));
    assert.equal(finishIn(chunks), 'stop');
  }
});

test('compat: temperatures up to 2 are taken, and no limit is needed', async () => {
  await completionOf(server, ask({ temperature: 2, max_tokens: 3 }));
  const schema = { type: 'object', properties: { ok: { type: 'boolean' } }, required: ['ok'], additionalProperties: false };
  const { choices } = await completionOf(server, { model: MODEL, messages: say, ...schemaFormat(schema) });
  assert.equal(choices[0]?.finish_reason, 'stop');
});

test('compat: models have their id, object, created and owned_by', async () => {
  for (const prefix of ['/v1', '']) {
    const list = (await (await fetch(`${server.url}${prefix}/models`)).json()) as { object: string; data: Record<string, unknown>[] };
    assert.equal(list.object, 'list');
    const one = (await (await fetch(`${server.url}${prefix}/models/${MODEL}`)).json()) as Record<string, unknown>;
    assert.deepEqual(
      list.data.find((model) => model['id'] === MODEL),
      one,
    );
    for (const model of list.data) {
      assert.deepEqual([typeof model['id'], model['object'], typeof model['owned_by']], ['string', 'model', 'string']);
      assert.ok(Number.isInteger(model['created']));
    }
  }
});

test('compat: a used-up quota is not asked for again, too many requests are', async () => {
  let asked = 0;
  await using poor = await startTestServer({
    handler: async ({ request }) => {
      asked++;
      if (request.model === 'poor') throw new GatewayError('insufficient_quota', 'Nothing left.');
      throw new GatewayError('rate_limited_requests', 'Too fast.', { retryAfterMs: 1 });
    },
  });
  const client = new OpenAI({ baseURL: `${poor.base}/v1`, apiKey: 'any', maxRetries: 2 });
  const call = (model: string) => client.chat.completions.create({ model, messages: [{ role: 'user', content: 'Hi' }] });
  await assert.rejects(call('poor'), (error) => error instanceof OpenAI.RateLimitError && error.code === 'insufficient_quota');
  assert.equal(asked, 1);
  await assert.rejects(call('hasty'), OpenAI.RateLimitError);
  assert.equal(asked, 4);
});

test('contract: checks run in their order: JSON, model, messages, the other fields, the model known', async () => {
  const codes = [];
  for (const body of ['{', {}, { model: 'nobody', temperature: 9 }, { model: 'nobody', messages: say, temperature: 9 }]) {
    const { code, param } = await refusalOf(server, body);
    codes.push(`${code} ${param}`);
  }
  codes.push((await refusalOf(server, { model: 'nobody', messages: say, temperature: 1 })).code);
  assert.deepEqual(codes, [
    'invalid_json null',
    'missing_required_parameter model',
    'missing_required_parameter messages',
    'decimal_above_max_value temperature',
    'model_not_found',
  ]);
});

test('contract: a page of this machine may call, with every header that the SDKs send', async () => {
  const origin = 'http://localhost:5173';
  const wanted = 'authorization,content-type,x-stainless-lang,x-stainless-retry-count,x-stainless-anything-new';
  const preflight = await fetch(`${server.url}/v1/chat/completions`, {
    method: 'OPTIONS',
    headers: { origin, 'access-control-request-method': 'POST', 'access-control-request-headers': wanted },
  });
  assert.ok(preflight.ok);
  const allowed = (preflight.headers.get('access-control-allow-headers') ?? '').toLowerCase();
  for (const header of wanted.split(',')) assert.ok(allowed.includes(header), `${header} is not among ${allowed}`);
  const response = await server.post(ask({ max_tokens: 1 }), { headers: { origin } });
  assert.ok([origin, '*'].includes(response.headers.get('access-control-allow-origin') ?? ''));
  assert.match(response.headers.get('access-control-expose-headers') ?? '', /x-request-id/i);
  await response.text();
});

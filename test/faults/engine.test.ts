/** An engine that dies, one with too much to do, and clients that go away: what everybody else sees of it. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import OpenAI from 'openai';
import { completionOf, errorOf } from '../support/chat-client.ts';
import { MODEL, ask, askLong, busyWith, idle, startLiveServer } from '../support/live-server.ts';

const SEQUENCES = 2;
const QUEUE = 4;
const server = await startLiveServer({
  PARLANCE_ENGINE_CONTEXT_SIZE: '4096',
  PARLANCE_ENGINE_SEQUENCES: String(SEQUENCES),
  PARLANCE_ENGINE_QUEUE: String(QUEUE),
});
after(() => server.close());

/** Loads the model where it is not, and gives its process. */
async function enginePid(): Promise<number> {
  await completionOf(server, ask({ max_tokens: 1 }));
  const line = server.log.findLast(({ msg }) => msg === 'model loaded');
  assert.equal(typeof line?.['pid'], 'number');
  return Number(line?.['pid']);
}

interface Running {
  readonly stop: AbortController;
  readonly response: Promise<Response>;
  /** All that came, once it has ended; undefined where it was aborted. */
  readonly text: Promise<string | undefined>;
}

function run(body: Readonly<Record<string, unknown>>): Running {
  const stop = new AbortController();
  const response = server.post(body, { signal: stop.signal });
  const text = response.then((answer) => answer.text()).catch(() => undefined);
  return { stop, response, text };
}

/** As many endless answers as the engine takes, running and waiting. */
async function fill(stream = true): Promise<readonly Running[]> {
  const all = Array.from({ length: SEQUENCES + QUEUE }, () => run(askLong({ stream })));
  await server.until(busyWith(all.length));
  return all;
}

async function abortAll(running: readonly Running[]): Promise<void> {
  for (const { stop } of running) stop.abort();
  await Promise.all(running.map(({ text }) => text));
  await server.until(idle);
}

test('faults: an engine killed under load fails its calls, and the next one is answered', async () => {
  for (let round = 0; round < 2; round++) {
    const pid = await enginePid();
    const streams = [run(askLong({ stream: true })), run(askLong({ stream: true }))];
    // both have begun to answer; what comes now has to wait
    await Promise.all(streams.map(({ response }) => response));
    const waiting = [run(askLong({ stream: true })), run(askLong()), run(askLong())];
    await server.until(busyWith(5));
    process.kill(pid, 'SIGKILL');

    for (const { response, text } of streams) {
      assert.equal((await response).status, 200);
      const whole = (await text) ?? '';
      assert.doesNotMatch(whole, /\[DONE\]/);
      const last = whole.split('\n\n').findLast((frame) => frame !== '') ?? '';
      const error = errorOf(last.replace(/^data: /, ''));
      assert.deepEqual([error.type, error.code], ['service_unavailable_error', 'server_is_overloaded']);
    }
    for (const { response, text } of waiting) {
      const answer = await response;
      assert.equal(answer.status, 503);
      assert.ok(Number(answer.headers.get('retry-after')) >= 1 && Number(answer.headers.get('retry-after-ms')) >= 1);
      assert.equal(errorOf((await text) ?? '').code, 'server_is_overloaded');
    }
    assert.equal((await fetch(`${server.url}/health`)).status, 200);
    const next = await completionOf(server, ask({ max_tokens: 4 }));
    assert.ok(next.choices.length === 1);
    assert.notEqual(await enginePid(), pid);
  }
  assert.ok(server.log.some(({ msg }) => msg?.startsWith('engine stopped unexpectedly')));
});

test('faults: an engine that dies with nothing to do is not missed', async () => {
  const pid = await enginePid();
  process.kill(pid, 'SIGKILL');
  await server.until((engines) => engines.length === 0);
  await completionOf(server, ask({ max_tokens: 1 }));
});

test('faults: one request more than the queue holds is 503 with Retry-After', async () => {
  await enginePid();
  const running = await fill();
  for (const stream of [false, true]) {
    const refused = await server.post(askLong({ stream }));
    assert.equal(refused.status, 503);
    assert.ok(Number(refused.headers.get('retry-after')) >= 1);
    assert.ok(Number(refused.headers.get('retry-after-ms')) >= 1);
    assert.notEqual(refused.headers.get('x-should-retry'), 'false');
    const error = errorOf(await refused.text());
    assert.deepEqual([error.type, error.code], ['service_unavailable_error', 'server_is_overloaded']);
  }
  await abortAll(running);
  await completionOf(server, ask({ max_tokens: 1 }));
});

test('faults: the SDK comes back after a 503 and is answered', async () => {
  await enginePid();
  const running = await fill();
  const from = server.log.length;
  const client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'any', maxRetries: 20 });
  const messages = [{ role: 'user' as const, content: 'Hi' }];
  const answer = client.chat.completions.create({ model: MODEL, messages, max_completion_tokens: 1 });
  await server.logged(({ msg, status }) => msg === 'request' && status === 503, from);
  await abortAll(running);
  assert.equal((await answer).choices.length, 1);
});

test('faults: a client that leaves while its prompt is read frees the engine at once', async () => {
  await enginePid();
  const words = (count: number) => [{ role: 'user', content: Array.from({ length: count }, (_, index) => `word ${index}`).join(', ') }];
  const short = await completionOf(server, ask({ messages: words(60), max_tokens: 1 }));
  const line = await server.logged((one) => one['promptTokens'] === short.usage.prompt_tokens);
  const eighthMs = Number(line['ms']);

  const leave = async (nth: number): Promise<number> => {
    const from = server.log.length;
    // eight times as long, so that reading it to its end would take eight times the time and more
    const leaving = run(ask({ messages: [{ role: 'system', content: `Count ${nth}.` }, ...words(500)], max_tokens: 1 }));
    await server.until(busyWith(1));
    const began = performance.now();
    leaving.stop.abort();
    await server.until(idle);
    const tookMs = performance.now() - began;
    const left = await server.logged(({ msg, route }) => msg === 'request' && route === '/v1/chat/completions', from);
    if (tookMs < eighthMs) assert.deepEqual([left['outcome'], left['firstTokenMs']], ['cancelled', undefined]);
    return tookMs;
  };
  // this process may stand still meanwhile where the machine is busy, but not each time
  const tookMs: number[] = [];
  while (tookMs.length < 5 && !tookMs.some((ms) => ms < eighthMs)) tookMs.push(await leave(tookMs.length));
  assert.ok(Math.min(...tookMs) < eighthMs, `${tookMs.join(', ')} ms to stop, where an eighth of the prompt takes ${eighthMs} ms`);
});

test('faults: a client that leaves the queue gives up its place, and the running answers go on', async () => {
  await enginePid();
  const running = [run(askLong({ stream: true })), run(askLong({ stream: true }))];
  await Promise.all(running.map(({ response }) => response));
  const waiting = [run(askLong({ stream: true })), run(askLong())];
  await server.until(busyWith(4));
  for (const { stop } of waiting) stop.abort();
  await server.until(busyWith(2));
  await abortAll(running);
});

test('faults: a client that leaves a stream, or an answer of many choices, frees the engine', async () => {
  await enginePid();
  for (const body of [askLong({ stream: true }), askLong({ n: 8 }), askLong({ stream: true, n: 8 })]) {
    const leaving = run(body);
    if (body['stream'] === true) await leaving.response;
    await server.until(busyWith(1));
    leaving.stop.abort();
    await server.until(idle);
  }
  await completionOf(server, ask({ max_tokens: 1 }));
});

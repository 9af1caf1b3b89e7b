/** Models that are loaded, waited for, given up, put aside for others and unloaded. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { completionOf, errorOf, refusalOf } from '../support/chat-client.ts';
import { MODEL, ask, askLong, busyWith, idle, startLiveServer } from '../support/live-server.ts';
import { addTwin, builtInFile } from '../support/other-models.ts';

const TWIN = 'twin';
const DAMAGED = 'damaged';
const FOREIGN = 'foreign';

const models = await mkdtemp(join(tmpdir(), 'parlance-models-'));
await addTwin(models, TWIN);
{
  // the head of a model file: cut off after it, or as long as the whole but of an architecture that nobody knows
  const whole = await readFile(builtInFile);
  const head = whole.subarray(0, 4_000_000);
  await writeFile(join(models, `${DAMAGED}.gguf`), head);
  const foreign = Buffer.from(head);
  foreign.write('x', foreign.indexOf('llama', foreign.indexOf('general.architecture')));
  await writeFile(join(models, `${FOREIGN}.gguf`), foreign);
  await truncate(join(models, `${FOREIGN}.gguf`), whole.length);
}
const server = await startLiveServer(
  { PARLANCE_ENGINE_MAX_LOADED: '1', PARLANCE_ENGINE_IDLE_UNLOAD: '1s', PARLANCE_SERVER_PING: '50ms' },
  models,
);
after(async () => {
  await server.close();
  await rm(models, { recursive: true });
});

const twin = (more: Readonly<Record<string, unknown>> = {}) => ask({ model: TWIN, ...more });

test('models: files of the folder are listed beside the built-in model', async () => {
  const { data } = (await (await fetch(`${server.url}/v1/models`)).json()) as { data: { id: string }[] };
  const ids = data.map(({ id }) => id);
  assert.ok(ids.includes(MODEL) && ids.includes(TWIN), ids.join(', '));
});

interface Loading {
  readonly from: number;
  readonly stop: AbortController;
  readonly asked: Promise<Response>;
}

const TRIES = 10;

/**
 * Has the model loaded for somebody who waits, and does something meanwhile. The engine loads on while this process stands still, as on a
 * busy machine it may: where it was ready before anybody looked, or before it was told, the same is tried again.
 */
async function whileLoading<T>(act: (loading: Loading) => Promise<T | 'too late'>): Promise<T> {
  for (let tries = 0; tries < TRIES; tries++) {
    await server.until((engines) => engines.length === 0);
    const from = server.log.length;
    const stop = new AbortController();
    const asked = server.post(askLong(), { signal: stop.signal });
    asked.catch(() => undefined);
    await server.until(([engine]) => engine !== undefined);
    const [engine] = await server.engines();
    const done = engine?.state === 'loading' && engine.progress < 1 ? await act({ from, stop, asked }) : 'too late';
    if (done !== 'too late') return done;
    stop.abort();
    await asked.then((answer) => answer.text()).catch(() => undefined);
  }
  assert.fail(`${TRIES} times it was loaded before it could be seen`);
}

test('models: loading is shown, and given up when everybody who waited has gone', async () => {
  await whileLoading(async ({ from, stop, asked }) => {
    stop.abort();
    await assert.rejects(asked);
    await server.until((engines) => engines.length === 0);
    const line = await server.logged(({ msg, route }) => msg === 'request' && route === '/v1/chat/completions', from);
    assert.equal(line['outcome'], 'cancelled');
    return server.log.slice(from).some(({ msg }) => msg === 'model loaded') ? 'too late' : true;
  });
});

test('models: one who leaves does not end the loading for those who still wait', async () => {
  await whileLoading(async ({ from, stop, asked }) => {
    const staying = completionOf(server, ask({ max_tokens: 1 }));
    await server.until(([engine]) => engine?.state === 'loaded' || engine?.inFlight === 2);
    stop.abort();
    await assert.rejects(asked);
    assert.equal((await staying).choices.length, 1);
    assert.equal(server.log.slice(from).filter(({ msg }) => msg === 'loading model').length, 1);
    return true;
  });
});

/** Linux's list of a process's children. */
const children = `/proc/${process.pid}/task/${process.pid}/children`;

test('models: an engine killed while it loads is 503, and the next request loads anew', { skip: !existsSync(children) }, async () => {
  const response = await whileLoading(async ({ asked }) => {
    const pids = (await readFile(children, 'utf8')).match(/\d+/g) ?? [];
    assert.ok(pids.length > 0);
    for (const pid of pids) process.kill(Number(pid), 'SIGKILL');
    return asked;
  });
  assert.equal(response.status, 503);
  assert.ok(Number(response.headers.get('retry-after')) >= 1);
  assert.equal(errorOf(await response.text()).code, 'server_is_overloaded');
  await completionOf(server, ask({ max_tokens: 1 }));
});

test('models: a model that nobody asks for is unloaded, and loaded anew when somebody does', async () => {
  const from = server.log.length;
  await completionOf(server, ask({ max_tokens: 1 }));
  await server.until((engines) => engines.length === 0);
  assert.ok(server.log.slice(from).some(({ msg, why }) => msg === 'model unloaded' && why === 'idle'));
  await completionOf(server, ask({ max_tokens: 1 }));
});

test('models: while a model loads, a stream is kept alive by comments, never by data', async () => {
  await server.until((engines) => engines.length === 0);
  const response = await server.post(ask({ stream: true, max_tokens: 2 }));
  assert.equal(response.status, 200);
  const frames = (await response.text()).split('\n\n').filter((frame) => frame !== '');
  assert.equal(frames[0], ': ping');
  assert.equal(frames.at(-1), 'data: [DONE]');
  for (const frame of frames) assert.match(frame, /^(: ping|data: \[DONE\]|data: \{"id".*\})$/);
});

test('models: with room for one, another model puts an idle one aside, and back again', async () => {
  const from = server.log.length;
  const first = await completionOf(server, ask({ max_tokens: 4, temperature: 0 }));
  const second = await completionOf(server, twin({ max_tokens: 4, temperature: 0 }));
  assert.deepEqual([first.model, second.model], [MODEL, TWIN]);
  assert.equal(second.choices[0]?.message.content, first.choices[0]?.message.content, 'the same weights say the same');
  // it may have been idle for long enough already
  assert.ok((await server.engines()).every(({ id }) => id === TWIN));
  await completionOf(server, ask({ max_tokens: 1 }));
  const unloaded = server.log.slice(from).filter(({ msg }) => msg === 'model unloaded');
  assert.ok(unloaded.some((line) => line['model'] === TWIN));
});

test('models: with room for one, a request for another waits until the busy one is done', async () => {
  await completionOf(server, ask({ max_tokens: 1 }));
  const busy = completionOf(server, askLong({ max_tokens: 100 }));
  await server.until((engines) => engines.some(({ id, inFlight }) => id === MODEL && inFlight === 1));
  const [first, second] = await Promise.all([busy, completionOf(server, twin({ max_tokens: 1 }))]);
  assert.deepEqual([first.usage.completion_tokens, second.model], [100, TWIN]);
  await server.until(idle);
});

test('models: one who waits for room may leave', async () => {
  await completionOf(server, ask({ max_tokens: 1 }));
  const stop = new AbortController();
  const busy = server.post(askLong({ stream: true }), { signal: stop.signal });
  await server.until(busyWith(1));
  const waiting = new AbortController();
  // its head comes with the first comment line: by then it waits
  const asked = await server.post(twin({ stream: true }), { signal: waiting.signal });
  waiting.abort();
  await assert.rejects(asked.text());
  stop.abort();
  await busy.then((response) => response.text()).catch(() => undefined);
  await server.until(idle);
  assert.ok(!(await server.engines()).some(({ id }) => id === TWIN));
});

test('models: a damaged file is refused without harm to the others', async () => {
  const error = await refusalOf(server, ask({ model: DAMAGED }));
  assert.ok([404, 503].includes(error.status), JSON.stringify(error));
  await completionOf(server, ask({ max_tokens: 1 }));
});

test('models: a file that the engine cannot load is 503, and no harm to the others', async () => {
  const response = await server.post(ask({ model: FOREIGN }));
  const error = errorOf(await response.text());
  assert.deepEqual([response.status, error.code], [503, 'server_is_overloaded'], error.message);
  assert.ok(Number(response.headers.get('retry-after')) >= 1);
  await completionOf(server, ask({ max_tokens: 1 }));
});

test('models: loading that takes too long is 503 with Retry-After', async () => {
  await using slow = await startLiveServer({ PARLANCE_ENGINE_LOAD_TIMEOUT: '30ms' });
  const response = await slow.post(ask());
  assert.equal(response.status, 503);
  assert.ok(Number(response.headers.get('retry-after')) >= 1);
  assert.equal(errorOf(await response.text()).code, 'server_is_overloaded');
  await slow.until((engines) => engines.length === 0);
});

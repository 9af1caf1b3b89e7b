/** A server process that is told to end while it answers. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { errorOf, textIn, type Completion } from '../support/chat-client.ts';
import { ask, askLong, type EngineStatus } from '../support/live-server.ts';
import { framesOf } from '../support/openai-chat.ts';
import { startServe } from '../support/serve-process.ts';

const post = (url: string, body: unknown): Promise<Response> =>
  fetch(`${url}/v1/chat/completions`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });

/** Waits until so many requests run. */
async function inFlight(url: string, count: number): Promise<void> {
  const deadline = performance.now() + 60_000;
  for (;;) {
    const { engines } = (await (await fetch(`${url}/ready`)).json()) as { engines: readonly EngineStatus[] };
    if (engines[0]?.inFlight === count) return;
    assert.ok(performance.now() < deadline, JSON.stringify(engines));
  }
}

test('shutdown: on Ctrl-C running answers end well, new ones are refused, and the exit code is 0', async () => {
  await using server = await startServe({ PARLANCE_SERVER_SHUTDOWN_TIMEOUT: '8m' });
  const loaded = await post(server.url, ask({ max_tokens: 1 }));
  assert.equal(loaded.status, 200, await loaded.text());
  // long enough to be seen while they run, though this process may stand still for a while
  const answers = [post(server.url, askLong({ stream: true, max_tokens: 300 })), post(server.url, askLong({ max_tokens: 300 }))];
  await inFlight(server.url, answers.length);
  server.killGroup('SIGINT');
  await server.logged(({ msg }) => msg === 'shutting down');

  const [streamed = '', whole = ''] = await Promise.all(answers.map(async (answer) => (await answer).text()));
  const { chunks, done } = framesOf(streamed);
  assert.ok(done);
  assert.ok(textIn(chunks).length > 0);
  const { choices, usage } = JSON.parse(whole) as Completion;
  assert.deepEqual([choices[0]?.finish_reason, usage.completion_tokens], ['length', 300]);
  assert.equal(await server.ended, 0);
  await assert.rejects(fetch(`${server.url}/health`));
});

test('shutdown: an answer that outlasts the deadline ends with an error frame, and the exit code is 0', async () => {
  await using server = await startServe({ PARLANCE_SERVER_SHUTDOWN_TIMEOUT: '300ms' });
  const stream = await post(server.url, askLong({ stream: true }));
  assert.equal(stream.status, 200);
  server.kill('SIGTERM');
  const text = await stream.text();
  assert.doesNotMatch(text, /\[DONE\]/);
  const last = text.split('\n\n').findLast((frame) => frame !== '') ?? '';
  assert.equal(errorOf(last.replace(/^data: /, '')).code, 'server_is_overloaded');
  assert.equal(await server.ended, 0);
});

test('shutdown: while the model still loads, the server ends and takes the engine with it', async () => {
  await using server = await startServe({ PARLANCE_SERVER_SHUTDOWN_TIMEOUT: '100ms' });
  // nor is it answered in time should it be loaded before the signal comes
  const asked = post(server.url, askLong()).catch(() => undefined);
  await server.logged(({ msg }) => msg === 'loading model');
  server.kill('SIGTERM');
  const refused = await asked;
  assert.ok(refused === undefined || refused.status === 503);
  // an engine left behind would hold the pipes of the log, and this would never come
  assert.equal(await server.ended, 0);
});

/** Is the process still there? One that has ended and that nobody has asked about yet is not. */
async function runs(pid: number): Promise<boolean> {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  return !/\) [ZX] /.test(stat);
}

test('shutdown: a server that is killed leaves no engine behind', async () => {
  await using server = await startServe();
  await (await post(server.url, ask({ max_tokens: 1 }))).text();
  const pid = Number((await server.logged(({ msg }) => msg === 'model loaded'))['pid']);
  const stream = await post(server.url, askLong({ stream: true }));
  assert.ok(await runs(pid));
  server.kill('SIGKILL');
  await assert.rejects(stream.text());
  await server.ended;
  const deadline = performance.now() + 60_000;
  while (await runs(pid)) assert.ok(performance.now() < deadline, `the engine, process ${pid}, goes on`);
});

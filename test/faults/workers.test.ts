/** Several workers that serve as one: what one is told holds for all, and all of them have one set of engines and figures. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { readExposition } from '../../src/telemetry/exposition-testing.ts';
import { eventually, startLedger } from '../support/ledger.ts';
import { ask } from '../support/live-server.ts';
import { startServe } from '../support/serve-process.ts';
import type { ServeProcess } from '../support/serve-process.ts';
import { askFor } from '../support/upstream-answers.ts';
import { alive, authorized, enginesOf, toEach, workersMissing, workersOf } from '../support/worker-processes.ts';

const TWO = { PARLANCE_WORKERS: '2' };
const WITHOUT_ENGINE = { PARLANCE_MODELS_BUILT_IN: 'false' };

const completion = (more: object) => ({
  method: 'POST',
  body: { model: 'p/priced', messages: [{ role: 'user', content: askFor('c') }], max_tokens: 12, ...more },
});

describe('workers', { skip: workersMissing, concurrency: 2 }, () => {
  test('a key that is revoked, here or elsewhere, is refused by every worker within a second', async () => {
    // where the database answers late, nobody is let in meanwhile
    await using ledger = await startLedger({ env: { ...TWO, PARLANCE_DATA_OUTAGE: '0s' } });
    const server = await ledger.serve();
    const [here, elsewhere] = [await ledger.key(), await ledger.key()];
    const connections = await toEach(server, 2, ledger.root);
    const statusOf = async (secret: string): Promise<readonly number[]> =>
      Promise.all(connections.map(async (one) => (await one.ask('/v1/models', { headers: authorized(secret) })).status));
    /** Whoever asks later than a second after is not let in, however long the answer takes. */
    const isRefused = async (secret: string): Promise<void> => {
      const revokedBy = performance.now();
      const ask = async () => ({ afterMs: performance.now() - revokedBy, statuses: await statusOf(secret) });
      await eventually(ask, ({ afterMs, statuses }) => {
        assert.ok(afterMs < 1000 || !statuses.includes(200), `let in ${Math.round(afterMs)} ms after it was revoked`);
        return statuses.every((status) => status === 401);
      });
    };
    for (const { secret } of [here, elsewhere])
      await eventually(
        () => statusOf(secret),
        (statuses) => statuses.every((status) => status === 200),
      );

    const path = `/admin/v1/keys/${here.id}/revoke`;
    const answer = await connections[0]?.ask(path, { method: 'POST', headers: authorized(ledger.root), body: {} });
    assert.equal(answer?.status, 200, answer?.text);
    await isRefused(here.secret);
    await ledger.administration.revokeKey({ actor: 'test' }, elsewhere.id);
    await isRefused(elsewhere.secret);
    for (const one of connections) one.close();
  });

  test('a configuration holds for every worker when the log says that it is taken, once for all; a wrong one for none', async () => {
    await using ledger = await startLedger({ env: TWO });
    const server = await ledger.serve();
    const connections = await toEach(server, 2, ledger.root);
    const statuses = async (): Promise<readonly number[]> => {
      const answers = connections.map((one) =>
        one.ask('/v1/chat/completions', { headers: authorized(ledger.root), ...completion({ nonsense: 1 }) }),
      );
      return (await Promise.all(answers)).map(({ status }) => status);
    };
    const write = async (yaml: string, msg: string): Promise<void> => {
      const from = server.log.length;
      await server.write(yaml);
      await server.logged((line) => line.msg === msg, from);
    };
    assert.deepEqual(await statuses(), [200, 200]);
    await write('server: {strict: true}\n', 'configuration taken');
    assert.deepEqual(await statuses(), [400, 400]);
    await write('server: {strict: never}\n', 'the configuration cannot be used, the old one stays');
    assert.deepEqual(await statuses(), [400, 400]);
    await write('server: {strict: false}\n', 'configuration taken');
    assert.deepEqual(await statuses(), [200, 200]);
    assert.equal(server.log.filter(({ msg }) => msg === 'configuration taken').length, 2);
    for (const one of connections) one.close();
  });

  test('the metrics are those of all workers, whichever is asked, and what one that is killed has counted stays', async () => {
    await using server = await startServe({ ...TWO, ...WITHOUT_ENGINE });
    const connections = await toEach(server, 2);
    for (const one of connections) for (let at = 0; at < 10; at++) await one.ask('/openapi.json');
    const counted = async (): Promise<number> => {
      const families = readExposition(await (await fetch(`${server.url}/metrics`)).text());
      const samples = families.get('parlance_requests_total')?.samples ?? [];
      return samples.filter(({ labels }) => labels['route'] === '/openapi.json').reduce((sum, { value }) => sum + value, 0);
    };
    // of a worker that is slow to say it, what it said before has to do
    const all = (): Promise<number> => eventually(counted, (count) => count >= 20);
    assert.equal(await all(), 20);
    const shown = await Promise.all(connections.map(async (one) => readExposition((await one.ask('/metrics')).text)));
    for (const families of shown) {
      assert.equal(families.get('parlance_build_info')?.samples[0]?.value, 1);
      assert.equal(families.get('parlance_completions_running')?.samples[0]?.value, 0);
    }
    const ready = (await (await fetch(`${server.url}/ready`)).json()) as { workers: unknown };
    assert.deepEqual(ready.workers, { serving: 2, of: 2 });
    const health = (await (await fetch(`${server.url}/health`)).json()) as { workers: unknown };
    assert.deepEqual(health.workers, { serving: 2, of: 2 });

    const [victim = 0] = workersOf(server);
    process.kill(victim, 'SIGKILL');
    await server.logged(({ msg }) => msg === 'worker started');
    assert.equal(await all(), 20);
    for (const one of connections) one.close();
  });

  test('a local model is loaded once, and answers every worker from one engine', { timeout: 300_000 }, async () => {
    await using server = await startServe(TWO);
    const connections = await toEach(server, 2);
    const answers = await Promise.all(
      connections.map((one) => one.ask('/v1/chat/completions', { method: 'POST', body: ask({ temperature: 0 }) })),
    );
    const contents = answers.map(({ status, text }) => {
      assert.equal(status, 200, text);
      return (JSON.parse(text) as { choices: readonly { message: { content: string } }[] }).choices[0]?.message.content;
    });
    assert.equal(contents[0], contents[1]);
    assert.equal(enginesOf(server).length, 1);
    assert.equal(server.log.filter(({ msg }) => msg === 'model loaded').length, 1);
    for (const one of connections) {
      const { text } = await one.ask('/ready');
      const { engines } = JSON.parse(text) as { engines: readonly { state: string }[] };
      assert.deepEqual(engines.map(({ state }) => state), ['loaded']); // prettier-ignore
    }

    const processes = [...workersOf(server), ...enginesOf(server)];
    assert.equal(alive(processes).length, 3);
    server.kill('SIGTERM');
    assert.equal(await server.ended, 0);
    assert.deepEqual(alive(processes), []);
    assert.ok(server.log.some(({ msg }) => msg === 'stopped'));
    for (const one of connections) one.close();
  });

  test('when the process above them is killed, workers and engines end as well', { timeout: 300_000 }, async () => {
    await using server = await startServe(TWO);
    const answer = await fetch(`${server.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(ask()),
    });
    assert.equal(answer.status, 200);
    const processes = [...workersOf(server), ...enginesOf(server)];
    assert.equal(processes.length, 3);
    process.kill(server.pid, 'SIGKILL');
    await eventually(
      () => Promise.resolve(alive(processes)),
      ({ length }) => length === 0,
    );
  });

  test('all the signals that a terminal or a service manager sends to everybody at once end nobody before their time', async () => {
    await using server: ServeProcess = await startServe({ ...TWO, ...WITHOUT_ENGINE });
    const processes = workersOf(server);
    server.killGroup('SIGINT');
    assert.equal(await server.ended, 0);
    assert.deepEqual(alive(processes), []);
    assert.ok(!server.log.some(({ msg }) => msg?.startsWith('a worker ended unexpectedly') ?? false));
  });
});

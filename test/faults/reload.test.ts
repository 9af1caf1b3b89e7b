/** A configuration that changes while requests run: each is answered by the one that it began with, and none is dropped. */
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { once } from 'node:events';
import { test } from 'node:test';
import { collected } from '../support/collect.ts';
import { providerAt, routedEnv, startRouted } from '../support/faulty-route.ts';
import { send, stall, startFaultyUpstream, trickle, well } from '../support/faulty-upstream.ts';
import { restful } from '../support/gauges.ts';
import { byHand } from '../support/heard.ts';
import type { Heard } from '../support/heard.ts';
import type { LiveServer } from '../support/live-server.ts';
import { partsOf, textOf, wellBytes } from '../support/upstream-answers.ts';

/** The model `m` is `p/m`, and `p` stands at this address. */
const at = (url: string, env: Readonly<Record<string, string>> = {}) => ({
  providers: { p: providerAt(url, ['m']) },
  routes: { m: { targets: ['p/m'] } },
  env,
});

const hear = (server: LiveServer, token: string, stream = false): Promise<Heard> => byHand({ url: server.url, model: 'm', token, stream });

const RELOADS = 50;

test('reload: fifty changes under load drop no request, mix no answer, and leave nothing behind', async (t) => {
  await using a = await startFaultyUpstream('a', (asked) => (asked.stream ? [trickle(wellBytes(asked), 5)] : well(asked)));
  await using b = await startFaultyUpstream('b', (asked) => (asked.stream ? [trickle(wellBytes(asked), 7)] : well(asked)));
  await using server = await startRouted(at(a.url));
  const served = { a: 0, b: 0 };
  const load = { answers: 0, over: false };
  let wake = (): void => undefined;
  const client = async (name: string, stream: boolean): Promise<void> => {
    for (let n = 0; !load.over; n++) {
      const token = `${name}-${n}`;
      const heard = await hear(server, token, stream);
      const by = heard.text.startsWith('a:') ? 'a' : 'b';
      assert.deepEqual([heard.status, heard.ended, heard.text], [200, true, textOf(by, token)], JSON.stringify(heard.error));
      // asked once, by the one configuration that it began with
      assert.equal(a.of(token).length + b.of(token).length, 1, token);
      served[by]++;
      load.answers++;
      wake();
    }
  };
  const clients = Promise.all([client('slow1', true), client('slow2', true), client('slow3', true), client('fast', false)]);
  const more = async (count: number): Promise<void> => {
    for (const enough = load.answers + count; load.answers < enough;) {
      const { promise, resolve } = Promise.withResolvers<void>();
      wake = resolve;
      await Promise.race([promise, clients]);
    }
  };
  const refs: WeakRef<object>[] = [];
  for (let n = 1; n <= RELOADS; n++) {
    await more(2);
    refs.push(new WeakRef((await server.apply(routedEnv(at(n % 2 === 1 ? b.url : a.url)))).config.server));
  }
  await more(8);
  load.over = true;
  await clients;
  await restful(server.url);
  t.diagnostic(`${load.answers} answers while ${RELOADS} configurations came: ${JSON.stringify(served)}`);
  assert.ok(served.a > 0 && served.b > 0, JSON.stringify(served));
  // the last one is in use
  await collected(refs, 1);
});

test('reload: what began before a change ends by the old configuration, what comes after it has the new one', async () => {
  const halting = (asked: Parameters<typeof partsOf>[0]) => {
    const { head, opening, shown } = partsOf(asked);
    const all = wellBytes(asked);
    const begun = head + opening + shown;
    assert.ok(all.startsWith(begun));
    return [send(begun), stall, send(all.slice(begun.length))];
  };
  await using old = await startFaultyUpstream('old', halting);
  await using fresh = await startFaultyUpstream('fresh');
  await using server = await startRouted(at(old.url, { PARLANCE_API_KEYS: 'first,second' }));
  const running = server.post(
    { model: 'm', stream: true, messages: [{ role: 'user', content: '#running' }] },
    { headers: { authorization: 'Bearer first' } },
  );
  await old.until(() => old.of('running').length === 1);
  const stream = await running;

  // the provider stands elsewhere, and a key is gone
  await server.apply(routedEnv(at(fresh.url, { PARLANCE_API_KEYS: 'second' })));
  const ask = (key: string) =>
    server.post({ model: 'm', messages: [{ role: 'user', content: '#after' }] }, { headers: { authorization: `Bearer ${key}` } });
  assert.equal((await ask('first')).status, 401);
  assert.ok((await (await ask('second')).text()).includes('fresh:after:0'));

  old.release();
  const text = await stream.text();
  assert.ok(text.endsWith('data: [DONE]\n\n'), text);
  assert.ok(text.includes('old:running:11') && !text.includes('fresh'));
  assert.equal(old.visits.length, 1);
});

test('reload: a provider that was added is listed, one that was taken away is unknown', async () => {
  await using a = await startFaultyUpstream('a');
  await using server = await startRouted(at(a.url));
  const names = async (): Promise<readonly string[]> => {
    const { data } = (await (await fetch(`${server.url}/v1/models`)).json()) as { data: readonly { id: string }[] };
    return data.map(({ id }) => id);
  };
  assert.deepEqual(await names(), ['m', 'p/m']);
  await server.apply(routedEnv({ providers: { q: providerAt(a.url, ['n']), p: providerAt(a.url, ['m']) }, routes: {} }));
  assert.deepEqual((await names()).toSorted(), ['p/m', 'q/n']);
  await server.apply(routedEnv({ providers: { q: providerAt(a.url, ['n']) }, routes: {} }));
  assert.deepEqual(await names(), ['q/n']);
  assert.equal((await hear(server, 'gone')).status, 404);
});

/** A provider that has a list of models, and counts who asks for it. */
async function startLister(answer: 'lists' | 'stalls') {
  const asked: { readonly left: Promise<unknown> }[] = [];
  const listed = createServer((request, response) => {
    if (!request.url?.endsWith('/models')) return response.writeHead(404).end();
    asked.push({ left: once(response, 'close') });
    listed.emit('asked');
    if (answer === 'stalls') return undefined;
    return response
      .writeHead(200, { 'content-type': 'application/json' })
      .end(JSON.stringify({ object: 'list', data: [{ id: 'listed' }] }));
  }).listen(0, '127.0.0.1');
  await once(listed, 'listening');
  return {
    url: `http://127.0.0.1:${(listed.address() as AddressInfo).port}`,
    asked,
    async first() {
      while (asked.length === 0) await once(listed, 'asked');
      return asked[0];
    },
    async [Symbol.asyncDispose]() {
      listed.closeAllConnections();
      listed.close();
      await once(listed, 'close');
    },
  };
}

test('reload: the list of a provider is asked for anew where its settings changed, and only there', async () => {
  await using same = await startLister('lists');
  await using other = await startLister('lists');
  const providers = (region: string) => ({
    same: providerAt(same.url),
    other: { ...providerAt(other.url), headers: { 'x-region': region } },
  });
  await using server = await startRouted({ providers: providers('one'), routes: {} });
  const list = async (): Promise<string> => (await fetch(`${server.url}/v1/models`)).text();
  assert.match(await list(), /same\/listed[^]*other\/listed/);
  await server.apply(routedEnv({ providers: providers('two'), routes: {}, env: { PARLANCE_SERVER_STRICT: 'true' } }));
  assert.match(await list(), /same\/listed[^]*other\/listed/);
  assert.deepEqual([same.asked.length, other.asked.length], [1, 2]);
});

test('reload: what a provider that is gone was asked for its list is given up with the last request that waits for it', async () => {
  await using slow = await startLister('stalls');
  await using server = await startRouted({ providers: { slow: providerAt(slow.url) }, routes: {} });
  const client = new AbortController();
  const listing = fetch(`${server.url}/v1/models`, { signal: client.signal });
  const visit = await slow.first();
  await server.apply(routedEnv({ providers: {}, routes: {} }));
  assert.equal((await fetch(`${server.url}/v1/models`)).status, 200);
  client.abort();
  await assert.rejects(listing);
  await visit?.left;
});

test('reload: a target that rested is asked again at once where its provider was changed', async () => {
  await using broken = await startFaultyUpstream('broken', () => [send('nonsense'), { do: 'close' }]);
  await using sound = await startFaultyUpstream('sound');
  const env = {
    PARLANCE_ROUTING_BREAKER_FAILURES: '1',
    PARLANCE_ROUTING_BREAKER_COOLDOWN: '5m',
    PARLANCE_ROUTING_ATTEMPTS: '1',
  };
  await using server = await startRouted(at(broken.url, env));
  assert.equal((await hear(server, 'one')).status, 502);
  assert.equal((await hear(server, 'two')).status, 503, 'it rests');
  await server.apply(routedEnv(at(broken.url, { ...env, PARLANCE_SERVER_STRICT: 'true' })));
  assert.equal((await hear(server, 'three')).status, 503, 'another setting says nothing of it');
  await server.apply(routedEnv(at(sound.url, env)));
  assert.equal((await hear(server, 'four')).text, textOf('sound', 'four'));
});

test('reload: limits, strictness, origins and the level of the log hold from the next request on', async () => {
  await using a = await startFaultyUpstream('a');
  await using server = await startRouted(at(a.url));
  const body = { model: 'm', messages: [{ role: 'user', content: `#x ${'y'.repeat(2000)}` }], surprise: 1 };
  const from = { origin: 'https://app.example' };
  assert.equal((await server.post(body)).status, 200);
  assert.equal((await server.post(body, { headers: from })).status, 403);

  await server.apply(routedEnv(at(a.url, { PARLANCE_SERVER_STRICT: 'true', PARLANCE_SERVER_CORS_ORIGINS: 'https://app.example' })));
  assert.equal((await server.post(body, { headers: from })).status, 400);
  await server.apply(routedEnv(at(a.url, { PARLANCE_SERVER_BODY_LIMIT: '1KiB', PARLANCE_SERVER_JSON_DEPTH: '8' })));
  assert.equal((await server.post(body)).status, 413);
  // without a length, a body is measured as it comes
  const piecemeal = await fetch(`${server.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: new Blob([JSON.stringify(body)]).stream(),
    duplex: 'half',
  });
  assert.equal(piecemeal.status, 413);
  assert.equal((await server.post(`${'['.repeat(9)}${']'.repeat(9)}`)).status, 400);

  await server.apply(routedEnv(at(a.url, { PARLANCE_LOG_LEVEL: 'warn' })));
  const lines = server.log.length;
  assert.equal((await hear(server, 'quiet')).status, 200);
  await server.apply(routedEnv(at(a.url)));
  assert.equal((await hear(server, 'loud')).status, 200);
  const logged = await server.logged(({ msg }) => msg === 'request', lines);
  assert.equal(server.log.indexOf(logged), lines, 'the quiet one left no line');
});

test('reload: what cannot change while the server runs is named, as against the start', async () => {
  await using a = await startFaultyUpstream('a');
  await using server = await startRouted(at(a.url));
  const settings = { PARLANCE_PORT: '1', PARLANCE_ENGINE_IDLE_UNLOAD: '3m', PARLANCE_LOG_FORMAT: 'json' };
  const { afterRestart } = await server.apply(routedEnv(at(a.url, settings)));
  assert.deepEqual([...afterRestart].toSorted(), ['engine.idleUnload', 'log.format', 'server.port']);
  assert.equal((await hear(server, 'still')).status, 200);
  assert.deepEqual((await server.apply(routedEnv(at(a.url)))).afterRestart, []);
});

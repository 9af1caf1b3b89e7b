/** Keys at the door of a whole server: who gets in, with what, and who does not. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { newKey } from '../../src/gateway/key-format.ts';
import { startKeyed } from '../support/keyed-server.ts';
import type { Answered, KeyedServer } from '../support/keyed-server.ts';

const errorOf = ({ status, body }: Answered) => [status, body.error.type, body.error.code, body.error.param];

async function keyOf(
  keyed: KeyedServer,
  more: Readonly<Record<string, unknown>> = {},
): Promise<{ readonly id: string; readonly key: string }> {
  const made = await keyed.admin('POST', '/keys', { name: 'k', ...more });
  assert.equal(made.status, 201, JSON.stringify(made.body));
  return made.body;
}

test('keys: every refusal has its status, type and code', async () => {
  await using keyed = await startKeyed();
  const { ask, chat, admin } = keyed;
  const good = await keyOf(keyed);
  assert.equal((await chat(good.key)).status, 200);

  assert.deepEqual(errorOf(await chat(undefined)), [401, 'invalid_request_error', null, null]);
  const mistyped = `${good.key.slice(0, 20)}${good.key[20] === 'a' ? 'b' : 'a'}${good.key.slice(21)}`;
  for (const wrong of ['nothing', 'sk-other', mistyped, newKey()]) {
    assert.deepEqual(errorOf(await chat(wrong)), [401, 'invalid_request_error', 'invalid_api_key', null], wrong);
  }

  const revoked = await keyOf(keyed);
  assert.equal((await chat(revoked.key)).status, 200);
  await admin('POST', `/keys/${revoked.id}/revoke`);
  assert.deepEqual(errorOf(await chat(revoked.key)), [401, 'invalid_request_error', 'invalid_api_key', null]);

  const { body: project } = await admin('POST', '/projects', { name: 'Off' });
  const inProject = await keyOf(keyed, { project_id: project.id });
  assert.equal((await chat(inProject.key)).status, 200);
  await admin('PATCH', `/projects/${project.id}`, { disabled: true });
  assert.deepEqual(errorOf(await chat(inProject.key)), [403, 'permission_error', 'project_disabled', null]);
  await admin('PATCH', `/projects/${project.id}`, { disabled: false });
  assert.equal((await chat(inProject.key)).status, 200);

  const elsewhere = await keyOf(keyed, { addresses: ['10.0.0.0/8', '2001:db8::/32'] });
  assert.deepEqual(errorOf(await chat(elsewhere.key)), [403, 'permission_error', 'address_not_allowed', null]);
  assert.equal((await chat((await keyOf(keyed, { addresses: ['127.0.0.0/8'] })).key)).status, 200);

  const reader = await keyOf(keyed, { role: 'read-only' });
  assert.equal((await ask(reader.key, 'GET', '/v1/models')).status, 200);
  assert.deepEqual(errorOf(await chat(reader.key)), [403, 'permission_error', 'role_not_allowed', null]);
});

test('keys: one that ends is refused from then on', async (t) => {
  await using keyed = await startKeyed();
  const inAnHour = Math.floor(Date.now() / 1000) + 3600;
  const { id, key } = await keyOf(keyed, { expires_at: inAnHour });
  assert.equal((await keyed.chat(key)).status, 200);
  t.mock.timers.enable({ apis: ['Date'], now: inAnHour * 1000 - 1 });
  assert.equal((await keyed.chat(key)).status, 200);
  t.mock.timers.setTime(inAnHour * 1000);
  const refused = await keyed.chat(key);
  assert.deepEqual(errorOf(refused), [401, 'invalid_request_error', 'invalid_api_key', null]);
  assert.match(refused.body.error.message, /expired/);
  assert.equal((await keyed.admin('PATCH', `/keys/${id}`, { expires_at: null })).body.expires_at, null);
  assert.equal((await keyed.chat(key)).status, 200);
});

test('keys: what is changed by another process holds within a second', async () => {
  await using keyed = await startKeyed();
  const { chat, elsewhere } = keyed;
  const { key, secret } = await elsewhere.createKey({ actor: 'system' }, { name: 'made elsewhere' });
  assert.equal((await chat(secret)).status, 200);

  /** Of requests that begin later than a second after the change; how long one takes is another matter. */
  const until = async (status: number, what: string): Promise<void> => {
    const since = performance.now();
    for (;;) {
      const began = performance.now();
      if ((await chat(secret)).status === status) return;
      assert.ok(began - since < 1000, `${what} does not hold after a second`);
    }
  };
  await elsewhere.updateProject({ actor: 'system' }, 'default', { disabled: true });
  await until(403, 'a project that is off');
  await elsewhere.updateProject({ actor: 'system' }, 'default', { disabled: false });
  await until(200, 'a project that is on again');
  await elsewhere.revokeKey({ actor: 'system' }, key.id);
  await until(401, 'a revocation');
});

test('keys: a rotated key goes on under a new secret, and the former one for the time of grace', async (t) => {
  await using keyed = await startKeyed();
  const { admin, chat } = keyed;
  const old = await keyOf(keyed, { name: 'ci', models: ['p/*'], owner: 'Ada' });
  const { body: rotated } = await admin('POST', `/keys/${old.id}/rotate`, { grace_seconds: 3600 });
  assert.equal(rotated.id, old.id);
  assert.notEqual(rotated.key, old.key);
  assert.deepEqual([rotated.name, rotated.owner, rotated.models, rotated.revoked_at], ['ci', 'Ada', ['p/*'], null]);
  for (const key of [old.key, rotated.key]) assert.equal((await chat(key)).status, 200);
  // what the key may do is one thing, whichever secret is sent
  await admin('PATCH', `/keys/${old.id}`, { models: ['q/*'] });
  for (const key of [old.key, rotated.key]) assert.equal((await chat(key)).status, 403);
  await admin('PATCH', `/keys/${old.id}`, { models: [] });

  const former = (await admin('GET', `/keys/${rotated.former.id}`)).body;
  assert.deepEqual([former.rotated_to, former.expires_at], [old.id, rotated.former.expires_at]);
  assert.equal((await admin('POST', `/keys/${former.id}/rotate`)).status, 409);
  assert.equal((await admin('PATCH', `/keys/${former.id}`, { name: 'x' })).status, 409);

  t.mock.timers.enable({ apis: ['Date'], now: Date.now() + 3_601_000 });
  const late = await chat(old.key);
  assert.equal(late.status, 401);
  assert.match(late.body.error.message, /replaced/);
  assert.equal((await chat(rotated.key)).status, 200);

  t.mock.timers.reset();
  await admin('POST', `/keys/${old.id}/revoke`);
  for (const key of [old.key, rotated.key]) assert.equal((await chat(key)).status, 401, 'both end with the key');
});

test('keys: the former secret can be ended before its time, and without grace it ends at once', async () => {
  await using keyed = await startKeyed();
  const first = await keyOf(keyed);
  const { body: second } = await keyed.admin('POST', `/keys/${first.id}/rotate`, { grace_seconds: 3600 });
  await keyed.admin('POST', `/keys/${second.former.id}/revoke`);
  assert.deepEqual([(await keyed.chat(first.key)).status, (await keyed.chat(second.key)).status], [401, 200]);
  const { body: third } = await keyed.admin('POST', `/keys/${first.id}/rotate`);
  assert.deepEqual([(await keyed.chat(second.key)).status, (await keyed.chat(third.key)).status], [401, 200]);
});

test('keys: models are those that key and project both allow, listed and answered alike', async () => {
  await using keyed = await startKeyed();
  const { admin, ask, chat } = keyed;
  const { body: project } = await admin('POST', '/projects', { name: 'P', models: ['p/*', 'any'] });
  const { key } = await keyOf(keyed, { project_id: project.id, models: ['*small*', 'any', 'q/other'] });
  const free = await keyOf(keyed);
  const ids = async (secret: string) => (await ask(secret, 'GET', '/v1/models')).body.data.map(({ id }: { id: string }) => id).sort();
  assert.deepEqual(await ids(free.key), ['any', 'p/large', 'p/small', 'q/other', 'small-first']);
  // the route fits by its name and by both its targets; the alias by its name
  assert.deepEqual(await ids(key), ['any', 'p/small', 'small-first']);
  for (const model of ['p/small', 'any', 'small-first', 'small']) assert.equal((await chat(key, model)).status, 200, model);
  for (const model of ['p/large', 'q/other', 'large']) {
    const refused = await chat(key, model);
    assert.deepEqual(errorOf(refused), [403, 'permission_error', 'model_not_allowed', 'model'], model);
    assert.deepEqual(errorOf(await ask(key, 'GET', `/v1/models/${model}`)), [403, 'permission_error', 'model_not_allowed', 'model'], model);
  }
  const unknown = await chat(key, 'p/larg');
  assert.deepEqual(errorOf(unknown), [404, 'invalid_request_error', 'model_not_found', 'model']);
  assert.doesNotMatch(unknown.body.error.message, /large/, 'what the key may not use is not proposed either');
});

test('keys: an end user may use what is said of them, and no more than the key', async () => {
  await using keyed = await startKeyed();
  const { key } = await keyOf(keyed, { models: ['p/*'] });
  await keyed.admin('PUT', '/projects/default/end_users/ada', { models: ['*small', 'q/*'] });
  const as = async (model: string, who: Readonly<Record<string, string>>) => (await keyed.chat(key, model, who)).status;
  assert.equal(await as('p/small', { user: 'ada' }), 200);
  assert.equal(await as('p/large', { user: 'ada' }), 403);
  assert.equal(await as('p/large', { user: 'bob' }), 200);
  assert.equal(await as('p/large', { user: 'bob', safety_identifier: 'ada' }), 403);
  assert.equal(await as('q/other', { user: 'ada' }), 403);
});

test('keys: a name that a client shortens is not allowed for the look of it', async () => {
  await using keyed = await startKeyed();
  const { key } = await keyOf(keyed, { models: ['sm*', 'other'] });
  assert.equal((await keyed.chat(key, 'small')).status, 403);
  assert.equal((await keyed.chat(key, 'other')).status, 403);
  assert.equal((await keyed.chat(key, 'small-first')).status, 200);
});

test('keys: the cache has nothing for a key that may not use the model', async () => {
  await using keyed = await startKeyed({ PARLANCE_CACHE_ENABLED: 'true' });
  const { id, key } = await keyOf(keyed);
  const ask = () =>
    keyed.ask(key, 'POST', '/v1/chat/completions', { body: { model: 'p/small', messages: [{ role: 'user', content: 'Say #c*3.' }] } });
  await ask();
  assert.equal((await ask()).headers.get('x-parlance-cache'), 'hit');
  await keyed.admin('PATCH', `/keys/${id}`, { models: ['q/*'] });
  assert.equal((await ask()).status, 403);
});

test('keys: those of the configuration are members of the project default, beside those that are made', async () => {
  await using keyed = await startKeyed({ PARLANCE_KEYS: 'of-the-file' });
  assert.equal((await keyed.chat('of-the-file')).status, 200);
  assert.equal((await keyed.ask('of-the-file', 'GET', '/admin/v1/keys')).status, 403);
  assert.equal((await keyed.chat(keyed.root)).status, 200);
});

test('keys: what is said of the project default holds for those of the configuration, and without a key', async () => {
  for (const [nobody, env] of [
    ['of-the-file', { PARLANCE_KEYS: 'of-the-file' }],
    [undefined, { PARLANCE_SERVER_REQUIRE_KEY: 'false' }],
  ] as const) {
    await using keyed = await startKeyed(env);
    await keyed.admin('PATCH', '/projects/default', { models: ['q/*'] });
    assert.equal((await keyed.chat(nobody, 'q/other')).status, 200);
    assert.deepEqual(errorOf(await keyed.chat(nobody)), [403, 'permission_error', 'model_not_allowed', 'model']);
    const ids = (await keyed.ask(nobody, 'GET', '/v1/models')).body.data.map(({ id }: { id: string }) => id);
    assert.deepEqual(ids, ['q/other']);
    await keyed.admin('PATCH', '/projects/default', { models: [], disabled: true });
    assert.deepEqual(errorOf(await keyed.chat(nobody)), [403, 'permission_error', 'project_disabled', null]);
  }
});

test('keys: whoever switches a project off with a key of that project can switch it on again', async () => {
  await using keyed = await startKeyed();
  const { key } = await keyOf(keyed, {});
  assert.equal((await keyed.admin('PATCH', '/projects/default', { disabled: true })).status, 200);
  for (const one of [key, keyed.root]) assert.equal((await keyed.chat(one)).body.error.code, 'project_disabled');
  assert.equal((await keyed.ask(key, 'GET', '/admin/v1/keys')).body.error.code, 'project_disabled');
  assert.equal((await keyed.admin('PATCH', '/projects/default', { disabled: false })).status, 200);
  assert.equal((await keyed.chat(key)).status, 200);
});

test('keys: a server that needs none takes any text for one, but holds those it knows to what they are', async () => {
  await using keyed = await startKeyed({ PARLANCE_SERVER_REQUIRE_KEY: 'false' });
  assert.equal((await keyed.chat(undefined)).status, 200);
  assert.equal((await keyed.chat('sk-anything')).status, 200);
  assert.deepEqual(errorOf(await keyed.chat(newKey())), [401, 'invalid_request_error', 'invalid_api_key', null]);
  const { key } = await keyOf(keyed, { models: ['q/*'] });
  assert.equal((await keyed.chat(key)).status, 403);
  for (const nobody of [undefined, 'sk-anything']) {
    assert.deepEqual(errorOf(await keyed.ask(nobody, 'GET', '/admin/v1/keys')), [403, 'permission_error', 'role_not_allowed', null]);
  }
  assert.equal((await keyed.ask(keyed.root, 'GET', '/admin/v1/keys')).status, 200);
});

test('keys: behind a trusted proxy the address is the one that it names', async () => {
  await using keyed = await startKeyed({ PARLANCE_SERVER_TRUSTED_PROXIES: '127.0.0.1,10.0.0.0/8' });
  const { key } = await keyOf(keyed, { addresses: ['192.0.2.0/24'] });
  const from = async (forwarded: string) =>
    (await keyed.ask(key, 'GET', '/v1/models', { headers: { 'x-forwarded-for': forwarded } })).status;
  assert.equal(await from('192.0.2.7'), 200);
  assert.equal(await from('192.0.2.7, 10.1.2.3'), 200);
  assert.equal(await from('192.0.2.7, 198.51.100.1'), 403, 'what an unknown address says of others is only its word');
  assert.equal(await from(''), 403);
});

test('keys: a budget that was taken away knows of what was spent meanwhile when it is back', async () => {
  await using keyed = await startKeyed({ PARLANCE_PRICES_OVERRIDES: '{"p/*": {"input": 1, "output": 1}}' });
  const { admin, ask, chat } = keyed;
  const budgets = [{ period: 'total', usd: 1 }];
  const { id: project } = (await admin('POST', '/projects', { name: 'p' })).body;
  const { body: key } = await admin('POST', '/keys', { name: 'k', project_id: project, budgets });
  await admin('PATCH', `/projects/${project}`, { end_user_defaults: { budgets } });
  const user = `/projects/${project}/end_users/ada`;
  for (const now of [budgets, [], [{ period: 'month', usd: 2 }], budgets]) {
    await admin('PATCH', `/keys/${key.id}`, { budgets: now });
    await admin('PUT', user, { budgets: now });
    assert.equal((await chat(key.key, 'p/small', { user: 'ada', max_tokens: 5 })).status, 200);
  }
  const { body: me } = await ask(key.key, 'GET', '/v1/me');
  const [records] = (await admin('GET', `/usage?key_id=${key.id}`)).body.data;
  assert.equal(records.requests, 4);
  assert.equal(me.key.budgets[0].spent_usd, records.cost_usd);
  // the end user's as well: what is left of a budget of as much as was spent is nothing
  await admin('PUT', user, { budgets: [{ period: 'total', usd: records.cost_usd }] });
  assert.match(
    (await chat(key.key, 'p/small', { user: 'ada', max_tokens: 5 })).body.error.message,
    new RegExp(`\\${'$'}${records.cost_usd} is spent`),
  );
});

test('keys: the last use of a key is noted', async () => {
  await using keyed = await startKeyed();
  const { id, key } = await keyOf(keyed);
  const before = Math.floor(Date.now() / 1000);
  await keyed.chat(key);
  await keyed.server.close();
  const { lastUsedAt } = (await keyed.elsewhere.accounts.key(id)) ?? {};
  assert.ok(lastUsedAt !== undefined && lastUsedAt >= before * 1000, String(lastUsedAt));
});

test('keys: the log names keys by their ids and never by themselves', async () => {
  await using keyed = await startKeyed();
  const { id, key } = await keyOf(keyed);
  await keyed.chat(key);
  const { body } = await keyed.admin('POST', `/keys/${id}/rotate`);
  await keyed.chat(body.key);
  await keyed.server.logged((line) => line['key'] === id);
  const log = JSON.stringify(keyed.server.log);
  for (const secret of [key, body.key, keyed.root]) assert.ok(!log.includes(secret) && !log.includes(secret.slice(4, 20)));
});

/** The admin API of a whole server over a database of its own. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startKeyed } from '../support/keyed-server.ts';
import type { Answered } from '../support/keyed-server.ts';

const errorOf = ({ status, body }: Answered) => [status, body.error.code, body.error.param];

test('admin: only administrators get in, whatever they ask for', async () => {
  await using keyed = await startKeyed();
  const { admin, ask } = keyed;
  const secrets: string[] = [];
  for (const role of ['member', 'read-only']) secrets.push((await admin('POST', '/keys', { name: role, role })).body.key);
  const paths: readonly (readonly [string, string])[] = [
    ['GET', '/projects'],
    ['POST', '/projects'],
    ['GET', '/projects/default'],
    ['PATCH', '/projects/default'],
    ['GET', '/keys'],
    ['POST', '/keys'],
    ['GET', '/keys/key_1'],
    ['PATCH', '/keys/key_1'],
    ['POST', '/keys/key_1/rotate'],
    ['POST', '/keys/key_1/revoke'],
    ['GET', '/projects/default/end_users'],
    ['GET', '/projects/default/end_users/u'],
    ['PUT', '/projects/default/end_users/u'],
    ['POST', '/projects/default/end_users/u/block'],
    ['POST', '/projects/default/end_users/u/unblock'],
    ['GET', '/model_limits'],
    ['PUT', '/model_limits/p/small'],
    ['GET', '/audit'],
  ];
  const before = (await admin('GET', '/audit')).body;
  for (const [method, path] of paths) {
    for (const secret of secrets) {
      const refused = await ask(secret, method, `/admin/v1${path}`, method === 'GET' ? {} : { body: { name: 'x', limits: {} } });
      assert.deepEqual(errorOf(refused), [403, 'role_not_allowed', null], `${method} ${path}`);
    }
    assert.equal((await ask(undefined, method, `/admin/v1${path}`)).status, 401);
  }
  assert.deepEqual((await admin('GET', '/audit')).body, before);
  // a key that was an administrator's a moment ago
  const { body: former } = await admin('POST', '/keys', { name: 'former', role: 'admin' });
  assert.equal((await ask(former.key, 'GET', '/admin/v1/keys')).status, 200);
  await admin('PATCH', `/keys/${former.id}`, { role: 'member' });
  assert.equal((await ask(former.key, 'GET', '/admin/v1/keys')).status, 403);
});

test('admin: a key is shown once, and nothing of it that could be tried out is ever again', async () => {
  await using keyed = await startKeyed();
  const { admin, elsewhere } = keyed;
  const made = await admin('POST', '/keys', {
    name: 'ci',
    owner: 'Ada',
    limits: { requests_per_minute: 60, concurrent_requests: 4, tokens_per_day: null },
    budgets: [
      { period: 'month', usd: '25.5' },
      { period: 'day', usd: 1 },
    ],
    models: ['p/*'],
    addresses: ['127.0.0.1', '::1'],
  });
  assert.equal(made.status, 201);
  assert.equal(made.headers.get('cache-control'), 'no-store');
  const { key: secret, ...shown } = made.body;
  assert.match(secret, /^pk-[0-9A-Za-z]{42}$/);
  assert.deepEqual(shown, {
    id: shown.id,
    object: 'key',
    project_id: 'default',
    name: 'ci',
    owner: 'Ada',
    role: 'member',
    hint: `${secret.slice(0, 8)}…`,
    limits: { requests_per_minute: 60, concurrent_requests: 4 },
    budgets: [
      { period: 'month', usd: '25.50' },
      { period: 'day', usd: '1.00' },
    ],
    models: ['p/*'],
    addresses: ['127.0.0.1', '::1'],
    created_at: shown.created_at,
    expires_at: null,
    revoked_at: null,
    rotated_to: null,
    last_used_at: null,
  });
  assert.ok(Math.abs(shown.created_at - Date.now() / 1000) < 60);
  const { body: rotated } = await admin('POST', `/keys/${shown.id}/rotate`, { grace_seconds: 60 });
  await admin('POST', `/keys/${shown.id}/revoke`);
  const hashes = (await elsewhere.accounts.keys({ limit: 99 })).items.map(({ hash }) => hash);
  assert.equal(hashes.length, 3);
  const later = [`/keys/${shown.id}`, '/keys', '/audit', `/audit?subject=${shown.id}`].map(async (path) =>
    JSON.stringify((await admin('GET', path)).body),
  );
  for (const text of await Promise.all(later)) {
    for (const one of [...hashes, secret, rotated.key, secret.slice(9), rotated.key.slice(9)]) assert.ok(!text.includes(one));
  }
});

test('admin: changes change what is given, leave the rest, and are in the log with what was before', async () => {
  await using keyed = await startKeyed();
  const { admin, root, elsewhere } = keyed;
  const rootId = (await elsewhere.accounts.keys({ limit: 99 })).items[0]?.id;
  const { body: project } = await admin('POST', '/projects', {
    name: 'One',
    models: ['p/*'],
    budgets: [{ period: 'total', usd: '0.000000001' }],
  });
  const { body: changed } = await admin('PATCH', `/projects/${project.id}`, { name: 'Two', limits: { tokens_per_minute: 9 } });
  assert.deepEqual(changed, { ...project, name: 'Two', limits: { tokens_per_minute: 9 } });
  const { body: off } = await admin('PATCH', `/projects/${project.id}`, { disabled: true });
  assert.ok(off.disabled_at > 0);
  // what is so already is no change
  assert.deepEqual((await admin('PATCH', `/projects/${project.id}`, { disabled: true })).body, off);
  const { body: key } = await admin('POST', '/keys', { name: 'k', project_id: project.id, owner: 'Ada', expires_at: 4_000_000_000 });
  const { body: loose } = await admin('PATCH', `/keys/${key.id}`, { owner: null, expires_at: null, role: 'read-only' });
  assert.deepEqual([loose.owner, loose.expires_at, loose.role, loose.name], [null, null, 'read-only', 'k']);
  await admin('POST', `/keys/${key.id}/revoke`);
  assert.equal((await admin('POST', `/keys/${key.id}/revoke`)).status, 200);
  assert.equal((await admin('PATCH', `/keys/${key.id}`, { name: 'x' })).status, 409);
  assert.equal((await admin('POST', `/keys/${key.id}/rotate`)).status, 409);

  const { body: log } = await admin('GET', '/audit');
  assert.deepEqual(
    log.data.map(({ action, subject, actor }: Record<string, string>) => [action, subject, actor]),
    [
      ['key.revoke', key.id, rootId],
      ['key.update', key.id, rootId],
      ['key.create', key.id, rootId],
      ['project.disable', project.id, rootId],
      ['project.update', project.id, rootId],
      ['project.create', project.id, rootId],
      ['key.create', rootId, 'system'],
      ['project.create', 'default', 'system'],
    ],
  );
  const [, updated, created, , renamed] = log.data;
  assert.equal(created.before, null);
  assert.deepEqual([updated.before.owner, updated.after.owner], ['Ada', null]);
  assert.deepEqual(
    [renamed.before.name, renamed.after.name, renamed.after.budgets],
    ['One', 'Two', [{ period: 'total', usd: '0.000000001' }]],
  );
  const { body: ofKey } = await admin('GET', `/audit?subject=${key.id}&limit=2`);
  assert.equal(ofKey.data.length, 2);
  assert.equal(ofKey.has_more, true);
  const { body: rest } = await admin('GET', `/audit?subject=${key.id}&limit=2&cursor=${ofKey.next_cursor}`);
  assert.deepEqual([rest.data.length, rest.has_more, rest.next_cursor], [1, false, null]);
  assert.ok(root.length > 0);
});

test('admin: what is wrong with a request is said with its place, and changes nothing', async () => {
  await using keyed = await startKeyed();
  const { admin, elsewhere } = keyed;
  const { id } = (await admin('POST', '/keys', { name: 'k' })).body;
  const version = await elsewhere.accounts.version();
  const wrong: readonly (readonly [method: string, path: string, body: unknown, status: number, code: string, param: string | null])[] = [
    ['POST', '/keys', {}, 400, 'missing_required_parameter', 'name'],
    ['POST', '/keys', '{', 400, 'invalid_json', null],
    ['POST', '/keys', [], 400, 'invalid_type', null],
    ['POST', '/keys', { name: '' }, 400, 'invalid_value', 'name'],
    ['POST', '/keys', { name: 'x'.repeat(201) }, 400, 'string_above_max_length', 'name'],
    ['POST', '/keys', { name: 'x', admin: true }, 400, 'unknown_parameter', 'admin'],
    ['POST', '/keys', { name: 'x', limits: { requests_per_hour: 1 } }, 400, 'unknown_parameter', 'limits.requests_per_hour'],
    ['POST', '/keys', { name: 'x', limits: { requests_per_minute: 0 } }, 400, 'integer_below_min_value', 'limits.requests_per_minute'],
    ['POST', '/keys', { name: 'x', limits: { requests_per_minute: 1.5 } }, 400, 'invalid_type', 'limits.requests_per_minute'],
    ['POST', '/keys', { name: 'x', role: 'owner' }, 400, 'invalid_value', 'role'],
    ['POST', '/keys', { name: 'x', project_id: 'proj_none' }, 400, 'invalid_value', 'project_id'],
    ['POST', '/keys', { name: 'x', addresses: ['10.0.0.0/8', 'home'] }, 400, 'invalid_value', 'addresses[1]'],
    ['POST', '/keys', { name: 'x', expires_at: 1 }, 400, 'invalid_value', 'expires_at'],
    ['POST', '/keys', { name: 'x', budgets: [{ period: 'year', usd: 1 }] }, 400, 'invalid_value', 'budgets[0].period'],
    ['POST', '/keys', { name: 'x', budgets: [{ period: 'day', usd: '1e3' }] }, 400, 'invalid_value', 'budgets[0].usd'],
    ['POST', '/keys', { name: 'x', budgets: [{ period: 'day', usd: -1 }] }, 400, 'decimal_below_min_value', 'budgets[0].usd'],
    ['POST', '/keys', { name: 'x', budgets: [{ period: 'day', usd: 1e-10 }] }, 400, 'invalid_value', 'budgets[0].usd'],
    [
      'POST',
      '/keys',
      {
        name: 'x',
        budgets: [
          { period: 'day', usd: 1 },
          { period: 'day', usd: 2 },
        ],
      },
      400,
      'invalid_value',
      'budgets[1].period',
    ],
    ['PATCH', `/keys/${id}`, { project_id: 'default' }, 400, 'unknown_parameter', 'project_id'],
    ['PATCH', '/keys/key_none', { name: 'x' }, 404, 'not_found', null],
    ['POST', '/keys/key_none/revoke', undefined, 404, 'not_found', null],
    ['POST', `/keys/${id}/revoke`, { why: 'x' }, 400, 'unknown_parameter', 'why'],
    ['POST', `/keys/${id}/rotate`, { grace_seconds: -1 }, 400, 'integer_below_min_value', 'grace_seconds'],
    ['GET', `/keys/${'k'.repeat(1000)}`, undefined, 404, 'not_found', null],
    ['GET', '/keys?limit=0', undefined, 400, 'invalid_value', 'limit'],
    ['GET', '/keys?limit=101', undefined, 400, 'invalid_value', 'limit'],
    ['GET', '/keys?cursor=x', undefined, 400, 'invalid_value', 'cursor'],
    ['GET', '/keys?limit=1&limit=2', undefined, 400, 'invalid_value', 'limit'],
    ['GET', '/keys?project=default', undefined, 400, 'unknown_parameter', 'project'],
    ['POST', '/keys?name=x', { name: 'x' }, 400, 'unknown_parameter', 'name'],
    ['GET', '/projects/proj_none', undefined, 404, 'not_found', null],
    ['GET', '/projects/proj_none/end_users', undefined, 404, 'not_found', null],
    ['PUT', '/projects/proj_none/end_users/u', {}, 404, 'not_found', null],
    ['GET', '/projects/default/end_users/nobody', undefined, 404, 'not_found', null],
    ['PUT', '/model_limits/p/small', {}, 400, 'missing_required_parameter', 'limits'],
    ['DELETE', `/keys/${id}`, undefined, 405, 'method_not_allowed', null],
    ['GET', '/nothing', undefined, 404, 'unknown_url', null],
  ];
  for (const [method, path, body, status, code, param] of wrong) {
    assert.deepEqual(errorOf(await admin(method, path, body)), [status, code, param], `${method} ${path} ${JSON.stringify(body)}`);
  }
  assert.equal(await elsewhere.accounts.version(), version);
});

test('admin: whoever says what they have seen changes nothing else', async () => {
  await using keyed = await startKeyed();
  const { admin } = keyed;
  const { headers, body } = await admin('POST', '/keys', { name: 'k' });
  const etag = headers.get('etag') ?? '';
  assert.equal((await admin('GET', `/keys/${body.id}`)).headers.get('etag'), etag);
  const first = await admin('PATCH', `/keys/${body.id}`, { name: 'one' }, { 'if-match': etag });
  assert.equal(first.status, 200);
  const late = await admin('PATCH', `/keys/${body.id}`, { name: 'two' }, { 'if-match': etag });
  assert.deepEqual(errorOf(late), [409, 'conflict', null]);
  assert.equal(late.headers.get('x-should-retry'), 'false');
  assert.equal((await admin('POST', `/keys/${body.id}/rotate`, {}, { 'if-match': etag })).status, 409);
  assert.equal((await admin('GET', `/keys/${body.id}`)).body.name, 'one');
  const now = first.headers.get('etag') ?? '';
  assert.notEqual(now, etag);
  // its use is no change of it
  await keyed.chat(body.key);
  assert.equal((await admin('PATCH', `/keys/${body.id}`, { name: 'three' }, { 'if-match': now })).status, 200);
});

test('admin: changes at the same time all hold', async () => {
  await using keyed = await startKeyed();
  const { admin, elsewhere } = keyed;
  const { id } = (await admin('POST', '/keys', { name: 'k' })).body;
  const changes = [
    admin('PATCH', `/keys/${id}`, { owner: 'Ada' }),
    elsewhere.updateKey({ actor: 'system' }, id, { role: 'read-only' }),
    admin('PATCH', `/keys/${id}`, { models: ['p/*'] }),
    elsewhere.updateKey({ actor: 'system' }, id, { addresses: ['127.0.0.1'] }),
  ];
  await Promise.all(changes);
  const { body } = await admin('GET', `/keys/${id}`);
  assert.deepEqual([body.owner, body.role, body.models, body.addresses], ['Ada', 'read-only', ['p/*'], ['127.0.0.1']]);
});

test('admin: end users are blocked, limited and listed, by any name that clients may use', async () => {
  await using keyed = await startKeyed();
  const { admin } = keyed;
  const names = ['ada', 'a/b c?d#e', 'ünï', '%2F', 'x'.repeat(400)];
  for (const name of names) {
    const path = `/projects/default/end_users/${encodeURIComponent(name)}`;
    const { status, body } = await admin('PUT', path, { limits: { requests_per_day: 3 }, budgets: [{ period: 'day', usd: '0.10' }] });
    assert.deepEqual([status, body.id, body.limits, body.blocked_at], [200, name, { requests_per_day: 3 }, null], name.slice(0, 20));
    assert.equal((await admin('GET', path)).body.id, name);
  }
  const path = '/projects/default/end_users/ada';
  const { body: blocked } = await admin('POST', `${path}/block`, { note: 'spam' });
  assert.ok(blocked.blocked_at > 0);
  assert.deepEqual([blocked.note, blocked.limits], ['spam', { requests_per_day: 3 }]);
  // what is said of them anew leaves the block
  const { body: put } = await admin('PUT', path, { models: ['p/*'] });
  assert.deepEqual([put.blocked_at, put.models, put.limits, put.note], [blocked.blocked_at, ['p/*'], {}, null]);
  const { body: someone } = await admin('POST', '/projects/default/end_users/new/block');
  assert.ok(someone.blocked_at > 0);
  const ids = async (query: string) =>
    (await admin('GET', `/projects/default/end_users${query}`)).body.data.map((user: { id: string }) => user.id).sort();
  assert.deepEqual(await ids('?blocked=true'), ['ada', 'new']);
  assert.equal((await ids('?blocked=false')).length, names.length - 1);
  await admin('POST', `${path}/unblock`);
  assert.deepEqual(await ids('?blocked=true'), ['new']);
  const { body: log } = await admin('GET', `/audit?subject=${encodeURIComponent('default/ada')}`);
  assert.deepEqual(
    log.data.map(({ action }: { action: string }) => action),
    ['end_user.unblock', 'end_user.put', 'end_user.block', 'end_user.put'],
  );
});

test('admin: a project says what each of its end users may use, as a whole', async () => {
  await using keyed = await startKeyed();
  const { admin } = keyed;
  const nothing = { limits: {}, budgets: [] };
  assert.deepEqual((await admin('GET', '/projects/default')).body.end_user_defaults, nothing);
  const defaults = { limits: { requests_per_minute: 20 }, budgets: [{ period: 'day', usd: '0.50' }] };
  const { status, body } = await admin('PATCH', '/projects/default', { end_user_defaults: defaults });
  assert.deepEqual([status, body.end_user_defaults], [200, defaults]);
  const { body: other } = await admin('PATCH', '/projects/default', { name: 'Other' });
  assert.deepEqual([other.name, other.end_user_defaults], ['Other', defaults]);
  const { body: less } = await admin('PATCH', '/projects/default', { end_user_defaults: { limits: { concurrent_requests: 2 } } });
  assert.deepEqual(less.end_user_defaults, { limits: { concurrent_requests: 2 }, budgets: [] });
  const { body: none } = await admin('PATCH', '/projects/default', { end_user_defaults: {} });
  assert.deepEqual(none.end_user_defaults, nothing);
  const { body: made } = await admin('POST', '/projects', { name: 'made', end_user_defaults: defaults });
  assert.deepEqual((await admin('GET', `/projects/${made.id}`)).body.end_user_defaults, defaults);
  for (const [budgets, param] of [
    [
      [
        { period: 'day', usd: '0.5' },
        { period: 'day', usd: '1' },
      ],
      'end_user_defaults.budgets[1].period',
    ],
    [[{ period: 'day', usd: 'x' }], undefined],
  ] as const) {
    const { status, body } = await admin('PATCH', '/projects/default', { end_user_defaults: { budgets } });
    assert.equal(status, 400);
    if (param !== undefined) assert.equal(body.error.param, param);
  }
});

test('admin: limits of models have names with slashes, and end with an empty set', async () => {
  await using keyed = await startKeyed();
  const { admin } = keyed;
  await admin('PUT', '/model_limits/p/small', { limits: { concurrent_requests: 2 } });
  await admin('PUT', '/model_limits/p%2Flarge', { limits: { tokens_per_minute: 100 } });
  assert.deepEqual((await admin('GET', '/model_limits')).body.data, [
    { model: 'p/large', object: 'model_limits', limits: { tokens_per_minute: 100 } },
    { model: 'p/small', object: 'model_limits', limits: { concurrent_requests: 2 } },
  ]);
  await admin('PUT', '/model_limits/p/small', { limits: {} });
  assert.deepEqual(
    (await admin('GET', '/model_limits')).body.data.map(({ model }: { model: string }) => model),
    ['p/large'],
  );
});

test('admin: lists come in pages, newest first, each entry once', async () => {
  await using keyed = await startKeyed();
  const { admin } = keyed;
  const made: string[] = [];
  const { body: project } = await admin('POST', '/projects', { name: 'P' });
  for (let at = 0; at < 5; at++) made.unshift((await admin('POST', '/keys', { name: `k${at}`, project_id: project.id })).body.id);
  const seen: string[] = [];
  for (let query = '?limit=2'; ;) {
    const { body } = await admin('GET', `/keys${query}&project_id=${project.id}`);
    seen.push(...body.data.map(({ id }: { id: string }) => id));
    if (!body.has_more) break;
    query = `?limit=2&cursor=${encodeURIComponent(body.next_cursor)}`;
  }
  assert.deepEqual([...seen].sort(), [...made].sort());
});

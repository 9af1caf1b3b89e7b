/** Whatever one tenant asks for, in whatever order, nothing of another shows. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { startKeyed } from '../support/keyed-server.ts';
import type { KeyedServer } from '../support/keyed-server.ts';

interface Tenant {
  readonly name: string;
  readonly secret: string;
  readonly model: string;
  /** Texts that are this tenant's alone. */
  readonly marks: readonly string[];
}

/** A project with a key, an end user and models of its own; every name in it is a mark. */
async function tenantOf({ admin }: KeyedServer, name: string, model: string): Promise<Tenant> {
  const { body: project } = await admin('POST', '/projects', { name: `project-of-${name}`, models: [model] });
  const { body: key } = await admin('POST', '/keys', { name: `key-of-${name}`, project_id: project.id, owner: `owner-${name}` });
  await admin('PUT', `/projects/${project.id}/end_users/user-of-${name}`, { note: `note-on-${name}` });
  const words = ['project-of', 'key-of', 'owner', 'user-of', 'note-on', 'said-by'].map((word) => `${word}-${name}`);
  return { name, secret: key.key, model, marks: [...words, project.id, key.id, key.hint.slice(0, 8), model] };
}

type Step = (tenant: Tenant, other: Tenant) => { readonly method: string; readonly path: string; readonly body?: unknown };

/** What a tenant may ask, of its own and of the other's. */
const STEPS: Readonly<Record<string, Step>> = {
  models: () => ({ method: 'GET', path: '/v1/models' }),
  model: ({ model }) => ({ method: 'GET', path: `/v1/models/${model}` }),
  'a name that comes near': ({ model }) => ({ method: 'GET', path: `/v1/models/${model}x` }),
  'no such model': () => ({ method: 'POST', path: '/v1/chat/completions', body: ask('nothing/like/it', 'n', 'x') }),
  'part of a name': () => ({ method: 'POST', path: '/v1/chat/completions', body: ask('m', 'n', 'x') }),
  chat: ({ model, name }) => ({ method: 'POST', path: '/v1/chat/completions', body: ask(model, name, 'same') }),
  stream: ({ model, name }) => ({ method: 'POST', path: '/v1/chat/completions', body: { ...ask(model, name, 'same'), stream: true } }),
  stored: ({ model, name }) => ({ method: 'POST', path: '/v1/chat/completions', body: { ...ask(model, name, 'kept'), store: true } }),
  // the same to the letter, whoever asks: what the cache has of the one is not for the other
  'the same for all': () => ({ method: 'POST', path: '/v1/chat/completions', body: ask('shared', undefined, 'same') }),
  'list of the stored': () => ({ method: 'GET', path: '/v1/chat/completions' }),
  me: () => ({ method: 'GET', path: '/v1/me' }),
  administration: () => ({ method: 'GET', path: '/admin/v1/keys' }),
  'audit log': () => ({ method: 'GET', path: '/admin/v1/audit' }),
  usage: () => ({ method: 'GET', path: '/admin/v1/usage' }),
  'a foreign project': (_tenant, { marks }) => ({
    method: 'GET',
    path: `/admin/v1/projects/${marks.find((mark) => mark.startsWith('proj_'))}`,
  }),
};

const ask = (model: string, user: string | undefined, token: string) => ({
  model,
  messages: [{ role: 'user', content: `${user === undefined ? '' : `said-by-${user} `}Say #${token}*3.` }],
  ...(user === undefined ? {} : { user: `user-of-${user}` }),
});

test('tenants: no sequence of calls with one key shows anything of another', { timeout: 500_000 }, async () => {
  await using keyed = await startKeyed({
    PARLANCE_CACHE_ENABLED: 'true',
    PARLANCE_CACHE_SHARE: 'true',
    PARLANCE_MODELS_RENAME: JSON.stringify({ 'alpha/mine': 'p/small', 'beta/mine': 'q/other', shared: 'p/large' }),
  });
  const alpha = await tenantOf(keyed, 'alpha', 'alpha/mine');
  const beta = await tenantOf(keyed, 'beta', 'beta/mine');
  // one of the models is for both
  for (const { marks } of [alpha, beta]) {
    const id = marks.find((mark) => mark.startsWith('proj_'));
    const { body } = await keyed.admin('GET', `/projects/${id}`);
    await keyed.admin('PATCH', `/projects/${id}`, { models: [...body.models, 'shared'] });
  }
  const cached = new Map<string, Set<string>>();
  const call = fc.tuple(fc.boolean(), fc.constantFrom(...Object.keys(STEPS)));
  await fc.assert(
    fc.asyncProperty(fc.array(call, { minLength: 1, maxLength: 12 }), async (calls) => {
      for (const [first, step] of calls) {
        const [tenant, other] = first ? [alpha, beta] : [beta, alpha];
        const { method, path, body } = STEPS[step]?.(tenant, other) ?? assert.fail();
        const response = await fetch(keyed.server.url + path, {
          method,
          headers: { authorization: `Bearer ${tenant.secret}`, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
          ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        });
        const shown = `${JSON.stringify([...response.headers])}\n${await response.text()}`;
        // what was asked for may be named in the refusal
        const foreign = other.marks.filter((mark) => shown.includes(mark) && !path.includes(mark));
        assert.deepEqual(foreign, [], `${step} by ${tenant.name} shows ${shown}`);
        if (step !== 'the same for all' || response.status !== 200) continue;
        const seen = cached.get(step) ?? new Set();
        const hit = response.headers.get('x-parlance-cache') === 'hit';
        assert.ok(!hit || seen.has(tenant.name), 'an answer that was the other one’s');
        cached.set(step, seen.add(tenant.name));
      }
    }),
    { numRuns: 40 },
  );
  assert.equal(cached.size, 1, 'the shared model was asked');
});

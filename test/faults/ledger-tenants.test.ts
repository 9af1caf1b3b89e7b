/** Two projects behind one server: whatever is done with the key of one shows nothing of the other, and changes nothing there. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { chat, nanosIn, priceOf, startLedger } from '../support/ledger.ts';
import type { LedgerProcesses } from '../support/ledger.ts';
import type { ServeProcess } from '../support/serve-process.ts';

const MODEL = 'p/priced';
const WORDS = 12;
const LIMIT = 1000;
const BUDGET = 1_000_000_000n;
/** They say the same things and call their end users the same: only the key tells them apart. */
const TOKENS = ['one', 'two', 'three'];
const USERS = ['ann', 'bob'];

const who = fc.constantFrom(0 as const, 1 as const);
const operation = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('complete' as const),
      who,
      token: fc.constantFrom(...TOKENS),
      user: fc.constantFrom(...USERS),
      stream: fc.boolean(),
      store: fc.boolean(),
      cache: fc.boolean(),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('look' as const), who }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constantFrom('read' as const, 'messages' as const, 'note' as const, 'delete' as const),
      who,
      nth: fc.nat(5),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('block' as const), who, user: fc.constantFrom(...USERS), blocked: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('pry' as const), who }) },
);
type Operation = typeof operation extends fc.Arbitrary<infer T> ? T : never;

interface Kept {
  note: string;
}

/** What one project must see: it follows from its own calls alone. */
interface Tenant {
  readonly secret: string;
  /** Texts that nobody else may ever read. */
  readonly marks: string[];
  readonly project: string;
  /** A model that only this one may use. */
  readonly own: string;
  readonly kept: Map<string, Kept>;
  readonly cached: Set<string>;
  readonly blocked: Set<string>;
  requests: number;
  spent: bigint;
}

let made = 0;

async function tenant({ administration, key }: LedgerProcesses, own: string): Promise<Tenant> {
  const mark = `mark${++made}x`;
  const project = await administration.createProject({ actor: 'system' }, { name: `${mark}project` });
  const { secret, id } = await key({
    name: `${mark}key`,
    owner: `${mark}owner`,
    projectId: project.id,
    models: [MODEL, own],
    limits: { requestsPerMinute: LIMIT },
    budgets: [{ period: 'total', nanos: BUDGET }],
  });
  return {
    secret,
    marks: [mark, project.id, id, own],
    project: project.id,
    own,
    kept: new Map(),
    cached: new Set(),
    blocked: new Set(),
    requests: 0,
    spent: 0n,
  };
}

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  // the shapes are what the test is about
  readonly body: any; // oxlint-disable-line typescript/no-explicit-any
}

interface Read {
  readonly headers: Headers;
  readonly text: string;
  readonly path?: string;
}

async function world(ledger: LedgerProcesses, server: ServeProcess) {
  const tenants = [await tenant(ledger, 'p/plain'), await tenant(ledger, 'p/extra')] as const;

  /** Nothing that this one reads, in heads or bodies, is of the other. */
  const unseen = (one: Tenant, { headers, text, path = '' }: Read): void => {
    const other = tenants.find((each) => each !== one) ?? assert.fail();
    const all = text + JSON.stringify([...headers]);
    for (const mark of other.marks) {
      assert.ok(path.includes(mark) || !all.includes(mark), `${mark} is not for ${one.marks[0]}: ${all.slice(0, 1000)}`);
    }
  };
  const ask = async (one: Tenant, method: string, path: string, body?: unknown): Promise<Answer> => {
    const answer = await fetch(server.url + path, {
      method,
      headers: { authorization: `Bearer ${one.secret}`, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    // what was asked for is said again in refusals: who names it knows it
    unseen(one, { headers: answer.headers, text, path: decodeURIComponent(path) });
    return { status: answer.status, headers: answer.headers, body: JSON.parse(text) };
  };

  const complete = async (one: Tenant, { token, user, stream, store, cache }: Extract<Operation, { do: 'complete' }>): Promise<void> => {
    const note = `${one.marks[0]}note${one.requests}`;
    const more = {
      user,
      ...(stream ? { stream, stream_options: { include_usage: true } } : {}),
      ...(store ? { store, metadata: { note } } : {}),
    };
    const headers = { 'x-parlance-cache': cache ? 'use' : 'skip' };
    const answer = await chat({ url: server.url, secret: one.secret, token, words: WORDS, more, headers });
    unseen(one, answer);
    if (one.blocked.has(user)) {
      assert.equal(answer.status, 403, answer.text);
      return;
    }
    assert.equal(answer.status, 200, answer.text);
    one.requests++;
    assert.equal(Number(answer.headers.get('x-ratelimit-remaining-requests')), LIMIT - one.requests, 'the other takes nothing of it');
    const [data = ''] = stream ? answer.text.slice(6).split('\n\n') : [answer.text];
    const { id } = JSON.parse(data) as { id: string };
    const asked = JSON.stringify([token, user]);
    if (answer.headers.get('x-parlance-cache') === 'hit') assert.ok(cache && one.cached.has(asked), 'a hit is of an answer of its own');
    else one.spent += priceOf(WORDS);
    if (cache) one.cached.add(asked);
    if (store) one.kept.set(id, { note });
  };

  const look = async (one: Tenant): Promise<void> => {
    const models = await ask(one, 'GET', '/v1/models');
    assert.deepEqual(models.body.data.map(({ id }: { id: string }) => id).toSorted(), [one.own, MODEL].toSorted());
    const me = await ask(one, 'GET', '/v1/me');
    const [budget] = me.body.key.budgets;
    assert.equal(me.body.project.id, one.project);
    assert.equal(nanosIn(budget.spent_usd), one.spent);
    assert.equal(nanosIn(budget.held_usd), 0n);
    const [limit] = me.body.key.limits;
    assert.equal(limit.remaining, LIMIT - one.requests);
    const list = await ask(one, 'GET', '/v1/chat/completions?limit=100');
    assert.deepEqual(list.body.data.map(({ id }: { id: string }) => id).toSorted(), [...one.kept.keys()].toSorted());
    for (const { id, metadata } of list.body.data) assert.equal(metadata.note, one.kept.get(id)?.note);
  };

  /** Of any completion that either has, by its id: whether it is there for this one follows from its own calls. */
  const keptBy = async (one: Tenant, what: 'read' | 'messages' | 'note' | 'delete', nth: number): Promise<void> => {
    const ids = [...new Set(tenants.flatMap(({ kept }) => [...kept.keys()]))];
    const id = ids[nth % ids.length];
    if (id === undefined) return;
    const own = one.kept.get(id);
    const path = `/v1/chat/completions/${id}`;
    const note = `${one.marks[0]}again${nth}`;
    const answer = await {
      read: () => ask(one, 'GET', path),
      messages: () => ask(one, 'GET', `${path}/messages`),
      note: () => ask(one, 'POST', path, { metadata: { note } }),
      delete: () => ask(one, 'DELETE', path),
    }[what]();
    assert.equal(answer.status, own ? 200 : 404, JSON.stringify(answer.body));
    if (!own) return;
    if (what === 'read') assert.deepEqual([answer.body.metadata.note, answer.body.model], [own.note, MODEL]);
    if (what === 'messages') assert.ok(JSON.stringify(answer.body.data).length > 0);
    if (what === 'note') own.note = note;
    if (what === 'delete') one.kept.delete(id);
  };

  /** By an administrator: the other's end user of the same name is another one. */
  const block = async (one: Tenant, user: string, blocked: boolean): Promise<void> => {
    const path = `/admin/v1/projects/${one.project}/end_users/${user}/${blocked ? 'block' : 'unblock'}`;
    const answer = await fetch(server.url + path, {
      method: 'POST',
      headers: { authorization: `Bearer ${ledger.root}`, 'content-type': 'application/json' },
      body: '{}',
    });
    assert.equal(answer.status, 200, await answer.text());
    if (blocked) one.blocked.add(user);
    else one.blocked.delete(user);
  };

  /** What is not for members at all, and what is the other's, by its right name. */
  const pry = async (one: Tenant): Promise<void> => {
    const other = tenants.find((each) => each !== one) ?? assert.fail();
    const [, project, key] = other.marks;
    const admin = ['/usage', '/usage/records', `/usage?project_id=${project}`, '/keys', `/keys/${key}`, `/projects/${project}`, '/audit'];
    for (const path of admin) assert.equal((await ask(one, 'GET', `/admin/v1${path}`)).status, 403, path);
    const model = await ask(one, 'GET', `/v1/models/${other.own}`);
    assert.ok([403, 404].includes(model.status), String(model.status));
    const answer = await chat({ url: server.url, secret: one.secret, token: 'one', model: other.own });
    assert.ok([403, 404].includes(answer.status), answer.text);
    assert.equal((await ask(one, 'GET', `/v1/chat/completions?model=${encodeURIComponent(other.own)}`)).body.data.length, 0);
  };

  return {
    async run(step: Operation): Promise<void> {
      const one = tenants[step.who];
      switch (step.do) {
        case 'complete':
          return complete(one, step);
        case 'look':
          return look(one);
        case 'block': {
          const { user, blocked } = step;
          return block(one, user, blocked);
        }
        case 'pry':
          return pry(one);
        default:
          return keptBy(one, step.do, step.nth);
      }
    },
    async end(): Promise<void> {
      for (const one of tenants) await look(one);
    },
  };
}

test('ledger: no sequence of calls with one key shows anything of the other project, or changes anything there', async () => {
  await using ledger = await startLedger();
  const server = await ledger.serve();
  await fc.assert(
    fc.asyncProperty(fc.array(operation, { minLength: 5, maxLength: 25 }), async (steps) => {
      const { run, end } = await world(ledger, server);
      for (const step of steps) await run(step);
      await end();
    }),
    { numRuns: 25, seed: 6 },
  );
});

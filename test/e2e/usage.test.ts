/** Reports of usage, as administrators ask for them. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { startCounted } from '../support/counted-server.ts';

// the shapes are what the tests are about
type Json = any; // oxlint-disable-line typescript/no-explicit-any

const counted = await startCounted();
after(() => counted[Symbol.asyncDispose]());
const { secret: root } = await counted.key({ role: 'admin' });
const one = await counted.key({ limits: { requestsPerDay: 100 }, budgets: [{ period: 'month', nanos: 1_000_000_000n }] });
const two = await counted.key();
for (const key of [one, one, two])
  assert.equal((await counted.chat(key.secret, { user: key === one ? '=HYPERLINK("x")' : 'ada' })).status, 200);
assert.equal((await counted.chat(two.secret, { model: 'p/other' })).status, 200);

const report = async (query: string): Promise<{ status: number; body: Json; type: string | null }> => {
  const response = await counted.get(root, `/admin/v1/usage${query}`);
  const text = await response.text();
  const type = response.headers.get('content-type');
  return { status: response.status, body: type?.startsWith('application/json') ? JSON.parse(text) : text, type };
};

test('usage: sums by key and model, with what they cost', async () => {
  const { body } = await report('?group_by=key,model');
  const rows = body.data.map((row: Json) => [row.key_id, row.model, row.requests, row.prompt_tokens, row.completion_tokens, row.cost_usd]);
  assert.deepEqual(
    rows.toSorted(),
    [
      [one.id, 'p/priced', 2, 14, 24, '0.000062'],
      [two.id, 'p/other', 1, 7, 12, '0.000031'],
      [two.id, 'p/priced', 1, 7, 12, '0.000031'],
    ].toSorted(),
  );
});

test('usage: filters, pages and all in one', async () => {
  assert.equal((await report(`?key_id=${one.id}`)).body.data[0].requests, 2);
  assert.equal((await report('?from=2020-01-01&to=2020-02-01')).body.data[0].requests, 0);
  const [day] = (await report('?group_by=day')).body.data;
  assert.match(day.day, /^\d{4}-\d\d-\d\d$/);
  const seen: string[] = [];
  let cursor: string | null = '';
  while (cursor !== null) {
    const { body } = await report(`?group_by=model,key&limit=1${cursor === '' ? '' : `&cursor=${cursor}`}`);
    assert.ok(body.data.length <= 1);
    for (const row of body.data) seen.push(`${row.key_id} ${row.model}`);
    cursor = body.has_more ? body.next_cursor : null;
  }
  assert.equal(new Set(seen).size, 3);
  assert.equal(seen.length, 3);
});

test('usage: records, page by page', async () => {
  const { body } = await report('/records?limit=3');
  assert.equal(body.data.length, 3);
  const rest = await report(`/records?limit=3&cursor=${body.next_cursor}`);
  assert.deepEqual([rest.body.data.length, rest.body.has_more], [1, false]);
  const [latest] = body.data;
  assert.deepEqual(
    [latest.model, latest.key_id, latest.end_user, latest.outcome, latest.status, latest.estimated, latest.unpriced, latest.cost_usd],
    ['p/other', two.id, null, 'ok', 200, false, false, '0.000031'],
  );
  assert.match(latest.request_id, /^req_/);
});

test('usage: sums and records have the fields that the description says, each kind of token among them', async () => {
  const { schemas } = ((await (await counted.get(root, '/openapi.json')).json()) as Json).components;
  const { object, ...sum } = (await report('?group_by=day,project,key,end_user,model,provider,outcome')).body.data[0];
  assert.deepEqual(Object.keys({ object, ...sum }).toSorted(), Object.keys(schemas.UsageSum.properties).toSorted());
  const [record] = (await report('/records')).body.data;
  assert.deepEqual(Object.keys(record).toSorted(), Object.keys(schemas.UsageRecord.properties).toSorted());
  const tokens = Object.keys(record).filter((name) => name.endsWith('_tokens'));
  assert.deepEqual(tokens, Object.keys(sum).filter((name) => name.endsWith('_tokens'))); // prettier-ignore
  assert.equal(tokens.length, 10);
});

test('usage: as a table, in which nothing is a formula', async () => {
  const { body, type } = await report('/records?format=csv');
  assert.match(type ?? '', /^text\/csv/);
  const lines = body.trimEnd().split('\r\n');
  assert.equal(lines.length, 5);
  assert.match(lines[0], /^id,request_id,attempt,/);
  assert.equal(lines.filter((line: string) => line.includes(`"'=HYPERLINK(""x"")"`)).length, 2);
  const sums = await report('?group_by=provider&format=csv');
  assert.equal(sums.body.trimEnd().split('\r\n').length, 2);
});

test('usage: what is wrong with a question is said', async () => {
  const queries = ['?group_by=colour', '?from=yesterday', '?from=2026-02-30', '?outcome=fine', '?format=xml', '?limit=0', '?groupby=day'];
  for (const query of [...queries, '?group_by=day&cursor=x', '?group_by=day&cursor=', '?group_by=day&cursor=WyJhIiwiYiJd']) {
    const { status, body } = await report(query);
    assert.equal(status, 400, query);
    assert.equal(body.error.type, 'invalid_request_error');
  }
  assert.equal((await counted.get(one.secret, '/admin/v1/usage')).status, 403);
});

test('usage: a key sees of itself what it may use, and what is left', async () => {
  const me = (await (await counted.get(one.secret, '/v1/me')).json()) as Json;
  assert.equal(me.key.id, one.id);
  assert.deepEqual(me.models.toSorted(), ['p/other', 'p/priced', 'q/unpriced']);
  const [limit] = me.key.limits;
  assert.deepEqual([limit.of, limit.per, limit.limit, limit.remaining], ['requests', 'day', 100, 98]);
  const [budget] = me.key.budgets;
  assert.deepEqual(
    [budget.period, budget.usd, budget.spent_usd, budget.remaining_usd, budget.held_usd],
    ['month', '1.00', '0.000062', '0.999938', '0.00'],
  );
  assert.ok(budget.resets_at > Date.now() / 1000);
  assert.equal(me.project.id, 'default');
});

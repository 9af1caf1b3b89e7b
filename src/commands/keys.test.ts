import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { looksLikeKey } from '../gateway/key-format.ts';
import { main } from '../main.ts';
import { budgetsFrom, limitsFrom, spanFrom, timeFrom } from './keys-input.ts';
import { fakeIo } from './output-testing.ts';

async function commands(context: TestContext) {
  const dir = await mkdtemp(join(tmpdir(), 'parlance-keys-'));
  context.after(() => rm(dir, { recursive: true, force: true }));
  const keys = async (...words: readonly string[]) => {
    const io = fakeIo();
    const code = await main(['keys', ...words, '--data-dir', dir], io);
    return { code, out: io.out(), err: io.err() };
  };
  const json = async (...words: readonly string[]) => {
    const { code, out, err } = await keys(...words, '--json');
    assert.equal(code, 0, err);
    return JSON.parse(out);
  };
  return { dir, keys, json };
}

test('keys: a new key is all that goes to stdout, and good for nothing but its hash is kept', async (context) => {
  const { dir, keys } = await commands(context);
  const { code, out, err } = await keys('create', '--name', 'ci', '--owner', 'Ada');
  assert.equal(code, 0, err);
  assert.ok(looksLikeKey(out.trim()), out);
  assert.match(err, /^key_[0-9a-f]{24}, member of Default\. .*this once/);
  assert.ok((await readdir(dir)).includes('parlance.db'));
  const listed = await keys();
  assert.match(listed.out, /^ID +NAME +PROJECT +ROLE +KEY +STATE +LAST USED\nkey_[0-9a-f]+ +ci +default +member +pk-.{5}… +good +-\n$/);
  assert.ok(!listed.out.includes(out.trim()));
  assert.deepEqual(await keys('list'), listed);
});

test('keys: what a key may do is written in flags, and shown as JSON', async (context) => {
  const { json } = await commands(context);
  const may = ['--role', 'read-only', '--models', 'openai/*, smollm2*', '--addresses', '192.0.2.0/24,::1'];
  const limits = ['--limits', 'requests-per-minute=60,tokens-per-day=1000,concurrent=4', '--budget', 'month=25,total=0.000000001'];
  const { key, ...made } = await json('create', '--name', 'full', ...may, ...limits, '--expires', '2100-01-31');
  assert.ok(looksLikeKey(key));
  assert.deepEqual(
    [made.role, made.models, made.addresses, made.limits, made.budgets, made.expires_at],
    [
      'read-only',
      ['openai/*', 'smollm2*'],
      ['192.0.2.0/24', '::1'],
      { requests_per_minute: 60, tokens_per_day: 1000, concurrent_requests: 4 },
      [
        { period: 'month', usd: '25.00' },
        { period: 'total', usd: '0.000000001' },
      ],
      Date.UTC(2100, 0, 31) / 1000,
    ],
  );
  assert.deepEqual(await json('list'), [made]);
  const admin = await json('create', '--admin');
  assert.deepEqual([admin.name, admin.role], ['Admin key', 'admin']);
});

test('keys: rotating and revoking', async (context) => {
  const { keys, json } = await commands(context);
  const made = await json('create', '--name', 'ci');
  const rotated = await json('rotate', made.id, '--grace', '24h');
  assert.equal(rotated.id, made.id);
  assert.notEqual(rotated.key, made.key);
  assert.ok(Math.abs(rotated.former.expires_at - Date.now() / 1000 - 86_400) < 60);
  const again = await keys('rotate', made.id);
  assert.ok(looksLikeKey(again.out.trim()));
  assert.match(again.err, /ends now/);
  const revoked = await keys('revoke', made.id);
  assert.deepEqual([revoked.code, revoked.out], [0, `Revoked ${made.id} (ci).\n`]);
  const states = (await keys('list')).out;
  for (const state of [/ revoked /, / replaced /, / former, until /]) assert.match(states, state);
  assert.match((await keys('rotate', made.id)).err, /^error: The key has been revoked and cannot be rotated\.$/m);
});

test('keys: what is wrong is said, with the exit code for it, and makes nothing', async (context) => {
  const { keys, json } = await commands(context);
  const wrong: readonly (readonly [words: readonly string[], code: number, says: RegExp])[] = [
    [['create'], 2, /needs --name/],
    [['create', '--name', 'x', '--role', 'boss'], 2, /--role must be admin, member, read-only, not "boss"/],
    [['create', '--name', 'x', '--role', 'member', '--admin'], 2, /different things/],
    [['create', '--name', 'x', '--limits', 'per-hour=1'], 2, /--limits knows requests-per-minute, .*, not "per-hour"/],
    [['create', '--name', 'x', '--limits', 'concurrent=0'], 2, /whole number of at least 1, not "0"/],
    [['create', '--name', 'x', '--budget', '25'], 2, /NAME=VALUE/],
    [['create', '--name', 'x', '--budget', 'month=-1'], 2, /dollars such as 25 or 2\.50, not "-1"/],
    [['create', '--name', 'x', '--budget', 'day=1,day=2'], 1, /a budget for this period already/],
    [['create', '--name', 'x', '--addresses', 'home'], 1, /'home' has no IP address/],
    [['create', '--name', 'x', '--expires', 'soon'], 2, /a span such as 12h or 90d/],
    [['create', '--name', 'x', '--expires', '2001-01-01'], 1, /expired already/],
    [['create', '--name', 'x', '--project', 'none'], 1, /there is no project "none"; there are default \(Default\)/],
    [['rotate'], 2, /needs the id of a key/],
    [['rotate', 'key_1', '--grace', 'long'], 2, /--grace must be a span/],
    [['rotate', 'key_1'], 1, /There is no key "key_1"/],
    [['revoke', 'key_1', 'key_2'], 2, /takes no "key_2"/],
    [['revoke', 'key_1', '--name', 'x'], 2, /keys revoke has no --name/],
    [['remove', 'key_1'], 2, /unknown: keys remove/],
  ];
  for (const [words, code, says] of wrong) {
    const done = await keys(...words);
    assert.equal(done.code, code, words.join(' '));
    assert.match(done.err, says, words.join(' '));
    assert.equal(done.out, '');
  }
  assert.deepEqual(await json('list'), []);
});

test('keys: without a database there are none to administer', async () => {
  const io = fakeIo({ env: { PARLANCE_DATA_ENABLED: 'false' } });
  assert.equal(await main(['keys'], io), 1);
  assert.match(io.err(), /data\.enabled is false/);
});

test('keys: limits, budgets and times as they are written', () => {
  assert.deepEqual(limitsFrom(' requests-per-day=5 , tokens-per-minute=6'), { requestsPerDay: 5, tokensPerMinute: 6 });
  assert.deepEqual(budgetsFrom('week=0.5'), [{ period: 'week', nanos: 500_000_000n }]);
  assert.deepEqual(['90s', '30m', '24h', '7d', '1w', ''].map(spanFrom), [90_000, 1_800_000, 86_400_000, 604_800_000, undefined, undefined]);
  assert.equal(timeFrom('expires', '1h', 5), 3_600_005);
  assert.equal(timeFrom('expires', '2027-01-31T12:00+02:00', 0), Date.UTC(2027, 0, 31, 10));
  assert.throws(() => timeFrom('expires', '2027-01-31T12:00', 0), /--expires/, 'whose noon it is must be said');
  assert.throws(() => timeFrom('expires', '2027-13-31', 0), /--expires/);
});

/** What is kept of projects, keys and end users: the same in both databases. */
import assert from 'node:assert/strict';
import { auditOf, endUser, key, overBoth, pages, project, withStore } from './both.ts';

overBoth('accounts', (check) => {
  check('a project is what was put in, and its later self takes its place', (place) =>
    withStore(place, async ({ accounts }) => {
      const first = project('proj_a');
      await accounts.putProject(first, auditOf('proj_a'));
      assert.deepEqual(await accounts.project('proj_a'), first);
      const second = { ...first, name: 'Other', budgets: [], disabledAt: 5 };
      await accounts.putProject(second, auditOf('proj_a'));
      assert.deepEqual(await accounts.project('proj_a'), second);
      assert.equal(await accounts.project('proj_b'), undefined);
    }),
  );

  check('what a project sets for its end users is kept, and none is none', (place) =>
    withStore(place, async ({ accounts }) => {
      const endUserDefaults = { limits: { requestsPerMinute: 5 }, budgets: [{ period: 'day' as const, nanos: 9_007_199_254_740_993n }] };
      const set = project('proj_a', { endUserDefaults });
      await accounts.putProject(set, auditOf('proj_a'));
      assert.deepEqual(await accounts.project('proj_a'), set);
      const none = project('proj_a');
      await accounts.putProject(none, auditOf('proj_a'), set);
      assert.deepEqual(await accounts.project('proj_a'), none);
    }),
  );

  check('projects come newest first, page by page, each once, those of the same moment too', (place) =>
    withStore(place, async ({ accounts }) => {
      for (let at = 0; at < 7; at++) {
        await accounts.putProject(project(`proj_${at}`, { createdAt: 1_000 + Math.floor(at / 3) }), auditOf('x'));
      }
      const { items, count } = await pages((cursor) => accounts.projects({ limit: 2, ...(cursor !== undefined && { cursor }) }));
      assert.deepEqual(
        items.map(({ id }) => id),
        ['proj_6', 'proj_5', 'proj_4', 'proj_3', 'proj_2', 'proj_1', 'proj_0'],
      );
      assert.equal(count, 4);
    }),
  );

  check('a cursor that is none is the client’s mistake', (place) =>
    withStore(place, async ({ accounts, usage }) => {
      for (const cursor of ['', '%', 'abc', Buffer.from('12').toString('base64url'), Buffer.from('1.x').toString('base64url')]) {
        await assert.rejects(usage.records({}, { limit: 1, cursor }), { kind: 'invalid_value', param: 'cursor' }, cursor);
      }
      await assert.rejects(accounts.keys({ limit: 1, cursor: 'abc' }), { kind: 'invalid_value', param: 'cursor' });
    }),
  );

  check('a key is found by id and by hash, and among the keys of its project', (place) =>
    withStore(place, async ({ accounts }) => {
      await accounts.putProject(project('proj_a'), auditOf('a'));
      await accounts.putProject(project('proj_b'), auditOf('b'));
      const full = key('key_1', {
        owner: 'Ada',
        role: 'admin',
        limits: { tokensPerMinute: 5 },
        budgets: [
          { period: 'day', nanos: 1n },
          { period: 'total', nanos: 9_223_372_036_854_775_807n },
        ],
        expiresAt: 1,
        revokedAt: 2,
        rotatedTo: 'key_2',
        lastUsedAt: 3,
      });
      await accounts.putKey(full, auditOf('key_1'));
      await accounts.putKey(key('key_2', { projectId: 'proj_b', createdAt: 1_800_000_000_000 }), auditOf('key_2'));
      assert.deepEqual(await accounts.key('key_1'), full);
      assert.deepEqual(await accounts.keyByHash('hash-of-key_1'), full);
      assert.equal(await accounts.keyByHash('hash-of-key_3'), undefined);
      const idsOf = async (options: { projectId?: string }) => (await accounts.keys({ limit: 9, ...options })).items.map(({ id }) => id);
      assert.deepEqual(await idsOf({}), ['key_2', 'key_1']);
      assert.deepEqual(await idsOf({ projectId: 'proj_b' }), ['key_2']);
    }),
  );

  check('a key of a project that is not there is refused, and leaves no trace', (place) =>
    withStore(place, async ({ accounts }) => {
      const before = await accounts.version();
      await assert.rejects(accounts.putKey(key('key_1', { projectId: 'proj_x' }), auditOf('key_1')), /foreign key/i);
      assert.equal(await accounts.key('key_1'), undefined);
      assert.deepEqual((await accounts.audit({ limit: 9 })).items, []);
      assert.equal(await accounts.version(), before);
    }),
  );

  check('rotating gives the key its new hash and the old hash its end, or does neither', (place) =>
    withStore(place, async ({ accounts }) => {
      await accounts.putProject(project('proj_a'), auditOf('a'));
      const before = key('key_1');
      await accounts.putKey(before, auditOf('key_1'));
      await accounts.putKey(key('key_other'), auditOf('key_other'));
      const old = { ...before, id: 'key_old', rotatedTo: 'key_1', expiresAt: 99 };
      await assert.rejects(accounts.rotateKey(old, { ...before, hash: 'hash-of-key_other' }, auditOf('key_1')), /unique/i);
      assert.deepEqual(await accounts.key('key_1'), before);
      assert.equal(await accounts.key('key_old'), undefined);
      const fresh = { ...before, hash: 'hash-two' };
      await accounts.rotateKey(old, fresh, auditOf('key_1', { action: 'key.rotate' }));
      assert.deepEqual(await accounts.keyByHash(before.hash), old);
      assert.deepEqual(await accounts.keyByHash('hash-two'), fresh);
      await assert.rejects(accounts.rotateKey({ ...old, id: 'key_older' }, { ...before, hash: 'hash-three' }, auditOf('key_1')), {
        kind: 'conflict',
      });
      assert.equal(await accounts.keyByHash('hash-three'), undefined);
    }),
  );

  check('a change of what has been changed meanwhile is a conflict, and leaves no trace', (place) =>
    withStore(place, async ({ accounts }) => {
      await accounts.putProject(project('proj_a'), auditOf('a'));
      await accounts.putKey(key('key_1'), auditOf('key_1'));
      await accounts.putEndUser(endUser('ada'), auditOf('ada'));
      await accounts.putModelLimits({ model: 'm', limits: {} }, auditOf('m'));
      await accounts.touchKeys(new Map([['key_1', 100]]));
      // its last use is nobody's change
      await accounts.putKey(key('key_1', { revokedAt: 5 }), auditOf('key_1'), key('key_1'));
      await accounts.putProject(project('proj_a', { name: 'B' }), auditOf('a'), project('proj_a'));
      await accounts.putEndUser(endUser('ada', { blockedAt: 1 }), auditOf('ada'), endUser('ada'));
      await accounts.putModelLimits({ model: 'm', limits: { concurrent: 1 } }, auditOf('m'), { model: 'm', limits: {} });
      const [version, audit] = [await accounts.version(), await accounts.audit({ limit: 99 })];
      const late = [
        () => accounts.putKey(key('key_1', { name: 'late' }), auditOf('key_1'), key('key_1')),
        () => accounts.putProject(project('proj_a', { name: 'C' }), auditOf('a'), project('proj_a')),
        () => accounts.putEndUser(endUser('ada', { note: 'late' }), auditOf('ada'), endUser('ada')),
        () => accounts.putModelLimits({ model: 'm', limits: {} }, auditOf('m'), { model: 'm', limits: {} }),
      ];
      for (const change of late) await assert.rejects(change, { kind: 'conflict' });
      assert.equal(await accounts.version(), version);
      assert.deepEqual(await accounts.audit({ limit: 99 }), audit);
      assert.equal((await accounts.key('key_1'))?.revokedAt, 5);
    }),
  );

  check('the last use of a key only goes forward, whoever writes the key meanwhile', (place) =>
    withStore(place, async ({ accounts }) => {
      await accounts.putProject(project('proj_a'), auditOf('a'));
      await accounts.putKey(key('key_1'), auditOf('key_1'));
      await accounts.putKey(key('key_2'), auditOf('key_2'));
      const version = await accounts.version();
      await accounts.touchKeys(new Map(Object.entries({ key_2: 50, key_1: 100, key_9: 1 })));
      await accounts.touchKeys(new Map([['key_1', 90]]));
      await accounts.touchKeys(new Map());
      assert.equal((await accounts.key('key_1'))?.lastUsedAt, 100);
      assert.equal((await accounts.key('key_2'))?.lastUsedAt, 50);
      assert.equal(await accounts.version(), version);
      await accounts.putKey(key('key_1', { name: 'renamed' }), auditOf('key_1'));
      assert.deepEqual(await accounts.key('key_1'), key('key_1', { name: 'renamed', lastUsedAt: 100 }));
    }),
  );

  check('an end user belongs to a project: the same name in another is somebody else', (place) =>
    withStore(place, async ({ accounts }) => {
      await accounts.putProject(project('proj_a'), auditOf('a'));
      await accounts.putProject(project('proj_b'), auditOf('b'));
      await accounts.putEndUser(endUser('ada'), auditOf('ada'));
      await accounts.putEndUser(endUser('bob', { blockedAt: 7 }), auditOf('bob'));
      assert.deepEqual(await accounts.endUser('proj_a', 'ada'), endUser('ada'));
      assert.equal(await accounts.endUser('proj_b', 'ada'), undefined);
      const ids = async (blocked?: boolean) =>
        (await accounts.endUsers({ projectId: 'proj_a', limit: 9, ...(blocked !== undefined && { blocked }) })).items.map(({ id }) => id);
      assert.deepEqual(await ids(), ['bob', 'ada']);
      assert.deepEqual(await ids(true), ['bob']);
      assert.deepEqual(await ids(false), ['ada']);
      await accounts.putEndUser(endUser('ada', { blockedAt: 8 }), auditOf('ada'));
      assert.deepEqual(await ids(true), ['bob', 'ada']);
    }),
  );

  check('periods that had a budget are kept, of keys, projects, end users and what is set for all of them', (place) =>
    withStore(place, async ({ accounts }) => {
      const formerBudgets = ['day', 'total'] as const;
      const kept = project('proj_a', { formerBudgets, endUserDefaults: { limits: {}, budgets: [], formerBudgets } });
      await accounts.putProject(kept, auditOf('a'));
      assert.deepEqual(await accounts.project('proj_a'), kept);
      await accounts.putKey(key('key_1', { formerBudgets }), auditOf('k'));
      assert.deepEqual(await accounts.key('key_1'), key('key_1', { formerBudgets }));
      await accounts.putEndUser(endUser('ada', { formerBudgets }), auditOf('u'));
      assert.deepEqual(await accounts.endUser('proj_a', 'ada'), endUser('ada', { formerBudgets }));
    }),
  );

  check('names of any length and with any characters are kept and found', (place) =>
    withStore(place, async ({ accounts }) => {
      await accounts.putProject(project('proj_a', { name: 'quote " \' ; -- \0 \u{1F600} \uD800' }), auditOf('a'));
      const long = 'x'.repeat(20_000);
      const odd = 'with \0 and \uDC00';
      for (const id of [long, `${long}y`, odd]) await accounts.putEndUser(endUser(id, { note: id.slice(-1) }), auditOf('u'));
      assert.equal((await accounts.endUser('proj_a', long))?.note, 'x');
      assert.equal((await accounts.endUser('proj_a', `${long}y`))?.note, 'y');
      assert.notEqual(await accounts.endUser('proj_a', odd), undefined);
      assert.equal((await accounts.endUsers({ projectId: 'proj_a', limit: 9 })).items.length, 3);
    }),
  );

  check('limits of models are one each', (place) =>
    withStore(place, async ({ accounts }) => {
      await accounts.putModelLimits({ model: 'b', limits: { concurrent: 1 } }, auditOf('b'));
      await accounts.putModelLimits({ model: 'a', limits: {} }, auditOf('a'));
      await accounts.putModelLimits({ model: 'b', limits: { concurrent: 2 } }, auditOf('b'));
      assert.deepEqual(await accounts.modelLimits(), [
        { model: 'a', limits: {} },
        { model: 'b', limits: { concurrent: 2 } },
      ]);
    }),
  );

  check('every change is in the audit log, newest first, and moves the version', (place) =>
    withStore(place, async ({ accounts }) => {
      const versions = [await accounts.version()];
      const changed = async (change: Promise<void>): Promise<void> => {
        await change;
        versions.push(await accounts.version());
      };
      const entries = ['one', 'two', 'three', 'four', 'five'].map((subject) => auditOf(subject, { at: 77 }));
      const [one, two, three, four, five] = entries as [(typeof entries)[0], ...typeof entries] & { length: 5 };
      await changed(accounts.putProject(project('proj_a'), one));
      await changed(accounts.putKey(key('key_1'), two!));
      await changed(accounts.rotateKey(key('key_2', { hash: 'hash-of-key_1', expiresAt: 1 }), key('key_1', { hash: 'new' }), three!));
      await changed(accounts.putEndUser(endUser('ada'), four!));
      await changed(accounts.putModelLimits({ model: 'm', limits: {} }, five!));
      for (let at = 1; at < versions.length; at++) assert.ok(versions[at]! > versions[at - 1]!, String(versions));
      const { items } = await pages((cursor) => accounts.audit({ limit: 2, ...(cursor !== undefined && { cursor }) }));
      assert.deepEqual(items, entries.toReversed());
      assert.deepEqual((await accounts.audit({ limit: 9, subject: 'two' })).items, [two]);
    }),
  );

  check('an audit entry keeps whole numbers of any size as strings, and tells nothing from null', (place) =>
    withStore(place, async ({ accounts }) => {
      const entry = auditOf('a', { before: null, after: { budgets: [{ nanos: 12_345_678_901_234_567_890n }] } });
      await accounts.putProject(project('proj_a'), entry);
      const [kept] = (await accounts.audit({ limit: 1 })).items;
      assert.deepEqual([kept?.before, kept?.after], [null, { budgets: [{ nanos: '12345678901234567890' }] }]);
    }),
  );

  check('changes at the same time are all made, and each is counted', (place) =>
    withStore(place, async ({ accounts }) => {
      const before = await accounts.version();
      await Promise.all(Array.from({ length: 20 }, (_, at) => accounts.putProject(project(`proj_${at}`), auditOf(`proj_${at}`))));
      assert.equal(await accounts.version(), before + 20);
      assert.equal((await accounts.projects({ limit: 99 })).items.length, 20);
    }),
  );
});

/** Several processes that start for the first time at once, on one database. */
import assert from 'node:assert/strict';
import { createAdministration } from '../../src/gateway/administration.ts';
import { createFirstKey, ensureDefaultProject } from '../../src/gateway/first-start.ts';
import { openStore } from '../../src/store/open.ts';
import { overBoth, quiet } from './both.ts';

const AT_ONCE = 4;

overBoth('first start', (check) => {
  check('of several at once one makes the first admin key, and one the default project', async (place) => {
    // the schema is made by whoever comes first
    const stores = await Promise.all(Array.from({ length: AT_ONCE }, () => openStore({ ...place, log: quiet })));
    try {
      // all of them find an empty database, whoever writes first
      const ready = Promise.withResolvers<void>();
      let looked = 0;
      const together = async <T>(answer: T): Promise<T> => {
        looked += 1;
        if (looked % AT_ONCE === 0) ready.resolve();
        await ready.promise;
        return answer;
      };
      const made = await Promise.all(
        stores.map(async ({ accounts }) => {
          const slow = { ...accounts, keys: async (page: Parameters<typeof accounts.keys>[0]) => together(await accounts.keys(page)) };
          await ensureDefaultProject(accounts, Date.now);
          return createFirstKey(createAdministration({ accounts: slow, clock: Date.now, changed: () => undefined }));
        }),
      );
      const keys = made.filter((key) => key !== undefined);
      assert.equal(keys.length, 1);
      const [store] = stores;
      assert.ok(store);
      const { items } = await store.accounts.keys({ limit: 10 });
      assert.deepEqual(items, [keys[0]?.key]);
      const { items: log } = await store.accounts.audit({ limit: 10 });
      assert.deepEqual(log.map(({ action }) => action).toSorted(), ['key.create', 'project.create']);
      assert.equal(
        await createFirstKey(createAdministration({ accounts: store.accounts, clock: Date.now, changed: () => undefined })),
        undefined,
      );
    } finally {
      await Promise.all(stores.map((store) => store.close()));
    }
  });
});

/** Kept completions: the same in both databases. */
import assert from 'node:assert/strict';
import type { StoredCompletion } from '../../src/gateway/accounts.ts';
import { completion, overBoth, pages, withStore } from './both.ts';

overBoth('completions', (check) => {
  check('a completion is what was put in, and found by its project only', (place) =>
    withStore(place, async ({ completions }) => {
      const kept = completion('chatcmpl-1', { metadata: { run: '7' }, response: { text: 'NUL \0 and \uD800', deep: [null, 1.5] } });
      await completions.put(kept);
      assert.deepEqual(await completions.get('proj_a', 'chatcmpl-1'), kept);
      assert.equal(await completions.get('proj_b', 'chatcmpl-1'), undefined);
      assert.equal(await completions.setMetadata('proj_b', 'chatcmpl-1', {}), undefined);
      assert.equal(await completions.delete('proj_b', 'chatcmpl-1'), false);
      assert.deepEqual(await completions.get('proj_a', 'chatcmpl-1'), kept);
    }),
  );

  check('two projects may have a completion of the same id', (place) =>
    withStore(place, async ({ completions }) => {
      const [one, other] = [completion('chatcmpl-1'), completion('chatcmpl-1', { projectId: 'proj_b', model: 'm' })];
      await completions.put(one);
      await completions.put(other);
      assert.deepEqual(await completions.get('proj_a', 'chatcmpl-1'), one);
      assert.deepEqual(await completions.get('proj_b', 'chatcmpl-1'), other);
      assert.equal(await completions.delete('proj_a', 'chatcmpl-1'), true);
      assert.deepEqual(await completions.get('proj_b', 'chatcmpl-1'), other);
    }),
  );

  check('lists go by project, model and every pair of metadata, in both orders, page by page', (place) =>
    withStore(place, async ({ completions }) => {
      const kept = Array.from({ length: 9 }, (_, at) =>
        completion(`chatcmpl-${at}`, {
          createdAt: 1_000 + Math.floor(at / 2),
          model: at % 2 === 0 ? 'even' : 'odd',
          metadata: { third: String(at % 3), all: 'yes' },
        }),
      );
      for (const one of kept) await completions.put(one);
      await completions.put(completion('chatcmpl-x', { projectId: 'proj_b', metadata: { all: 'yes' } }));
      const ids = async (filter: { model?: string; metadata?: Record<string, string> }, order: 'asc' | 'desc') => {
        const found = await pages((cursor) =>
          completions.list({ projectId: 'proj_a', ...filter }, { limit: 2, order, ...(cursor !== undefined && { cursor }) }),
        );
        return found.items.map(({ id }: StoredCompletion) => Number(id.slice(9)));
      };
      assert.deepEqual(await ids({}, 'asc'), [0, 1, 2, 3, 4, 5, 6, 7, 8]);
      assert.deepEqual(await ids({}, 'desc'), [8, 7, 6, 5, 4, 3, 2, 1, 0]);
      assert.deepEqual(await ids({ model: 'odd' }, 'asc'), [1, 3, 5, 7]);
      assert.deepEqual(await ids({ metadata: { third: '1', all: 'yes' } }, 'desc'), [7, 4, 1]);
      assert.deepEqual(await ids({ metadata: { third: '1', all: 'no' } }, 'desc'), []);
      assert.deepEqual(await ids({ model: 'even', metadata: { third: '1' } }, 'asc'), [4]);
    }),
  );

  check('the cursor is the id of the last one; one of another project is none', (place) =>
    withStore(place, async ({ completions }) => {
      await completions.put(completion('chatcmpl-1', { createdAt: 1 }));
      await completions.put(completion('chatcmpl-2', { createdAt: 2 }));
      const first = await completions.list({ projectId: 'proj_a' }, { limit: 1, order: 'asc' });
      assert.equal(first.next, 'chatcmpl-1');
      for (const cursor of ['chatcmpl-9', '']) {
        const page = completions.list({ projectId: 'proj_a' }, { limit: 1, order: 'asc', cursor });
        await assert.rejects(page, { kind: 'invalid_value', param: 'after' });
      }
      const others = completions.list({ projectId: 'proj_b' }, { limit: 1, order: 'asc', cursor: 'chatcmpl-1' });
      await assert.rejects(others, { kind: 'invalid_value', param: 'after' });
    }),
  );

  check('new metadata takes the place of the old, in lists too', (place) =>
    withStore(place, async ({ completions }) => {
      const kept = completion('chatcmpl-1', { metadata: { a: '1', b: '2' } });
      await completions.put(kept);
      assert.deepEqual(await completions.setMetadata('proj_a', 'chatcmpl-1', { b: '3' }), { ...kept, metadata: { b: '3' } });
      const count = async (metadata: Record<string, string>) =>
        (await completions.list({ projectId: 'proj_a', metadata }, { limit: 9, order: 'asc' })).items.length;
      assert.deepEqual([await count({ a: '1' }), await count({ b: '2' }), await count({ b: '3' })], [0, 0, 1]);
      await completions.put({ ...kept, metadata: {} });
      assert.equal(await count({ b: '3' }), 0);
      assert.equal(await completions.setMetadata('proj_a', 'chatcmpl-2', {}), undefined);
    }),
  );

  check('a deleted completion is gone, and may come again', (place) =>
    withStore(place, async ({ completions }) => {
      await completions.put(completion('chatcmpl-1', { metadata: { a: '1' } }));
      assert.equal(await completions.delete('proj_a', 'chatcmpl-1'), true);
      assert.equal(await completions.delete('proj_a', 'chatcmpl-1'), false);
      assert.equal(await completions.get('proj_a', 'chatcmpl-1'), undefined);
      await completions.put(completion('chatcmpl-1', { metadata: { a: '1' } }));
      const { items } = await completions.list({ projectId: 'proj_a', metadata: { a: '1' } }, { limit: 9, order: 'asc' });
      assert.equal(items.length, 1);
    }),
  );
});

/** Records of usage and their sums: the same in both databases. */
import assert from 'node:assert/strict';
import type { UsageRecord } from '../../src/gateway/accounts.ts';
import type { UsageFilter, UsageGroup, UsageSum } from '../../src/gateway/store-ports.ts';
import { textOf } from '../../src/store/journal/lines.ts';
import { isRefusal } from '../../src/store/refusal.ts';
import { seeded } from '../support/random.ts';
import { overBoth, pages, record, withStore } from './both.ts';

const DAY = 86_400_000;
const NOON = 19_700 * DAY + DAY / 2;

/** What the sums must be, by adding up the records one by one. */
function expected(records: readonly UsageRecord[], filter: UsageFilter, groups: readonly UsageGroup[]): readonly UsageSum[] {
  const sums = new Map<string, UsageSum>();
  const counts = { requests: 0, attempts: 0, estimated: 0, unpriced: 0, costNanos: 0n };
  const ofPrompt = { promptTokens: 0n, cachedTokens: 0n, cacheWriteTokens: 0n, cacheWriteLongTokens: 0n };
  const ofCompletion = { completionTokens: 0n, reasoningTokens: 0n, completionAudioTokens: 0n, completionImageTokens: 0n };
  const none = { ...counts, ...ofPrompt, ...ofCompletion, audioTokens: 0n, imageTokens: 0n };
  if (groups.length === 0) sums.set('{}', { group: {}, ...none });
  for (const one of records) {
    const about = {
      day: new Date(one.at).toISOString().slice(0, 10),
      project: one.projectId,
      key: one.keyId,
      endUser: one.endUser,
      model: one.model,
      provider: one.provider,
      outcome: one.outcome,
    };
    if (one.at < (filter.from ?? 0) || one.at >= (filter.to ?? Infinity)) continue;
    const wanted = [filter.projectId, filter.keyId, filter.endUser, filter.model, filter.provider, filter.outcome];
    const has = [one.projectId, one.keyId, one.endUser, one.model, one.provider, one.outcome];
    if (wanted.some((value, at) => value !== undefined && value !== has[at])) continue;
    const group = Object.fromEntries(groups.flatMap((name) => (about[name] === undefined ? [] : [[name, about[name]]])));
    const before = sums.get(JSON.stringify(group)) ?? { group, ...none };
    sums.set(JSON.stringify(group), {
      group,
      requests: before.requests + (one.attempt === 1 ? 1 : 0),
      attempts: before.attempts + 1,
      promptTokens: before.promptTokens + BigInt(one.promptTokens),
      completionTokens: before.completionTokens + BigInt(one.completionTokens),
      cachedTokens: before.cachedTokens + BigInt(one.cachedTokens),
      cacheWriteTokens: before.cacheWriteTokens + BigInt(one.cacheWriteTokens),
      cacheWriteLongTokens: before.cacheWriteLongTokens + BigInt(one.cacheWriteLongTokens),
      reasoningTokens: before.reasoningTokens + BigInt(one.reasoningTokens),
      audioTokens: before.audioTokens + BigInt(one.audioTokens),
      completionAudioTokens: before.completionAudioTokens + BigInt(one.completionAudioTokens),
      imageTokens: before.imageTokens + BigInt(one.imageTokens),
      completionImageTokens: before.completionImageTokens + BigInt(one.completionImageTokens),
      costNanos: before.costNanos + one.costNanos,
      estimated: before.estimated + (one.estimated ? 1 : 0),
      unpriced: before.unpriced + (one.unpriced ? 1 : 0),
    });
  }
  return sorted([...sums.values()]);
}

const sorted = (sums: readonly UsageSum[]): readonly UsageSum[] => {
  const nameOf = ({ group }: UsageSum): string => JSON.stringify(Object.entries(group).sort());
  return sums.toSorted((one, other) => (nameOf(one) < nameOf(other) ? -1 : 1));
};

/** Records of a few days, keys, models, end users and outcomes. */
function many(count: number, seed: number): readonly UsageRecord[] {
  const random = seeded(seed);
  const whole = (below: number): number => Math.floor(random() * below);
  const pick = <T>(values: readonly T[]): T => values[whole(values.length)] as T;
  return Array.from({ length: count }, (_, at) =>
    record(`req_${at}:1`, {
      attempt: pick([1, 1, 1, 2]),
      at: NOON - 3 * DAY + whole(6 * DAY),
      keyId: pick(['key_a', 'key_b', undefined]),
      projectId: pick(['proj_a', 'proj_b', undefined]),
      endUser: pick(['ada', 'bob', undefined]),
      model: pick(['openai/one', 'other/two']),
      provider: pick(['openai', 'other', undefined]),
      outcome: pick(['ok', 'ok', 'error', 'cancelled', 'lost'] as const),
      promptTokens: whole(1_000),
      completionTokens: whole(1_000),
      cachedTokens: whole(100),
      cacheWriteTokens: whole(200),
      cacheWriteLongTokens: whole(150),
      reasoningTokens: whole(300),
      audioTokens: whole(400),
      completionAudioTokens: whole(250),
      imageTokens: whole(500),
      completionImageTokens: whole(350),
      estimated: random() < 0.2,
      unpriced: random() < 0.1,
      costNanos: BigInt(whole(1_000_000_000)),
    }),
  );
}

overBoth('usage', (check) => {
  check('a record is what was put in', (place) =>
    withStore(place, async ({ usage }) => {
      const full = record('req_1:2', {
        attempt: 2,
        endUser: 'ada',
        estimated: true,
        unpriced: true,
        cache: 'shared',
        outcome: 'error',
        status: 502,
        errorKind: 'upstream',
        costNanos: 9_223_372_036_854_775_807n,
        promptTokens: Number.MAX_SAFE_INTEGER,
      });
      const spare = record('req_2:1', { keyId: undefined, projectId: undefined, provider: undefined, firstOutputMs: undefined, at: 1 });
      await usage.add([full, spare]);
      assert.deepEqual((await usage.records({}, { limit: 9 })).items, [full, spare]);
    }),
  );

  check('times are rounded to whole milliseconds', (place) =>
    withStore(place, async ({ usage }) => {
      await usage.add([record('req_1:1', { queueMs: 0.4, firstOutputMs: 120.51, totalMs: 900.2 })]);
      const [kept] = (await usage.records({}, { limit: 1 })).items;
      assert.deepEqual([kept?.queueMs, kept?.firstOutputMs, kept?.totalMs], [0, 121, 900]);
    }),
  );

  check('a time between two milliseconds is in the day that it is rounded to, and asked for as it is', (place) =>
    withStore(place, async ({ usage }) => {
      const midnight = 19_700 * DAY;
      await usage.add([record('a:1', { at: midnight - 0.4, costNanos: 1n }), record('b:1', { at: midnight - 0.6, costNanos: 10n })]);
      assert.deepEqual(
        (await usage.sums({}, ['day'])).map(({ group, costNanos }) => [group.day, costNanos]),
        [
          ['2023-12-08', 10n],
          ['2023-12-09', 1n],
        ],
      );
      for (const from of [midnight - 0.9, midnight - 0.5, midnight]) assert.equal(await usage.spent({ keyId: 'key_a' }, from), 1n);
      assert.equal((await usage.records({ from: midnight - 0.5, to: midnight + 0.5 }, { limit: 9 })).items.length, 1);
      assert.equal(await usage.prune(midnight - 0.5, 9), 1);
    }),
  );

  check('a record that is there already changes neither the records nor the sums', (place) =>
    withStore(place, async ({ usage }) => {
      const records = many(150, 1);
      await usage.add(records.slice(0, 100));
      await usage.add(records.slice(50));
      await usage.add([...records.slice(0, 3), ...records.slice(0, 3), record('req_0:1', { costNanos: 7n })]);
      assert.equal((await usage.records({}, { limit: 999 })).items.length, 150);
      assert.deepEqual(await usage.sums({}, []), expected(records, {}, []));
    }),
  );

  check('records that come as lines of the journal are what they would be as records, in tables and sums', (place) =>
    withStore(place, async ({ usage }) => {
      const names = ['\u2028 "quoted" \\ \n', '\0', '\uD800', '😀'.repeat(300), ''];
      const odd = names.map((name, at) => record(`odd_${at}`, { endUser: name, modelAsked: name, errorKind: name, at: NOON + 0.4 }));
      const most = record('most', { costNanos: 2n ** 61n, promptTokens: Number.MAX_SAFE_INTEGER });
      const all = [...many(300, 8), ...odd, most];
      const under = (projectId: string) => all.map((one) => ({ ...one, projectId, id: `${one.id}:${projectId}` }));
      await usage.addLines([]);
      const lines = under('lines').map(textOf);
      await usage.addLines(lines.slice(0, 200));
      await usage.addLines([...lines.slice(100), ...lines.slice(-3)]);
      await usage.add(under('records'));
      await usage.add(under('lines'));
      const kept = async (projectId: string) => {
        const { items } = await usage.records({ projectId }, { limit: 999 });
        const anonymous = items.map((one) => ({ ...one, projectId: '', id: one.id.replace(/:[a-z]+$/, '') }));
        const sums = [await usage.sums({ projectId }, []), await usage.sums({ projectId }, ['day', 'endUser', 'model'])];
        return { items: anonymous.toSorted((one, other) => (one.id < other.id ? -1 : 1)), sums };
      };
      const asLines = await kept('lines');
      assert.equal(asLines.items.length, all.length);
      assert.deepEqual(asLines, await kept('records'));
    }),
  );

  check('a line of a version that knew fewer kinds of tokens has none of the others', (place) =>
    withStore(place, async ({ usage }) => {
      const later = { cacheWriteLongTokens: 0, completionAudioTokens: 0, imageTokens: 0, completionImageTokens: 0 };
      const earlier = JSON.stringify(JSON.parse(textOf(record('a:1'))), (name, value: unknown) =>
        Object.hasOwn(later, name) ? undefined : value,
      );
      await usage.addLines([earlier]);
      assert.deepEqual((await usage.records({}, { limit: 9 })).items, [record('a:1', later)]);
    }),
  );

  check('lines of which one is no record are refused together', (place) =>
    withStore(place, async ({ usage }) => {
      const whole = textOf(record('a:1'));
      const bad = ['{"id":"b"}', 'null', 'half', whole.replace(/"at":\d+/, '"at":null'), whole.replace(/"status":\d+/, '"status":"x"')];
      for (const line of bad) await assert.rejects(usage.addLines([whole, line]), (error) => isRefusal(error), line);
      assert.equal((await usage.records({}, { limit: 9 })).items.length, 0);
      assert.deepEqual(await usage.sums({}, []), expected([], {}, []));
      await usage.addLines([whole]);
      assert.equal((await usage.records({}, { limit: 9 })).items.length, 1);
    }),
  );

  check('one id twice in a batch counts once', (place) =>
    withStore(place, async ({ usage }) => {
      const first = record('req_1:1', { costNanos: 5n });
      await usage.add([first, record('req_1:1', { costNanos: 6n })]);
      assert.deepEqual((await usage.records({}, { limit: 9 })).items, [first]);
      assert.equal(await usage.spent({ keyId: 'key_a' }, 0), 5n);
    }),
  );

  check('the sums are those of the records, however they are grouped, filtered and cut', (place) =>
    withStore(place, async ({ usage }) => {
      const records = many(700, 2);
      for (let at = 0; at < records.length; at += 100) await usage.add(records.slice(at, at + 100));
      const groups: readonly (readonly UsageGroup[])[] = [
        [],
        ['day'],
        ['key', 'model'],
        ['project', 'provider', 'outcome'],
        ['endUser'],
        ['endUser', 'day', 'model'],
        ['day', 'project', 'key', 'endUser', 'model', 'provider', 'outcome'],
      ];
      const filters: readonly UsageFilter[] = [
        {},
        { projectId: 'proj_a', keyId: 'key_b' },
        { endUser: 'ada', projectId: 'proj_b' },
        { model: 'other/two', provider: 'openai', outcome: 'error' },
        { from: NOON - 2.5 * DAY, to: NOON + 0.5 * DAY },
        { from: NOON - DAY - 12_345, to: NOON + 54_321 },
        { from: NOON + 1, to: NOON + 3_600_000, keyId: 'key_a' },
        { from: NOON, to: NOON },
        { from: NOON + 9 * DAY },
        { to: NOON + 99 * DAY + 1 },
      ];
      for (const group of groups) {
        for (const filter of filters) {
          const what = JSON.stringify([group, filter]);
          assert.deepEqual(sorted(await usage.sums(filter, group)), expected(records, filter, group), what);
        }
      }
    }),
  );

  check('what was spent since a time is to the nano-dollar, beyond what a double holds', (place) =>
    withStore(place, async ({ usage }) => {
      await usage.add([
        record('a:1', { costNanos: 9_007_199_254_740_993n, at: NOON }),
        record('b:1', { costNanos: 9_007_199_254_740_993n, at: NOON, endUser: 'ada' }),
        record('c:1', { costNanos: 1n, at: NOON - 1, endUser: 'ada' }),
        record('d:1', { costNanos: 3n, at: NOON, endUser: 'ada', projectId: 'proj_b', keyId: 'key_b' }),
      ]);
      assert.equal(await usage.spent({ keyId: 'key_a' }, NOON), 18_014_398_509_481_986n);
      assert.equal(await usage.spent({ projectId: 'proj_a' }, 0), 18_014_398_509_481_987n);
      assert.equal(await usage.spent({ projectId: 'proj_b', endUser: 'ada' }, NOON - DAY), 3n);
      assert.equal(await usage.spent({ projectId: 'proj_a', endUser: 'ada' }, 0), 9_007_199_254_740_994n);
      assert.equal(await usage.spent({ keyId: 'key_x' }, 0), 0n);
    }),
  );

  check('a record that cannot be kept is refused with all of its batch, and no sum moves', (place) =>
    withStore(place, async ({ usage }) => {
      await usage.add([record('a:1')]);
      await assert.rejects(usage.add([record('b:1'), record('c:1', { costNanos: 2n ** 63n })]));
      await assert.rejects(usage.add([record('b:1'), record('d:1', { promptTokens: 1.5 })]), RangeError);
      assert.equal((await usage.records({}, { limit: 9 })).items.length, 1);
      assert.deepEqual(await usage.sums({}, []), expected([record('a:1')], {}, []));
    }),
  );

  check('a sum that does not fit 64 bits refuses the record, rather than be rounded', (place) =>
    withStore(place, async ({ usage }) => {
      const most = record('a:1', { costNanos: 2n ** 63n - 10n });
      await usage.add([most]);
      await assert.rejects(usage.add([record('b:1', { costNanos: 10n })]), (error) => isRefusal(error));
      await usage.add([record('c:1', { costNanos: 9n, completionTokens: 0 })]);
      assert.equal(await usage.spent({ keyId: 'key_a' }, 0), 2n ** 63n - 1n);
      assert.equal((await usage.records({}, { limit: 9 })).items.length, 2);
    }),
  );

  check('records come newest first, page by page, with any filter, each once', (place) =>
    withStore(place, async ({ usage }) => {
      // many of the same moment
      const records = many(200, 3).map((one) => ({ ...one, at: NOON + (one.at % 7) }));
      await usage.add(records);
      const filters: readonly UsageFilter[] = [
        {},
        { keyId: 'key_a' },
        { projectId: 'proj_a', endUser: 'bob' },
        { model: 'openai/one', outcome: 'ok' },
        { outcome: 'lost' },
        { provider: 'other', from: NOON + 2, to: NOON + 5 },
      ];
      for (const filter of filters) {
        const { items } = await pages((cursor) => usage.records(filter, { limit: 7, ...(cursor !== undefined && { cursor }) }));
        const wanted = expected(records, filter, [])[0]?.attempts;
        assert.equal(new Set(items.map(({ id }) => id)).size, wanted, JSON.stringify(filter));
        assert.equal(items.length, wanted);
        assert.deepEqual(
          items.map(({ at }) => at),
          items.map(({ at }) => at).toSorted((one, other) => other - one),
        );
      }
    }),
  );

  check('pruning takes the oldest records, as many as told, and leaves the sums', (place) =>
    withStore(place, async ({ usage }) => {
      const records = many(100, 4);
      await usage.add(records);
      const old = records.filter(({ at }) => at < NOON);
      const sums = await usage.sums({}, ['day', 'endUser']);
      assert.equal(await usage.prune(NOON, 10), 10);
      const left = (await usage.records({}, { limit: 999 })).items.map(({ at }) => at);
      assert.deepEqual(
        left.toSorted((one, other) => one - other),
        records
          .map(({ at }) => at)
          .toSorted((one, other) => one - other)
          .slice(10),
      );
      assert.equal(await usage.prune(NOON, 999), old.length - 10);
      assert.equal(await usage.prune(NOON, 999), 0);
      assert.equal((await usage.records({}, { limit: 999 })).items.length, 100 - old.length);
      assert.deepEqual(await usage.sums({}, ['day', 'endUser']), sums);
    }),
  );

  check('two writers of the same days and the same records at once lose nothing and count nothing twice', (place) =>
    withStore(place, (one) =>
      withStore(place, async (other) => {
        const records = many(400, 5);
        const batches = Array.from({ length: 20 }, (_, at) => records.slice(at * 20, at * 20 + 20));
        // the second writes them in the other order, rows and batches
        await Promise.all([
          ...batches.map((batch) => one.usage.add(batch)),
          ...batches.toReversed().map((batch) => other.usage.add(batch.toReversed())),
        ]);
        for (const groups of [[], ['day', 'endUser'], ['key', 'model']] as const) {
          assert.deepEqual(sorted(await one.usage.sums({}, groups)), expected(records, {}, groups));
        }
        assert.equal((await other.usage.records({}, { limit: 999 })).items.length, 400);
      }),
    ),
  );

  check('records are added while old ones are deleted', (place) =>
    withStore(place, (one) =>
      withStore(place, async (other) => {
        const old = many(300, 6).map((entry) => ({ ...entry, id: `old_${entry.id}`, at: entry.at - 100 * DAY }));
        const fresh = many(300, 7);
        await one.usage.add(old);
        const adds = Array.from({ length: 30 }, (_, at) => one.usage.add(fresh.slice(at * 10, at * 10 + 10)));
        const prunes = Array.from({ length: 30 }, (_, at) => (at % 2 === 0 ? one : other).usage.prune(NOON - 50 * DAY, 11));
        const pruned = await Promise.all(prunes);
        await Promise.all(adds);
        // two that want the same rows: one of them gets none
        for (let count = 1; count > 0; pruned.push(count)) count = await one.usage.prune(NOON - 50 * DAY, 100);
        assert.equal(
          pruned.reduce((sum, count) => sum + count, 0),
          300,
        );
        const left = (await one.usage.records({}, { limit: 999 })).items.map(({ id }) => id);
        assert.deepEqual(left.toSorted(), fresh.map(({ id }) => id).toSorted());
        assert.equal((await one.usage.sums({}, []))[0]?.attempts, 600);
      }),
    ),
  );

  check('clients’ names of any length and with any characters do not keep others’ records back', (place) =>
    withStore(place, async ({ usage }) => {
      const names = ['x'.repeat(20_000), `${'x'.repeat(20_000)}y`, '\0', '\uFFFD', '\uD800', '', '😀'.repeat(300)];
      const records = names.map((name, at) => record(`req_${at}:1`, { endUser: name, model: `m/${name}`, modelAsked: name }));
      await usage.add(records);
      assert.equal((await usage.records({}, { limit: 99 })).items.length, names.length);
      assert.equal((await usage.sums({}, []))[0]?.attempts, names.length);
      assert.equal((await usage.sums({ endUser: names[0]! }, []))[0]?.attempts, 1);
      assert.equal((await usage.sums({ endUser: '\0' }, []))[0]?.attempts, 3, 'what cannot be told apart when it is kept is one');
    }),
  );
});

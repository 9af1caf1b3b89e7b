/** The questions that are asked of many records, and how long they take. */
import type { PageOptions, UsageFilter, UsageStore } from '../../src/gateway/store-ports.ts';
import { shown, spread } from '../lib/stats.ts';
import type { Spread } from '../lib/stats.ts';
import { DAY_MS, keyName, projectName, recordsOf, UNTIL, userName } from './records.ts';

export interface Measured {
  readonly what: string;
  readonly ms: Spread;
  readonly aimMs?: number;
}

/** The first time counts too: it is the one that finds the least of the file in memory. */
export async function measureAll(usage: UsageStore, rounds: number): Promise<readonly Measured[]> {
  const measured: Measured[] = [];
  const measure = async (what: string, run: () => Promise<unknown>, aimMs?: number): Promise<void> => {
    const values: number[] = [];
    for (let round = 0; round < rounds; round++) {
      const start = performance.now();
      await run();
      values.push(performance.now() - start);
    }
    measured.push({ what, ms: spread(values), ...(aimMs !== undefined && { aimMs }) });
    console.log(`${what}: ${shown(spread(values))} ms`);
  };

  const month: UsageFilter = { from: UNTIL - 30 * DAY_MS, to: UNTIL };
  await measure('a month by key and model', () => usage.sums(month, ['key', 'model']), 1_000);
  await measure('a month by day', () => usage.sums(month, ['day']), 1_000);
  await measure('a month by project, provider and outcome', () => usage.sums(month, ['project', 'provider', 'outcome']), 1_000);
  await measure('a month of one key by model', () => usage.sums({ ...month, keyId: keyName(3) }, ['model']));
  await measure('a month of one project by end user', () => usage.sums({ ...month, projectId: projectName(3) }, ['endUser']));
  await measure('a month by end user', () => usage.sums(month, ['endUser']));
  const within = { from: UNTIL - 30 * DAY_MS + 3_600_000, to: UNTIL - 3_600_000 };
  await measure('a month that begins and ends within a day, by key', () => usage.sums(within, ['key']));
  await measure('spent by a key this month', () => usage.spent({ keyId: keyName(3) }, UNTIL - 30 * DAY_MS));
  await measure('spent by a key in all', () => usage.spent({ keyId: keyName(3) }, 0));
  await measure('spent by an end user in all', () => usage.spent({ projectId: projectName(3), endUser: userName(3) }, 0));

  const page = (filter: UsageFilter, more: Partial<PageOptions> = {}) => usage.records(filter, { limit: 100, ...more });
  await measure('a page of 100 records', () => page({}), 50);
  await measure('of a key', () => page({ keyId: keyName(3) }), 50);
  await measure('of a key that does little', () => page({ keyId: keyName(299) }), 50);
  await measure('of an end user', () => page({ projectId: projectName(3), endUser: userName(17) }), 50);
  await measure('of failures', () => page({ outcome: 'error' }), 50);
  await measure('of failures of a key and a model', () => page({ keyId: keyName(3), model: 'provider-3/model-3', outcome: 'error' }), 50);
  await measure('of a provider on a day', () => page({ provider: 'provider-5', from: UNTIL - 9 * DAY_MS, to: UNTIL - 8 * DAY_MS }), 50);
  const middle = await page({ to: UNTIL - 45 * DAY_MS });
  if (middle.next === undefined) throw new Error('there is no page in the middle');
  const cursor = middle.next;
  await measure('in the middle, by its cursor', () => page({}, { cursor }), 50);

  const fresh = [...recordsOf(500 * rounds, 500)].map((batch, at) =>
    batch.map((record) => ({ ...record, id: `fresh_${performance.timeOrigin}_${at}_${record.id}`, at: UNTIL + at })),
  );
  await measure('500 records more, in one transaction', () => usage.add(fresh.pop() ?? []));
  await measure('the oldest 1,000 deleted', () => usage.prune(UNTIL - 60 * DAY_MS, 1_000));
  return measured;
}

/** Records of usage, and questions about them. */
import { sql } from 'kysely';
import type { UsageRecord } from '../gateway/accounts.ts';
import type { UsageStore } from '../gateway/store-ports.ts';
import { cursorOf, pageOf } from './cursor.ts';
import type { Database } from './database.ts';
import { recordOfText, textOf } from './journal/lines.ts';
import { BY_ARRIVAL, newestFirst } from './newest-first.ts';
import { insertMany } from './pieces.ts';
import { recordOf, USAGE_COLUMNS, usageRow } from './usage-rows.ts';
import type { UsageValues } from './usage-rows.ts';
import { addToDays, conditionsOf, sumUsage } from './usage-sums.ts';

export function createUsageStore(db: Database): UsageStore {
  const insert = insertMany(USAGE_COLUMNS, (tx, rows) =>
    tx
      .insertInto('usage_records')
      .values(rows)
      .onConflict((conflict) => conflict.column('id').doNothing())
      .returning('id')
      .compile(),
  );
  const addSums = addToDays();
  const addRecords = async (records: readonly UsageRecord[]): Promise<void> => {
    const rows = new Map<string, UsageValues>();
    for (const record of records) {
      const row = usageRow(record);
      if (!rows.has(row.id)) rows.set(row.id, row);
    }
    if (rows.size === 0) return;
    const inOrder = [...rows.values()].sort((one, other) => (one.id < other.id ? -1 : 1));
    await db.transaction(async (tx) => {
      const added = (await insert(tx, inOrder)) as readonly { readonly id: string }[];
      // those that were there already are in the sums already
      const fresh = added.flatMap(({ id }) => rows.get(id) ?? []);
      await addSums(tx, fresh);
    });
  };

  return {
    add: (records) => (db.addUsage ? db.addUsage(records.map(textOf)) : addRecords(records)),
    addLines: async (lines) => (db.addUsage ? db.addUsage(lines) : addRecords(lines.map(recordOfText))),
    async records(filter, page) {
      let query = db.report.selectFrom('usage_records').selectAll();
      for (const [column, value] of conditionsOf(filter)) query = query.where(column, '=', value);
      // as the indexes on the rest say it
      if (filter.outcome !== undefined && filter.outcome !== 'ok') query = query.where(sql<boolean>`outcome <> 'ok'`);
      if (filter.from !== undefined) query = query.where('at', '>=', BigInt(Math.ceil(filter.from)));
      if (filter.to !== undefined) query = query.where('at', '<', BigInt(Math.ceil(filter.to)));
      const rows = await newestFirst(query, page, BY_ARRIVAL).execute();
      return pageOf(rows, page, { item: recordOf, cursor: (row) => cursorOf({ at: row.at, tie: String(row.seq) }) });
    },
    sums: (filter, groups) => sumUsage(db.report, filter, groups),
    async spent(by, since) {
      const [sum] = await sumUsage(db.report, { ...by, from: since }, []);
      return sum?.costNanos ?? 0n;
    },
    async prune(before, limit) {
      const count = await db.transaction(async (tx) => {
        const gone = await tx
          .deleteFrom('usage_records')
          .where('seq', 'in', (eb) =>
            eb
              .selectFrom('usage_records')
              .select('seq')
              .where('at', '<', BigInt(Math.ceil(before)))
              .orderBy('at')
              .limit(limit),
          )
          .executeTakeFirst();
        return Number(gone.numDeletedRows);
      });
      // the end of a round of them
      if (count < limit) await db.tidy();
      return count;
    },
  };
}

/** Records of usage, and questions about them. */
import { sql } from 'kysely';
import type { Selectable } from 'kysely';
import type { Outcome, UsageRecord } from '../gateway/accounts.ts';
import type { UsageStore } from '../gateway/store-ports.ts';
import { indexable, numberOr, textOr } from './columns.ts';
import { cursorOf, pageOf } from './cursor.ts';
import type { Database } from './database.ts';
import { BY_ARRIVAL, newestFirst } from './newest-first.ts';
import { insertMany } from './pieces.ts';
import type { UsageRow } from './schema.ts';
import { addToDays, conditionsOf, sumUsage, wholeMs } from './usage-sums.ts';

const COLUMNS = [
  'id',
  'request_id',
  'attempt',
  'at',
  'key_id',
  'project_id',
  'end_user',
  'model_asked',
  'model',
  'provider',
  'prompt_tokens',
  'completion_tokens',
  'cached_tokens',
  'cache_write_tokens',
  'cache_write_long_tokens',
  'reasoning_tokens',
  'audio_tokens',
  'completion_audio_tokens',
  'image_tokens',
  'completion_image_tokens',
  'estimated',
  'cost_nanos',
  'unpriced',
  'stream',
  'cache',
  'outcome',
  'status',
  'error_kind',
  'queue_ms',
  'first_output_ms',
  'total_ms',
] as const satisfies readonly (keyof UsageRow)[];

export function createUsageStore(db: Database): UsageStore {
  const insert = insertMany(COLUMNS, (tx, rows) =>
    tx
      .insertInto('usage_records')
      .values(rows)
      .onConflict((conflict) => conflict.column('id').doNothing())
      .returning('id')
      .compile(),
  );
  const addSums = addToDays();

  return {
    async add(records) {
      const rows = new Map(records.toReversed().map((record) => [indexable(record.id), record]));
      if (rows.size === 0) return;
      const inOrder = [...rows].sort(([one], [other]) => (one < other ? -1 : 1)).map(([, record]) => usageRow(record));
      await db.transaction(async (tx) => {
        const added = (await insert(tx, inOrder)) as readonly { readonly id: string }[];
        // those that were there already are in the sums already
        const fresh = added.flatMap(({ id }) => rows.get(id) ?? []);
        await addSums(tx, fresh);
      });
    },
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

const flag = (value: boolean): number => (value ? 1 : 0);

/** As a number: thread to thread and into the database it costs less than a bigint. */
function whole(tokens: number): number {
  if (!Number.isSafeInteger(tokens)) throw new RangeError(`${tokens} is no number of tokens.`);
  return tokens;
}

/** Throws a RangeError where a number of tokens or money is not a whole one. */
const usageRow = (record: UsageRecord) => ({
  id: indexable(record.id),
  request_id: record.requestId,
  attempt: record.attempt,
  at: wholeMs(record.at),
  key_id: record.keyId === undefined ? null : indexable(record.keyId),
  project_id: record.projectId === undefined ? null : indexable(record.projectId),
  end_user: record.endUser === undefined ? null : indexable(record.endUser),
  model_asked: record.modelAsked,
  model: indexable(record.model),
  provider: record.provider === undefined ? null : indexable(record.provider),
  prompt_tokens: whole(record.promptTokens),
  completion_tokens: whole(record.completionTokens),
  cached_tokens: whole(record.cachedTokens),
  cache_write_tokens: whole(record.cacheWriteTokens),
  cache_write_long_tokens: whole(record.cacheWriteLongTokens),
  reasoning_tokens: whole(record.reasoningTokens),
  audio_tokens: whole(record.audioTokens),
  completion_audio_tokens: whole(record.completionAudioTokens),
  image_tokens: whole(record.imageTokens),
  completion_image_tokens: whole(record.completionImageTokens),
  estimated: flag(record.estimated),
  cost_nanos: record.costNanos,
  unpriced: flag(record.unpriced),
  stream: flag(record.stream),
  cache: record.cache ?? null,
  outcome: record.outcome,
  status: record.status,
  error_kind: record.errorKind ?? null,
  queue_ms: Math.round(record.queueMs),
  first_output_ms: record.firstOutputMs === undefined ? null : Math.round(record.firstOutputMs),
  total_ms: Math.round(record.totalMs),
});

const recordOf = (row: Selectable<UsageRow>): UsageRecord => ({
  id: row.id,
  requestId: row.request_id,
  attempt: Number(row.attempt),
  at: Number(row.at),
  keyId: textOr(row.key_id),
  projectId: textOr(row.project_id),
  endUser: textOr(row.end_user),
  modelAsked: row.model_asked,
  model: row.model,
  provider: textOr(row.provider),
  promptTokens: Number(row.prompt_tokens),
  completionTokens: Number(row.completion_tokens),
  cachedTokens: Number(row.cached_tokens),
  cacheWriteTokens: Number(row.cache_write_tokens),
  cacheWriteLongTokens: Number(row.cache_write_long_tokens),
  reasoningTokens: Number(row.reasoning_tokens),
  audioTokens: Number(row.audio_tokens),
  completionAudioTokens: Number(row.completion_audio_tokens),
  imageTokens: Number(row.image_tokens),
  completionImageTokens: Number(row.completion_image_tokens),
  estimated: row.estimated === 1n,
  costNanos: row.cost_nanos,
  unpriced: row.unpriced === 1n,
  stream: row.stream === 1n,
  cache: textOr(row.cache) as UsageRecord['cache'],
  outcome: row.outcome as Outcome,
  status: Number(row.status),
  errorKind: textOr(row.error_kind),
  queueMs: Number(row.queue_ms),
  firstOutputMs: numberOr(row.first_output_ms),
  totalMs: Number(row.total_ms),
});

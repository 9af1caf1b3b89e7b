/** Sums of usage by day, as they are kept and as they are asked for. */
import { sql } from 'kysely';
import type { Kysely, RawBuilder, Transaction } from 'kysely';
import type { UsageRecord } from '../gateway/accounts.ts';
import type { UsageFilter, UsageGroup, UsageSum } from '../gateway/store-ports.ts';
import { indexable } from './columns.ts';
import { insertMany } from './pieces.ts';
import type { Schema } from './schema.ts';

const DAY_MS = 86_400_000;

/** A time as it is kept. */
export const wholeMs = (at: number): number => Math.round(at);

const GROUPS = {
  day: 'day',
  project: 'project_id',
  key: 'key_id',
  endUser: 'end_user',
  model: 'model',
  provider: 'provider',
  outcome: 'outcome',
} as const satisfies Record<UsageGroup, string>;

const FILTERS = {
  projectId: 'project_id',
  keyId: 'key_id',
  endUser: 'end_user',
  model: 'model',
  provider: 'provider',
  outcome: 'outcome',
} as const;

/** What each sum adds up over the records. */
const SUMS = {
  requests: 'case when attempt = 1 then 1 else 0 end',
  attempts: '1',
  prompt_tokens: 'prompt_tokens',
  completion_tokens: 'completion_tokens',
  cached_tokens: 'cached_tokens',
  cache_write_tokens: 'cache_write_tokens',
  cache_write_long_tokens: 'cache_write_long_tokens',
  reasoning_tokens: 'reasoning_tokens',
  audio_tokens: 'audio_tokens',
  completion_audio_tokens: 'completion_audio_tokens',
  image_tokens: 'image_tokens',
  completion_image_tokens: 'completion_image_tokens',
  cost_nanos: 'cost_nanos',
  estimated: 'estimated',
  unpriced: 'unpriced',
} as const;

const DAY_KEY = ['day', 'project_id', 'key_id', 'model', 'provider', 'outcome'] as const;
const USER_DAY_KEY = ['day', 'project_id', 'end_user', 'key_id', 'model', 'provider', 'outcome'] as const;
const SUM_COLUMNS = Object.keys(SUMS) as (keyof typeof SUMS)[];

type Sums = Record<keyof typeof SUMS, bigint>;
type Key = Record<(typeof USER_DAY_KEY)[number], string | bigint>;

/** What a record adds, and to which rows. */
interface Part {
  readonly key: Key;
  readonly sums: Sums;
}

type GroupColumn = (typeof GROUPS)[UsageGroup];
export type FilterColumn = (typeof FILTERS)[keyof typeof FILTERS];

/** The filter's conditions but those on time: a column, and what is in it. */
export function conditionsOf(filter: UsageFilter): readonly (readonly [column: FilterColumn, value: string])[] {
  const names = Object.keys(FILTERS) as (keyof typeof FILTERS)[];
  return names.flatMap((name) => {
    const value = filter[name];
    return value === undefined ? [] : [[FILTERS[name], indexable(value)] as const];
  });
}

/** A function that adds records, which must be new, to the sums of their days. */
export function addToDays(): (tx: Transaction<Schema>, records: readonly UsageRecord[]) => Promise<void> {
  const intoDays = insertMany([...DAY_KEY, ...SUM_COLUMNS], (tx, rows) =>
    tx
      .insertInto('usage_days')
      .values(rows)
      .onConflict((conflict) => conflict.columns(DAY_KEY).doUpdateSet(additions('usage_days')))
      .compile(),
  );
  const intoUserDays = insertMany([...USER_DAY_KEY, ...SUM_COLUMNS], (tx, rows) =>
    tx
      .insertInto('usage_user_days')
      .values(rows)
      .onConflict((conflict) => conflict.columns(USER_DAY_KEY).doUpdateSet(additions('usage_user_days')))
      .compile(),
  );
  return async (tx, records) => {
    const parts = records.map((record): Part => ({ key: keyOf(record), sums: sumsOf(record) }));
    await intoDays(tx, gathered(parts, DAY_KEY));
    await intoUserDays(tx, gathered(parts, USER_DAY_KEY));
  };
}

const additions = (table: 'usage_days' | 'usage_user_days'): Record<keyof Sums, RawBuilder<bigint>> =>
  Object.fromEntries(
    SUM_COLUMNS.map((column) => [column, sql<bigint>`${sql.ref(`${table}.${column}`)} + ${sql.ref(`excluded.${column}`)}`]),
  ) as Record<keyof Sums, RawBuilder<bigint>>;

/** One row per key, in the order of the keys: two processes that write the same rows do not wait for each other in a ring. */
function gathered(parts: readonly Part[], columns: readonly (keyof Key)[]): readonly (Key & Sums)[] {
  const rows = new Map<string, Key & Sums>();
  for (const { key, sums } of parts) {
    const name = columns.map((column) => key[column]).join('\0');
    const row = rows.get(name);
    if (row) for (const column of SUM_COLUMNS) row[column] += sums[column];
    else rows.set(name, { ...key, ...sums });
  }
  return [...rows].sort(([one], [other]) => (one < other ? -1 : 1)).map(([, row]) => row);
}

const keyOf = (record: UsageRecord): Key => ({
  day: BigInt(Math.floor(wholeMs(record.at) / DAY_MS)),
  project_id: indexable(record.projectId ?? ''),
  end_user: indexable(record.endUser ?? ''),
  key_id: indexable(record.keyId ?? ''),
  model: indexable(record.model),
  provider: indexable(record.provider ?? ''),
  outcome: record.outcome,
});

const sumsOf = (record: UsageRecord): Sums => ({
  requests: record.attempt === 1 ? 1n : 0n,
  attempts: 1n,
  prompt_tokens: BigInt(record.promptTokens),
  completion_tokens: BigInt(record.completionTokens),
  cached_tokens: BigInt(record.cachedTokens),
  cache_write_tokens: BigInt(record.cacheWriteTokens),
  cache_write_long_tokens: BigInt(record.cacheWriteLongTokens),
  reasoning_tokens: BigInt(record.reasoningTokens),
  audio_tokens: BigInt(record.audioTokens),
  completion_audio_tokens: BigInt(record.completionAudioTokens),
  image_tokens: BigInt(record.imageTokens),
  completion_image_tokens: BigInt(record.completionImageTokens),
  cost_nanos: record.costNanos,
  estimated: record.estimated ? 1n : 0n,
  unpriced: record.unpriced ? 1n : 0n,
});

interface Times {
  readonly from: number | undefined;
  readonly to: number | undefined;
}

/**
 * Whole days come from the sums that are kept, the rest of a time that begins or ends within a day from the records. Where nobody
 * asks of end users, the small table answers.
 */
export async function sumUsage(db: Kysely<Schema>, filter: UsageFilter, groups: readonly UsageGroup[]): Promise<readonly UsageSum[]> {
  const { days, rest } = await split(db, { from: ceiling(filter.from), to: ceiling(filter.to) });
  const found = new Map<string, UsageSum>();
  const columns = [...new Set(groups)].map((group) => GROUPS[group]);
  if (days) addUp(found, groups, await daySums(db, { filter, days, columns }));
  for (const times of rest) addUp(found, groups, await recordSums(db, { filter, times, columns }));
  if (groups.length === 0 && found.size === 0) return [{ group: {}, ...NOTHING }];
  return [...found].sort(([one], [other]) => (one < other ? -1 : 1)).map(([, sum]) => sum);
}

const ceiling = (at: number | undefined): number | undefined => (at === undefined ? undefined : Math.ceil(at));

async function split(db: Kysely<Schema>, { from, to }: Times): Promise<{ readonly days?: Times; readonly rest: readonly Times[] }> {
  const firstDay = from === undefined ? undefined : Math.ceil(from / DAY_MS);
  // a report until now has no records beyond it, so that the day it ends in counts as a whole
  const open = to === undefined || to % DAY_MS === 0 || (await latest(db)) < to;
  const endDay = to === undefined ? undefined : open ? Math.ceil(to / DAY_MS) : Math.floor(to / DAY_MS);
  const rest: Times[] = [];
  if (from !== undefined && to !== undefined && from >= to) return { rest };
  if (firstDay !== undefined && endDay !== undefined && firstDay > endDay) return { rest: [{ from, to }] };
  if (from !== undefined && from % DAY_MS !== 0) rest.push({ from, to: Math.ceil(from / DAY_MS) * DAY_MS });
  if (to !== undefined && !open) rest.push({ from: Math.floor(to / DAY_MS) * DAY_MS, to });
  return { days: { from: firstDay, to: endDay }, rest };
}

async function latest(db: Kysely<Schema>): Promise<number> {
  const row = await db
    .selectFrom('usage_records')
    .select((eb) => eb.fn.max('at').as('at'))
    .executeTakeFirst();
  // `max` of nothing
  return Number((row?.at as bigint | null | undefined) ?? -1);
}

type Found = Partial<Record<GroupColumn, string | bigint>> & Sums;

interface Question {
  readonly filter: UsageFilter;
  readonly columns: readonly GroupColumn[];
}

async function daySums(db: Kysely<Schema>, { filter, days, columns }: Question & { readonly days: Times }): Promise<readonly Found[]> {
  const withUsers = filter.endUser !== undefined || columns.includes('end_user');
  const table = sql.table(withUsers ? 'usage_user_days' : 'usage_days');
  const sums = SUM_COLUMNS.map((column) => sql`coalesce(sum(${sql.ref(column)}), 0) as ${sql.ref(column)}`);
  const where = [sql`1 = 1`, ...conditionsOf(filter).map(([column, value]) => sql`${sql.ref(column)} = ${value}`)];
  if (days.from !== undefined) where.push(sql`day >= ${BigInt(days.from)}`);
  if (days.to !== undefined) where.push(sql`day < ${BigInt(days.to)}`);
  // as expressions: SQLite would rather jump about in an index whose order the groups have than read the days asked for in one go
  const keys = columns.map((column) => (column === 'day' ? sql.ref(column) : sql`coalesce(${sql.ref(column)}, '')`));
  const named = keys.map((key, at) => sql`${key} as ${sql.ref(columns[at] ?? '')}`);
  const grouped = keys.length > 0 ? sql` group by ${sql.join(keys)}` : sql``;
  const found =
    await sql<Found>`select ${sql.join([...named, ...sums])} from ${table} where ${sql.join(where, sql` and `)}${grouped}`.execute(db);
  return found.rows;
}

async function recordSums(db: Kysely<Schema>, { filter, times, columns }: Question & { readonly times: Times }): Promise<readonly Found[]> {
  const sums = SUM_COLUMNS.map((column) => sql`coalesce(sum(${sql.raw(SUMS[column])}), 0) as ${sql.ref(column)}`);
  const where = [sql`1 = 1`, ...conditionsOf(filter).map(([column, value]) => sql`${sql.ref(column)} = ${value}`)];
  if (times.from !== undefined) where.push(sql`at >= ${BigInt(times.from)}`);
  if (times.to !== undefined) where.push(sql`at < ${BigInt(times.to)}`);
  const keys = columns.map((column) => (column === 'day' ? sql`at / ${sql.lit(DAY_MS)}` : sql`coalesce(${sql.ref(column)}, '')`));
  const named = keys.map((key, at) => sql`${key} as ${sql.ref(columns[at] ?? '')}`);
  const grouped = keys.length > 0 ? sql` group by ${sql.join(keys)}` : sql``;
  const found =
    await sql<Found>`select ${sql.join([...named, ...sums])} from usage_records where ${sql.join(where, sql` and `)}${grouped}`.execute(db);
  return found.rows;
}

const NOTHING: Omit<UsageSum, 'group'> = {
  requests: 0,
  attempts: 0,
  promptTokens: 0n,
  completionTokens: 0n,
  cachedTokens: 0n,
  cacheWriteTokens: 0n,
  cacheWriteLongTokens: 0n,
  reasoningTokens: 0n,
  audioTokens: 0n,
  completionAudioTokens: 0n,
  imageTokens: 0n,
  completionImageTokens: 0n,
  costNanos: 0n,
  estimated: 0,
  unpriced: 0,
};

function addUp(found: Map<string, UsageSum>, groups: readonly UsageGroup[], rows: readonly Found[]): void {
  for (const row of rows) {
    if (row.attempts === 0n) continue;
    const name = groups.map((group) => row[GROUPS[group]]).join('\0');
    const before = found.get(name) ?? { group: groupOf(row, groups), ...NOTHING };
    found.set(name, {
      group: before.group,
      requests: before.requests + Number(row.requests),
      attempts: before.attempts + Number(row.attempts),
      promptTokens: before.promptTokens + row.prompt_tokens,
      completionTokens: before.completionTokens + row.completion_tokens,
      cachedTokens: before.cachedTokens + row.cached_tokens,
      cacheWriteTokens: before.cacheWriteTokens + row.cache_write_tokens,
      cacheWriteLongTokens: before.cacheWriteLongTokens + row.cache_write_long_tokens,
      reasoningTokens: before.reasoningTokens + row.reasoning_tokens,
      audioTokens: before.audioTokens + row.audio_tokens,
      completionAudioTokens: before.completionAudioTokens + row.completion_audio_tokens,
      imageTokens: before.imageTokens + row.image_tokens,
      completionImageTokens: before.completionImageTokens + row.completion_image_tokens,
      costNanos: before.costNanos + row.cost_nanos,
      estimated: before.estimated + Number(row.estimated),
      unpriced: before.unpriced + Number(row.unpriced),
    });
  }
}

function groupOf(row: Found, groups: readonly UsageGroup[]): UsageSum['group'] {
  return Object.fromEntries(
    groups.flatMap((group): [UsageGroup, string][] => {
      const value = row[GROUPS[group]];
      if (typeof value === 'bigint') return [[group, new Date(Number(value) * DAY_MS).toISOString().slice(0, 10)]];
      return value === undefined || value === '' ? [] : [[group, value]];
    }),
  );
}

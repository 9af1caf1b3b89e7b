/** Sums of usage by day, as they are kept and as they are asked for. */
import { sql } from 'kysely';
import type { Kysely, RawBuilder, Transaction } from 'kysely';
import type { UsageFilter, UsageGroup, UsageSum } from '../gateway/store-ports.ts';
import { indexable } from './columns.ts';
import { insertMany } from './pieces.ts';
import type { Schema } from './schema.ts';
import { DAY_KEY, DAY_MS, gathered, SUM_COLUMNS, USER_DAY_KEY } from './usage-days.ts';
import type { SumColumn, Sums } from './usage-days.ts';
import type { UsageValues } from './usage-rows.ts';

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
} as const satisfies Record<SumColumn, string>;

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

/** A function that adds rows of records, which must be new, to the sums of their days. */
export function addToDays(): (tx: Transaction<Schema>, rows: readonly UsageValues[]) => Promise<void> {
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
  return async (tx, rows) => {
    const { days, userDays } = gathered(rows);
    await intoDays(tx, days);
    await intoUserDays(tx, userDays);
  };
}

const additions = (table: 'usage_days' | 'usage_user_days'): Record<keyof Sums, RawBuilder<bigint>> =>
  Object.fromEntries(
    SUM_COLUMNS.map((column) => [column, sql<bigint>`${sql.ref(`${table}.${column}`)} + ${sql.ref(`excluded.${column}`)}`]),
  ) as Record<keyof Sums, RawBuilder<bigint>>;

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

/** What records of usage add to the sums of their days. */
import type { SumColumns } from './schema.ts';
import { TOKEN_COLUMNS } from './usage-rows.ts';
import type { UsageValues } from './usage-rows.ts';

export const DAY_MS = 86_400_000;

export const DAY_KEY = ['day', 'project_id', 'key_id', 'model', 'provider', 'outcome'] as const;
export const USER_DAY_KEY = ['day', 'project_id', 'end_user', 'key_id', 'model', 'provider', 'outcome'] as const;

export type SumColumn = keyof SumColumns;

/** Those of the columns that are summed up as they are. */
const SUMMED = [...TOKEN_COLUMNS, 'cost_nanos', 'estimated', 'unpriced'] as const satisfies readonly SumColumn[];

export const SUM_COLUMNS = ['requests', 'attempts', ...SUMMED] as const;

export type Sums = Record<SumColumn, bigint>;
type Key = Record<Exclude<(typeof USER_DAY_KEY)[number], 'day'>, string> & { day: number };
/** A row of the sums by day; the table without end users has no column for them. */
export type DaySums = Key & Sums;

const NOTHING: Readonly<Sums> = Object.fromEntries(SUM_COLUMNS.map((column) => [column, 0n])) as Sums;

/**
 * What the rows of records add to each row of the two tables of sums, in the order of their keys: two processes that write the same
 * rows do not wait for each other in a ring.
 */
export function gathered(rows: readonly UsageValues[]): { readonly days: readonly DaySums[]; readonly userDays: readonly DaySums[] } {
  const userDays = new Map<string, DaySums>();
  for (const row of rows) {
    const key = keyOf(row);
    addRow(sumsFor(userDays, userDayName(key), key), row);
  }
  const days = new Map<string, DaySums>();
  for (const sums of userDays.values()) {
    const all = sumsFor(days, dayName(sums), sums);
    for (const column of SUM_COLUMNS) all[column] += sums[column];
  }
  return { days: inOrder(days), userDays: inOrder(userDays) };
}

const keyOf = (row: UsageValues): Key => ({
  day: Math.floor(row.at / DAY_MS),
  project_id: row.project_id ?? '',
  end_user: row.end_user ?? '',
  key_id: row.key_id ?? '',
  model: row.model,
  provider: row.provider ?? '',
  outcome: row.outcome,
});

const userDayName = (key: Key): string =>
  `${key.day}\0${key.project_id}\0${key.end_user}\0${key.key_id}\0${key.model}\0${key.provider}\0${key.outcome}`;
const dayName = (key: Key): string => `${key.day}\0${key.project_id}\0${key.key_id}\0${key.model}\0${key.provider}\0${key.outcome}`;

function sumsFor(found: Map<string, DaySums>, name: string, key: Key): DaySums {
  const known = found.get(name);
  if (known) return known;
  const fresh = { ...key, ...NOTHING };
  found.set(name, fresh);
  return fresh;
}

function addRow(sums: Sums, row: UsageValues): void {
  sums.attempts += 1n;
  if (row.attempt === 1) sums.requests += 1n;
  for (const column of SUMMED) {
    const value = row[column];
    // most are: few records have every kind of tokens
    if (value !== 0) sums[column] += BigInt(value);
  }
}

const inOrder = (found: ReadonlyMap<string, DaySums>): readonly DaySums[] =>
  [...found].sort(([one], [other]) => (one < other ? -1 : 1)).map(([, row]) => row);

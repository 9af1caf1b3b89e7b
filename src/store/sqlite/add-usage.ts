/** Adds records of usage to SQLite within one thread: from their text to the end of the transaction, by statements prepared once. */
import type { SQLInputValue } from 'node:sqlite';
import { storable } from '../database.ts';
import { recordOfText } from '../journal/lines.ts';
import { DAY_KEY, gathered, SUM_COLUMNS, USER_DAY_KEY } from '../usage-days.ts';
import { USAGE_COLUMNS, usageRow } from '../usage-rows.ts';
import type { UsageValues } from '../usage-rows.ts';
import type { Connection } from './connection.ts';

/**
 * A function that adds records, each as JSON as the journal has it, and what they come to, to the sums of their days. All or
 * none; records that are there already change nothing. Throws what SQLite throws, and RangeErrors and TypeErrors for what is no record.
 */
export function usageAdder(connection: Connection): (records: readonly string[]) => void {
  const addRecord = adding(connection, { table: 'usage_records', columns: USAGE_COLUMNS, conflict: '(id) do nothing' });
  const addDay = adding(connection, summing('usage_days', DAY_KEY));
  const addUserDay = adding(connection, summing('usage_user_days', USER_DAY_KEY));
  return (records) => {
    const rows = records.map((text) => usageRow(recordOfText(text)));
    connection.exec('begin immediate');
    try {
      // those that were there already are in the sums already
      const fresh: UsageValues[] = [];
      for (const row of rows) if (addRecord(row)) fresh.push(row);
      const { days, userDays } = gathered(fresh);
      for (const day of days) addDay(day);
      for (const day of userDays) addUserDay(day);
      connection.exec('commit');
    } catch (error) {
      connection.rollback();
      throw error;
    }
  };
}

interface Adding<Column extends string> {
  readonly table: string;
  readonly columns: readonly Column[];
  /** What is done where a row with this key is there. */
  readonly conflict: string;
}

const summing = <Key extends string>(table: string, key: readonly Key[]): Adding<Key | (typeof SUM_COLUMNS)[number]> => ({
  table,
  columns: [...key, ...SUM_COLUMNS],
  conflict: `(${key.join(', ')}) do update set ${SUM_COLUMNS.map((column) => `${column} = ${table}.${column} + excluded.${column}`).join(', ')}`,
});

/** A function that adds a row; true where that changed something. */
function adding<Column extends string>(
  connection: Connection,
  { table, columns, conflict }: Adding<Column>,
): (row: Readonly<Record<Column, SQLInputValue>>) => boolean {
  const places = columns.map(() => '?').join(', ');
  const statement = connection.prepare(`insert into ${table} (${columns.join(', ')}) values (${places}) on conflict ${conflict}`);
  const values: SQLInputValue[] = [];
  return (row) => {
    for (let at = 0; at < columns.length; at++) values[at] = storable(row[columns[at] as Column]);
    return statement.run(...values).changes === 1;
  };
}

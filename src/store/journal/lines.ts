/** Records of usage as lines of a journal, alone or with what they have to be charged to first. */
import { open } from 'node:fs/promises';
import type { UsageRecord } from '../../gateway/accounts.ts';
import type { Bequest, Take } from '../../gateway/store-ports.ts';

const READ_BYTES = 256 * 1024;
const NEWLINE = 10;

/**
 * `spent`: what a request used, to be charged before its records go into the database; where it has none with it, they do meanwhile.
 * `told`: it is charged.
 */
export type Line =
  | { readonly kind: 'record'; readonly record: UsageRecord }
  | { readonly kind: 'spent'; readonly bequest: Bequest; readonly records: readonly UsageRecord[] }
  | { readonly kind: 'told'; readonly holdId: string };

/** Kinds of tokens that few records have: a line without one has none of it, as one of an earlier version. */
const RARE = [
  'cacheWriteLongTokens',
  'completionAudioTokens',
  'imageTokens',
  'completionImageTokens',
] as const satisfies readonly (keyof UsageRecord)[];

const plain = (record: UsageRecord): object => ({
  ...record,
  costNanos: String(record.costNanos),
  cacheWriteLongTokens: record.cacheWriteLongTokens || undefined,
  completionAudioTokens: record.completionAudioTokens || undefined,
  imageTokens: record.imageTokens || undefined,
  completionImageTokens: record.completionImageTokens || undefined,
  // as they are kept: the digits of a fraction take as long to write as three fields
  queueMs: Math.round(record.queueMs),
  firstOutputMs: record.firstOutputMs === undefined ? undefined : Math.round(record.firstOutputMs),
  totalMs: Math.round(record.totalMs),
});

/** As JSON, in one line without its end. */
export const textOf = (record: UsageRecord): string => JSON.stringify(plain(record));

/** One line, with its end. */
export const lineOf = (record: UsageRecord): string => `${textOf(record)}\n`;

/** The record of `textOf`. Throws a TypeError where it is none. */
export function recordOfText(text: string): UsageRecord {
  const record = recordOf(parsed(text));
  if (!record) throw new TypeError('A line of a journal of usage is no record.');
  return record;
}

/** `records`: each as `textOf` gives it. */
export function spentText({ holdId, by, how, charges }: Bequest, records: readonly string[]): string {
  const budgets = charges.flatMap(({ counter, amount }) =>
    counter.kind === 'budget' ? [{ key: counter.key, since: counter.since, nanos: String(amount) }] : [],
  );
  return `${JSON.stringify({ spent: holdId, by, how, charges: budgets }).slice(0, -1)},"records":[${records.join(',')}]}`;
}

export const toldText = (holdId: string): string => JSON.stringify({ told: holdId });

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> => typeof value === 'object' && value !== null;
const isWhole = (value: unknown): value is string => typeof value === 'string' && /^-?\d+$/.test(value);

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Undefined for what is none. */
function read(line: string): Line | undefined {
  const value = parsed(line);
  if (!isObject(value)) return undefined;
  if (typeof value['told'] === 'string') return { kind: 'told', holdId: value['told'] };
  if (typeof value['spent'] === 'string') return spentOf(value, value['spent']);
  const record = recordOf(value);
  return record && { kind: 'record', record };
}

/** Of what was just parsed, which becomes the record. */
function recordOf(value: unknown): UsageRecord | undefined {
  if (!isObject(value) || typeof value['id'] !== 'string' || !isWhole(value['costNanos'])) return undefined;
  const record = value as Record<string, unknown>;
  // into what was parsed: a copy costs as much as the parsing
  for (const name of RARE) record[name] ??= 0;
  record['costNanos'] = BigInt(value['costNanos']);
  return record as unknown as UsageRecord;
}

function spentOf({ by, how, charges, records }: Readonly<Record<string, unknown>>, holdId: string): Line | undefined {
  if (typeof by !== 'string' || typeof how !== 'string' || !Array.isArray(charges) || !Array.isArray(records)) return undefined;
  const read = records.flatMap((one: unknown) => recordOf(one) ?? []);
  const taken = charges.flatMap((one: unknown) => chargeOf(one) ?? []);
  if (read.length < records.length || taken.length < charges.length) return undefined;
  return { kind: 'spent', bequest: { holdId, by, how, charges: taken }, records: read };
}

function chargeOf(value: unknown): Take | undefined {
  if (!isObject(value)) return undefined;
  const { key, since, nanos } = value;
  if (typeof key !== 'string' || typeof since !== 'number' || !isWhole(nanos)) return undefined;
  // what is charged is charged whatever the limit
  return { counter: { kind: 'budget', key, since, limit: 0n, until: undefined }, amount: BigInt(nanos) };
}

/**
 * The lines of a journal, and `undefined` for each in its middle that is none. What comes after the last line's end was not
 * written to its end and is left out: whoever wrote it died before it was recorded. No file: no lines.
 */
export async function* linesOf(file: string): AsyncGenerator<Line | undefined> {
  const handle = await open(file, 'r').catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (!handle) return;
  try {
    let rest = Buffer.alloc(0);
    for (;;) {
      // a buffer of its own for each read: `rest` may be a part of the one before
      const { bytesRead, buffer } = await handle.read(Buffer.alloc(READ_BYTES), 0, READ_BYTES, null);
      if (bytesRead === 0) return;
      const bytes = Buffer.concat([rest, buffer.subarray(0, bytesRead)]);
      let start = 0;
      for (let end = bytes.indexOf(NEWLINE); end !== -1; end = bytes.indexOf(NEWLINE, start)) {
        if (end > start) yield read(bytes.toString('utf8', start, end));
        start = end + 1;
      }
      rest = bytes.subarray(start);
    }
  } finally {
    await handle.close();
  }
}

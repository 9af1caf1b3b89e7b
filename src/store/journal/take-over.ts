/** Journals of processes that died. */
import { appendFile, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { UsageRecord } from '../../gateway/accounts.ts';
import type { UsageStore } from '../../gateway/store-ports.ts';
import type { StoreLog } from '../database.ts';
import { isRefusal } from '../refusal.ts';
import { lineOf, recordsOf } from './lines.ts';
import { tryLock } from './lock.ts';

export interface Replaying {
  readonly store: Pick<UsageStore, 'add'>;
  /** Of the journals. */
  readonly folder: string;
  readonly batch: number;
  readonly log: StoreLog;
  /** Ends it between two batches. */
  readonly signal?: AbortSignal;
}

export const lockFile = (folder: string, id: string): string => join(folder, `usage-${id}.lock`);

export const segmentFiles = (folder: string, id: string): readonly [string, string] => [
  join(folder, `usage-${id}-a.jsonl`),
  join(folder, `usage-${id}-b.jsonl`),
];

/**
 * Adds records. One that the database refuses for what is in it goes to `refused.jsonl`, and to the log, and does not keep the others
 * back. Rejects where the database takes nothing.
 */
export async function addAll(records: readonly UsageRecord[], to: Replaying): Promise<void> {
  try {
    await to.store.add(records);
  } catch (error) {
    const [only] = records;
    if (!isRefusal(error) || only === undefined) throw error;
    if (records.length > 1) {
      const half = Math.ceil(records.length / 2);
      await addAll(records.slice(0, half), to);
      await addAll(records.slice(half), to);
      return;
    }
    await appendFile(join(to.folder, 'refused.jsonl'), lineOf(only), { mode: 0o600 });
    to.log.error({ record: only.id, err: error }, 'The database refuses a record of usage; it is in journal/refused.jsonl.');
  }
}

/** Adds what is in the file; how many. Rejects where the database takes nothing. */
export async function replay(file: string, to: Replaying): Promise<number> {
  let next: UsageRecord[] = [];
  let added = 0;
  let unreadable = 0;
  const add = async (): Promise<void> => {
    await addAll(next, to);
    added += next.length;
    next = [];
  };
  for await (const record of recordsOf(file)) {
    if (record) next.push(record);
    else unreadable++;
    if (next.length < to.batch) continue;
    await add();
    to.signal?.throwIfAborted();
  }
  if (next.length > 0) await add();
  if (unreadable > 0) to.log.error({ file, lines: unreadable }, 'Lines of a journal of usage cannot be read.');
  return added;
}

/**
 * Takes over the journals in the folder that nobody holds: adds what is in them, then removes them. Several may do it at the same
 * time. Rejects where the database takes nothing; the journals are then as they were.
 */
export async function takeOver(to: Replaying): Promise<void> {
  const names = await readdir(to.folder);
  const ids = new Set(names.flatMap((name) => /^usage-(.+)-[ab]\.jsonl$/.exec(name)?.[1] ?? []));
  for (const id of ids) {
    const lock = tryLock(lockFile(to.folder, id));
    if (!lock) continue;
    try {
      let records = 0;
      for (const file of segmentFiles(to.folder, id)) {
        records += await replay(file, to);
        await rm(file, { force: true });
      }
      if (records > 0) to.log.info({ records }, 'Records of usage of a process that died were taken over.');
    } finally {
      lock.release();
    }
  }
}

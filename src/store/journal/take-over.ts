/** Journals of processes that died. */
import { appendFile, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { UsageRecord } from '../../gateway/accounts.ts';
import type { Bequest, LastingCounters, UsageStore } from '../../gateway/store-ports.ts';
import type { StoreLog } from '../database.ts';
import { isRefusal } from '../refusal.ts';
import { lineOf, linesOf } from './lines.ts';
import type { Line } from './lines.ts';
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

/** Two with records, which take turns, and one with what the counters are to be told. */
export const journalFiles = (folder: string, id: string): readonly [string, string, string] => [
  join(folder, `usage-${id}-a.jsonl`),
  join(folder, `usage-${id}-b.jsonl`),
  join(folder, `usage-${id}-c.jsonl`),
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

/**
 * Adds the records that are in the file; how many. `spent` is asked for those of each line that has to be charged first, and gives those that
 * may go. Rejects where the database takes nothing, or where `spent` does.
 */
export async function replay(file: string, to: Replaying, spent: Spent): Promise<number> {
  let next: Line[] = [];
  let added = 0;
  let unreadable = 0;
  const add = async (): Promise<void> => {
    const all = await Promise.all(next.map((line) => recordsOf(line, spent)));
    next = [];
    const records = all.flat();
    if (records.length > 0) await addAll(records, to);
    added += records.length;
  };
  for await (const line of linesOf(file)) {
    if (line) next.push(line);
    else unreadable++;
    if (next.length < to.batch) continue;
    await add();
    to.signal?.throwIfAborted();
  }
  await add();
  if (unreadable > 0) to.log.error({ file, lines: unreadable }, 'Lines of a journal of usage cannot be read.');
  return added;
}

type SpentLine = Extract<Line, { kind: 'spent' }>;
type Spent = (line: SpentLine) => readonly UsageRecord[] | Promise<readonly UsageRecord[]>;

async function recordsOf(line: Line, spent: Spent): Promise<readonly UsageRecord[]> {
  if (line.kind === 'record') return [line.record];
  return line.kind === 'spent' ? spent(line) : [];
}

/** Charges what a process that died has not charged, and remembers which processes those were. */
async function createHeir(files: readonly string[], lasting: LastingCounters | undefined) {
  const later = new Set<string>();
  const told = new Set<string>();
  for (const file of files) {
    for await (const line of linesOf(file)) {
      if (line?.kind === 'spent' && line.records.length === 0) later.add(line.bequest.holdId);
      if (line?.kind === 'told') told.add(line.holdId);
    }
  }
  const dead = new Set<string>();
  const inherit = async (bequest: Bequest, isWritten: boolean): Promise<void> => {
    if (!lasting || told.has(bequest.holdId)) return;
    await lasting.inherit(bequest, isWritten);
  };
  return {
    async spent({ bequest, records }: SpentLine): Promise<readonly UsageRecord[]> {
      dead.add(bequest.by);
      await inherit(bequest, later.has(bequest.holdId));
      return records;
    },
    async forget(): Promise<void> {
      for (const by of dead) await lasting?.forget(by);
    },
  };
}

/**
 * Takes over the journals in the folder that nobody holds: charges what was not charged, adds the records, then removes them. Several may
 * do it at the same time. Rejects where the database takes nothing, or the counters cannot be told; the journals are then as they were.
 */
export async function takeOver(to: Replaying, lasting?: LastingCounters): Promise<void> {
  const names = await readdir(to.folder);
  const ids = new Set(names.flatMap((name) => /^usage-(.+)-[abc]\.jsonl$/.exec(name)?.[1] ?? []));
  for (const id of ids) {
    const lock = tryLock(lockFile(to.folder, id));
    if (!lock) continue;
    try {
      const files = journalFiles(to.folder, id);
      const heir = await createHeir(files, lasting);
      let records = 0;
      for (const file of files) records += await replay(file, to, heir.spent);
      // together: a line of the one may be about what is in the other
      for (const file of files) await rm(file, { force: true });
      await heir.forget();
      if (records > 0) to.log.info({ records }, 'Records of usage of a process that died were taken over.');
    } finally {
      lock.release();
    }
  }
}

/** Completions that clients asked to keep. Everything is looked for within a project: an id alone finds nothing. */
import type { Selectable } from 'kysely';
import type { StoredCompletion } from '../gateway/accounts.ts';
import type { CompletionFilter, CompletionStore } from '../gateway/store-ports.ts';
import { indexable, json, jsonText, unjson } from './columns.ts';
import { badCursor, pageOf } from './cursor.ts';
import type { Database } from './database.ts';
import type { CompletionRow } from './schema.ts';

export function createCompletionStore(db: Database): CompletionStore {
  const find = (projectId: string, id: string) =>
    db.read.selectFrom('completions').selectAll().where('project_id', '=', projectId).where('id', '=', id).executeTakeFirst();

  /** A page begins after the completion that the page before ended with. */
  const placeOf = async ({ projectId }: CompletionFilter, id: string) => {
    const last = await find(projectId, id);
    if (!last) throw badCursor('after');
    return last;
  };

  return {
    put: (completion) =>
      db.transaction(async (tx) => {
        const row = completionRow(completion);
        const { project_id, id, ...rest } = row;
        await tx
          .insertInto('completions')
          .values(row)
          .onConflict((conflict) => conflict.columns(['project_id', 'id']).doUpdateSet(rest))
          .execute();
        await tx.deleteFrom('completion_metadata').where('project_id', '=', project_id).where('completion_id', '=', id).execute();
        const metadata = metadataRows(completion);
        if (metadata.length > 0) await tx.insertInto('completion_metadata').values(metadata).execute();
      }),
    async get(projectId, id) {
      const row = await find(projectId, id);
      return row && completionOf(row);
    },
    async list(filter, page) {
      let query = db.report.selectFrom('completions').selectAll().where('project_id', '=', filter.projectId);
      if (filter.model !== undefined) query = query.where('model', '=', indexable(filter.model));
      for (const [name, value] of Object.entries(filter.metadata ?? {})) {
        query = query.where('id', 'in', (eb) =>
          eb
            .selectFrom('completion_metadata')
            .select('completion_id')
            .where('project_id', '=', filter.projectId)
            .where('name', '=', indexable(name))
            .where('value', '=', indexable(value)),
        );
      }
      const beyond = page.order === 'asc' ? '>' : '<';
      if (page.cursor !== undefined) {
        const last = await placeOf(filter, page.cursor);
        query = query.where((eb) => eb(eb.refTuple('created_at', 'id'), beyond, eb.tuple(last.created_at, last.id)));
      }
      const rows = await query
        .orderBy('created_at', page.order)
        .orderBy('id', page.order)
        .limit(page.limit + 1)
        .execute();
      return pageOf(rows, page, { item: completionOf, cursor: (row) => row.id });
    },
    setMetadata: (projectId, id, metadata) =>
      db.transaction(async (tx) => {
        const row = await tx
          .updateTable('completions')
          .set({ metadata: jsonText(metadata) })
          .where('project_id', '=', projectId)
          .where('id', '=', id)
          .returningAll()
          .executeTakeFirst();
        if (!row) return undefined;
        const completion = completionOf(row);
        await tx.deleteFrom('completion_metadata').where('project_id', '=', projectId).where('completion_id', '=', id).execute();
        const rows = metadataRows(completion);
        if (rows.length > 0) await tx.insertInto('completion_metadata').values(rows).execute();
        return completion;
      }),
    delete: (projectId, id) =>
      db.transaction(async (tx) => {
        const gone = await tx.deleteFrom('completions').where('project_id', '=', projectId).where('id', '=', id).executeTakeFirst();
        return gone.numDeletedRows > 0n;
      }),
  };
}

const metadataRows = ({ projectId, id, metadata }: StoredCompletion) =>
  Object.entries(metadata).map(([name, value]) => ({
    project_id: projectId,
    completion_id: id,
    name: indexable(name),
    value: indexable(value),
  }));

const completionRow = (completion: StoredCompletion) => ({
  project_id: completion.projectId,
  id: completion.id,
  created_at: completion.createdAt,
  model: indexable(completion.model),
  metadata: jsonText(completion.metadata),
  request: json(completion.request) ?? 'null',
  response: json(completion.response) ?? 'null',
});

const completionOf = (row: Selectable<CompletionRow>): StoredCompletion => ({
  id: row.id,
  projectId: row.project_id,
  createdAt: Number(row.created_at),
  model: row.model,
  metadata: JSON.parse(row.metadata) as Readonly<Record<string, string>>,
  request: unjson(row.request),
  response: unjson(row.response),
});

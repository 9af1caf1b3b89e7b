/** Projects, keys, end users and limits of models, with the log of who changed them. */
import { isDeepStrictEqual } from 'node:util';
import { sql } from 'kysely';
import type { Selectable, Transaction } from 'kysely';
import type { Role } from '../core/call.ts';
import { GatewayError } from '../core/error.ts';
import type { AuditEntry, EndUser, ModelLimits, Project, VirtualKey } from '../gateway/accounts.ts';
import type { AccountStore } from '../gateway/store-ports.ts';
import { budgetsOf, budgetsText, indexable, json, jsonText, limitsOf, numberOr, textOr, textsOf, unjson, wholeOrNull } from './columns.ts';
import { cursorOf, pageOf } from './cursor.ts';
import type { Database } from './database.ts';
import { BY_ARRIVAL, BY_CREATION, newestFirst } from './newest-first.ts';
import type { AuditRow, EndUserRow, KeyRow, ProjectRow, Schema } from './schema.ts';

/** Each change is one transaction with its entry in the audit log, and on the disk when it resolves. */
export function createAccountStore(db: Database): AccountStore {
  const change = (audit: AuditEntry, work: (tx: Transaction<Schema>) => Promise<void>): Promise<void> =>
    db.transaction(
      async (tx) => {
        // first, so that changes come one after the other: who sees the new number sees the change
        await tx
          .updateTable('accounts_version')
          .set({ number: sql`number + 1` })
          .execute();
        await work(tx);
        await tx.insertInto('audit_log').values(auditRow(audit)).execute();
      },
      { durable: true },
    );

  return {
    async projects(page) {
      const query = db.read.selectFrom('projects').selectAll();
      const rows = await newestFirst(query, page, BY_CREATION).execute();
      return pageOf(rows, page, { item: projectOf, cursor: (row) => cursorOf({ at: row.created_at, tie: row.id }) });
    },
    async project(id) {
      const row = await db.read.selectFrom('projects').selectAll().where('id', '=', id).executeTakeFirst();
      return row && projectOf(row);
    },
    putProject: (project, audit, before) =>
      change(audit, async (tx) => {
        if (before !== undefined) {
          const row = await tx.selectFrom('projects').selectAll().where('id', '=', project.id).executeTakeFirst();
          mustBe(before ?? undefined, row && projectOf(row));
        }
        const { id, ...rest } = projectRow(project);
        await tx
          .insertInto('projects')
          .values({ id, ...rest })
          .onConflict((conflict) => conflict.column('id').doUpdateSet(rest))
          .execute();
      }),

    async keys(page) {
      let query = db.read.selectFrom('virtual_keys').selectAll();
      if (page.projectId !== undefined) query = query.where('project_id', '=', page.projectId);
      const rows = await newestFirst(query, page, BY_CREATION).execute();
      return pageOf(rows, page, { item: keyOf, cursor: (row) => cursorOf({ at: row.created_at, tie: row.id }) });
    },
    async key(id) {
      const row = await db.read.selectFrom('virtual_keys').selectAll().where('id', '=', id).executeTakeFirst();
      return row && keyOf(row);
    },
    async keyByHash(hash) {
      const row = await db.read.selectFrom('virtual_keys').selectAll().where('hash', '=', hash).executeTakeFirst();
      return row && keyOf(row);
    },
    putKey: (key, audit, before) =>
      change(audit, async (tx) => {
        if (before === null) {
          if (await tx.selectFrom('virtual_keys').select('id').limit(1).executeTakeFirst()) throw changedMeanwhile();
        } else if (before) {
          const row = await tx.selectFrom('virtual_keys').selectAll().where('id', '=', before.id).executeTakeFirst();
          mustBe(unused(before), row && unused(keyOf(row)));
        }
        await putKey(tx, key);
      }),
    rotateKey: (old, fresh, audit) =>
      change(audit, async (tx) => {
        const row = await tx.selectFrom('virtual_keys').selectAll().where('id', '=', fresh.id).executeTakeFirst();
        if (!row || row.hash !== old.hash || row.revoked_at !== null) throw changedMeanwhile();
        await putKey(tx, fresh);
        await putKey(tx, old);
      }),
    async touchKeys(lastUsed) {
      // in one order everywhere: two processes that touch the same keys do not wait for each other in a ring
      const touched = [...lastUsed].sort(([one], [other]) => (one < other ? -1 : 1));
      if (touched.length === 0) return;
      await db.transaction(async (tx) => {
        for (const [id, at] of touched) {
          await tx
            .updateTable('virtual_keys')
            .set({ last_used_at: at })
            .where('id', '=', id)
            .where((eb) => eb.or([eb('last_used_at', 'is', null), eb('last_used_at', '<', BigInt(at))]))
            .execute();
        }
      });
    },

    async endUser(projectId, id) {
      const query = db.read.selectFrom('end_users').selectAll().where('project_id', '=', projectId).where('id', '=', indexable(id));
      const row = await query.executeTakeFirst();
      return row && endUserOf(row);
    },
    async endUsers(page) {
      let query = db.read.selectFrom('end_users').selectAll().where('project_id', '=', page.projectId);
      if (page.blocked !== undefined) query = query.where('blocked_at', page.blocked ? 'is not' : 'is', null);
      const rows = await newestFirst(query, page, BY_CREATION).execute();
      return pageOf(rows, page, { item: endUserOf, cursor: (row) => cursorOf({ at: row.created_at, tie: row.id }) });
    },
    putEndUser: (user, audit, before) =>
      change(audit, async (tx) => {
        if (before) {
          const found = tx.selectFrom('end_users').selectAll().where('project_id', '=', before.projectId);
          const row = await found.where('id', '=', indexable(before.id)).executeTakeFirst();
          mustBe(before, row && endUserOf(row));
        }
        const row = endUserRow(user);
        await tx
          .insertInto('end_users')
          // when something was first said of them
          .values({ ...row, created_at: audit.at })
          .onConflict((conflict) => conflict.columns(['project_id', 'id']).doUpdateSet(row))
          .execute();
      }),

    async modelLimits() {
      const rows = await db.read.selectFrom('model_limits').selectAll().orderBy('model').execute();
      return rows.map(({ model, limits }): ModelLimits => ({ model, limits: limitsOf(limits) }));
    },
    putModelLimits: ({ model, limits }, audit, before) =>
      change(audit, async (tx) => {
        if (before) {
          const row = await tx.selectFrom('model_limits').selectAll().where('model', '=', before.model).executeTakeFirst();
          mustBe(before, row && { model: row.model, limits: limitsOf(row.limits) });
        }
        const kept = { limits: jsonText(limits) };
        await tx
          .insertInto('model_limits')
          .values({ model, ...kept })
          .onConflict((conflict) => conflict.column('model').doUpdateSet(kept))
          .execute();
      }),

    async audit(page) {
      let query = db.report.selectFrom('audit_log').selectAll();
      if (page.subject !== undefined) query = query.where('subject', '=', page.subject);
      const rows = await newestFirst(query, page, BY_ARRIVAL).execute();
      return pageOf(rows, page, { item: auditOf, cursor: (row) => cursorOf({ at: row.at, tie: String(row.seq) }) });
    },
    async version() {
      const row = await db.read.selectFrom('accounts_version').select('number').executeTakeFirstOrThrow();
      return Number(row.number);
    },
  };
}

/** Within a transaction that changes something: nobody else changes it until it ends. */
function mustBe<T extends object>(before: T | undefined, kept: T | undefined): void {
  if (!isDeepStrictEqual(before, kept)) throw changedMeanwhile();
}

const changedMeanwhile = (): GatewayError =>
  new GatewayError('conflict', 'It has been changed meanwhile. Read it again, and change what is there now.');

const unused = (key: VirtualKey): VirtualKey => ({ ...key, lastUsedAt: undefined });

async function putKey(tx: Transaction<Schema>, key: VirtualKey): Promise<void> {
  const { id, last_used_at, ...rest } = keyRow(key);
  await tx
    .insertInto('virtual_keys')
    .values({ id, last_used_at, ...rest })
    .onConflict((conflict) =>
      conflict.column('id').doUpdateSet((eb) => ({
        ...rest,
        // whoever changes a key has read it before it was last used
        last_used_at: eb
          .case()
          .when(eb.or([eb('virtual_keys.last_used_at', 'is', null), eb('virtual_keys.last_used_at', '<', eb.ref('excluded.last_used_at'))]))
          .then(eb.ref('excluded.last_used_at'))
          .else(eb.ref('virtual_keys.last_used_at'))
          .end(),
      })),
    )
    .execute();
}

const projectRow = (project: Project) => ({
  id: project.id,
  name: project.name,
  limits: jsonText(project.limits),
  budgets: budgetsText(project),
  models: jsonText(project.models),
  created_at: project.createdAt,
  disabled_at: wholeOrNull(project.disabledAt),
  end_user_limits: jsonText(project.endUserDefaults?.limits ?? {}),
  end_user_budgets: budgetsText(project.endUserDefaults ?? { budgets: [] }),
});

const projectOf = (row: Selectable<ProjectRow>): Project => ({
  id: row.id,
  name: row.name,
  limits: limitsOf(row.limits),
  ...budgetsOf(row.budgets),
  models: textsOf(row.models),
  createdAt: Number(row.created_at),
  disabledAt: numberOr(row.disabled_at),
  ...endUserDefaultsOf(row),
});

function endUserDefaultsOf(row: Selectable<ProjectRow>): Pick<Project, 'endUserDefaults'> {
  const limits = limitsOf(row.end_user_limits);
  const budgets = budgetsOf(row.end_user_budgets);
  const { length } = [...Object.keys(limits), ...budgets.budgets, ...(budgets.formerBudgets ?? [])];
  return length === 0 ? {} : { endUserDefaults: { limits, ...budgets } };
}

const keyRow = (key: VirtualKey) => ({
  id: key.id,
  project_id: key.projectId,
  name: key.name,
  owner: key.owner ?? null,
  role: key.role,
  hash: key.hash,
  hint: key.hint,
  limits: jsonText(key.limits),
  budgets: budgetsText(key),
  models: jsonText(key.models),
  addresses: jsonText(key.addresses),
  created_at: key.createdAt,
  expires_at: wholeOrNull(key.expiresAt),
  revoked_at: wholeOrNull(key.revokedAt),
  rotated_to: key.rotatedTo ?? null,
  last_used_at: wholeOrNull(key.lastUsedAt),
});

const keyOf = (row: Selectable<KeyRow>): VirtualKey => ({
  id: row.id,
  projectId: row.project_id,
  name: row.name,
  owner: textOr(row.owner),
  role: row.role as Role,
  hash: row.hash,
  hint: row.hint,
  limits: limitsOf(row.limits),
  ...budgetsOf(row.budgets),
  models: textsOf(row.models),
  addresses: textsOf(row.addresses),
  createdAt: Number(row.created_at),
  expiresAt: numberOr(row.expires_at),
  revokedAt: numberOr(row.revoked_at),
  rotatedTo: textOr(row.rotated_to),
  lastUsedAt: numberOr(row.last_used_at),
});

const endUserRow = (user: EndUser) => ({
  project_id: user.projectId,
  id: indexable(user.id),
  limits: jsonText(user.limits),
  budgets: budgetsText(user),
  models: jsonText(user.models),
  blocked_at: wholeOrNull(user.blockedAt),
  note: user.note ?? null,
});

const endUserOf = (row: Selectable<EndUserRow>): EndUser => ({
  projectId: row.project_id,
  id: row.id,
  limits: limitsOf(row.limits),
  ...budgetsOf(row.budgets),
  models: textsOf(row.models),
  blockedAt: numberOr(row.blocked_at),
  note: textOr(row.note),
});

const auditRow = (entry: AuditEntry) => ({
  id: entry.id,
  at: entry.at,
  actor: entry.actor,
  action: entry.action,
  subject: entry.subject,
  before: json(entry.before),
  after: json(entry.after),
});

const auditOf = (row: Selectable<AuditRow>): AuditEntry => ({
  id: row.id,
  at: Number(row.at),
  actor: row.actor,
  action: row.action,
  subject: row.subject,
  before: unjson(row.before),
  after: unjson(row.after),
});

import type { Migration } from './migration.ts';

/** Projects, keys, end users, limits of models, and who changed what. */
export const accounts: Migration = {
  number: 1,
  name: 'accounts',
  statements: ({ counting, thenSeq, whole, text, strict }) => [
    `create table projects (
      id ${text} primary key, name text not null, limits text not null, budgets text not null, models text not null,
      created_at ${whole} not null, disabled_at ${whole}
    )${strict}`,
    'create index projects_by_time on projects (created_at, id)',
    `create table virtual_keys (
      id ${text} primary key, project_id ${text} not null references projects (id), name text not null, owner text, role text not null,
      hash ${text} not null unique, hint text not null, limits text not null, budgets text not null, models text not null,
      addresses text not null, created_at ${whole} not null, expires_at ${whole}, revoked_at ${whole}, rotated_to text,
      last_used_at ${whole}
    )${strict}`,
    'create index virtual_keys_by_time on virtual_keys (created_at, id)',
    'create index virtual_keys_by_project on virtual_keys (project_id, created_at, id)',
    `create table end_users (
      project_id ${text} not null references projects (id), id ${text} not null, limits text not null, budgets text not null,
      models text not null, created_at ${whole} not null, blocked_at ${whole}, note text, primary key (project_id, id)
    )${strict}`,
    'create index end_users_by_time on end_users (project_id, created_at, id)',
    `create table model_limits (model ${text} primary key, limits text not null)${strict}`,
    `create table audit_log (
      seq ${counting}, id ${text} not null unique, at ${whole} not null, actor text not null, action text not null,
      subject ${text} not null, before text, after text
    )${strict}`,
    `create index audit_log_by_time on audit_log (at${thenSeq})`,
    `create index audit_log_by_subject on audit_log (subject, at${thenSeq})`,
    `create table accounts_version (id ${whole} primary key check (id = 1), number ${whole} not null)${strict}`,
    'insert into accounts_version (id, number) values (1, 0)',
  ],
};

import type { Migration } from './migration.ts';

/** Completions that clients asked to keep (`store: true`). */
export const completions: Migration = {
  number: 3,
  name: 'completions',
  statements: ({ whole, text, strict }) => [
    `create table completions (
      project_id ${text} not null, id ${text} not null, created_at ${whole} not null, model ${text} not null, metadata text not null,
      request text not null, response text not null, primary key (project_id, id)
    )${strict}`,
    'create index completions_by_time on completions (project_id, created_at, id)',
    'create index completions_by_model on completions (project_id, model, created_at, id)',
    `create table completion_metadata (
      project_id ${text} not null, completion_id ${text} not null, name ${text} not null, value ${text} not null,
      primary key (project_id, completion_id, name),
      foreign key (project_id, completion_id) references completions (project_id, id) on delete cascade
    )${strict}`,
    'create index completion_metadata_by_value on completion_metadata (project_id, name, value)',
  ],
};

import type { Migration } from './migration.ts';

/** What each end user of a project has who has nothing of their own. */
export const endUserDefaults: Migration = {
  number: 4,
  name: 'end user defaults',
  statements: () => [
    "alter table projects add column end_user_limits text not null default '{}'",
    "alter table projects add column end_user_budgets text not null default '[]'",
  ],
};

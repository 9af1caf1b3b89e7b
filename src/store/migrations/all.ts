import { accounts } from './0001-accounts.ts';
import { usage } from './0002-usage.ts';
import { completions } from './0003-completions.ts';
import { endUserDefaults } from './0004-end-user-defaults.ts';
import { tokenKinds } from './0005-token-kinds.ts';
import type { Migration } from './migration.ts';

/** Every step of the schema, in order. */
export const MIGRATIONS: readonly Migration[] = [accounts, usage, completions, endUserDefaults, tokenKinds];

import type { Migration } from './migration.ts';

const TABLES = ['usage_records', 'usage_days', 'usage_user_days'];
const KINDS = ['cache_write_long_tokens', 'completion_audio_tokens', 'image_tokens', 'completion_image_tokens'];

/**
 * Kinds of tokens that have prices of their own. What was recorded before has none of them, because nobody noted them. Neither database
 * writes the rows anew; SQLite reads each table once for each column, to see that its rows hold what the schema says.
 */
export const tokenKinds: Migration = {
  number: 5,
  name: 'kinds of tokens',
  statements: ({ whole }) =>
    TABLES.flatMap((table) => KINDS.map((kind) => `alter table ${table} add column ${kind} ${whole} not null default 0`)),
};

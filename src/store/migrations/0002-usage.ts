import type { Migration } from './migration.ts';

const SUMS = [
  'requests',
  'attempts',
  'prompt_tokens',
  'completion_tokens',
  'cached_tokens',
  'cache_write_tokens',
  'reasoning_tokens',
  'audio_tokens',
  'cost_nanos',
  'estimated',
  'unpriced',
];

/** A record per attempt, and sums of them by day: one table without end users, who may be many, and one with them. */
export const usage: Migration = {
  number: 2,
  name: 'usage',
  statements: ({ counting, thenSeq, whole, text, clustered, strict }) => {
    const sums = SUMS.map((name) => `${name} ${whole} not null`).join(', ');
    const groups = ['project_id', 'key_id', 'model', 'provider', 'outcome'].map((name) => `${name} ${text} not null`).join(', ');
    return [
      `create table usage_records (
        seq ${counting}, id ${text} not null unique, request_id text not null, attempt ${whole} not null, at ${whole} not null,
        key_id ${text}, project_id ${text}, end_user ${text}, model_asked text not null, model ${text} not null, provider ${text},
        prompt_tokens ${whole} not null, completion_tokens ${whole} not null, cached_tokens ${whole} not null,
        cache_write_tokens ${whole} not null, reasoning_tokens ${whole} not null, audio_tokens ${whole} not null,
        estimated ${whole} not null, cost_nanos ${whole} not null, unpriced ${whole} not null, stream ${whole} not null, cache text,
        outcome ${text} not null, status ${whole} not null, error_kind text, queue_ms ${whole} not null, first_output_ms ${whole},
        total_ms ${whole} not null
      )${strict}`,
      `create index usage_records_by_time on usage_records (at${thenSeq})`,
      `create index usage_records_by_project on usage_records (project_id, at${thenSeq})`,
      `create index usage_records_by_key on usage_records (key_id, at${thenSeq})`,
      `create index usage_records_by_end_user on usage_records (end_user, at${thenSeq}) where end_user is not null`,
      `create index usage_records_by_model on usage_records (model, at${thenSeq})`,
      `create index usage_records_by_provider on usage_records (provider, at${thenSeq}) where provider is not null`,
      // nearly all are ok, so that these are small: failures are what people look for, of somebody mostly
      `create index usage_records_by_failure on usage_records (outcome, at${thenSeq}) where outcome <> 'ok'`,
      `create index usage_records_by_project_failure on usage_records (project_id, outcome, at${thenSeq}) where outcome <> 'ok'`,
      `create index usage_records_by_key_failure on usage_records (key_id, outcome, at${thenSeq}) where outcome <> 'ok'`,
      `create index usage_records_by_model_failure on usage_records (model, outcome, at${thenSeq}) where outcome <> 'ok'`,
      `create table usage_days (
        day ${whole} not null, ${groups}, ${sums}, primary key (day, project_id, key_id, model, provider, outcome)
      )${clustered}`,
      'create index usage_days_by_key on usage_days (key_id, day)',
      'create index usage_days_by_project on usage_days (project_id, day)',
      `create table usage_user_days (
        day ${whole} not null, ${groups}, end_user ${text} not null, ${sums},
        primary key (day, project_id, end_user, key_id, model, provider, outcome)
      )${clustered}`,
      'create index usage_user_days_by_end_user on usage_user_days (end_user, project_id, day)',
    ];
  },
};

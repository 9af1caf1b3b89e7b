/**
 * The tables, as kysely sees them. Both drivers give every whole number as bigint, and take number or bigint. Absent values are
 * null, but '' in tables of sums, whose keys may hold no null.
 */
import type { ColumnType, Generated } from 'kysely';

type Whole = ColumnType<bigint, bigint | number, bigint | number>;
type WholeOrNull = ColumnType<bigint | null, bigint | number | null, bigint | number | null>;

interface AllowanceColumns {
  /** JSON. */
  limits: string;
  /** JSON; nano-dollars as strings. */
  budgets: string;
  /** JSON. */
  models: string;
}

export interface ProjectRow extends AllowanceColumns {
  id: string;
  name: string;
  created_at: Whole;
  disabled_at: WholeOrNull;
  end_user_limits: string;
  end_user_budgets: string;
}

export interface KeyRow extends AllowanceColumns {
  id: string;
  project_id: string;
  name: string;
  owner: string | null;
  role: string;
  hash: string;
  hint: string;
  /** JSON. */
  addresses: string;
  created_at: Whole;
  expires_at: WholeOrNull;
  revoked_at: WholeOrNull;
  rotated_to: string | null;
  last_used_at: WholeOrNull;
}

export interface EndUserRow extends AllowanceColumns {
  project_id: string;
  id: string;
  created_at: Whole;
  blocked_at: WholeOrNull;
  note: string | null;
}

export interface ModelLimitsRow {
  model: string;
  limits: string;
}

export interface AuditRow {
  seq: Generated<bigint>;
  id: string;
  at: Whole;
  actor: string;
  action: string;
  subject: string;
  /** JSON; null where there was nothing. */
  before: string | null;
  after: string | null;
}

export interface VersionRow {
  id: Whole;
  number: Whole;
}

export interface UsageRow {
  /** In the order of arrival. */
  seq: Generated<bigint>;
  id: string;
  request_id: string;
  attempt: Whole;
  at: Whole;
  key_id: string | null;
  project_id: string | null;
  end_user: string | null;
  model_asked: string;
  model: string;
  provider: string | null;
  prompt_tokens: Whole;
  completion_tokens: Whole;
  cached_tokens: Whole;
  cache_write_tokens: Whole;
  cache_write_long_tokens: Whole;
  reasoning_tokens: Whole;
  audio_tokens: Whole;
  completion_audio_tokens: Whole;
  image_tokens: Whole;
  completion_image_tokens: Whole;
  estimated: Whole;
  cost_nanos: Whole;
  unpriced: Whole;
  stream: Whole;
  cache: string | null;
  outcome: string;
  status: Whole;
  error_kind: string | null;
  queue_ms: Whole;
  first_output_ms: WholeOrNull;
  total_ms: Whole;
}

/** What is summed up, in this order wherever it matters. */
export interface SumColumns {
  requests: Whole;
  attempts: Whole;
  prompt_tokens: Whole;
  completion_tokens: Whole;
  cached_tokens: Whole;
  cache_write_tokens: Whole;
  cache_write_long_tokens: Whole;
  reasoning_tokens: Whole;
  audio_tokens: Whole;
  completion_audio_tokens: Whole;
  image_tokens: Whole;
  completion_image_tokens: Whole;
  cost_nanos: Whole;
  estimated: Whole;
  unpriced: Whole;
}

export interface UsageDayRow extends SumColumns {
  /** Days since 1970-01-01, UTC. */
  day: Whole;
  project_id: string;
  key_id: string;
  model: string;
  provider: string;
  outcome: string;
}

export interface UsageUserDayRow extends UsageDayRow {
  end_user: string;
}

export interface CompletionRow {
  project_id: string;
  id: string;
  created_at: Whole;
  model: string;
  /** JSON, as the three below. */
  metadata: string;
  request: string;
  response: string;
}

export interface CompletionMetadataRow {
  project_id: string;
  completion_id: string;
  name: string;
  value: string;
}

export interface MigrationRow {
  number: Whole;
  name: string;
  checksum: string;
  applied_at: Whole;
}

export interface Schema {
  projects: ProjectRow;
  virtual_keys: KeyRow;
  end_users: EndUserRow;
  model_limits: ModelLimitsRow;
  audit_log: AuditRow;
  accounts_version: VersionRow;
  usage_records: UsageRow;
  usage_days: UsageDayRow;
  usage_user_days: UsageUserDayRow;
  completions: CompletionRow;
  completion_metadata: CompletionMetadataRow;
  schema_migrations: MigrationRow;
}

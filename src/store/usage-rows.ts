/** Records of usage as rows of their table, and back. */
import type { Selectable } from 'kysely';
import type { Outcome, UsageRecord } from '../gateway/accounts.ts';
import { indexable, numberOr, textOr } from './columns.ts';
import type { UsageRow } from './schema.ts';

/** A column for each kind, here and in the sums by day. */
export const TOKEN_COLUMNS = [
  'prompt_tokens',
  'completion_tokens',
  'cached_tokens',
  'cache_write_tokens',
  'cache_write_long_tokens',
  'reasoning_tokens',
  'audio_tokens',
  'completion_audio_tokens',
  'image_tokens',
  'completion_image_tokens',
] as const satisfies readonly (keyof UsageRow)[];

export const USAGE_COLUMNS = [
  'id',
  'request_id',
  'attempt',
  'at',
  'key_id',
  'project_id',
  'end_user',
  'model_asked',
  'model',
  'provider',
  ...TOKEN_COLUMNS,
  'estimated',
  'cost_nanos',
  'unpriced',
  'stream',
  'cache',
  'outcome',
  'status',
  'error_kind',
  'queue_ms',
  'first_output_ms',
  'total_ms',
] as const satisfies readonly (keyof UsageRow)[];

const flag = (value: boolean): number => (value ? 1 : 0);

/** As a number: into the database it costs less than a bigint. */
function whole(value: number): number {
  if (!Number.isSafeInteger(value)) throw new RangeError(`${value} is no whole number.`);
  return value;
}

/** A time as it is kept. */
function wholeMs(ms: number): number {
  if (!Number.isFinite(ms)) throw new RangeError(`${ms} is no time.`);
  return Math.round(ms);
}

export type UsageValues = ReturnType<typeof usageRow>;

/** Throws a RangeError where a number is none, or a number of tokens is not a whole one. */
export const usageRow = (record: UsageRecord) => ({
  id: indexable(record.id),
  request_id: record.requestId,
  attempt: whole(record.attempt),
  at: wholeMs(record.at),
  key_id: record.keyId === undefined ? null : indexable(record.keyId),
  project_id: record.projectId === undefined ? null : indexable(record.projectId),
  end_user: record.endUser === undefined ? null : indexable(record.endUser),
  model_asked: record.modelAsked,
  model: indexable(record.model),
  provider: record.provider === undefined ? null : indexable(record.provider),
  prompt_tokens: whole(record.promptTokens),
  completion_tokens: whole(record.completionTokens),
  cached_tokens: whole(record.cachedTokens),
  cache_write_tokens: whole(record.cacheWriteTokens),
  cache_write_long_tokens: whole(record.cacheWriteLongTokens),
  reasoning_tokens: whole(record.reasoningTokens),
  audio_tokens: whole(record.audioTokens),
  completion_audio_tokens: whole(record.completionAudioTokens),
  image_tokens: whole(record.imageTokens),
  completion_image_tokens: whole(record.completionImageTokens),
  estimated: flag(record.estimated),
  cost_nanos: record.costNanos,
  unpriced: flag(record.unpriced),
  stream: flag(record.stream),
  cache: record.cache ?? null,
  outcome: record.outcome,
  status: whole(record.status),
  error_kind: record.errorKind ?? null,
  queue_ms: wholeMs(record.queueMs),
  first_output_ms: record.firstOutputMs === undefined ? null : wholeMs(record.firstOutputMs),
  total_ms: wholeMs(record.totalMs),
});

export const recordOf = (row: Selectable<UsageRow>): UsageRecord => ({
  id: row.id,
  requestId: row.request_id,
  attempt: Number(row.attempt),
  at: Number(row.at),
  keyId: textOr(row.key_id),
  projectId: textOr(row.project_id),
  endUser: textOr(row.end_user),
  modelAsked: row.model_asked,
  model: row.model,
  provider: textOr(row.provider),
  promptTokens: Number(row.prompt_tokens),
  completionTokens: Number(row.completion_tokens),
  cachedTokens: Number(row.cached_tokens),
  cacheWriteTokens: Number(row.cache_write_tokens),
  cacheWriteLongTokens: Number(row.cache_write_long_tokens),
  reasoningTokens: Number(row.reasoning_tokens),
  audioTokens: Number(row.audio_tokens),
  completionAudioTokens: Number(row.completion_audio_tokens),
  imageTokens: Number(row.image_tokens),
  completionImageTokens: Number(row.completion_image_tokens),
  estimated: row.estimated === 1n,
  costNanos: row.cost_nanos,
  unpriced: row.unpriced === 1n,
  stream: row.stream === 1n,
  cache: textOr(row.cache) as UsageRecord['cache'],
  outcome: row.outcome as Outcome,
  status: Number(row.status),
  errorKind: textOr(row.error_kind),
  queueMs: Number(row.queue_ms),
  firstOutputMs: numberOr(row.first_output_ms),
  totalMs: Number(row.total_ms),
});

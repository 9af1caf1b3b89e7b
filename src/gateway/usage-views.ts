/** Records of usage and sums of them as administrators see them: in JSON, and as rows of a table. Money in dollars. */
import type { View } from './account-views.ts';
import type { UsageRecord } from './accounts.ts';
import { dollarsText } from './dollars.ts';
import type { UsageGroup, UsageSum } from './store-ports.ts';

/** Groups as a query names them. */
export const GROUP_NAMES = {
  day: 'day',
  project: 'project_id',
  key: 'key_id',
  end_user: 'end_user',
  model: 'model',
  provider: 'provider',
  outcome: 'outcome',
} as const;

export type GroupName = keyof typeof GROUP_NAMES;

/** As the store names them. */
export const groupOf = (name: GroupName): UsageGroup => (name === 'end_user' ? 'endUser' : name);

/** What the groups are, each null where its records say nothing of it; then the sums. */
export function sumView({ group, ...sum }: UsageSum, groups: readonly GroupName[]): View {
  return {
    ...Object.fromEntries(groups.map((name) => [GROUP_NAMES[name], group[groupOf(name)] ?? null])),
    requests: sum.requests,
    attempts: sum.attempts,
    prompt_tokens: Number(sum.promptTokens),
    completion_tokens: Number(sum.completionTokens),
    cached_tokens: Number(sum.cachedTokens),
    cache_write_tokens: Number(sum.cacheWriteTokens),
    cache_write_long_tokens: Number(sum.cacheWriteLongTokens),
    reasoning_tokens: Number(sum.reasoningTokens),
    audio_tokens: Number(sum.audioTokens),
    completion_audio_tokens: Number(sum.completionAudioTokens),
    image_tokens: Number(sum.imageTokens),
    completion_image_tokens: Number(sum.completionImageTokens),
    cost_usd: dollarsText(sum.costNanos),
    estimated: sum.estimated,
    unpriced: sum.unpriced,
  };
}

export function recordView(record: UsageRecord): View {
  return {
    id: record.id,
    request_id: record.requestId,
    attempt: record.attempt,
    at: Math.floor(record.at / 1000),
    time: new Date(record.at).toISOString(),
    project_id: record.projectId ?? null,
    key_id: record.keyId ?? null,
    end_user: record.endUser ?? null,
    model_asked: record.modelAsked,
    model: record.model,
    provider: record.provider ?? null,
    prompt_tokens: record.promptTokens,
    completion_tokens: record.completionTokens,
    cached_tokens: record.cachedTokens,
    cache_write_tokens: record.cacheWriteTokens,
    cache_write_long_tokens: record.cacheWriteLongTokens,
    reasoning_tokens: record.reasoningTokens,
    audio_tokens: record.audioTokens,
    completion_audio_tokens: record.completionAudioTokens,
    image_tokens: record.imageTokens,
    completion_image_tokens: record.completionImageTokens,
    estimated: record.estimated,
    cost_usd: dollarsText(record.costNanos),
    unpriced: record.unpriced,
    stream: record.stream,
    cache: record.cache ?? null,
    outcome: record.outcome,
    status: record.status,
    error: record.errorKind ?? null,
    queue_ms: record.queueMs,
    first_output_ms: record.firstOutputMs ?? null,
    total_ms: record.totalMs,
  };
}

/** One line of a table, its end included; a row of names where `values` is one. */
export function csvLine(values: readonly unknown[]): string {
  return `${values.map(cell).join(',')}\r\n`;
}

/** Spreadsheets take what begins like this for a formula, and what end users are called is not ours to say. */
const FORMULA = /^[=+\-@\t\r]/;

function cell(value: unknown): string {
  if (value === null || value === undefined) return '';
  if (typeof value !== 'string') return JSON.stringify(value);
  const safe = FORMULA.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

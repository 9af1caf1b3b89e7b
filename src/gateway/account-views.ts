/**
 * What is kept, as the admin API, `parlance keys --json` and the audit log show it: times in Unix seconds, money in dollars, never a
 * hash, and a secret only where it was just made.
 */
import type { AuditEntry, Budget, EndUser, Limits, ModelLimits, Project, VirtualKey } from './accounts.ts';
import { dollarsText } from './dollars.ts';
import type { Page } from './store-ports.ts';

export type View = Readonly<Record<string, unknown>>;

const seconds = (ms: number): number => Math.floor(ms / 1000);
export const secondsOrNull = (ms: number | undefined): number | null => (ms === undefined ? null : seconds(ms));

export function limitsView({ requestsPerMinute, requestsPerDay, tokensPerMinute, tokensPerDay, concurrent }: Limits): View {
  const all = {
    requests_per_minute: requestsPerMinute,
    requests_per_day: requestsPerDay,
    tokens_per_minute: tokensPerMinute,
    tokens_per_day: tokensPerDay,
    concurrent_requests: concurrent,
  };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
}

export function budgetView({ period, nanos }: Budget): View {
  return { period, usd: dollarsText(nanos) };
}

export function projectView({ id, name, limits, budgets, models, endUserDefaults, createdAt, disabledAt }: Project): View {
  return {
    id,
    object: 'project',
    name,
    limits: limitsView(limits),
    budgets: budgets.map(budgetView),
    models,
    end_user_defaults: { limits: limitsView(endUserDefaults?.limits ?? {}), budgets: (endUserDefaults?.budgets ?? []).map(budgetView) },
    created_at: seconds(createdAt),
    disabled_at: secondsOrNull(disabledAt),
  };
}

export function keyView(key: VirtualKey): View {
  return {
    id: key.id,
    object: 'key',
    project_id: key.projectId,
    name: key.name,
    owner: key.owner ?? null,
    role: key.role,
    hint: key.hint,
    limits: limitsView(key.limits),
    budgets: key.budgets.map(budgetView),
    models: key.models,
    addresses: key.addresses,
    created_at: seconds(key.createdAt),
    expires_at: secondsOrNull(key.expiresAt),
    revoked_at: secondsOrNull(key.revokedAt),
    rotated_to: key.rotatedTo ?? null,
    last_used_at: secondsOrNull(key.lastUsedAt),
  };
}

export function endUserView({ id, projectId, limits, budgets, models, blockedAt, note }: EndUser): View {
  return {
    id,
    object: 'end_user',
    project_id: projectId,
    limits: limitsView(limits),
    budgets: budgets.map(budgetView),
    models,
    blocked_at: secondsOrNull(blockedAt),
    note: note ?? null,
  };
}

export function modelLimitsView({ model, limits }: ModelLimits): View {
  return { model, object: 'model_limits', limits: limitsView(limits) };
}

export function auditView({ id, at, actor, action, subject, before, after }: AuditEntry): View {
  return { id, object: 'audit_entry', at: seconds(at), actor, action, subject, before: before ?? null, after: after ?? null };
}

/** A page as lists of this API are, with the cursor of the next one. */
export function listView<T>({ items, next }: Page<T>, view: (item: T) => View): View {
  return { object: 'list', data: items.map(view), has_more: next !== undefined, next_cursor: next ?? null };
}

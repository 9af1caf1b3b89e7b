/** Who may use what, and how much: projects, their keys, the end users behind them. Times are Unix milliseconds. */
import type { Role } from '../core/call.ts';

/** What may be used in a time; absent is no limit. All limits that apply to a request hold at once. */
export interface Limits {
  readonly requestsPerMinute?: number;
  readonly requestsPerDay?: number;
  /** Prompt and completion together. */
  readonly tokensPerMinute?: number;
  readonly tokensPerDay?: number;
  /** Requests at once. */
  readonly concurrent?: number;
}

/** Days, weeks (from Monday) and months are those of UTC. */
export type BudgetPeriod = 'day' | 'week' | 'month' | 'total';

/** Money that may be spent in a period, in whole nano-dollars (10⁻⁹ US dollars). */
export interface Budget {
  readonly period: BudgetPeriod;
  readonly nanos: bigint;
}

/** Fields that projects, keys and end users have alike. */
export interface Allowance {
  readonly limits: Limits;
  /** At most one of each period. */
  readonly budgets: readonly Budget[];
  /** Periods that have no budget any more. What is spent in them is counted all the same. */
  readonly formerBudgets?: readonly BudgetPeriod[];
  /** Patterns with `*`; empty: all models. */
  readonly models: readonly string[];
}

/** Owns what belongs to nobody else: requests by keys of the configuration, and those without a key. */
export const DEFAULT_PROJECT = 'default';

/** What each end user of a project may use: the limits where none are set for them, the budgets where none are. */
export type EndUserDefaults = Pick<Allowance, 'limits' | 'budgets' | 'formerBudgets'>;

export interface Project extends Allowance {
  /** `proj_…`, or `default` */
  readonly id: string;
  readonly name: string;
  /** Absent: nothing. */
  readonly endUserDefaults?: EndUserDefaults;
  readonly createdAt: number;
  /** Its keys are refused while it is off. */
  readonly disabledAt: number | undefined;
}

export interface VirtualKey extends Allowance {
  /** `key_…`: no secret; stands for the key in logs and records. */
  readonly id: string;
  readonly projectId: string;
  readonly name: string;
  readonly owner: string | undefined;
  readonly role: Role;
  /** SHA-256 of the whole key, lower-case hex. */
  readonly hash: string;
  /** The key's first characters, for people who look for it. */
  readonly hint: string;
  /** CIDR ranges or addresses from which it may be used; empty: any. */
  readonly addresses: readonly string[];
  readonly createdAt: number;
  readonly expiresAt: number | undefined;
  readonly revokedAt: number | undefined;
  /**
   * Absent but for what a key was before it was rotated: the key that has a new secret now. It counts as that key, which says all
   * but how long this secret still works: until `expiresAt`.
   */
  readonly rotatedTo: string | undefined;
  readonly lastUsedAt: number | undefined;
}

/** An end user of a project (`user`, `safety_identifier`), as far as an administrator has said something of them. */
export interface EndUser extends Allowance {
  readonly projectId: string;
  readonly id: string;
  readonly blockedAt: number | undefined;
  readonly note: string | undefined;
}

/** Limits of one model, over everybody. */
export interface ModelLimits {
  readonly model: string;
  readonly limits: Limits;
}

export type Outcome = 'ok' | 'error' | 'cancelled' | 'lost';

/** What one attempt used and cost. Written once, never changed. */
export interface UsageRecord {
  /** Request id and number of the attempt: the same attempt is never recorded twice. */
  readonly id: string;
  readonly requestId: string;
  /** From 1. */
  readonly attempt: number;
  /** When the attempt ended. */
  readonly at: number;
  readonly keyId: string | undefined;
  readonly projectId: string | undefined;
  readonly endUser: string | undefined;
  readonly modelAsked: string;
  /** The target that answered. */
  readonly model: string;
  readonly provider: string | undefined;
  readonly promptTokens: number;
  readonly completionTokens: number;
  readonly cachedTokens: number;
  readonly cacheWriteTokens: number;
  /** Of those written to a cache, those to be kept for an hour. */
  readonly cacheWriteLongTokens: number;
  readonly reasoningTokens: number;
  /** Of the prompt and of the completion. */
  readonly audioTokens: number;
  /** Of the audio tokens, those of the completion. */
  readonly completionAudioTokens: number;
  /** Of the prompt and of the completion. */
  readonly imageTokens: number;
  /** Of the image tokens, those of the completion. */
  readonly completionImageTokens: number;
  /** The provider did not say; the tokens are counted by us. */
  readonly estimated: boolean;
  readonly costNanos: bigint;
  /** A price of what was used is not known: the cost is without that. */
  readonly unpriced: boolean;
  readonly stream: boolean;
  readonly cache: 'hit' | 'miss' | 'shared' | undefined;
  readonly outcome: Outcome;
  readonly status: number;
  readonly errorKind: string | undefined;
  /** Times are kept in whole milliseconds. */
  readonly queueMs: number;
  readonly firstOutputMs: number | undefined;
  readonly totalMs: number;
}

export interface AuditEntry {
  readonly id: string;
  readonly at: number;
  /** The key that did it, or `system`. */
  readonly actor: string;
  /** `key.create`, `key.revoke`, `project.update` … */
  readonly action: string;
  readonly subject: string;
  /** Without secrets; kept as JSON, where whole numbers of any size (bigint) become strings. */
  readonly before: unknown;
  readonly after: unknown;
}

/** A kept completion; `request` and `response` as the client has them. */
export interface StoredCompletion {
  /** `chatcmpl-…` */
  readonly id: string;
  readonly projectId: string;
  readonly createdAt: number;
  readonly model: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly request: unknown;
  readonly response: unknown;
}

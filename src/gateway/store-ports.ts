/** What the gateway keeps, and how it asks for it. SQLite and Postgres stand behind these, memory and Redis behind the counters. */
import type { Soon } from '../core/soon.ts';
import type { AuditEntry, EndUser, ModelLimits, Outcome, Project, StoredCompletion, UsageRecord, VirtualKey } from './accounts.ts';

/** A page of a list: newest first, `next` for the one after it. */
export interface Page<T> {
  readonly items: readonly T[];
  readonly next: string | undefined;
}

export interface PageOptions {
  readonly limit: number;
  /** The `next` of the page before. One that is no cursor is a `GatewayError` of kind `invalid_value`. */
  readonly cursor?: string;
}

/**
 * Every change is one transaction with its entry in the audit log, or it is none. Where `before` is given, it rejects with a
 * `GatewayError` of kind `conflict` when what is kept is not that any more (`lastUsedAt` does not count).
 */
export interface AccountStore {
  projects(page: PageOptions): Promise<Page<Project>>;
  project(id: string): Promise<Project | undefined>;
  /** Inserts or replaces. `before` null: rejects with `conflict` where there is one of this id. */
  putProject(project: Project, audit: AuditEntry, before?: Project | null): Promise<void>;
  keys(page: PageOptions & { readonly projectId?: string }): Promise<Page<VirtualKey>>;
  key(id: string): Promise<VirtualKey | undefined>;
  keyByHash(hash: string): Promise<VirtualKey | undefined>;
  /** `before` null: rejects with `conflict` where there is any key at all. */
  putKey(key: VirtualKey, audit: AuditEntry, before?: VirtualKey | null): Promise<void>;
  /**
   * The key keeps its id and gets a new hash (`fresh`); the hash that it had goes to an entry of its own (`old`), with an end. Both
   * or neither; rejects with `conflict` where the key has been rotated or revoked meanwhile.
   */
  rotateKey(old: VirtualKey, fresh: VirtualKey, audit: AuditEntry): Promise<void>;
  /** Written in batches, without an audit entry. */
  touchKeys(lastUsed: ReadonlyMap<string, number>): Promise<void>;
  endUser(projectId: string, id: string): Promise<EndUser | undefined>;
  endUsers(page: PageOptions & { readonly projectId: string; readonly blocked?: boolean }): Promise<Page<EndUser>>;
  putEndUser(user: EndUser, audit: AuditEntry, before?: EndUser): Promise<void>;
  modelLimits(): Promise<readonly ModelLimits[]>;
  putModelLimits(limits: ModelLimits, audit: AuditEntry, before?: ModelLimits): Promise<void>;
  audit(page: PageOptions & { readonly subject?: string }): Promise<Page<AuditEntry>>;
  /** A number that grows with every change of the above but `touchKeys`: others look whether they are up to date. */
  version(): Promise<number>;
}

export interface UsageFilter {
  /** Unix milliseconds, from inclusive, to exclusive. */
  readonly from?: number;
  readonly to?: number;
  readonly projectId?: string;
  readonly keyId?: string;
  readonly endUser?: string;
  readonly model?: string;
  readonly provider?: string;
  readonly outcome?: Outcome;
}

export type UsageGroup = 'day' | 'project' | 'key' | 'endUser' | 'model' | 'provider' | 'outcome';

export interface UsageSum {
  /** Days as `2026-11-23`, UTC. A group whose records say nothing of it (no key, no end user) is left out. */
  readonly group: Readonly<Partial<Record<UsageGroup, string>>>;
  /** First attempts: a request counts once, where its first attempt is. */
  readonly requests: number;
  readonly attempts: number;
  readonly promptTokens: bigint;
  readonly completionTokens: bigint;
  readonly cachedTokens: bigint;
  readonly cacheWriteTokens: bigint;
  readonly cacheWriteLongTokens: bigint;
  readonly reasoningTokens: bigint;
  readonly audioTokens: bigint;
  readonly completionAudioTokens: bigint;
  readonly imageTokens: bigint;
  readonly completionImageTokens: bigint;
  readonly costNanos: bigint;
  readonly estimated: number;
  readonly unpriced: number;
}

export interface UsageStore {
  /** Those that are there already are left as they are. */
  add(records: readonly UsageRecord[]): Promise<void>;
  /** The same for records as the lines of the journal have them, which costs less where the database is fed from text. */
  addLines(lines: readonly string[]): Promise<void>;
  records(filter: UsageFilter, page: PageOptions): Promise<Page<UsageRecord>>;
  /** By the groups asked for, from sums that are kept by day: quick with ten million records. */
  sums(filter: UsageFilter, groups: readonly UsageGroup[]): Promise<readonly UsageSum[]>;
  /** Spent in nano-dollars since a time, by all that is given; the names of end users are a project's own, so give both. */
  spent(by: { readonly keyId?: string; readonly projectId?: string; readonly endUser?: string }, since: number): Promise<bigint>;
  /** Deletes up to `limit` records older than this, in a short transaction; how many (none where another process is at them). Sums stay. */
  prune(before: number, limit: number): Promise<number>;
}

export interface CompletionFilter {
  readonly projectId: string;
  readonly model?: string;
  readonly metadata?: Readonly<Record<string, string>>;
}

export interface CompletionStore {
  put(completion: StoredCompletion): Promise<void>;
  get(projectId: string, id: string): Promise<StoredCompletion | undefined>;
  /** The cursor is the id of the last one, as OpenAI's `after` is. */
  list(filter: CompletionFilter, page: PageOptions & { readonly order: 'asc' | 'desc' }): Promise<Page<StoredCompletion>>;
  setMetadata(projectId: string, id: string, metadata: Readonly<Record<string, string>>): Promise<StoredCompletion | undefined>;
  delete(projectId: string, id: string): Promise<boolean>;
}

export interface Store {
  readonly accounts: AccountStore;
  readonly usage: UsageStore;
  readonly completions: CompletionStore;
  /** Rejects where the database is not there or not to be written. */
  check(): Promise<void>;
  close(): Promise<void>;
}

/**
 * A counter that requests take from. `rate`: so many in `windowMs`, refilled smoothly (no double burst at an edge).
 * `concurrent`: so many at once. `budget`: so many nano-dollars in a period that began at `since`, `spent` being what the
 * records say of it where the counter is new.
 */
export type Counter =
  | { readonly kind: 'rate'; readonly key: string; readonly limit: number; readonly windowMs: number }
  | { readonly kind: 'concurrent'; readonly key: string; readonly limit: number }
  | { readonly kind: 'budget'; readonly key: string; readonly limit: bigint; readonly since: number; readonly until: number | undefined };

export interface Take {
  readonly counter: Counter;
  /** Whole units: requests, tokens, nano-dollars. */
  readonly amount: bigint;
  /** Rates: what others are to come for before, should this one be refused. */
  readonly ahead?: bigint;
}

/** What stopped a take, and when it would fit; undefined: waiting does not help. */
export interface Refusal {
  readonly counter: Counter;
  /** Below 0 where more was used than was held. */
  readonly remaining: bigint;
  /** Budgets: what requests under way hold of it. What fits into `remaining` and `held` may fit when they are done. */
  readonly held?: bigint;
  readonly retryAfterMs: number | undefined;
  /** Where others come before: when it fits after them; `Infinity` where all that is counted now is not enough for that. */
  readonly turnMs?: number;
}

export interface CounterState {
  readonly counter: Counter;
  /** Below 0 where more was used than was held. */
  readonly remaining: bigint;
  /** Budgets: what requests under way hold of it; what is spent is the limit less `remaining` and `held`. */
  readonly held?: bigint;
  /** Until it is full again (rate) or starts anew (budget, `Infinity` where it never does); 0 where it is full. */
  readonly resetMs: number;
}

export type Taken =
  | { readonly ok: true; readonly holdId: string; readonly states: readonly CounterState[] }
  | { readonly ok: false; readonly refusals: readonly Refusal[]; readonly states: readonly CounterState[] };

export interface CounterStore {
  /**
   * Takes from all counters, or from none; held until it is settled, or until the lease of this process ends. An amount of
   * 0 always fits. Fails where a `holdId` is used again (use one for each attempt), with a `GatewayError` of kind
   * `overloaded` where the counters cannot be reached.
   */
  take(holdId: string, takes: readonly Take[]): Soon<Taken>;
  /**
   * Replaces what was held by what was used, counter by counter. A budget that is not named was not spent from; a rate
   * that is not named keeps what was taken; `concurrent` is given back in any case; a budget that is named and was not
   * held (its period began meanwhile) is charged. What was used beyond what was held is charged all the same.
   * Once: settling a hold again does nothing; one that is not known any more charges the budgets. Write the usage record
   * when this is done, not before: a budget that is read from the records meanwhile would have it twice.
   * Does not fail because counters are away: then they are told later. `told` is called, once, when they have it.
   */
  settle(holdId: string, actual: readonly Take[], told?: () => void): Soon<void>;
  states(counters: readonly Counter[]): Promise<readonly CounterState[]>;
  /**
   * What the records say was spent, for a budget counter that is not known yet; called by `take` where it needs it, and not
   * before `ready`.
   */
  seed(load: (counter: Extract<Counter, { kind: 'budget' }>) => Promise<bigint>, ready?: Promise<void>): void;
  /** Where what is counted outlives this process: for whoever takes over what one that died has not settled. */
  readonly lasting?: LastingCounters;
  close(): Promise<void>;
}

/** What the counters say of a hold, for whoever has to settle it where its own process dies before. */
export interface HoldNote {
  /** Their name for the process. */
  readonly by: string;
  /** In their own words: how it is held. */
  readonly how: string;
}

/** What a request has spent, and may not live to settle. */
export interface Bequest extends HoldNote {
  readonly holdId: string;
  /** Of budgets. */
  readonly charges: readonly Take[];
}

export interface LastingCounters {
  /** Of a hold of this process; to be asked before it is settled. */
  note(holdId: string): HoldNote;
  /**
   * Settles a hold of a process that is dead, unless it did so itself; any number of times. `isWritten`: its records may be in
   * the database by now; where they are not, they must not be before this has resolved. Rejects where counters are away.
   */
  inherit(bequest: Bequest, isWritten: boolean): Promise<void>;
  /** Nothing more will be asked about holds of this process. */
  forget(by: string): Promise<void>;
}

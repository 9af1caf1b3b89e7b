/**
 * The books: a tab for each request, which is opened before its first attempt and closed once, when all of them are over. What
 * its attempts used is charged to the counters and written down, in the very same numbers.
 */
import type { Attempt, Call, Target } from '../core/call.ts';
import { GatewayError } from '../core/error.ts';
import type { Outcome, UsageRecord } from './accounts.ts';
import { countedBudgets } from './applying.ts';
import type { Applying, Asking, BudgetCounter } from './applying.ts';
import { chargedFor } from './money.ts';
import { chargeOf } from './charge.ts';
import type { Estimate } from './charge.ts';
import type { Route } from './route.ts';
import { callsOf } from './worst-case.ts';
import type { Bequest, CounterStore, Take } from './store-ports.ts';

export interface BooksParts {
  readonly counters: Pick<CounterStore, 'settle'>;
  /** Keeps a record; what it keeps outlives the process. Must not throw. */
  readonly record: (record: UsageRecord) => void;
  /**
   * Where counters outlive the process: keeps what is about to be charged, with its records, so that it is charged and recorded, once,
   * whenever this process dies. Must not throw.
   */
  readonly spend?: ((spent: Pick<Bequest, 'holdId' | 'charges'>, records: readonly UsageRecord[]) => Spending) | undefined;
  /** Milliseconds of a clock that never goes back, that of attempts. */
  readonly now: () => number;
  /** Unix milliseconds. */
  readonly clock: () => number;
  /** What went wrong here. The answer goes out all the same. */
  readonly failed: (cause: unknown) => void;
}

export interface Spending {
  /** Its records may be read from the database now. */
  write(): void;
  /** The counters have it. */
  told(): void;
}

export interface TabOptions {
  readonly asking: Asking;
  /** What is said of them now: a budget that was set while the request ran counts what it used. */
  readonly latest: () => Promise<Asking>;
  readonly route: Route;
  readonly estimate: Estimate;
}

export interface Tab extends TabOptions {
  readonly call: Call;
  readonly openedAt: number;
  /** Counters of tokens from which something is held for this request. */
  readonly tokens: Applying[];
  /** Something is held for it. */
  isHeld: boolean;
  /** What makes attempts has begun; it closes the tab. */
  isWorking: boolean;
  closing: Promise<void> | undefined;
  /** Called when it is closed: what was held is free. */
  closed: (() => void) | undefined;
}

export interface Books {
  open(call: Call, options: TabOptions): Tab;
  /** The tab of a call, however the call was passed on; undefined once it is closed. */
  of(call: Call): Tab | undefined;
  /** Charges and writes down what was used. Once: called again, it waits for the first time. Never rejects. */
  close(tab: Tab): Promise<void>;
  /** Resolves when no tab is open, or after so many milliseconds. */
  quiet(withinMs: number): Promise<void>;
}

export function createBooks(parts: BooksParts): Books {
  /** Those that are open, by the trace of their call, which is the same however the call is passed on. */
  const tabs = new Map<Call['trace'], Tab>();
  let whenQuiet: (() => void) | undefined;

  const settle = async (tab: Tab, records: readonly UsageRecord[]): Promise<void> => {
    const isFree = records.every(({ costNanos }) => costNanos === 0n);
    if (!tab.isHeld && isFree) return records.forEach(parts.record);
    const holdId = tab.call.id;
    const takes = takesOf(tab, records, isFree ? tab.asking : await latestOf(tab));
    if (!tab.isHeld && takes.length === 0) return records.forEach(parts.record);
    const charges = parts.spend ? takes.filter(({ counter }) => counter.kind === 'budget') : [];
    const spending = charges.length > 0 ? parts.spend?.({ holdId, charges }, records) : undefined;
    try {
      // first: a counter that is made from the records meanwhile would have these twice
      await parts.counters.settle(holdId, takes, spending?.told);
    } catch (cause) {
      parts.failed(cause);
      spending?.told();
    }
    if (spending) spending.write();
    else records.forEach(parts.record);
  };

  const latestOf = async ({ asking, latest }: Tab): Promise<Asking> => {
    try {
      return await latest();
    } catch (cause) {
      parts.failed(cause);
      return asking;
    }
  };

  const close = async (tab: Tab): Promise<void> => {
    try {
      await settle(tab, recordsOf(tab, parts));
    } catch (cause) {
      parts.failed(cause);
    }
    tabs.delete(tab.call.trace);
    if (tabs.size === 0) whenQuiet?.();
    tab.closed?.();
  };

  return {
    open(call, options) {
      const tab: Tab = {
        ...options,
        call,
        openedAt: parts.now(),
        tokens: [],
        isHeld: false,
        isWorking: false,
        closing: undefined,
        closed: undefined,
      };
      tabs.set(call.trace, tab);
      return tab;
    },
    of: ({ trace }) => tabs.get(trace),
    close: (tab) => (tab.closing ??= close(tab)),
    async quiet(withinMs) {
      if (tabs.size === 0) return;
      const { promise, resolve } = Promise.withResolvers<void>();
      const timer = setTimeout(resolve, withinMs);
      whenQuiet = resolve;
      await promise;
      clearTimeout(timer);
    },
  };
}

/** What was used, counter by counter: tokens in all, money in the period in which it was spent. */
function takesOf({ asking, tokens }: Tab, records: readonly UsageRecord[], latest: Asking): readonly Take[] {
  const used = records.reduce((sum, { promptTokens, completionTokens }) => sum + promptTokens + completionTokens, 0);
  const spent = records
    .filter(({ costNanos }) => costNanos > 0n)
    .flatMap(({ at, costNanos }) => budgetsOf(asking, latest, at).map((counter): Take => ({ counter, amount: costNanos })));
  return [...tokens.map(({ counter }): Take => ({ counter, amount: BigInt(used) })), ...spent];
}

/** Those from which it was held, those that were set meanwhile, and those that were taken away; of each one only. */
function budgetsOf(asking: Asking, latest: Asking, at: number): readonly BudgetCounter[] {
  const held = countedBudgets(asking, at);
  const now = countedBudgets(latest, at);
  return [...held, ...now.filter(({ key }) => !held.some((one) => one.key === key))];
}

/** A record for each attempt; for an answer that somebody else's attempts had made, one that cost nothing. */
function recordsOf(tab: Tab, parts: BooksParts): readonly UsageRecord[] {
  const { attempts, cache } = tab.call.trace;
  if (attempts.length > 0) return attempts.map((attempt, index) => recordOf(tab, { attempt, number: index + 1 }, parts));
  return cache === 'hit' || cache === 'shared' ? [cachedRecord(tab, parts)] : [];
}

const OUTCOMES: Readonly<Record<NonNullable<Attempt['outcome']>, Outcome>> = {
  answered: 'ok',
  failed: 'error',
  cancelled: 'cancelled',
  lost: 'lost',
};

interface Numbered {
  readonly attempt: Attempt;
  /** From 1. */
  readonly number: number;
}

function recordOf(tab: Tab, { attempt, number }: Numbered, { now, clock }: BooksParts): UsageRecord {
  const { error, startedAt, firstOutputAt, endedAt = now(), outcome = 'cancelled' } = attempt;
  const target = targetOf(tab.route, attempt);
  const { usage, estimated } = chargeOf(attempt, tab.estimate, target ? callsOf(target, tab.call.request) : 1);
  const { nanos, known } = chargedFor(usage, target?.card.pricing);
  return {
    ...commonOf(tab),
    id: `${tab.call.id}-${number}`,
    attempt: number,
    at: Math.floor(clock() - (now() - endedAt)),
    model: attempt.target,
    provider: attempt.provider,
    promptTokens: counted(usage.promptTokens),
    completionTokens: counted(usage.completionTokens),
    cachedTokens: counted(usage.cachedTokens),
    cacheWriteTokens: counted(usage.cacheWriteTokens),
    cacheWriteLongTokens: counted(usage.cacheWriteLongTokens),
    reasoningTokens: counted(usage.reasoningTokens),
    audioTokens: counted(usage.promptAudioTokens) + counted(usage.completionAudioTokens),
    completionAudioTokens: counted(usage.completionAudioTokens),
    imageTokens: counted(usage.promptImageTokens) + counted(usage.completionImageTokens),
    completionImageTokens: counted(usage.completionImageTokens),
    estimated,
    costNanos: nanos,
    unpriced: !known,
    outcome: OUTCOMES[outcome],
    status: outcome === 'answered' ? 200 : (error?.status ?? GONE.status),
    errorKind: error?.kind ?? (outcome === 'answered' ? undefined : GONE.kind),
    queueMs: whole(startedAt - tab.openedAt),
    firstOutputMs: firstOutputAt === undefined ? undefined : whole(firstOutputAt - startedAt),
    totalMs: whole(endedAt - startedAt),
  };
}

/** How attempts end that nobody waits for. */
const GONE = new GatewayError('cancelled', 'Nobody waits for the answer any more.');

function cachedRecord(tab: Tab, { now, clock }: BooksParts): UsageRecord {
  return {
    ...commonOf(tab),
    id: `${tab.call.id}-1`,
    attempt: 1,
    at: Math.floor(clock()),
    model: tab.route.targets[0]?.key ?? tab.route.name,
    provider: undefined,
    promptTokens: 0,
    completionTokens: 0,
    cachedTokens: 0,
    cacheWriteTokens: 0,
    cacheWriteLongTokens: 0,
    reasoningTokens: 0,
    audioTokens: 0,
    completionAudioTokens: 0,
    imageTokens: 0,
    completionImageTokens: 0,
    estimated: false,
    costNanos: 0n,
    unpriced: false,
    outcome: 'ok',
    status: 200,
    errorKind: undefined,
    queueMs: 0,
    firstOutputMs: undefined,
    totalMs: whole(now() - tab.openedAt),
  };
}

function commonOf({ call, asking, route }: Tab) {
  const { request, principal, trace } = call;
  return {
    requestId: call.id,
    keyId: principal.keyId,
    projectId: asking.project?.id ?? principal.projectId,
    endUser: endUserOf(call),
    modelAsked: route.name,
    stream: request.stream,
    cache: trace.cache,
  };
}

/** Who the client says is behind the request. */
export function endUserOf({ request: { safetyIdentifier, user } }: Call): string | undefined {
  return safetyIdentifier ?? user;
}

function targetOf({ targets }: Route, { target }: Attempt): Target | undefined {
  return targets.find(({ key }) => key === target)?.target;
}

/** Whatever a provider says: tokens are whole ones. */
const counted = (tokens = 0): number => (Number.isSafeInteger(Math.ceil(tokens)) ? Math.max(0, Math.ceil(tokens)) : 0);

const whole = (ms: number): number => Math.max(0, Math.round(ms));

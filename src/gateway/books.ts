/**
 * The books: a tab for each request, which is opened before its first attempt and closed once, when all of them are over. What
 * its attempts used is charged to the counters and written down, in the very same numbers.
 */
import type { Attempt, Call, Target } from '../core/call.ts';
import { GatewayError } from '../core/error.ts';
import type { Soon } from '../core/soon.ts';
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

/** What is to be charged, and what is told of that first. */
interface Spent {
  readonly takes: readonly Take[];
  readonly to: NonNullable<BooksParts['spend']>;
}

export interface TabOptions {
  readonly asking: Asking;
  /** What is said of them now: a budget that was set while the request ran counts what it used. */
  readonly latest: (call: Call) => Soon<Asking>;
  readonly route: Route;
  readonly estimate: Estimate;
  /** From which something is held for this request. */
  readonly limits: readonly Applying[];
  readonly budgets: readonly Applying<BudgetCounter>[];
  /** Something is held for it. */
  readonly isHeld: boolean;
  /** Called when it is closed: what was held is free. */
  readonly closed: (tab: Tab) => void;
}

export interface Tab extends TabOptions {
  readonly call: Call;
  readonly openedAt: number;
  /** What makes attempts has begun; it closes the tab. */
  isWorking: boolean;
  /** It has made an answer, or failed to; it is closed when the attempts are over that go on. */
  isOver: boolean;
  isClosed: boolean;
  /** What is waited for to close it. */
  closing: Promise<void> | undefined;
}

export interface Books {
  open(call: Call, options: TabOptions): Tab;
  /** The tab of a call, however the call was passed on; undefined once it is closed. */
  of(call: Call): Tab | undefined;
  /** Charges and writes down what was used. Once: called again, it waits for the first time. Never fails. */
  close(tab: Tab): Soon<void>;
  /** Resolves when no tab is open, or after so many milliseconds. */
  quiet(withinMs: number): Promise<void>;
}

export function createBooks(parts: BooksParts): Books {
  /**
   * How many are open. Each hangs on the trace of its call, which is the same however the call is passed on: a Map of them would keep
   * those alive, from one collection of young objects to the next, that had been in it (decision 0034).
   */
  let open = 0;
  let whenQuiet: (() => void) | undefined;

  const keep = (records: readonly UsageRecord[]): void => {
    for (const record of records) parts.record(record);
  };

  const settle = (tab: Tab, records: readonly UsageRecord[]): Soon<void> => {
    const isFree = records.every(costNothing);
    if (!tab.isHeld && isFree) return keep(records);
    const latest = isFree ? tab.asking : latestOf(tab);
    if (latest instanceof Promise) return latest.then((found) => charge(tab, records, found));
    return charge(tab, records, latest);
  };

  const charge = (tab: Tab, records: readonly UsageRecord[], latest: Asking): Soon<void> => {
    const takes = takesOf(tab, records, latest);
    if (!tab.isHeld && takes.length === 0) return keep(records);
    if (parts.spend) return spend(tab, records, { takes, to: parts.spend });
    // first: a counter that is made from the records meanwhile would have these twice
    const settling = countersTold(tab, takes);
    return settling ? settling.then(() => keep(records)) : keep(records);
  };

  const spend = (tab: Tab, records: readonly UsageRecord[], { takes, to }: Spent): Soon<void> => {
    const charges = takes.filter(({ counter }) => counter.kind === 'budget');
    const spending = charges.length > 0 ? to({ holdId: tab.call.id, charges }, records) : undefined;
    const written = (): void => (spending ? spending.write() : keep(records));
    const settling = countersTold(tab, takes, spending?.told);
    return settling ? settling.then(written) : written();
  };

  /** Whatever comes of it. */
  const countersTold = ({ call }: Tab, takes: readonly Take[], told?: () => void): Soon<void> => {
    const failed = (cause: unknown): void => {
      parts.failed(cause);
      told?.();
    };
    try {
      return parts.counters.settle(call.id, takes, told)?.catch(failed);
    } catch (cause) {
      return failed(cause);
    }
  };

  const latestOf = (tab: Tab): Soon<Asking> => {
    const failed = (cause: unknown): Asking => {
      parts.failed(cause);
      return tab.asking;
    };
    try {
      const latest = tab.latest(tab.call);
      return latest instanceof Promise ? latest.catch(failed) : latest;
    } catch (cause) {
      return failed(cause);
    }
  };

  const settleAll = (tab: Tab): Soon<void> => {
    try {
      return settle(tab, recordsOf(tab, parts))?.catch(parts.failed);
    } catch (cause) {
      return parts.failed(cause);
    }
  };

  const over = (tab: Tab): void => {
    tab.closing = undefined;
    tab.call.trace.tab = undefined;
    open--;
    if (open === 0) whenQuiet?.();
    tab.closed(tab);
  };

  return {
    open(call, { asking, latest, route, estimate, limits, budgets, isHeld, closed }) {
      const tab: Tab = {
        asking,
        latest,
        route,
        estimate,
        limits,
        budgets,
        isHeld,
        closed,
        call,
        openedAt: parts.now(),
        isWorking: false,
        isOver: false,
        isClosed: false,
        closing: undefined,
      };
      call.trace.tab = tab;
      open++;
      return tab;
    },
    of: ({ trace }) => trace.tab as Tab | undefined,
    close(tab) {
      if (tab.isClosed) return tab.closing;
      tab.isClosed = true;
      const settling = settleAll(tab);
      if (!settling) return over(tab);
      tab.closing = settling.then(() => over(tab));
      return tab.closing;
    },
    async quiet(withinMs) {
      if (open === 0) return;
      const { promise, resolve } = Promise.withResolvers<void>();
      const timer = setTimeout(resolve, withinMs);
      whenQuiet = resolve;
      await promise;
      clearTimeout(timer);
    },
  };
}

const costNothing = ({ costNanos }: UsageRecord): boolean => costNanos === 0n;

/** What was used, counter by counter: tokens in all, money in the period in which it was spent. */
function takesOf({ asking, limits }: Tab, records: readonly UsageRecord[], latest: Asking): readonly Take[] {
  let used = 0;
  for (const { promptTokens, completionTokens } of records) used += promptTokens + completionTokens;
  const amount = BigInt(used);
  const takes: Take[] = [];
  for (const { counter, of } of limits) if (of === 'tokens') takes.push({ counter, amount });
  for (const { at, costNanos } of records) {
    if (costNanos > 0n) for (const counter of budgetsOf(asking, latest, at)) takes.push({ counter, amount: costNanos });
  }
  return takes;
}

/** Those from which it was held, those that were set meanwhile, and those that were taken away; of each one only. */
function budgetsOf(asking: Asking, latest: Asking, at: number): readonly BudgetCounter[] {
  const held = countedBudgets(asking, at);
  // mostly nothing has been changed meanwhile
  if (latest === asking) return held;
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
  const { call, route } = tab;
  const target = targetOf(route, attempt);
  const { usage, estimated } = chargeOf(attempt, tab.estimate, target ? callsOf(target, call.request) : 1);
  const { nanos, known } = chargedFor(usage, target?.card.pricing, attempt.serviceTier);
  // all of its fields in one literal: this is made for every request
  return {
    requestId: call.id,
    keyId: call.principal.keyId,
    projectId: tab.asking.project?.id ?? call.principal.projectId,
    endUser: endUserOf(call),
    modelAsked: route.name,
    stream: call.request.stream,
    cache: call.trace.cache,
    id: `${call.id}-${number}`,
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
  const { call, route } = tab;
  return {
    requestId: call.id,
    keyId: call.principal.keyId,
    projectId: tab.asking.project?.id ?? call.principal.projectId,
    endUser: endUserOf(call),
    modelAsked: route.name,
    stream: call.request.stream,
    cache: call.trace.cache,
    id: `${call.id}-1`,
    attempt: 1,
    at: Math.floor(clock()),
    model: route.targets[0]?.key ?? route.name,
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

/** Who the client says is behind the request. */
export function endUserOf({ request: { safetyIdentifier, user } }: Call): string | undefined {
  return safetyIdentifier ?? user;
}

function targetOf({ targets }: Route, { target }: Attempt): Target | undefined {
  for (const one of targets) if (one.key === target) return one.target;
  return undefined;
}

/** Whatever a provider says: tokens are whole ones. */
const counted = (tokens = 0): number => (Number.isSafeInteger(Math.ceil(tokens)) ? Math.max(0, Math.ceil(tokens)) : 0);

const whole = (ms: number): number => Math.max(0, Math.round(ms));

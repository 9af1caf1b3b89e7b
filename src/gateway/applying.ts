/** Which counters a request takes from: those of its key, its project, its end user and its model, all at once. */
import type { Budget, BudgetPeriod, EndUser, Limits, Project, VirtualKey } from './accounts.ts';
import { periodOf } from './money.ts';
import type { Counter } from './store-ports.ts';

/** What administrators have said of those who ask. */
export interface Asking {
  readonly key: VirtualKey | undefined;
  readonly project: Project | undefined;
  readonly endUser: EndUser | undefined;
}

const NOBODY: Asking = { key: undefined, project: undefined, endUser: undefined };
const askingOnes = new WeakMap<VirtualKey | Project | EndUser, Asking>();

/** Who asks with a key of a project, or for a project alone, for themselves or an end user: the same object as long as these are. */
export function asksAs(key: VirtualKey | undefined, project: Project | undefined, endUser?: EndUser): Asking {
  const first = endUser ?? key ?? project;
  if (!first) return NOBODY;
  const before = askingOnes.get(first);
  if (before && before.key === key && before.project === project) return before;
  const made = { key, project, endUser };
  askingOnes.set(first, made);
  return made;
}

export type Scope = 'key' | 'project' | 'end user' | 'model';

/** A counter, and what it is of. */
export interface Applying<C extends Counter = Counter> {
  readonly counter: C;
  readonly scope: Scope;
  readonly of: 'requests' | 'tokens' | 'concurrent' | 'money';
  /** `minute` and `day` of rates, the period of budgets. */
  readonly per: 'minute' | BudgetPeriod | undefined;
}

export type BudgetCounter = Extract<Counter, { kind: 'budget' }>;

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;

/** One whose limits hold. `name` is unique, with nothing in it that ends a part. */
interface Holder {
  readonly scope: Scope;
  readonly name: string;
  readonly limits: Limits;
  readonly budgets: readonly Budget[];
  readonly formerBudgets?: readonly BudgetPeriod[];
}

const part = encodeURIComponent;

/** Those of the periods that there are from `from` up to `until`. */
interface BudgetsNow {
  readonly from: number;
  readonly until: number;
  readonly budgets: readonly Applying<BudgetCounter>[];
  /** Of these, and of those that are gone. */
  readonly counted: readonly BudgetCounter[];
}

/** Of a key, a project or an end user as it is kept, which is replaced when it changes: the same counters for all its requests. */
interface Known {
  readonly holder: Holder;
  readonly limits: readonly Applying[];
  now: BudgetsNow | undefined;
}

const knownOnes = new WeakMap<object, Known>();

function known(kept: Omit<Holder, 'scope' | 'name'>, scope: Scope, nameOf: () => string): Known {
  const before = knownOnes.get(kept);
  if (before) return before;
  const holder = { ...kept, scope, name: nameOf() };
  const made = { holder, limits: limitCounters(holder), now: undefined };
  knownOnes.set(kept, made);
  return made;
}

function holdersOf({ key, project, endUser }: Asking): readonly Known[] {
  const found: Known[] = [];
  if (key) found.push(known(key, 'key', () => `key/${part(key.id)}`));
  if (project) found.push(known(project, 'project', () => `project/${part(project.id)}`));
  if (endUser) found.push(known(endUser, 'end user', () => `user/${part(endUser.projectId)}/${part(endUser.id)}`));
  return found;
}

/** What applies to all requests of the same who ask. */
interface ToAll {
  readonly holders: readonly Known[];
  readonly limits: readonly Applying[];
  now: BudgetsNow | undefined;
}

const toAllOf = new WeakMap<Asking, ToAll>();

function toAll(asking: Asking): ToAll {
  const before = toAllOf.get(asking);
  if (before) return before;
  const holders = holdersOf(asking);
  const made = { holders, limits: holders.flatMap(({ limits }) => limits), now: undefined };
  toAllOf.set(asking, made);
  return made;
}

/** The limits on how much is used in a time. `models`: those of the model that is asked for, by its names. */
export function applyingLimits(asking: Asking, models: ReadonlyMap<string, Limits>): readonly Applying[] {
  const { limits: always } = toAll(asking);
  if (models.size === 0) return always;
  const found: Applying[] = [...always];
  for (const [model, limits] of models) {
    found.push(...limitCounters({ scope: 'model', name: `model/${part(model)}`, limits, budgets: [] }));
  }
  return found;
}

function limitCounters({ scope, name, limits }: Holder): readonly Applying[] {
  const found: Applying[] = [];
  const rate = (of: 'requests' | 'tokens', per: 'minute' | 'day', limit: number | undefined): void => {
    if (limit === undefined) return;
    const windowMs = per === 'minute' ? MINUTE_MS : DAY_MS;
    found.push({ counter: { kind: 'rate', key: `${name}/${of}/${per}`, limit, windowMs }, scope, of, per });
  };
  rate('requests', 'minute', limits.requestsPerMinute);
  rate('requests', 'day', limits.requestsPerDay);
  rate('tokens', 'minute', limits.tokensPerMinute);
  rate('tokens', 'day', limits.tokensPerDay);
  if (limits.concurrent !== undefined) {
    const counter: Counter = { kind: 'concurrent', key: `${name}/concurrent`, limit: limits.concurrent };
    found.push({ counter, scope, of: 'concurrent', per: undefined });
  }
  return found;
}

/** The budgets, as they are at that time (Unix milliseconds). */
export function applyingBudgets(asking: Asking, at: number): readonly Applying<BudgetCounter>[] {
  return budgetsNow(toAll(asking), at).budgets;
}

/** What is spent is counted by: the budgets, and those that were taken away and may come back. */
export function countedBudgets(asking: Asking, at: number): readonly BudgetCounter[] {
  return budgetsNow(toAll(asking), at).counted;
}

const isNow = (now: BudgetsNow | undefined, at: number): now is BudgetsNow => now !== undefined && now.from <= at && at < now.until;

function budgetsNow(all: ToAll, at: number): BudgetsNow {
  if (isNow(all.now, at)) return all.now;
  const each = all.holders.map((one) => budgetsOf(one, at));
  const now = {
    from: Math.max(0, ...each.map(({ from }) => from)),
    until: Math.min(Infinity, ...each.map(({ until }) => until)),
    budgets: each.flatMap(({ budgets }) => budgets),
    counted: each.flatMap(({ counted }) => counted),
  };
  all.now = now;
  return now;
}

function budgetsOf(one: Known, at: number): BudgetsNow {
  if (isNow(one.now, at)) return one.now;
  const { scope, name, budgets, formerBudgets = [] } = one.holder;
  const counterOf = (period: BudgetPeriod, limit: bigint): BudgetCounter => {
    const { since, until } = periodOf(period, at);
    return { kind: 'budget', key: `${name}/money/${period}`, limit, since, until };
  };
  const made = budgets.map(({ period, nanos }): Applying<BudgetCounter> => {
    return { counter: counterOf(period, nanos), scope, of: 'money', per: period };
  });
  const counted = [...made.map(({ counter }) => counter), ...formerBudgets.map((period) => counterOf(period, 0n))];
  const now = {
    from: Math.max(0, ...counted.map(({ since }) => since)),
    until: Math.min(Infinity, ...counted.map(({ until }) => until ?? Infinity)),
    budgets: made,
    counted,
  };
  one.now = now;
  return now;
}

/** Whose money a budget's counter counts, as the records of usage are asked for it. */
export function spenderOf({ key }: BudgetCounter): { readonly keyId?: string; readonly projectId?: string; readonly endUser?: string } {
  const [kind, ...parts] = key.split('/').map(decodeURIComponent);
  const [first = '', second = ''] = parts;
  if (kind === 'key') return { keyId: first };
  return kind === 'user' ? { projectId: first, endUser: second } : { projectId: first };
}

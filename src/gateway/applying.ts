/** Which counters a request takes from: those of its key, its project, its end user and its model, all at once. */
import type { Allowance, Budget, BudgetPeriod, EndUser, Limits, Project, VirtualKey } from './accounts.ts';
import { periodOf } from './money.ts';
import type { Counter } from './store-ports.ts';

/** What administrators have said of those who ask. */
export interface Asking {
  readonly key: VirtualKey | undefined;
  readonly project: Project | undefined;
  readonly endUser: EndUser | undefined;
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
}

const part = encodeURIComponent;

function holderOf(scope: Scope, name: string, { limits, budgets }: Pick<Allowance, 'limits' | 'budgets'>): Holder {
  return { scope, name, limits, budgets };
}

function holdersOf({ key, project, endUser }: Asking): readonly Holder[] {
  return [
    ...(key ? [holderOf('key', `key/${part(key.id)}`, key)] : []),
    ...(project ? [holderOf('project', `project/${part(project.id)}`, project)] : []),
    ...(endUser ? [holderOf('end user', `user/${part(endUser.projectId)}/${part(endUser.id)}`, endUser)] : []),
  ];
}

/** The limits on how much is used in a time. `models`: those of the model that is asked for, by its names. */
export function applyingLimits(asking: Asking, models: ReadonlyMap<string, Limits>): readonly Applying[] {
  const ofModels = [...models].map(([model, limits]) => holderOf('model', `model/${part(model)}`, { limits, budgets: [] }));
  return [...holdersOf(asking), ...ofModels].flatMap(limitCounters);
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
  return holdersOf(asking).flatMap(({ scope, name, budgets }) =>
    budgets.map(({ period, nanos }) => {
      const { since, until } = periodOf(period, at);
      const counter: BudgetCounter = { kind: 'budget', key: `${name}/money/${period}`, limit: nanos, since, until };
      return { counter, scope, of: 'money' as const, per: period };
    }),
  );
}

/** Whose money a budget's counter counts, as the records of usage are asked for it. */
export function spenderOf({ key }: BudgetCounter): { readonly keyId?: string; readonly projectId?: string; readonly endUser?: string } {
  const [kind, ...parts] = key.split('/').map(decodeURIComponent);
  const [first = '', second = ''] = parts;
  if (kind === 'key') return { keyId: first };
  return kind === 'user' ? { projectId: first, endUser: second } : { projectId: first };
}

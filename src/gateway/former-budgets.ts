/** Budgets that were taken away: what is spent goes on being counted, so that one that comes back knows of it. */
import type { Allowance, BudgetPeriod } from './accounts.ts';

type Budgeted = Pick<Allowance, 'budgets' | 'formerBudgets'>;

/** The same, with the periods of which these had a budget, and it has none. */
export function withFormer<T extends Budgeted>(one: T, ...before: readonly Budgeted[]): T {
  const periods = before.flatMap(({ budgets, formerBudgets = [] }) => [...budgets.map(({ period }) => period), ...formerBudgets]);
  const former = [...new Set<BudgetPeriod>(periods)].filter((period) => !one.budgets.some((budget) => budget.period === period)).sort();
  if (former.length > 0) return { ...one, formerBudgets: former };
  if (one.formerBudgets === undefined) return one;
  return Object.fromEntries(Object.entries(one).filter(([name]) => name !== 'formerBudgets')) as T;
}

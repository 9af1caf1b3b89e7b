/** Values of ours as columns, and back. */
import type { Allowance, Budget, BudgetPeriod, Limits } from '../gateway/accounts.ts';
import { keptName } from '../core/kept-name.ts';

export const wholeOrNull = (value: number | undefined): number | null => (value === undefined ? null : value);

export const numberOr = (value: bigint | null): number | undefined => (value === null ? undefined : Number(value));

export const textOr = (value: string | null): string | undefined => value ?? undefined;

/** Whole numbers of any size become strings; undefined becomes null, for columns that may be null. */
export function json(value: unknown): string | null {
  if (value === undefined) return null;
  return JSON.stringify(value, (_name, inner: unknown) => (typeof inner === 'bigint' ? String(inner) : inner));
}

/** The same for columns that may not be. */
export const jsonText = (value: object): string => JSON.stringify(value);

export const unjson = (text: string | null): unknown => (text === null ? undefined : (JSON.parse(text) as unknown));

type Budgeted = Pick<Allowance, 'budgets' | 'formerBudgets'>;

/** Those that are gone have no amount. */
export const budgetsText = ({ budgets, formerBudgets = [] }: Budgeted): string =>
  JSON.stringify([
    ...budgets.map(({ period, nanos }) => ({ period, nanos: String(nanos) })),
    ...formerBudgets.map((period) => ({ period })),
  ]);

export function budgetsOf(text: string): Budgeted {
  const kept = JSON.parse(text) as readonly { readonly period: BudgetPeriod; readonly nanos?: string }[];
  const budgets = kept.flatMap(({ period, nanos }): Budget[] => (nanos === undefined ? [] : [{ period, nanos: BigInt(nanos) }]));
  const former = kept.flatMap(({ period, nanos }) => (nanos === undefined ? [period] : []));
  return former.length === 0 ? { budgets } : { budgets, formerBudgets: former };
}

export const limitsOf = (text: string): Limits => JSON.parse(text) as Limits;

export const textsOf = (text: string): readonly string[] => JSON.parse(text) as readonly string[];

/** The text as it is kept, for what is compared. */
export const indexable = keptName;

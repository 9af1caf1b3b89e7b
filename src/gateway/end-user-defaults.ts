/** Who is behind a request, as far as anything holds for them: what was set for them, and else what is set for all of their project. */
import { keptName } from '../core/kept-name.ts';
import type { EndUser, EndUserDefaults, Project } from './accounts.ts';
import { withFormer } from './former-budgets.ts';

/** `own`: what was set for this end user of the project; undefined where nothing was. */
export function withDefaults(own: EndUser | undefined, project: Project, name: string): EndUser | undefined {
  const defaults = project.endUserDefaults;
  if (!defaults) return own;
  const hasLimits = own !== undefined && Object.keys(own.limits).length > 0;
  const hasBudgets = own !== undefined && own.budgets.length > 0;
  const nobody: EndUser = {
    projectId: project.id,
    id: keptName(name),
    limits: {},
    budgets: [],
    models: [],
    blockedAt: undefined,
    note: undefined,
  };
  const known = own ?? nobody;
  const both: EndUser = {
    ...known,
    limits: hasLimits ? known.limits : defaults.limits,
    budgets: hasBudgets ? known.budgets : defaults.budgets,
  };
  // whichever of the two holds, the other one may hold tomorrow
  return withFormer(both, known, defaults);
}

/** Undefined where it says nothing. */
export function someDefaults(defaults: EndUserDefaults): EndUserDefaults | undefined {
  const { limits, budgets, formerBudgets = [] } = defaults;
  return Object.keys(limits).length + budgets.length + formerBudgets.length > 0 ? defaults : undefined;
}

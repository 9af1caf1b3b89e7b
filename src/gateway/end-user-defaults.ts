/** Who is behind a request, as far as anything holds for them: what was set for them, and else what is set for all of their project. */
import { keptName } from '../core/kept-name.ts';
import type { EndUser, EndUserDefaults, Project } from './accounts.ts';
import { withFormer } from './former-budgets.ts';

/** Of those of whom nothing is said, per project. */
const MOST_NAMES = 1000;

/** By what they were made of, and of whom: requests of the same end user come one after the other. */
const madeOfOwn = new WeakMap<EndUser, { readonly project: Project; readonly made: EndUser }>();
const madeOfNothing = new WeakMap<Project, Map<string, EndUser>>();

/** `own`: what was set for this end user of the project; undefined where nothing was. The same one for the same three, mostly. */
export function withDefaults(own: EndUser | undefined, project: Project, name: string): EndUser | undefined {
  const { endUserDefaults } = project;
  if (!endUserDefaults) return own;
  if (!own) return withoutOwn(endUserDefaults, project, keptName(name));
  const before = madeOfOwn.get(own);
  if (before?.project === project) return before.made;
  const made = joined(own, endUserDefaults);
  madeOfOwn.set(own, { project, made });
  return made;
}

/** `id`: as the name is kept. */
function withoutOwn(defaults: EndUserDefaults, project: Project, id: string): EndUser {
  let names = madeOfNothing.get(project);
  const before = names?.get(id);
  if (before) return before;
  if (!names || names.size >= MOST_NAMES) {
    names = new Map();
    madeOfNothing.set(project, names);
  }
  const nobody: EndUser = { projectId: project.id, id, limits: {}, budgets: [], models: [], blockedAt: undefined, note: undefined };
  const made = joined(nobody, defaults);
  names.set(id, made);
  return made;
}

function joined(known: EndUser, defaults: EndUserDefaults): EndUser {
  const both: EndUser = {
    ...known,
    limits: Object.keys(known.limits).length > 0 ? known.limits : defaults.limits,
    budgets: known.budgets.length > 0 ? known.budgets : defaults.budgets,
  };
  // whichever of the two holds, the other one may hold tomorrow
  return withFormer(both, known, defaults);
}

/** Undefined where it says nothing. */
export function someDefaults(defaults: EndUserDefaults): EndUserDefaults | undefined {
  const { limits, budgets, formerBudgets = [] } = defaults;
  return Object.keys(limits).length + budgets.length + formerBudgets.length > 0 ? defaults : undefined;
}

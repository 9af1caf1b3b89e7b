/** What must be there before anything else. */
import { GatewayError } from '../core/error.ts';
import { projectView } from './account-views.ts';
import { DEFAULT_PROJECT } from './accounts.ts';
import type { Project } from './accounts.ts';
import { newId, NOTHING_MORE } from './administration.ts';
import type { Administration, FreshKey } from './administration.ts';
import type { AccountStore } from './store-ports.ts';

/** Several processes may start at once: what another one has made meanwhile is there. */
async function unlessThere<T>(make: () => Promise<T>): Promise<T | undefined> {
  try {
    return await make();
  } catch (cause) {
    if (cause instanceof GatewayError && cause.kind === 'conflict') return undefined;
    throw cause;
  }
}

/** The project of what belongs to none must be there; it is made where it is not. */
export async function ensureDefaultProject(accounts: AccountStore, clock: () => number): Promise<void> {
  if (await accounts.project(DEFAULT_PROJECT)) return;
  const project: Project = { ...NOTHING_MORE, id: DEFAULT_PROJECT, name: 'Default', createdAt: clock(), disabledAt: undefined };
  const about = { actor: 'system', action: 'project.create', subject: project.id, before: undefined, after: projectView(project) };
  await unlessThere(() => accounts.putProject(project, { id: newId('audit'), at: clock(), ...about }, null));
}

/** The key that all others are made with, where there is none at all yet; undefined where there is one. */
export async function createFirstKey({ accounts, createKey }: Administration): Promise<FreshKey | undefined> {
  const { items } = await accounts.keys({ limit: 1 });
  if (items.length > 0) return undefined;
  return unlessThere(() => createKey({ actor: 'system' }, { name: 'First admin key', role: 'admin' }, { first: true }));
}

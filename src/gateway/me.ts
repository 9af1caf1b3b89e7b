/** What a key may know of itself: what it may use, how much, and what is left of that. */
import type { ModelCard, Principal } from '../core/call.ts';
import { secondsOrNull } from './account-views.ts';
import type { View } from './account-views.ts';
import type { Project, VirtualKey } from './accounts.ts';
import { applyingBudgets, applyingLimits } from './applying.ts';
import type { Applying } from './applying.ts';
import { counterId } from './counting.ts';
import type { Directory } from './directory.ts';
import { dollarsText } from './dollars.ts';
import type { CounterState, CounterStore } from './store-ports.ts';

export interface MeParts {
  readonly directory: Pick<Directory, 'byKeyId' | 'project'>;
  readonly counters: Pick<CounterStore, 'states'>;
  /** Unix milliseconds. */
  readonly clock: () => number;
}

/**
 * The view of `GET /v1/me`. Of the project it says what its limits and budgets are, but not what others have used of them. Rejects
 * where the key or the counters cannot be asked.
 */
export async function aboutMe(principal: Principal, models: readonly ModelCard[], { directory, counters, clock }: MeParts): Promise<View> {
  const { keyId, projectId, role, id } = principal;
  const account = keyId === undefined ? undefined : await directory.byKeyId(keyId);
  const project = account?.project ?? (projectId === undefined ? undefined : await directory.project(projectId));
  const asking = { key: account?.key, project: undefined, endUser: undefined };
  const applying = [...applyingLimits(asking, new Map()), ...applyingBudgets(asking, clock())];
  const states = applying.length > 0 ? await counters.states(applying.map(({ counter }) => counter)) : [];
  const mine = applying.map((of) => ({ of, state: states.find(({ counter }) => counterId(counter) === counterId(of.counter)) }));
  return {
    object: 'me',
    key: keyOf(account?.key, { id, role }, mine),
    project: project ? projectOf(project, clock()) : null,
    models: models.map((card) => card.id),
  };
}

interface Mine {
  readonly of: Applying;
  readonly state: CounterState | undefined;
}

function keyOf(key: VirtualKey | undefined, { id, role }: Pick<Principal, 'id' | 'role'>, mine: readonly Mine[]): View {
  return {
    id: key?.id ?? id,
    name: key?.name ?? id,
    role,
    expires_at: secondsOrNull(key?.expiresAt),
    limits: mine.filter(({ of }) => of.of !== 'money').map(limitOf),
    budgets: mine.filter(({ of }) => of.of === 'money').map(budgetOf),
  };
}

const named = { requests: 'requests', tokens: 'tokens', concurrent: 'concurrent_requests', money: 'money' } as const;

function limitOf({ of: { counter, of, per }, state }: Mine): View {
  const limit = Number(counter.limit);
  const remaining = state ? Math.max(0, Number(state.remaining)) : limit;
  return { of: named[of], per: per ?? null, limit, remaining, resets_in_ms: Math.ceil(state?.resetMs ?? 0) };
}

function budgetOf({ of: { counter, per }, state }: Mine): View {
  const limit = BigInt(counter.limit);
  const held = state?.held ?? 0n;
  const remaining = state?.remaining ?? limit;
  return {
    period: per,
    usd: dollarsText(limit),
    spent_usd: dollarsText(limit - remaining - held),
    held_usd: dollarsText(held),
    remaining_usd: dollarsText(remaining < 0n ? 0n : remaining),
    resets_at: counter.kind === 'budget' ? secondsOrNull(counter.until) : null,
  };
}

function projectOf(project: Project, now: number): View {
  const asking = { key: undefined, project, endUser: undefined };
  return {
    id: project.id,
    name: project.name,
    limits: applyingLimits(asking, new Map()).map(({ counter, of, per }) => ({
      of: named[of],
      per: per ?? null,
      limit: Number(counter.limit),
    })),
    budgets: applyingBudgets(asking, now).map(({ counter, per }) => ({
      period: per,
      usd: dollarsText(counter.limit),
      resets_at: secondsOrNull(counter.until),
    })),
  };
}

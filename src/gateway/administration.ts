/**
 * What administrators do: each change is read, checked, written and noted in the audit log as one. Where somebody else changes the
 * same thing meanwhile, the change is made to what is there then, or is a conflict where the caller named what it had seen.
 */
import { createHash, randomBytes } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import type { Role } from '../core/call.ts';
import { GatewayError } from '../core/error.ts';
import { DEFAULT_PROJECT } from './accounts.ts';
import type { Allowance, AuditEntry, EndUser, EndUserDefaults, Limits, ModelLimits, Project, VirtualKey } from './accounts.ts';
import { endUserView, keyView, modelLimitsView, projectView, secondsOrNull } from './account-views.ts';
import type { View } from './account-views.ts';
import { checkAddresses } from './addresses.ts';
import { someDefaults } from './end-user-defaults.ts';
import { withFormer } from './former-budgets.ts';
import { hashOf, hintOf, newKey } from './key-format.ts';
import type { AccountStore } from './store-ports.ts';

export interface ProjectInput extends Partial<Allowance> {
  readonly name: string;
  /** As a whole; what is left out in it is none. */
  readonly endUserDefaults?: Partial<EndUserDefaults>;
}

export interface KeyInput extends Partial<Allowance> {
  readonly name: string;
  /** Left out: the project `default`. */
  readonly projectId?: string;
  readonly owner?: string;
  /** Left out: a member. */
  readonly role?: Role;
  readonly addresses?: readonly string[];
  readonly expiresAt?: number;
}

/** What is left out stays; null takes it away. */
export interface ProjectChange extends Partial<ProjectInput> {
  readonly disabled?: boolean;
}

export interface KeyChange extends Partial<Omit<KeyInput, 'projectId' | 'owner' | 'expiresAt'>> {
  readonly owner?: string | null;
  readonly expiresAt?: number | null;
}

/** The settings of an end user; what is left out is none. */
export interface EndUserInput extends Partial<Allowance> {
  readonly note?: string;
}

/** Who changes something, and what they have seen of it, by `tagOf`; absent: whatever it is now. */
export interface By {
  readonly actor: string;
  readonly seen?: string | undefined;
}

/** A key with its secret, which is known this once. */
export interface FreshKey {
  readonly key: VirtualKey;
  readonly secret: string;
}

export interface RotatedKey extends FreshKey {
  /** The former secret, with its end. */
  readonly former: VirtualKey;
}

/** Rejects with `not_found`, `conflict` or `invalid_value`. All changes resolve when they are in the store. */
export interface Administration {
  readonly accounts: AccountStore;
  createProject(by: By, input: ProjectInput): Promise<Project>;
  updateProject(by: By, id: string, change: ProjectChange): Promise<Project>;
  /** `first`: rejects with `conflict` where there is any key already. */
  createKey(by: By, input: KeyInput, how?: { readonly first: boolean }): Promise<FreshKey>;
  updateKey(by: By, id: string, change: KeyChange): Promise<VirtualKey>;
  /** The key keeps its id and all it is, under a new secret; the former one works for `graceMs` more. */
  rotateKey(by: By, id: string, graceMs: number): Promise<RotatedKey>;
  /** For good. A key that is revoked already stays as it is. */
  revokeKey(by: By, id: string): Promise<VirtualKey>;
  putEndUser(by: By, who: Pick<EndUser, 'projectId' | 'id'>, input: EndUserInput): Promise<EndUser>;
  blockEndUser(
    by: By,
    who: Pick<EndUser, 'projectId' | 'id'>,
    block: { readonly blocked: boolean; readonly note?: string },
  ): Promise<EndUser>;
  putModelLimits(by: By, model: string, limits: Limits): Promise<ModelLimits>;
}

export interface AdministrationOptions {
  readonly accounts: AccountStore;
  /** Unix milliseconds. */
  readonly clock: () => number;
  /** Is called after every change. */
  readonly changed: () => void;
}

export const NOTHING_MORE: Allowance = { limits: {}, budgets: [], models: [] };

/** Tries of a change that others get ahead of. */
const ROUNDS = 5;

export function createAdministration({ accounts, clock, changed }: AdministrationOptions): Administration {
  const entry = (by: By, action: string, about: Pick<AuditEntry, 'subject' | 'before' | 'after'>): AuditEntry => ({
    id: newId('audit'),
    at: clock(),
    actor: by.actor,
    action,
    ...about,
  });

  /** Reads, changes and writes; nothing where nothing is different then. */
  const revise = async <T extends object>({ by, read, apply, write }: Revision<T>): Promise<T> => {
    for (let round = 1; ; round++) {
      const before = await read();
      if (by.seen !== undefined && tagOf(before) !== by.seen)
        throw conflict('It has been changed meanwhile. Read it again, and change that.');
      const after = apply(before);
      if (isDeepStrictEqual(before, after)) return after;
      try {
        await write(after, before);
        changed();
        return after;
      } catch (cause) {
        if (!(cause instanceof GatewayError) || cause.kind !== 'conflict' || by.seen !== undefined || round === ROUNDS) throw cause;
      }
    }
  };

  const projectOf = async (id: string): Promise<Project> => (await accounts.project(id)) ?? missing(`project ${shown(id)}`);
  const keyOf = async (id: string): Promise<VirtualKey> => (await accounts.key(id)) ?? missing(`key ${shown(id)}`);

  const reviseKey = (by: By, id: string, { action, apply }: Step<VirtualKey>): Promise<VirtualKey> =>
    revise({
      by,
      read: () => keyOf(id),
      apply,
      write: (after, before) =>
        accounts.putKey(after, entry(by, action, { subject: id, before: auditedKey(before), after: auditedKey(after) }), before),
    });

  const reviseEndUser = async (by: By, who: Pick<EndUser, 'projectId' | 'id'>, { action, apply }: Step<EndUser>): Promise<EndUser> => {
    await projectOf(who.projectId);
    const nobody: EndUser = { ...who, ...NOTHING_MORE, blockedAt: undefined, note: undefined };
    let known: EndUser | undefined;
    return revise({
      by,
      read: async () => (known = await accounts.endUser(who.projectId, who.id)) ?? nobody,
      apply,
      write: (after) =>
        accounts.putEndUser(
          after,
          entry(by, action, {
            subject: `${who.projectId}/${who.id}`,
            before: known && endUserView(known),
            after: endUserView(after),
          }),
          known,
        ),
    });
  };

  return {
    accounts,
    async createProject(by, { name, endUserDefaults, ...allowance }) {
      const project: Project = {
        ...NOTHING_MORE,
        ...checkedAllowance(allowance),
        ...checkedDefaults(endUserDefaults),
        id: newId('proj'),
        name,
        createdAt: clock(),
        disabledAt: undefined,
      };
      await accounts.putProject(
        project,
        entry(by, 'project.create', { subject: project.id, before: undefined, after: projectView(project) }),
      );
      changed();
      return project;
    },
    updateProject: (by, id, { disabled, endUserDefaults, ...change }) =>
      revise({
        by,
        read: () => projectOf(id),
        apply({ endUserDefaults: defaults, ...before }) {
          const after: Project = {
            ...before,
            ...given(change),
            ...checkedAllowance(change),
            ...checkedDefaults(endUserDefaults ?? defaults, defaults),
            disabledAt: disabled === undefined ? before.disabledAt : disabled ? (before.disabledAt ?? clock()) : undefined,
          };
          return withFormer(after, before);
        },
        write: (after, before) => {
          const switched = (before.disabledAt === undefined) !== (after.disabledAt === undefined);
          const action = switched ? (after.disabledAt === undefined ? 'project.enable' : 'project.disable') : 'project.update';
          return accounts.putProject(
            after,
            entry(by, action, { subject: id, before: projectView(before), after: projectView(after) }),
            before,
          );
        },
      }),

    async createKey(by, input, how) {
      const { name, projectId = DEFAULT_PROJECT, owner, role = 'member', addresses = [], expiresAt, ...allowance } = input;
      if (!(await accounts.project(projectId))) throw invalid('project_id', `There is no project ${shown(projectId)}.`);
      const secret = newKey();
      const key: VirtualKey = {
        ...NOTHING_MORE,
        ...checkedAllowance(allowance),
        id: newId('key'),
        projectId,
        name,
        owner,
        role,
        hash: hashOf(secret),
        hint: hintOf(secret),
        addresses: checkedAddresses(addresses),
        createdAt: clock(),
        expiresAt: checkedEnd(expiresAt, clock()),
        revokedAt: undefined,
        rotatedTo: undefined,
        lastUsedAt: undefined,
      };
      const made = entry(by, 'key.create', { subject: key.id, before: undefined, after: auditedKey(key) });
      await accounts.putKey(key, made, how?.first === true ? null : undefined);
      changed();
      return { key, secret };
    },
    updateKey: (by, id, change) =>
      reviseKey(by, id, {
        action: 'key.update',
        apply(before) {
          refuseOver(before, 'be changed');
          const { owner, expiresAt, addresses, ...rest } = change;
          const after: VirtualKey = {
            ...before,
            ...given(rest),
            ...checkedAllowance(rest),
            owner: owner === undefined ? before.owner : (owner ?? undefined),
            addresses: addresses === undefined ? before.addresses : checkedAddresses(addresses),
            expiresAt: expiresAt === undefined ? before.expiresAt : checkedEnd(expiresAt ?? undefined, clock()),
          };
          return withFormer(after, before);
        },
      }),
    async rotateKey(by, id, graceMs) {
      const before = await keyOf(id);
      if (by.seen !== undefined && tagOf(before) !== by.seen)
        throw conflict('It has been changed meanwhile. Read it again, and rotate that.');
      refuseOver(before, 'be rotated');
      if (before.expiresAt !== undefined && before.expiresAt <= clock()) throw conflict('The key has expired. Give it a later end first.');
      const secret = newKey();
      const key: VirtualKey = { ...before, hash: hashOf(secret), hint: hintOf(secret) };
      const expiresAt = Math.min(clock() + graceMs, before.expiresAt ?? Infinity);
      const former: VirtualKey = { ...before, id: newId('key'), expiresAt, rotatedTo: id };
      const about = {
        subject: id,
        before: auditedKey(before),
        after: { ...auditedKey(key), former: formerView(former) },
      };
      await accounts.rotateKey(former, key, entry(by, 'key.rotate', about));
      changed();
      return { key, secret, former };
    },
    revokeKey: (by, id) =>
      reviseKey(by, id, { action: 'key.revoke', apply: (before) => ({ ...before, revokedAt: before.revokedAt ?? clock() }) }),

    putEndUser: (by, who, { note, ...allowance }) =>
      reviseEndUser(by, who, {
        action: 'end_user.put',
        apply: (before) => withFormer({ ...before, ...NOTHING_MORE, ...checkedAllowance(allowance), note }, before),
      }),
    blockEndUser: (by, who, { blocked, note }) =>
      reviseEndUser(by, who, {
        action: blocked ? 'end_user.block' : 'end_user.unblock',
        apply: (before) => ({ ...before, blockedAt: blocked ? (before.blockedAt ?? clock()) : undefined, note: note ?? before.note }),
      }),

    async putModelLimits(by, model, limits) {
      let known: ModelLimits | undefined;
      return revise<ModelLimits>({
        by,
        read: async () => (known = (await accounts.modelLimits()).find((one) => one.model === model)) ?? { model, limits: {} },
        apply: () => ({ model, limits: given(limits) }),
        write: (after) =>
          accounts.putModelLimits(
            after,
            entry(by, 'model_limits.put', {
              subject: `model/${model}`,
              before: known && modelLimitsView(known),
              after: modelLimitsView(after),
            }),
            known,
          ),
      });
    },
  };
}

interface Revision<T> {
  readonly by: By;
  readonly read: () => Promise<T>;
  readonly apply: (before: T) => T;
  readonly write: (after: T, before: T) => Promise<void>;
}

interface Step<T> {
  readonly action: string;
  readonly apply: (before: T) => T;
}

/** Stands for what something is now; another one once it is changed. When a key was used last is no change of it. */
export function tagOf(entity: object): string {
  const text = JSON.stringify({ ...entity, lastUsedAt: undefined }, (_name, value: unknown) => {
    if (typeof value === 'bigint') return String(value);
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
    // in one order, whoever put it together
    return Object.fromEntries(Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1)));
  });
  return createHash('sha256').update(text).digest('base64url').slice(0, 22);
}

/** `key_` and the like, and 24 characters that nobody can guess. */
export function newId(kind: 'key' | 'proj' | 'audit'): string {
  return `${kind}_${randomBytes(12).toString('hex')}`;
}

/** A key as the audit log shows it: without what changes with every use. */
function auditedKey(key: VirtualKey): View {
  return { ...keyView(key), last_used_at: undefined };
}

export function freshKeyView({ key, secret }: FreshKey): View {
  return { ...keyView(key), key: secret };
}

export function rotatedKeyView({ key, secret, former }: RotatedKey): View {
  return { ...keyView(key), key: secret, former: formerView(former) };
}

function formerView({ id, hint, expiresAt }: VirtualKey): View {
  return { id, hint, expires_at: secondsOrNull(expiresAt) };
}

function refuseOver({ revokedAt, rotatedTo }: VirtualKey, what: string): void {
  if (revokedAt !== undefined) throw conflict(`The key has been revoked and cannot ${what}.`);
  if (rotatedTo !== undefined) throw conflict(`This is the former secret of ${rotatedTo}: it cannot ${what}, only revoked.`);
}

/** `at`: begins the names of fields in what is said of them. */
function checkedAllowance({ limits, budgets, models }: Partial<Allowance>, at = ''): Partial<Allowance> {
  const periods = (budgets ?? []).map(({ period }) => period);
  const twice = periods.findIndex((period, index) => periods.indexOf(period) < index);
  if (twice >= 0) throw invalid(`${at}budgets[${twice}].period`, `There is a budget for this period already; each period has one at most.`);
  return given({ limits: limits && given(limits), budgets, models });
}

function checkedDefaults(defaults: Partial<EndUserDefaults> = {}, before?: EndUserDefaults): Pick<Project, 'endUserDefaults'> {
  const { limits = {}, budgets = [] } = checkedAllowance(defaults, 'end_user_defaults.');
  const some = someDefaults(withFormer({ limits, budgets }, ...(before ? [before] : [])));
  return some ? { endUserDefaults: some } : {};
}

function checkedAddresses(addresses: readonly string[]): readonly string[] {
  checkAddresses(addresses, 'addresses');
  return addresses;
}

function checkedEnd(expiresAt: number | undefined, now: number): number | undefined {
  if (expiresAt !== undefined && expiresAt <= now)
    throw invalid('expires_at', 'The key would have expired already. Name a time to come, in Unix seconds.');
  return expiresAt;
}

/** Fields without a value are left out. */
function given<T extends object>(fields: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}

const invalid = (param: string, message: string): GatewayError => new GatewayError('invalid_value', message, { param });

const conflict = (message: string): GatewayError => new GatewayError('conflict', message);

function missing(what: string): never {
  throw new GatewayError('not_found', `There is no ${what}.`);
}

const shown = (id: string): string => JSON.stringify(id.slice(0, 100));

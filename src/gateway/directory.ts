/**
 * Who is behind a key, from memory: what the store says of keys, projects, end users and models, asked for once and kept as long
 * as the store's version stays the same. While it is in use the version is looked at twice a second, so that what another process
 * changes holds here within a second; and at once where somebody says that there is a change.
 */
import { GatewayError } from '../core/error.ts';
import type { Soon } from '../core/soon.ts';
import type { EndUser, Limits, Project, VirtualKey } from './accounts.ts';
import type { AccountStore } from './store-ports.ts';

/** A key and the project that owns it. */
export interface Account {
  /** As it is now: what it may do, and how much. */
  readonly key: VirtualKey;
  readonly project: Project;
  /** What was found by its hash: the key itself, or what it was before it was rotated, which has an end of its own. */
  readonly presented: VirtualKey;
}

/** What is asked for rejects with a `GatewayError` of kind `overloaded` where the store is away for too long. */
export interface Directory {
  /** By the hash of the whole key; of keys that are no longer valid too. */
  byHash(hash: string): Soon<Account | undefined>;
  byKeyId(id: string): Soon<Account | undefined>;
  project(id: string): Soon<Project | undefined>;
  /** What an administrator has said of an end user, if anything. */
  endUser(projectId: string, id: string): Soon<EndUser | undefined>;
  /** Limits that hold for a model over everybody, by its name. */
  modelLimits(): Soon<ReadonlyMap<string, Limits>>;
  /** The key was used now; written to the store a little later. */
  used(keyId: string): void;
  /** Something was changed here: everything is asked for anew. */
  changed(): void;
  /** Something may have been changed elsewhere: before anything known is used again, the store's version is looked at. */
  heard(): void;
  /** Writes what is left to write. */
  close(): Promise<void>;
}

export interface DirectoryOptions {
  readonly accounts: AccountStore;
  /** Milliseconds that only grow. */
  readonly now: () => number;
  /** Unix milliseconds. */
  readonly clock: () => number;
  /** For so many milliseconds of a store that does not answer, what is known goes on to hold. */
  readonly outageMs: number;
  /** Is told where the store fails, not again until it has answered. */
  readonly failed: (cause: unknown) => void;
}

/** Between two looks at the version. */
const POLL_MS = 500;
/** What was confirmed by a look that began this long ago is not believed without another one. */
const FRESH_MS = 900;
/** The looks end when nobody has asked for so long. */
const IDLE_MS = 5000;
/** A store that takes longer to say its version is away. */
const ANSWER_WITHIN_MS = 1000;
/** Between two tries of a store that is away. */
const RETRY_MS = 500;
/** Between two writings of when keys were last used. */
const TOUCH_MS = 10_000;

const MOST_KEPT = 20_000;
const MOST_UNKNOWN = 2000;

const LIMITS = 'limits';

export function createDirectory({ accounts, now, clock, outageMs, failed }: DirectoryOptions): Directory {
  const byHash = createShelf<Account>(MOST_KEPT, async (hash) => accountOf(await accounts.keyByHash(hash)));
  const byKeyId = createShelf<Account>(MOST_KEPT, async (id) => accountOf(await accounts.key(id)));
  const projects = createShelf<Project>(MOST_KEPT, (id) => accounts.project(id));
  // most end users are nobody's concern: that nothing is said of them is what is mostly kept here
  const endUsers = createShelf<EndUser>(MOST_KEPT, (name) => accounts.endUser(...(JSON.parse(name) as [projectId: string, id: string])));
  const models = createShelf<ReadonlyMap<string, Limits>>(1, async () => {
    return new Map((await accounts.modelLimits()).map(({ model, limits }) => [model, limits]));
  });
  const shelves = [byHash, byKeyId, projects, endUsers, models];

  let generation = 0;
  let version: number | undefined;
  /** When the look began that confirmed what is known. */
  let confirmedAt = -Infinity;
  /** How often a change elsewhere was heard of; and how often when the look began that confirmed what is known. */
  let rumours = 0;
  let confirmedRumours = 0;
  let looking: Promise<void> | undefined;
  /** The store did not answer; until when it is not asked again. */
  let away: { readonly until: number } | undefined;
  let askedAt = -Infinity;
  let poll: NodeJS.Timeout | undefined;
  let closed = false;

  const forget = (): void => {
    generation++;
    for (const shelf of shelves) shelf.clear();
  };

  const look = async (): Promise<void> => {
    const began = now();
    const heardOf = rumours;
    try {
      const current = await within(ANSWER_WITHIN_MS, accounts.version());
      away = undefined;
      if (version !== current) forget();
      version = current;
      confirmedAt = began;
      confirmedRumours = heardOf;
    } catch (cause) {
      if (!away) failed(cause);
      away = { until: now() + RETRY_MS };
    }
  };
  const lookOnce = (): Promise<void> => (looking ??= look().finally(() => (looking = undefined)));

  const keepLooking = (at: number): void => {
    askedAt = at;
    if (poll || closed) return;
    poll = setInterval(() => {
      if (now() - askedAt > IDLE_MS) {
        clearInterval(poll);
        poll = undefined;
        return;
      }
      void lookOnce();
    }, POLL_MS);
    poll.unref();
  };

  const isFresh = (at: number): boolean => version !== undefined && at - confirmedAt < FRESH_MS && confirmedRumours === rumours;
  const mayGoOn = (): boolean => version !== undefined && now() - confirmedAt < outageMs;

  /** Resolves when what is known may be believed. */
  const confirm = async (): Promise<void> => {
    if (away && mayGoOn()) {
      // nobody waits for a store of which it is known that it does not answer
      if (now() >= away.until) void lookOnce();
      return;
    }
    // twice: the look that is under way may have begun too long ago
    for (let round = 0; round < 2 && !isFresh(now()); round++) {
      if (!away || now() >= away.until) await lookOnce();
    }
    if (!isFresh(now()) && !mayGoOn()) throw unavailable(undefined);
  };

  /** From the shelf, or from the store; one question at a time for each. */
  const find = <T>(shelf: Shelf<T>, name: string): Soon<T | undefined> => {
    const at = now();
    keepLooking(at);
    return isFresh(at) ? taken(shelf, name) : confirm().then(() => taken(shelf, name));
  };

  const taken = <T>(shelf: Shelf<T>, name: string): Soon<T | undefined> => {
    const there = shelf.get(name);
    return there ? there.value : asked(shelf, name);
  };

  const asked = <T>(shelf: Shelf<T>, name: string): Promise<T | undefined> => {
    const before = shelf.asking.get(name);
    if (before) return before;
    const at = generation;
    const asking = shelf.ask(name).then(
      (value) => {
        if (at === generation) {
          shelf.asking.delete(name);
          shelf.put(name, value);
        }
        return value;
      },
      (cause: unknown) => {
        if (at === generation) shelf.asking.delete(name);
        throw cause instanceof GatewayError ? cause : unavailable(cause);
      },
    );
    shelf.asking.set(name, asking);
    return asking;
  };

  const accountOf = async (presented: VirtualKey | undefined): Promise<Account | undefined> => {
    const key = presented?.rotatedTo === undefined ? presented : await accounts.key(presented.rotatedTo);
    const owner = key && (await find(projects, key.projectId));
    return presented && key && owner ? { key, project: owner, presented } : undefined;
  };

  let touched = new Map<string, number>();
  let touching: NodeJS.Timeout | undefined;
  let touchFailed = false;
  const touch = async (): Promise<void> => {
    clearTimeout(touching);
    touching = undefined;
    if (touched.size === 0) return;
    const batch = touched;
    touched = new Map();
    try {
      await accounts.touchKeys(batch);
      touchFailed = false;
    } catch (cause) {
      for (const [id, at] of batch) if (!touched.has(id)) touched.set(id, at);
      if (!touchFailed) failed(cause);
      touchFailed = true;
      if (!closed) touchLater();
    }
  };
  const touchLater = (): void => {
    touching ??= setTimeout(() => void touch(), TOUCH_MS).unref();
  };

  return {
    byHash: (hash) => find(byHash, hash),
    byKeyId: (id) => find(byKeyId, id),
    project: (id) => find(projects, id),
    endUser: (projectId, id) => find(endUsers, JSON.stringify([projectId, id])),
    modelLimits() {
      const found = find(models, LIMITS);
      return found instanceof Promise ? found.then((limits) => limits ?? NO_LIMITS) : (found ?? NO_LIMITS);
    },
    used(keyId) {
      touched.set(keyId, clock());
      touchLater();
    },
    // the version stays: what is asked from now on is newer, and another version only makes it be asked once more
    changed: forget,
    heard() {
      rumours++;
    },
    async close() {
      closed = true;
      clearInterval(poll);
      await touch();
    },
  };
}

const NO_LIMITS: ReadonlyMap<string, Limits> = new Map();

function unavailable(cause: unknown): GatewayError {
  return new GatewayError('overloaded', 'API keys cannot be looked up at the moment. Try again in a moment.', {
    retryAfterMs: 1000,
    ...(cause === undefined ? {} : { cause }),
  });
}

/** Rejects where the work takes longer. */
async function within<T>(ms: number, work: Promise<T>): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error(`The store did not answer within ${ms} ms.`)), ms);
  try {
    return await Promise.race([work, late.promise]);
  } finally {
    clearTimeout(timer);
    work.catch(() => undefined);
  }
}

/** What is known by name, and what is known not to be there; the longest unused goes first. */
interface Shelf<T> {
  get(name: string): { readonly value: T | undefined } | undefined;
  put(name: string, value: T | undefined): void;
  /** The store. */
  ask(name: string): Promise<T | undefined>;
  readonly asking: Map<string, Promise<T | undefined>>;
  clear(): void;
}

function createShelf<T>(most: number, ask: (name: string) => Promise<T | undefined>): Shelf<T> {
  const found = new Map<string, { readonly value: T }>();
  /** The last of those found. */
  let newest: { readonly value: T } | undefined;
  const missing = new Set<string>();
  const asking = new Map<string, Promise<T | undefined>>();
  const setLast = (name: string, entry: { readonly value: T }): void => {
    found.delete(name);
    found.set(name, entry);
    newest = entry;
  };
  return {
    ask,
    asking,
    get(name) {
      const entry = found.get(name);
      if (!entry) return missing.has(name) ? ABSENT : undefined;
      if (entry !== newest) setLast(name, entry);
      return entry;
    },
    put(name, value) {
      if (value !== undefined) {
        setLast(name, { value });
        dropFirst(found, most);
        return;
      }
      missing.add(name);
      dropFirst(missing, Math.min(most, MOST_UNKNOWN));
    },
    clear() {
      found.clear();
      newest = undefined;
      missing.clear();
      asking.clear();
    },
  };
}

const ABSENT = { value: undefined };

function dropFirst(all: Map<string, unknown> | Set<string>, most: number): void {
  if (all.size <= most) return;
  for (const first of all.keys()) {
    all.delete(first);
    return;
  }
}

/**
 * What workers have asked of keys and what belongs to them, for when the database is away: a key that one worker knows is known to all, as
 * it is in a single process. It is only as good as the version that it was read under; how long it holds is for each worker's directory to say.
 */
import { GatewayError } from '../core/error.ts';
import type { AccountStore } from '../gateway/store-ports.ts';

/** Questions whose answers are remembered; those that are longest ago go first. */
const MOST_KNOWN = 20_000;

/** The same store. Where it does not answer, what it said before does, if nothing has changed since. */
export function createKnownAccounts(accounts: AccountStore): AccountStore {
  const known = new Map<string, unknown>();
  let version: number | undefined;
  /** Counts what makes all that is known old. */
  let epoch = 0;

  const forget = (): void => {
    epoch++;
    known.clear();
  };
  const remembered = async <T>(question: string, ask: () => Promise<T>): Promise<T> => {
    const before = epoch;
    try {
      const answer = await ask();
      known.delete(question);
      if (before === epoch) known.set(question, answer);
      if (known.size > MOST_KNOWN) for (const oldest of known.keys()) return forgetOne(oldest, answer);
      return answer;
    } catch (cause) {
      // a refusal is an answer
      if (cause instanceof GatewayError || !known.has(question)) throw cause;
      return known.get(question) as T;
    }
  };
  const forgetOne = <T>(question: string, answer: T): T => {
    known.delete(question);
    return answer;
  };
  const changing = async <T>(change: Promise<T>): Promise<T> => {
    try {
      return await change;
    } finally {
      // whether it was made is not known where it failed
      forget();
    }
  };

  return {
    ...accounts,
    project: (id) => remembered(JSON.stringify(['project', id]), () => accounts.project(id)),
    key: (id) => remembered(JSON.stringify(['key', id]), () => accounts.key(id)),
    keyByHash: (hash) => remembered(JSON.stringify(['hash', hash]), () => accounts.keyByHash(hash)),
    endUser: (projectId, id) => remembered(JSON.stringify(['user', projectId, id]), () => accounts.endUser(projectId, id)),
    modelLimits: () => remembered('limits', () => accounts.modelLimits()),
    putProject: (...change) => changing(accounts.putProject(...change)),
    putKey: (...change) => changing(accounts.putKey(...change)),
    rotateKey: (...change) => changing(accounts.rotateKey(...change)),
    putEndUser: (...change) => changing(accounts.putEndUser(...change)),
    putModelLimits: (...change) => changing(accounts.putModelLimits(...change)),
    async version() {
      const now = await accounts.version();
      if (now !== version) forget();
      version = now;
      return now;
    },
  };
}

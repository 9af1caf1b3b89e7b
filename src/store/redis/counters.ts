/**
 * Counters that several processes share by a Redis. A take is one script over all of its counters, a settlement another.
 * All keys have one hash tag, so a take stays one step on a cluster as well, where they then lie on one of its nodes.
 */
import { randomUUID } from 'node:crypto';
import { GatewayError } from '../../core/error.ts';
import { counterId, refusalOf, stateOf, wantedOf } from '../../gateway/counting.ts';
import type { BudgetCounter, Reading, Wanted } from '../../gateway/counting.ts';
import type { Bequest, Counter, CounterState, CounterStore, Take, Taken } from '../../gateway/store-ports.ts';
import { cannotCount, createAllowance, lateSettlements } from './counters-away.ts';
import type { Allowance, Late } from './counters-away.ts';
import { BEAT, CLAIM, FORGET, PLANT, SETTLE, TAKE } from './counters-lua.ts';
import { createScripts, RedisAway, scriptOf, within } from './scripts.ts';
import type { Script } from './scripts.ts';

export interface RedisCounterOptions {
  /** `redis://` or `rediss://`, a user and a password in it. Never logged. */
  readonly url: string;
  /** Of all keys: processes that share nothing else may share a Redis. */
  readonly prefix: string;
  readonly log: { info(fields: object, message: string): void; warn(fields: object, message: string): void };
  /**
   * Takes while Redis is away: refused (`overloaded`), or served within a part of each limit, which all processes have
   * together. What was spent meanwhile is charged when it is back.
   */
  readonly whenDown: 'refuse' | { readonly allow: number };
  /** Redis is away where it says nothing for so long. Default 200. */
  readonly timeoutMs?: number;
  /** So many processes at least count together: those of this server. Default 1. */
  readonly least?: number;
  /** Holds of a process that died come back after so long at most. Default 15,000. */
  readonly leaseMs?: number;
  /** A settled hold is known as settled for so long. Default 15 minutes. */
  readonly rememberMs?: number;
  /** Unix milliseconds, for tests. Default: Redis's own clock. */
  readonly now?: () => number;
}

/** `at`: when it was settled, where that is over: records from which budgets were read since have it. */
interface Settlement {
  readonly holdId: string;
  readonly used: readonly Wanted[];
  readonly at?: number;
  /** The process that holds it; this one where it is absent. */
  readonly by?: string;
  /** Of its times without Redis. */
  readonly during?: number;
  /** Holds that Redis may not know, to be remembered as settled. */
  readonly elsewhere?: readonly string[];
  /** Only if that process has not settled it: one that is held here, or elsewhere. */
  readonly heir?: 'here' | 'elsewhere';
}

const SCRIPTS = {
  take: scriptOf(TAKE),
  settle: scriptOf(SETTLE),
  claim: scriptOf(CLAIM),
  plant: scriptOf(PLANT),
  beat: scriptOf(BEAT),
  forget: scriptOf(FORGET),
};
const LETTERS = { rate: 'r', concurrent: 'c', budget: 'b' } as const;
const FIRST_CONNECTION_MS = 1000;
const PROBE_MS = 200;
/** Reading what was spent may take so long before another process tries. */
const CLAIM_MS = 10_000;
const CLAIM_WAIT_MS = 3000;
const CLAIM_LOOK_MS = 15;
/** Budgets of which it is remembered what was left. */
const MOST_LEFT = 50_000;
const TOLD_AT_ONCE = 50;
const REMEMBER_HERE_MS = 120_000;

export function redisCounters(options: RedisCounterOptions): CounterStore {
  const { url, prefix, log, whenDown, timeoutMs = 200, least = 1, leaseMs = 15_000, rememberMs = 900_000, now } = options;
  const me = randomUUID();
  const base = `{${prefix}counters}:`;
  const lease = `${base}lease`;
  const scripts = createScripts({ url, timeoutMs });
  const late = lateSettlements(me);
  const left = new Map<string, bigint>();
  const seeding = new Map<string, Promise<void>>();
  let load: ((counter: BudgetCounter) => Promise<bigint>) | undefined;
  let readable: Promise<void> | undefined;
  let clockAhead = 0;
  let processes = least;
  let away = false;
  let closed = false;
  let local: Allowance | undefined;
  let probing = false;
  /** Of the times that it was away. */
  let epoch = 0;
  /** Holds that Redis may not know, and the time away in which they were taken. */
  const elsewhere = new Map<string, number>();

  const given = (): string => (now ? String(now()) : '');
  const wall = (): number => now?.() ?? Date.now() + clockAhead;
  const keyOf = (counter: Counter): string => base + counterId(counter);
  const doneKey = (holdId: string): string => `${base}done:${holdId}`;
  const heldKey = (process: string): string => `${base}held:${process}`;
  const lostKey = (process: string): string => `${base}lost:${process}`;
  const toldKey = (process: string, during: number): string => `${base}told:${process}:${during}`;

  const run = async (script: Script, keys: readonly string[], args: readonly string[]): Promise<readonly unknown[]> => {
    const reply = await scripts.run(script, keys, args);
    if (script !== SCRIPTS.plant && script !== SCRIPTS.forget) clockAhead = Number(reply[1] ?? wall()) - Date.now();
    return reply;
  };

  // budgets that Redis does not know: one process reads what was spent, the others wait for it

  const seedOne = async (counter: BudgetCounter): Promise<void> => {
    const keys = [keyOf(counter), `${keyOf(counter)}:claim`];
    const token = randomUUID();
    for (const until = performance.now() + CLAIM_WAIT_MS; performance.now() < until; await pause(CLAIM_LOOK_MS)) {
      const [state, born] = await run(SCRIPTS.claim, keys, [given(), token, String(CLAIM_MS)]);
      if (state === 'known') return;
      if (state === 'other') continue;
      const spent = await readSpent(counter, keys, token);
      await run(SCRIPTS.plant, keys, [token, String(spent), String(born)]);
      return;
    }
    throw cannotCount();
  };
  const readSpent = async (counter: BudgetCounter, keys: readonly string[], token: string): Promise<bigint> => {
    try {
      return load ? await load(counter) : 0n;
    } catch (cause) {
      await run(SCRIPTS.plant, keys, [token, '', '']);
      throw new GatewayError('overloaded', 'What was spent so far cannot be read at the moment.', { retryAfterMs: 1000, cause });
    }
  };
  const seedAll = async (wanted: readonly Wanted[], reply: readonly unknown[]): Promise<void> => {
    const all = reply.slice(2).flatMap((index) => {
      const { id, counter } = wanted[Number(index)] ?? {};
      if (id === undefined || counter?.kind !== 'budget') return [];
      const running = seeding.get(id) ?? seedOne(counter).finally(() => seeding.delete(id));
      seeding.set(id, running);
      return [running];
    });
    // all of them: one that is away must be seen even where another only could not be read
    const results = await Promise.allSettled(all);
    const reasons = results.flatMap((result): unknown[] => (result.status === 'rejected' ? [result.reason] : []));
    const worst = reasons.find((reason) => reason instanceof RedisAway) ?? reasons[0];
    if (worst !== undefined) throw worst instanceof Error ? worst : cannotCount(worst);
  };

  // what is asked of Redis

  /** `holdId` '': only looks. */
  const askTake = async (holdId: string, wanted: readonly Wanted[]): Promise<Taken> => {
    const keys = [lease, heldKey(me), doneKey(holdId), ...wanted.map(({ counter }) => keyOf(counter))];
    const args = wanted.flatMap(({ counter, amount, ahead }) => [
      LETTERS[counter.kind],
      String(counter.limit),
      ahead > 0n ? `${amount}+${ahead}` : String(amount),
      windowOf(counter),
    ]);
    for (;;) {
      const reply = await run(SCRIPTS.take, keys, [given(), base, me, String(leaseMs), holdId, ...args]);
      if (reply[0] === 'again') throw new Error(`the hold ${holdId} was taken before`);
      if (reply[0] !== 'unknown') return answerOf(holdId, wanted, reply);
      // before anything is claimed, for whoever is waited for may have to claim it as well
      await readable;
      await seedAll(wanted, reply);
    }
  };
  const answerOf = (holdId: string, wanted: readonly Wanted[], reply: readonly unknown[]): Taken => {
    const at = wall();
    const readings = wanted.map(({ counter }, index) => readingOf(counter, reply.slice(2 + index * 4, 6 + index * 4)));
    const states = wanted.map(({ counter }, index) => stateOf(counter, readings[index] as Reading, at));
    for (const [index, { id, counter }] of wanted.entries()) if (counter.kind === 'budget') remember(id, states[index]?.remaining ?? 0n);
    if (reply[0] === 'taken') return { ok: true, holdId, states };
    const refusals = wanted.flatMap((one, index) => (reply[2 + index * 4] === '1' ? [refusalOf(one, readings[index] as Reading, at)] : []));
    return { ok: false, refusals, states };
  };
  const remember = (id: string, remaining: bigint): void => {
    left.delete(id);
    left.set(id, remaining);
    if (left.size <= MOST_LEFT) return;
    for (const oldest of left.keys()) {
      left.delete(oldest);
      return;
    }
  };

  const askSettle = async (settlement: Settlement): Promise<void> => {
    const { holdId, used, at, by = me, during = 0, elsewhere = [], heir } = settlement;
    const keys = [heldKey(by), lostKey(by), doneKey(holdId), toldKey(by, during), ...used.map(({ counter }) => keyOf(counter))];
    const mode = heir ? ['heir', heir === 'here' ? '1' : ''] : ['', ''];
    const args = used.flatMap(({ counter, amount }) => [LETTERS[counter.kind], String(amount), windowOf(counter)]);
    const ask = (skip: string): Promise<readonly unknown[]> => {
      const first = [given(), holdId, String(rememberMs), at === undefined ? '' : String(at), skip, ...mode];
      return run(SCRIPTS.settle, keys, [...first, String(elsewhere.length), ...elsewhere, ...args]);
    };
    const reply = await ask(at === undefined ? '' : 'skip');
    if (reply[0] !== 'unknown') return;
    try {
      await seedAll(used, reply);
    } catch (cause) {
      if (heir || cause instanceof RedisAway) throw cause;
      // what cannot be read now is read later, from records that have this one
      await ask('skip');
      return;
    }
    await (heir ? askSettle(settlement) : ask('skip'));
  };

  const beat = async (forMs: number): Promise<void> => {
    const [alive] = await run(SCRIPTS.beat, [lease], [given(), base, me, String(forMs)]);
    processes = Math.max(least, Number(alive));
  };

  // when it is away, and when it is back

  const wentAway = (cause: unknown): void => {
    if (away || closed) return;
    away = true;
    epoch += 1;
    if (whenDown !== 'refuse') {
      const known = new Map(left);
      const clock = now ? { now } : {};
      local = createAllowance({ fraction: whenDown.allow, processes, left: (id) => known.get(id), ...clock });
    }
    log.warn({ err: cause }, 'Redis cannot be reached: limits are not shared until it can');
  };
  const tellLate = async (): Promise<void> => {
    for (let all = late.list(); all.length > 0; all = late.list()) {
      for (let from = 0; from < all.length; from += TOLD_AT_ONCE) await Promise.all(all.slice(from, from + TOLD_AT_ONCE).map(tellOne));
    }
  };
  const tellOne = async (one: Late): Promise<void> => {
    const { holdId, actual, at, elsewhere, epoch: during } = one;
    await askSettle({ holdId, used: wantedOf(actual), at, elsewhere, during });
    late.told(one);
  };
  const look = async (): Promise<void> => {
    if (probing || closed || !scripts.isReady()) return;
    probing = true;
    try {
      await beat(leaseMs);
      await tellLate();
      if (away) log.info({}, 'Redis is there again: limits are shared');
      away = false;
      local = undefined;
    } catch (cause) {
      wentAway(cause);
    } finally {
      probing = false;
    }
  };

  const takeAway = async (holdId: string, takes: readonly Take[], doubtful: boolean): Promise<Taken> => {
    try {
      const answer = local ? await local.take(holdId, takes) : undefined;
      if (!answer) throw cannotCount();
      if (answer.ok) elsewhere.set(holdId, epoch);
      if (answer.ok && doubtful) doubted.add(holdId);
      if (!answer.ok && doubtful) cancel(holdId, takes);
      return answer;
    } catch (cause) {
      if (doubtful) cancel(holdId, takes);
      throw cause;
    }
  };
  /** Taken or settled here, and perhaps by a Redis that did not say so. */
  const doubted = new Set<string>();
  const cancel = (holdId: string, takes: readonly Take[]): void => {
    const actual = takes.map(({ counter }) => ({ counter, amount: 0n }));
    late.add({ holdId, actual, at: wall(), epoch, isElsewhere: false, told: undefined });
  };
  /** Settled while Redis was away, and when: Redis may not know of it, so it is remembered here that it is done. */
  const settledHere = new Map<string, number>();
  const forgetSettled = (at: number): void => {
    for (const [holdId, when] of settledHere) {
      if (when + REMEMBER_HERE_MS > at) return;
      settledHere.delete(holdId);
    }
  };
  const settleLater = async (holdId: string, actual: readonly Take[], told: (() => void) | undefined): Promise<void> => {
    forgetSettled(performance.now());
    settledHere.set(holdId, performance.now());
    const during = elsewhere.get(holdId);
    const one = { holdId, actual, at: wall(), epoch: during ?? 0, told };
    if (during !== undefined && !doubted.has(holdId)) late.addLocal(one);
    else late.add({ ...one, isElsewhere: during !== undefined });
    doubted.delete(holdId);
    elsewhere.delete(holdId);
    await local?.settle(holdId, actual);
  };

  let starting: Promise<void> | undefined = within(Math.max(FIRST_CONNECTION_MS, timeoutMs), scripts.connect())
    .then(() => beat(leaseMs))
    .catch(wentAway);
  void starting.finally(() => (starting = undefined));
  const beats = setInterval(() => void (away || look()), leaseMs / 3).unref();
  const probes = setInterval(() => void (away && look()), PROBE_MS).unref();

  return {
    async take(holdId, takes) {
      const wanted = wantedOf(takes);
      if (starting) await starting;
      if (away) return takeAway(holdId, wanted, false);
      try {
        return await askTake(holdId, wanted);
      } catch (cause) {
        if (!(cause instanceof RedisAway)) throw cause;
        wentAway(cause);
        return takeAway(holdId, wanted, true);
      }
    },
    async settle(holdId, actual, told) {
      const used = wantedOf(actual);
      if (starting) await starting;
      if (settledHere.has(holdId)) return;
      if (away) return settleLater(holdId, used, told);
      const during = elsewhere.get(holdId);
      try {
        await askSettle({ holdId, used, ...(during === undefined ? {} : { during, elsewhere: [holdId] }) });
        doubted.delete(holdId);
        elsewhere.delete(holdId);
        told?.();
      } catch (cause) {
        if (!(cause instanceof RedisAway)) throw cause;
        wentAway(cause);
        // it may have been settled there: told again by its own name it is not charged twice
        doubted.add(holdId);
        await settleLater(holdId, used, told);
      }
    },
    async states(counters): Promise<readonly CounterState[]> {
      if (starting) await starting;
      const wanted = counters.map((counter) => ({ id: counterId(counter), counter, amount: 0n, ahead: 0n }));
      try {
        if (!away) return (await askTake('', wanted)).states;
      } catch (cause) {
        if (!(cause instanceof RedisAway)) throw cause;
        wentAway(cause);
      }
      if (!local) throw cannotCount();
      return local.states(counters);
    },
    seed(from, ready) {
      load = from;
      readable = ready?.finally(() => (readable = undefined));
    },
    lasting: {
      note(holdId) {
        const during = elsewhere.get(holdId);
        return { by: me, how: `${Math.floor(wall())} ${during ?? 'here'}` };
      },
      async inherit({ holdId, by, how, charges }: Bequest, isWritten) {
        if (starting) await starting;
        const [at = '', held = ''] = how.split(' ');
        const isHere = held === 'here';
        const where = isHere ? {} : { during: Number(held), elsewhere: [holdId] };
        const when = isWritten ? { at: Number(at) } : {};
        await askSettle({ holdId, by, used: wantedOf(charges), heir: isHere ? 'here' : 'elsewhere', ...where, ...when });
      },
      async forget(by) {
        await run(SCRIPTS.forget, [lease, lostKey(by)], [base, by]);
      },
    },
    async close() {
      if (closed) return;
      clearInterval(beats);
      clearInterval(probes);
      try {
        if (!away && scripts.isReady()) {
          await tellLate();
          await beat(-1);
        }
      } catch (cause) {
        log.warn({ err: cause }, 'Redis cannot be reached: what this process held comes back when its lease ends');
      } finally {
        closed = true;
        scripts.close();
      }
    },
  };
}

function windowOf(counter: Counter): string {
  return counter.kind === 'rate' ? String(counter.windowMs) : '0';
}

function readingOf(counter: Counter, [, first, second, third]: readonly unknown[]): Reading {
  if (counter.kind === 'budget') return { kind: 'budget', spent: BigInt(String(first)), held: BigInt(String(second)) };
  if (counter.kind === 'concurrent') return { kind: 'concurrent', held: Number(first) };
  const [wait, turn] = String(third).split(' ');
  const reading = { kind: 'rate', sum: Number(first), resetMs: Number(second), waitMs: Number(wait) } as const;
  return turn === undefined ? reading : { ...reading, turnMs: turn === '' ? Infinity : Number(turn) };
}

function pause(ms: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  setTimeout(resolve, ms);
  return promise;
}

/** What every store of counters does, wherever it counts. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { SLOTS } from './rate-window.ts';
import type { Counter, CounterStore, Take, Taken } from './store-ports.ts';

export const START = Date.UTC(2026, 10, 23, 12);
const HOUR = 3_600_000;

/** A store of which everything is waited for, whether or not it answers at once. */
export interface WaitedFor extends CounterStore {
  take(holdId: string, takes: readonly Take[]): Promise<Taken>;
  settle(holdId: string, actual: readonly Take[], told?: () => void): Promise<void>;
}

export const waitedFor = (store: CounterStore): WaitedFor => ({
  ...store,
  take: async (...all) => store.take(...all),
  settle: async (...all) => store.settle(...all),
});

export interface CounterSuite {
  readonly name: string;
  /** A store with nothing in it, under this clock. */
  readonly open: (now: () => number) => Promise<CounterStore>;
  /** Runs of each property. */
  readonly runs: number;
  readonly skip: boolean;
}

export const rate = (limit: number, windowMs = 60_000, key = 'k'): Counter => ({ kind: 'rate', key, limit, windowMs });
export const places = (limit: number, key = 'k'): Counter => ({ kind: 'concurrent', key, limit });
export const budget = (limit: bigint, key = 'k'): Counter => ({ kind: 'budget', key, limit, since: START - HOUR, until: START + HOUR });
export const take = (counter: Counter, amount: bigint | number = 1n): Take => ({ counter, amount: BigInt(amount) });

export function counterSuite({ name, open, runs, skip }: CounterSuite): void {
  const check = (what: string, body: (store: WaitedFor, clock: { now: number }) => Promise<void>): void => {
    void test(`${name}: ${what}`, { skip }, async () => {
      const clock = { now: START };
      const store = waitedFor(await open(() => clock.now));
      try {
        await body(store, clock);
      } finally {
        await store.close();
      }
    });
  };
  let made = 0;
  const id = (): string => `h${(made += 1)}`;

  check('a rate lets through as many as its limit, and says when the next one fits', async (store, clock) => {
    const counter = rate(3);
    for (const left of [2n, 1n, 0n]) {
      const taken = await store.take(id(), [take(counter)]);
      assert.deepEqual(taken.states, [{ counter, remaining: left, resetMs: 60_000 }]);
      clock.now += 100;
    }
    const refused = await store.take(id(), [take(counter)]);
    assert.ok(!refused.ok);
    assert.deepEqual(refused.refusals, [{ counter, remaining: 0n, retryAfterMs: 59_700 }]);
    assert.deepEqual(refused.states, [{ counter, remaining: 0n, resetMs: 59_900 }]);
    clock.now += 59_699;
    assert.equal((await store.take(id(), [take(counter)])).ok, false);
    clock.now += 1;
    assert.equal((await store.take(id(), [take(counter)])).ok, true);
  });

  check('more than can be counted is refused, and charged as the most that can be', async (store) => {
    const all = 10n ** 18n;
    const [money, many] = [budget(all - 1n), rate(1e15)];
    for (const counter of [money, many]) assert.equal((await store.take(id(), [take(counter, 10n ** 24n)])).ok, false);
    const held = id();
    assert.ok((await store.take(held, [take(money, 1n), take(many, 1n)])).ok);
    await store.settle(held, [take(money, 10n ** 24n), take(many, 10n ** 24n)]);
    assert.deepEqual((await store.states([money]))[0], { ...(await store.states([money]))[0], remaining: -1n, held: 0n });
  });

  check('what is more than a rate ever allows does not fit by waiting', async (store) => {
    const refused = await store.take(id(), [take(rate(10), 11)]);
    assert.ok(!refused.ok);
    assert.equal(refused.refusals[0]?.retryAfterMs, undefined);
    assert.equal((await store.take(id(), [take(rate(10), 0)])).ok, true);
  });

  const arrivals = fc.record({
    limit: fc.integer({ min: 1, max: 400 }),
    steps: fc.array(
      fc.record({
        after: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 90 }), fc.integer({ min: 1, max: 3000 })),
        amount: fc.integer({ min: 1, max: 60 }),
      }),
      {
        minLength: 1,
        maxLength: 400,
        size: 'max',
      },
    ),
  });

  check('no window of its length, wherever it begins, ever has more than a rate allows', async (store, clock) => {
    let round = 0;
    await fc.assert(
      fc.asyncProperty(arrivals, async ({ limit, steps }) => {
        const counter = rate(limit, 1000, `window ${(round += 1)}`);
        const passed: { at: number; amount: number }[] = [];
        for (const { after, amount } of steps) {
          clock.now += after;
          if ((await store.take(id(), [take(counter, amount)])).ok) passed.push({ at: clock.now, amount });
        }
        for (const { at } of passed) {
          const within = passed.filter((one) => one.at > at - 1000 && one.at <= at).reduce((sum, one) => sum + one.amount, 0);
          assert.ok(within <= limit, `${within} of ${limit}`);
        }
      }),
      { numRuns: runs },
    );
  });

  check('after waiting as told, and not a millisecond before, what a rate refused passes', async (store, clock) => {
    let round = 0;
    await fc.assert(
      fc.asyncProperty(arrivals, async ({ limit, steps }) => {
        const counter = rate(limit, 1000, `wait ${(round += 1)}`);
        for (const { after, amount } of steps) {
          clock.now += after;
          const answer = await store.take(id(), [take(counter, amount)]);
          if (answer.ok) continue;
          const [refusal] = answer.refusals;
          if (amount > limit) {
            assert.equal(refusal?.retryAfterMs, undefined);
            continue;
          }
          const wait = refusal?.retryAfterMs ?? 0;
          assert.ok(wait >= 1 && wait <= 1000, String(wait));
          clock.now += wait - 1;
          assert.equal((await store.take(id(), [take(counter, amount)])).ok, false);
          clock.now += 1;
          assert.equal((await store.take(id(), [take(counter, amount)])).ok, true);
        }
      }),
      { numRuns: runs },
    );
  });

  check('what is refused while others are to come first is told when it fits after them', async (store, clock) => {
    const counter = rate(3);
    for (let round = 0; round < 3; round += 1) {
      await store.take(id(), [take(counter)]);
      clock.now += 100;
    }
    const turnOf = async (ahead: bigint): Promise<readonly (number | undefined)[]> => {
      const refused = await store.take(id(), [{ counter, amount: 1n, ahead }]);
      assert.ok(!refused.ok);
      return refused.refusals.map(({ retryAfterMs, turnMs }) => (retryAfterMs === 59_700 ? turnMs : Number.NaN));
    };
    assert.deepEqual(await turnOf(0n), [undefined]);
    assert.deepEqual(await turnOf(1n), [59_800]);
    assert.deepEqual(await turnOf(2n), [59_900]);
    assert.deepEqual(await turnOf(3n), [Infinity]);
  });

  check(`a rate counts nothing longer than its window and a ${SLOTS}th of it`, async (store, clock) => {
    const counter = rate(250, 1000);
    for (let round = 0; round < 5; round += 1) {
      for (let sent = 0; sent < 250; sent += 1) {
        assert.equal((await store.take(id(), [take(counter)])).ok, true, `${round}: ${sent}`);
        clock.now += 1;
      }
      const [state] = await store.states([counter]);
      assert.equal(state?.remaining, 0n);
      clock.now += 1000 + 1000 / SLOTS - 250;
    }
  });

  check('tokens are given back to a rate where fewer were used, and charged where more were', async (store, clock) => {
    const counter = rate(100);
    await store.take('less', [take(counter, 60)]);
    await store.settle('less', [take(counter, 20)]);
    assert.equal((await store.states([counter]))[0]?.remaining, 80n);
    await store.take('more', [take(counter, 80)]);
    clock.now += 1000;
    await store.settle('more', [take(counter, 130)]);
    assert.equal((await store.states([counter]))[0]?.remaining, -50n);
    const refused = await store.take(id(), [take(counter)]);
    // 20 and 80 are of a second ago, 50 of now
    assert.equal(refused.ok ? 0 : refused.refusals[0]?.retryAfterMs, 59_000);
    clock.now += 59_000;
    assert.equal((await store.states([counter]))[0]?.remaining, 50n);
    clock.now += 1000;
    assert.deepEqual(await store.states([counter]), [{ counter, remaining: 100n, resetMs: 0 }]);
  });

  check('what is given back after its window is over is not there twice', async (store, clock) => {
    const counter = rate(100, 1000);
    await store.take('slow', [take(counter, 60)]);
    clock.now += 1000;
    await store.take('next', [take(counter, 70)]);
    await store.settle('slow', [take(counter, 10)]);
    assert.equal((await store.states([counter]))[0]?.remaining, 30n);
    clock.now += 1000;
    await store.take('third', [take(counter, 5)]);
    await store.settle('next', [take(counter, 90)]);
    assert.equal((await store.states([counter]))[0]?.remaining, 75n);
  });

  check('a rate that a settlement does not name keeps what was taken', async (store) => {
    await store.take('one', [take(rate(5))]);
    await store.settle('one', []);
    assert.equal((await store.states([rate(5)]))[0]?.remaining, 4n);
  });

  check('at most so many at once; places are given back by settling, once', async (store) => {
    const counter = places(2);
    assert.equal((await store.take('a', [take(counter)])).ok, true);
    assert.equal((await store.take('b', [take(counter)])).ok, true);
    const refused = await store.take('c', [take(counter)]);
    assert.ok(!refused.ok && (refused.refusals[0]?.retryAfterMs ?? 0) > 0);
    await store.settle('a', [take(counter)]);
    await store.settle('a', []);
    assert.equal((await store.states([counter]))[0]?.remaining, 1n);
    assert.equal((await store.take('d', [take(counter)])).ok, true);
    assert.equal((await store.take('e', [take(counter)])).ok, false);
  });

  check('a budget is held by the worst case and charged what was used', async (store) => {
    const counter = budget(100n);
    const first = await store.take('a', [take(counter, 70)]);
    assert.deepEqual(first.states, [{ counter, remaining: 30n, held: 70n, resetMs: HOUR }]);
    const refused = await store.take('b', [take(counter, 31)]);
    // it may fit when the first one is done
    assert.deepEqual(refused.ok ? [] : refused.refusals, [{ counter, remaining: 30n, held: 70n, retryAfterMs: 1000 }]);
    await store.settle('a', [take(counter, 10)]);
    assert.deepEqual(await store.states([counter]), [{ counter, remaining: 90n, held: 0n, resetMs: HOUR }]);
    await store.take('c', [take(counter, 90)]);
    await store.settle('c', [take(counter, 95)]);
    assert.deepEqual(await store.states([counter]), [{ counter, remaining: -5n, held: 0n, resetMs: HOUR }]);
    const spent = await store.take('d', [take(counter, 1)]);
    assert.deepEqual(spent.ok ? [] : spent.refusals, [{ counter, remaining: -5n, held: 0n, retryAfterMs: HOUR }]);
    // what costs nothing needs no budget
    assert.equal((await store.take('e', [take(counter, 0)])).ok, true);
  });

  check('a budget that nothing renews says that waiting does not help', async (store) => {
    const counter: Counter = { kind: 'budget', key: 'all', limit: 10n, since: 0, until: undefined };
    await store.take('a', [take(counter, 10)]);
    await store.settle('a', [take(counter, 10)]);
    const refused = await store.take('b', [take(counter, 1)]);
    assert.equal(refused.ok ? 0 : refused.refusals[0]?.retryAfterMs, undefined);
    assert.equal((await store.states([counter]))[0]?.resetMs, Infinity);
  });

  check('all counters of a take, or none', async (store) => {
    const all = [rate(5), rate(1000, 60_000, 'tokens'), places(5), budget(100n), budget(10n, 'project')] as const;
    const refused = await store.take('a', [take(all[0]), take(all[1], 400), take(all[2]), take(all[3], 50), take(all[4], 11)]);
    assert.ok(!refused.ok);
    assert.deepEqual(
      refused.refusals.map(({ counter }) => counter),
      [all[4]],
    );
    assert.deepEqual(
      (await store.states(all)).map(({ remaining }) => remaining),
      [5n, 1000n, 5n, 100n, 10n],
    );
    const taken = await store.take('a', [take(all[0]), take(all[1], 400), take(all[2]), take(all[3], 50), take(all[4], 10)]);
    assert.deepEqual(
      taken.states.map(({ remaining }) => remaining),
      [4n, 600n, 4n, 50n, 0n],
    );
    await store.settle('a', [take(all[1], 30), take(all[3], 7), take(all[4], 7)]);
    assert.deepEqual(
      (await store.states(all)).map(({ remaining }) => remaining),
      [4n, 970n, 5n, 93n, 3n],
    );
  });

  check('a counter that is named twice in a take is one counter', async (store) => {
    assert.equal((await store.take('a', [take(budget(10n), 6), take(budget(10n), 6)])).ok, false);
    assert.equal((await store.take('b', [take(budget(10n), 6), take(budget(10n), 4)])).ok, true);
  });

  check('200 at once against a budget for 50: exactly 50', async (store) => {
    const counters = [budget(50n * 1_234_567_890_123n), rate(1000), places(1000)] as const;
    const answers = await Promise.all(
      Array.from({ length: 200 }, (_, index) =>
        store.take(`at once ${index}`, [take(counters[0], 1_234_567_890_123n), take(counters[1]), take(counters[2])]),
      ),
    );
    assert.equal(answers.filter(({ ok }) => ok).length, 50);
    const states = await store.states(counters);
    assert.deepEqual(
      states.map(({ remaining }) => remaining),
      [0n, 950n, 950n],
    );
  });

  check('200 at once against a rate of 50: exactly 50', async (store) => {
    const answers = await Promise.all(Array.from({ length: 200 }, (_, index) => store.take(`rate ${index}`, [take(rate(50))])));
    assert.equal(answers.filter(({ ok }) => ok).length, 50);
  });

  check('a settlement counts once, whatever is settled again', async (store) => {
    const counter = budget(100n);
    await store.take('a', [take(counter, 50)]);
    await Promise.all([1, 2, 3].map(() => store.settle('a', [take(counter, 20)])));
    await store.settle('a', [take(counter, 90)]);
    assert.deepEqual((await store.states([counter]))[0]?.remaining, 80n);
  });

  check('a hold that is not known is charged to the budgets, once', async (store) => {
    const counters = [budget(100n), rate(10), places(3)];
    await store.settle('of before', [take(budget(100n), 20), take(rate(10), 5), take(places(3))]);
    await store.settle('of before', [take(budget(100n), 20)]);
    assert.deepEqual(
      (await store.states(counters)).map(({ remaining }) => remaining),
      [80n, 10n, 3n],
    );
    await assert.rejects(store.take('of before', [take(places(3))]), /taken before/);
  });

  check('a hold is taken once', async (store) => {
    await store.take('a', [take(places(3))]);
    await assert.rejects(store.take('a', [take(places(3))]), /taken before/);
    assert.equal((await store.states([places(3)]))[0]?.remaining, 2n);
  });

  check('what was held in a period that is over is charged to the new one, where that is named', async (store, clock) => {
    const old = budget(100n);
    const fresh: Counter = { ...old, kind: 'budget', limit: 100n, since: START + HOUR, until: START + 2 * HOUR };
    await store.take('over midnight', [take(old, 60)]);
    clock.now = START + HOUR + 5;
    assert.equal((await store.states([fresh]))[0]?.remaining, 100n);
    await store.settle('over midnight', [take(fresh, 12)]);
    assert.deepEqual(
      (await store.states([old, fresh])).map(({ remaining }) => remaining),
      [100n, 88n],
    );
  });

  check('what was spent is read from the records once, however many ask', async (store) => {
    const asked: string[] = [];
    store.seed(async ({ key }) => {
      asked.push(key);
      await new Promise((resolve) => setImmediate(resolve));
      return 30n;
    });
    const answers = await Promise.all(Array.from({ length: 20 }, (_, index) => store.take(`seed ${index}`, [take(budget(100n), 10)])));
    assert.equal(answers.filter(({ ok }) => ok).length, 7);
    assert.deepEqual(asked, ['k']);
    await store.settle('seed elsewhere', [take(budget(100n, 'other'), 5)]);
    assert.equal((await store.states([budget(100n, 'other')]))[0]?.remaining, 65n);
    assert.deepEqual(asked, ['k', 'other']);
  });

  check('where what was spent cannot be read, the take is refused and the next one tries again', async (store) => {
    let works = false;
    store.seed(async () => {
      if (!works) throw new Error('the database is away');
      return 40n;
    });
    await assert.rejects(store.take('a', [take(budget(100n), 10), take(rate(5))]), { kind: 'overloaded', retryAfterMs: 1000 });
    await store.settle('lost', [take(budget(100n), 10)]);
    works = true;
    const taken = await store.take('a', [take(budget(100n), 10), take(rate(5))]);
    assert.deepEqual(
      taken.states.map(({ remaining }) => remaining),
      [50n, 4n],
    );
  });

  check('money is right to the nano-dollar far beyond what a double holds', async (store) => {
    const counter = budget(900_000_000_000_000_003n);
    await store.take('a', [take(counter, 900_000_000_000_000_001n)]);
    assert.equal((await store.take('b', [take(counter, 3n)])).ok, false);
    assert.equal((await store.take('b', [take(counter, 2n)])).ok, true);
    await store.settle('a', [take(counter, 899_999_999_999_999_999n)]);
    await store.settle('b', [take(counter, 1n)]);
    assert.equal((await store.states([counter]))[0]?.remaining, 3n);
    await assert.rejects(store.take('c', [take(counter, -1n)]), RangeError);
  });

  check('spent and held never pass the limit, and the sum of what was settled is what was spent', async (store) => {
    let round = 0;
    const steps = fc.array(
      fc.record({ hold: fc.integer({ min: 1, max: 40 }), used: fc.integer({ min: 0, max: 100 }), settle: fc.boolean() }),
      { maxLength: 40 },
    );
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: 200 }), steps, async (limit, all) => {
        const counter = budget(BigInt(limit), `sum ${(round += 1)}`);
        const open: { id: string; hold: number; used: number }[] = [];
        let spent = 0;
        let held = 0;
        for (const { hold, used, settle } of all) {
          const one = open[0];
          if (settle && one) {
            open.shift();
            const actual = Math.min(one.hold, one.used);
            await store.settle(one.id, [take(counter, actual)]);
            spent += actual;
            held -= one.hold;
          }
          const holdId = id();
          const answer = await store.take(holdId, [take(counter, hold)]);
          assert.equal(answer.ok, spent + held + hold <= limit);
          if (answer.ok) {
            held += hold;
            open.push({ id: holdId, hold, used });
          }
          assert.equal(answer.states[0]?.remaining, BigInt(limit - spent - held));
        }
      }),
      { numRuns: runs },
    );
  });
}

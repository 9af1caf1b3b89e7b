/** Many requests to two targets of which some fail at random, and whether each was answered, once. */
import assert from 'node:assert/strict';
import { startFaultyUpstream, well } from './faulty-upstream.ts';
import type { FaultyUpstream, Plan } from './faulty-upstream.ts';
import { providerAt } from './faulty-route.ts';
import type { RoutedOptions } from './faulty-route.ts';
import { byHand } from './heard.ts';
import { pick, seeded } from './random.ts';
import { textOf } from './upstream-answers.ts';
import type { Asked } from './upstream-answers.ts';
import { FAULTS } from './upstream-faults.ts';
import type { Fault } from './upstream-faults.ts';

const NAMES = ['a', 'b'] as const;
/** The share of requests that meet a fault, and the share of those that meet a second one. */
const FAULTY = 0.05;
const TWICE = 0.1;

export interface Soak {
  /** What the server is to be started with. */
  readonly routed: RoutedOptions;
  readonly upstreams: readonly FaultyUpstream[];
  /** Sends so many more requests, some at a time, and fails where one is not answered, or answered twice. */
  run(url: string, how: { readonly requests: number; readonly atOnce: number }): Promise<Round>;
  [Symbol.asyncDispose](): Promise<void>;
}

export interface Round {
  readonly requests: number;
  readonly faults: number;
  /** Requests that took more than one attempt. */
  readonly moved: number;
  readonly byProvider: Readonly<Record<string, number>>;
  readonly seconds: number;
}

/** May it happen to a request that is to be answered all the same? */
const survivable = (fault: Fault, stream: boolean): boolean => {
  if (fault.streamsOnly && !stream) return false;
  if (fault.when === 'before') return fault.worth !== 'back';
  return fault.when === 'within' && !stream;
};
const ALL = Object.values(FAULTS);
const ONCE = { true: ALL.filter((one) => survivable(one, true)), false: ALL.filter((one) => survivable(one, false)) };
/** A second one must leave both targets open to a third attempt. */
const again = (faults: readonly Fault[]): readonly Fault[] => faults.filter(({ worth }) => worth === 'again');

export async function startSoak(seed: number): Promise<Soak> {
  const random = seeded(seed);
  /** What is still to go wrong with a request, by its token. */
  const ahead = new Map<string, Fault[]>();
  /** How often each was answered well. */
  const answered = new Map<string, number>();
  let count = 0;

  const plan = (asked: Asked): Plan => {
    const fault = ahead.get(asked.token)?.shift();
    if (fault) return fault.plan(asked);
    answered.set(asked.token, (answered.get(asked.token) ?? 0) + 1);
    return well(asked);
  };
  const upstreams = await Promise.all(NAMES.map((name) => startFaultyUpstream(name, plan)));

  const faultsFor = (stream: boolean): Fault[] => {
    if (random() >= FAULTY) return [];
    const possible = ONCE[`${stream}`];
    return random() < TWICE ? [pick(again(possible), random), pick(again(possible), random)] : [pick(possible, random)];
  };

  return {
    routed: {
      providers: Object.fromEntries(upstreams.map(({ name, url }) => [name, providerAt(url)])),
      routes: {
        pair: {
          targets: NAMES.map((name) => `${name}/m`),
          strategy: 'least-busy',
          attempts: 4,
          maxWait: '500ms',
          // nobody else is taken for one that stalls where the machine is busy
          timeouts: { firstOutput: '6s', idle: '6s', whole: '2m' },
        },
      },
      env: {
        // each request and each failure would be a line
        PARLANCE_LOG_LEVEL: 'fatal',
        // stalls are told last: at the end of a run five in a row may be left over, and a rest of 10 s leaves one target
        PARLANCE_ROUTING_BREAKER_FAILURES: '1000',
      },
    },
    upstreams,
    async run(url, { requests, atOnce }) {
      const startedAt = performance.now();
      const ids = new Set<string>();
      const byProvider: Record<string, number> = {};
      let faults = 0;
      let moved = 0;
      let left = requests;

      const one = async (): Promise<void> => {
        const token = `s${count++}`;
        const stream = random() < 0.5;
        const words = 1 + Math.floor(random() * 20);
        const mine = faultsFor(stream);
        faults += mine.length;
        if (mine.length > 0) ahead.set(token, [...mine]);
        const heard = await byHand({ url, model: 'pair', token, stream, words });
        const provider = heard.headers.get('x-parlance-provider') ?? '';
        const about = `#${token} ${JSON.stringify({ stream, provider, status: heard.status, error: heard.error })}`;
        assert.ok(heard.ended && heard.status === 200, about);
        assert.equal(heard.text, textOf(provider, token, words), about);
        assert.deepEqual([heard.finish, heard.usage?.completion_tokens], ['stop', words], about);
        assert.equal(answered.get(token), 1, `${about}: answered more than once`);
        assert.equal(ahead.get(token)?.length ?? 0, 0, about);
        const attempts = Number(heard.headers.get('x-parlance-attempts'));
        assert.equal(attempts, mine.length + 1, about);
        if (attempts > 1) moved++;
        ids.add(heard.headers.get('x-request-id') ?? '');
        byProvider[provider] = (byProvider[provider] ?? 0) + 1;
        ahead.delete(token);
        answered.delete(token);
      };
      const client = async (): Promise<void> => {
        while (left-- > 0) await one();
      };
      await Promise.all(Array.from({ length: atOnce }, client));
      assert.equal(ids.size, requests, 'each answer has an id of its own');
      await Promise.all(upstreams.map((upstream) => upstream.quiet()));
      for (const upstream of upstreams) upstream.forget();
      return { requests, faults, moved, byProvider, seconds: (performance.now() - startedAt) / 1000 };
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(upstreams.map((upstream) => upstream.close()));
    },
  };
}

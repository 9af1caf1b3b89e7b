/**
 * Every fault of a provider, with whole and streamed answers, with one target and with a healthy one behind it: the client
 * gets the right answer or the right error, in time, and nothing is left behind.
 */
import assert from 'node:assert/strict';
import { createServer as createTlsServer } from 'node:tls';
import { after, before, describe, test } from 'node:test';
import { running, selfSigned } from '../../src/providers/http-testing.ts';
import { PATIENT, providerAt, startRouted, wayOf } from '../support/faulty-route.ts';
import type { RouteSettings } from '../support/faulty-route.ts';
import { startFaultyUpstream } from '../support/faulty-upstream.ts';
import { freePort } from '../support/free-port.ts';
import type { FaultyUpstream } from '../support/faulty-upstream.ts';
import { CLIENTS } from '../support/heard.ts';
import type { Heard } from '../support/heard.ts';
import type { LiveServer } from '../support/live-server.ts';
import { textOf } from '../support/upstream-answers.ts';
import { FAULTS } from '../support/upstream-faults.ts';
import type { Expected, Fault } from '../support/upstream-faults.ts';

const ATTEMPTS = 3;
/** For what stalls: short enough for a test, long enough for a busy machine to have sent a request by then. */
const STALL_MS = 2000;
/** All attempts at the time-outs of what stalls, the waits between them, and what a busy machine adds; long before any other time-out. */
const DEADLINE_MS = 40_000;

interface Case {
  readonly name: string;
  readonly fault: Fault;
  /** The provider that has the fault. */
  readonly provider: string;
  readonly stream: boolean;
  readonly targets: 'one' | 'two';
  readonly client: string;
  /** Its own route and target: what is learnt of another target's health has no part in it. */
  readonly id: string;
}

const FORMS = [false, true].flatMap((stream) =>
  (['one', 'two'] as const).flatMap((targets) => Object.keys(CLIENTS).map((client) => ({ stream, targets, client }))),
);

const unreachable = (words: RegExp): Fault => ({
  plan: () => [],
  when: 'before',
  worth: 'again',
  error: { status: 502, type: 'upstream_error', code: 'upstream_error', words },
});

const NEVER_REACHED: Readonly<Record<string, readonly [provider: string, fault: Fault]>> = {
  'nobody at the port': ['nobody', unreachable(/refused the connection/)],
  'no TLS where it is expected': ['plain', unreachable(/TLS/)],
  'a certificate that nobody vouches for': ['untrusted', unreachable(/TLS/)],
};

/** Each fault has an upstream of its own: what it does to a connection is nothing to the others. */
const NAMED: readonly (readonly [name: string, provider: string, fault: Fault])[] = [
  ...Object.entries(FAULTS).map(([name, fault], at) => [name, `bad${at}`, fault] as const),
  ...Object.entries(NEVER_REACHED).map(([name, [provider, fault]]) => [name, provider, fault] as const),
];
const CASES = NAMED.flatMap(([name, provider, fault], at) =>
  FORMS.map((form): Case => ({ name, provider, fault, ...form, id: `f${at}-${form.stream ? 's' : 'w'}-${form.targets}-${form.client}` })),
);
const BY_ID = new Map(CASES.map((one) => [one.id, one]));

/** Nothing else may be taken for late. What stalls midway has begun before, however long that took. */
const timeoutsOf = ({ error, when }: Fault): Readonly<Record<string, string>> => {
  if (error.code !== 'timeout') return {};
  return when === 'within' ? { firstOutput: PATIENT.firstOutput, idle: `${STALL_MS}ms` } : { firstOutput: `${STALL_MS}ms` };
};

const routeOf = ({ id, provider, targets, fault, stream }: Case): RouteSettings => {
  // what stalls midway has begun for the readers of streams alone
  const timeouts = timeoutsOf(stream ? fault : { ...fault, when: fault.when === 'within' ? 'before' : fault.when });
  return {
    targets: [{ model: `${provider}/${id}`, timeouts }, ...(targets === 'two' ? ['good/m'] : [])],
    strategy: 'ordered',
    attempts: ATTEMPTS,
    maxWait: '200ms',
    timeouts: PATIENT,
  };
};

const warnings: Error[] = [];
const onWarning = (warning: Error): void => void warnings.push(warning);
process.on('warning', onWarning);

const bad = new Map<string, FaultyUpstream>();
let good: FaultyUpstream;
let untrusted: Awaited<ReturnType<typeof running>>;
let server: LiveServer;

before(async () => {
  for (const { provider } of CASES) {
    if (!provider.startsWith('bad') || bad.has(provider)) continue;
    bad.set(provider, await startFaultyUpstream('bad', (asked) => BY_ID.get(asked.model)?.fault.plan(asked) ?? []));
  }
  good = await startFaultyUpstream('good');
  untrusted = await running(createTlsServer(selfSigned()));
  const modelsOf = (provider: string): string[] => CASES.filter((one) => one.provider === provider).map(({ id }) => id);
  server = await startRouted({
    providers: {
      ...Object.fromEntries([...bad].map(([name, { url }]) => [name, providerAt(url, modelsOf(name))])),
      good: providerAt(good.url),
      nobody: providerAt(`http://127.0.0.1:${await freePort()}`, modelsOf('nobody')),
      plain: providerAt(good.url.replace('http', 'https'), modelsOf('plain')),
      untrusted: providerAt(`https://127.0.0.1:${untrusted.port}`, modelsOf('untrusted')),
    },
    routes: Object.fromEntries(CASES.map((one) => [one.id, routeOf(one)])),
  });
});

after(async () => {
  await server.close();
  const all = [...bad.values(), good];
  await Promise.all(all.map((one) => one.until(() => one.sockets().open === 0)));
  await Promise.all([...all.map((one) => one.close()), untrusted.stop()]);
  process.off('warning', onWarning);
  assert.deepEqual(warnings, [], 'no warning of too many listeners, or of anything else');
});

/** How a request of this case ends. */
function endingOf({ fault, stream, targets }: Case): 'bad answers' | 'good answers' | 'either answers' | 'error' | 'cut' {
  if (fault.spoils) return 'either answers';
  if (fault.when === 'none' || (fault.streamsOnly && !stream)) return 'bad answers';
  if (fault.when === 'within' && stream) return 'cut';
  return targets === 'two' && fault.worth !== 'back' ? 'good answers' : 'error';
}

function assertError({ error }: Heard, expected: Expected): void {
  assert.ok(error);
  assert.deepEqual([error.type, error.code], [expected.type, expected.code], error.message);
  if (expected.words) assert.match(error.message, expected.words);
}

function assertAnswer(heard: Heard, upstream: string, token: string): void {
  assert.deepEqual([heard.status, heard.error?.message], [200, undefined]);
  assert.equal(heard.text, textOf(upstream, token));
  assert.deepEqual([heard.ended, heard.finish, heard.usage?.completion_tokens], [true, 'stop', 12]);
  assert.match(wayOf(heard.headers).provider ?? '', new RegExp(`^${upstream}`));
}

describe('a provider', { concurrency: 8 }, () => {
  for (const [name] of NAMED) {
    describe(name, { concurrency: !NAMED.some(([each, , { spoils }]) => each === name && spoils) }, () => {
      for (const one of CASES.filter((each) => each.name === name)) {
        const { id, fault, stream, targets, client, provider } = one;
        const ending = endingOf(one);
        test(`${stream ? 'streamed' : 'whole'}, ${targets} target${targets === 'two' ? 's' : ''}, by ${client}: ${ending}`, async () => {
          const ask = CLIENTS[client];
          assert.ok(ask);
          const heard = await ask({ url: server.url, model: id, token: id, stream });
          assert.ok(heard.ms < DEADLINE_MS, `${heard.ms} ms`);
          const { attempts } = wayOf(heard.headers);
          const visits = bad.get(provider)?.of(id).length;
          switch (ending) {
            case 'bad answers':
              assertAnswer(heard, 'bad', id);
              assert.deepEqual([attempts, visits, good.of(id).length], [1, 1, 0]);
              break;
            case 'either answers': {
              const { provider: who } = wayOf(heard.headers);
              assertAnswer(heard, who === 'good' ? 'good' : 'bad', id);
              assert.ok(attempts === 1 || (attempts === 2 && (who === 'good') === (targets === 'two')), `${attempts} attempts, ${who}`);
              break;
            }
            case 'good answers':
              assertAnswer(heard, 'good', id);
              assert.equal(attempts, 2);
              assert.deepEqual([visits ?? 1, good.of(id).length], [1, 1]);
              break;
            case 'error': {
              assert.deepEqual([heard.status, heard.ended, heard.text], [fault.error.status, false, '']);
              assertError(heard, fault.error);
              assert.equal(attempts, fault.worth === 'again' ? ATTEMPTS : 1);
              assert.equal(visits ?? attempts, attempts);
              assert.equal(good.of(id).length, 0, 'nobody else was asked');
              break;
            }
            case 'cut':
              assert.deepEqual([heard.status, heard.ended], [200, false], 'an error frame, and no [DONE]');
              assertError(heard, fault.error);
              assert.ok(heard.text !== '' && textOf('bad', id).startsWith(heard.text), heard.text);
              assert.deepEqual([attempts, visits, good.of(id).length], [1, 1, 0], 'what was begun is not begun again elsewhere');
          }
        });
      }
    });
  }
});

test('a provider: after all of that nothing is in work, and every answer that was not wanted was left', async () => {
  const all = [...bad.values(), good];
  await Promise.all(all.map((one) => one.quiet()));
  const unfinished = all.flatMap(({ visits }) => visits.filter(({ complete, leftAt }) => !complete && leftAt === undefined));
  assert.deepEqual(unfinished, []);
});

/**
 * Wherever targets break off, and however their bytes are split: what a client received is the beginning of one target's
 * answer and then an error, or all of it and then an end. Nothing is mixed, repeated, or passed off as whole.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import { providerAt, startRouted, wayOf } from '../support/faulty-route.ts';
import type { RouteSettings } from '../support/faulty-route.ts';
import { close, reset, send, stall, startFaultyUpstream } from '../support/faulty-upstream.ts';
import type { FaultyUpstream, Plan, Step } from '../support/faulty-upstream.ts';
import { byHand } from '../support/heard.ts';
import type { LiveServer } from '../support/live-server.ts';
import { LAST_CHUNK, SSE_HEAD, chunked, head, partsOf, textOf, wellBytes, wholeBody } from '../support/upstream-answers.ts';
import type { Asked } from '../support/upstream-answers.ts';

/** How one target's answer goes. */
interface Script {
  /** Where it ends early: a share of all bytes, or of the body's. */
  readonly cut: number;
  /** `well`: nowhere. `in order`: the cut body looks like a whole one, as far as HTTP goes. */
  readonly how: 'well' | 'reset' | 'close' | 'stall' | 'in order' | 'closed for an end';
  /** Sizes of the pieces it is sent in, over and over. */
  readonly sizes: readonly number[];
}

const RUNS = 200;
const TARGETS = ['a', 'b', 'c'] as const;
/** Models for runs in which somebody stalls: about one in eight. */
const STALLED_RUNS = 80;
/** Only who stalls is ever late: nobody else is taken for it where the machine is busy. */
const LATE = { firstOutput: '800ms', idle: '800ms' };
const PATIENT = { firstOutput: '60s', idle: '60s', whole: '5m' };

const script = fc.record<Script>({
  cut: fc.integer({ min: 0, max: 1000 }).map((thousandths) => thousandths / 1000),
  how: fc.oneof(
    { weight: 5, arbitrary: fc.constant('well' as const) },
    { weight: 8, arbitrary: fc.constantFrom('reset', 'close') },
    { weight: 8, arbitrary: fc.constantFrom('in order', 'closed for an end') },
    { weight: 1, arbitrary: fc.constant('stall' as const) },
  ),
  sizes: fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1, maxLength: 4 }),
});
const scenario = fc.record({
  scripts: fc.tuple(script, script, script),
  stream: fc.boolean(),
  words: fc.integer({ min: 1, max: 30 }),
  attempts: fc.integer({ min: 1, max: 4 }),
});

/** The scripts of the run that is on, for each target. */
let scripts: readonly Script[] = [];

function inPieces(bytes: Buffer, sizes: readonly number[]): Step[] {
  const steps: Step[] = [];
  for (let at = 0, turn = 0; at < bytes.length; turn++) {
    const size = sizes[turn % sizes.length] ?? 1;
    steps.push({ do: 'send', bytes: bytes.subarray(at, at + size) });
    at += size;
  }
  return steps;
}

function planOf(asked: Asked): Plan {
  const mine = scripts[TARGETS.indexOf(asked.upstream as 'a')];
  assert.ok(mine);
  const { cut, how, sizes } = mine;
  const whole = Buffer.from(wellBytes(asked));
  const end = Math.floor(whole.length * cut);
  // after the end it is the next request that is broken, which is told of elsewhere
  if (how === 'well' || (end === whole.length && how !== 'in order' && how !== 'closed for an end')) return inPieces(whole, sizes);
  const early = inPieces(whole.subarray(0, end), sizes);
  switch (how) {
    case 'reset':
      return [...early, reset];
    case 'close':
      return [...early, close];
    case 'stall':
      return [...early, stall];
    case 'in order':
    case 'closed for an end': {
      const body = Buffer.from(bodyOf(asked));
      const cutBody = body.subarray(0, Math.floor(body.length * cut));
      const kind = asked.stream ? 'text/event-stream' : 'application/json';
      const start = head(200, { 'content-type': kind, ...(how === 'in order' ? { 'content-length': cutBody.length } : {}) });
      return [send(start), ...inPieces(cutBody, sizes), ...(how === 'in order' ? [] : [close])];
    }
  }
}

/** The body of a good answer as one text. */
function bodyOf(asked: Asked): string {
  if (!asked.stream) return wholeBody(asked);
  const { opening, shown, rest } = partsOf(asked);
  return (opening + shown + rest).replace(/^[\da-f]+\r\n(data: .*\n\n)\r\n/gm, '$1');
}

let upstreams: readonly FaultyUpstream[] = [];
let server: LiveServer;

before(async () => {
  upstreams = await Promise.all(TARGETS.map((name) => startFaultyUpstream(name, planOf)));
  // models and a route of its own for each run: the health of one run's targets says nothing about the next
  const models = Array.from({ length: RUNS }, (_, run) => `m${run}`);
  const stalled = Array.from({ length: STALLED_RUNS }, (_, run) => `s${run}`);
  const routesOf = (model: string, stalling: string): [string, RouteSettings][] =>
    [1, 2, 3, 4].map((attempts) => [
      `${model}-${stalling}-${attempts}`,
      {
        targets: TARGETS.map((name) => ({ model: `${name}/${model}`, timeouts: stalling.includes(name) ? LATE : {} })),
        attempts,
        maxWait: '20ms',
        timeouts: PATIENT,
      },
    ]);
  server = await startRouted({
    providers: Object.fromEntries(upstreams.map(({ name, url }) => [name, providerAt(url, [...models, ...stalled])])),
    routes: Object.fromEntries([
      ...models.flatMap((model) => routesOf(model, 'x')),
      ...stalled.flatMap((model) => ['a', 'b', 'c', 'ab', 'ac', 'bc', 'abc'].flatMap((stalling) => routesOf(model, stalling))),
    ]),
  });
});

after(async () => {
  await server.close();
  await Promise.all(upstreams.map((one) => one.close()));
});

test('the bodies that are cut are those of the good answers', () => {
  const asked: Asked = {
    upstream: 'a',
    model: 'm',
    token: 't',
    words: 5,
    stream: true,
    includeUsage: true,
    nth: 0,
    onConnection: 0,
  };
  const again = bodyOf(asked).split(/(?<=\n\n)/);
  assert.equal(SSE_HEAD + again.map(chunked).join('') + LAST_CHUNK, wellBytes(asked));
});

describe('prefix', () => {
  test('what a client received is the beginning of one target’s answer and an error, or all of it and an end', async () => {
    let run = 0;
    let stalledRun = 0;
    const seen = { ended: 0, cut: 0, refused: 0, moved: 0 };
    await fc.assert(
      fc.asyncProperty(scenario, async ({ scripts: theirs, stream, words, attempts }) => {
        scripts = theirs;
        // a run beyond the last is one of shrinking: its targets have rested by then, or their health is part of what fails
        const token = `t${run}`;
        const stalling = TARGETS.filter((_, at) => theirs[at]?.how === 'stall').join('');
        const model = stalling === '' ? `m${run % RUNS}-x` : `s${stalledRun++ % STALLED_RUNS}-${stalling}`;
        run++;
        const heard = await byHand({ url: server.url, model: `${model}-${attempts}`, token, stream, words });
        const whose = TARGETS.find((name) => textOf(name, token, words).startsWith(heard.text));
        assert.ok(whose !== undefined, `no target’s words: ${heard.text}`);
        assert.equal(heard.ended, heard.error === undefined, 'an end or an error, never both, never neither');
        const visits = upstreams.reduce((sum, one) => sum + one.of(token).length, 0);
        const way = wayOf(heard.headers);
        assert.equal(way.attempts, visits);
        assert.ok(visits <= attempts);
        if (heard.ended) {
          assert.deepEqual([heard.status, heard.finish], [200, 'stop']);
          assert.equal(heard.text, textOf(whose, token, words));
          assert.equal(way.provider, whose);
        } else if (heard.text === '') {
          assert.ok([502, 504].includes(heard.status), `${heard.status} ${heard.error?.message}`);
        } else {
          assert.equal(heard.status, 200);
          assert.equal(heard.error?.type, 'upstream_error');
        }
        const reached = theirs.slice(0, attempts);
        const able = reached.findIndex(({ how }) => how === 'well');
        const silentBefore = reached.slice(0, able).every(({ cut }) => cut === 0);
        if (able >= 0 && (silentBefore || !stream)) assert.ok(heard.ended, 'somebody could answer');
        seen[heard.ended ? 'ended' : heard.text === '' ? 'refused' : 'cut']++;
        if (way.provider !== 'a' && heard.ended) seen.moved++;
      }),
      { numRuns: RUNS, endOnFailure: true },
    );
    for (const [what, times] of Object.entries(seen)) assert.ok(times > RUNS / 50, `${what}: ${times} times in ${RUNS} runs say little`);
    await Promise.all(upstreams.map((one) => one.quiet()));
  });
});

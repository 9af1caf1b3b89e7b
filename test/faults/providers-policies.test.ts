/** What a route may do besides trying again: hedge, drain, go on with a broken text, ask elsewhere where one withholds. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { providerAt, startRouted, wayOf } from '../support/faulty-route.ts';
import { close, send, stall, startFaultyUpstream, trickle, well } from '../support/faulty-upstream.ts';
import type { FaultyUpstream, Plan } from '../support/faulty-upstream.ts';
import { restful } from '../support/gauges.ts';
import { byHand } from '../support/heard.ts';
import type { Heard } from '../support/heard.ts';
import type { LiveServer } from '../support/live-server.ts';
import {
  LAST_CHUNK,
  SSE_HEAD,
  answerWith,
  askFor,
  chunked,
  frame,
  framesFor,
  partsOf,
  textOf,
  wholeBody,
} from '../support/upstream-answers.ts';
import type { Asked } from '../support/upstream-answers.ts';

/** Quick so often that it is known how quick it is; then it is not. */
const QUICK_ANSWERS = 24;

const begun = (asked: Asked): string => {
  const { head, opening, shown } = partsOf(asked);
  return head + opening + shown;
};
/** What the first upstream had said when it broke off. */
const shownOf = (token: string): string => textOf('up', token).slice(0, textOf('up', token, 6).length);
/** A stream of this text. */
const says = (asked: Asked, text: string): Plan => {
  const { opening, closing, done } = framesFor(asked);
  const words = text.match(/.{1,7}/gsu) ?? [];
  const deltas = words.map((content) => frame({ choices: [{ index: 0, delta: { content }, finish_reason: null }] }));
  return [send(SSE_HEAD, ...[...opening, ...deltas, ...closing, done].map(chunked), LAST_CHUNK)];
};
const withheld = (asked: Asked): Plan => {
  if (!asked.stream) {
    const body = JSON.parse(wholeBody(asked)) as { choices: { message: { content: string }; finish_reason: string }[] };
    const [choice] = body.choices;
    if (choice) Object.assign(choice, { finish_reason: 'content_filter', message: { ...choice.message, content: '' } });
    return [send(answerWith(200, JSON.stringify(body)))];
  }
  const end = frame({ choices: [{ index: 0, delta: {}, finish_reason: 'content_filter' }] });
  return [send(SSE_HEAD, ...[...framesFor(asked).opening, end, framesFor(asked).done].map(chunked), LAST_CHUNK)];
};

const FIRST: Readonly<Record<string, (asked: Asked) => Plan>> = {
  slows: (asked) => (asked.token.startsWith('quick') ? well(asked) : [stall, ...well(asked)]),
  breaks: (asked) => [send(begun(asked)), close],
  withholds: withheld,
  lasts: (asked) => {
    const { head, opening, shown, rest, last } = partsOf(asked);
    return [send(head, opening, shown), stall, send(rest, last)];
  },
  endless: (asked) => [
    send(partsOf(asked).head, partsOf(asked).opening),
    trickle(
      framesFor({ ...asked, words: 20_000 })
        .words.map(chunked)
        .join(''),
      60,
    ),
    stall,
  ],
};
const SECOND: Readonly<Record<string, (asked: Asked) => Plan>> = {
  m: well,
  'goes-on': (asked) => says(asked, ' And so on.'),
  'starts-over': (asked) => says(asked, `${shownOf(asked.token)} And so on.`),
  breaks: (asked) => [send(begun(asked)), close],
  withholds: withheld,
};

const pair = (first: string, second: string, more: object) => ({ targets: [`up/${first}`, `other/${second}`], maxWait: '200ms', ...more });

const ROUTES = {
  hedged: pair('slows', 'm', { hedge: true }),
  'goes-on': pair('breaks', 'goes-on', { continue: true }),
  'starts-over': pair('breaks', 'starts-over', { continue: true }),
  'breaks-again': pair('breaks', 'breaks', { continue: true }),
  'not-continued': pair('breaks', 'goes-on', {}),
  filtered: pair('withholds', 'm', { onContentFilter: true }),
  'filtered-twice': pair('withholds', 'withholds', { onContentFilter: true }),
  'not-filtered': pair('withholds', 'm', {}),
  drained: { targets: ['up/lasts'], drain: true },
  'drained-late': { targets: ['up/endless'], drain: true, timeouts: { whole: '500ms' } },
};

let up: FaultyUpstream;
let other: FaultyUpstream;
let server: LiveServer;

before(async () => {
  up = await startFaultyUpstream('up', (asked) => FIRST[asked.model]?.(asked) ?? []);
  other = await startFaultyUpstream('other', (asked) => SECOND[asked.model]?.(asked) ?? []);
  server = await startRouted({ providers: { up: providerAt(up.url), other: providerAt(other.url) }, routes: ROUTES });
});

after(async () => {
  await server.close();
  await Promise.all([up.close(), other.close()]);
});

const ask = (model: string, token: string, stream = true): Promise<Heard> => byHand({ url: server.url, model, token, stream });

test('hedging: a second target answers for one that is later than it ever was, which sees that it is not wanted', async () => {
  for (let at = 0; at < QUICK_ANSWERS; at++) {
    const heard = await ask('hedged', `quick${at}`);
    assert.ok(heard.ended);
  }
  for (const stream of [true, false]) {
    const token = `late-${stream}`;
    const heard = await ask('hedged', token, stream);
    assert.ok(heard.ended, heard.error?.message);
    assert.equal(heard.text, textOf('other', token));
    assert.deepEqual(wayOf(heard.headers), { attempts: 2, provider: 'other' });
    const [visit] = up.of(token);
    await up.until(() => visit?.leftAt !== undefined);
    assert.deepEqual([visit?.complete, other.of(token).length], [false, 1]);
  }
  await restful(server.url);
});

test('going on: where a text broke off another target goes on, and nothing is said twice', async () => {
  for (const model of ['goes-on', 'starts-over']) {
    const heard = await ask(model, model);
    assert.ok(heard.ended, heard.error?.message);
    assert.equal(heard.text, `${shownOf(model)} And so on.`);
    assert.equal(heard.finish, 'stop');
    assert.deepEqual([up.of(model).length, other.of(model).length], [1, 1]);
  }
});

test('going on: where the second breaks off as well, that is the end of it; without the setting nobody goes on', async () => {
  const again = await ask('breaks-again', 'again');
  assert.deepEqual([again.ended, again.error?.type], [false, 'upstream_error']);
  assert.ok(again.text.startsWith(shownOf('again')));
  assert.deepEqual([up.of('again').length, other.of('again').length], [1, 1]);
  const left = await ask('not-continued', 'left');
  assert.deepEqual([left.ended, left.text, other.of('left').length], [false, shownOf('left'), 0]);
});

test('withheld: another target is asked where the route says so, and the filter is reported where none has more', async () => {
  for (const stream of [true, false]) {
    const heard = await ask('filtered', `filtered-${stream}`, stream);
    assert.deepEqual([heard.text, heard.finish], [textOf('other', `filtered-${stream}`), 'stop']);
    assert.deepEqual(wayOf(heard.headers), { attempts: 2, provider: 'other' });
    for (const model of ['filtered-twice', 'not-filtered']) {
      const none = await ask(model, `${model}-${stream}`, stream);
      assert.deepEqual([none.status, none.text, none.finish, none.ended], [200, '', 'content_filter', true]);
    }
  }
  await restful(server.url);
});

test('draining: an answer whose reader has left is read to its end', async () => {
  const leaving = new AbortController();
  const messages = [{ role: 'user', content: askFor('drained') }];
  const answer = await server.post({ model: 'drained', stream: true, messages }, { signal: leaving.signal });
  await answer.body?.getReader().read();
  leaving.abort();
  await server.logged(({ outcome }) => outcome === 'cancelled');
  const [visit] = up.of('drained');
  assert.equal(visit?.leftAt, undefined);
  up.release();
  await up.until(() => visit?.endedAt !== undefined);
  assert.deepEqual([visit?.complete, visit?.leftAt], [true, undefined]);
  await restful(server.url);
});

test('draining: it does not lift the limit for the whole request', { timeout: 120_000 }, async () => {
  const heard = await ask('drained-late', 'late');
  assert.deepEqual([heard.ended, heard.error?.code], [false, 'timeout']);
  await up.quiet();
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  bookAt,
  breakTarget,
  callOf,
  CHI_SQUARE_2,
  chiSquare,
  enterTarget,
  firsts,
  message,
  routeOf,
  routeTarget as target,
} from '../../test/support/balanced.ts';
import { seeded } from '../../test/support/random.ts';
import type { Call } from '../core/call.ts';
import type { Message } from '../core/chat.ts';
import { orderTargets } from './balance.ts';
import type { HealthBook } from './health.ts';
import type { Route, RouteTarget } from './route.ts';
import { stickyHash, stickyOrder } from './sticky.ts';

const [A, B, C] = [target('groq/llama-3.3'), target('cerebras/llama-3.3'), target('together/llama-3.3')];
const THREE = [A, B, C];
const FOURTH = target('fireworks/llama-3.3');

function first(route: Route, call: Call, { health = bookAt(), random = Math.random }: { health?: HealthBook; random?: () => number } = {}) {
  return orderTargets(route, { call, health, random })[0]?.key;
}

const withCacheKey = (key: string, principal?: string): Call => callOf({ raw: { prompt_cache_key: key } }, principal);
const conversation = (...messages: readonly Message[]): Call => callOf({ messages });

/** The targets of 10,000 callers. */
function placed(targets: readonly RouteTarget[]): readonly string[] {
  return Array.from({ length: 10_000 }, (_, at) => {
    const hash = stickyHash(withCacheKey(`conversation-${at}`), 'cache-key') ?? 0;
    return stickyOrder(targets, hash)[0]?.key ?? '';
  });
}

test('sticky: every repeated beginning returns to its target, whatever chance says', () => {
  const route = routeOf(THREE, { strategy: 'weighted', sticky: 'auto' });
  const random = seeded(5);
  const health = bookAt();
  const beginnings = Array.from({ length: 500 }, (_, at) => [message('system', 'Be brief.'), message('user', `Question ${at}`)]);
  const before = beginnings.map((turns) => first(route, conversation(...turns), { health, random }));
  const later = beginnings.map((turns) =>
    first(route, conversation(...turns, message('assistant', 'Yes.'), message('user', 'And then?')), { health, random }),
  );
  assert.deepEqual(later, before);
  assert.equal(new Set(before).size, 3);
});

test('sticky: while requests run at random, at least 99 of 100 repeated beginnings return', (t) => {
  const route = routeOf(THREE, { strategy: 'weighted', sticky: 'auto' });
  const random = seeded(17);
  const health = bookAt();
  const home = new Map<number, string | undefined>();
  const running: { cancel(): void }[] = [];
  let [repeated, returned] = [0, 0];
  for (let at = 0; at < 20_000; at++) {
    // some conversations are far more frequent than others, and 30 requests run at a time
    const one = Math.floor(1000 * random() ** 2);
    const [to = A] = orderTargets(route, { call: withCacheKey(`c-${one}`), health, random });
    if (home.has(one)) repeated++;
    if (home.get(one) === to.key) returned++;
    if (!home.has(one)) home.set(one, to.key);
    running.push(...enterTarget(health, to));
    if (running.length > 30) running.splice(Math.floor(random() * running.length), 1)[0]?.cancel();
  }
  t.diagnostic(`${returned} of ${repeated} returned`);
  assert.ok(repeated > 18_000);
  assert.ok(returned / repeated > 0.99, `${returned} of ${repeated}`);
});

test('sticky: callers spread over the targets evenly, or by weight', () => {
  const even = placed(THREE);
  const found = firsts(
    even.length,
    (
      (at = 0) =>
      () => [even[at++] ?? '']
    )(),
  );
  assert.ok(chiSquare(found, { [A.key]: 1 / 3, [B.key]: 1 / 3, [C.key]: 1 / 3 }) < CHI_SQUARE_2, JSON.stringify(found));
  const weighted = placed([target('five', { weight: 5 }), target('three', { weight: 3 }), target('two', { weight: 2 })]);
  const shares = firsts(
    weighted.length,
    (
      (at = 0) =>
      () => [weighted[at++] ?? '']
    )(),
  );
  assert.ok(chiSquare(shares, { five: 0.5, three: 0.3, two: 0.2 }) < CHI_SQUARE_2, JSON.stringify(shares));
});

test('sticky: a fourth target takes a quarter of the callers, and no other caller moves', (t) => {
  const before = placed(THREE);
  const after = placed([A, FOURTH, B, C]);
  const moved = after.filter((key, at) => key !== before[at]);
  t.diagnostic(`${moved.length} of 10,000 moved`);
  assert.ok(moved.length > 2300 && moved.length < 2700, `${moved.length} of 10000 moved`);
  assert.deepEqual([...new Set(moved)], [FOURTH.key]);
});

test('sticky: when a target is taken away, only its callers move, to both of the others', () => {
  const before = placed(THREE);
  const after = placed([A, C]);
  for (const [at, key] of before.entries()) if (key !== B.key) assert.equal(after[at], key);
  const heirs = after.filter((_, at) => before[at] === B.key);
  assert.ok(heirs.filter((key) => key === A.key).length > heirs.length * 0.45);
  assert.ok(heirs.filter((key) => key === C.key).length > heirs.length * 0.45);
});

test('sticky: where its target is at rest a caller goes to the second of its own order, and back again later', () => {
  let at = 0;
  const health = bookAt(() => at);
  const route = routeOf(THREE, { strategy: 'weighted', sticky: 'cache-key' });
  for (let one = 0; one < 50; one++) {
    const call = withCacheKey(`c-${one}`);
    const order = stickyOrder(THREE, stickyHash(call, 'cache-key') ?? 0);
    const [home = A, second = A] = order;
    assert.equal(first(route, call, { health }), home.key);
    breakTarget(health, home);
    assert.equal(first(route, call, { health }), second.key);
    assert.equal(orderTargets(route, { call, health, random: Math.random }).at(-1)?.key, home.key);
    at += 400_000;
    enterTarget(health, home)[0]?.succeed();
    assert.equal(first(route, call, { health }), home.key);
  }
});

test('sticky: a full target gives way', () => {
  const health = bookAt();
  const full = target(A.key, { maxInFlight: 2 });
  const route = routeOf([full, B], { strategy: 'ordered', sticky: 'user' });
  const call = Array.from({ length: 20 }, (_, at) => callOf({ user: `u-${at}` })).find((one) => first(route, one) === full.key);
  assert.ok(call);
  enterTarget(health, full, 2);
  assert.equal(first(route, call, { health }), B.key);
});

test('sticky: a target gives way when it is clearly busier than the others, by their weights', () => {
  const heavy = target(A.key, { weight: 2 });
  const route = routeOf([heavy, B, C], { strategy: 'least-busy', sticky: 'user' });
  const call = Array.from({ length: 20 }, (_, at) => callOf({ user: `u-${at}` })).find((one) => first(route, one) === heavy.key);
  assert.ok(call);
  const health = bookAt();
  enterTarget(health, heavy, 4);
  assert.equal(first(route, call, { health }), heavy.key, 'four requests are no load');
  enterTarget(health, heavy);
  assert.notEqual(first(route, call, { health }), heavy.key, 'five, and none elsewhere');
  enterTarget(health, B, 5);
  enterTarget(health, C, 5);
  enterTarget(health, heavy, 19);
  assert.equal(first(route, call, { health }), heavy.key, '24 where its weight has 10');
  enterTarget(health, heavy);
  assert.notEqual(first(route, call, { health }), heavy.key, '25 where its weight has 10');
});

test('sticky: where every other target is at rest, a busy one keeps its callers', () => {
  const health = bookAt();
  for (const other of [B, C]) breakTarget(health, other);
  enterTarget(health, A, 50);
  const route = routeOf(THREE, { sticky: 'user' });
  for (let at = 0; at < 20; at++) assert.equal(first(route, callOf({ user: `u-${at}` }), { health }), A.key);
});

test('sticky: how busy the others are is said by those that are not at rest', () => {
  const route = routeOf(THREE, { strategy: 'weighted', sticky: 'user' });
  const call = Array.from({ length: 20 }, (_, at) => callOf({ user: `u-${at}` })).find((one) => first(route, one) === A.key);
  assert.ok(call);
  const health = bookAt();
  breakTarget(health, B);
  enterTarget(health, C, 4);
  enterTarget(health, A, 12);
  assert.equal(first(route, call, { health }), A.key, '12 beside 4');
  enterTarget(health, A);
  assert.equal(first(route, call, { health }), C.key, '13 beside 4');
});

test('sticky: behind its target the others follow by the strategy', () => {
  const route = routeOf(THREE, { strategy: 'ordered', sticky: 'user' });
  const orders = Array.from({ length: 50 }, (_, at) =>
    orderTargets(route, { call: callOf({ user: `u-${at}` }), health: bookAt(), random: Math.random }).map(({ key }) => key),
  );
  const [a, b, c] = [A.key, B.key, C.key];
  const possible = [
    [a, b, c],
    [b, a, c],
    [c, a, b],
  ].map(String);
  assert.deepEqual(new Set(orders.map(String)), new Set(possible));
});

test('sticky: auto takes the cache key before the user, and the user before the conversation', () => {
  const messages = [message('user', 'Hello.')];
  const all = { messages, user: 'u', safetyIdentifier: 's', raw: { prompt_cache_key: 'k' } };
  const auto = (request: Parameters<typeof callOf>[0]) => stickyHash(callOf(request), 'auto');
  assert.equal(auto(all), stickyHash(callOf(all), 'cache-key'));
  assert.equal(auto({ ...all, raw: {} }), stickyHash(callOf(all), 'user'));
  assert.equal(auto({ ...all, raw: { prompt_cache_key: 7 } }), stickyHash(callOf(all), 'user'), 'no string is no key');
  assert.equal(auto({ messages }), stickyHash(callOf(all), 'conversation'));
  assert.equal(stickyHash(callOf({ user: 'u', safetyIdentifier: 's' }), 'user'), stickyHash(callOf({ safetyIdentifier: 's' }), 'user'));
  assert.notEqual(stickyHash(callOf({ user: 'u' }), 'user'), stickyHash(callOf({ safetyIdentifier: 's' }), 'user'));
});

test('sticky: a policy that goes by what the request lacks has nothing to go by', () => {
  assert.equal(stickyHash(callOf(), 'cache-key'), undefined);
  assert.equal(stickyHash(callOf({ raw: { prompt_cache_key: '' } }), 'cache-key'), undefined);
  assert.equal(stickyHash(callOf(), 'user'), undefined);
  assert.equal(stickyHash(callOf({ messages: [] }), 'conversation'), undefined);
  assert.equal(stickyHash(callOf({ user: 'u' }), 'off'), undefined);
});

test('sticky: keys are of the caller, so what one sends tells nothing about where another goes', () => {
  const mine = placedFor('key-1');
  const theirs = placedFor('key-2');
  const same = mine.filter((key, at) => key === theirs[at]).length;
  assert.ok(same > 250 && same < 420, `${same} of 1000 in common`);
});

function placedFor(principal: string): readonly (string | undefined)[] {
  return Array.from({ length: 1000 }, (_, at) => stickyOrder(THREE, stickyHash(withCacheKey(`c-${at}`, principal), 'auto') ?? 0)[0]?.key);
}

test('sticky: the conversation is its instructions and the first words of the user, for any model', () => {
  const hash = (...messages: readonly Message[]) => stickyHash(conversation(...messages), 'conversation');
  const start = [message('developer', 'Be brief.'), message('system', 'Be kind.'), message('user', 'Hello.')];
  const same = hash(...start);
  assert.equal(hash(...start, message('assistant', 'Hi.'), message('user', 'Bye.')), same);
  assert.equal(hash(...start, message('system', 'Be rude.')), same);
  assert.equal(stickyHash(callOf({ messages: start, model: 'another' }), 'conversation'), same);
  assert.notEqual(hash(message('developer', 'Be long.'), ...start.slice(1)), same);
  assert.notEqual(hash(...start.slice(0, 2), message('user', 'Hello!')), same);
  const image: Message = { role: 'user', blocks: [{ type: 'image', url: 'https://example.com/a.png', at: 'messages[0].content[0]' }] };
  const other: Message = { role: 'user', blocks: [{ type: 'image', url: 'https://example.com/b.png', at: 'messages[0].content[0]' }] };
  assert.notEqual(hash(image), hash(other));
});

test('sticky: long texts differ by their beginning, their end or their length', () => {
  const hash = (text: string) => stickyHash(conversation(message('user', text)), 'conversation');
  const long = 'x'.repeat(100_000);
  assert.equal(hash(long), hash('x'.repeat(100_000)));
  assert.notEqual(hash(long), hash(`${long}x`));
  assert.notEqual(hash(`y${long}`), hash(`x${long}`));
  assert.notEqual(hash(`${long}y`), hash(`${long}x`));
});

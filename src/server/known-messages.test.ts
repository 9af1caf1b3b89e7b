/** Conversations that go on: the same request means the same, whoever has sent what before it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pick, seeded } from '../../test/support/random.ts';
import { estimatePrompt } from '../gateway/prompt-estimate.ts';
import { parseChatRequest } from '../protocols/openai-chat/accept.ts';
import { wires } from '../protocols/index.ts';
import type { Wire } from '../protocols/wire.ts';
import { parseBody } from './body.ts';
import type { Sender } from './body-memory.ts';
import { createKnownMessages } from './known-messages.ts';
import { createKnownTools } from './known-tools.ts';

const WORDS = 'and so on, ü "quoted" 😀 [,] {:} \\ '.repeat(60);
const says = (role: string, content: string) => ({ role, content });
const TALK = [
  says('system', `Be helpful. ${WORDS}`),
  says('user', `One? ${WORDS}`),
  says('assistant', 'One.'),
  says('user', `Two? ${WORDS}`),
  says('assistant', 'Two.'),
  says('user', 'Three?'),
];
const CALLED = [
  { role: 'assistant', content: null, tool_calls: [{ id: 'c1', type: 'function', function: { name: 'look', arguments: '{"a":[1,{}]}' } }] },
  { role: 'tool', tool_call_id: 'c1', content: [{ type: 'text', text: 'seen' }] },
];
const asArray = (messages: readonly unknown[]): string => JSON.stringify(messages);
const request = (messages: string): string => `{"model":"m","messages":${messages},"seed":1}`;

const sender = (id = 'a'): Sender => ({ id, tools: createKnownTools(), messages: createKnownMessages() });
const parsed = (text: string, by: Sender, depth = 64) => parseBody(Buffer.from(text), depth, by);
const messagesOf = (messages: readonly unknown[] | string, by: Sender, depth = 64): readonly unknown[] => {
  const text = request(typeof messages === 'string' ? messages : asArray(messages));
  const { value, written } = parsed(text, by, depth);
  assert.deepEqual(value, JSON.parse(text));
  assert.equal(Buffer.from(written?.get('messages') ?? []).toString(), typeof messages === 'string' ? messages : asArray(messages));
  return (value as { messages: readonly unknown[] }).messages;
};
/** How many of the first messages are those very values. */
const shared = (one: readonly unknown[], other: readonly unknown[]): number => {
  const end = one.findIndex((message, at) => message !== other[at]);
  return end < 0 ? one.length : end;
};

test('known messages: what was sent before is parsed once, as the conversation goes on', () => {
  const by = sender();
  const first = messagesOf(TALK, by);
  assert.equal(shared(first, messagesOf(TALK, by)), 6);
  const next = messagesOf([...TALK, ...CALLED], by);
  assert.equal(shared(first, next), 6);
  const last = messagesOf([...TALK, ...CALLED, says('user', 'ö')], by);
  assert.equal(shared(next, last), 8);
  // that of the first turn has made way for those that go on from it
  assert.equal(shared(last, messagesOf(TALK.slice(0, 5), by)), 0);
});

test('known messages: where the last ones were changed, those before them are known', () => {
  const by = sender();
  let before = messagesOf(TALK, by);
  for (const [dropped, known] of [
    [1, 5],
    [2, 4],
    [3, 3],
    [4, 0],
  ] as const) {
    const by2 = sender();
    before = messagesOf(TALK, by2);
    const changed = [...TALK.slice(0, -dropped), { ...TALK.at(-dropped), name: 'x' }, says('assistant', 'Well.')];
    assert.equal(shared(before, messagesOf(changed, by2)), known, String(dropped));
  }
});

test('known messages: as others write them, with white space, and in whatever place of the body', () => {
  const by = sender();
  const spaced = (messages: readonly unknown[]): string => `\n ${JSON.stringify(messages, undefined, 2)} `;
  const first = messagesOf(spaced(TALK), by);
  assert.equal(shared(first, messagesOf(spaced([...TALK, says('assistant', 'x')]), by)), 6);
  const { value } = parsed(`\uFEFF{"ä":"é","messages":${spaced(TALK)}}`, by);
  assert.equal(shared(first, (value as { messages: readonly unknown[] }).messages), 6);
  assert.equal(shared(first, messagesOf(TALK, by)), 0);
});

test('known messages: each sender’s are its own, and neither questions nor what is small or huge is held', () => {
  const by = sender();
  const first = messagesOf(TALK, by);
  assert.equal(shared(first, messagesOf(TALK, { ...by, id: 'b' })), 0);
  assert.equal(shared(first, messagesOf(TALK, by)), 6);
  for (const messages of [
    TALK.slice(0, 2),
    [says('assistant', 'x'.repeat(3000)), says('user', 'y')],
    [...TALK, says('user', 'x'.repeat(1_100_000))],
  ]) {
    const again = sender();
    assert.equal(shared(messagesOf(messages, again), messagesOf(messages, again)), 0);
  }
});

test('known messages: nested deeper than is allowed now, they are refused', () => {
  const by = sender();
  const first = messagesOf([...TALK, ...CALLED], by, 10);
  assert.throws(() => parsed(request(asArray([...TALK, ...CALLED])), by, 5), /more than 5 levels/);
  assert.throws(() => parsed(request(`${asArray([...TALK, ...CALLED]).slice(0, -1)},[[[[[[[[[1]]]]]]]]]]`), by, 10), /more than 10 levels/);
  assert.equal(shared(first, messagesOf([...TALK, ...CALLED], by, 20)), 8);
});

test('known messages: those that were not asked for the longest make way', () => {
  const by = sender();
  const talk = (name: string) => [says('system', name), ...TALK];
  const first = messagesOf(talk('a'), by);
  for (let count = 0; count < 31; count++) messagesOf(talk(`b${count}`), by);
  assert.equal(shared(first, messagesOf(talk('a'), by)), 7);
  for (let count = 0; count < 32; count++) messagesOf(talk(`c${count}`), by);
  assert.equal(shared(first, messagesOf(talk('a'), by)), 0);
  const large = (name: string) => [says('system', name), says('assistant', 'x'.repeat(1_000_000))];
  const one = messagesOf(large('a'), by);
  assert.equal(shared(one, messagesOf(large('a'), by)), 2);
  for (let count = 0; count < 8; count++) messagesOf(large(`b${count}`), by);
  assert.equal(shared(one, messagesOf(large('a'), by)), 0, 'of 8 MiB');
});

test('known messages: whatever was sent before, a body means what it means alone, or is refused in the same words', () => {
  const random = seeded(37);
  const by = sender();
  const outcome = (parse: () => unknown): unknown => {
    try {
      return parse();
    } catch (error) {
      return (error as Error).message;
    }
  };
  const PIECES = [
    ',',
    ',',
    ']',
    '[',
    '{',
    '}',
    '"',
    '1',
    ' ',
    '\\',
    ':',
    '"messages":',
    '"\\u006dessages":',
    'null',
    '[]',
    '{}',
    '5,',
    '"tools":[],',
  ];
  const ODD = ['1', '-0', 'null', '"a,]"', '[]', '[{},[1,2]]', '{"role":"assistant","role":1}', '{"a":{"b":[",",{}]}}'];
  const message = (): string => (random() < 0.2 ? pick(ODD, random) : JSON.stringify(pick([...TALK, ...CALLED], random)));
  let talk = TALK.map((one) => JSON.stringify(one));
  let [valid, reused] = [0, 0];
  for (let round = 0; round < 4000; round++) {
    // a conversation that goes on, is changed at its end, begins anew, or was another one
    const turn = random();
    if (turn < 0.5) talk = [...talk, message()];
    else if (turn < 0.7) talk = [...talk.slice(0, -Math.ceil(random() * 5)), message()];
    else if (turn < 0.75 || talk.length > 30)
      talk = [...TALK.slice(0, Math.ceil(random() * 6)).map((one) => JSON.stringify(one)), message()];
    const comma = pick([',', ',', ',', ' ,', ',\n'], random);
    const array = `${pick(['', '', ' '], random)}[${talk.join(comma)}${pick(['', '', ' ', '\n'], random)}]`;
    const other = (): string =>
      pick(['"model":"m"', '"tools":[]', '"n":1', `"messages":${pick(['1', '[]', array], random)}`, `"\\u006dessages":1`], random);
    const fields = [...(random() < 0.3 ? [other()] : []), `"messages":${array}`, ...(random() < 0.3 ? [other()] : [])].join(',');
    const at = Math.floor(random() * (fields.length + 1));
    const broken = random();
    const text =
      broken < 0.6 ? `{${fields}}` : `{${fields.slice(0, at)}${pick(PIECES, random)}${fields.slice(at + (broken < 0.8 ? 0 : 1))}}`;
    const alone = outcome(() => parseBody(Buffer.from(text), 64).value);
    const known = outcome(() => parsed(text, by).value);
    assert.deepEqual(known, alone, text.slice(0, 200));
    if (typeof alone !== 'object') continue;
    valid++;
    const again = outcome(() => parsed(text, by).value) as { messages: unknown };
    const [one, two] = [(known as { messages: unknown }).messages, again.messages];
    if (Array.isArray(one) && Array.isArray(two) && one.length > 0 && shared(one, two) > 0) reused++;
  }
  assert.ok(valid > 2000 && valid < 3800 && reused > 1000, `${valid} valid, ${reused} reused`);
});

test('known messages: the estimate of a prompt is that of the request itself, with images, audio and marks of what to cache', () => {
  const by = sender();
  const parts = says('user', '') as { role: string; content: unknown };
  const rich = [
    {
      ...parts,
      content: [
        { type: 'image_url', image_url: { url: 'https://x.test/a.png' } },
        { type: 'text', text: WORDS },
      ],
    },
    says('assistant', 'Nice.'),
    { ...parts, content: [{ type: 'input_audio', input_audio: { data: 'aaaa'.repeat(400), format: 'wav' } }] },
    says('assistant', 'Loud.'),
    { ...parts, content: [{ type: 'text', text: 'kept', cache_control: { type: 'ephemeral', ttl: '1h' } }] },
  ];
  const estimate = (messages: readonly unknown[]) => {
    const { value, written } = parsed(request(asArray(messages)), by);
    return estimatePrompt(parseChatRequest(value, { strict: false, written }));
  };
  const all = [...TALK, ...CALLED, ...rich, ...TALK.slice(1)];
  const lengths = [6, 6, 8, 9, 11, 12, 13, 18, 18, 9, 10, 6];
  for (const length of lengths) {
    const messages = all.slice(0, length);
    const alone = estimatePrompt(parseChatRequest(JSON.parse(request(asArray(messages))), { strict: false }));
    assert.deepEqual(estimate(messages), alone, String(length));
    assert.deepEqual(estimate([...messages, says('user', 'bye')]).longCache, alone.longCache);
  }
});

test('known messages: nobody who writes a request changes them', () => {
  const freeze = (value: unknown): void => {
    if (typeof value !== 'object' || value === null) return;
    Object.freeze(value);
    Object.values(value).forEach(freeze);
  };
  const by = sender();
  const text = request(asArray([...TALK, ...CALLED]));
  parsed(text, by);
  const { value, written } = parsed(text, by);
  freeze(value);
  for (const [name, wire] of Object.entries(wires)) {
    const accepted = parseChatRequest(value, { strict: false, written });
    for (const quirks of [{}, { developerRole: false, systemRole: false }]) {
      const target = { provider: 'p', upstreamModel: 'm', model: 'p/m', baseUrl: 'https://provider.test/v1', quirks, facts: {} };
      assert.ok((wire as Wire).prepare(accepted, target, { id: 'chatcmpl-1', created: 1 }).call.body, name);
    }
  }
});

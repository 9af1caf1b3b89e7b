import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { feed } from '../../../test/support/chat-wire.ts';
import { createFramePasser } from './answer-raw.ts';
import { learnPattern } from './frame-pattern.ts';
import type { FramePattern } from './frame-pattern.ts';

type Form = (inside: string, padding: string) => string;

const HEAD = '"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"theirs"';
/** Frames as servers write them, around the inside of a string and a padding. */
const FORMS: Readonly<Record<string, Form>> = {
  plain: (text) => `{${HEAD},"choices":[{"index":0,"delta":{"content":"${text}"},"logprobs":null,"finish_reason":null}]}`,
  'with usage to come': (text) => `{${HEAD},"choices":[{"index":0,"delta":{"content":"${text}"},"finish_reason":null}],"usage":null}`,
  padded: (text, padding) =>
    `{${HEAD},"choices":[{"index":0,"delta":{"content":"${text}"},"finish_reason":null}],"obfuscation":"${padding}"}`,
  'with blanks': (text) => `{ ${HEAD}, "choices": [ {"index": 0, "delta": {"role": "assistant", "content": "${text}"} } ] }`,
  reasoning: (text) => `{${HEAD},"choices":[{"index":0,"delta":{"content":null,"reasoning_content":"${text}"},"finish_reason":null}]}`,
  'the model behind the choices': (text) => `{"id":"x","choices":[{"index":0,"delta":{"content":"${text}"}}],"model":"theirs"}`,
  'a trap before it': (text) => `{"id":"\\"content\\":\\"x\\"",${HEAD},"choices":[{"index":0,"delta":{"content":"${text}"}}]}`,
  'the same twice': (text) => `{${HEAD},"choices":[{"index":0,"delta":{"content":"x","content":"${text}"}}]}`,
};

const pass = createFramePasser({ model: 'prov/theirs', provider: 'prov', includeUsage: false, providerState: false });

function learned(data: string, text: string): FramePattern | undefined {
  return learnPattern({ chunk: JSON.parse(data) as Record<string, unknown>, data, text, pass });
}

test('frame pattern: a frame is known by the one before it, whatever the text, and passes as it would have', () => {
  for (const name of [
    'plain',
    'with usage to come',
    'padded',
    'with blanks',
    'reasoning',
    'the model behind the choices',
    'a trap before it',
  ]) {
    const form = FORMS[name];
    const pattern = form && learned(form('Hello', 'abc'), 'Hello');
    assert.ok(pattern, name);
    for (const text of [' world', '"', '\\', 'a\nb', '東京 😀', '"},"finish_reason":"stop"}', '","obfuscation":"', 'x'.repeat(3000)]) {
      const data = form(JSON.stringify(text).slice(1, -1), 'Zz09');
      assert.deepEqual(pattern.match(data), { text, raw: pass(JSON.parse(data) as Record<string, unknown>, data) }, `${name}: ${text}`);
    }
  }
});

test('frame pattern: a frame that says anything else is not known', () => {
  const { plain, padded } = FORMS;
  assert.ok(plain && padded);
  const pattern = learned(plain('Hello', ''), 'Hello');
  const paddedPattern = learned(padded('Hello', 'abc'), 'Hello');
  assert.ok(pattern && paddedPattern);
  const others = {
    'an end': plain('x', '').replace('"finish_reason":null', '"finish_reason":"stop"'),
    'another id': plain('x', '').replace('chatcmpl-1', 'chatcmpl-2'),
    'another field': plain('x', '').replace('"delta":{', '"delta":{"refusal":"no",'),
    'a field behind the text': plain('x","role":"assistant', ''),
    'an empty text': plain('', ''),
    'half a character': plain('\\ud83d', ''),
    'no JSON': plain('a\nb', ''),
    'a broken escape': plain('\\x', ''),
    'a quotation mark without its escape': plain('a"b', ''),
    'an escape of the mark at the end': plain('a\\', ''),
    'less than what is around': plain('', '').slice(0, 90),
  };
  for (const [name, data] of Object.entries(others)) assert.equal(pattern.match(data), undefined, name);
  for (const data of [padded('a', 'b\\'), padded('a', 'b"c'), padded('a"b', 'c'), padded('', 'c'), plain('a', '')])
    assert.equal(paddedPattern.match(data), undefined, data);
});

test('frame pattern: nothing is learned where the place of the text is not sure, or the frame says more', () => {
  const { plain } = FORMS;
  assert.ok(plain && FORMS['the same twice']);
  assert.equal(learned(FORMS['the same twice']('x', ''), 'x'), undefined);
  assert.equal(learned(plain('\\u0041', ''), 'A'), undefined);
  assert.equal(learned(plain('A', '').replace('null}]', '"stop"}]'), 'A'), undefined);
  assert.equal(learned(plain('A', '').replace('"delta":{', '"delta":{"tool_calls":[{"index":0}],'), 'A'), undefined);
  assert.equal(learned(plain('A', '').replace(',"choices"', ',"usage":{"prompt_tokens":1},"choices"'), 'A'), undefined);
  assert.equal(learned(plain('A', '').replace('"choices":[', '"choices":[{"index":1,"delta":{}},'), 'A'), undefined);
  assert.equal(learned(plain('parlance-text-probe', ''), 'parlance-text-probe'), undefined);
});

const TEXTS = [
  '',
  'a',
  ' word',
  '"',
  '\\',
  '\n',
  'é',
  '😀',
  '<think>',
  '"content":"x"',
  '\ud83d',
  '\ude00',
  '\u0000',
  '\u2028',
  'parlance-text-probe',
];
const spelled = fc.constantFrom(...TEXTS).chain((text) =>
  fc.constantFrom(
    JSON.stringify(text).slice(1, -1),
    // every character as an escape
    [...text]
      .flatMap((one) => one.split(''))
      .map((one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, '0')}`)
      .join(''),
  ),
);
const OTHERS = [
  `{${HEAD},"choices":[{"index":0,"delta":{"content":"[1]"}}],"citations":["https://example.com/a"]}`,
  `{${HEAD},"choices":[]}`,
  `{${HEAD},"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}`,
  `{${HEAD},"choices":[{"index":0,"delta":{"refusal":"no"}}]}`,
  `{${HEAD},"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":"{}"}}]}}]}`,
];
const frame = fc.oneof(
  {
    weight: 9,
    arbitrary: fc
      .tuple(fc.constantFrom('plain', 'plain', 'padded', ...Object.keys(FORMS)), spelled, fc.constantFrom('', 'a', 'abc'))
      .map(([name, inside, padding]) => FORMS[name]?.(inside, padding) ?? ''),
  },
  { weight: 1, arbitrary: fc.constantFrom(...OTHERS) },
);
const END = `{${HEAD},"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}`;

/** Says nothing, and is like no other. */
const APART = `{${HEAD},"choices":[{"index":0,"delta":{}}]}`;

test('frame pattern: any stream gives the events of one whose frames are read one by one, and passes frame by frame', () => {
  fc.assert(
    fc.property(fc.array(frame, { maxLength: 12 }), fc.boolean(), (frames, includeUsage) => {
      const all = [...frames, END];
      const request = { stream_options: { include_usage: includeUsage } };
      const passing = { quirks: { faithful: true }, request };
      for (const how of [passing, { request }]) {
        const eventsOf = (chunks: readonly string[]) => feed(chunks, how).flatMap(({ events }) => events);
        assert.deepEqual(eventsOf(all), eventsOf(all.flatMap((one) => [one, APART])));
      }
      const each = createFramePasser({ model: 'prov/theirs', provider: 'prov', includeUsage, providerState: false });
      assert.deepEqual(
        feed(all, passing)
          .slice(0, all.length)
          .map(({ raw }) => raw),
        all.map((data) => each(JSON.parse(data) as Record<string, unknown>, data)),
      );
    }),
    { numRuns: 500 },
  );
});

test('frame pattern: of a long stream few frames are parsed, also where the text changes its kind', (t) => {
  const { plain, reasoning } = FORMS;
  assert.ok(plain && reasoning);
  const frames = [
    ...Array.from({ length: 50 }, (_, at) => reasoning(`r${at}`, '')),
    ...Array.from({ length: 50 }, (_, at) => plain(`t${at}`, '')),
    END,
  ];
  for (const quirks of [{ faithful: true }, {}]) {
    const parse = t.mock.method(JSON, 'parse');
    const events = feed(frames, { quirks }).flatMap((batch) => batch.events);
    parse.mock.restore();
    assert.equal(events.filter(({ type }) => type === 'block_delta').length, 100);
    // the first of each kind opens its block, the second is learned from, and proved by parsing once more
    assert.ok(parse.mock.callCount() < 10, `${parse.mock.callCount()}`);
  }
});

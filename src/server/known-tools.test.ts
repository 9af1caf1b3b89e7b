/** Tools that were sent before: the same request means the same, whoever has sent what before it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pick, seeded } from '../../test/support/random.ts';
import { estimatePromptTokens } from '../gateway/prompt-estimate.ts';
import { parseChatRequest } from '../protocols/openai-chat/accept.ts';
import { wires } from '../protocols/index.ts';
import type { Wire } from '../protocols/wire.ts';
import { parseBody } from './body.ts';
import { createKnownMessages } from './known-messages.ts';
import { createKnownTools } from './known-tools.ts';
import type { KnownTools } from './known-tools.ts';

const tool = (name: string) => ({
  type: 'function',
  function: {
    name,
    description: 'ä'.repeat(1100),
    parameters: { type: 'object', properties: { a: { type: ['string', 'null'], title: '😀' } } },
  },
});
const TOOLS = JSON.stringify([tool('one'), tool('two')]);
const OTHERS = JSON.stringify([tool('one'), tool('six')]);
const MESSAGES = '[{"role":"user","content":"Grüße"}]';
const request = (tools = TOOLS): string => `{"model":"m","messages":${MESSAGES},"tools":${tools},"seed":1}`;

const parsed = (text: string, tools: KnownTools, { id = 'a', depth = 64 } = {}) =>
  parseBody(Buffer.from(text), depth, { id, tools, messages: createKnownMessages() });
const toolsOf = (text: string, tools: KnownTools, asked = {}): unknown => (parsed(text, tools, asked).value as { tools: unknown }).tools;

test('known tools: the same bytes of the same sender are parsed once', () => {
  const known = createKnownTools();
  const first = toolsOf(request(), known);
  assert.deepEqual(first, JSON.parse(TOOLS));
  assert.equal(toolsOf(request(), known), first);
  assert.equal(toolsOf(`\uFEFF{"tools":${TOOLS},"model":"ö"}`, known), first);
  assert.notEqual(toolsOf(request(), known, { id: 'b' }), first);
  assert.notEqual(toolsOf(request(` ${TOOLS}`), known), first);
  assert.deepEqual(toolsOf(request(OTHERS), known), JSON.parse(OTHERS));
  assert.equal(toolsOf(request(), known), first);
  const { written } = parsed(request(), known);
  assert.equal(Buffer.from(written?.get('tools') ?? []).toString(), TOOLS);
});

test('known tools: nested deeper than is allowed now, they are refused', () => {
  const known = createKnownTools();
  const first = toolsOf(request(), known, { depth: 10 });
  assert.throws(() => parsed(request(), known, { depth: 4 }), /more than 4 levels/);
  assert.equal(toolsOf(request(), known, { depth: 20 }), first);
});

test('known tools: the oldest make way', () => {
  const known = createKnownTools();
  const first = toolsOf(request(), known);
  for (let count = 0; count < 31; count++) toolsOf(request(JSON.stringify([tool(`f${count}`)])), known);
  assert.equal(toolsOf(request(), known), first);
  for (let count = 0; count < 32; count++) toolsOf(request(JSON.stringify([tool(`g${count}`)])), known);
  assert.notEqual(toolsOf(request(), known), first);
  const large = request(JSON.stringify([tool('x'.repeat(200_000))]));
  assert.notEqual(toolsOf(large, known), toolsOf(large, known), 'large ones are not held');
});

test('known tools: whatever was sent before, a body means what it means alone, or is refused in the same words', () => {
  const random = seeded(36);
  const known = createKnownTools();
  const PIECES = [
    TOOLS,
    OTHERS,
    `${TOOLS} `,
    '"tools":',
    '"\\u0074ools":',
    ',',
    ',',
    '{',
    '}',
    '1',
    '"',
    ':',
    MESSAGES,
    '"model":"m"',
    '"a":',
    ']',
  ];
  const outcome = (parse: () => unknown): unknown => {
    try {
      return parse();
    } catch (error) {
      return (error as Error).message;
    }
  };
  let valid = 0;
  for (let round = 0; round < 20_000; round++) {
    const field = (): string =>
      pick(['"tools":', '"\\u0074ools":', '"model":', '"tools" :'], random) + pick([TOOLS, OTHERS, '1', `${TOOLS} `], random);
    const fields = Array.from({ length: 1 + Math.floor(random() * 3) }, field).join(',');
    const at = Math.floor(random() * 40);
    const text =
      random() < 0.5
        ? `{${fields}}`
        : random() < 0.5
          ? `{${fields}${pick(PIECES, random)}}`
          : `{${fields.slice(0, at)}${pick(PIECES, random)}${fields.slice(at)}}`;
    const alone = outcome(() => parseBody(Buffer.from(text), 64).value);
    assert.deepEqual(
      outcome(() => parsed(text, known).value),
      alone,
      text.slice(0, 200),
    );
    if (typeof alone === 'object') valid++;
  }
  assert.ok(valid > 5000 && valid < 19_000, String(valid));
});

test('known tools: the estimate of a prompt is that of the request itself', () => {
  const known = createKnownTools();
  const estimate = (text: string): number => {
    const { value, written } = parsed(text, known);
    return estimatePromptTokens(parseChatRequest(value, { strict: false, written }));
  };
  const alone = (text: string): number => estimatePromptTokens(parseChatRequest(JSON.parse(text), { strict: false }));
  const functions = (words: string): string =>
    `{"model":"m","messages":${MESSAGES},"tools":[${' '.repeat(1100)}],"functions":[{"name":"f","description":"${words}"}]}`;
  for (const text of [request(), request(), request(OTHERS), functions('x'), functions('x '.repeat(5000)), functions('x'), request()])
    assert.equal(estimate(text), alone(text), text.slice(-60));
});

test('known tools: nobody who writes a request changes them', () => {
  const freeze = (value: unknown): void => {
    if (typeof value !== 'object' || value === null) return;
    Object.freeze(value);
    Object.values(value).forEach(freeze);
  };
  const known = createKnownTools();
  parsed(request(), known);
  const { value, written } = parsed(request(), known);
  freeze(value);
  const quirks = { schemaKeywords: { refused: ['title'] }, strictTools: false };
  for (const [name, wire] of Object.entries(wires)) {
    const accepted = parseChatRequest(value, { strict: false, written });
    for (const some of [{}, quirks]) {
      const target = {
        provider: 'p',
        upstreamModel: 'm',
        model: 'p/m',
        baseUrl: 'https://provider.test/v1',
        quirks: some,
        facts: {},
      };
      const { prepare } = wire as Wire;
      assert.ok(prepare(accepted, target, { id: 'chatcmpl-1', created: 1 }).call.body, name);
    }
  }
});

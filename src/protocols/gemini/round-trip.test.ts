/** What goes out, read back by a small reader that knows nothing of how it was written, says what the client said. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { wholeText } from '../../core/json-pieces.ts';
import { reachingRequests } from '../../../test/support/generated-requests.ts';
import { GatewayError } from '../../core/error.ts';
import { gemini, prepare, sent, vertex } from './testing.ts';
import type { Sent } from './testing.ts';

interface ReadPart {
  readonly text?: string;
  readonly thought?: boolean;
  readonly inlineData?: { readonly mimeType: string; readonly data: string };
  readonly fileData?: { readonly fileUri: string };
  readonly functionCall?: { readonly id?: string; readonly name: string; readonly args: unknown };
  readonly functionResponse?: { readonly id?: string; readonly name: string; readonly response: Readonly<Record<string, unknown>> };
}

/** The conversation line by line: `user: …`, `call f(…)`, `f answers …`. Blanks that only fill a turn are left out. */
function read(body: Sent): string[] {
  const system = (body.systemInstruction?.parts ?? []).map(({ text }) => `system: ${text}`);
  const said = body.contents.flatMap(({ role, parts }) => (parts as readonly ReadPart[]).flatMap((part) => readPart(role, part)));
  return [...system, ...said];
}

function readPart(role: string, { text, thought, inlineData, fileData, functionCall, functionResponse }: ReadPart): string[] {
  if (functionCall) return [`call ${functionCall.name}(${JSON.stringify(functionCall.args)})`];
  if (functionResponse) {
    const { output = functionResponse.response } = functionResponse.response;
    return [`${functionResponse.name} answers ${typeof output === 'string' ? output : JSON.stringify(output)}`];
  }
  if (inlineData) return [`${role} shows ${inlineData.mimeType} ${inlineData.data}`];
  if (fileData) return [`${role} shows ${fileData.fileUri}`];
  return thought || text === undefined || text === ' ' ? [] : [`${role}: ${text}`];
}

/** The API's own rules for a conversation. */
function checkForm({ contents }: Sent): void {
  assert.equal(contents[0]?.role, 'user', 'the user opens it');
  for (const [at, { role, parts }] of contents.entries()) {
    assert.notEqual(contents[at - 1]?.role, role, 'turns alternate');
    assert.ok(parts.length > 0, 'no turn is empty');
    for (const part of parts) assert.notEqual(part.text, '', 'no text is empty');
    const calls = parts.flatMap(({ functionCall }) => functionCall?.name ?? []);
    const answers = contents[at + 1]?.parts.flatMap(({ functionResponse }) => functionResponse?.name ?? []) ?? [];
    if (calls.length > 0) assert.deepEqual(answers, calls, 'every call is answered in the next turn, in order');
  }
}

const word = fc.string({ minLength: 1, maxLength: 12 }).filter((one) => one !== ' ');
const args = fc.dictionary(fc.stringMatching(/^[a-z]{1,4}$/), fc.oneof(word, fc.integer(), fc.boolean()), { maxKeys: 2 });
const callOf = fc.record({ name: fc.constantFrom('get_weather', 'get_time'), input: args, result: word });

interface Turn {
  readonly messages: readonly object[];
  readonly lines: readonly string[];
}

const image = fc.constant<Turn>({
  messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url: 'data:image/png;base64,iVBORw0KGgo=' } }] }],
  lines: ['user shows image/png iVBORw0KGgo='],
});
const user = word.map((text): Turn => ({ messages: [{ role: 'user', content: text }], lines: [`user: ${text}`] }));
const silence = fc.constant<Turn>({ messages: [{ role: 'user', content: '' }], lines: [] });
const parts = fc.array(word, { minLength: 1, maxLength: 3 }).map((texts): Turn => {
  return {
    messages: [{ role: 'user', content: texts.map((text) => ({ type: 'text', text })) }],
    lines: texts.map((text) => `user: ${text}`),
  };
});
const model = word.map((text): Turn => ({ messages: [{ role: 'assistant', content: text }], lines: [`model: ${text}`] }));
const late = word.map((text): Turn => ({ messages: [{ role: 'system', content: text }], lines: [`user: ${text}`] }));

/** Parallel calls, answered in another order than they were made. */
const calls = fc.record({ calls: fc.array(callOf, { minLength: 1, maxLength: 3 }), salt: fc.nat() }).map(({ calls: made, salt }): Turn => {
  const tool_calls = made.map(({ name, input }, at) => {
    return { id: `c${salt}_${at}`, type: 'function', function: { name, arguments: JSON.stringify(input) } };
  });
  const results = made.map(({ result }, at) => ({ role: 'tool', tool_call_id: `c${salt}_${at}`, content: `r ${result}` }));
  return {
    messages: [{ role: 'assistant', content: null, tool_calls }, ...results.toReversed()],
    lines: [
      ...made.map(({ name, input }) => `call ${name}(${JSON.stringify(input)})`),
      ...made.map(({ name, result }) => `${name} answers r ${result}`),
    ],
  };
});

const conversation = fc.record({
  system: fc.option(word),
  first: user,
  turns: fc.array(fc.oneof(user, parts, image, silence, model, late, calls), { maxLength: 6 }),
});

describe('gemini: round trips', () => {
  for (const target of [gemini(), gemini('gemini-2.5-flash'), vertex()]) {
    test(`a conversation with ${target.model} says the same`, () => {
      fc.assert(
        fc.property(conversation, ({ system, first, turns }) => {
          const instruction = system === null ? [] : [{ role: 'system', content: system }];
          const all = [first, ...turns];
          const body = sent({ messages: [...instruction, ...all.flatMap(({ messages }) => messages)] }, target);
          checkForm(body);
          assert.deepEqual(read(body), [...(system === null ? [] : [`system: ${system}`]), ...all.flatMap(({ lines }) => lines)]);
        }),
        { numRuns: 100 },
      );
    });
  }

  test('whatever reaches it goes out in good form, or is refused by its place', () => {
    for (const target of [gemini(), gemini('gemini-2.5-flash'), vertex('gemini-2.5-flash')]) {
      fc.assert(
        fc.property(reachingRequests('m'), (body) => {
          try {
            const { call, ignored } = prepare(body, target);
            checkForm(JSON.parse(wholeText(call.body)) as Sent);
            assert.equal(new Set(ignored).size, ignored.length);
          } catch (error) {
            if (!(error instanceof GatewayError)) throw error;
            assert.ok(error.status === 400 && error.param !== null, error.message);
          }
        }),
        { numRuns: 100 },
      );
    }
  });
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { textOf } from '../../core/chat.ts';
import type { Annotation, ChatResponse } from '../../core/chat.ts';
import { stopAt } from './stop-at.ts';
import { answer, call, folded, reshaped, said, score, spelled, text, textAfter, through } from './testing.ts';

const content = (response: ChatResponse): string => textOf(response.choices[0]?.blocks ?? []);
const cite = (start: number, end: number): Annotation => ({ type: 'url_citation', url: 'https://a.example', title: 'A', start, end });

test('stop: the answer ends before the stop string, whatever the deltas', () => {
  const stopped = reshaped(() => stopAt(['STOP']), answer({ blocks: [text('one STO two STOP three')], reason: 'length' }));
  assert.equal(content(stopped), 'one STO two ');
  assert.equal(stopped.choices[0]?.reason, 'stop');
  assert.equal(stopped.usage?.completionTokens, 2);
});

test('stop: a text without the string comes through unchanged, its end too', () => {
  const response = answer({ blocks: [text('abc ST'), { type: 'reasoning', text: 'STOP' }, call('f', '{"a":"STOP"}')], reason: 'length' });
  assert.deepEqual(
    reshaped(() => stopAt(['STOP', '']), response),
    response,
  );
});

test('stop: a stop string across two blocks of text counts', () => {
  const stopped = reshaped(() => stopAt(['STOP']), said(text('one ST'), text('OP two'), text('three')));
  assert.equal(content(stopped), 'one ');
});

test('stop: of overlapping strings the one counts that is complete first, the longer where both are', () => {
  assert.equal(content(reshaped(() => stopAt(['abcd', 'bc']), said(text('xabcdy')))), 'xa');
  assert.equal(content(reshaped(() => stopAt(['c', 'abc']), said(text('xabcdy')))), 'x');
  assert.equal(content(reshaped(() => stopAt(['aab']), said(text('aaab')))), 'a');
});

test('stop: calls after the string are swallowed, calls before it stay and are the reason', () => {
  const after = reshaped(() => stopAt(['.']), said(text('Done. And'), call('f', '{}')));
  assert.deepEqual(after.choices[0], { blocks: [text('Done')], reason: 'stop' });
  const before = reshaped(() => stopAt(['.']), said(call('f', '{}'), text('Done. And')));
  assert.deepEqual(before.choices[0], { blocks: [call('f', '{}'), text('Done')], reason: 'tool_calls' });
});

test('stop: a call does not wait for text that may be the beginning of a stop string', () => {
  const step = stopAt(['\n\nHuman:']);
  assert.deepEqual(textAfter(step, ['Let me see\n\n']), ['Let me see']);
  const out = step.push([
    { type: 'block_end', choice: 0, block: 0 },
    { type: 'block_start', choice: 0, block: 1, of: { type: 'tool_call', id: 'c', kind: 'function', name: 'f' } },
  ]);
  assert.deepEqual(
    out.map(({ type }) => type),
    ['block_start'],
  );
  const rest = step.push([
    { type: 'block_end', choice: 0, block: 1 },
    { type: 'finish', choice: 0, reason: 'tool_calls' },
  ]);
  assert.deepEqual(
    rest.map((event) => (event.type === 'block_delta' ? event.text : event.type)),
    ['block_end', '\n\n', 'block_end', 'finish'],
  );
});

test('stop: no more is held back than what may be the beginning of a stop string', () => {
  assert.deepEqual(textAfter(stopAt(['STOP', 'TOP!']), ['a S', 'T', 'x', 'TOP', 'S']), ['a ', '', 'STx', '', 'TOP']);
});

test('stop: log probabilities are cut with the text', () => {
  const logprobs = ['Hel', 'lo ST', 'OP', ' you'].map(score);
  const stopped = reshaped(() => stopAt(['STOP']), answer({ blocks: [text('Hello STOP you')], logprobs, reason: 'stop' }));
  assert.equal(spelled(stopped.choices[0]?.logprobs), 'Hello ');
  assert.deepEqual(stopped.choices[0]?.logprobs?.[1], { ...score('lo '), top: [] });
});

test('stop: citations of the text that is left stay, those of the rest go', () => {
  const annotations = [cite(0, 5), cite(4, 9), cite(12, 14)];
  const stopped = reshaped(() => stopAt(['STOP']), answer({ blocks: [text('Hello STOP you')], annotations, reason: 'stop' }));
  assert.deepEqual(stopped.choices[0]?.annotations, [cite(0, 5)]);
  const whole = answer({ blocks: [text('Hello ST')], annotations: [cite(0, 99)], reason: 'stop' });
  assert.deepEqual(
    reshaped(() => stopAt(['STOP']), whole),
    whole,
  );
});

test('stop: state of a block goes with it, and is dropped where the block was cut', () => {
  const state = { owner: 'p', data: 'sig' };
  const kept = said({ type: 'text', text: 'abc ST', state });
  assert.deepEqual(
    reshaped(() => stopAt(['STOP']), kept),
    kept,
  );
  assert.deepEqual(reshaped(() => stopAt(['STOP']), said({ type: 'text', text: 'abc STOP', state })).choices[0]?.blocks, [text('abc ')]);
});

test('stop: every choice is looked at by itself', () => {
  const stopped = reshaped(
    () => stopAt(['b']),
    answer({ blocks: [text('abc')], reason: 'stop' }, { blocks: [text('xyz')], reason: 'length' }),
  );
  assert.deepEqual(
    stopped.choices.map(({ blocks, reason }) => [textOf(blocks), reason]),
    [
      ['a', 'stop'],
      ['xyz', 'length'],
    ],
  );
});

test('stop: a call that was open already keeps its arguments whole', () => {
  const out = through(stopAt(['.']), [
    { type: 'start', id: 'chatcmpl-1', model: 'm', created: 1 },
    { type: 'block_start', choice: 0, block: 0, of: { type: 'tool_call', id: 'c', kind: 'function', name: 'f' } },
    { type: 'block_delta', choice: 0, block: 0, text: '{"a"' },
    { type: 'block_start', choice: 0, block: 1, of: { type: 'text' } },
    { type: 'block_delta', choice: 0, block: 1, text: 'a.b' },
    { type: 'block_delta', choice: 0, block: 0, text: ':1}' },
    { type: 'block_end', choice: 0, block: 0 },
    { type: 'block_end', choice: 0, block: 1 },
    { type: 'finish', choice: 0, reason: 'tool_calls' },
    { type: 'end' },
  ]);
  assert.deepEqual(folded(out).choices[0]?.blocks, [call('f', '{"a":1}', 'c'), text('a')]);
});

test('stop: any text, in any blocks, is cut where the first stop string is complete', () => {
  const letters = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 8 });
  const strings = fc.array(fc.string({ unit: fc.constantFrom('a', 'b', 'c'), minLength: 1, maxLength: 4 }), { maxLength: 3 });
  fc.assert(
    fc.property(fc.array(letters, { maxLength: 4 }), strings, (texts, stops) => {
      const all = texts.join('');
      let expected = all;
      for (let end = 1; end <= all.length && expected === all; end++) {
        const [longest] = stops.filter((stop) => all.slice(0, end).endsWith(stop)).toSorted((a, b) => b.length - a.length);
        if (longest !== undefined) expected = all.slice(0, end - longest.length);
      }
      assert.equal(content(reshaped(() => stopAt(stops), said(...texts.map(text)))), expected);
    }),
    { numRuns: 200 },
  );
});

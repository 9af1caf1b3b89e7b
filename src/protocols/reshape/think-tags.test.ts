import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Annotation, Block, ProviderState } from '../../core/chat.ts';
import { answer, call, reshaped, said, score, spelled, text, textAfter } from './testing.ts';
import { thinkTags } from './think-tags.ts';

const thought = (value: string): Block => ({ type: 'reasoning', text: value });
const blocks = (...given: readonly Block[]) => reshaped(thinkTags, said(...given)).choices[0]?.blocks;
const cite = (start: number, end: number): Annotation => ({ type: 'url_citation', url: 'https://a.example', title: 'A', start, end });

test('think tags: reasoning at the beginning of the text is taken out, whatever the deltas', () => {
  assert.deepEqual(blocks(text('<think>\nHm, 2 < 3.\n</think>\n\nYes.\nIt is.')), [thought('\nHm, 2 < 3.\n'), text('Yes.\nIt is.')]);
  assert.deepEqual(blocks(text(' \n<thinking>So</think> no</thinking>Yes')), [thought('So</think> no'), text('Yes')]);
});

test('think tags: elsewhere they are text', () => {
  for (const value of ['Use <think>a</think>', '<thin>', '<thinker>a</thinker>', '<', '<think', ' ', '', '<Think>a</Think>']) {
    assert.deepEqual(blocks(text(value)), [text(value)]);
  }
  assert.deepEqual(blocks(text('<think>a</think>b<think>c</think>')), [thought('a'), text('b<think>c</think>')]);
});

test('think tags: reasoning that never ends is reasoning to its end', () => {
  const cut = answer({ blocks: [text('<think>So much </thi')], reason: 'length' });
  assert.deepEqual(reshaped(thinkTags, cut).choices[0], { blocks: [thought('So much </thi')], reason: 'length' });
});

test('think tags: reasoning of nothing is none', () => {
  assert.deepEqual(blocks(text('<think>\n\n</think>\n\nYes')), [text('Yes')]);
  assert.deepEqual(blocks(text('<think></think>')), []);
});

test('think tags: tags and reasoning may go over several blocks of text', () => {
  assert.deepEqual(blocks(text('<thi'), text('nk>a'), text('b</th'), text('ink>\n'), text('\nYes')), [thought('ab'), text('Yes')]);
});

test('think tags: a call after the reasoning stays a call', () => {
  assert.deepEqual(blocks(text('<think>a</think>\n'), call('f', '{}')), [thought('a'), call('f', '{}')]);
  assert.deepEqual(blocks(text('<thi'), call('f', '{}'), text('nk>')), [text('<thi'), call('f', '{}'), text('nk>')]);
});

test('think tags: reasoning that the provider gave apart passes beside them', () => {
  assert.deepEqual(blocks(thought('x'), text('<think>a</think>b')), [thought('x'), thought('a'), text('b')]);
});

test('think tags: state stays with the text it came with', () => {
  const state: ProviderState = { owner: 'p', data: 's' };
  assert.deepEqual(blocks({ type: 'text', text: '<think>a</think>b', state }), [thought('a'), { type: 'text', text: 'b', state }]);
  assert.deepEqual(blocks({ type: 'text', text: '<think>a', state }), [thought('a'), { type: 'text', text: '', state }]);
  assert.deepEqual(blocks({ type: 'text', text: '<th', state }), [{ type: 'text', text: '<th', state }]);
});

test('think tags: citations move with their text, those of the reasoning go', () => {
  const tagged = answer({ blocks: [text('<think>a</think>\nYes')], annotations: [cite(7, 8), cite(17, 20)], reason: 'stop' });
  assert.deepEqual(reshaped(thinkTags, tagged).choices[0]?.annotations, [cite(0, 3)]);
  const plain = answer({ blocks: [text('Yes')], annotations: [cite(0, 3)], reason: 'stop' });
  assert.deepEqual(reshaped(thinkTags, plain), plain);
});

test('think tags: log probabilities are those of the answer', () => {
  const logprobs = ['<think>', 'a</', 'think>\n\nYe', 's'].map(score);
  const tagged = answer({ blocks: [text('<think>a</think>\n\nYes')], logprobs, reason: 'stop' });
  assert.equal(spelled(reshaped(thinkTags, tagged).choices[0]?.logprobs), 'Yes');
});

test('think tags: no more is held back than what may be a tag', () => {
  assert.deepEqual(textAfter(thinkTags(), [' <', 'th', 'e']), ['', '', ' <the']);
  assert.deepEqual(textAfter(thinkTags(), ['<think>', 'a <', '/', 'b', '</think', '>', '\n', '\nc', '\nd<']), [
    '',
    'a ',
    '',
    '</b',
    '',
    '',
    '',
    'c',
    '\nd<',
  ]);
});

test('think tags: every choice has its own', () => {
  const both = answer({ blocks: [text('<think>a</think>b')], reason: 'stop' }, { blocks: [text('c')], reason: 'stop' });
  assert.deepEqual(
    reshaped(thinkTags, both).choices.map((choice) => choice.blocks),
    [[thought('a'), text('b')], [text('c')]],
  );
});

test('think tags: any text, in any blocks, is told apart as one expression tells it', () => {
  const piece = fc.constantFrom('<think>', '</think>', '<thinking>', '</thinking>', '<', '/', 'th', '\n', ' ', 'a', 'ink>');
  fc.assert(
    fc.property(fc.array(fc.array(piece, { maxLength: 5 }), { maxLength: 4 }), (pieces) => {
      const texts = pieces.map((one) => one.join(''));
      const all = texts.join('');
      const [, , inside = '', answered = ''] = /^\s*<(think|thinking)>([^]*?)(?:<\/\1>[\r\n]*([^]*))?$/.exec(all) ?? [];
      const tagged = /^\s*<(?:think|thinking)>/.test(all);
      const got = blocks(...texts.map(text)) ?? [];
      const joined = (type: string): string => got.map((block) => (block.type === type && 'text' in block ? block.text : '')).join('');
      assert.equal(joined('reasoning'), tagged && inside.trim() !== '' ? inside : '');
      assert.equal(joined('text'), tagged ? answered : all);
    }),
    { numRuns: 300 },
  );
});

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Annotation, Block } from '../../core/chat.ts';
import { unfold } from '../../core/unfold.ts';
import { answerFromTool } from './answer-tool.ts';
import { answer, call, inPieces, reshaped, said, score, text } from './testing.ts';

const make = () => answerFromTool('json');
const result = (...blocks: readonly Block[]) => reshaped(make, said(...blocks)).choices[0];

test('answer tool: its arguments are the content, and the choice ends as an answer does', () => {
  assert.deepEqual(result(call('json', '{"a": "é\\n"}')), { blocks: [text('{"a": "é\\n"}')], reason: 'stop' });
});

test('answer tool: text before and after it is left out', () => {
  assert.deepEqual(result(text('Here it is:'), text(' so'), call('json', '{"a":1}'), text('Done.'))?.blocks, [text('{"a":1}')]);
});

test('answer tool: calls of other tools stay calls, and are the reason', () => {
  const weather = call('weather', '{"city":"Paris"}', 'call_2');
  assert.deepEqual(result(text('First'), weather, text('Now'), call('json', '{"a":1}')), {
    blocks: [weather, text('{"a":1}')],
    reason: 'tool_calls',
  });
});

test('answer tool: without it, text and other calls come as they were', () => {
  const response = said(text('2 + 2 is 4.'), call('weather', '{"city":"Paris"}'));
  assert.deepEqual(reshaped(make, response), response);
  const answered = said(text('Just text'));
  assert.deepEqual(reshaped(make, answered), answered);
});

test('answer tool: the first of two calls is the answer', () => {
  assert.deepEqual(result(call('json', '{"a":1}'), call('json', '{"a":2}', 'call_2')), { blocks: [text('{"a":1}')], reason: 'stop' });
});

test('answer tool: a call without arguments is an empty object, one cut off by a limit is not', () => {
  assert.deepEqual(result(call('json', ''))?.blocks, [text('{}')]);
  const cut = answer({ blocks: [call('json', '')], reason: 'length' });
  assert.deepEqual(reshaped(make, cut).choices[0], { blocks: [text('')], reason: 'length' });
});

test('answer tool: reasoning passes, citations and log probabilities go with the text they belong to', () => {
  const reasoning: Block = { type: 'reasoning', text: 'hm', state: { owner: 'p', data: 's' } };
  const annotations: Annotation[] = [{ type: 'url_citation', url: 'https://a.example', title: 'A', start: 0, end: 2 }];
  const texts = answer({ blocks: [reasoning, text('ab')], annotations, logprobs: [score('ab')], reason: 'stop' });
  assert.deepEqual(reshaped(make, texts), texts);
  const called = answer({ ...texts.choices[0], blocks: [reasoning, text('ab'), call('json', '{}')], reason: 'tool_calls' });
  assert.deepEqual(reshaped(make, called).choices[0], { blocks: [reasoning, text('{}')], reason: 'stop' });
});

test('answer tool: the arguments stream', () => {
  const step = make();
  const out = inPieces(unfold(said(text('Let me'), call('json', '{"a":1}'))), 2).map((event) =>
    step.push([event]).map((one) => (one.type === 'block_delta' ? one.text : one.type)),
  );
  assert.deepEqual(out, [
    ['start'],
    [],
    [],
    [],
    [],
    [],
    ['block_start'],
    ['{"'],
    ['a"'],
    [':1'],
    ['}'],
    ['block_end'],
    ['finish'],
    ['usage'],
    ['end'],
  ]);
});

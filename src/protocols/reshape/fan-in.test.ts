import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ChatEvent } from '../../core/event.ts';
import { GatewayError } from '../../core/error.ts';
import { unfold } from '../../core/unfold.ts';
import { mergeChoices, renumber, sumUsage } from './fan-in.ts';
import { USAGE, call, folded, said, text } from './testing.ts';

const three = [said(text('a')), { ...said(text('b')), id: 'chatcmpl-2', fingerprint: 'fp' }, said(call('f', '{}'))];

test('fan in: the choices stand in the order of the answers, under the name of the first', () => {
  const merged = mergeChoices(three);
  assert.equal(merged.id, 'chatcmpl-1');
  assert.equal('fingerprint' in merged, false);
  assert.deepEqual(
    merged.choices.map(({ blocks, reason }) => [blocks, reason]),
    [
      [[text('a')], 'stop'],
      [[text('b')], 'stop'],
      [[call('f', '{}')], 'tool_calls'],
    ],
  );
  assert.deepEqual(merged.usage, { promptTokens: 3, completionTokens: 6, calls: 3, cachedTokens: 0, reasoningTokens: 0 });
});

test('fan in: no answer at all is an error', () => {
  assert.throws(() => mergeChoices([]), GatewayError);
});

test('fan in: details are summed, and absent where all lack them', () => {
  assert.deepEqual(
    sumUsage([
      { ...USAGE, cachedTokens: 1, reasoningTokens: 2, cacheWriteTokens: 3, reportedCost: 0.25, providerTools: { web_search: 1 } },
      {
        ...USAGE,
        cachedTokens: 1,
        cacheWriteTokens: 4,
        cacheWriteLongTokens: 4,
        promptImageTokens: 5,
        providerTools: { web_search: 2, fetch: 1 },
      },
    ]),
    {
      promptTokens: 2,
      completionTokens: 4,
      calls: 2,
      cachedTokens: 2,
      reasoningTokens: 2,
      cacheWriteTokens: 7,
      cacheWriteLongTokens: 4,
      promptImageTokens: 5,
      providerTools: { web_search: 3, fetch: 1 },
    },
  );
});

test('fan in: usage of a part is not passed off as that of all', () => {
  const charged = { ...USAGE, reportedCost: 0.25 };
  assert.equal(sumUsage([charged, charged])?.reportedCost, 0.5);
  assert.equal(sumUsage([charged, USAGE])?.reportedCost, undefined);
  assert.equal(sumUsage([USAGE, undefined]), undefined);
  assert.equal(sumUsage([]), undefined);
});

test('fan in: renumbered streams make the same as merged answers', () => {
  const events = three.flatMap((response, index) => renumber(unfold(response), index));
  const ends: ChatEvent[] = [{ type: 'usage', usage: sumUsage(three.map(({ usage }) => usage)) ?? USAGE }, { type: 'end' }];
  assert.deepEqual(folded([...events, ...ends]), mergeChoices(three));
});

test('fan in: only the first stream starts, none ends, errors pass', () => {
  const error = new GatewayError('upstream', 'broken');
  const events: ChatEvent[] = [...unfold(said(text('a'))), { type: 'error', error }];
  const types = (choice: number) => renumber(events, choice).map(({ type }) => type);
  assert.deepEqual(types(0), ['start', 'block_start', 'block_delta', 'block_end', 'finish', 'error']);
  assert.deepEqual(types(1), ['block_start', 'block_delta', 'block_end', 'finish', 'error']);
});

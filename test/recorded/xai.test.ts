/** xAI, on recorded answers. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FOLLOWER } from '../../src/protocols/openai-chat/quirks.ts';
import { SKIP, judge, testRecordings } from '../support/chat-recordings.ts';

const folder = 'xai/main';
testRecordings('xai', { folder, quirks: FOLLOWER });

test('xai: reasoning that is counted beside the completion is part of it', SKIP, () => {
  const { usage } = judge({ folder, name: 'xai-text.json', quirks: FOLLOWER }).response;
  assert.equal(usage?.completionTokens, 229);
  assert.equal(usage.reasoningTokens, 228);
});

test('xai: ticks of money are dollars', SKIP, () => {
  assert.equal(judge({ folder, name: 'xai-text.json', quirks: FOLLOWER }).response.usage?.reportedCost, 0.00011765);
});

test('xai: tokens of text and image in usage have no place in the contract and are left out', SKIP, () => {
  const { usage } = judge({ folder, name: 'xai-tool-call.chunks.txt', quirks: FOLLOWER });
  assert.doesNotMatch(JSON.stringify(usage), /text_tokens|image_tokens|num_sources/);
});

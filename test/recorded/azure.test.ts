/** Azure's chat completions, on recorded answers; its answers in the format of the Responses API are another test's. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SKIP, judge, testRecordings } from '../support/chat-recordings.ts';

testRecordings('azure', { folder: 'azure/main', quirks: {}, only: /^azure-deepseek/ });
testRecordings('azure', { folder: 'openai/chat', quirks: {}, only: /^azure-model-router/ });

test('azure: a frame of filter results without an id does not name the answer', SKIP, () => {
  const { response } = judge({ folder: 'openai/chat', name: 'azure-model-router.1.chunks.txt', quirks: {} });
  assert.equal(response.id, 'chatcmpl-CYPS1lijGoK8gd9lYzY3r9Sx50nbt');
  assert.equal(response.created, 1_762_317_021);
});

test('azure: results of content filters have no place in the contract and are left out', SKIP, () => {
  const { choices } = judge({ folder: 'azure/main', name: 'azure-deepseek-reasoning.1.json', quirks: {} });
  assert.deepEqual(Object.keys(choices[0]?.message ?? {}).toSorted(), ['content', 'reasoning_content', 'refusal', 'role']);
});

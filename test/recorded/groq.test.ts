/** Groq, on recorded answers. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FOLLOWER } from '../../src/protocols/openai-chat/quirks.ts';
import { SKIP, judge, testRecordings } from '../support/chat-recordings.ts';

const folder = 'groq/main';
testRecordings('groq', { folder, quirks: FOLLOWER, only: /^groq-(?!transcription)/ });

test('groq: groq-text.json names a class of service that the contract has no word for: on_demand is the default', SKIP, () => {
  assert.equal(judge({ folder, name: 'groq-text.json', quirks: FOLLOWER }).response.serviceTier, 'default');
});

test('groq: the recorded streams tell a request id and a seed in x_groq, which the contract has no place for', SKIP, () => {
  const { response } = judge({ folder, name: 'groq-tool-call.chunks.txt', quirks: FOLLOWER });
  assert.deepEqual(Object.keys(response).toSorted(), ['choices', 'created', 'fingerprint', 'id', 'model', 'usage']);
});

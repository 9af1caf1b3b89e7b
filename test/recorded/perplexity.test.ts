/** Perplexity, on recorded answers. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FOLLOWER } from '../../src/protocols/openai-chat/quirks.ts';
import { SKIP, held, isStream, judge, testRecordings } from '../support/chat-recordings.ts';
import { haveRecordings, readRecording, recordedEvents, recordingsOf } from '../support/recorded.ts';

const folder = 'perplexity/main';
const quirks = { ...FOLLOWER, omitsDone: true };
testRecordings('perplexity', { folder, quirks });
testRecordings('perplexity without [DONE]', { folder, quirks, envelope: 'data', only: /chunks/ });

/* The last list of sources counts; the texts cite it by number. */
function sourcesOf(name: string): string[] {
  const last = isStream(name) ? recordedEvents(folder, name).at(-1) : JSON.parse(readRecording(folder, name));
  return (last as { citations: string[] }).citations;
}

for (const name of haveRecordings ? recordingsOf(folder) : []) {
  test(`perplexity: every source of ${name} is an annotation, at the marks that cite it`, SKIP, () => {
    const { content } = held(folder, name);
    const sources = sourcesOf(name);
    const annotations = judge({ folder, name, quirks }).response.choices[0]?.annotations ?? [];
    assert.deepEqual(new Set(annotations.map(({ url }) => url)), new Set(sources));
    const marked = annotations.filter(({ start }) => start > 0);
    assert.ok(marked.length > 0);
    for (const { url, start, end } of marked) assert.equal(content.slice(start, end), `[${sources.indexOf(url) + 1}]`);
    assert.equal(marked.length, [...content.matchAll(/\[(\d+)\]/g)].filter(([, number]) => Number(number) <= sources.length).length);
  });
}

test('perplexity: usage on every chunk is told once, at the end', SKIP, () => {
  const { usage } = judge({ folder, name: 'perplexity-citations.chunks.txt', quirks });
  assert.equal(usage?.['completion_tokens'], 336);
});

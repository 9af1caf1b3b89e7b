import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { answered, chunk, folded, gemini, whole } from './testing.ts';

const request = { web_search_options: {} };
const web = (uri: string, title?: string) => ({ web: { uri, ...(title ? { title } : {}) } });
const support = (segment: object, ...groundingChunkIndices: number[]) => ({ segment, groundingChunkIndices });
const bytes = (text: string) => Buffer.byteLength(text);

describe('gemini: citations', () => {
  const said = 'Grüße 👋 aus Zürich. Es regnet.';
  const cited = 'aus Zürich.';
  const startIndex = bytes(said.slice(0, said.indexOf(cited)));
  const segment = { startIndex, endIndex: startIndex + bytes(cited), text: cited };
  const groundingMetadata = {
    // Google charges for none that is empty, and once for what was searched twice
    webSearchQueries: ['zürich wetter', '', 'zürich', 'zürich'],
    groundingChunks: [web('https://a.test/1', 'A'), web('https://b.test/2')],
    groundingSupports: [support(segment, 0, 1)],
  };

  test('bytes of UTF-8 become positions in the text', () => {
    const { choices, usage } = whole(answered([{ text: said }], { groundingMetadata }), { request });
    const place = { start: said.indexOf(cited), end: said.indexOf(cited) + cited.length };
    assert.deepEqual(choices[0]?.annotations, [
      { type: 'url_citation', url: 'https://a.test/1', title: 'A', ...place },
      { type: 'url_citation', url: 'https://b.test/2', title: 'https://b.test/2', ...place },
    ]);
    assert.deepEqual(usage?.providerTools, { web_search: 2 });
  });

  test('a stream cites what it said before, once, by the metadata that came last', () => {
    const frames = [
      chunk([{ text: said.slice(0, 9) }], { groundingMetadata: { webSearchQueries: ['a'] } }),
      chunk([{ text: said.slice(9) }]),
      { ...answered([{ text: '' }], { groundingMetadata }) },
    ];
    const { choices, usage } = folded(frames, { request });
    assert.deepEqual(
      choices[0]?.annotations?.map(({ start, end }) => said.slice(start, end)),
      [cited, cited],
    );
    assert.deepEqual(usage?.providerTools, { web_search: 2 });
  });

  test('positions count from the part they name', () => {
    const parts = [{ text: 'One. ' }, { executableCode: { code: 'x', language: 'PYTHON' } }, { text: 'Two.' }];
    const byPart = { groundingChunks: [web('https://a.test')], groundingSupports: [support({ partIndex: 2, endIndex: 3 }, 0)] };
    const [found] = whole(answered(parts, { groundingMetadata: byPart }), { request }).choices[0]?.annotations ?? [];
    assert.deepEqual([found?.start, found?.end], [5, 8]);
  });

  test('the words of the passage decide where the numbers are wrong', () => {
    const wrong = {
      groundingChunks: [web('https://a.test')],
      groundingSupports: [support({ startIndex: 1, endIndex: 3, text: 'regnet' }, 0)],
    };
    const [found] = whole(answered([{ text: said }], { groundingMetadata: wrong }), { request }).choices[0]?.annotations ?? [];
    assert.equal(said.slice(found?.start, found?.end), 'regnet');
  });

  test('thoughts are not part of the text', () => {
    const parts = [{ text: 'Let me think of Zürich.', thought: true }, { text: said }];
    const [found] = whole(answered(parts, { groundingMetadata }), { request }).choices[0]?.annotations ?? [];
    assert.equal(said.slice(found?.start, found?.end), cited);
  });

  test('sources without a passage stand for the whole text; so do all where the text was not kept', () => {
    const bare = { groundingChunks: [web('https://a.test')] };
    const [found] = whole(answered([{ text: said }], { groundingMetadata: bare })).choices[0]?.annotations ?? [];
    assert.deepEqual([found?.start, found?.end], [0, said.length]);
    const [unasked] = folded([answered([{ text: said }], { groundingMetadata })]).choices[0]?.annotations ?? [];
    assert.deepEqual([unasked?.start, unasked?.end], [0, said.length]);
  });

  test('files of a corpus have no place in the contract; places, pictures and quotations from the web have', () => {
    const mixed = {
      groundingChunks: [
        { retrievedContext: { uri: 'gs://corpus/a.pdf', title: 'A' } },
        { retrievedContext: { title: 'B', fileSearchStore: 'stores/b' } },
        { maps: { uri: 'https://maps.test/c', title: 'C' } },
        { image: { sourceUri: 'https://pics.test/d', imageUri: 'https://pics.test/d.png' } },
      ],
    };
    const citationMetadata = {
      citationSources: [
        { startIndex: 0, endIndex: 7, uri: 'https://e.test' },
        { startIndex: 1, endIndex: 2 },
      ],
    };
    const { annotations } = whole(answered([{ text: said }], { groundingMetadata: mixed, citationMetadata })).choices[0] ?? {};
    assert.deepEqual(
      annotations?.map(({ url, end }) => [url, end]),
      [
        ['https://maps.test/c', said.length],
        ['https://pics.test/d', said.length],
        ['https://e.test', 5],
      ],
    );
  });

  test('nonsense is passed over', () => {
    const odd = {
      groundingChunks: [7, { web: {} }],
      groundingSupports: [{}, { groundingChunkIndices: [0, 9, 'x'] }],
      webSearchQueries: 'no',
    };
    const { choices, usage } = whole(answered([{ text: 'a' }], { groundingMetadata: odd }), { request, target: gemini() });
    assert.equal(choices[0]?.annotations, undefined);
    assert.equal(usage?.providerTools, undefined);
  });
});

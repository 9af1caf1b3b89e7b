/** Sources that an answer cites, and the searches that found them. */
import type { Annotation } from '../../core/chat.ts';
import { count, fields, list, text } from '../json.ts';

/**
 * The text of a choice, where it was kept, and its length in UTF-16 units; `parts` says where each of its parts began,
 * as far as the provider counts them.
 */
export interface CitedText {
  readonly text?: string;
  readonly length: number;
  readonly parts: readonly number[];
}

interface Source {
  readonly url: string;
  readonly title: string;
}

interface Span {
  readonly start: number;
  readonly end: number;
}

/**
 * The citations of `groundingMetadata` and `citationMetadata`. Google counts bytes of UTF-8; annotations count UTF-16
 * units of the whole text. Sources without an address on the web (files of a corpus) have no place in the contract and
 * are left out; where no passage is named, or the text was not kept, the sources stand for the whole text.
 */
export function readAnnotations(grounding: unknown, citations: unknown, cited: CitedText): Annotation[] {
  const { groundingChunks, groundingSupports } = fields(grounding);
  const sources = list(groundingChunks).map(sourceOf);
  const supports = list(groundingSupports);
  const found = supports.flatMap((support) => annotationsOf(fields(support), sources, cited));
  const whole = { start: 0, end: cited.length };
  const unplaced = supports.length > 0 ? [] : sources.flatMap((source) => (source ? [annotation(source, whole)] : []));
  return [...found, ...unplaced, ...recitations(citations, cited)];
}

const annotation = ({ url, title }: Source, { start, end }: Span): Annotation => ({ type: 'url_citation', url, title, start, end });

function sourceOf(chunk: unknown): Source | undefined {
  const { web, image, maps, retrievedContext } = fields(chunk);
  for (const kind of [web, image, maps, retrievedContext]) {
    const { uri, sourceUri, title } = fields(kind);
    const url = text(uri) ?? text(sourceUri);
    if (url !== undefined && /^https?:\/\//i.test(url)) return { url, title: text(title) ?? url };
  }
  return undefined;
}

function annotationsOf(
  support: Readonly<Record<string, unknown>>,
  sources: readonly (Source | undefined)[],
  cited: CitedText,
): Annotation[] {
  const span = spanOf(fields(support['segment']), cited);
  const indices = list(support['groundingChunkIndices'] ?? support['supportChunkIndices']);
  return indices.flatMap((index) => {
    const source = typeof index === 'number' ? sources[index] : undefined;
    return source ? [annotation(source, span)] : [];
  });
}

function recitations(metadata: unknown, cited: CitedText): Annotation[] {
  const { citations, citationSources } = fields(metadata);
  return list(citations ?? citationSources).flatMap((citation) => {
    const { uri, title, startIndex, endIndex } = fields(citation);
    const url = text(uri);
    if (!url || !/^https?:\/\//i.test(url)) return [];
    return [annotation({ url, title: text(title) ?? url }, spanOf({ startIndex, endIndex }, cited))];
  });
}

/**
 * Where a passage stands. What it is counted from (its part, or the text) differs between streams and whole answers, so
 * the passage's own text decides where it is given.
 */
function spanOf(segment: Readonly<Record<string, unknown>>, { text: whole, length, parts }: CitedText): Span {
  if (whole === undefined) return { start: 0, end: length };
  const from = count(segment['startIndex']) ?? 0;
  const to = count(segment['endIndex']) ?? from;
  const passage = text(segment['text']);
  const part = parts[count(segment['partIndex']) ?? 0] ?? 0;
  const inPart = spanFrom(whole, part, { start: from, end: to });
  if (!passage || whole.slice(inPart.start, inPart.end) === passage) return inPart;
  const inWhole = spanFrom(whole, 0, { start: from, end: to });
  if (whole.slice(inWhole.start, inWhole.end) === passage) return inWhole;
  const found = whole.indexOf(passage);
  return found < 0 ? inWhole : { start: found, end: found + passage.length };
}

function spanFrom(whole: string, base: number, { start, end }: Span): Span {
  const first = unitsOf(whole, base, start);
  return { start: first, end: end <= start ? first : unitsOf(whole, first, end - start) };
}

/** The position that is so many bytes of UTF-8 after `from`; at the most the end of the text. */
function unitsOf(whole: string, from: number, bytes: number): number {
  let at = from;
  let left = bytes;
  while (left > 0 && at < whole.length) {
    const code = whole.codePointAt(at) ?? 0;
    if (code < 0x80) left -= 1;
    else if (code < 0x800) left -= 2;
    else left -= code < 0x10000 ? 3 : 4;
    at += code < 0x10000 ? 1 : 2;
  }
  return at;
}

/** How many searches were made. Google charges for different queries, and for none that is empty. */
export function searchesOf(grounding: unknown): number {
  const queries = list(fields(grounding)['webSearchQueries']).filter((query) => text(query) !== undefined && query !== '');
  return new Set(queries).size;
}

/** What an answer cites: annotations as they are, or a list of sources that marks in the text (`[2]`) point into. */
import type { Annotation } from '../../core/chat.ts';
import { count, fields, list, text } from '../json.ts';

/** The annotations of a message or a delta; citations of files have no URL and no place in the contract. */
export function readAnnotations(value: unknown): Annotation[] {
  return list(value).flatMap((item) => {
    const { type, url_citation: nested } = fields(item);
    if (type !== 'url_citation') return [];
    const from = nested === undefined ? fields(item) : fields(nested);
    const url = text(from['url']);
    if (url === undefined || url === '') return [];
    const start = count(from['start_index']) ?? 0;
    return [{ type, url, title: text(from['title']) ?? '', start, end: count(from['end_index']) ?? start }];
  });
}

interface Source {
  readonly url: string;
  readonly title: string;
}

/** Sources that an answer lists beside its choices: URLs, or results with titles; both for the same pages. */
export function readSources(body: Readonly<Record<string, unknown>>): readonly Source[] {
  const results = list(body['search_results']).flatMap(source);
  const titles = new Map(results.map(({ url, title }) => [url, title]));
  const cited = list(body['citations']).flatMap(source);
  if (cited.length === 0) return results;
  return cited.map(({ url, title }) => ({ url, title: title === '' ? (titles.get(url) ?? '') : title }));
}

function source(value: unknown): Source[] {
  if (typeof value === 'string') return value === '' ? [] : [{ url: value, title: '' }];
  const { url, title } = fields(value);
  const place = text(url);
  return place === undefined || place === '' ? [] : [{ url: place, title: text(title) ?? '' }];
}

interface Mark {
  readonly source: number;
  readonly start: number;
  readonly end: number;
}

/** Reads the marks in a choice's text as it grows; the text itself is not kept. */
export interface MarkReader {
  push(text: string): void;
  /** For each mark the source it names; sources without one belong to the whole text. */
  annotations(sources: readonly Source[]): Annotation[];
}

const MARK = /\[(\d{1,3})\]/g;
const UNFINISHED = /\[\d{0,3}$/;

export function createMarkReader(): MarkReader {
  const marks: Mark[] = [];
  let length = 0;
  /** The beginning of a mark whose end has not come. */
  let rest = '';

  return {
    push(piece) {
      const seen = rest === '' ? piece : rest + piece;
      const from = length - rest.length;
      length += piece.length;
      if (!seen.includes('[')) {
        rest = '';
        return;
      }
      for (const found of seen.matchAll(MARK)) {
        const start = from + found.index;
        marks.push({ source: Number(found[1]) - 1, start, end: start + found[0].length });
      }
      rest = UNFINISHED.exec(seen)?.[0] ?? '';
    },
    annotations(sources) {
      const marked = marks.flatMap(({ source: at, start, end }): Annotation[] => {
        const found = sources[at];
        return found ? [{ type: 'url_citation', ...found, start, end }] : [];
      });
      const placed = new Set(marks.map(({ source: at }) => at));
      const whole = sources.flatMap((one, at): Annotation[] =>
        placed.has(at) ? [] : [{ type: 'url_citation', ...one, start: 0, end: length }],
      );
      return [...marked, ...whole];
    },
  };
}

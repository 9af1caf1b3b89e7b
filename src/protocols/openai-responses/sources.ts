/**
 * Sources that an answer lists apart, where marks in its text (`[7]`) name them by number: items of type `search_results`
 * (Perplexity), whose messages have no annotations of their own.
 */
import type { Annotation } from '../../core/chat.ts';
import type { ChatEvent } from '../../core/event.ts';
import { count, fields, list, text } from '../json.ts';

interface Source {
  readonly url: string;
  readonly title: string;
}

export interface Sources {
  /** There are any. */
  readonly known: boolean;
  /** Takes the results of a search. Of two results with one number, the first counts. */
  read(item: Readonly<Record<string, unknown>>): void;
  /** Sees what the choice says after the search. */
  watch(event: ChatEvent): void;
  /** For each mark the source it names; none where the provider placed its citations itself. */
  annotations(): Annotation[];
}

const MARK = /\[(\d{1,4})\]/g;
const UNFINISHED = /\[\d{0,4}$/;

export function createSources(): Sources {
  const sources = new Map<number, Source>();
  const texts = new Set<number>();
  const marks: { readonly source: number; readonly start: number; readonly end: number }[] = [];
  let length = 0;
  /** The beginning of a mark whose end has not come. */
  let rest = '';
  let placed = false;

  return {
    get known() {
      return sources.size > 0;
    },
    read(item) {
      for (const result of list(item.results)) {
        const { id, url, title } = fields(result);
        const number = count(id);
        const place = text(url) ?? '';
        if (number === undefined || place === '' || sources.has(number)) continue;
        sources.set(number, { url: place, title: text(title) ?? place });
      }
    },
    watch(event) {
      if (event.type === 'annotations') placed = true;
      if (event.type === 'block_start' && event.of.type === 'text') texts.add(event.block);
      if (event.type === 'block_delta' && texts.has(event.block)) look(event.text);
    },
    annotations() {
      if (placed) return [];
      return marks.flatMap(({ source, start, end }): Annotation[] => {
        const found = sources.get(source);
        return found ? [{ type: 'url_citation', ...found, start, end }] : [];
      });
    },
  };

  function look(piece: string): void {
    const seen = rest + piece;
    const from = length - rest.length;
    length += piece.length;
    for (const found of seen.matchAll(MARK)) {
      const start = from + found.index;
      marks.push({ source: Number(found[1]), start, end: start + found[0].length });
    }
    rest = UNFINISHED.exec(seen)?.[0] ?? '';
  }
}

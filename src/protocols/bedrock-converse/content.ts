/** Content blocks as Converse has them: one key that says what it is, and what is behind it. */
import type { CacheMark, ProviderState } from '../../core/chat.ts';
import { fields } from '../json.ts';

export type Content = { readonly [kind: string]: unknown };

export interface Turn {
  readonly role: 'user' | 'assistant';
  readonly content: Content[];
}

/** Converse refuses text of nothing but white space. */
export const isBlank = (text: string): boolean => text.trim() === '';

/** Text in a block of its own; none where there is nothing to say. */
export function textContent(text: string): Content[] {
  return isBlank(text) ? [] : [{ text: text.toWellFormed() }];
}

/** Blocks of the answer that are sent again as they came. */
const REPLAYED: ReadonlySet<string> = new Set(['reasoningContent', 'toolUse', 'toolResult']);

/** The block that `state` keeps, where `provider` made it. What a client made of it otherwise is none. */
export function replayed(state: ProviderState | undefined, provider: string): Content[] {
  if (state?.owner !== provider) return [];
  const data = fields(state.data);
  const [kind, ...more] = Object.keys(data);
  return kind !== undefined && more.length === 0 && REPLAYED.has(kind) ? [data] : [];
}

/** Converse knows five minutes and one hour: what is asked for longer than the first is the second. */
export function cachePoint({ ttl }: CacheMark, withTtl: boolean): Content {
  return { cachePoint: { type: 'default', ...(ttl && withTtl ? { ttl: ttl === '5m' ? '5m' : '1h' } : {}) } };
}

/** Cache points that one request may have. */
const MOST_CACHE_POINTS = 4;

/** Takes the first ones out where there are too many: the later ones cover what came before them. */
export function thinCachePoints(lists: readonly Content[][]): void {
  let over = lists.flat().filter((block) => 'cachePoint' in block).length - MOST_CACHE_POINTS;
  for (const list of lists) {
    for (let at = 0; at < list.length && over > 0;) {
      if (!('cachePoint' in (list[at] ?? {}))) {
        at++;
        continue;
      }
      list.splice(at, 1);
      over--;
    }
  }
}

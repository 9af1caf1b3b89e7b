/** Marks of prefixes to cache. */
import type { CacheMark } from '../../core/chat.ts';

/** A part of a request's body before the marks are counted. */
export interface Draft {
  readonly part: Readonly<Record<string, unknown>>;
  readonly cache?: CacheMark | undefined;
}

/** What the API takes: at most so many marks a request. */
const MARKS = 4;

/**
 * The parts of each list with their `cache_control`. The lists stand in the order in which the prompt is put together:
 * tools, system, turns. Of more than four marks the last four count, because they cover the most. A mark with a long
 * life may not stand after a shorter one, so those before it live as long.
 */
export function withMarks(lists: readonly (readonly Draft[])[]): Readonly<Record<string, unknown>>[][] {
  const marks = lists.flatMap((drafts) => drafts.flatMap(({ cache }) => (cache ? [cache] : [])));
  const lastLong = marks.findLastIndex(({ ttl }) => longLived(ttl));
  let seen = 0;
  return lists.map((drafts) =>
    drafts.map(({ part, cache }) => {
      if (!cache) return part;
      const at = seen++;
      if (at < marks.length - MARKS) return part;
      return { ...part, cache_control: control(cache.ttl, at < lastLong) };
    }),
  );
}

const longLived = (ttl: CacheMark['ttl']): boolean => ttl !== undefined && ttl !== '5m';

function control(ttl: CacheMark['ttl'], raised: boolean) {
  if (raised || longLived(ttl)) return { type: 'ephemeral', ttl: '1h' };
  return { type: 'ephemeral', ...(ttl ? { ttl } : {}) };
}

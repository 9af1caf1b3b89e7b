/** What two requests must have in common to get the same answer: who asks, and all of the body that shapes the answer. */
import { createHash } from 'node:crypto';

export interface CacheKeyParts {
  readonly tenant: string;
  /** The client's own body, parsed. */
  readonly body: Readonly<Record<string, unknown>>;
}

/** How the answer travels, not what it says: an answer that was streamed serves who wants it whole. */
const TRAVEL: ReadonlySet<string> = new Set(['stream', 'stream_options']);

/** 43 characters. Nothing of the body but `stream` and `stream_options` is left out, unknown fields included. */
export function cacheKey({ tenant, body }: CacheKeyParts): string {
  const shaping = Object.fromEntries(Object.entries(body).filter(([name]) => !TRAVEL.has(name)));
  return createHash('sha256')
    .update(`${JSON.stringify(tenant)}\n`)
    .update(canonicalJson(shaping))
    .digest('base64url');
}

interface Piece {
  readonly value: unknown;
  /** Written as it stands, instead of a value. */
  readonly text?: string;
}

/**
 * JSON with the keys of every object in order, so that equal values have equal texts. Without recursion: a body may be
 * nested as deep as the server's settings allow. Numbers beyond what can be held are not `null`, as JSON.stringify has them.
 */
export function canonicalJson(root: unknown): string {
  const out: string[] = [];
  const todo: Piece[] = [{ value: root }];
  const put = (text: string): void => void todo.push({ value: undefined, text });
  for (let piece = todo.pop(); piece; piece = todo.pop()) {
    const { value, text } = piece;
    if (text !== undefined) out.push(text);
    else if (Array.isArray(value)) {
      out.push('[');
      put(']');
      for (let at = value.length - 1; at >= 0; at--) {
        todo.push({ value: value[at] });
        if (at > 0) put(',');
      }
    } else if (typeof value === 'object' && value !== null) {
      const entries = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1));
      out.push('{');
      put('}');
      for (const [at, [name, inner]] of [...entries.entries()].toReversed()) {
        todo.push({ value: inner });
        put(`${at > 0 ? ',' : ''}${JSON.stringify(name)}:`);
      }
    } else out.push(typeof value === 'number' ? String(value) : JSON.stringify(value));
  }
  return out.join('');
}

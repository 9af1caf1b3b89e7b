/** What two requests must have in common to get the same answer: who asks, and all of the body that shapes the answer. */
import { createHash } from 'node:crypto';

export interface CacheKeyParts {
  readonly tenant: string;
  /** The client's own body, parsed. */
  readonly body: Readonly<Record<string, unknown>>;
}

/** How the answer travels, not what it says: an answer that was streamed serves who wants it whole. */
const TRAVEL: ReadonlySet<string> = new Set(['stream', 'stream_options']);

/** A body of more values would keep everybody waiting for seconds while it is told from others. */
const MOST_VALUES = 250_000;

/**
 * 43 characters. Nothing of the body but `stream` and `stream_options` is left out, unknown fields included. Undefined for
 * a body of more than 250,000 values.
 */
export function cacheKey({ tenant, body }: CacheKeyParts): string | undefined {
  if (Object.keys(body).length > MOST_VALUES) return undefined;
  const shaping = Object.fromEntries(Object.entries(body).filter(([name]) => !TRAVEL.has(name)));
  const json = canonicalJson(shaping, MOST_VALUES);
  if (json === undefined) return undefined;
  return createHash('sha256')
    .update(`${JSON.stringify(tenant)}\n`)
    .update(json)
    .digest('base64url');
}

/** An array or object that has been opened and not closed. */
interface Frame {
  /** Of an object, in order. */
  readonly names: readonly string[] | undefined;
  readonly values: readonly unknown[];
  at: number;
}

/**
 * JSON with the keys of every object in order, so that equal values have equal texts; undefined beyond `most` values.
 * Without recursion: a body may be nested as deep as the server's settings allow. Numbers beyond what can be held are not
 * `null`, as JSON.stringify has them.
 */
export function canonicalJson(root: unknown, most = Infinity): string | undefined {
  const frames: Frame[] = [];
  let out = '';
  let left = most - 1;
  const open = (value: unknown): void => {
    if (Array.isArray(value)) {
      left -= value.length;
      out += '[';
      frames.push({ names: undefined, values: value, at: 0 });
    } else if (typeof value === 'object' && value !== null) {
      const names = Object.keys(value);
      left -= names.length;
      // before they are put in order, which takes longest
      if (left < 0) return;
      names.sort();
      out += '{';
      frames.push({ names, values: names.map((name) => (value as Readonly<Record<string, unknown>>)[name]), at: 0 });
    } else out += typeof value === 'number' ? String(value) : JSON.stringify(value);
  };
  open(root);
  for (let frame = frames.at(-1); frame; frame = frames.at(-1)) {
    if (left < 0) return undefined;
    const { names, values, at } = frame;
    if (at === values.length) {
      out += names ? '}' : ']';
      frames.pop();
      continue;
    }
    frame.at++;
    if (at > 0) out += ',';
    if (names) out += `${JSON.stringify(names[at])}:`;
    open(values[at]);
  }
  return left < 0 ? undefined : out;
}

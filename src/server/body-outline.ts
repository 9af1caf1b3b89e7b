/** What can be seen of a JSON text without parsing it: how deep it is nested, and where the large fields of its object stand. */

/** From this length on, in characters, a field is worth sending on as it stands. */
export const LARGE = 1024;
/** Requests have three of them; where each begins in bytes is counted from the start. */
const MOST = 8;

/** Of commas, at least so many are told. */
const LAST_COMMAS = 8;

const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const BACKSLASH = 0x5c;
const OPENING = 0x7b;
const CLOSING = 0x7d;

/** Where the value of a field stands in the text, white space around it included. */
export interface Place {
  readonly from: number;
  readonly to: number;
}

/** How far the value that begins at `from` is known, and how many brackets are open there; undefined where nothing of it is. */
export type KnownUpTo = (name: string, from: number) => { readonly to: number; readonly open: number } | undefined;

const notKnown: KnownUpTo = () => undefined;

export interface Commas {
  readonly count: number;
  /** Where the last of them stand. */
  readonly last: readonly number[];
}

export interface Outline {
  /** The large fields, by name. */
  readonly places: ReadonlyMap<string, Place>;
  /** Between the values of the field that `commasOf` names, if it is an array or an object; not of what was passed over. */
  readonly commas: Commas;
}
const NONE: Outline = { places: new Map(), commas: { count: 0, last: [] } };

interface OutlineOptions {
  readonly knownUpTo: KnownUpTo;
  readonly commasOf?: string;
}

const NO_OPTIONS: OutlineOptions = { knownUpTo: notKnown };

/**
 * The large fields of the object that the text is, by name; of a name that stands twice the last, as JSON.parse has it. Undefined where
 * the text is nested more than `depth` deep. Of a text that is not JSON what it says means nothing. What `knownUpTo` knows of a value is
 * passed over.
 *
 * Before parsing, because JSON.parse spends 1.4 GB on 32 MiB of `[`. Jumping from quote to quote it costs a third of what the parsing does.
 */
export function outlineOf(text: string, depth: number, { knownUpTo, commasOf }: OutlineOptions = NO_OPTIONS): Outline | undefined {
  const mayBeLarge = text.length >= LARGE;
  const places = new Map<string, Place>();
  let last: number[] = [];
  let count = 0;
  let isCounted = false;
  let isPlain = true;
  let level = 0;
  let name = '';
  /** Where the value of the present field begins; -1 before its colon. */
  let from = -1;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) {
      const end = endOfString(text, at);
      if (level === 1 && from < 0 && mayBeLarge) name = text.slice(at + 1, end);
      at = end;
      continue;
    }
    if (level === 1 && mayBeLarge) {
      if (code === COLON) {
        from = at + 1;
        // of a name that stands twice the last counts
        isCounted = name === commasOf;
        if (isCounted) {
          last = [];
          count = 0;
        }
        const known = knownUpTo(name, from);
        if (known) {
          at = known.to - 1;
          level += known.open;
        }
      } else if ((code === COMMA || code === CLOSING) && from >= 0) {
        // it may be another spelling of a name that stands here already
        if (name.includes('\\')) isPlain = false;
        if (at - from >= LARGE && (places.size < MOST || places.has(name))) places.set(name, { from, to: at });
        else places.delete(name);
        from = -1;
        // looked through once: where the next colon has no name of its own it is not JSON
        name = '';
      }
    } else if (isCounted && level === 2 && code === COMMA) {
      count++;
      last.push(at);
      if (last.length > 2 * LAST_COMMAS) last = last.slice(-LAST_COMMAS);
    }
    // the square brackets differ from the braces by this bit only
    const bracket = code | 0x20;
    if (bracket === OPENING && ++level > depth) return undefined;
    if (bracket === CLOSING) level--;
  }
  return isPlain ? { places, commas: { count, last } } : NONE;
}

/** Where the string that begins at `start` ends; the end of the text where it never does. */
function endOfString(text: string, start: number): number {
  let at = start;
  for (;;) {
    at = text.indexOf('"', at + 1);
    if (at < 0) return text.length;
    let before = at - 1;
    while (text.charCodeAt(before) === BACKSLASH) before--;
    if ((at - before) % 2 === 1) return at;
  }
}

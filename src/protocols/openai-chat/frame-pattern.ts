/**
 * Most frames of a stream are the one before with another text in the same place. They are known by comparing, without being parsed:
 * what stands around the text is the same, and what stands in its place is the inside of a string of JSON, so all else that a parser would
 * find is what it found in the frame before.
 */
import { fields, list } from '../json.ts';

type Fields = Readonly<Record<string, unknown>>;

/** A frame that is alike. */
export interface Alike {
  readonly text: string;
  /** What passes for it; '' where nothing does. */
  readonly raw: string;
}

export interface FramePattern {
  /** What the text is. */
  readonly type: 'text' | 'reasoning';
  /** Undefined where the frame is not alike. */
  match(data: string): Alike | undefined;
}

export interface Learned {
  readonly chunk: Fields;
  /** The chunk's text. */
  readonly data: string;
  /** All that the chunk says. */
  readonly text: string;
  /** What passes for a chunk; undefined where none passes. */
  readonly pass: ((chunk: Fields, data: string) => string) | undefined;
}

/** Where a text stands in a delta. */
const TEXTS = ['content', 'reasoning_content', 'reasoning'];
/** Some fill frames up to hide from those who listen on the line how long the text is. */
const PADDING = 'obfuscation';
/** No frame has them; where one does, nothing is learned from it. */
const TEXT_PROBE = 'parlance-text-probe';
const PADDING_PROBE = 'parlance-padding-probe';
/** The inside of a string without escapes. */
const PLAIN = /^[^"\\\u0000-\u001f]*$/;

/** A text cut at its places: one for the text of the frame, and perhaps one for its padding behind it. */
interface Cut {
  readonly begins: string;
  /** Between the two; '' where there is no padding. */
  readonly middle: string;
  readonly ends: string;
}

const NOTHING: Cut = { begins: '', middle: '', ends: '' };

/** The pattern of a frame that says nothing but a text. Undefined where it says more, or where it is not sure what stands where. */
export function learnPattern({ chunk, data, text, pass }: Learned): FramePattern | undefined {
  const changed = probed(chunk, text);
  const cut = changed && cutOut(data, changed, text);
  if (!cut) return undefined;
  const probe = cut.begins + TEXT_PROBE + (cut.middle === '' ? '' : cut.middle + PADDING_PROBE) + cut.ends;
  // the proof: with other texts in these places, a parser finds these texts, and nothing else has changed
  if (!isSame(probe, changed.chunk)) return undefined;
  const passed = pass ? cutAt(pass(changed.chunk, probe), cut.middle !== '') : NOTHING;
  return passed && { type: changed.key === 'content' ? 'text' : 'reasoning', match: matcher(cut, passed) };
}

interface Probed {
  readonly chunk: Fields;
  readonly key: string;
  readonly padding: string | undefined;
}

/** The chunk with the probes in the places of its texts. */
function probed(chunk: Fields, text: string): Probed | undefined {
  const [entry, ...others] = list(chunk['choices']);
  const choice = fields(entry);
  const delta = fields(choice['delta']);
  const key = TEXTS.find((name) => delta[name] === text);
  if (key === undefined || others.length > 0 || chunk['usage'] != null || choice['finish_reason'] != null) return undefined;
  for (const name in delta) if (name !== key && name !== 'role' && !isNothing(delta[name])) return undefined;
  const padding = chunk[PADDING];
  return {
    key,
    padding: typeof padding === 'string' ? padding : undefined,
    chunk: {
      ...chunk,
      choices: [{ ...choice, delta: { ...delta, [key]: TEXT_PROBE } }],
      ...(typeof padding === 'string' ? { [PADDING]: PADDING_PROBE } : {}),
    },
  };
}

const isNothing = (value: unknown): boolean => value == null || value === '' || (Array.isArray(value) && value.length === 0);

function cutOut(data: string, { key, padding }: Probed, text: string): Cut | undefined {
  const from = placeOf(data, [key, text], 0);
  if (from === undefined || data.includes(TEXT_PROBE) || data.includes(PADDING_PROBE)) return undefined;
  const begins = data.slice(0, from);
  const to = from + text.length;
  if (padding === undefined) return { begins, middle: '', ends: data.slice(to) };
  const paddingFrom = placeOf(data, [PADDING, padding], to);
  if (paddingFrom === undefined) return undefined;
  return { begins, middle: data.slice(to, paddingFrom), ends: data.slice(paddingFrom + padding.length) };
}

/** Where the inside of a string begins that is a field's value, as it is written without escapes. */
function placeOf(data: string, [key, value]: readonly [string, string], from: number): number | undefined {
  const name = `"${key}":`;
  const at = data.indexOf(name, from);
  if (at < 0) return undefined;
  const begin = at + name.length + (data[at + name.length] === ' ' ? 2 : 1);
  return data.slice(begin - 1, begin + value.length + 1) === `"${value}"` ? begin : undefined;
}

function isSame(data: string, chunk: Fields): boolean {
  try {
    return JSON.stringify(JSON.parse(data)) === JSON.stringify(chunk);
  } catch {
    // the place was not that of a string
    return false;
  }
}

function cutAt(raw: string, isPadded: boolean): Cut | undefined {
  const [begins, rest, ...more] = raw.split(TEXT_PROBE);
  if (begins === undefined || rest === undefined || more.length > 0) return undefined;
  if (!isPadded) return { begins, middle: '', ends: rest };
  const [middle, ends, ...others] = rest.split(PADDING_PROBE);
  return middle === undefined || ends === undefined || others.length > 0 ? undefined : { begins, middle, ends };
}

function matcher({ begins, middle, ends }: Cut, passed: Cut): FramePattern['match'] {
  const from = begins.length;
  return (data) => {
    // compared as a whole: V8's startsWith looks at one character after the other
    if (data.slice(0, from) !== begins) return undefined;
    let to = data.length - ends.length;
    if (to < from || data.slice(to) !== ends) return undefined;
    let filling = '';
    if (middle !== '') {
      const paddingFrom = data.lastIndexOf('"', to - 1) + 1;
      filling = data.slice(paddingFrom, to);
      to = paddingFrom - middle.length;
      if (to < from || !PLAIN.test(filling) || data.slice(to, paddingFrom) !== middle) return undefined;
    }
    const inside = data.slice(from, to);
    const text = PLAIN.test(inside) ? inside : unescaped(inside);
    // an empty text is no delta
    if (text === undefined || text === '') return undefined;
    return { text, raw: passed === NOTHING ? '' : passed.begins + inside + passed.middle + filling + passed.ends };
  };
}

/** Undefined where it is not the inside of one string, or where a character may come in two halves. */
function unescaped(inside: string): string | undefined {
  if (inside.includes('\\u')) return undefined;
  try {
    return JSON.parse(`"${inside}"`) as string;
  } catch {
    // not the inside of a string: the frame is read as a whole, and what is wrong with it is said there
    return undefined;
  }
}

/**
 * Arguments of a call that come in pieces: each names a place by a JSON path (RFC 9535: `$.recipe.steps[0].text`) and a
 * value there, or more of a string. What comes out is the JSON text of the whole, as it grows.
 */
import { fields, list, text } from '../json.ts';

export interface ArgsWriter {
  /** The text that these pieces (`functionCall.partialArgs`) add. Pieces without a place or a value add nothing. */
  push(pieces: unknown): string;
  /** Whole arguments beside the pieces: members that are not known yet are added. */
  whole(args: Readonly<Record<string, unknown>>): string;
  /** The text that closes the object. */
  end(): string;
}

type Key = string | number;

/** A value: its JSON text, or what holds others. */
type Node = string | Group;

interface Group {
  readonly array: boolean;
  readonly members: Map<Key, Node>;
}

/** The string that came last: more of it may follow. */
interface Growing {
  readonly place: string;
  readonly path: readonly Key[];
  escaped: string;
}

/**
 * Pieces are written where they come in the order of the text. One that comes back to what is closed makes its whole
 * member late: it is written once more at the end, and the later of two members of a name is the one that counts.
 */
export function createArgsWriter(): ArgsWriter {
  const root: Group = { array: false, members: new Map() };
  /** Containers whose end is not written yet, the root first. */
  const open: { readonly key: Key; readonly group: Group }[] = [];
  const late = new Set<Key>();
  let growing: Growing | undefined;

  return { push: (pieces) => list(pieces).map(take).join(''), whole, end };

  function take(piece: unknown): string {
    const { jsonPath, stringValue, numberValue, boolValue, nullValue } = fields(piece);
    const place = text(jsonPath) ?? '';
    const spoken = text(stringValue);
    if (spoken !== undefined) return takeString(place, JSON.stringify(spoken).slice(1, -1));
    const value = numberValue ?? boolValue ?? (nullValue === undefined ? undefined : null);
    return value === undefined ? '' : put(pathOf(place), JSON.stringify(value));
  }

  function takeString(place: string, escaped: string): string {
    if (growing?.place === place) {
      growing.escaped += escaped;
      return late.has(growing.path[0] ?? '') ? '' : escaped;
    }
    const path = pathOf(place);
    if (path.length === 0) return '';
    const lead = put(path, `"${escaped}"`);
    growing = { place, path, escaped };
    // without its closing quotation mark, for now
    return late.has(path[0] ?? '') ? lead : lead.slice(0, -1);
  }

  function whole(args: Readonly<Record<string, unknown>>): string {
    const added = Object.entries(args).filter(([key]) => !root.members.has(key));
    return added.map(([key, value]) => put([key], JSON.stringify(value))).join('');
  }

  function end(): string {
    let out = endString() + close(1);
    for (const key of late) out += `${next()}${JSON.stringify(key)}:${jsonOf(root.members.get(key) ?? 'null')}`;
    return `${out}${open.length === 0 ? '{' : ''}}`;
  }

  /** What stands before a member of the whole: its members are not all written, some wait for the end. */
  function next(): string {
    if (open.length > 0) return ',';
    open.push({ key: '', group: root });
    return '{';
  }

  function endString(): string {
    if (!growing) return '';
    const { path, escaped } = growing;
    growing = undefined;
    keep(root, path, `"${escaped}"`);
    return late.has(path[0] ?? '') ? '' : '"';
  }

  function close(depth: number): string {
    let out = '';
    while (open.length > depth) out += open.pop()?.group.array ? ']' : '}';
    return out;
  }

  /** The text up to the value and the value; only what closes a string before it where the value is late. */
  function put(path: readonly Key[], json: string): string {
    const [first] = path;
    if (typeof first !== 'string') return '';
    const before = endString();
    let depth = 1;
    while (depth < open.length && depth < path.length && open[depth]?.key === path[depth - 1]) depth++;
    const inside = open[depth - 1]?.group ?? root;
    if (late.has(first) || !fits(inside, path.slice(depth - 1))) {
      late.add(first);
      keep(root, path, json);
      return before;
    }
    return before + close(depth) + write(inside, path.slice(depth - 1), json);
  }

  function write(inside: Group, path: readonly Key[], json: string): string {
    const [key = '', ...rest] = path;
    const between = inside === root ? next() : inside.members.size > 0 ? ',' : '';
    const name = between + (inside.array ? '' : `${JSON.stringify(key)}:`);
    if (rest.length === 0) {
      inside.members.set(key, json);
      return name + json;
    }
    const group: Group = { array: typeof rest[0] === 'number', members: new Map() };
    inside.members.set(key, group);
    open.push({ key, group });
    return name + (group.array ? '[' : '{') + write(group, rest, json);
  }
}

/** Whether the text may go on with that member: it is new, and of an array the next. */
function fits({ array, members }: Group, [key = '', ...rest]: readonly Key[]): boolean {
  if (members.has(key) || array !== (typeof key === 'number') || (array && key !== members.size)) return false;
  return rest.every((one) => typeof one === 'string' || one === 0);
}

function keep(inside: Group, [key = '', ...rest]: readonly Key[], json: string): void {
  if (rest.length === 0) {
    inside.members.set(key, json);
    return;
  }
  const known = inside.members.get(key);
  const group: Group = typeof known === 'object' ? known : { array: typeof rest[0] === 'number', members: new Map() };
  inside.members.set(key, group);
  keep(group, rest, json);
}

/** More places than this an array does not have, whatever a path says. */
const LONGEST_ARRAY = 100_000;

function jsonOf(node: Node): string {
  if (typeof node === 'string') return node;
  if (!node.array) return `{${[...node.members].map(([key, value]) => `${JSON.stringify(String(key))}:${jsonOf(value)}`).join(',')}}`;
  const places = [...node.members.keys()].filter((key) => typeof key === 'number' && key < LONGEST_ARRAY);
  const length = Math.max(...places.map(Number)) + 1;
  return `[${Array.from({ length }, (_, at) => jsonOf(node.members.get(at) ?? 'null')).join(',')}]`;
}

const STEP = /\.?([^.[\]'"]+)|\[(\d+)\]|\[('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")\]/y;

/** The steps of a path; none where it is not understood. */
export function pathOf(place: string): readonly Key[] {
  const path: Key[] = [];
  STEP.lastIndex = place.startsWith('$') ? 1 : 0;
  while (STEP.lastIndex < place.length) {
    const [, name, index, quoted] = STEP.exec(place) ?? [];
    if (name !== undefined) path.push(name);
    else if (index !== undefined) path.push(Number(index));
    else if (quoted !== undefined) path.push(unquoted(quoted));
    else return [];
  }
  return path;
}

function unquoted(quoted: string): string {
  const inner = quoted.slice(1, -1);
  const json = quoted.startsWith("'") ? inner.replace(/\\'/g, "'").replace(/(?<!\\)"/g, '\\"') : inner;
  try {
    return String(JSON.parse(`"${json}"`));
  } catch {
    return inner;
  }
}

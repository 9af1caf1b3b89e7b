/** Where settings are written: a YAML file, the environment, flags. Each is read into dotted paths with a place for messages. */
import { LineCounter, isMap, isScalar, parseDocument } from 'yaml';
import type { Document } from 'yaml';
import { CONFIG_FLAGS, SETTINGS, schemaTree } from './schema.ts';
import type { SchemaNode } from './schema.ts';
import { nearest } from '../core/nearest.ts';

/** A value that somebody gave. `where` starts a message about it: `parlance.yaml:7`, `PARLANCE_PORT`, `--port`. */
export interface Given {
  readonly path: string;
  readonly value: unknown;
  readonly where: string;
  /** The place of something in the value, by its path there, where the source knows one. */
  readonly whereIn: (path: readonly (string | number)[]) => string;
  /** Written as text: numbers, booleans and lists are still to be read out of it. */
  readonly text: boolean;
}

/** What a source gives, and what is wrong with it. */
export interface Source {
  readonly given: readonly Given[];
  readonly problems: readonly string[];
}

/** The settings of a YAML text; `name` is the file as messages call it. */
export function readYaml(text: string, name: string): Source {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, stringKeys: true });
  const lineAt = (offset: number | undefined): string => (offset === undefined ? name : `${name}:${lines.linePos(offset).line}`);
  if (document.errors.length > 0) {
    return { given: [], problems: document.errors.map((error) => `${lineAt(error.pos[0])}: ${error.message}`) };
  }
  const given: Given[] = [];
  const problems: string[] = [];
  walk({ document, node: document.contents, schema: schemaTree(), path: [], lineAt, given, problems });
  return { given, problems };
}

interface Walk {
  readonly document: Document;
  readonly node: unknown;
  readonly schema: SchemaNode;
  readonly path: readonly string[];
  readonly lineAt: (offset: number | undefined) => string;
  readonly given: Given[];
  readonly problems: string[];
}

function walk(at: Walk): void {
  const { document, schema, path, lineAt, given, problems } = at;
  const node = resolve(document, at.node);
  if (node === null || node === undefined || (isScalar(node) && node.value === null)) return;
  const where = lineAt(offsetOf(at.node));
  if (!schema.properties) {
    const whereIn = (inner: readonly (string | number)[]): string => lineAt(nearestOffset(document, path, inner));
    given.push({ path: path.join('.'), value: plain(document, node), where, whereIn, text: false });
    return;
  }
  if (!isMap(node)) {
    const what = path.length === 0 ? 'the file' : path.join('.');
    problems.push(`${where}: ${what}: must be a section with settings of its own`);
    return;
  }
  for (const pair of node.items) {
    const key = isScalar(pair.key) ? String(pair.key.value) : '';
    const child = Object.hasOwn(schema.properties, key) ? schema.properties[key] : undefined;
    const here = [...path, key];
    if (!child) {
      problems.push(`${lineAt(offsetOf(pair.key))}: ${here.join('.')}: unknown setting${suggestion(key, schema, path)}`);
      continue;
    }
    walk({ ...at, node: pair.value, schema: child, path: here });
  }
}

function resolve(document: Document, node: unknown): unknown {
  if (typeof node === 'object' && node !== null && 'resolve' in node && typeof node.resolve === 'function') {
    return (node.resolve as (document: Document) => unknown).call(node, document);
  }
  return node;
}

function plain(document: Document, node: unknown): unknown {
  if (typeof node === 'object' && node !== null && 'toJS' in node && typeof node.toJS === 'function') {
    return (node.toJS as (document: Document) => unknown).call(node, document);
  }
  return node;
}

function offsetOf(node: unknown): number | undefined {
  if (typeof node !== 'object' || node === null || !('range' in node) || !Array.isArray(node.range)) return undefined;
  const start: unknown = node.range[0];
  return typeof start === 'number' ? start : undefined;
}

/** Of the deepest part of the path that has a place of its own; a setting's line is that of its key. */
function nearestOffset(document: Document, outer: readonly string[], inner: readonly (string | number)[]): number | undefined {
  for (let length = inner.length; length > 0; length--) {
    const path = [...outer, ...inner.slice(0, length)];
    const parent: unknown = document.getIn(path.slice(0, -1), true);
    const last = path.at(-1);
    const pair = isMap(parent) ? parent.items.find(({ key }) => isScalar(key) && key.value === last) : undefined;
    const offset = pair ? offsetOf(pair.key) : offsetOf(document.getIn(path, true));
    if (offset !== undefined) return offset;
  }
  return offsetOf(document.getIn(outer, true));
}

function suggestion(key: string, schema: SchemaNode, path: readonly string[]): string {
  const siblings = Object.keys(schema.properties ?? {});
  const near = nearest(key, siblings);
  if (near !== undefined) return `, did you mean "${near}"?`;
  const elsewhere = SETTINGS.find((setting) => setting.path.split('.').at(-1) === key);
  if (elsewhere) return `, did you mean "${elsewhere.path}"?`;
  return `; ${path.length === 0 ? 'the sections are' : 'there are'} ${siblings.join(', ')}`;
}

/** Names that begin like settings and are none: they say where the settings are, or belong to the program's launcher. */
const OTHER_ENV = ['PARLANCE_CONFIG'];

/** The settings in an environment. A variable with no text counts as not set. */
export function readEnv(env: Readonly<Record<string, string | undefined>>): Source {
  const given: Given[] = [];
  const problems: string[] = [];
  const byName = new Map(SETTINGS.flatMap((setting) => setting.env.map((name) => [name, setting.path] as const)));
  for (const [name, value] of Object.entries(env)) {
    if (!name.startsWith('PARLANCE_') || value === undefined || value === '' || OTHER_ENV.includes(name)) continue;
    const path = byName.get(name);
    if (path === undefined) {
      const near = nearest(name, [...byName.keys(), ...OTHER_ENV]);
      problems.push(`${name}: unknown environment variable${near === undefined ? '' : `, did you mean "${near}"?`}`);
      continue;
    }
    given.push({ path, value, where: name, whereIn: () => name, text: true });
  }
  return { given, problems };
}

/** The settings in flags, by the flag's name without dashes. An absent flag is `undefined`. */
export function readFlags(flags: Readonly<Record<string, string | number | boolean | undefined>>): Source {
  const given: Given[] = [];
  const problems: string[] = [];
  for (const [flag, value] of Object.entries(flags)) {
    if (value === undefined) continue;
    const where = `--${flag}`;
    const path = Object.hasOwn(CONFIG_FLAGS, flag) ? CONFIG_FLAGS[flag] : undefined;
    if (path === undefined) {
      const near = nearest(flag, Object.keys(CONFIG_FLAGS));
      problems.push(`${where}: unknown flag${near === undefined ? '' : `, did you mean "--${near}"?`}`);
      continue;
    }
    given.push({ path, value, where, whereIn: () => where, text: typeof value === 'string' });
  }
  return { given, problems };
}

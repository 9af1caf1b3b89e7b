/** JSON Schemas as the Messages API takes them. */
import type { JsonSchema } from '../../core/chat.ts';
import { fields, list, text } from '../json.ts';

type Node = Readonly<Record<string, unknown>>;

/** Values of `format` that generation can be held to. */
const FORMATS = new Set(['date-time', 'time', 'date', 'duration', 'email', 'hostname', 'uri', 'ipv4', 'ipv6', 'uuid']);

/** What stays as it is. */
const KEPT = ['$schema', 'title', 'type', 'enum', 'const', 'default', '$ref', 'required'] as const;

/** Constraints that generation cannot be held to; the model is told of them in the description. */
const TOLD = [
  'minimum',
  'maximum',
  'exclusiveMinimum',
  'exclusiveMaximum',
  'multipleOf',
  'minLength',
  'maxLength',
  'pattern',
  'maxItems',
  'uniqueItems',
  'minProperties',
  'maxProperties',
  'propertyNames',
  'contains',
  'not',
] as const;

/** Keywords with which a schema cannot be held to at all. */
const BEYOND = [
  'patternProperties',
  'prefixItems',
  'if',
  'then',
  'else',
  'dependentSchemas',
  'dependentRequired',
  'unevaluatedProperties',
  '$dynamicRef',
] as const;

/** Schemas nested deeper than this are not held to. */
const DEEPEST = 64;

/**
 * The schema as generation can be held to: every object closed, bounds told in words. Undefined where that would change
 * what it means: open maps, objects of any content, recursion, references to elsewhere.
 */
export function closedSchema(schema: JsonSchema): Node | undefined {
  return refersWithin(fields(schema)) ? closed(schema, 0) : undefined;
}

function closed(schema: unknown, depth: number): Node | undefined {
  const node = fields(schema);
  const all = list(node.allOf);
  if (typeof schema === 'boolean' || depth > DEEPEST || all.length > 1 || BEYOND.some((key) => key in node)) return undefined;
  if (Array.isArray(node.type)) return ofTypes(node, depth);
  if (all.length === 1) return closed({ ...fields(all[0]), ...without(node, 'allOf') }, depth + 1);
  const branches = [...list(node.anyOf), ...list(node.oneOf)];
  const isObject = node.type === 'object' || 'properties' in node;
  // closed alternatives would rule out the closed object beside them
  if (isObject && branches.length > 0) return undefined;
  const inner = isObject ? closedObject(node, depth) : node.type === 'array' ? closedList(node, depth) : {};
  const alternatives = allOf(branches.map((branch) => closed(branch, depth + 1)));
  const shared = closedMaps(node, ['$defs', 'definitions'], depth);
  if (!inner || !alternatives || !shared) return undefined;
  const result = { ...kept(node), ...inner, ...shared, ...(branches.length > 0 ? { anyOf: alternatives } : {}) };
  return saysSomething(result) ? result : undefined;
}

const saysSomething = (node: Node): boolean => ['type', 'enum', 'const', '$ref', 'anyOf'].some((key) => key in node);

/** The items, where none of them is missing. */
function allOf<T>(items: readonly (T | undefined)[]): readonly T[] | undefined {
  const there = items.filter((item) => item !== undefined);
  return there.length === items.length ? there : undefined;
}

/** Keywords that stay, and words for those that cannot. */
function kept(node: Node): Node {
  const result: Record<string, unknown> = {};
  for (const key of KEPT) if (key in node) result[key] = node[key];
  const described = [text(node.description), leftover(node)].filter((part) => part !== undefined).join('\n\n');
  if (described !== '') result.description = described;
  const format = text(node.format);
  if (format !== undefined && FORMATS.has(format)) result.format = format;
  if (node.minItems === 0 || node.minItems === 1) result.minItems = node.minItems;
  return result;
}

/** Lists of types are written as alternatives, each with what concerns it. */
function ofTypes(node: Node, depth: number): Node | undefined {
  const { description, enum: values, ...rest } = without(node, 'type');
  const said = description === undefined ? {} : { description };
  if (values !== undefined) return closed({ ...rest, ...said, enum: values }, depth + 1);
  const types = list(node.type);
  const anyOf = allOf(types.map((type) => (type === 'null' ? { type } : closed({ ...rest, type }, depth + 1))));
  return anyOf && { ...said, anyOf };
}

function closedObject(node: Node, depth: number): Node | undefined {
  const { properties, additionalProperties } = node;
  const open = additionalProperties !== undefined && additionalProperties !== false;
  const any = additionalProperties === undefined && Object.keys(fields(properties)).length === 0;
  if (open || any) return undefined;
  const inner = closedMaps({ properties: properties ?? {} }, ['properties'], depth);
  return inner && { type: 'object', ...inner, additionalProperties: false };
}

function closedList(node: Node, depth: number): Node | undefined {
  const items = closed(node.items ?? true, depth + 1);
  return items && { items };
}

/** Those keywords of the node that hold schemas by name. */
function closedMaps(node: Node, keys: readonly string[], depth: number): Node | undefined {
  const maps = keys.flatMap((key) => (key in node ? [[key, fields(node[key])] as const] : []));
  const done = maps.map(([key, map]) => {
    const entries = allOf(
      Object.entries(map).map(([name, item]) => {
        const inner = closed(item, depth + 1);
        return inner && ([name, inner] as const);
      }),
    );
    return entries && ([key, Object.fromEntries(entries)] as const);
  });
  const whole = allOf(done);
  return whole && Object.fromEntries(whole);
}

const without = (node: Node, key: string): Node => Object.fromEntries(Object.entries(node).filter(([name]) => name !== key));

function leftover(node: Node): string | undefined {
  const told: Record<string, unknown> = {};
  for (const key of TOLD) if (node[key] !== undefined && node[key] !== false) told[key] = node[key];
  if (typeof node.minItems === 'number' && node.minItems > 1) told.minItems = node.minItems;
  if (typeof node.format === 'string' && !FORMATS.has(node.format)) told.format = node.format;
  return Object.keys(told).length === 0 ? undefined : JSON.stringify(told);
}

/** Whether every reference leads to a part of the schema, and none back to itself: recursion cannot be held to. */
function refersWithin(root: Node): boolean {
  const done = new Set<string>();
  return visit(root, [], 0);

  function visit(value: unknown, open: readonly string[], depth: number): boolean {
    if (depth > 2 * DEEPEST) return false;
    if (Array.isArray(value)) return value.every((item: unknown) => visit(item, open, depth + 1));
    return Object.entries(fields(value)).every(([key, item]) => {
      if (key === '$ref' && typeof item === 'string') return follow(item, open);
      return key === 'enum' || key === 'const' || key === 'default' || visit(item, open, depth + 1);
    });
  }

  function follow(reference: string, open: readonly string[]): boolean {
    if (open.includes(reference)) return false;
    if (done.has(reference)) return true;
    const target = resolve(root, reference);
    if (!target || target === root) return false;
    done.add(reference);
    return visit(target, [...open, reference], 0);
  }
}

function resolve(root: Node, reference: string): Node | undefined {
  if (!reference.startsWith('#')) return undefined;
  let at: unknown = root;
  for (const step of reference.split('/').slice(1)) at = fields(at)[step.replaceAll('~1', '/').replaceAll('~0', '~')];
  return typeof at === 'object' && at !== null ? fields(at) : undefined;
}

/**
 * The schema of a tool's input: an object at its root, and no union there, which the API refuses. Alternatives at the
 * root become one object with the properties of all, of which only those are required that all require.
 */
export function inputSchema(schema: JsonSchema | undefined): Node {
  const root = fields(schema);
  const merged = mergedRoot(root, root, []);
  return { ...merged, type: 'object', ...('properties' in merged ? {} : { properties: {} }) };
}

function mergedRoot(node: Node, root: Node, seen: readonly Node[]): Node {
  if (seen.includes(node)) return {};
  const { anyOf, oneOf, allOf, $ref, ...rest } = node;
  const either = [...list(anyOf), ...list(oneOf)];
  const all = [...list(allOf)];
  const target = typeof $ref === 'string' ? resolve(root, $ref) : undefined;
  if (target) all.push(target);
  if (either.length === 0 && all.length === 0) return rest;
  const inner = (branch: unknown): Node => mergedRoot(fields(branch), root, [...seen, node]);
  const together = all.map(inner).reduce((one, other) => joined(one, other, 'all'), rest as Node);
  const [first, ...others] = either.map(inner);
  const alternatives = others.reduce((one, other) => joined(one, other, 'either'), first ?? {});
  return { ...joined(together, alternatives, 'all') };
}

function joined(one: Node, other: Node, how: 'all' | 'either'): Node {
  const properties: Record<string, unknown> = { ...fields(one.properties) };
  for (const [key, value] of Object.entries(fields(other.properties))) {
    const before = properties[key];
    const same = before === undefined || JSON.stringify(before) === JSON.stringify(value);
    properties[key] = same ? value : { anyOf: [before, value] };
  }
  const needed = list(one.required);
  const also = list(other.required);
  const required = how === 'all' ? [...new Set([...needed, ...also])] : needed.filter((key) => also.includes(key));
  return { ...without({ ...other, ...one }, 'required'), properties, ...(required.length > 0 ? { required } : {}) };
}

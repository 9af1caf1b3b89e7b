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

class NotExpressible extends Error {}

/**
 * The schema as generation can be held to: every object closed, bounds told in words. Undefined where that would change
 * what it means: open maps, objects of any content, recursion, references to elsewhere.
 */
export function closedSchema(schema: JsonSchema): Node | undefined {
  try {
    const root = fields(schema);
    checkReferences(root);
    return closed(schema);
  } catch (cause) {
    if (cause instanceof NotExpressible) return undefined;
    throw cause;
  }
}

function closed(schema: unknown): Node {
  const node = fields(schema);
  if (typeof schema === 'boolean' || BEYOND.some((key) => key in node)) throw new NotExpressible();
  if (Array.isArray(node.type)) return ofTypes(node, node.type as readonly unknown[]);
  const all = list(node.allOf);
  if (all.length > 1) throw new NotExpressible();
  if (all.length === 1) {
    return closed({ ...fields(all[0]), ...without(node, 'allOf') });
  }
  const result: Record<string, unknown> = {};
  for (const key of KEPT) if (key in node) result[key] = node[key];
  const untold = leftover(node);
  const described = [text(node.description), untold].filter((part) => part !== undefined).join('\n\n');
  if (described !== '') result.description = described;
  const format = text(node.format);
  if (format !== undefined && FORMATS.has(format)) result.format = format;
  if (node.minItems === 0 || node.minItems === 1) result.minItems = node.minItems;
  const branches = [...list(node.anyOf), ...list(node.oneOf)];
  if (branches.length > 0) result.anyOf = branches.map(closed);
  for (const key of ['$defs', 'definitions']) if (key in node) result[key] = each(node[key], closed);
  if (node.type === 'object' || 'properties' in node) Object.assign(result, closedObject(node));
  else if (node.type === 'array') result.items = closed(node.items ?? true);
  else if (!saysSomething(result)) throw new NotExpressible();
  return result;
}

const saysSomething = (node: Node): boolean => ['type', 'enum', 'const', '$ref', 'anyOf'].some((key) => key in node);

/** Lists of types are written as alternatives, each with what concerns it. */
function ofTypes(node: Node, types: readonly unknown[]): Node {
  const { description, enum: values, ...rest } = without(node, 'type');
  const said = description === undefined ? {} : { description };
  if (values !== undefined) return closed({ ...rest, ...said, enum: values });
  return { ...said, anyOf: types.map((type) => (type === 'null' ? { type } : closed({ ...rest, type }))) };
}

function closedObject(node: Node): Node {
  const { properties, additionalProperties } = node;
  const open = additionalProperties !== undefined && additionalProperties !== false;
  const any = additionalProperties === undefined && Object.keys(fields(properties)).length === 0;
  if (open || any) throw new NotExpressible();
  return { type: 'object', properties: each(properties, closed), additionalProperties: false };
}

const without = (node: Node, key: string): Node => Object.fromEntries(Object.entries(node).filter(([name]) => name !== key));

const each = (value: unknown, map: (item: unknown) => unknown): Node =>
  Object.fromEntries(Object.entries(fields(value)).map(([key, item]) => [key, map(item)]));

function leftover(node: Node): string | undefined {
  const told: Record<string, unknown> = {};
  for (const key of TOLD) if (node[key] !== undefined && node[key] !== false) told[key] = node[key];
  if (typeof node.minItems === 'number' && node.minItems > 1) told.minItems = node.minItems;
  if (typeof node.format === 'string' && !FORMATS.has(node.format)) told.format = node.format;
  return Object.keys(told).length === 0 ? undefined : JSON.stringify(told);
}

/** Follows every local reference; one that leads back to itself, or elsewhere, is beyond what can be held to. */
function checkReferences(root: Node): void {
  const done = new Set<string>();
  visit(root, []);

  function visit(value: unknown, open: readonly string[]): void {
    if (Array.isArray(value)) {
      for (const item of value as readonly unknown[]) visit(item, open);
      return;
    }
    for (const [key, item] of Object.entries(fields(value))) {
      if (key === '$ref' && typeof item === 'string') follow(item, open);
      else if (key !== 'enum' && key !== 'const' && key !== 'default') visit(item, open);
    }
  }

  function follow(reference: string, open: readonly string[]): void {
    if (open.includes(reference)) throw new NotExpressible();
    if (done.has(reference)) return;
    const target = resolve(root, reference);
    if (!target || target === root) throw new NotExpressible();
    visit(target, [...open, reference]);
    done.add(reference);
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

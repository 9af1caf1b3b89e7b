/**
 * JSON Schemas as Cohere's structured outputs take them: an object at the top, every object with a required field, and
 * none of the keywords for ranges and lengths (docs.cohere.com, "Structured Outputs").
 */
import type { JsonSchema } from '../../core/chat.ts';
import { fields, list, text } from '../json.ts';

type Node = Readonly<Record<string, unknown>>;

/** What is not enforced there; the model is told of it in the description instead. */
const TOLD = new Set([
  'minimum',
  'maximum',
  'exclusiveMinimum',
  'exclusiveMaximum',
  'multipleOf',
  'minItems',
  'maxItems',
  'uniqueItems',
  'minLength',
  'maxLength',
  'minProperties',
  'maxProperties',
  'propertyNames',
  'contains',
]);
const FORMATS = new Set(['date-time', 'uuid', 'date', 'time']);
/** Words about a schema, and what the generated objects hold to anyway: they have the listed properties only. */
const DROPPED = new Set(['additionalProperties', 'unevaluatedProperties', '$schema', '$id', '$comment', 'examples', 'default', 'strict']);
const INEXPRESSIBLE = ['allOf', 'oneOf', 'not', 'if', 'patternProperties', 'dependentSchemas', 'dependentRequired', 'prefixItems'];

/** Deeper than that, a schema is taken for one that cannot be said. */
const DEEPEST = 64;

/** The schema in that dialect, or undefined where it cannot be said in it. */
export function structuredSchema(schema: JsonSchema): Node | undefined {
  if (typeof schema === 'boolean' || schema['type'] !== 'object') return undefined;
  return cleaned(schema, 0);
}

/** Whether calls of a function with these parameters can be made to hold to them. */
export function canBeStrict(parameters: JsonSchema | undefined): boolean {
  if (parameters === undefined) return true;
  const bare = typeof parameters === 'object' && Object.keys(fields(parameters['properties'])).length === 0;
  return bare || structuredSchema(parameters) !== undefined;
}

function cleaned(node: Node, depth: number): Node | undefined {
  if (depth > DEEPEST || INEXPRESSIBLE.some((keyword) => keyword in node)) return undefined;
  if (isObjectSchema(node) && list(node['required']).length === 0) return undefined;
  const told: string[] = [];
  const out: Record<string, unknown> = {};
  for (const [keyword, value] of Object.entries(node)) {
    if (DROPPED.has(keyword)) continue;
    if (TOLD.has(keyword) || isForeignText(keyword, value)) {
      told.push(`${keyword}: ${JSON.stringify(value)}`);
      continue;
    }
    const inner = cleanedValue(keyword, value, depth);
    if (inner === undefined) return undefined;
    out[keyword] = inner;
  }
  if (told.length === 0) return out;
  const rule = `(${told.join(', ')})`;
  const description = text(node['description']);
  return { ...out, description: description === undefined ? rule : `${description} ${rule}` };
}

function isObjectSchema(node: Node): boolean {
  const { type } = node;
  return type === 'object' || list(type).includes('object') || (type === undefined && 'properties' in node);
}

/** Formats and patterns that are refused; patterns match from end to end there, without anchors or looking ahead. */
function isForeignText(keyword: string, value: unknown): boolean {
  if (keyword === 'format') return !FORMATS.has(String(value));
  return keyword === 'pattern' && /[\^$]|\(\?[=!<]/.test(String(value));
}

function cleanedValue(keyword: string, value: unknown, depth: number): unknown {
  switch (keyword) {
    case 'properties':
    case '$defs':
    case 'definitions':
      return cleanedMap(fields(value), depth);
    case 'items':
      return isNode(value) ? cleaned(value, depth + 1) : undefined;
    case 'anyOf': {
      const branches = list(value).map((branch) => (isNode(branch) ? cleaned(branch, depth + 1) : undefined));
      return branches.includes(undefined) ? undefined : branches;
    }
    default:
      return value;
  }
}

const isNode = (value: unknown): value is Node => typeof value === 'object' && value !== null && !Array.isArray(value);

function cleanedMap(map: Node, depth: number): Node | undefined {
  const out: [string, Node][] = [];
  for (const [name, node] of Object.entries(map)) {
    const inner = isNode(node) ? cleaned(node, depth + 1) : undefined;
    if (!inner) return undefined;
    out.push([name, inner]);
  }
  return Object.fromEntries(out);
}

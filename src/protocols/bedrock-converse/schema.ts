/** JSON Schemas of tools and answers, as far as Converse and the models behind it are particular about them. */
import type { JsonSchema } from '../../core/chat.ts';
import { fields, list } from '../json.ts';

type Schema = Readonly<Record<string, unknown>>;

/** Schemas inside of schemas may not be deeper: beyond, they are left as they are. */
const DEEPEST = 32;

/**
 * The schema of a tool's input, which must be of type `object`. `bare`: for models that take `type`, `properties` and
 * `required` only at the top; definitions are written out where they are used.
 */
export function inputSchema(parameters: JsonSchema | undefined, bare: boolean): Schema {
  const schema = fields(parameters);
  if (!bare) return { ...schema, type: 'object', properties: schema.properties ?? {} };
  const properties = fields(inlined(schema.properties, schema, 0));
  return { type: 'object', properties, ...(schema.required === undefined ? {} : { required: schema.required }) };
}

/** The value with `#/$defs/…` and `#/definitions/…` of `root` put in place; a schema within itself ends at the depth. */
function inlined(value: unknown, root: Schema, depth: number): unknown {
  if (depth > DEEPEST) return {};
  if (Array.isArray(value)) return value.map((item) => inlined(item, root, depth + 1));
  if (typeof value !== 'object' || value === null) return value;
  const { $ref: ref, ...rest } = value as Schema;
  const [, place, name] = typeof ref === 'string' ? (/^#\/(\$defs|definitions)\/([^/]+)$/.exec(ref) ?? []) : [];
  if (place !== undefined && name !== undefined) {
    return inlined({ ...fields(fields(root[place])[name]), ...rest }, root, depth + 1);
  }
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, inlined(item, root, depth + 1)]));
}

/** What models hold an answer to; other keywords are refused. */
const ENFORCED: ReadonlySet<string> = new Set(
  (
    'type properties required additionalProperties items minItems enum const anyOf allOf $ref $defs definitions ' +
    'description title default $schema $id format'
  ).split(' '),
);

const FORMATS: ReadonlySet<unknown> = new Set([
  'date-time',
  'time',
  'date',
  'duration',
  'email',
  'hostname',
  'uri',
  'ipv4',
  'ipv6',
  'uuid',
]);

/**
 * Whether models take the schema to hold an output to it: every object is closed, no numeric or length limits, no
 * recursion (docs.aws.amazon.com/bedrock/latest/userguide/structured-output.html).
 */
export function isEnforceable(schema: JsonSchema | undefined): boolean {
  const root = fields(schema);
  if (root.type !== 'object') return false;
  return holds(root, new Set());

  function holds(value: unknown, within: ReadonlySet<string>): boolean {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
    const node = value as Schema;
    if (!Object.keys(node).every((key) => ENFORCED.has(key))) return false;
    if (list(node.type).includes('object') || node.type === 'object') {
      if (node.additionalProperties !== false) return false;
    } else if (node.properties !== undefined) return false;
    if (node.minItems !== undefined && node.minItems !== 0 && node.minItems !== 1) return false;
    if (node.format !== undefined && !FORMATS.has(node.format)) return false;
    if (!refersWell(node.$ref, within)) return false;
    const inner = [...Object.values(fields(node.properties)), ...list(node.anyOf), ...list(node.allOf)];
    if (node.items !== undefined) inner.push(node.items);
    return inner.every((one) => holds(one, within));
  }

  /** A reference into the definitions that does not come back to itself. */
  function refersWell(ref: unknown, within: ReadonlySet<string>): boolean {
    if (ref === undefined) return true;
    if (typeof ref !== 'string' || within.has(ref)) return false;
    const [, place, name] = /^#\/(\$defs|definitions)\/([^/]+)$/.exec(ref) ?? [];
    if (place === undefined || name === undefined) return false;
    return holds(fields(root[place])[name], new Set([...within, ref]));
  }
}

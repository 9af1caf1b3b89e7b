/**
 * A strict schema as the model is told it: without what only the grammar needs. Strict schemas must say of every object
 * that all its members are required and that there are no others; in a small prompt that is a quarter of the tokens.
 */
import type { JsonSchema } from '../../../core/chat.ts';

/** Keywords whose value is a schema, a list of schemas, or schemas by name. What else holds objects is data. */
const ONE: ReadonlySet<string> = new Set(['items', 'additionalProperties', 'not', 'if', 'then', 'else', 'contains', 'propertyNames']);
const LIST: ReadonlySet<string> = new Set(['anyOf', 'oneOf', 'allOf', 'prefixItems']);
const NAMED: ReadonlySet<string> = new Set(['properties', '$defs', 'definitions', 'patternProperties', 'dependentSchemas']);

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** All members and no others: nothing that a reader would not take for granted. */
function saysNothing(keyword: string, value: unknown, properties: unknown): boolean {
  if (keyword === 'additionalProperties') return value === false;
  if (keyword !== 'required' || !Array.isArray(value) || !isObject(properties)) return false;
  return Object.keys(properties).every((name) => value.includes(name));
}

function told(schema: unknown): unknown {
  if (!isObject(schema)) return schema;
  const kept = Object.entries(schema).filter(([keyword, value]) => !saysNothing(keyword, value, schema['properties']));
  return Object.fromEntries(
    kept.map(([keyword, value]) => {
      if (ONE.has(keyword)) return [keyword, told(value)];
      if (LIST.has(keyword) && Array.isArray(value)) return [keyword, value.map(told)];
      if (NAMED.has(keyword) && isObject(value))
        return [keyword, Object.fromEntries(Object.entries(value).map(([name, one]) => [name, told(one)]))];
      return [keyword, value];
    }),
  );
}

/** The schema in JSON for a prompt. A schema that is not strict is told as it is. */
export function toldSchema(schema: JsonSchema, strict: boolean): string {
  return JSON.stringify(strict ? told(schema) : schema);
}

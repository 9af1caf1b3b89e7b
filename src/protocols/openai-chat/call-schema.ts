/** JSON Schemas without the keywords that a provider refuses. */
type Fields = Readonly<Record<string, unknown>>;

/** Keywords that hold schemas by name, one schema, or several: everything else in a schema is no schema. */
const NAMED: ReadonlySet<string> = new Set(['properties', 'patternProperties', '$defs', 'definitions', 'dependentSchemas']);
const NESTED: ReadonlySet<string> = new Set([
  'items',
  'prefixItems',
  'additionalItems',
  'additionalProperties',
  'unevaluatedItems',
  'unevaluatedProperties',
  'contains',
  'propertyNames',
  'not',
  'if',
  'then',
  'else',
  'anyOf',
  'oneOf',
  'allOf',
]);

/** Keywords that forbid nothing: nobody misses them. */
const REMARKS: ReadonlySet<string> = new Set([
  '$schema',
  '$id',
  '$comment',
  'title',
  'description',
  'default',
  'examples',
  'deprecated',
  'readOnly',
  'writeOnly',
]);

export interface Cleaning {
  readonly refused: ReadonlySet<string>;
  /** Receives the paths of keywords that were taken out and had asked for something. */
  readonly ignored: string[];
}

/** The schema at `path` of the request without those keywords; itself where it has none of them. */
export function cleanSchema(schema: unknown, path: string, cleaning: Cleaning): unknown {
  if (Array.isArray(schema)) return schema.map((item: unknown, at) => cleanSchema(item, `${path}[${at}]`, cleaning));
  if (typeof schema !== 'object' || schema === null) return schema;
  const kept = Object.entries(schema).filter(([key]) => {
    const refused = cleaning.refused.has(key);
    if (refused && !REMARKS.has(key)) cleaning.ignored.push(`${path}.${key}`);
    return !refused;
  });
  return Object.fromEntries(kept.map(([key, value]) => [key, cleanKeyword(key, value, { path: `${path}.${key}`, cleaning })]));
}

function cleanKeyword(key: string, value: unknown, { path, cleaning }: { path: string; cleaning: Cleaning }): unknown {
  if (NAMED.has(key)) return cleanNamed(value, path, cleaning);
  return NESTED.has(key) ? cleanSchema(value, path, cleaning) : value;
}

function cleanNamed(schemas: unknown, path: string, cleaning: Cleaning): unknown {
  if (typeof schemas !== 'object' || schemas === null || Array.isArray(schemas)) return schemas;
  const named: Fields = { ...schemas };
  return Object.fromEntries(Object.entries(named).map(([name, schema]) => [name, cleanSchema(schema, `${path}.${name}`, cleaning)]));
}

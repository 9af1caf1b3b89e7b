/**
 * JSON Schema as Google takes it. Both APIs read it in `parametersJsonSchema` and `responseJsonSchema`, which unlike the
 * older `parameters` and `responseSchema` (a dialect of OpenAPI) refuse no keyword for being there, and know references,
 * unions and lists of types. They pass over keywords that they do not know: what one of those says in another word that
 * they do know is said in that one.
 */
import type { JsonSchema } from '../../core/chat.ts';
import { fields, list } from '../json.ts';

type Fields = Readonly<Record<string, unknown>>;

const SINGLE = new Set(['items', 'additionalProperties']);
const LISTS = new Set(['anyOf', 'prefixItems']);
const MAPS = new Set(['properties', '$defs']);

/** Keywords that say nothing to it, and some that it has been seen to refuse. */
const DROPPED = new Set([
  '$schema',
  '$comment',
  '$vocabulary',
  'default',
  'deprecated',
  'readOnly',
  'writeOnly',
  'examples',
  'example',
  'not',
  'if',
  'then',
  'else',
  'contains',
  'minContains',
  'maxContains',
  'uniqueItems',
  'patternProperties',
  'propertyNames',
  'unevaluatedItems',
  'unevaluatedProperties',
  'dependencies',
  'dependentRequired',
  'dependentSchemas',
  'contentEncoding',
  'contentMediaType',
  'contentSchema',
  'multipleOf',
]);

/** The schema in the words that Google knows; `true` and `false` become the schema of anything. */
export function cleanSchema(schema: JsonSchema | undefined): Fields {
  return clean(schema);
}

function clean(schema: unknown): Fields {
  const cleaned: Record<string, unknown> = {};
  for (const [word, value] of Object.entries(fields(schema))) write(cleaned, word, value);
  if (cleaned['$ref'] === undefined) return cleaned;
  // beside a reference it takes nothing but words that begin like it
  return Object.fromEntries(Object.entries(cleaned).filter(([word]) => word.startsWith('$')));
}

function write(into: Record<string, unknown>, word: string, value: unknown): void {
  if (DROPPED.has(word)) return;
  if (SINGLE.has(word)) {
    // the older form of prefixItems
    if (Array.isArray(value)) into['prefixItems'] = list(value).map(clean);
    else into[word] = typeof value === 'boolean' && word === 'additionalProperties' ? value : clean(value);
  } else if (LISTS.has(word)) {
    into[word] = list(value).map(clean);
  } else if (word === 'oneOf') {
    into['anyOf'] = list(value).map(clean);
  } else if (word === 'allOf') {
    for (const part of list(value)) merge(into, clean(part));
  } else if (MAPS.has(word) || word === 'definitions') {
    const name = word === 'definitions' ? '$defs' : word;
    const cleaned = Object.entries(fields(value)).map(([key, part]) => [key, clean(part)] as const);
    into[name] = { ...fields(into[name]), ...Object.fromEntries(cleaned) };
  } else if (word === 'const') {
    into['enum'] = [value];
  } else if (word === 'exclusiveMinimum' || word === 'exclusiveMaximum') {
    bound(into, word === 'exclusiveMinimum' ? 'minimum' : 'maximum', value);
  } else if (word === '$ref' && typeof value === 'string') {
    into['$ref'] = value.replace(/^#\/definitions\//, '#/$defs/');
  } else {
    into[word] = value;
  }
}

/** The nearest bound there is a word for; whether the bound itself counts is lost. */
function bound(into: Record<string, unknown>, word: 'minimum' | 'maximum', value: unknown): void {
  if (typeof value === 'number' && into[word] === undefined) into[word] = value;
}

/** Both must hold: properties and required names of both, other words of whoever came last. */
function merge(into: Record<string, unknown>, part: Fields): void {
  for (const [word, value] of Object.entries(part)) {
    if (MAPS.has(word)) into[word] = { ...fields(into[word]), ...fields(value) };
    else if (word === 'required') into[word] = [...new Set([...list(into[word]), ...list(value)])];
    else into[word] = value;
  }
}

/**
 * Parameters of a function, always of an object; undefined for a function without arguments, because an object without
 * properties has been refused.
 */
export function parametersOf(schema: JsonSchema | undefined): Fields | undefined {
  const cleaned = cleanSchema(schema);
  const { type, properties } = cleaned;
  const bare = Object.keys(fields(properties)).length === 0;
  const other = ['$ref', 'anyOf', 'additionalProperties'].some(
    (word) => typeof cleaned[word] === 'string' || typeof cleaned[word] === 'object',
  );
  if (bare && !other) return undefined;
  return type === undefined ? withWords(cleaned, { type: 'object' }) : cleaned;
}

/** The schema with these words before its own; a reference stands alone. */
export function withWords(cleaned: Fields, words: Fields): Fields {
  return cleaned['$ref'] === undefined ? { ...words, ...cleaned } : cleaned;
}

/**
 * The few shapes that the schemas of this folder are built from. They are plain JSON Schema underneath:
 * the same objects validate requests, explain what is wrong with one, and become components of the API description.
 * A schema with a `title` is a component; a union with a `discriminator` is told apart by that property.
 */
import Type from 'typebox';
import type { TSchema } from 'typebox';

/** Annotations that a field may carry. */
export interface Notes {
  readonly description?: string;
  readonly default?: unknown;
  readonly deprecated?: boolean;
  readonly examples?: readonly unknown[];
}

/** A field that may be left out, or be `null`, which says the same. */
export function maybe<T extends TSchema>(schema: T, notes: Notes = {}) {
  return Type.Optional(Type.Union([schema, Type.Null()], { ...notes }));
}

/** A value that is always there, but may be `null`. */
export function nullable<T extends TSchema>(schema: T, notes: Notes = {}) {
  return Type.Union([schema, Type.Null()], { ...notes });
}

/** Objects of several kinds, told apart by the constant in their property `key`. */
export function oneBy<T extends TSchema[]>(key: string, kinds: [...T], notes: Notes & { readonly title?: string } = {}) {
  return Type.Union(kinds, { discriminator: { propertyName: key }, ...notes });
}

/** An object of any content, as a JSON Schema is. */
export function anyObject(notes: Notes = {}) {
  return Type.Unsafe<Readonly<Record<string, unknown>>>({ type: 'object', additionalProperties: true, ...notes });
}

/** Any JSON; may be left out. */
export function anyValue(notes: Notes = {}) {
  return Type.Optional(Type.Unsafe<unknown>({ ...notes }));
}

/** A map from keys that hold to `names` to values of one kind. */
export function mapOf<T>(parts: { readonly names: TSchema; readonly values: TSchema; readonly max?: number }) {
  const { names, values, max } = parts;
  return Type.Unsafe<Readonly<Record<string, T>>>({
    type: 'object',
    propertyNames: names,
    additionalProperties: values,
    ...(max === undefined ? {} : { maxProperties: max }),
  });
}

/** An integer that a double carries exactly; `minimum` and `maximum` default to the ends of that range. */
export function integer(range: { readonly minimum?: number; readonly maximum?: number } = {}) {
  return Type.Integer({ minimum: Number.MIN_SAFE_INTEGER, maximum: Number.MAX_SAFE_INTEGER, ...range });
}

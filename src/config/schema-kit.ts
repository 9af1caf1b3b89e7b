/** The few shapes that settings are built from. */
import { Type } from 'typebox';
import type { TSchema } from 'typebox';

export const DURATION = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/;
/** Whole days. */
export const DAYS = /^([1-9]\d{0,4})d$/;
export const BYTES = /^(\d+(?:\.\d+)?)(B|KiB|MiB|GiB)$/;
/** How a setting's written form becomes its value. */
export type Unit = 'duration' | 'bytes';

/** What we add to JSON Schema's own keywords. */
export interface Extras {
  readonly description: string;
  readonly default?: unknown;
}

export const duration = (fallback: string, description: string) =>
  Type.Unsafe<string>({ type: 'string', pattern: DURATION.source, default: fallback, description, unit: 'duration' satisfies Unit });

/** A body becomes one string, and strings have a limit of their own (512 MiB in V8). */
const LARGEST_TEXT = 256 * 1024 ** 2;

/** A size, at most as large as one text can be, or `maximum` bytes. */
export const bytes = (fallback: string, description: string, maximum = LARGEST_TEXT) =>
  Type.Unsafe<string | number>({
    type: ['string', 'integer'],
    pattern: BYTES.source,
    minimum: 1,
    maximum,
    default: fallback,
    description,
    unit: 'bytes' satisfies Unit,
  });

/** One of a few words. */
export const oneOf = <T extends string>(values: readonly T[], extras: Extras) => Type.Unsafe<T>({ enum: [...values], ...extras });

/** Settings are all optional, so a section has no `required`. */
export const section = (properties: Record<string, TSchema>, description: string) =>
  Type.Unsafe<Record<string, unknown>>({ type: 'object', properties, additionalProperties: false, description });

/** The fields of a schema that this folder reads; TypeBox's own types hide most of them. */
export interface SchemaNode {
  readonly type?: string | readonly string[];
  readonly properties?: Readonly<Record<string, SchemaNode>>;
  readonly items?: SchemaNode;
  readonly additionalProperties?: boolean | SchemaNode;
  readonly propertyNames?: { readonly pattern: string };
  readonly required?: readonly string[];
  readonly anyOf?: readonly SchemaNode[];
  readonly const?: string;
  readonly enum?: readonly unknown[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly pattern?: string;
  readonly default?: unknown;
  readonly description?: string;
  readonly unit?: Unit;
}

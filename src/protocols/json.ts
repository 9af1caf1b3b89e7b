/** Readers for JSON that nobody has checked: each gives what it names, or says that it is not there. None throws. */

const NOTHING: Readonly<Record<string, unknown>> = Object.freeze({});

/** The fields of an object; none where the value is no object (an array is none). */
export function fields(value: unknown): Readonly<Record<string, unknown>> {
  return isObject(value) ? value : NOTHING;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A string, the empty one too. */
export function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

/** A finite number that is not negative: a count, a price, a time. */
export function count(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : undefined;
}

/** The items of an array; none where the value is no array. */
export function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? (value as readonly unknown[]) : [];
}

export function flag(value: unknown): boolean | undefined {
  return typeof value === 'boolean' ? value : undefined;
}

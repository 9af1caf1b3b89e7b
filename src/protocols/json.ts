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

/** A number that is not negative, and small enough to be added up: a count, a price, a time. */
export function count(value: unknown): number | undefined {
  return typeof value === 'number' && value >= 0 && value <= Number.MAX_SAFE_INTEGER ? value : undefined;
}

/** The items of an array; none where the value is no array. */
export function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? (value as readonly unknown[]) : [];
}

export function flag(value: unknown): boolean | undefined {
  return typeof value === 'boolean' ? value : undefined;
}

/** What a table has under a name that came from outside; `constructor` and the like are in none. */
export function entry<T>(table: Readonly<Record<string, T>>, name: string | null | undefined): T | undefined {
  return name != null && Object.hasOwn(table, name) ? table[name] : undefined;
}

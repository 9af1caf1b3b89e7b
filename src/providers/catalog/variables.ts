/** Fills the parts in braces of a row's URLs. */
import type { Variable } from '../row.ts';

export type Variables = Readonly<Record<string, Variable>>;

/** Text with its parts filled in, or the names of variables that nobody has given a value. */
export type Filled = { readonly ok: true; readonly text: string } | { readonly ok: false; readonly missing: readonly string[] };

/** Names in braces, each once, in order. */
export function placeholders(text: string): readonly string[] {
  return [...new Set([...text.matchAll(/\{([A-Za-z][A-Za-z0-9_]*)\}/g)].map((match) => match[1] ?? ''))];
}

/**
 * `given` has the configuration's values; `env` the environment. Slashes at the end of a value are left out, since people
 * give addresses with and without. Only parts that the text comes to need must have values.
 */
export function fillIn(
  text: string,
  variables: Variables,
  from: { readonly given: Readonly<Record<string, string>>; readonly env: Readonly<Record<string, string | undefined>> },
): Filled {
  const missing = new Set<string>();

  function valueOf(name: string, within: readonly string[]): string {
    const variable = variables[name];
    const direct = own(from.given, name) ?? firstSet(variable?.env ?? [], from.env);
    if (direct !== undefined) return direct.replace(/\/+$/, '');
    if (variable === undefined || within.includes(name)) return lacking(name);
    const inner = [...within, name];
    const chosen = variable.by === undefined ? undefined : own(variable.cases ?? {}, valueOf(variable.by, inner));
    const template = chosen ?? variable.default;
    return template === undefined ? lacking(name) : fill(template, inner);
  }

  function lacking(name: string): string {
    missing.add(name);
    return '';
  }

  function fill(template: string, within: readonly string[]): string {
    return template.replaceAll(/\{([A-Za-z][A-Za-z0-9_]*)\}/g, (_, name: string) => valueOf(name, within));
  }

  const filled = fill(text, []);
  return missing.size === 0 ? { ok: true, text: filled } : { ok: false, missing: [...missing] };
}

function own<Value>(record: Readonly<Record<string, Value>>, name: string): Value | undefined {
  return Object.hasOwn(record, name) ? record[name] : undefined;
}

function firstSet(names: readonly string[], env: Readonly<Record<string, string | undefined>>): string | undefined {
  for (const name of names) {
    const value = env[name]?.trim();
    if (value !== undefined && value !== '') return value;
  }
  return undefined;
}

/** Checks a setting that is itself a tree: every fault with its place. Values are not shown; some are secrets. */
import { Value } from 'typebox/value';
import { nearest } from '../core/nearest.ts';
import { isTooLong } from './duration.ts';
import { describe } from './schema.ts';
import type { SchemaNode } from './schema.ts';

export interface Fault {
  readonly path: readonly (string | number)[];
  /** `must be …`, `unknown setting`. */
  readonly message: string;
}

type Path = readonly (string | number)[];

/** All faults of a value by its schema. */
export function faultsOf(node: SchemaNode, value: unknown, path: Path = []): Fault[] {
  if (node.anyOf) {
    const branch = node.anyOf.find((one) => sameType(one, value));
    return branch ? faultsOf(branch, value, path) : [{ path, message: `must be ${describe(node)}` }];
  }
  if (node.type === 'object' && isObject(value)) return objectFaults(node, value, path);
  const { items } = node;
  if (node.type === 'array' && items && Array.isArray(value)) {
    const inner = value.flatMap((item: unknown, index) => faultsOf(items, item, [...path, index]));
    if (inner.length > 0) return inner;
  }
  if (!Value.Check(node, value)) return [{ path, message: `must be ${describe(node)}` }];
  return node.unit === 'duration' && isTooLong(String(value)) ? [{ path, message: 'must be at most 24 days' }] : [];
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function sameType({ type }: SchemaNode, value: unknown): boolean {
  const is = Array.isArray(value) ? 'array' : value === null ? 'null' : typeof value;
  return type === undefined || type === is || (type === 'integer' && is === 'number');
}

function objectFaults(node: SchemaNode, value: Readonly<Record<string, unknown>>, path: Path): Fault[] {
  const faults: Fault[] = [];
  for (const name of node.required ?? []) if (!Object.hasOwn(value, name)) faults.push({ path, message: `must have "${name}"` });
  for (const [key, item] of Object.entries(value)) {
    const here = [...path, key];
    const known = node.properties && Object.hasOwn(node.properties, key) ? node.properties[key] : undefined;
    if (known) {
      if (item !== null) faults.push(...faultsOf(known, item, here));
    } else if (isObject(node.additionalProperties)) {
      const pattern = node.propertyNames?.pattern;
      if (pattern !== undefined && !new RegExp(pattern).test(key)) faults.push({ path: here, message: `its name must match ${pattern}` });
      else faults.push(...faultsOf(node.additionalProperties, item ?? {}, here));
    } else if (node.additionalProperties === false) {
      const near = nearest(key, Object.keys(node.properties ?? {}));
      faults.push({ path: here, message: `unknown setting${near === undefined ? '' : `, did you mean "${near}"?`}` });
    }
  }
  return faults;
}

/** `providers.groq.models[0]` */
export function pathText(path: Path): string {
  return path.map((part, index) => (typeof part === 'number' ? `[${part}]` : index === 0 ? part : `.${part}`)).join('');
}

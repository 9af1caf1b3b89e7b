/** A configuration on its way to a worker. What is secret in it has no plain form but here: functions do not travel. */
import { secret } from '../config/secret.ts';
import type { Config, Secret } from '../config/settings.ts';

interface Packed {
  readonly packedSecret: string;
}

const isSecret = (value: object): value is Secret => 'reveal' in value && typeof value.reveal === 'function';
const isPacked = (value: object): value is Packed => 'packedSecret' in value;

/** Plain data. */
export function packConfig(config: Config): unknown {
  return mapped(config, (value) => (isSecret(value) ? { packedSecret: value.reveal() } : undefined));
}

/** Frozen, as it was. */
export function unpackConfig(packed: unknown): Config {
  return mapped(packed, (value) => (isPacked(value) ? secret(value.packedSecret) : undefined)) as Config;
}

/** The same tree, with something else in the place of objects for which there is something else. */
function mapped(value: unknown, replace: (value: object) => object | undefined): unknown {
  if (typeof value !== 'object' || value === null) return value;
  const other = replace(value);
  if (other) return Object.freeze(other);
  // patterns go as they are
  if (value instanceof RegExp) return value;
  if (Array.isArray(value)) return Object.freeze(value.map((one) => mapped(one, replace)));
  return Object.freeze(Object.fromEntries(Object.entries(value).map(([name, one]) => [name, mapped(one, replace)])));
}

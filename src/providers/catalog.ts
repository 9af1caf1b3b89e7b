/** The providers that are known by name: a row each. What is peculiar to one stands in its row and nowhere else. */
import { CLOUDS } from './catalog/clouds.ts';
import { HOSTS } from './catalog/hosts.ts';
import { LOCAL_SERVERS } from './catalog/local.ts';
import { MAKERS_IN_CHINA } from './catalog/makers-asia.ts';
import { MAKERS } from './catalog/makers.ts';
import type { ProviderRow } from './row.ts';

export const CATALOG: readonly ProviderRow[] = Object.freeze([...MAKERS, ...MAKERS_IN_CHINA, ...CLOUDS, ...HOSTS, ...LOCAL_SERVERS]);

const byId: ReadonlyMap<string, ProviderRow> = new Map(CATALOG.map((row) => [row.id, row]));

export function rowOf(id: string): ProviderRow | undefined {
  return byId.get(id);
}

/** Which answers may be repeated by whom: what two processes must have in common so that the same request has the same answer. */
import { createHash } from 'node:crypto';
import type { Config } from './config/settings.ts';
import { canonicalJson } from './gateway/cache-key.ts';

/**
 * 22 characters, which say nothing of what they are made of. Equal where names lead to the same models of the same providers, and configured
 * keys, whose names are those of tenants, are the same. What a provider's own key is does not matter: it may be rotated.
 */
export function answerScope({ models, providers, keys }: Config, version: string): string {
  const routes = Object.entries(models.routes).map(([name, { targets }]) => [name, targets.map(({ model }) => model)] as const);
  const meaning = {
    version,
    names: models.names,
    builtIn: models.builtIn,
    routes: Object.fromEntries(routes),
    providers: providers.map(({ key: _, ...provider }) => provider),
    keys,
  };
  // as JSON has it: what is undefined is not there
  const json = canonicalJson(JSON.parse(JSON.stringify(meaning))) ?? '';
  return createHash('sha256').update(json).digest('base64url').slice(0, 22);
}

/** From a configured provider to one that can be asked. */
import { withMessage } from '../../core/error.ts';
import type { GatewayError } from '../../core/error.ts';
import type { PlannedProvider } from '../configured.ts';
import { blot, createAuthorizer, secretsOf } from '../credentials.ts';
import type { Env, Secret } from '../credentials.ts';
import type { Provider } from '../provider.ts';

export type KeyedProvider = Omit<PlannedProvider, 'key'> & { readonly key: Secret | undefined };

export interface BuiltProvider {
  readonly provider: Provider;
  /** Takes its secrets out of an error: its key, and the values of headers that are as secret. */
  readonly scrub: (error: GatewayError) => GatewayError;
}

/** The provider with what it needs to prove who we are. Nothing is asked for yet; `env` is where clouds look for credentials. */
export function buildProvider({ key, keyEnv, region, ...planned }: KeyedProvider, env: Env): BuiltProvider {
  const authorize = createAuthorizer({ provider: planned.id, auth: planned.auth, key, keyEnv, region, env });
  const secrets = secretsOf({ key, keyEnv, env }, planned.headers);
  return { provider: { ...planned, authorize }, scrub: (error) => withMessage(error, blot(error.message, secrets)) };
}

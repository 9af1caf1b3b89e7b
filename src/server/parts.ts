/** What the HTTP server is given. */
import type { Logger } from 'pino';
import type { ApiKey } from '../config/keys.ts';
import type { ServerSettings } from '../config/settings.ts';
import type { Handler, ModelCard } from '../core/call.ts';

/** The models that clients may ask for now. */
export interface ModelDirectory {
  list(): Promise<readonly ModelCard[]>;
  /** Throws `model_not_found` with the names that come near. */
  find(id: string): Promise<ModelCard>;
}

/** Can the server answer a completion? `detail` is shown as JSON. */
export interface Readiness {
  readonly ready: boolean;
  readonly detail: Readonly<Record<string, unknown>>;
}

export interface ServerParts {
  /** A whole Config fits. */
  readonly config: { readonly server: ServerSettings; readonly keys: readonly ApiKey[] };
  readonly log: Logger;
  readonly version: string;
  readonly handler: Handler;
  readonly models: ModelDirectory;
  ready(): Promise<Readiness>;
}

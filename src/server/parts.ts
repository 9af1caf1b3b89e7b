/** What the HTTP server is given. */
import type { Logger } from 'pino';
import type { ApiKey } from '../config/keys.ts';
import type { MetricsSettings, ServerSettings } from '../config/settings.ts';
import type { Handler, ModelCard, Principal } from '../core/call.ts';
import type { Administration } from '../gateway/administration.ts';
import type { Directory } from '../gateway/directory.ts';
import type { MeParts } from '../gateway/me.ts';
import type { Observe } from '../gateway/ports.ts';
import type { CompletionStore } from '../gateway/store-ports.ts';
import type { AccessLog } from './access-log.ts';
import type { UsageDesk } from './routes/admin-usage.ts';

/** The models that there are now, for this caller. */
export interface ModelDirectory {
  list(principal: Principal): Promise<readonly ModelCard[]>;
  /** Throws `model_not_found` with the names that come near, or `model_not_allowed`. */
  find(id: string, principal: Principal): Promise<ModelCard>;
}

/** Can the server answer a completion? `detail` is shown as JSON. */
export interface Readiness {
  readonly ready: boolean;
  readonly detail: Readonly<Record<string, unknown>>;
}

/** What one configuration makes of the server. A request keeps the one that it began with. */
export interface Service {
  readonly server: ServerSettings;
  /** Those of the configuration. */
  readonly keys: readonly ApiKey[];
  readonly handler: Handler;
  readonly models: ModelDirectory;
  ready(): Promise<Readiness>;
  /** Called for each request, and `leave` once when it is over. */
  enter(): void;
  leave(): void;
}

export interface ReadableMetrics {
  readonly settings: MetricsSettings;
  /** All of them, as `contentType` says. */
  text(): Promise<string>;
  readonly contentType: string;
}

export interface ServerParts {
  readonly log: Logger;
  /** Writes the log's lines of requests in its place. */
  readonly logRequest?: AccessLog['write'];
  readonly version: string;
  /** How many processes serve together, of how many; absent where it is this one alone. */
  readonly workers?: () => Readonly<Record<'serving' | 'of', number>> | undefined;
  /** What requests that begin now are served by. */
  current(): Service;
  /** The keys that are kept; absent: there are those of the configuration alone. */
  readonly directory?: Directory;
  /** Changes them. */
  readonly administration?: Administration;
  /** What was used, and what is left; absent where nothing is kept. */
  readonly desk?: UsageDesk & MeParts & { readonly completions: CompletionStore };
  /** Is told of every request when it is over. */
  readonly observe?: Observe;
  /** Absent: nobody may read any. */
  readonly metrics?: ReadableMetrics;
}

/** What the HTTP server is given. */
import type { Logger } from 'pino';
import type { ApiKey } from '../config/keys.ts';
import type { MetricsSettings, ServerSettings } from '../config/settings.ts';
import type { Handler, ModelCard } from '../core/call.ts';
import type { Observe } from '../gateway/ports.ts';

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

/** What one configuration makes of the server. A request keeps the one that it began with. */
export interface Service {
  readonly server: ServerSettings;
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
  readonly version: string;
  /** What requests that begin now are served by. */
  current(): Service;
  /** Is told of every request when it is over. */
  readonly observe?: Observe;
  /** Absent: nobody may read any. */
  readonly metrics?: ReadableMetrics;
}

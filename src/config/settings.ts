/** The checked configuration, as the rest of the program sees it. */
import type { Pricing } from '../core/call.ts';
import type { PlannedProvider } from '../providers/configured.ts';
import type { EngineSettings } from '../providers/llama/settings.ts';
import type { ApiKey } from './keys.ts';
import type { routeOf } from './routing.ts';

/** Sizes are in bytes, times in milliseconds; a time of 0 is no limit. */
export interface ServerSettings {
  readonly host: string;
  readonly port: number;
  /** Requests without a key are refused. */
  readonly requireKey: boolean;
  /** Addresses or ranges whose X-Forwarded-For is believed. */
  readonly trustedProxies: readonly string[];
  readonly allowedHosts: readonly string[];
  readonly bodyLimit: number;
  readonly headerLimit: number;
  readonly jsonDepth: number;
  readonly headersTimeoutMs: number;
  readonly bodyTimeoutMs: number;
  readonly writeTimeoutMs: number;
  readonly shutdownTimeoutMs: number;
  readonly maxConnections: number | undefined;
  /** 0: no comment lines. */
  readonly pingMs: number;
  readonly strict: boolean;
  readonly corsOrigins: readonly string[];
}

export interface LogSettings {
  readonly level: 'fatal' | 'error' | 'warn' | 'info' | 'debug' | 'trace' | 'silent';
  readonly format: 'auto' | 'json' | 'pretty';
}

/** Under which names clients know models. Patterns have `*` for any text. */
export interface ModelNames {
  readonly aliases: Readonly<Record<string, readonly string[]>>;
  /** New name → old name. */
  readonly rename: Readonly<Record<string, string>>;
  readonly allow: readonly string[];
  readonly deny: readonly string[];
  readonly hide: readonly string[];
}

/** How the targets of one name are used; what is left out is as `RoutingSettings` has it. Times in milliseconds. */
export type RouteSettings = ReturnType<typeof routeOf>;

/** What is done when a model fails, and how much is taken on. Times in milliseconds. */
export interface RoutingSettings {
  readonly attempts: number;
  readonly maxWaitMs: number;
  readonly wholeMs: number;
  readonly firstOutputMs: number;
  readonly idleMs: number;
  readonly hedge: boolean;
  readonly onContentFilter: boolean;
  readonly continues: boolean;
  readonly drains: boolean;
  readonly breaker: { readonly failures: number; readonly rate: number; readonly cooldownMs: number; readonly maxCooldownMs: number };
  /** 0: targets that have rested are probed by the next request. */
  readonly probeMs: number;
  readonly maxInFlight: number;
  readonly queue: number;
}

export interface MetricsSettings {
  readonly enabled: boolean;
  /** Of the port of its own. */
  readonly host: string;
  /** Undefined: on the server's own address. 0 takes any free one. */
  readonly port: number | undefined;
  /** Of the key that scrapers must send; undefined: none is needed where only this machine can ask. */
  readonly keySha256: string | undefined;
}

/** Which answers are given again. Times in milliseconds, 0 is no limit. */
export interface CacheSettings {
  readonly enabled: boolean;
  readonly perRequest: boolean;
  readonly maxBytes: number;
  readonly ttlMs: number;
  readonly models: readonly string[];
  readonly share: boolean;
  /** Where there is a Redis, for all processes together. */
  readonly inRedis: boolean;
}

export interface DataSettings {
  /** The folder of the database, absolute. */
  readonly dir: string;
  /** A Postgres in its place. */
  readonly url: Secret | undefined;
  readonly outageMs: number;
  /** Records of usage older than this are deleted; undefined: none are. */
  readonly retentionMs: number | undefined;
  readonly storeCompletions: boolean;
}

export interface LimitSettings {
  readonly onTightBudget: 'refuse' | 'lower';
  readonly answerTokens: number;
}

export interface PriceSettings {
  readonly overrides: Readonly<Record<string, Pricing>>;
  readonly local: Pricing;
  readonly unpriced: 'allow' | 'refuse';
}

export interface RedisSettings {
  readonly url: Secret;
  readonly prefix: string;
  readonly whenDown: 'refuse' | 'allow';
  /** A part of each limit. */
  readonly allowance: number;
}

/** A text that neither JSON nor the console shows. */
export interface Secret {
  reveal(): string;
}

/** A provider as the rest of the program gets it; the key only by `reveal()`. */
export type ConfiguredProvider = Omit<PlannedProvider, 'key'> & { readonly key: Secret | undefined };

export interface Config {
  /** The file that was read, absolute; absent where there is none. */
  readonly file: string | undefined;
  readonly server: ServerSettings;
  /** Processes that serve; with 1 it is this process alone. */
  readonly workers: number;
  readonly keys: readonly ApiKey[];
  readonly providers: readonly ConfiguredProvider[];
  /** What the administrator should know of the environment, a line for each. */
  readonly notices: readonly string[];
  readonly models: {
    readonly dir: string;
    readonly builtIn: boolean;
    readonly names: ModelNames;
    readonly routes: Readonly<Record<string, RouteSettings>>;
  };
  readonly routing: RoutingSettings;
  readonly cache: CacheSettings;
  readonly limits: LimitSettings;
  readonly prices: PriceSettings;
  readonly engine: EngineSettings;
  readonly hub: { readonly url: string; readonly token: Secret | undefined };
  readonly log: LogSettings;
  readonly metrics: MetricsSettings;
  /** Absent: nothing is kept. */
  readonly data: DataSettings | undefined;
  /** Absent: nothing is shared. */
  readonly redis: RedisSettings | undefined;
  /** Changes of the file are taken while the server runs. */
  readonly watch: boolean;
}

/** Routes over faulty upstreams, and a server that has them. */
import { startLiveServer } from './live-server.ts';
import type { LiveServer } from './live-server.ts';

export interface RouteSettings {
  readonly targets: readonly (string | Readonly<Record<string, unknown>>)[];
  readonly [setting: string]: unknown;
}

/** So long that no moment in which the machine is busy reaches it. */
export const PATIENT = { firstOutput: '60s', idle: '60s', whole: '2m' };

/** An upstream as a provider of the configuration, with these models, or with whatever name is asked for. */
export const providerAt = (url: string, models?: readonly string[]) => ({
  wire: 'openai-chat',
  baseUrl: `${url}/v1`,
  ...(models ? { models } : {}),
});

export interface RoutedOptions {
  readonly providers: Readonly<Record<string, object>>;
  readonly routes: Readonly<Record<string, RouteSettings>>;
  readonly env?: Readonly<Record<string, string>>;
}

/** The settings of a server, without an engine, that knows these routes. */
export const routedEnv = ({ providers, routes, env = {} }: RoutedOptions): Readonly<Record<string, string>> => ({
  PARLANCE_MODELS_BUILT_IN: 'false',
  PARLANCE_PROVIDERS: JSON.stringify(providers),
  PARLANCE_MODELS_ROUTES: JSON.stringify(routes),
  ...env,
});

/** A whole server with these settings. */
export const startRouted = (options: RoutedOptions): Promise<LiveServer> => startLiveServer(routedEnv(options));

/** What an answer says of its way. */
export const wayOf = (headers: Headers): { readonly attempts: number; readonly provider: string | null } => ({
  attempts: Number(headers.get('x-parlance-attempts')),
  provider: headers.get('x-parlance-provider'),
});

/** Every model that a server of this configuration would offer, those of providers too. */
import type { Config } from '../config/settings.ts';
import type { ModelCard } from '../core/call.ts';
import { GatewayError } from '../core/error.ts';
import { createCatalog } from '../gateway/router.ts';
import { createHttp } from '../providers/http.ts';
import { localTargets } from '../providers/llama/targets.ts';
import type { LocalLibrary } from '../providers/llama/library.ts';
import { buildProvider } from '../providers/remote/build.ts';
import { LIST_TIMES } from '../providers/remote/listed.ts';
import { createRemoteSource } from '../providers/remote/source.ts';
import { programVersion } from './output.ts';

export interface AllModels {
  /** As `GET /v1/models` shows them. */
  readonly cards: readonly ModelCard[];
  /** Providers whose list could not be had, and why; what is known of them without one is among the cards. */
  readonly failures: readonly { readonly provider: string; readonly message: string }[];
}

export interface Listing {
  readonly config: Config;
  readonly library: LocalLibrary;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Milliseconds that each provider has. */
  readonly patienceMs?: number;
}

const unasked = { chat: () => Promise.reject(new GatewayError('internal', 'A list answers nothing.')) };

/** Asks all providers at the same time. */
export async function listAll({ config, library, env, patienceMs = LIST_TIMES.patienceMs }: Listing): Promise<AllModels> {
  const failures: { provider: string; message: string }[] = [];
  const http = createHttp({ userAgent: `parlance/${programVersion()}`, env });
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(new GatewayError('upstream_timeout', `no answer within ${patienceMs / 1000} s`)), patienceMs);
  const sources = config.providers.map((configured) => {
    const { provider, scrub } = buildProvider(configured, env);
    return createRemoteSource(provider, {
      http,
      scrub,
      inlineImages: async (request) => request,
      // longer than what ends the asking: whoever is late is to be told
      times: { ...LIST_TIMES, patienceMs: 2 * patienceMs },
      now: () => performance.now(),
      failed: (id, error) => failures.push({ provider: id, message: scrub(error).message }),
      signal: late.signal,
    });
  });
  try {
    const { names, routes } = config.models;
    const cards = await createCatalog([localTargets(library, unasked, config.engine), ...sources], { names, routes }).list();
    return { cards, failures };
  } finally {
    clearTimeout(timer);
    await http.close();
  }
}

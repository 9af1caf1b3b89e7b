/** Checks of the configured providers: each is asked for its models, which shows whether it is there and takes the key. */
import type { Config, ConfiguredProvider } from '../config/settings.ts';
import { unlessAborted } from '../core/abort.ts';
import { GatewayError, toGatewayError } from '../core/error.ts';
import { createHttp } from '../providers/http.ts';
import type { Http } from '../providers/http.ts';
import { buildProvider } from '../providers/remote/build.ts';
import type { BuiltProvider } from '../providers/remote/build.ts';
import { fetchList } from '../providers/remote/listed.ts';
import { findingOf, type Finding } from './doctor-machine.ts';
import { programVersion } from './output.ts';

export interface ProviderChecks {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Nobody is asked anything. */
  readonly offline: boolean;
  /** Milliseconds that each provider has. */
  readonly patienceMs?: number;
}

const PATIENCE_MS = 5000;

/** What a wrong key brings about; Google's answer is a 400. */
const REFUSALS: ReadonlySet<number> = new Set([400, 401, 403]);

/** A finding for each provider, in the order of the configuration, after what the environment has and is not used. */
export async function checkProviders(config: Config, checks: ProviderChecks): Promise<readonly Finding[]> {
  const notices = config.notices.map((notice) =>
    findingOf('providers')('warn', notice, 'docs/providers.md says what each provider needs.'),
  );
  if (config.providers.length === 0) return notices;
  if (checks.offline) return [...notices, ...config.providers.map(notAsked)];
  const http = createHttp({ userAgent: `parlance/${programVersion()}`, env: checks.env });
  try {
    return [...notices, ...(await Promise.all(config.providers.map((configured) => checkOne(configured, http, checks))))];
  } finally {
    await http.close();
  }
}

function notAsked({ id, baseUrl }: ConfiguredProvider): Finding {
  return findingOf(`provider ${id}`)('ok', `at ${hostOf(baseUrl)}, not asked`);
}

async function checkOne(configured: ConfiguredProvider, http: Http, { env, patienceMs = PATIENCE_MS }: ProviderChecks): Promise<Finding> {
  const built = buildProvider(configured, env);
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(new GatewayError('upstream_timeout', `no answer within ${patienceMs / 1000} s`)), patienceMs);
  try {
    return await unlessAborted(ask(built, http, late.signal), late.signal);
  } catch (cause) {
    return failed(configured, built.scrub(toGatewayError(cause)));
  } finally {
    clearTimeout(timer);
    late.abort();
  }
}

async function ask({ provider }: BuiltProvider, http: Http, signal: AbortSignal): Promise<Finding> {
  const find = findingOf(`provider ${provider.id}`);
  const host = hostOf(provider.baseUrl);
  const own = provider.models.length;
  const chosen = own === 0 ? '' : `; the configuration names ${own}`;
  if (provider.onlyDeclared && own === 0)
    return find('warn', 'it offers no model', 'Name some in its models, or take listModels: false out.');
  if (!provider.listing) {
    // the credentials alone can be looked at
    await provider.authorize({ method: 'GET', url: provider.baseUrl, headers: {}, body: '' }, signal);
    return find('ok', `${host} is not asked for a list of models${chosen}`);
  }
  const { size } = await fetchList(provider, { http, signal });
  const facts = `${host} lists ${size === 1 ? '1 model' : `${size} models`}${chosen}`;
  if (size === 0 && own === 0) return find('warn', facts, 'There is nothing to answer with until it has one.');
  return find('ok', facts);
}

function failed({ id, baseUrl, local }: ConfiguredProvider, { kind, status, message }: GatewayError): Finding {
  const find = findingOf(`provider ${id}`);
  // the message says what to set
  if (kind === 'internal') return find('fail', message);
  if (kind === 'reported' && REFUSALS.has(status)) return find('fail', `${hostOf(baseUrl)} refuses: ${message}`, 'Check its key.');
  if (kind === 'reported')
    return find('warn', `${hostOf(baseUrl)}: ${message}`, 'listModels: false, and its models by name, do without a list.');
  const advice = local
    ? 'Start it, set its baseUrl, or take it out of the configuration.'
    : 'Check the network, a proxy (HTTPS_PROXY) and its baseUrl; --offline asks nobody.';
  return find('warn', message.includes(hostOf(baseUrl)) ? message : `${hostOf(baseUrl)}: ${message}`, advice);
}

/** An address may hold a password. */
function hostOf(url: string): string {
  return URL.canParse(url) ? new URL(url).host : 'its address';
}

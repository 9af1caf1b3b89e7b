/** From the administrator's settings and the environment to the providers there are. */
import { nearest } from '../core/nearest.ts';
import { CATALOG, rowOf } from './catalog.ts';
import { fillIn } from './catalog/variables.ts';
import type { Variables } from './catalog/variables.ts';
import { QUIRK_NAMES } from './quirk-names.ts';
import type { DeclaredModel, Provider, Timeouts } from './provider.ts';
import type { Auth, Listing, ModelRule, ProviderRow, Spoken, WireName } from './row.ts';

type Env = Readonly<Record<string, string | undefined>>;

/** One entry of `providers` in the configuration, checked by its schema. Times in milliseconds. */
export interface ProviderSettings {
  readonly type?: string;
  readonly wire?: WireName;
  readonly enabled?: boolean;
  readonly key?: string;
  readonly baseUrl?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly variables?: Readonly<Record<string, string>>;
  readonly quirks?: Readonly<Record<string, unknown>>;
  readonly listModels?: boolean;
  readonly models?: readonly (string | DeclaredSettings)[];
  readonly timeouts?: Partial<Timeouts>;
}

export type DeclaredSettings = Omit<DeclaredModel, 'upstream'> & { readonly upstream?: string };

/** A provider but for what proves who we are, which needs the network. */
export type PlannedProvider = Omit<Provider, 'authorize'> & {
  /** Absent: the environment's, where the auth scheme looks there, or none. */
  readonly key: string | undefined;
  /** Where a key would be looked for, for messages. */
  readonly keyEnv: readonly string[];
  /** For signatures. */
  readonly region: string | undefined;
};

export interface Plan {
  readonly providers: readonly PlannedProvider[];
  /** What is wrong with the settings. `path` is that of the setting below `providers`. */
  readonly problems: readonly { readonly path: readonly string[]; readonly message: string }[];
  /** Providers whose key the environment has and that lack something else. */
  readonly notices: readonly string[];
}

const DEFAULT_TIMEOUTS: Timeouts = { connectMs: 10_000, headersMs: 10 * 60_000, idleMs: 5 * 60_000 };

/** Everything that the settings name, and every row of the catalog whose key is in the environment. */
export function planProviders(settings: Readonly<Record<string, ProviderSettings>>, env: Env): Plan {
  const problems: { path: readonly string[]; message: string }[] = [];
  const notices: string[] = [];
  const providers: PlannedProvider[] = [];
  for (const [id, given] of Object.entries(settings)) {
    if (given.enabled === false) continue;
    const planned = planOne(id, given, env);
    if ('problem' in planned) problems.push({ path: [id, ...planned.path], message: planned.problem });
    else providers.push(planned);
  }
  for (const row of CATALOG) {
    const variable = row.keyEnv.find((name) => isSet(env[name]));
    if (variable === undefined || Object.hasOwn(settings, row.id)) continue;
    const planned = planOne(row.id, {}, env);
    if ('problem' in planned) notices.push(`${variable} is set, but ${row.name} is not offered: ${planned.problem}`);
    else providers.push(planned);
  }
  return { providers, problems, notices };
}

const isSet = (value: string | undefined): value is string => value !== undefined && value.trim() !== '';

interface Problem {
  readonly problem: string;
  readonly path: readonly string[];
}

const wrong = (problem: string, ...path: string[]): Problem => ({ problem, path });

function planOne(id: string, given: ProviderSettings, env: Env): PlannedProvider | Problem {
  const rowId = given.type ?? (given.wire ? undefined : id);
  const row = rowId === undefined ? undefined : rowOf(rowId);
  if (rowId !== undefined && !row) return unknownRow(rowId, given);
  const { wire = row?.speaks.wire } = given;
  if (!wire) return wrong('it needs a type or a wire', 'wire');
  const template = given.baseUrl ?? baseUrlFromEnv(row, env) ?? row?.baseUrl;
  if (template === undefined) return wrong('it needs a baseUrl', 'baseUrl');
  const misnamed = unknownNames(given, wire, row);
  if (misnamed) return misnamed;
  const key = readKey(given, row, env);
  if ('problem' in key) return key;
  const from = { variables: row?.variables ?? {}, given: given.variables ?? {}, env };
  const baseUrl = fill(template, from);
  if (typeof baseUrl !== 'string') return baseUrl;
  const rules = fillRules(row, from, given.baseUrl !== undefined);
  if ('problem' in rules) return rules;
  const listing = fillListing(given, row, from);
  if (listing && 'problem' in listing) return listing;
  const auth = authOf(row, wire, key.key !== undefined);
  if ((auth.scheme === 'bearer' || auth.scheme === 'header') && !auth.optional && key.key === undefined) {
    return wrong(`it needs a key: set ${row?.keyEnv[0] ?? 'key'}`, 'key');
  }
  const headers = readHeaders(given.headers ?? {}, env);
  if ('problem' in headers) return headers;
  const models = (given.models ?? []).map(declared);
  return {
    id,
    name: row?.name ?? id,
    speaks: speech(wire, row, given),
    baseUrl: baseUrl.replace(/\/+$/, ''),
    auth,
    key: key.key,
    keyEnv: row?.keyEnv ?? [],
    headers: { ...row?.headers, ...headers.headers },
    region: regionOf(row, from),
    rules: rules.rules,
    listing,
    row: row?.id,
    models,
    onlyDeclared: given.listModels === false || (given.listModels === undefined && models.length > 0),
    local: row?.local ?? false,
    timeouts: { ...DEFAULT_TIMEOUTS, ...given.timeouts },
  };
}

function readHeaders(
  headers: Readonly<Record<string, string>>,
  env: Env,
): { readonly headers: Readonly<Record<string, string>> } | Problem {
  const read: Record<string, string> = {};
  for (const [name, text] of Object.entries(headers)) {
    const value = text.startsWith('env:') ? env[text.slice('env:'.length)] : text;
    if (!isSet(value)) return wrong(`the environment variable ${text.slice('env:'.length)} is not set`, 'headers', name);
    read[name] = value.trim();
  }
  return { headers: read };
}

/** Where requests are signed for a region that the address does not tell. */
function regionOf(row: ProviderRow | undefined, from: Source): string | undefined {
  if (!row?.variables?.['region'] && from.given['region'] === undefined) return undefined;
  const filled = fillIn('{region}', from.variables, { given: from.given, env: from.env });
  return filled.ok ? filled.text : undefined;
}

function unknownRow(rowId: string, given: ProviderSettings): Problem {
  const near = nearest(
    rowId,
    CATALOG.map((one) => one.id),
  );
  const hint = near === undefined ? '' : `, did you mean "${near}"?`;
  if (given.type !== undefined) return wrong(`there is no provider of the type "${rowId}"${hint}`, 'type');
  return wrong(`there is no provider "${rowId}" in the catalog${hint} A provider of your own needs a type or a wire.`);
}

function baseUrlFromEnv(row: ProviderRow | undefined, env: Env): string | undefined {
  return row?.baseUrlEnv?.map((name) => env[name]).find(isSet);
}

function readKey(given: ProviderSettings, row: ProviderRow | undefined, env: Env): { readonly key: string | undefined } | Problem {
  if (given.key === undefined)
    return {
      key: row?.keyEnv
        .map((name) => env[name])
        .find(isSet)
        ?.trim(),
    };
  if (!given.key.startsWith('env:')) return { key: given.key.trim() };
  const name = given.key.slice('env:'.length);
  const value = env[name];
  return isSet(value) ? { key: value.trim() } : wrong(`the environment variable ${name} is not set`, 'key');
}

/** A misspelt name would have no effect, and nobody would know. */
function unknownNames(given: ProviderSettings, wire: WireName, row: ProviderRow | undefined): Problem | undefined {
  const quirks = QUIRK_NAMES[wire];
  for (const name of Object.keys(given.quirks ?? {})) {
    if (!quirks.includes(name)) return wrong(`the wire ${wire} has no such quirk${didYouMean(name, quirks)}`, 'quirks', name);
  }
  const variables = Object.keys(row?.variables ?? {});
  for (const name of row ? Object.keys(given.variables ?? {}) : []) {
    if (!variables.includes(name)) return wrong(`${row?.name ?? ''} has no such variable${didYouMean(name, variables)}`, 'variables', name);
  }
  return undefined;
}

function didYouMean(name: string, names: readonly string[]): string {
  const near = nearest(name, names);
  return near === undefined ? '' : `, did you mean "${near}"?`;
}

interface Source {
  readonly variables: Variables;
  readonly given: Readonly<Record<string, string>>;
  readonly env: Env;
}

function fill(template: string, { variables, given, env }: Source): string | Problem {
  const filled = fillIn(template, variables, { given, env });
  if (filled.ok) return filled.text;
  const [name = ''] = filled.missing;
  const [fromEnv] = variables[name]?.env ?? [];
  const or = fromEnv === undefined ? '' : `, or the environment variable ${fromEnv}`;
  return wrong(`it needs a value for "${name}": set variables.${name}${or}`, 'variables');
}

/** At another address stands what was asked for, and speaks one protocol: rules that lead to another one do not hold there. */
function fillRules(row: ProviderRow | undefined, from: Source, elsewhere: boolean): { readonly rules: readonly ModelRule[] } | Problem {
  const rules: ModelRule[] = [];
  for (const rule of row?.rules ?? []) {
    if (elsewhere && rule.speaks && rule.speaks.wire !== row?.speaks.wire) continue;
    const baseUrl = rule.baseUrl === undefined ? undefined : fill(rule.baseUrl, from);
    if (baseUrl !== undefined && typeof baseUrl !== 'string') return baseUrl;
    rules.push({ ...rule, ...(baseUrl === undefined ? {} : { baseUrl }) });
  }
  return { rules };
}

/** A provider of one's own that speaks OpenAI's protocol most likely lists its models as OpenAI does. */
function fillListing(given: ProviderSettings, row: ProviderRow | undefined, from: Source): Listing | undefined | Problem {
  if (given.listModels === false) return undefined;
  if (!row) return given.wire === 'openai-chat' ? { as: 'openai', path: '/models', complete: false } : undefined;
  if (!row.listing) return undefined;
  const path = fill(row.listing.path, from);
  return typeof path === 'string' ? { ...row.listing, path } : path;
}

const CUSTOM_AUTH: Readonly<Record<WireName, Auth>> = {
  'openai-chat': { scheme: 'bearer', optional: true },
  'openai-responses': { scheme: 'bearer', optional: true },
  'cohere-chat': { scheme: 'bearer', optional: true },
  'anthropic-messages': { scheme: 'header', name: 'x-api-key', optional: true },
  gemini: { scheme: 'header', name: 'x-goog-api-key', optional: true },
  'bedrock-converse': { scheme: 'aws', service: 'bedrock' },
};

function authOf(row: ProviderRow | undefined, wire: WireName, hasKey: boolean): Auth {
  const auth = row?.auth ?? CUSTOM_AUTH[wire];
  // a local server may want a key after all
  return row?.local && hasKey && auth.scheme === 'bearer' ? { scheme: 'bearer' } : auth;
}

function speech(wire: WireName, row: ProviderRow | undefined, { quirks, baseUrl }: ProviderSettings): Spoken {
  const own: object | undefined = row?.speaks.wire === wire ? row.speaks.quirks : undefined;
  // what is known of a provider's answers is not known of whatever stands at another address
  const trusted = baseUrl === undefined || row?.local ? {} : { faithful: false };
  // names of quirks have been checked, what they hold is the administrator's
  return { wire, quirks: { ...own, ...(own && 'faithful' in own ? trusted : {}), ...quirks } } as Spoken;
}

function declared(model: string | DeclaredSettings): DeclaredModel {
  if (typeof model === 'string') return { id: model, upstream: model };
  return { ...model, upstream: model.upstream ?? model.id };
}

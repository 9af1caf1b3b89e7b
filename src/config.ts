/** File, environment and flags, in rising order, into one checked and frozen Config. */
import { existsSync, readFileSync } from 'node:fs';
import { availableParallelism, homedir } from 'node:os';
import { join, relative, resolve } from 'node:path';
import { Value } from 'typebox/value';
import type { Pricing } from './core/call.ts';
import { BYTES, SETTINGS, describe } from './config/schema.ts';
import type { SchemaNode, Setting } from './config/schema.ts';
import { daysMs, durationMs, isTooLong } from './config/duration.ts';
import { fromEnv, readKeys } from './config/keys.ts';
import { faultsOf, pathText } from './config/nested.ts';
import { isLoopback, LOCAL } from './config/loopback.ts';
import { ConfigError } from './config/problems.ts';
import { secret } from './config/secret.ts';
import type { Config } from './config/settings.ts';
import { readEnv, readFlags, readYaml } from './config/sources.ts';
import { readDatabaseUrl } from './config/data.ts';
import { readRedisUrl } from './config/redis.ts';
import { readProxies } from './config/proxies.ts';
import { readMetrics } from './config/metrics.ts';
import { routeOf } from './config/routing.ts';
import type { RouteInput } from './config/routing.ts';
import type { Given, Source } from './config/sources.ts';
import { planProviders } from './providers/configured.ts';
import type { ProviderSettings } from './providers/configured.ts';

export { ConfigError } from './config/problems.ts';

type Env = Readonly<Record<string, string | undefined>>;

export interface ConfigSources {
  /** A file that must be there; else `PARLANCE_CONFIG`, else `./parlance.yaml` or the user's own where they exist. */
  readonly file?: string | undefined;
  readonly env: Env;
  /** By the names of `CONFIG_FLAGS`; an absent flag may be `undefined`. */
  readonly flags: Readonly<Record<string, string | number | boolean | undefined>>;
}

/** Reads and checks the whole configuration. Throws a ConfigError that lists every problem. */
export function loadConfig({ file, env, flags }: ConfigSources): Config {
  const path = findFile(file, env);
  const sources = [path === undefined ? NOTHING : readFile(path), readEnv(env), readFlags(flags)];
  const problems = sources.flatMap((source) => source.problems);
  const given = new Map<string, Given>();
  for (const one of sources.flatMap((source) => source.given)) {
    const checked = check(one, problems);
    if (checked) given.set(one.path, checked);
  }
  const config = assemble({ given, env, file: path, problems });
  if (problems.length > 0) throw new ConfigError(problems);
  return freeze(config);
}

const NOTHING: Source = { given: [], problems: [] };

/** Where the file may be, absolute: the first of these that is there is read. One that was named must be there. */
export function filePlaces(file: string | undefined, env: Env): { readonly places: readonly string[]; readonly named: boolean } {
  const named = file ?? (env['PARLANCE_CONFIG'] === '' ? undefined : env['PARLANCE_CONFIG']);
  if (named !== undefined) return { places: [resolve(named)], named: true };
  const home = env['XDG_CONFIG_HOME'] || join(homedir(), '.config');
  return { places: [resolve('parlance.yaml'), join(home, 'parlance', 'parlance.yaml')], named: false };
}

function findFile(file: string | undefined, env: Env): string | undefined {
  const { places, named } = filePlaces(file, env);
  return named ? places[0] : places.find((place) => existsSync(place));
}

function readFile(path: string): Source {
  const short = relative(process.cwd(), path);
  const name = short.startsWith('..') ? path : short;
  try {
    return readYaml(readFileSync(path, 'utf8'), name);
  } catch (cause) {
    return { given: [], problems: [`${name}: cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`] };
  }
}

const BY_PATH: ReadonlyMap<string, Setting> = new Map(SETTINGS.map((setting) => [setting.path, setting]));

/** The value as its setting wants it, or undefined and a problem. */
function check(given: Given, problems: string[]): Given | undefined {
  const schema = BY_PATH.get(given.path)?.schema;
  if (!schema) throw new Error(`no setting ${given.path}`);
  const value = given.text ? fromText(String(given.value), schema) : given.value;
  if (schema.type === 'object') return checkTree({ ...given, value }, schema, problems);
  if (Array.isArray(value) && schema.type === 'array') return checkList({ ...given, value }, schema, problems);
  if (schema.unit === 'bytes' && isSize(value) && !withinSize(byteCount(value), schema)) {
    problems.push(`${given.where}: ${given.path}: must be from 1 byte to ${sizeText(schema.maximum ?? 0)}, not ${show(value)}`);
    return undefined;
  }
  if (!Value.Check(schema, value)) {
    problems.push(`${given.where}: ${given.path}: must be ${describe(schema)}${SECRET.has(given.path) ? '' : `, not ${show(value)}`}`);
    return undefined;
  }
  if (schema.unit === 'duration' && isTooLong(String(value))) {
    problems.push(`${given.where}: ${given.path}: must be at most 24 days, not ${show(value)}`);
    return undefined;
  }
  return { ...given, value };
}

const isSize = (value: unknown): value is string | number =>
  typeof value === 'string' ? BYTES.test(value) : typeof value === 'number' && Number.isInteger(value);

const withinSize = (bytes: number, { minimum = 0, maximum = 0 }: SchemaNode): boolean => bytes >= minimum && bytes <= maximum;

const sizeText = (bytes: number): string => (bytes < SIZES.GiB ? `${bytes / SIZES.MiB}MiB` : `${bytes / SIZES.GiB}GiB`);

const SECRET: ReadonlySet<string> = new Set(['keys', 'hub.token', 'metrics.key', 'data.url', 'redis.url']);

function checkList(given: Given & { readonly value: unknown[] }, schema: SchemaNode, problems: string[]): Given | undefined {
  let sound = true;
  for (const [index, item] of given.value.entries()) {
    if (!schema.items || Value.Check(schema.items, item)) continue;
    sound = false;
    const must = given.path === 'keys' ? 'a key, or a name and a key' : describe(schema.items);
    const not = SECRET.has(given.path) ? '' : `, not ${show(item)}`;
    problems.push(`${given.whereIn([index])}: ${given.path}[${index}]: must be ${must}${not}`);
  }
  return sound ? given : undefined;
}

function checkTree(given: Given, schema: SchemaNode, problems: string[]): Given | undefined {
  const faults = faultsOf(schema, given.value);
  for (const { path, message } of faults) problems.push(`${given.whereIn(path)}: ${pathText([given.path, ...path])}: ${message}`);
  return faults.length === 0 ? given : undefined;
}

function fromText(text: string, schema: SchemaNode): unknown {
  const types = [schema, ...(schema.anyOf ?? [])].flatMap((one) => one.type ?? []);
  if (types.includes('object')) return jsonOr(text);
  if (types.includes('array')) return text.split(',').flatMap((item) => item.trim() || []);
  if (types.includes('boolean') && /^(true|false|1|0|yes|no|on|off)$/i.test(text)) return /^(true|1|yes|on)$/i.test(text);
  if (types.includes('integer') && /^-?\d+$/.test(text)) return Number(text);
  if (types.includes('number') && /^-?\d+(\.\d+)?$/.test(text)) return Number(text);
  return text;
}

/** The text itself where it is no JSON: the check then says what it must be. */
function jsonOr(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function show(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}

const SIZES = { B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 } as const;

/** A copy, which may be frozen. `null` says as little as nothing. */
function withoutNulls<T>(tree: T): T {
  return JSON.parse(JSON.stringify(tree, (_, value: unknown) => (value === null ? undefined : value))) as T;
}

function byteCount(value: string | number): number {
  if (typeof value === 'number') return value;
  const [, amount, unit] = BYTES.exec(value) ?? [];
  return Math.round(Number(amount) * SIZES[unit as keyof typeof SIZES]);
}

interface Parts {
  readonly given: ReadonlyMap<string, Given>;
  readonly env: Env;
  readonly file: string | undefined;
  readonly problems: string[];
}

function assemble({ given, env, file, problems }: Parts): Config {
  // the schema has said yes to every value here, and so to its type
  const get = <T>(path: string): T => (given.get(path)?.value ?? BY_PATH.get(path)?.schema.default) as T;
  const ms = (path: string): number => durationMs(get<string>(path));
  const keys = readKeys(given.get('keys'), env, problems);
  const host = get<string>('server.host');
  const reachable = !isLoopback(host);
  const requireKey = get<boolean | undefined>('server.requireKey') ?? (reachable || keys.length > 0);
  if (reachable && !requireKey) {
    const where = given.get('server.requireKey')?.where ?? 'server.requireKey';
    problems.push(
      `${where}: server.requireKey: must be true, because "${host}" can be reached from other machines. Or listen on 127.0.0.1.`,
    );
  }
  if (requireKey && keys.length === 0 && !get<boolean>('data.enabled') && problems.length === 0) {
    const where = (given.get('data.enabled') ?? given.get('server.host'))?.where ?? 'data.enabled';
    problems.push(
      `${where}: data.enabled: every request needs a key here, and there can be none. Leave it true, or set keys (PARLANCE_API_KEYS).`,
    );
  }
  const planned = readProviders(given.get('providers'), env, problems);
  const databaseUrl = readDatabaseUrl(given.get('data.url'), env, problems);
  const redisUrl = readRedisUrl(given.get('redis.url'), env, problems);
  const token = given.get('hub.token');
  const tokenText = token ? fromEnv(String(token.value), env) : env['HF_TOKEN'] || undefined;
  if (token && tokenText === undefined) {
    problems.push(`${token.where}: hub.token: the environment variable ${String(token.value).slice('env:'.length)} is not set`);
  }
  return {
    file,
    server: {
      host,
      port: get('server.port'),
      requireKey,
      trustedProxies: readProxies(given.get('server.trustedProxies'), problems),
      allowedHosts: [...get<readonly string[]>('server.allowedHosts')],
      bodyLimit: byteCount(get('server.bodyLimit')),
      headerLimit: byteCount(get('server.headerLimit')),
      jsonDepth: get('server.jsonDepth'),
      headersTimeoutMs: ms('server.headersTimeout'),
      bodyTimeoutMs: ms('server.bodyTimeout'),
      writeTimeoutMs: ms('server.writeTimeout'),
      shutdownTimeoutMs: ms('server.shutdownTimeout'),
      maxConnections: get('server.maxConnections'),
      pingMs: ms('server.ping'),
      strict: get('server.strict'),
      corsOrigins: get<readonly string[]>('server.cors.origins').map((origin) => (origin === 'auto' ? (requireKey ? '*' : LOCAL) : origin)),
    },
    workers: workersOf(get('workers')),
    keys,
    providers: planned.providers,
    notices: planned.notices,
    models: {
      dir: resolve(get<string | undefined>('models.dir') ?? join(defaultDataDir(env), 'models')),
      builtIn: get('models.builtIn'),
      names: {
        aliases: Object.fromEntries(Object.entries(get<Aliases>('models.aliases')).map(([name, models]) => [name, [models].flat()])),
        rename: { ...get<Readonly<Record<string, string>>>('models.rename') },
        allow: [...get<readonly string[]>('models.allow')],
        deny: [...get<readonly string[]>('models.deny')],
        hide: [...get<readonly string[]>('models.hide')],
      },
      routes: Object.fromEntries(Object.entries(get<Routes>('models.routes')).map(([name, route]) => [name, routeOf(route, durationMs)])),
    },
    routing: {
      attempts: get('routing.attempts'),
      maxWaitMs: ms('routing.maxWait'),
      wholeMs: ms('routing.timeouts.whole'),
      firstOutputMs: ms('routing.timeouts.firstOutput'),
      idleMs: ms('routing.timeouts.idle'),
      hedge: get('routing.hedge'),
      onContentFilter: get('routing.onContentFilter'),
      continues: get('routing.continue'),
      drains: get('routing.drain'),
      breaker: {
        failures: get('routing.breaker.failures'),
        rate: get('routing.breaker.rate'),
        cooldownMs: ms('routing.breaker.cooldown'),
        maxCooldownMs: ms('routing.breaker.maxCooldown'),
      },
      probeMs: ms('routing.probe'),
      maxInFlight: get('routing.maxInFlight'),
      queue: get('routing.queue'),
    },
    cache: {
      enabled: get('cache.enabled'),
      perRequest: get('cache.perRequest'),
      maxBytes: byteCount(get('cache.maxBytes')),
      ttlMs: ms('cache.ttl'),
      models: [...get<readonly string[]>('cache.models')],
      share: get('cache.share'),
      inRedis: get('cache.inRedis'),
    },
    limits: { onTightBudget: get('limits.onTightBudget'), answerTokens: get('limits.answerTokens') },
    prices: {
      overrides: withoutNulls(get<Config['prices']['overrides']>('prices.overrides')),
      local: withoutNulls(get<Pricing>('prices.local')),
      unpriced: get('prices.unpriced'),
    },
    engine: {
      contextSize: get('engine.contextSize'),
      sequences: get('engine.sequences'),
      threads: get('engine.threads'),
      gpu: get('engine.gpu'),
      queue: get('engine.queue'),
      maxLoaded: get('engine.maxLoaded'),
      idleUnloadMs: ms('engine.idleUnload'),
      loadTimeoutMs: ms('engine.loadTimeout'),
    },
    hub: { url: get<string>('hub.url').replace(/\/+$/, ''), token: tokenText === undefined ? undefined : secret(tokenText) },
    log: { level: get('log.level'), format: get('log.format') },
    watch: get('watch'),
    data: get<boolean>('data.enabled')
      ? {
          dir: resolve(get<string | undefined>('data.dir') ?? defaultDataDir(env)),
          url: databaseUrl === undefined ? undefined : secret(databaseUrl),
          outageMs: ms('data.outage'),
          retentionMs: daysMs(get('data.retention')),
          storeCompletions: get('data.storeCompletions'),
        }
      : undefined,
    redis:
      redisUrl === undefined
        ? undefined
        : { url: secret(redisUrl), prefix: get('redis.prefix'), whenDown: get('redis.whenDown'), allowance: get('redis.allowance') },
    metrics: readMetrics(
      {
        enabled: get('metrics.enabled'),
        host: get('metrics.host'),
        port: get('metrics.port'),
        serverPort: get('server.port'),
        key: given.get('metrics.key'),
        where: (given.get('metrics.host') ?? given.get('metrics.port'))?.where ?? 'metrics.host',
      },
      env,
      problems,
    ),
  };
}

function workersOf(workers: number | 'auto'): number {
  return workers === 'auto' ? availableParallelism() : workers;
}

type Aliases = Readonly<Record<string, string | readonly string[]>>;

type Routes = Readonly<Record<string, RouteInput>>;

type TimeoutTexts = Readonly<Partial<Record<'connect' | 'headers' | 'idle', string>>>;
type ProviderInput = Omit<ProviderSettings, 'timeouts'> & { readonly timeouts?: TimeoutTexts };

/** The providers, their keys out of sight of JSON and the console. */
function readProviders(given: Given | undefined, env: Env, problems: string[]): Pick<Config, 'providers' | 'notices'> {
  const inputs = Object.entries((given?.value ?? {}) as Readonly<Record<string, ProviderInput | null>>);
  const settings = Object.fromEntries(inputs.map(([id, input]) => [id, withMs(input ?? {})]));
  const plan = planProviders(settings, env);
  for (const { path, message } of plan.problems) {
    problems.push(`${given?.whereIn(path) ?? 'providers'}: ${pathText(['providers', ...path])}: ${message}`);
  }
  const providers = plan.providers.map(({ key, ...rest }) => ({ ...rest, key: key === undefined ? undefined : secret(key) }));
  return { providers, notices: plan.notices };
}

function withMs({ timeouts, ...rest }: ProviderInput): ProviderSettings {
  if (!timeouts) return rest;
  const ms = (text: string | undefined): number | undefined => (text === undefined ? undefined : durationMs(text));
  const given = { connectMs: ms(timeouts.connect), headersMs: ms(timeouts.headers), idleMs: ms(timeouts.idle) };
  return { ...rest, timeouts: Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) };
}

function defaultDataDir(env: Env): string {
  return join(env['XDG_DATA_HOME'] || join(homedir(), '.local', 'share'), 'parlance');
}

function freeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null) return value;
  for (const inner of Object.values(value)) freeze(inner);
  return Object.freeze(value);
}

/**
 * Every setting there is, once: what it is called, what it may be, its default and what it does.
 * Validation, `parlance.schema.json` and the table in `docs/configuration.md` all come from here.
 */
import { Type } from 'typebox';

import { CACHE } from './schema-cache.ts';
import { DATA } from './schema-data.ts';
import { LIMITS, PRICES } from './schema-money.ts';
import { MODEL_NAMES, PROVIDERS } from './schema-providers.ts';
import { ROUTES, ROUTING } from './schema-routing.ts';
import { BYTES, DAYS, DURATION, bytes, duration, oneOf, section } from './schema-kit.ts';
import type { SchemaNode, Unit } from './schema-kit.ts';

export type { SchemaNode } from './schema-kit.ts';
export { BYTES } from './schema-kit.ts';

const autoOr = ({ minimum = 1, maximum, or = 'auto' }: AutoOr, description: string) =>
  Type.Unsafe<number | 'auto'>({ anyOf: [{ const: 'auto' }, { type: 'integer', minimum, maximum }], default: or, description });

interface AutoOr {
  readonly minimum?: number;
  readonly maximum: number;
  /** The default. */
  readonly or?: number | 'auto';
}

const SERVER = section(
  {
    host: Type.String({
      minLength: 1,
      default: '127.0.0.1',
      description: 'Address to listen on. On anything but loopback every request needs a key.',
    }),
    port: Type.Integer({ minimum: 0, maximum: 65535, default: 11435, description: 'Port to listen on; 0 takes any free one.' }),
    requireKey: Type.Boolean({
      description:
        'Refuse requests without a key. Default: `false` on loopback where `keys` is empty, so that programs on this machine need none; `true` elsewhere, and there nothing else is possible.',
    }),
    trustedProxies: Type.Array(Type.String({ minLength: 1 }), {
      default: [],
      description:
        'Addresses or CIDR ranges of proxies in front of the server, whose `X-Forwarded-For` says where a request comes from. For keys that may be used from certain addresses only.',
    }),
    allowedHosts: Type.Array(Type.String({ minLength: 1 }), {
      default: [],
      description: 'Host names, beside localhost, under which a server that needs no key may be called. Keeps foreign web pages out.',
    }),
    bodyLimit: bytes('32MiB', 'Largest request body.'),
    headerLimit: bytes('16KiB', 'Largest request head, all header lines together.'),
    jsonDepth: Type.Integer({ minimum: 8, maximum: 10_000, default: 128, description: 'Deepest nesting of a JSON body.' }),
    headersTimeout: duration('10s', 'Time a client has to send the head of a request.'),
    bodyTimeout: duration('60s', 'Time a client has to send a whole request.'),
    writeTimeout: duration('60s', 'Time a client may leave a response unread before it is cut off.'),
    shutdownTimeout: duration('30s', 'Time that running answers have to end when the server is stopped.'),
    maxConnections: Type.Integer({
      minimum: 1,
      maximum: 1_000_000,
      description: 'Connections at the same time; more are dropped. Unset: no limit.',
    }),
    ping: Type.Unsafe<string>({
      anyOf: [{ const: 'off' }, { type: 'string', pattern: DURATION.source }],
      default: 'off',
      unit: 'duration' satisfies Unit,
      description: 'How long a stream may be silent before a comment line (`: ping`) is sent. Some clients choke on them.',
    }),
    strict: Type.Boolean({
      default: false,
      description: 'Refuse requests with unknown fields instead of reporting the fields as ignored.',
    }),
    cors: section(
      {
        origins: Type.Array(Type.String({ minLength: 1 }), {
          default: ['auto'],
          description:
            'Web origins that may call the API from a browser. `*` is any; `auto` is any where keys are set, and without keys pages of this machine and installed apps alone.',
        }),
      },
      'What browsers may do.',
    ),
  },
  'The HTTP server.',
);

const KEY_TEXT = 'The key itself, `env:NAME` for the environment variable that holds it, or `sha256:` and the hash of the key in hex.';

const KEYS = Type.Array(
  Type.Unsafe<string | { name: string; key: string }>({
    anyOf: [
      { type: 'string', minLength: 1, description: KEY_TEXT },
      {
        type: 'object',
        properties: {
          name: { type: 'string', minLength: 1, maxLength: 64, description: 'What the logs call it.' },
          key: { type: 'string', minLength: 1, description: KEY_TEXT },
        },
        required: ['name', 'key'],
        additionalProperties: false,
      },
    ],
  }),
  {
    default: [],
    description:
      'API keys beside those that `parlance keys` makes: without limits, and of the project `default`. Clients send one as `Authorization: Bearer KEY`.',
  },
);

const ENGINE = section(
  {
    contextSize: autoOr(
      { minimum: 128, maximum: 10_000_000 },
      'Tokens per sequence. `auto`: what the model was trained on, as far as memory goes.',
    ),
    sequences: autoOr({ maximum: 256 }, 'Answers that are generated at the same time, per model.'),
    threads: autoOr({ maximum: 1024 }, 'CPU threads per model.'),
    gpu: oneOf(['auto', 'off'], { default: 'auto', description: 'Use a GPU where there is one.' }),
    queue: Type.Integer({
      minimum: 0,
      maximum: 1_000_000,
      default: 64,
      description: 'Requests that may wait for a free sequence, per model; one more is answered 503.',
    }),
    maxLoaded: Type.Integer({ minimum: 1, maximum: 1000, default: 2, description: 'Models that are loaded at the same time.' }),
    idleUnload: duration('15m', 'A model that nobody asked for so long is unloaded. `0s`: never.'),
    loadTimeout: duration('120s', 'Time a model has to load.'),
  },
  'How local models are run.',
);

const METRICS = section(
  {
    enabled: Type.Boolean({ default: true, description: 'Serve figures for Prometheus at `GET /metrics`.' }),
    key: Type.String({
      minLength: 1,
      description:
        'What a scraper must send as `Authorization: Bearer KEY`: the key itself, `env:NAME` or `sha256:` and its hash in hex. Without it only a server, or a `metrics.port`, on loopback shows its metrics.',
    }),
    port: Type.Integer({
      minimum: 0,
      maximum: 65535,
      description: 'Port of its own for the metrics; 0 takes any free one. Unset: the same as the API.',
    }),
    host: Type.String({
      minLength: 1,
      default: '127.0.0.1',
      description: 'Address of `metrics.port`. Anything but loopback needs `metrics.key`.',
    }),
  },
  'Figures for Prometheus.',
);

export const CONFIG_SCHEMA = section(
  {
    server: SERVER,
    workers: autoOr(
      { maximum: 256, or: 1 },
      'Processes that serve: on one port, with one set of limits, and one engine for each model. `auto`: one for each core.',
    ),
    keys: KEYS,
    providers: PROVIDERS,
    models: section(
      {
        ...MODEL_NAMES,
        routes: ROUTES,
        dir: Type.String({
          minLength: 1,
          description: 'Folder of GGUF files. Default: `$XDG_DATA_HOME/parlance/models` or `~/.local/share/parlance/models`.',
        }),
        builtIn: Type.Boolean({ default: true, description: 'Offer the small model that comes with Parlance.' }),
      },
      'Which models there are, and what they are called.',
    ),
    routing: ROUTING,
    limits: LIMITS,
    prices: PRICES,
    cache: CACHE,
    engine: ENGINE,
    hub: section(
      {
        url: Type.String({
          // no user or password: they would end up in messages; the token is a setting of its own
          pattern: '^https?://[^\\s/@]+([/?#]\\S*)?$',
          default: 'https://huggingface.co',
          description: 'Where `parlance models pull hf:…` downloads from.',
        }),
        token: Type.String({
          minLength: 1,
          description: 'Token for models that need one, as `env:NAME` or itself. Default: the environment variable `HF_TOKEN`.',
        }),
      },
      'The hub that models are pulled from.',
    ),
    log: section(
      {
        level: oneOf(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'], { default: 'info', description: 'What is logged.' }),
        format: oneOf(['auto', 'json', 'pretty'], { default: 'auto', description: '`auto`: pretty on a terminal, JSON lines elsewhere.' }),
      },
      'The log.',
    ),
    metrics: METRICS,
    data: DATA,
    redis: section(
      {
        url: Type.String({
          minLength: 1,
          description:
            'A Redis by which several Parlance processes count limits together, share cached answers, and tell each other which targets rest and that keys were changed: `env:NAME`, or `redis://HOST:6379` itself; `rediss://` for TLS. Unset: the environment variable `REDIS_URL`, and without that each finds out by itself.',
        }),
        whenDown: oneOf(['refuse', 'allow'], {
          default: 'refuse',
          description:
            'Requests with limits while Redis is away: `refuse` them with 503, or `allow` each process its part of `redis.allowance`.',
        }),
        allowance: Type.Number({
          exclusiveMinimum: 0,
          maximum: 1,
          default: 0.1,
          description: 'The part of each limit that all processes together may let through while Redis is away.',
        }),
        prefix: Type.String({
          minLength: 1,
          maxLength: 200,
          default: 'parlance:',
          description:
            'Of all keys and channels. Processes with the same one share, and so must mean the same providers by the same names.',
        }),
      },
      'A Redis that several processes share.',
    ),
    watch: Type.Boolean({
      default: true,
      description: 'Take changes of the file while the server runs. `false`: on SIGHUP alone.',
    }),
  },
  'Settings of a Parlance server: the file parlance.yaml.',
);

/** One setting: its dotted path, its schema and the environment variables that set it, the usual one first. */
export interface Setting {
  readonly path: string;
  readonly schema: SchemaNode;
  readonly env: readonly string[];
}

const SHORT_ENV: Readonly<Record<string, string>> = {
  'server.host': 'PARLANCE_HOST',
  'server.port': 'PARLANCE_PORT',
  keys: 'PARLANCE_API_KEYS',
};

function envName(path: string): string {
  return `PARLANCE_${path
    .replace(/([a-z])([A-Z])/g, '$1_$2')
    .replaceAll('.', '_')
    .toUpperCase()}`;
}

function leaves(node: SchemaNode, path: string): Setting[] {
  if (!node.properties) {
    const short = SHORT_ENV[path];
    return [{ path, schema: node, env: short ? [short, envName(path)] : [envName(path)] }];
  }
  return Object.entries(node.properties).flatMap(([key, child]) => leaves(child, path === '' ? key : `${path}.${key}`));
}

/** The schema as plain JSON Schema. */
export function schemaTree(): SchemaNode {
  return CONFIG_SCHEMA as SchemaNode;
}

/** All settings in the order of the schema. */
export const SETTINGS: readonly Setting[] = leaves(schemaTree(), '');

/** Command line flags that stand for a setting. */
export const CONFIG_FLAGS: Readonly<Record<string, string>> = {
  host: 'server.host',
  port: 'server.port',
  'models-dir': 'models.dir',
  'data-dir': 'data.dir',
  'log-level': 'log.level',
  'log-format': 'log.format',
  strict: 'server.strict',
  workers: 'workers',
};

/** What a value must be, in words: `an integer from 0 to 65535`. */
export function describe(node: SchemaNode): string {
  if (node.enum) return `one of ${node.enum.map((value) => String(value)).join(', ')}`;
  if (node.anyOf) return node.anyOf.map((one) => describe(one)).join(' or ');
  if (node.const !== undefined) return node.const;
  if (node.pattern === DURATION.source) return 'a duration such as 500ms, 30s, 5m or 1h';
  if (node.pattern === DAYS.source) return 'a number of days such as 90d';
  if (node.pattern === BYTES.source) return 'a size such as 512KiB or 32MiB, or a number of bytes';
  if (node.type === 'number') return 'a number';
  if (node.type === 'integer') return `an integer from ${node.minimum ?? 0} to ${node.maximum ?? 'any'}`;
  if (node.type === 'boolean') return 'true or false';
  if (node.type === 'array') return 'a list';
  if (node.type === 'object') return 'a section with settings of its own';
  if (node.pattern?.startsWith('^https')) return 'an http or https URL';
  return 'a text';
}

/** `parlance.schema.json`: for editors, which check and complete `parlance.yaml` by it. */
export function configJsonSchema(): Readonly<Record<string, unknown>> {
  const plain: unknown = JSON.parse(JSON.stringify(CONFIG_SCHEMA, (key, value: unknown) => (key === 'unit' ? undefined : value)));
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'Parlance configuration',
    ...(plain as Record<string, unknown>),
  };
}

/** The settings as a Markdown table, for `docs/configuration.md`. */
export function settingsTable(): string {
  const rows = SETTINGS.map(({ path, schema, env }) => {
    const fallback =
      schema.default === undefined ? '' : `\`${typeof schema.default === 'string' ? schema.default : JSON.stringify(schema.default)}\``;
    return `| \`${path}\` | \`${env[0] ?? ''}\` | ${fallback} | ${describe(schema)} | ${schema.description ?? ''} |`;
  });
  return ['| setting | environment | default | may be | what it does |', '|---|---|---|---|---|', ...rows].join('\n');
}

/** The settings of routes: several targets behind one name, and what is done when one fails. */
import { Type } from 'typebox';
import type { TSchema } from 'typebox';
import { DURATION, duration, oneOf, section } from './schema-kit.ts';
import type { Unit } from './schema-kit.ts';

const limit = (maximum: number, description: string) => Type.Integer({ minimum: 1, maximum, description });

const firstOutput = 'Until the first output of an attempt; of an answer that is not streamed, until its end.';
const idle = 'Silence between two outputs of a stream.';

/** Without defaults: what a route leaves out is as `routing` says. */
const optional = (schema: TSchema): TSchema => Object.fromEntries(Object.entries(schema).filter(([keyword]) => keyword !== 'default'));

const STRATEGY = {
  strategy: oneOf(['ordered', 'weighted', 'least-busy', 'lowest-latency', 'cheapest'], {
    default: 'ordered',
    description: 'Which target is asked first.',
  }),
  sticky: oneOf(['off', 'auto', 'cache-key', 'user', 'conversation'], {
    default: 'off',
    description:
      'By what a caller returns to the same target, so that the provider’s prompt cache is hit: `prompt_cache_key`, `user`, the conversation’s beginning; `auto` takes the first that there is.',
  }),
};

const POLICY = {
  attempts: limit(100, 'Attempts of one request at most, over all its targets.'),
  maxWait: duration(
    '10s',
    'The longest wait before another attempt, or for a free place. A `Retry-After` beyond it goes back to the client.',
  ),
  timeouts: section(
    {
      firstOutput: duration('10m', firstOutput),
      idle: duration('5m', idle),
      whole: duration('30m', 'For the whole request, with all attempts and waits.'),
    },
    'How long it may take.',
  ),
  hedge: Type.Boolean({ default: false, description: 'Ask a second target where the first is later than 19 of its last 20 answers.' }),
  onContentFilter: Type.Boolean({ default: false, description: 'Ask another target where one withholds its answer.' }),
  continue: Type.Boolean({
    default: false,
    description: 'Let another target go on where one breaks off in the middle of a text, instead of an error.',
  }),
  drain: Type.Boolean({
    default: false,
    description: 'Read an answer to its end though the client has left: for providers that charge for all of it anyway.',
  }),
};

const TARGET = Type.Unsafe<string | object>({
  anyOf: [
    { type: 'string', minLength: 1, description: 'A model by its id.' },
    {
      type: 'object',
      properties: {
        model: Type.String({ minLength: 1, description: 'A model by its id.' }),
        weight: Type.Number({ exclusiveMinimum: 0, maximum: 1_000_000, description: 'Its share, beside the others’. Default: 1.' }),
        maxInFlight: limit(1_000_000, 'Requests that may run there at once.'),
        timeouts: section(
          { firstOutput: optional(duration('10m', firstOutput)), idle: optional(duration('5m', idle)) },
          'Its own time-outs.',
        ),
      },
      required: ['model'],
      additionalProperties: false,
      description: 'A target.',
    },
  ],
});

const ROUTE = section(
  {
    targets: Type.Array(TARGET, { minItems: 1, maxItems: 64, description: 'Models, in order.' }),
    ...Object.fromEntries(Object.entries({ ...STRATEGY, ...POLICY }).map(([name, schema]) => [name, optional(schema)])),
  },
  'A model with targets of its own.',
);

export const ROUTES = Type.Unsafe<Readonly<Record<string, object>>>({
  type: 'object',
  additionalProperties: { ...ROUTE, required: ['targets'] },
  default: {},
  description: 'Models of your own that several targets answer, by name. In the environment: as JSON. docs/routing.md says more.',
});

export const ROUTING = section(
  {
    ...POLICY,
    attempts: Type.Integer({ minimum: 1, maximum: 100, default: 3, description: 'Attempts of one request at most, over all its targets.' }),
    breaker: section(
      {
        failures: Type.Integer({ minimum: 1, maximum: 1000, default: 5, description: 'Failures in a row after which a target rests.' }),
        rate: Type.Number({
          exclusiveMinimum: 0,
          maximum: 1,
          default: 0.5,
          description: 'Share of failures within a minute after which it rests.',
        }),
        cooldown: duration('10s', 'How long it rests the first time; twice as long each time after.'),
        maxCooldown: duration('5m', 'How long at most.'),
      },
      'When a target is left alone.',
    ),
    probe: Type.Unsafe<string>({
      anyOf: [{ const: 'off' }, { type: 'string', pattern: DURATION.source }],
      default: 'off',
      unit: 'duration' satisfies Unit,
      description:
        'How long a target that has rested may take to answer a request of ours for one token, before clients’ requests go there again. `off`: the next client’s request is the probe.',
    }),
    maxInFlight: Type.Integer({
      minimum: 1,
      maximum: 1_000_000,
      default: 2000,
      description: 'Completions that may run at once, over all models.',
    }),
    queue: Type.Integer({
      minimum: 0,
      maximum: 1_000_000,
      default: 1000,
      description: 'Completions that may wait for a place; one more is answered 503.',
    }),
  },
  'What is done when a model fails, and how much is taken on.',
);

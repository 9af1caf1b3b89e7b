/** The settings of the cache of answers. */
import { Type } from 'typebox';
import { bytes, duration, section } from './schema-kit.ts';

const TIB = 1024 ** 4;

export const CACHE = section(
  {
    enabled: Type.Boolean({ default: false, description: 'Answer a request that was answered before with the same answer.' }),
    perRequest: Type.Boolean({
      default: true,
      description: 'Let a request ask for it (`x-parlance-cache: use`) where it is not switched on.',
    }),
    maxBytes: bytes('64MiB', 'Room for answers, in memory or in Redis. An answer larger than an eighth of it is not kept.', TIB),
    ttl: duration('5m', 'How long an answer is kept. `0s`: until others need its place.'),
    models: Type.Array(Type.String({ minLength: 1 }), {
      default: [],
      description: 'Models for which it is switched on, as clients name them, with `*` for any text. Empty: all.',
    }),
    share: Type.Boolean({ default: false, description: 'Identical requests at the same time share one call.' }),
    inRedis: Type.Boolean({
      default: true,
      description: 'Where `redis.url` is set, keep answers there, readable, for all processes. `false`: each process in its own memory.',
    }),
  },
  'The cache of answers. docs/cache.md says more.',
);

/** The settings of what is kept. */
import { Type } from 'typebox';
import { DAYS, duration, section } from './schema-kit.ts';

export const DATA = section(
  {
    enabled: Type.Boolean({
      default: true,
      description: 'Keep keys, what was used and stored completions. `false`: only `keys` of this file are known, and nothing is recorded.',
    }),
    dir: Type.String({
      minLength: 1,
      description: 'Folder of the database `parlance.db`. Default: `$XDG_DATA_HOME/parlance` or `~/.local/share/parlance`.',
    }),
    url: Type.String({
      minLength: 1,
      description:
        'A Postgres instead: `env:NAME`, or `postgres://USER:PASSWORD@HOST:5432/DATABASE` itself. Without it the environment variable `DATABASE_URL` counts, where that is the address of a Postgres.',
    }),
    retention: Type.Unsafe<string>({
      anyOf: [{ const: 'off' }, { type: 'string', pattern: DAYS.source }],
      default: 'off',
      description: 'How long records of usage are kept. Older ones are deleted bit by bit; the sums of each day stay. `off`: for ever.',
    }),
    storeCompletions: Type.Boolean({
      default: true,
      description:
        'Keep completions whose request says `store: true`, contents included, for the project of its key. `false`: none are kept.',
    }),
    outage: duration(
      '5m',
      'While the database does not answer, keys that were used lately go on to work for so long; all others are answered 503. `0s`: none work. A key that is revoked elsewhere meanwhile works here until then.',
    ),
  },
  'What Parlance keeps: keys, projects, usage, stored completions. docs/keys.md says more.',
);

/**
 * What the admin API takes and answers with. The same objects check requests, say what is wrong with one and become components of
 * the API description. Times are Unix seconds, money is dollars to the ninth decimal.
 */
import Type from 'typebox';
import { DOLLARS } from '../../gateway/dollars.ts';
import { integer, maybe, nullable } from '../../protocols/openai-chat/schema-kit.ts';

/** Longest name, owner, note or pattern. */
const TEXT = { minLength: 1, maxLength: 200 };
/** Longest id of an end user; those of requests may be longer, and nothing can be said of them. */
export const LONGEST_ID = 400;

const limit = (description: string) => maybe(integer({ minimum: 1 }), { description });

const Limits = Type.Object(
  {
    requests_per_minute: limit('Requests in a minute.'),
    requests_per_day: limit('Requests in a day.'),
    tokens_per_minute: limit('Tokens in a minute, of prompts and completions together.'),
    tokens_per_day: limit('Tokens in a day.'),
    concurrent_requests: limit('Requests at the same time.'),
  },
  { title: 'Limits', description: 'What is left out, or null, is not limited. Where several limits apply to a request, all hold.' },
);

const Budget = Type.Object(
  {
    period: Type.Enum(['day', 'week', 'month', 'total'], { description: 'In UTC; weeks begin on Monday. `total` never begins anew.' }),
    usd: Type.Union([Type.String({ pattern: DOLLARS.source }), Type.Number({ minimum: 0, maximum: 999_999_999 })], {
      description: 'US dollars, up to nine decimals: `"25.00"` or `25`. Answers have a string.',
    }),
  },
  { title: 'Budget' },
);

const patterns = Type.Array(Type.String(TEXT), {
  maxItems: 200,
  description: 'Models that may be used, with `*` for any text: `openai/*`. Empty: all.',
});

const allowance = {
  limits: maybe(Limits),
  budgets: maybe(Type.Array(Budget, { maxItems: 4, description: 'Money that may be spent; at most one for each period.' })),
  models: maybe(patterns),
};

const endUserDefaults = maybe(Type.Object({ limits: allowance.limits, budgets: allowance.budgets }, { title: 'EndUserDefaults' }), {
  description:
    'What each end user of the project may use: the limits hold for all for whom none are set, the budgets for all for whom none are set. Replaced as a whole.',
});

const role = Type.Enum(['admin', 'member', 'read-only'], {
  description: '`member`: uses models. `read-only`: may only ask what there is. `admin`: both, and all of the admin API.',
});
const addresses = Type.Array(Type.String({ minLength: 1, maxLength: 64 }), {
  maxItems: 200,
  description: 'Addresses or CIDR ranges from which the key may be used. Empty: any.',
});
const expiresAt = integer({ minimum: 0, maximum: 253_402_300_799 });
const projectId = Type.String({ minLength: 1, maxLength: 64 });

export const ProjectCreate = Type.Object(
  { name: Type.String(TEXT), ...allowance, end_user_defaults: endUserDefaults },
  { title: 'ProjectCreate' },
);

export const ProjectUpdate = Type.Object(
  {
    name: maybe(Type.String(TEXT)),
    ...allowance,
    end_user_defaults: endUserDefaults,
    disabled: maybe(Type.Boolean(), { description: 'While it is off, its keys are refused with 403.' }),
  },
  { title: 'ProjectUpdate', description: 'What is left out, or null, stays as it is. Lists and limits are replaced as a whole.' },
);

export const KeyCreate = Type.Object(
  {
    name: Type.String(TEXT),
    project_id: maybe(projectId, { description: 'Left out: the project `default`.' }),
    owner: maybe(Type.String(TEXT), { description: 'Whose it is: a name or an address, for people.' }),
    role: maybe(role, { default: 'member' }),
    ...allowance,
    addresses: maybe(addresses),
    expires_at: maybe(expiresAt, { description: 'When it ends, in Unix seconds. Left out: never.' }),
  },
  { title: 'KeyCreate' },
);

export const KeyUpdate = Type.Object(
  {
    name: maybe(Type.String(TEXT)),
    owner: maybe(Type.String(TEXT), { description: 'null takes it away.' }),
    role: maybe(role),
    ...allowance,
    addresses: maybe(addresses),
    expires_at: maybe(expiresAt, { description: 'null: it never ends.' }),
  },
  { title: 'KeyUpdate', description: 'What is left out stays as it is. Lists and limits are replaced as a whole.' },
);

export const KeyRotate = Type.Object(
  {
    grace_seconds: maybe(integer({ minimum: 0, maximum: 31_536_000 }), {
      default: 0,
      description: 'How long the former secret works beside the new one.',
    }),
  },
  { title: 'KeyRotate' },
);

export const EndUserPut = Type.Object(
  { ...allowance, note: maybe(Type.String({ ...TEXT, maxLength: 1000 }), { description: 'For people.' }) },
  { title: 'EndUserPut', description: 'All that is said of the end user but the block, which stays. What is left out is none.' },
);

export const EndUserBlock = Type.Object(
  { note: maybe(Type.String({ ...TEXT, maxLength: 1000 }), { description: 'Why, for people. Left out: the note stays.' }) },
  { title: 'EndUserBlock' },
);

export const Nothing = Type.Object({}, { title: 'Nothing', description: 'No field is expected.' });

export const ModelLimitsPut = Type.Object({ limits: Limits }, { title: 'ModelLimitsPut' });

const time = (description: string) => Type.Integer({ minimum: 0, description });
const timeOrNull = (description: string) => nullable(Type.Integer({ minimum: 0 }), { description });
const text = (description: string) => Type.String({ description });
const textOrNull = (description: string) => nullable(Type.String(), { description });

const answered = {
  limits: Limits,
  budgets: Type.Array(Budget),
  models: Type.Array(Type.String(), { description: 'Patterns; empty: all.' }),
};

export const Project = Type.Object(
  {
    id: text('`proj_…`, or `default`.'),
    object: Type.Literal('project'),
    name: Type.String(),
    ...answered,
    end_user_defaults: Type.Object({ limits: answered.limits, budgets: answered.budgets }),
    created_at: time('Unix seconds.'),
    disabled_at: timeOrNull('Since when it is off; null while it is on.'),
  },
  { title: 'Project' },
);

const keyFields = {
  id: text('`key_…`: stands for the key in logs and records; no secret.'),
  object: Type.Literal('key'),
  project_id: Type.String(),
  name: Type.String(),
  owner: textOrNull('Whose it is.'),
  role,
  hint: text('The secret’s first characters.'),
  ...answered,
  addresses,
  created_at: time('Unix seconds.'),
  expires_at: timeOrNull('When it ends.'),
  revoked_at: timeOrNull('Since when it is revoked.'),
  rotated_to: textOrNull('Only for the former secret of a key that was rotated: the key’s id.'),
  last_used_at: timeOrNull('Up to some seconds late.'),
};

export const Key = Type.Object(keyFields, { title: 'Key' });

const secret = text('The secret itself. It is shown this once, and kept nowhere.');

export const FreshKey = Type.Object({ ...keyFields, key: secret }, { title: 'FreshKey' });

export const RotatedKey = Type.Object(
  {
    ...keyFields,
    key: secret,
    former: Type.Object(
      { id: Type.String(), hint: Type.String(), expires_at: Type.Integer() },
      { description: 'The former secret, and when it ends.' },
    ),
  },
  { title: 'RotatedKey' },
);

export const EndUser = Type.Object(
  {
    id: text('As requests name it in `safety_identifier` or `user`.'),
    object: Type.Literal('end_user'),
    project_id: Type.String(),
    ...answered,
    blocked_at: timeOrNull('Since when its requests are refused with 403.'),
    note: textOrNull('For people.'),
  },
  { title: 'EndUser' },
);

export const ModelLimits = Type.Object(
  { model: Type.String(), object: Type.Literal('model_limits'), limits: Limits },
  { title: 'ModelLimits', description: 'Limits of one model, over everybody.' },
);

export const AuditEntry = Type.Object(
  {
    id: Type.String(),
    object: Type.Literal('audit_entry'),
    at: time('Unix seconds.'),
    actor: text('The id of the key that did it, `cli` and a user of the machine, or `system`.'),
    action: text('`key.create`, `project.disable` …'),
    subject: text('The id of what was changed.'),
    before: Type.Unsafe<unknown>({ description: 'What it was; null where it was not there. Never a secret or its hash.' }),
    after: Type.Unsafe<unknown>({ description: 'What it is.' }),
  },
  { title: 'AuditEntry' },
);

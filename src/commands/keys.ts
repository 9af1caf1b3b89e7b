/** `parlance keys`: makes, lists, rotates and revokes keys in the database itself; a server that runs on it knows within a second, with Redis at once. */
import { userInfo } from 'node:os';
import { openData, tellAccountsChanged } from '../compose-parts.ts';
import { loadConfig } from '../config.ts';
import type { Config } from '../config/settings.ts';
import type { Role } from '../core/call.ts';
import { nearest } from '../core/nearest.ts';
import { keyView } from '../gateway/account-views.ts';
import { DEFAULT_PROJECT } from '../gateway/accounts.ts';
import type { Project, VirtualKey } from '../gateway/accounts.ts';
import { createAdministration, freshKeyView, rotatedKeyView } from '../gateway/administration.ts';
import type { Administration, By } from '../gateway/administration.ts';
import type { Page, PageOptions } from '../gateway/store-ports.ts';
import { createLogger } from '../telemetry/log.ts';
import { readArgs, UsageError, type Args } from './args.ts';
import { KEYS } from './help-pages.ts';
import { budgetsFrom, limitsFrom, listFrom, spanFrom, timeFrom } from './keys-input.ts';
import { EXIT, printable, styleFor, tableText, writeJson, writeLine, type Io } from './output.ts';

interface Context {
  readonly args: Args;
  readonly io: Io;
  readonly config: Config;
  readonly administration: Administration;
  readonly by: By;
  /** The id that stands after the verb. */
  readonly id: string;
}

const VERBS: Readonly<
  Record<string, { readonly needsId: boolean; readonly flags: readonly string[]; readonly run: (context: Context) => Promise<void> }>
> = {
  create: {
    needsId: false,
    flags: ['name', 'project', 'owner', 'role', 'admin', 'models', 'addresses', 'limits', 'budget', 'expires'],
    run: create,
  },
  list: { needsId: false, flags: ['project'], run: list },
  rotate: { needsId: true, flags: ['grace'], run: rotate },
  revoke: { needsId: true, flags: [], run: revoke },
};

const ROLES: readonly Role[] = ['admin', 'member', 'read-only'];

export async function run(argv: readonly string[], io: Io): Promise<number> {
  const args = readArgs(KEYS, argv);
  const [name = 'list', id, ...more] = args.positionals;
  const verb = Object.hasOwn(VERBS, name) ? VERBS[name] : undefined;
  if (!verb) {
    const near = nearest(name, Object.keys(VERBS));
    throw new UsageError(
      `unknown: keys ${name}${near === undefined ? '; there are create, list, rotate and revoke' : `, did you mean keys ${near}?`}`,
    );
  }
  if (verb.needsId && id === undefined) throw new UsageError(`keys ${name} needs the id of a key; parlance keys list shows them`);
  const extra = verb.needsId ? more[0] : id;
  if (extra !== undefined) throw new UsageError(`keys ${name} takes no ${JSON.stringify(extra)}`);
  const foreign = Object.values(VERBS).flatMap(({ flags }) => flags.filter((flag) => args.has(flag) && !verb.flags.includes(flag)));
  if (foreign[0] !== undefined) throw new UsageError(`keys ${name} has no --${foreign[0]}`);

  const config = loadConfig({ file: args.text('config'), env: io.env, flags: { 'data-dir': args.text('data-dir') } });
  const store = await openData(config, createLogger({ level: 'silent', format: 'json' }));
  if (!store) throw new Error('data.enabled is false: there is no database to keep keys in');
  try {
    let hasChanged = false;
    const changed = (): void => {
      hasChanged = true;
    };
    const administration = createAdministration({ accounts: store.accounts, clock: () => Date.now(), changed });
    await verb.run({ args, io, config, administration, by: { actor: `cli (${userInfo().username})` }, id: id ?? '' });
    if (hasChanged) await tellAccountsChanged(config);
    return EXIT.ok;
  } finally {
    await store.close();
  }
}

async function create({ args, io, config, administration, by }: Context): Promise<void> {
  const role = roleOf(args);
  const name = args.text('name') ?? (role === 'admin' ? 'Admin key' : undefined);
  if (name === undefined || name === '') throw new UsageError('keys create needs --name, so that the key can be told from others');
  const optional = <T>(flag: string, read: (text: string) => T): T | undefined => {
    const text = args.text(flag);
    return text === undefined ? undefined : read(text);
  };
  const { id: projectId, name: projectName } = await projectOf(administration, args.text('project') ?? DEFAULT_PROJECT);
  const input = {
    name,
    projectId,
    owner: args.text('owner'),
    role,
    models: optional('models', listFrom),
    addresses: optional('addresses', listFrom),
    limits: optional('limits', limitsFrom),
    budgets: optional('budget', budgetsFrom),
    expiresAt: optional('expires', (text) => timeFrom('expires', text, Date.now())),
  };
  const given = Object.fromEntries(Object.entries(input).filter(([, value]) => value !== undefined)) as { readonly name: string };
  const fresh = await administration.createKey(by, given);
  if (args.has('json')) return writeJson(io, freshKeyView(fresh));
  const { key } = fresh;
  writeLine(io.stderr, `${key.id}, ${key.role} of ${printable(projectName)}. The key itself is shown this once:`);
  writeLine(io.stdout, fresh.secret);
  if (!config.server.requireKey && key.role !== 'admin') {
    writeLine(io.stderr, 'Programs on this machine need no key as it is configured: server.requireKey: true makes them.');
  }
}

function roleOf(args: Args): Role | undefined {
  const text = args.text('role');
  const role = ROLES.find((one) => one === text);
  if (text !== undefined && !role) throw new UsageError(`--role must be ${ROLES.join(', ')}, not ${JSON.stringify(text)}`);
  if (!args.has('admin')) return role;
  if (role !== undefined && role !== 'admin') throw new UsageError('--admin and --role say different things');
  return 'admin';
}

/** By its id, or by a name that no other has. */
async function projectOf({ accounts }: Administration, text: string): Promise<Project> {
  const known = await accounts.project(text);
  if (known) return known;
  const all = await everything((page) => accounts.projects(page));
  const [found, other] = all.filter(({ name }) => name === text);
  if (found && !other) return found;
  if (found) throw new Error(`several projects are called ${JSON.stringify(text)}: name one by its id`);
  throw new Error(
    `there is no project ${JSON.stringify(text)}; there are ${all.map(({ id, name }) => `${id} (${printable(name)})`).join(', ')}`,
  );
}

async function everything<T>(read: (page: PageOptions) => Promise<Page<T>>): Promise<readonly T[]> {
  const items: T[] = [];
  for (let cursor: string | undefined; ;) {
    const page = await read({ limit: 500, ...(cursor === undefined ? {} : { cursor }) });
    items.push(...page.items);
    if (page.next === undefined) return items;
    cursor = page.next;
  }
}

async function list({ args, io, administration }: Context): Promise<void> {
  const { accounts } = administration;
  const project = args.text('project');
  const only = project === undefined ? {} : { projectId: (await projectOf(administration, project)).id };
  const keys = await everything((page) => accounts.keys({ ...page, ...only }));
  if (args.has('json')) return writeJson(io, keys.map(keyView));
  if (keys.length === 0) return writeLine(io.stderr, 'No keys. parlance keys create --name NAME makes one.');
  const rows = keys.map((key) => [
    key.id,
    printable(key.name),
    key.projectId,
    key.role,
    key.hint,
    stateOf(key, Date.now()),
    dayOf(key.lastUsedAt),
  ]);
  const [head = '', ...lines] = tableText([['ID', 'NAME', 'PROJECT', 'ROLE', 'KEY', 'STATE', 'LAST USED'], ...rows]).split('\n');
  writeLine(io.stdout, [styleFor(io, 'stdout').bold(head), ...lines].join('\n'));
}

function stateOf({ revokedAt, expiresAt, rotatedTo }: VirtualKey, now: number): string {
  if (revokedAt !== undefined) return 'revoked';
  if (expiresAt !== undefined && expiresAt <= now) return rotatedTo === undefined ? 'expired' : 'replaced';
  if (rotatedTo !== undefined) return `former, until ${dayOf(expiresAt)}`;
  return expiresAt === undefined ? 'good' : `until ${dayOf(expiresAt)}`;
}

const dayOf = (time: number | undefined): string =>
  time === undefined ? '-' : new Date(time).toISOString().slice(0, 16).replace('T', ' ');

async function rotate({ args, io, administration, by, id }: Context): Promise<void> {
  const text = args.text('grace') ?? '0s';
  const graceMs = spanFrom(text);
  if (graceMs === undefined) throw new UsageError(`--grace must be a span such as 30m or 24h, not ${JSON.stringify(text)}`);
  const rotated = await administration.rotateKey(by, id, graceMs);
  if (args.has('json')) return writeJson(io, rotatedKeyView(rotated));
  writeLine(
    io.stderr,
    `${id} has a new secret; the former one ends ${graceMs === 0 ? 'now' : `at ${dayOf(rotated.former.expiresAt)} UTC`}. The new one is shown this once:`,
  );
  writeLine(io.stdout, rotated.secret);
}

async function revoke({ args, io, administration, by, id }: Context): Promise<void> {
  const key = await administration.revokeKey(by, id);
  if (args.has('json')) return writeJson(io, keyView(key));
  writeLine(io.stdout, `Revoked ${id} (${printable(key.name)}).`);
}

/** The same test over SQLite and Postgres, each with a database of its own, and things to put in. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import type { AuditEntry, EndUser, Project, StoredCompletion, UsageRecord, VirtualKey } from '../../src/gateway/accounts.ts';
import type { Store } from '../../src/gateway/store-ports.ts';
import type { StoreLog } from '../../src/store/database.ts';
import { openStore } from '../../src/store/open.ts';
import { postgresMissing, startPostgres } from '../support/postgres.ts';
import type { PostgresServer } from '../support/postgres.ts';

export interface Place {
  readonly url: string | undefined;
  readonly dir: string;
}

export const quiet: StoreLog = { info: () => undefined, warn: () => undefined, error: () => undefined };

/** A log that keeps what it is told. */
export function heard(): StoreLog & { readonly lines: readonly (readonly [level: string, message: string, about: object])[] } {
  const lines: (readonly [string, string, object])[] = [];
  const level = (name: string) => (about: object, message: string) => void lines.push([name, message, about]);
  return { lines, info: level('info'), warn: level('warn'), error: level('error') };
}

type Check = (place: Place) => Promise<void>;

/** Declares the tests once for each database; the Postgres server is one for all of a file. */
export function overBoth(name: string, declare: (check: (behaviour: string, run: Check) => void) => void): void {
  describe(`${name}: SQLite`, () => {
    declare((behaviour, run) => {
      test(`${name} (SQLite): ${behaviour}`, () => inFolder((dir) => run({ url: undefined, dir })));
    });
  });
  describe(`${name}: Postgres`, { skip: postgresMissing }, () => {
    let server: Promise<PostgresServer> | undefined;
    after(async () => (await server)?.[Symbol.asyncDispose]());
    declare((behaviour, run) => {
      test(`${name} (Postgres): ${behaviour}`, async () => {
        const url = await (await (server ??= startPostgres())).createDatabase();
        await inFolder((dir) => run({ url, dir }));
      });
    });
  });
}

export async function inFolder<T>(run: (dir: string) => Promise<T>): Promise<T> {
  const dir = await mkdtemp(join(tmpdir(), 'parlance-store-'));
  try {
    return await run(dir);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

export async function withStore<T>(place: Place, run: (store: Store) => Promise<T>): Promise<T> {
  const store = await openStore({ ...place, log: quiet });
  try {
    return await run(store);
  } finally {
    await store.close();
  }
}

let audits = 0;
export const auditOf = (subject: string, rest: Partial<AuditEntry> = {}): AuditEntry => ({
  id: `audit_${++audits}`,
  at: 1_000 + audits,
  actor: 'system',
  action: 'thing.change',
  subject,
  before: undefined,
  after: { name: subject },
  ...rest,
});

export const project = (id: string, rest: Partial<Project> = {}): Project => ({
  id,
  name: `Project ${id}`,
  limits: { requestsPerMinute: 60, concurrent: 4 },
  budgets: [{ period: 'month', nanos: 9_007_199_254_740_993n }],
  models: ['openai/*'],
  createdAt: 1_700_000_000_000,
  disabledAt: undefined,
  ...rest,
});

export const key = (id: string, rest: Partial<VirtualKey> = {}): VirtualKey => ({
  id,
  projectId: 'proj_a',
  name: `Key ${id}`,
  owner: undefined,
  role: 'member',
  hash: `hash-of-${id}`,
  hint: 'pk-abc',
  limits: {},
  budgets: [],
  models: [],
  addresses: ['10.0.0.0/8'],
  createdAt: 1_700_000_000_000,
  expiresAt: undefined,
  revokedAt: undefined,
  rotatedTo: undefined,
  lastUsedAt: undefined,
  ...rest,
});

export const endUser = (id: string, rest: Partial<EndUser> = {}): EndUser => ({
  projectId: 'proj_a',
  id,
  limits: { tokensPerDay: 1_000 },
  budgets: [{ period: 'total', nanos: 5n }],
  models: [],
  blockedAt: undefined,
  note: 'a note',
  ...rest,
});

export const record = (id: string, rest: Partial<UsageRecord> = {}): UsageRecord => ({
  id,
  requestId: id.split(':')[0] ?? id,
  attempt: 1,
  at: 1_700_000_000_000,
  keyId: 'key_a',
  projectId: 'proj_a',
  endUser: undefined,
  modelAsked: 'small',
  model: 'openai/gpt-small',
  provider: 'openai',
  promptTokens: 100,
  completionTokens: 20,
  cachedTokens: 10,
  cacheWriteTokens: 5,
  cacheWriteLongTokens: 4,
  reasoningTokens: 3,
  audioTokens: 7,
  completionAudioTokens: 6,
  imageTokens: 9,
  completionImageTokens: 8,
  estimated: false,
  costNanos: 1_234_567n,
  unpriced: false,
  stream: true,
  cache: undefined,
  outcome: 'ok',
  status: 200,
  errorKind: undefined,
  queueMs: 0,
  firstOutputMs: 120,
  totalMs: 900,
  ...rest,
});

export const completion = (id: string, rest: Partial<StoredCompletion> = {}): StoredCompletion => ({
  id,
  projectId: 'proj_a',
  createdAt: 1_700_000_000_000,
  model: 'openai/gpt-small',
  metadata: {},
  request: { messages: [{ role: 'user', content: 'Hi' }] },
  response: { id, object: 'chat.completion' },
  ...rest,
});

/** All pages, and how many there were. */
export async function pages<T>(
  next: (cursor: string | undefined) => Promise<{ readonly items: readonly T[]; readonly next: string | undefined }>,
): Promise<{ readonly items: readonly T[]; readonly count: number }> {
  const items: T[] = [];
  for (let cursor: string | undefined, count = 1; ; count++) {
    const page = await next(cursor);
    items.push(...page.items);
    if (page.next === undefined) return { items, count };
    cursor = page.next;
  }
}

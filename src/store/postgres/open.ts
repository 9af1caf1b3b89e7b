/** Opens a bounded pool of connections to Postgres. */
import { Kysely, PostgresDialect, sql } from 'kysely';
import type { PostgresPool, PostgresPoolClient } from 'kysely';
import { Pool } from 'pg';
import type { PoolClient, PoolConfig } from 'pg';
import { storable } from '../database.ts';
import type { Database, StoreLog } from '../database.ts';
import type { Schema } from '../schema.ts';

const MOST_CONNECTIONS = 10;
const CONNECT_WITHIN_MS = 5_000;
/** The server ends a statement after this … */
const STATEMENT_MS = 30_000;
/** … and we give up the connection where it does not answer at all. */
const ANSWER_WITHIN_MS = 35_000;
const IDLE_MS = 30_000;
/** Shorter ones are in every other word, and secret they are not. */
const SHORTEST_SECRET = 3;
/** Of advisory locks: any number that others are not likely to take. */
const SCHEMA_LOCK = 7_127_230_117;

const INT8 = 20;
const INT4 = 23;
const INT2 = 21;
const NUMERIC = 1700;
const WHOLE: ReadonlySet<number> = new Set([INT8, INT4, INT2, NUMERIC]);

interface Place {
  readonly name: string;
  /** What may not be shown: the password, as it is and as it is written in the URL. */
  readonly secrets: readonly string[];
}

/** Whole numbers as bigint (sums of bigint are numeric), everything else as pg has it. */
const types: NonNullable<PoolConfig['types']> = {
  getTypeParser: (oid: number) => (text: string) => (WHOLE.has(oid) && /^-?\d+$/.test(text) ? BigInt(text) : text),
};

/** `url` is `postgres://…`. Rejects where nobody answers there, with an `Error` without user and password. */
export async function openPostgres(url: string, log: StoreLog): Promise<Database> {
  const place = placeOf(url);
  const pool = new Pool({
    connectionString: url,
    max: MOST_CONNECTIONS,
    connectionTimeoutMillis: CONNECT_WITHIN_MS,
    idleTimeoutMillis: IDLE_MS,
    query_timeout: ANSWER_WITHIN_MS,
    keepAlive: true,
    application_name: 'parlance',
    allowExitOnIdle: false,
    types,
  });
  // an idle connection that broke; the pool makes another when it needs one
  pool.on('error', (error) => log.warn({ place: place.name, err: cleaned(error, place) }, 'A connection to Postgres broke.'));
  // one that is in use, and breaks between two statements: the next statement says so, and unheard it would end the process
  pool.on('connect', (client) => client.on('error', () => undefined));
  const db = new Kysely<Schema>({
    dialect: new PostgresDialect({
      pool: guarded(pool, place),
      // by a statement: poolers in between refuse start-up parameters they do not know
      onCreateConnection: async (connection) => {
        await connection.executeQuery(sql`select set_config('statement_timeout', ${String(STATEMENT_MS)}, false)`.compile(db));
      },
    }),
  });

  const database: Database = {
    kind: 'postgres',
    place: place.name,
    read: db,
    report: db,
    transaction: (work) => db.transaction().execute(work),
    async lockSchema(tx) {
      await sql`select set_config('statement_timeout', '0', true)`.execute(tx);
      await sql`select pg_advisory_xact_lock(${SCHEMA_LOCK})`.execute(tx);
    },
    present: async () => undefined,
    tidy: async () => undefined,
    close: () => db.destroy(),
  };
  try {
    await sql`select 1`.execute(db);
  } catch (cause) {
    await database.close();
    throw new Error(`Postgres at ${place.name} cannot be used: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  }
  return database;
}

/** The pool as kysely wants it, with values that Postgres can keep, errors without secrets, and without connections that hang. */
function guarded(pool: Pool, place: Place): PostgresPool {
  const clients = new WeakMap<PoolClient, PostgresPoolClient>();
  return {
    options: pool.options,
    end: () => pool.end(),
    async connect() {
      const client = await pool.connect().catch((error: unknown) => {
        throw cleaned(error, place);
      });
      const known = clients.get(client);
      if (known) return known;
      const fresh = guardedClient(client, place);
      clients.set(client, fresh);
      return fresh;
    },
  };
}

function guardedClient(client: PoolClient, place: Place): PostgresPoolClient {
  let hangs = false;
  const query = async (text: string, values: readonly unknown[] = []): Promise<unknown> => {
    try {
      return await client.query(text, values.map(storable));
    } catch (error) {
      hangs ||= error instanceof Error && error.message === 'Query read timeout';
      throw cleaned(error, place);
    }
  };
  return {
    query: query as PostgresPoolClient['query'],
    release: (destroy) => client.release(hangs || destroy === true),
  };
}

/** The same error without the password, wherever it might be in it. */
function cleaned(error: unknown, place: Place): unknown {
  if (!(error instanceof Error)) return error;
  const clean = (text: string): string => place.secrets.reduce((rest, secret) => rest.replaceAll(secret, '***'), text);
  // several addresses of one host: the message is empty then, and each has an error of its own
  const several = error instanceof AggregateError ? error.errors.map((each) => (each instanceof Error ? each.message : String(each))) : [];
  error.message = clean(error.message || several.join('; '));
  if (error.stack !== undefined) error.stack = clean(error.stack);
  // the pool adds the whole connection, and logs write all that they find
  if ('client' in error) Reflect.deleteProperty(error, 'client');
  return error;
}

function placeOf(url: string): Place {
  let parsed: URL;
  try {
    parsed = new URL(url);
  } catch {
    // neither the URL nor the error, which holds it, is for others to see
    throw new Error('The URL of the Postgres database is not a valid URL; special characters in a password are written as %XX.');
  }
  const written = [parsed.password, parsed.searchParams.get('password') ?? ''];
  const secrets = written.flatMap((secret) => [secret, decoded(secret)]).filter((secret) => secret.length >= SHORTEST_SECRET);
  const host = parsed.hostname || parsed.searchParams.get('host') || 'localhost';
  return { name: `${decoded(host)}:${parsed.port || '5432'}${decoded(parsed.pathname)}`, secrets: [...new Set([url, ...secrets])] };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

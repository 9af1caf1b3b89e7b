/** From the requests of administrators to what they ask for, or to a failure that says what is wrong with them. */
import { Compile } from 'typebox/schema';
import type { Static, TSchema } from 'typebox';
import type { FastifyRequest } from 'fastify';
import { GatewayError } from '../../core/error.ts';
import type { Allowance, EndUserDefaults, Limits } from '../../gateway/accounts.ts';
import { nanosOfDollars } from '../../gateway/dollars.ts';
import type { PageOptions } from '../../gateway/store-ports.ts';
import { firstProblem } from '../../protocols/openai-chat/explain.ts';
import { unknownFields } from '../../protocols/openai-chat/unknown-fields.ts';
import { parseJson } from '../body.ts';
import type { Exchange } from '../exchange.ts';
import type { EndUserPut, ModelLimitsPut, ProjectUpdate } from './schemas.ts';

/** Reads a body by its schema. Throws as the chat route does for what is wrong, and for every field that the schema does not name. */
export function bodyReader<T extends TSchema>(schema: T): (exchange: Exchange, request: FastifyRequest) => Static<T> {
  const check = Compile(schema);
  return (exchange, { body }) => {
    // a body that is not there asks for nothing in particular
    const bytes = body instanceof Buffer && body.length > 0 ? body : undefined;
    const json = bytes ? parseJson(bytes, exchange.service.server.jsonDepth) : {};
    if (!check.Check(json))
      throw firstProblem(schema, json) ?? new GatewayError('bad_request', 'The request body does not hold to the schema.');
    const [unknown] = unknownFields(schema, json, { limit: 1, nulls: true });
    if (unknown === undefined) return json;
    const known = Object.keys((schema as { readonly properties?: object }).properties ?? {});
    throw new GatewayError('unknown_parameter', `Unknown parameter: '${unknown}'. There are ${known.join(', ') || 'none'}.`, {
      param: unknown,
    });
  };
}

/** The parameters in a query, each once. Throws for those that there are not. */
export function readQuery<K extends string>({ query }: FastifyRequest, known: readonly K[]): { readonly [key in K]?: string } {
  const given = query as Readonly<Record<string, string | readonly string[]>>;
  for (const [name, value] of Object.entries(given)) {
    if (!known.includes(name as K)) {
      const there = known.length === 0 ? 'There are none here.' : `There are ${known.join(', ')}.`;
      throw new GatewayError('unknown_parameter', `Unknown query parameter: '${name.slice(0, 60)}'. ${there}`, {
        param: name.slice(0, 60),
      });
    }
    if (typeof value !== 'string') throw new GatewayError('invalid_value', `Give '${name}' once.`, { param: name });
  }
  return given as { readonly [key in K]?: string };
}

const MOST_ON_A_PAGE = 100;
const USUAL_PAGE = 20;

/** `limit` and `cursor` of a query. */
export function pageOf({ limit, cursor }: { readonly limit?: string; readonly cursor?: string }): PageOptions {
  const count = limit === undefined ? USUAL_PAGE : Number(limit);
  if (!/^\d{0,4}$/.test(limit ?? '') || !(count >= 1 && count <= MOST_ON_A_PAGE)) {
    throw new GatewayError('invalid_value', `Invalid 'limit': expected an integer from 1 to ${MOST_ON_A_PAGE}.`, { param: 'limit' });
  }
  return { limit: count, ...(cursor === undefined ? {} : { cursor }) };
}

/** A part of the path, which no one has made longer than `most` characters. */
export function pathPart({ params }: FastifyRequest, name: string, most: number): string {
  const value = (params as Readonly<Record<string, string>>)[name] ?? '';
  if (value.length <= most) return value;
  throw new GatewayError('not_found', `There is nothing of such a long name: at most ${most} characters.`);
}

/** If-Match: what the caller has seen. `*` is whatever there is. */
export function seenOf({ request: { headers } }: Exchange): string | undefined {
  const match = headers['if-match']?.trim();
  if (match === undefined || match === '*') return undefined;
  return match.replace(/^W\//, '').replace(/^"(.*)"$/, '$1');
}

type LimitsInput = Static<typeof ModelLimitsPut>['limits'];
type AllowanceInput = Pick<Static<typeof EndUserPut>, 'limits' | 'budgets' | 'models'>;

export function limitsOf(input: LimitsInput): Limits {
  return given({
    requestsPerMinute: input.requests_per_minute,
    requestsPerDay: input.requests_per_day,
    tokensPerMinute: input.tokens_per_minute,
    tokensPerDay: input.tokens_per_day,
    concurrent: input.concurrent_requests,
  });
}

/** `within`: begins the names of fields in what is said of them. */
export function allowanceOf({ limits, budgets, models }: AllowanceInput, within = ''): Partial<Allowance> {
  return given({
    limits: limits ? limitsOf(limits) : undefined,
    budgets: budgets?.map(({ period, usd }, at) => ({ period, nanos: nanosAt(usd, `${within}budgets[${at}].usd`) })),
    models,
  });
}

type DefaultsInput = Static<typeof ProjectUpdate>['end_user_defaults'];

export function endUserDefaultsOf(defaults: DefaultsInput): { readonly endUserDefaults?: Partial<EndUserDefaults> } {
  return defaults ? { endUserDefaults: allowanceOf(defaults, 'end_user_defaults.') } : {};
}

function nanosAt(usd: string | number, param: string): bigint {
  const nanos = nanosOfDollars(String(usd));
  if (nanos !== undefined) return nanos;
  throw new GatewayError('invalid_value', `Invalid '${param}': expected dollars with at most nine decimals, such as "25.00".`, { param });
}

/** Fields that are given; null is not. */
export function given<T extends object>(fields: T): { [K in keyof T]?: Exclude<T[K], undefined | null> } {
  const entries = Object.entries(fields).filter(([, value]) => value !== undefined && value !== null);
  return Object.fromEntries(entries) as { [K in keyof T]?: Exclude<T[K], undefined | null> };
}

/** `/admin/v1/usage`: what was used and what it cost, summed up or record by record, in JSON or as a table. */
import type { FastifyRequest } from 'fastify';
import { GatewayError } from '../../core/error.ts';
import { listView } from '../../gateway/account-views.ts';
import type { Outcome } from '../../gateway/accounts.ts';
import type { UsageFilter, UsageStore, UsageSum } from '../../gateway/store-ports.ts';
import { csvLine, GROUP_NAMES, groupOf, recordView, sumView } from '../../gateway/usage-views.ts';
import type { GroupName } from '../../gateway/usage-views.ts';
import { given, pageOf, readQuery } from '../admin/input.ts';
import { answer } from '../answer.ts';
import { answerCsv } from '../csv-answer.ts';
import type { Exchange } from '../exchange.ts';
import type { Route } from './route.ts';

export interface UsageDesk {
  readonly usage: Pick<UsageStore, 'records' | 'sums'>;
  /** Resolves when what was used so far is in the store. */
  flush(): Promise<void>;
}

const FILTERS = ['from', 'to', 'project_id', 'key_id', 'end_user', 'model', 'provider', 'outcome'] as const;
const PAGE = ['limit', 'cursor', 'format'] as const;
const OUTCOMES: readonly Outcome[] = ['ok', 'error', 'cancelled', 'lost'];
/** Records that are read at once for a table. */
const ROWS_AT_ONCE = 500;

export function adminUsage(desk: UsageDesk): readonly Route[] {
  const sums = async (exchange: Exchange, request: FastifyRequest): Promise<void> => {
    const { group_by: by, ...query } = readQuery(request, [...FILTERS, ...PAGE, 'group_by']);
    const groups = groupsOf(by);
    const filter = filterOf(query);
    const format = formatOf(query.format);
    await desk.flush();
    const found = await desk.usage.sums(filter, groups.map(groupOf));
    if (format === 'csv') return answerCsv(exchange, 'usage', sumLines(found, groups));
    const page = pageOfSums(found, groups, pageOf(query));
    return answerJson(
      exchange,
      listView(page, (sum) => ({ object: 'usage', ...sumView(sum, groups) })),
    );
  };
  const records = async (exchange: Exchange, request: FastifyRequest): Promise<void> => {
    const query = readQuery(request, [...FILTERS, ...PAGE]);
    const filter = filterOf(query);
    const format = formatOf(query.format);
    await desk.flush();
    if (format === 'csv') return answerCsv(exchange, 'usage-records', recordLines(desk, filter));
    const page = await desk.usage.records(filter, pageOf(query));
    return answerJson(
      exchange,
      listView(page, (record) => ({ object: 'usage_record', ...recordView(record) })),
    );
  };
  const route = (path: string, handle: Route['handle']): Route => ({
    method: 'GET',
    paths: [`/admin/v1${path}`],
    access: 'admin',
    level: 'info',
    handle,
  });
  return [route('/usage', sums), route('/usage/records', records)];
}

function answerJson(exchange: Exchange, view: object): void {
  answer(exchange, exchange.service.server, { status: 200, headers: { 'cache-control': 'no-store' }, body: JSON.stringify(view) });
}

function bad(param: string, expected: string): GatewayError {
  return new GatewayError('invalid_value', `Invalid '${param}': expected ${expected}.`, { param });
}

type Query = { readonly [name in (typeof FILTERS)[number]]?: string };

function filterOf({ from, to, project_id: projectId, key_id: keyId, end_user: endUser, model, provider, outcome }: Query): UsageFilter {
  const known = OUTCOMES.find((one) => one === outcome);
  if (outcome !== undefined && !known) throw bad('outcome', `one of ${OUTCOMES.join(', ')}`);
  return given({ from: timeOf('from', from), to: timeOf('to', to), projectId, keyId, endUser, model, provider, outcome: known });
}

/** Unix seconds, or a day or a time of ISO 8601 in UTC. */
function timeOf(param: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (/^\d{1,12}(\.\d{1,3})?$/.test(text)) return Math.round(Number(text) * 1000);
  const at = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,3})?)?Z)?$/.test(text) ? Date.parse(text) : NaN;
  // `Date.parse` takes the 30th of February for a day of March
  if (Number.isNaN(at) || !new Date(at).toISOString().startsWith(text.slice(0, 10)))
    throw bad(param, 'Unix seconds, a day such as 2026-11-23, or a time such as 2026-11-23T12:00:00Z');
  return at;
}

function groupsOf(text: string | undefined): readonly GroupName[] {
  const names = (text ?? '').split(',').flatMap((name) => name.trim() || []);
  const isGroup = (name: string): name is GroupName => Object.hasOwn(GROUP_NAMES, name);
  if (!names.every(isGroup)) throw bad('group_by', `some of ${Object.keys(GROUP_NAMES).join(', ')}, separated by commas`);
  return [...new Set(names)];
}

function formatOf(text = 'json'): 'json' | 'csv' {
  if (text === 'json' || text === 'csv') return text;
  throw bad('format', 'json or csv');
}

/** The values of the groups, as text that sorts and that a cursor can hold. */
const placeOf = ({ group }: UsageSum, groups: readonly GroupName[]): string =>
  JSON.stringify(groups.map((name) => group[groupOf(name)] ?? ''));

function placeIn(cursor: string, groups: readonly GroupName[]): string {
  const place = Buffer.from(cursor, 'base64url').toString();
  const values = valuesIn(place);
  if (Array.isArray(values) && values.length === groups.length) return place;
  const message = 'There is no such place in this list; take the cursor of the page before as it is.';
  throw new GatewayError('invalid_value', message, { param: 'cursor' });
}

/** Undefined where it is no JSON. */
function valuesIn(place: string): unknown {
  try {
    return JSON.parse(place);
  } catch {
    return undefined;
  }
}

function pageOfSums(found: readonly UsageSum[], groups: readonly GroupName[], { limit, cursor }: ReturnType<typeof pageOf>) {
  const sorted = found.map((sum) => ({ sum, place: placeOf(sum, groups) })).sort((one, other) => (one.place < other.place ? -1 : 1));
  const after = cursor === undefined ? undefined : placeIn(cursor, groups);
  const rest = after === undefined ? sorted : sorted.filter(({ place }) => place > after);
  const items = rest.slice(0, limit);
  const last = items.at(-1);
  const next = rest.length > items.length && last ? Buffer.from(last.place).toString('base64url') : undefined;
  return { items: items.map(({ sum }) => sum), next };
}

async function* sumLines(found: readonly UsageSum[], groups: readonly GroupName[]): AsyncGenerator<string> {
  const [first] = found;
  if (first) yield csvLine(Object.keys(sumView(first, groups)));
  for (const sum of found) yield csvLine(Object.values(sumView(sum, groups)));
}

async function* recordLines({ usage }: UsageDesk, filter: UsageFilter): AsyncGenerator<string> {
  let cursor: string | undefined;
  let isFirst = true;
  do {
    const page = await usage.records(filter, { limit: ROWS_AT_ONCE, ...given({ cursor }) });
    for (const record of page.items) {
      const view = recordView(record);
      if (isFirst) yield csvLine(Object.keys(view));
      isFirst = false;
      yield csvLine(Object.values(view));
    }
    cursor = page.next;
  } while (cursor !== undefined);
}

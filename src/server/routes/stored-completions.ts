import type { FastifyRequest } from 'fastify';
import Type from 'typebox';
import { GatewayError } from '../../core/error.ts';
import type { StoredCompletion } from '../../gateway/accounts.ts';
import type { CompletionStore } from '../../gateway/store-ports.ts';
import { mapOf, nullable } from '../../protocols/openai-chat/schema-kit.ts';
import { cursorPage, storedCompletion, storedMessages } from '../../protocols/openai-chat/stored.ts';
import { bodyReader, pathPart } from '../admin/input.ts';
import { answer } from '../answer.ts';
import { principalOf } from '../exchange.ts';
import type { Exchange } from '../exchange.ts';
import { api } from './route.ts';
import type { Route } from './route.ts';

const Metadata = mapOf<string>({ names: Type.String({ maxLength: 64 }), values: Type.String({ maxLength: 512 }), max: 16 });

/** What `POST /v1/chat/completions/{id}` takes. */
export const StoredCompletionUpdate = Type.Object(
  { metadata: nullable(Metadata, { description: 'Up to 16 notes, in place of those that are there.' }) },
  { title: 'StoredCompletionUpdate' },
);

/** Who asks a server that has no keys. */
const NOBODY = 'local';
const LONGEST_ID = 256;
const MOST_ON_A_PAGE = 100;
const USUAL_PAGE = 20;

/** Completions that were kept for the project of the key: listed, shown, noted on, deleted. */
export function storedCompletions(completions: CompletionStore): readonly Route[] {
  const update = bodyReader(StoredCompletionUpdate);

  const find = async (exchange: Exchange, request: FastifyRequest): Promise<StoredCompletion> => {
    const id = idOf(request);
    const { projectId } = principalOf(exchange);
    return (projectId === undefined ? undefined : await completions.get(projectId, id)) ?? missing(id);
  };
  const list = async (exchange: Exchange, request: FastifyRequest): Promise<void> => {
    const { id: asking, projectId } = principalOf(exchange);
    if (asking === NOBODY) {
      // without keys everybody on this machine is the same, and would read what all the others kept
      throw new GatewayError(
        'method_not_allowed',
        'Expected POST. Kept completions are listed for the project of a key: send one with the request.',
      );
    }
    const { model, metadata, ...page } = readListQuery(request, ['model', 'metadata']);
    if (projectId === undefined)
      return send(
        exchange,
        cursorPage([], false, () => null),
      );
    const filter = { projectId, ...(model === undefined ? {} : { model }), ...(metadata ? { metadata } : {}) };
    const { items, next } = await completions.list(filter, page);
    return send(exchange, cursorPage(items.map(shown), next !== undefined, idIn));
  };
  const one = async (exchange: Exchange, request: FastifyRequest): Promise<void> => send(exchange, shown(await find(exchange, request)));
  const messages = async (exchange: Exchange, request: FastifyRequest): Promise<void> => {
    const { cursor, limit, order } = readListQuery(request, []);
    const { id, request: body } = await find(exchange, request);
    const all = storedMessages(id, body);
    const inOrder = order === 'asc' ? all : all.toReversed();
    const at = cursor === undefined ? -1 : inOrder.findIndex((message) => message.id === cursor);
    if (cursor !== undefined && at < 0) throw invalid('after', 'the id of a message of this completion');
    const rest = inOrder.slice(at + 1);
    return send(exchange, cursorPage(rest.slice(0, limit), rest.length > limit, idIn));
  };
  const note = async (exchange: Exchange, request: FastifyRequest): Promise<void> => {
    const { metadata } = update(exchange, request);
    const { id, projectId } = await find(exchange, request);
    send(exchange, shown((await completions.setMetadata(projectId, id, metadata ?? {})) ?? missing(id)));
  };
  const remove = async (exchange: Exchange, request: FastifyRequest): Promise<void> => {
    const { id, projectId } = await find(exchange, request);
    if (!(await completions.delete(projectId, id))) missing(id);
    send(exchange, { object: 'chat.completion.deleted', id, deleted: true });
  };

  const route = (method: Route['method'], path: `/${string}`, handle: Route['handle']): Route => ({
    method,
    paths: api(path),
    access: 'key',
    level: 'info',
    handle,
  });
  return [
    route('GET', '/chat/completions', list),
    route('GET', '/chat/completions/:id', one),
    route('POST', '/chat/completions/:id', note),
    route('DELETE', '/chat/completions/:id', remove),
    route('GET', '/chat/completions/:id/messages', messages),
  ];
}

const idOf = (request: FastifyRequest): string => pathPart(request, 'id', LONGEST_ID);

const shown = ({ response, metadata }: StoredCompletion) => storedCompletion(response, metadata);

const idIn = (item: object): unknown => ('id' in item ? item.id : null);

function send(exchange: Exchange, view: object): void {
  answer(exchange, exchange.service.server, { status: 200, headers: { 'cache-control': 'no-store' }, body: JSON.stringify(view) });
}

function missing(id: string): never {
  throw new GatewayError('not_found', `There is no stored completion '${id.slice(0, 100)}'.`, { param: 'completion_id' });
}

function invalid(param: string, expected: string): GatewayError {
  return new GatewayError('invalid_value', `Invalid '${param}': expected ${expected}.`, { param });
}

interface ListQuery {
  readonly limit: number;
  readonly order: 'asc' | 'desc';
  readonly cursor?: string;
  readonly model?: string;
  readonly metadata?: Readonly<Record<string, string>>;
}

/** `after`, `limit`, `order`, and where they are allowed `model` and `metadata[name]=value`. */
function readListQuery({ query }: FastifyRequest, filters: readonly ('model' | 'metadata')[]): ListQuery {
  const metadata: Record<string, string> = Object.create(null) as Record<string, string>;
  const given: { after?: string; limit?: string; order?: string; model?: string } = {};
  for (const [name, value] of Object.entries(query as Readonly<Record<string, unknown>>)) {
    if (typeof value !== 'string') throw invalid(name.slice(0, 60), 'one value');
    const [, noted] = /^metadata\[(.*)\]$/s.exec(name) ?? [];
    if (noted !== undefined && filters.includes('metadata')) metadata[noted] = value;
    else if (name === 'after' || name === 'limit' || name === 'order' || (name === 'model' && filters.includes(name))) given[name] = value;
    else throw new GatewayError('unknown_parameter', `Unknown query parameter: '${name.slice(0, 60)}'.`, { param: name.slice(0, 60) });
  }
  const { after, limit = String(USUAL_PAGE), order = 'asc', model } = given;
  if (order !== 'asc' && order !== 'desc') throw invalid('order', 'asc or desc');
  const count = /^\d{1,4}$/.test(limit) ? Number(limit) : 0;
  if (count < 1 || count > MOST_ON_A_PAGE) throw invalid('limit', `an integer from 1 to ${MOST_ON_A_PAGE}`);
  return {
    limit: count,
    order,
    ...(after === undefined ? {} : { cursor: after }),
    ...(model === undefined ? {} : { model }),
    ...(Object.keys(metadata).length > 0 ? { metadata: { ...metadata } } : {}),
  };
}

import type { FastifyRequest } from 'fastify';
import { encodeModel, encodeModels } from '../../protocols/openai-chat/response.ts';
import { answer } from '../answer.ts';
import { principalOf } from '../exchange.ts';
import type { Exchange } from '../exchange.ts';
import { api } from './route.ts';
import type { Route } from './route.ts';

/** `GET /v1/models` and `GET /v1/models/{id}`; an id may have slashes in it, written as `/` or `%2F`. */
export function models(): readonly Route[] {
  const list = async (exchange: Exchange): Promise<void> => {
    const { service } = exchange;
    const cards = await service.models.list(principalOf(exchange));
    answer(exchange, service.server, { status: 200, body: JSON.stringify(encodeModels(cards)) });
  };
  const one = async (exchange: Exchange, { params }: FastifyRequest): Promise<void> => {
    const id = (params as { readonly '*': string })['*'];
    if (id === '') return list(exchange);
    exchange.facts.model = id;
    const { service } = exchange;
    const card = await service.models.find(id, principalOf(exchange));
    answer(exchange, service.server, { status: 200, body: JSON.stringify(encodeModel(card)) });
  };
  return [
    { method: 'GET', paths: api('/models'), access: 'key', level: 'info', handle: list },
    { method: 'GET', paths: api('/models/*'), access: 'key', level: 'info', handle: one },
  ];
}

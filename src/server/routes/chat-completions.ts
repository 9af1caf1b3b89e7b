import type { FastifyRequest } from 'fastify';
import { parseChatRequest } from '../../protocols/openai-chat/accept.ts';
import { parseBody } from '../body.ts';
import { readCacheHeader } from '../cache-header.ts';
import { principalOf } from '../exchange.ts';
import type { Exchange } from '../exchange.ts';
import { createKnownMessages } from '../known-messages.ts';
import { createKnownTools } from '../known-tools.ts';
import { sendStream, sendWhole } from '../reply.ts';
import { api } from './route.ts';
import type { Route } from './route.ts';

/** The route of completions needs nothing of a request but its body. */
export interface Completions extends Route {
  readonly handle: (exchange: Exchange, request: Pick<FastifyRequest, 'body'>) => Promise<void>;
}

/** `POST /v1/chat/completions`. */
export function chatCompletions(): Completions {
  const tools = createKnownTools();
  const messages = createKnownMessages();
  const handle = async (exchange: Exchange, { body }: Pick<FastifyRequest, 'body'>): Promise<void> => {
    const { handler, server: settings } = exchange.service;
    const principal = principalOf(exchange);
    const { value, written } = parseBody(body instanceof Buffer ? body : undefined, settings.jsonDepth, {
      id: principal.id,
      tools,
      messages,
    });
    const request = parseChatRequest(value, { strict: settings.strict, written });
    const { facts } = exchange;
    facts.model = request.model;
    facts.stream = request.stream;
    const user = request.safetyIdentifier ?? request.user;
    if (user !== undefined) facts.user = user;
    const { trace } = facts;
    const cache = readCacheHeader(exchange.request.headers);
    const call = { id: exchange.id, request, principal, signal: exchange.signal(), strict: settings.strict, trace, ...cache };
    const send = request.stream ? sendStream : sendWhole;
    await send({ exchange, call, handler, settings });
  };
  return { method: 'POST', paths: api('/chat/completions'), access: 'key', level: 'info', handle };
}

import { answer } from '../answer.ts';
import type { ServerParts } from '../parts.ts';
import type { Route } from './route.ts';

/** `GET /`: what this is, and where to go on. */
export function home({ version }: Pick<ServerParts, 'version'>): Route {
  const body = JSON.stringify({
    name: 'Parlance',
    version,
    about: 'An OpenAI-compatible chat completions API.',
    base_url: '/v1',
    chat: '/v1/chat/completions',
    models: '/v1/models',
    docs: '/docs/',
    openapi: '/openapi.json',
    health: '/health',
    ready: '/ready',
  });
  return {
    method: 'GET',
    paths: ['/'],
    access: 'open',
    level: 'debug',
    handle: async (exchange) => answer(exchange, exchange.service.server, { status: 200, body }),
  };
}

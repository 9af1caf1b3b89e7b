import { openapiDocument } from '../openapi.ts';
import { answer } from '../answer.ts';
import type { ServerParts } from '../parts.ts';
import type { Route } from './route.ts';

/** `GET /openapi.json`: the API's description, made of the schemas that check requests. */
export function openapi({ version, desk }: Pick<ServerParts, 'version' | 'desk'>): Route {
  let text: string | undefined;
  return {
    method: 'GET',
    paths: ['/openapi.json'],
    access: 'open',
    level: 'debug',
    handle: async (exchange) => {
      text ??= JSON.stringify(openapiDocument({ version, keeps: desk !== undefined }));
      answer(exchange, exchange.service.server, { status: 200, body: text });
    },
  };
}

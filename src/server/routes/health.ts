import { answer } from '../answer.ts';
import type { ServerParts } from '../parts.ts';
import type { Route } from './route.ts';

/** `GET /health`: the process lives. `GET /ready`: it can answer completions; 503 where it cannot, or is about to stop. */
export function health({ version, workers }: Pick<ServerParts, 'version' | 'workers'>, isDraining: () => boolean): readonly Route[] {
  return [
    {
      method: 'GET',
      paths: ['/health'],
      access: 'open',
      level: 'debug',
      handle: async (exchange) =>
        answer(exchange, exchange.service.server, { status: 200, body: JSON.stringify({ status: 'ok', version, workers: workers?.() }) }),
    },
    {
      method: 'GET',
      paths: ['/ready'],
      access: 'open',
      level: 'debug',
      handle: async (exchange) => {
        const { service } = exchange;
        const state = isDraining() ? { ready: false, detail: { draining: true } } : await service.ready();
        answer(exchange, service.server, {
          status: state.ready ? 200 : 503,
          ...(state.ready ? {} : { headers: { 'retry-after': '1' } }),
          body: JSON.stringify({ status: state.ready ? 'ready' : 'not_ready', ...state.detail }),
        });
      },
    },
  ];
}

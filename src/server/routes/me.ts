import { aboutMe } from '../../gateway/me.ts';
import type { MeParts } from '../../gateway/me.ts';
import { answer } from '../answer.ts';
import { principalOf } from '../exchange.ts';
import type { Exchange } from '../exchange.ts';
import { api } from './route.ts';
import type { Route } from './route.ts';

/** `GET /v1/me`: what the key may use, and what it has left. */
export function me(parts: MeParts): Route {
  const handle = async (exchange: Exchange): Promise<void> => {
    const { service } = exchange;
    const principal = principalOf(exchange);
    const view = await aboutMe(principal, await service.models.list(principal), parts);
    answer(exchange, service.server, { status: 200, headers: { 'cache-control': 'no-store' }, body: JSON.stringify(view) });
  };
  return { method: 'GET', paths: api('/me'), access: 'key', level: 'info', handle };
}

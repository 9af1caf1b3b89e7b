import { answer } from '../answer.ts';
import { createMetricsGuard } from '../metrics-access.ts';
import type { MetricsAccess } from '../metrics-access.ts';
import type { ReadableMetrics } from '../parts.ts';
import type { Route } from './route.ts';

/** `GET /metrics`: the figures for Prometheus. Its key is not one of the API's. */
export function metrics({ text, contentType }: ReadableMetrics, access: MetricsAccess): Route {
  const refuse = createMetricsGuard(access);
  return {
    method: 'GET',
    paths: ['/metrics'],
    access: 'open',
    level: 'debug',
    handle: async (exchange) => {
      const { server } = exchange.service;
      const refusal = refuse(exchange.request, server.allowedHosts);
      if (refusal) throw refusal;
      answer(exchange, server, { status: 200, headers: { 'content-type': contentType, 'cache-control': 'no-store' }, body: await text() });
    },
  };
}

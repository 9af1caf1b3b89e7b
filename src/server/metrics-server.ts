/** The metrics at an address of their own, where there is nothing else. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingMessage } from 'node:http';
import type { Logger } from 'pino';
import { GatewayError, toGatewayError } from '../core/error.ts';
import { errorAnswer } from './answer.ts';
import type { Answer } from './answer.ts';
import { newRequestId } from './exchange.ts';
import { createMetricsGuard } from './metrics-access.ts';
import type { ReadableMetrics } from './parts.ts';

export interface MetricsServer {
  /** Starts to accept. Fails as `net.Server.listen` does. */
  listen(port: number): Promise<{ readonly host: string; readonly port: number }>;
  close(): Promise<void>;
}

const HEAD_TIMEOUT_MS = 10_000;

export function createMetricsServer({ settings, text, contentType }: ReadableMetrics, log: Logger): MetricsServer {
  const { host } = settings;
  const refuse = createMetricsGuard(settings);

  const answerTo = async (request: IncomingMessage): Promise<Answer> => {
    const refusal = refuse(request, []);
    if (refusal) throw refusal;
    const [path = ''] = (request.url ?? '').split('?', 1);
    if (path !== '/metrics') throw new GatewayError('unknown_url', 'There is nothing here but GET /metrics.');
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      throw new GatewayError('method_not_allowed', `${request.method} is not possible at /metrics: use GET.`);
    }
    return { status: 200, headers: { 'content-type': contentType, 'cache-control': 'no-store' }, body: await text() };
  };
  const failed = (id: string, cause: unknown): Answer => {
    const error = toGatewayError(cause);
    if (error.status >= 500) log.error({ id, err: error.cause instanceof Error ? error.cause : error }, 'metrics');
    const { headers, ...rest } = errorAnswer(error);
    return { ...rest, headers: { 'content-type': 'application/json', ...headers } };
  };
  const server = createServer({ headersTimeout: HEAD_TIMEOUT_MS, requestTimeout: HEAD_TIMEOUT_MS, noDelay: true }, (request, response) => {
    const id = newRequestId();
    void answerTo(request)
      .catch((cause: unknown) => failed(id, cause))
      .then(({ status, headers, body = '' }) => {
        response.writeHead(status, { 'x-request-id': id, 'content-length': Buffer.byteLength(body), ...headers });
        response.end(body);
      });
  });

  return {
    async listen(port) {
      server.listen({ host, port });
      await once(server, 'listening');
      const address = server.address();
      return { host, port: typeof address === 'object' && address ? address.port : port };
    },
    async close() {
      if (!server.listening) return;
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

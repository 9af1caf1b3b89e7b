import type { FastifyRequest } from 'fastify';
import type { Exchange } from '../exchange.ts';

/** One thing the server answers to. */
export interface Route {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** In Fastify's notation; the first one names the route in the log. */
  readonly paths: readonly string[];
  /** `key`: for whoever may use the API. `admin`: for administrators. `open`: for everybody. */
  readonly access: 'key' | 'admin' | 'open';
  /** At which level its requests are logged. */
  readonly level: 'info' | 'debug';
  /** Answers the exchange; what it throws becomes an error answer. */
  readonly handle: (exchange: Exchange, request: FastifyRequest) => Promise<void>;
}

/** The path with and without `/v1`. */
export function api(path: `/${string}`): readonly string[] {
  return [`/v1${path}`, path];
}
